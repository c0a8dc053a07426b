"""Datasets of images: folders of files, and the published ones, downloaded where that is asked for."""
from . import cifar, fakedata, folder, mnist, stl10, svhn, utils
from .cifar import CIFAR10, CIFAR100
from .fakedata import FakeData
from .folder import ImageFolder
from .mnist import MNIST, FashionMNIST
from .stl10 import STL10
from .svhn import SVHN

__all__ = ["CIFAR10", "CIFAR100", "FakeData", "FashionMNIST", "ImageFolder", "MNIST", "STL10", "SVHN"]
