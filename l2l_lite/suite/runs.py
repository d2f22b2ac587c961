"""Train a network of the suite with an optimizer, and tune optimizers that have a rate."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler

from l2l_lite.evaluation import steps_to
from l2l_lite.suite.tasks import Task

Maker = Callable[[nn.Module], torch.optim.Optimizer]


def train(task: Task, make: Maker, steps: int, seed: int, cosine: bool = False) -> Tensor:
    """The loss before each of `steps` updates of the network of a seed, [steps]; NaN from where it diverged.

    Each on its minibatch; with `cosine` the rate falls to zero as half a wave.
    """
    model = task.start(seed)
    loss_at, optimizer = task.losses(model, seed), make(model)
    scheduler: LRScheduler | None = CosineAnnealingLR(optimizer, steps) if cosine else None
    losses = torch.full((steps,), math.nan)
    for t in range(steps):
        optimizer.zero_grad()
        loss = loss_at(t)
        losses[t] = loss.item()
        if not losses[t].isfinite():
            break
        loss.backward()
        try:
            optimizer.step()
        except FloatingPointError:  # of a gradient that is not finite although the loss is
            break
        if scheduler:
            scheduler.step()
    return losses


def end(losses: Tensor, steps: int) -> float:
    """The mean of the last tenth of the losses of the first `steps`; infinite where it diverged."""
    value = float(losses[steps - steps // 10 : steps].mean())
    return value if math.isfinite(value) else math.inf


def reach(losses: Tensor, horizon: int, target: float) -> int | None:
    """The step at which the mean loss of the last tenth of a horizon is down to the target, if ever."""
    return steps_to(losses[:, None], target, horizon // 10)
