"""The switches of cuDNN, which is not used here: scripts may set them, and nothing changes."""

enabled = True
benchmark = False
verbose = False
has_cudnn = False


def is_available():
    """Tell whether cuDNN is used."""
    return False


def version():
    """Return the version of cuDNN, None where there is none."""
    return None


def is_acceptable(tensor):
    """Tell whether cuDNN could work on a tensor."""
    return False
