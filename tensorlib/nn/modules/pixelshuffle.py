"""Sub-pixel upscaling."""
from .. import functional as F
from ..module import Module


class PixelShuffle(Module):
    """Rearrange (n, c r^2, h, w) to (n, c, r h, r w) (Shi et al., 2016).

    Args:
        upscale_factor (int): r.
    """

    def __init__(self, upscale_factor):
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input):
        return F.pixel_shuffle(input, self.upscale_factor)

    def __repr__(self):
        return "%s (upscale_factor=%s)" % (type(self).__name__, self.upscale_factor)
