"""What meta-training minimises: weightings of the losses along a trajectory.

An objective is given the losses of a `window` [steps + 1, tasks] and those `so_far` [t + 1, tasks], whose
last row is the window's first, and returns a scalar.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Objective = Callable[[Tensor, Tensor], Tensor]


def uniform(window: Tensor, so_far: Tensor) -> Tensor:
    """The sum of a window's losses, mean over tasks: w_t = 1, as in all of the paper's experiments."""
    return window.sum(dim=0).mean()


def last(window: Tensor, so_far: Tensor) -> Tensor:
    """The last loss alone, mean over tasks. It needs one window as long as the trajectory."""
    return window[-1].mean()


def increasing(window: Tensor, so_far: Tensor) -> Tensor:
    """Losses weighted by their step, w_t = t, mean over tasks."""
    t = torch.arange(len(window), device=window.device) + len(so_far) - 1
    return (t[:, None] * window).sum(dim=0).mean()


def log_relative(window: Tensor, so_far: Tensor) -> Tensor:
    """The sum of log(f(θ_t) / f(θ_0)): tasks and times of any size count alike (Wichrowska et al., 2017)."""
    return (window / so_far[0] + 1e-6).log().sum(dim=0).mean()


def best_so_far(window: Tensor, so_far: Tensor) -> Tensor:
    """The sum of the lowest loss found up to each step (after Chen et al., 2017)."""
    lowest = torch.cat([so_far.amin(dim=0, keepdim=True), window]).cummin(dim=0).values
    return lowest[1:].sum(dim=0).mean()
