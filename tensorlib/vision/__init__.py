"""Images: transforms, datasets, networks, grids. Pillow is imported where an image is first touched."""
from . import datasets, models, transforms, utils

__all__ = ["datasets", "models", "transforms", "utils"]
