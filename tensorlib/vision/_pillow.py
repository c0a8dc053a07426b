"""The one place that imports Pillow, which is an extra."""


def pillow():
    """Return the module PIL.Image."""
    return _module("Image")


def pillow_ops():
    """Return the module PIL.ImageOps."""
    return _module("ImageOps")


def _module(name):
    try:
        import PIL.Image
        import PIL.ImageOps
    except ImportError as error:
        raise ImportError("this needs Pillow: pip install tensorlib[vision]") from error
    return getattr(PIL, name)
