"""Tools for training networks: gradient clipping, weight normalisation, packed sequences."""
from . import rnn
from .clip_grad import clip_grad_norm, clip_grad_norm_
from .weight_norm import remove_weight_norm, weight_norm

__all__ = ["clip_grad_norm", "clip_grad_norm_", "remove_weight_norm", "rnn", "weight_norm"]
