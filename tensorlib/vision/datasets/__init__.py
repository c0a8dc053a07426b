"""Datasets of images: folders of files, and the digits of MNIST."""
from . import folder, mnist
from .folder import ImageFolder
from .mnist import MNIST, FashionMNIST

__all__ = ["FashionMNIST", "ImageFolder", "MNIST", "folder", "mnist"]
