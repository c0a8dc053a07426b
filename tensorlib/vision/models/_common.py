"""What the networks share: where their trained weights are, and the normal initialisation of convolutions."""
import math

URL = "https://download.pytorch.org/models/%s.pth"


def trained(model, file, pretrained):
    """Return a model, with the weights trained on ImageNet if `pretrained`: downloaded once, then kept.

    Args:
        file: the name of the checkpoint, whose last part is its hash.
    """
    if pretrained:
        from ...utils import model_zoo
        model.load_state_dict(model_zoo.load_url(URL % file))
    return model


def he_normal(conv):
    """Draw the weights of a convolution from N(0, 2 / fan_out) (He et al. 2015)."""
    height, width = conv.kernel_size
    conv.weight.data.normal_(0, math.sqrt(2 / (height * width * conv.out_channels)))
    if conv.bias is not None:
        conv.bias.data.zero_()


def ones_and_zeros(norm):
    """Let a normalisation begin as the identity."""
    norm.weight.data.fill_(1)
    norm.bias.data.zero_()
