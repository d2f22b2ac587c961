"""What a learned rule sees of a gradient: features [features, *grad.shape]."""

import math

import torch
from torch import Tensor


def log_and_sign(grad: Tensor, p: float = 10.0) -> Tensor:
    """Two features per gradient, [2, *grad.shape]: its size on a log scale, and its sign.

    (log|∇| / p, sgn ∇) where |∇| ≥ e⁻ᵖ, else (-1, eᵖ ∇) (Andrychowicz et al., 2016, Appendix A).
    """
    size = grad.abs().clamp_min(math.exp(-p)).log() / p
    sign = (grad * math.exp(p)).clamp(-1, 1)
    return torch.stack([size, sign])


def identity(grad: Tensor) -> Tensor:
    """The gradient itself as the only feature, [1, *grad.shape]."""
    return grad[None]
