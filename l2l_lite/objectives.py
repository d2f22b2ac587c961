"""What meta-training minimises: weightings of the losses along a trajectory.

An objective is given the losses `so_far` [t + 1, tasks], of θ_0 to θ_t, and those that the steps of a
`window` lead to [steps, tasks], of θ_{t+1} and on; it returns a scalar, which processes that share the
tasks take for a mean over them.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Objective = Callable[[Tensor, Tensor], Tensor]


def uniform(window: Tensor, so_far: Tensor) -> Tensor:
    """The sum of a window's losses, mean over tasks: w_t = 1, as in all of the paper's experiments."""
    return window.sum(dim=0).mean()


def last(window: Tensor, so_far: Tensor) -> Tensor:
    """The last loss of a window, mean over tasks; of the run, if one window is as long as the trajectory."""
    return window[-1:].sum(dim=0).mean()  # nothing for a window of no steps


def increasing(window: Tensor, so_far: Tensor) -> Tensor:
    """Losses weighted by their step, w_t = t, mean over tasks."""
    return (_steps(window, so_far) * window).sum(dim=0).mean()


def squared(window: Tensor, so_far: Tensor) -> Tensor:
    """Losses weighted by the square of their step, w_t = t², mean over tasks.

    Late weights make a learned step longer, and so does ∂∇_t/∂φ = 0; on a bowl the two together end near
    the step that is best for the last loss.
    """
    return (_steps(window, so_far) ** 2 * window).sum(dim=0).mean()


def log_relative(window: Tensor, so_far: Tensor, warm_up: int = 1) -> Tensor:
    """The sum of log(f(θ_t) / f(θ_0)): tasks and times of any size count alike (Wichrowska et al., 2017).

    With a `warm_up` the weights rise to 1 over so many steps, and where a run ends counts for more.
    """
    weight = (_steps(window, so_far) / warm_up).clamp(max=1)
    return (weight * (window / so_far[0] + 1e-6).log()).sum(dim=0).mean()


def best_so_far(window: Tensor, so_far: Tensor) -> Tensor:
    """The sum of the lowest loss found up to each step (after Chen et al., 2017)."""
    before = so_far.amin(dim=0)
    return window.cummin(dim=0).values.minimum(before).sum(dim=0).mean()


def _steps(window: Tensor, so_far: Tensor) -> Tensor:
    """The number t of each loss of a window, [steps, 1]."""
    return (torch.arange(len(window), device=window.device) + len(so_far))[:, None]
