"""What a learned rule sees of a gradient: features [features, *grad.shape]."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

EPS = 1e-8


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


def relative(
    grad: Tensor, mean: Tensor, square: Tensor, count: Tensor, betas: Sequence[float]
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """m̂ / √v̂ and ∇ / √v̂, [betas, *grad.shape] each, and the next running means of ∇ and ∇².

    The means are [betas, *grad.shape] and start at zero, and `count` is of steps, this one included. ε stands
    inside of √(v̂ + ε²), so that the root's slope is finite at zero (after Lv et al., 2017).
    """
    beta = column(betas, grad)
    mean = beta * mean + (1 - beta) * grad
    square = beta * square + (1 - beta) * grad**2
    unbiased = 1 - beta**count
    size = (square / unbiased + EPS**2).sqrt()
    return mean / unbiased / size, grad / size, (mean, square)


def column(values: Sequence[float], like: Tensor) -> Tensor:
    """The values [values, 1, ...], filled where `like` is, for Python waits while a GPU is sent a list."""
    return torch.stack([like.new_full((1,) * like.dim(), value) for value in values])


def steadiness(direction: Tensor) -> Tensor:
    """Log of the mean of (m̂ / √v̂)² over coordinates: 0 where gradients stay, far below where they jump."""
    return (direction.square().mean(dim=-1, keepdim=True) + 1e-4).log() / 3


def overshoot(step: Tensor, gradient: Tensor) -> Tensor:
    """The cosine between a step and the gradient after it: above zero where the step went too far."""
    product = (step * gradient).mean(dim=-1, keepdim=True)
    lengths = step.square().mean(dim=-1, keepdim=True) * gradient.square().mean(dim=-1, keepdim=True)
    return 3 * product / (lengths + 1e-12).sqrt()
