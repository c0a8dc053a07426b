"""Networks for ImageNet, with the names of their parts as in torchvision 0.1.9, so that its checkpoints load."""
from . import densenet, inception, resnet, squeezenet, vgg
from .alexnet import AlexNet, alexnet
from .densenet import DenseNet, densenet121, densenet161, densenet169, densenet201
from .inception import Inception3, inception_v3
from .resnet import ResNet, resnet18, resnet34, resnet50, resnet101, resnet152
from .squeezenet import SqueezeNet, squeezenet1_0, squeezenet1_1
from .vgg import VGG, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn

__all__ = ["AlexNet", "alexnet", "DenseNet", "densenet121", "densenet161", "densenet169", "densenet201", "Inception3",
           "inception_v3", "ResNet", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "SqueezeNet",
           "squeezenet1_0", "squeezenet1_1", "VGG", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn",
           "vgg19", "vgg19_bn"]
