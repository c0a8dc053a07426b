"""Images: transforms, datasets, networks, grids. Pillow is imported where an image is first touched."""
from . import datasets, models, transforms, utils

__all__ = ["datasets", "get_image_backend", "models", "set_image_backend", "transforms", "utils"]


def set_image_backend(backend):
    """Choose the package that reads images: "PIL" is the one there is.

    Raises:
        ValueError: another one.
    """
    if backend != "PIL":
        raise ValueError("Invalid backend %r: images are read by 'PIL' only" % (backend,))


def get_image_backend():
    """Return the name of the package that reads images."""
    return "PIL"
