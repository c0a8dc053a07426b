"""Images: transforms, datasets in folders and files, grids. Pillow is imported where an image is first touched."""
from . import datasets, transforms, utils

__all__ = ["datasets", "transforms", "utils"]
