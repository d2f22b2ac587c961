"""Checks for the exercises on MNIST."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from l2l_lite.checks import missing, recurring, right, wrong
from l2l_lite.problems import Classifier, mlp

DIM = sum(parameter.numel() for parameter in mlp().parameters())

plateau = partial(recurring.plateau, classes=10)
memory = partial(recurring.memory, coordinates=DIM, of="one network")


def ahead_until(answer: Callable[[Tensor, Tensor], int]) -> None:
    """The last step up to which the learned rule leads without a break."""
    learned = torch.tensor([5.0, 3.0, 2.0, 2.0, 1.0])[:, None] + torch.tensor([0.0, 0.2])
    baseline = torch.tensor([5.0, 4.0, 3.0, 1.5, 2.0])[:, None] + torch.tensor([0.2, 0.0])
    found = answer(learned, baseline)
    hints = {
        3: "one late: at step 3 the baseline is already ahead",
        4: "at step 4 the learned rule leads again, but the lead was lost at step 3",
        0: "both start with the same loss; look from step 1 on",
    }
    if missing(found, "the last step before the learned rule is first caught"):
        pass
    elif found != 2:
        wrong(hints.get(found, f"{found} is not the last step before the learned rule is caught"))
    elif answer(baseline + 3, learned) != 0:
        wrong("a rule that is behind from step 1 on has led for 0 steps")
    elif answer(learned, baseline + 3) != 4:
        wrong("a rule that is never caught has led for all steps: the number of rows, less one")
    else:
        right("2: caught at step 3. A later lead does not count, for nobody knows when to stop")


def tanh_family(answer: Any) -> None:
    """MNIST with tanh units, all else as before."""
    if missing(answer, "a Classifier whose networks have tanh units"):
        return
    if not isinstance(answer, Classifier):
        wrong(f"a family is a Classifier, not {type(answer).__name__}")
        return
    network = answer.make_model()
    dim = sum(parameter.numel() for parameter in network.parameters())
    kinds = {type(module) for module in network.modules()}
    if nn.Tanh not in kinds:
        wrong("the network has no Tanh: hand the class nn.Tanh to mlp, as its activation")
    elif dim != DIM:
        wrong(f"the network has {dim:,} coordinates, but 784-20-10 has {DIM:,}")
    elif answer.theta0_std != 0.1:
        wrong("leave theta0_std as it is, else two things change at once")
    else:
        right("the same network but for its activation")


def step_length(answer: Mapping[float, float]) -> None:
    """Final losses on ReLU networks by a factor on every step, with the best one inside."""
    if missing(answer, "a dictionary from the factor on each step to the final loss"):
        return
    losses = {float(factor): float(loss) for factor, loss in answer.items()}
    best = min(losses, key=lambda factor: losses[factor], default=1.0)
    if len(losses) < 3 or 1.0 not in losses:
        wrong("try at least three factors, among them 1, the rule as it is")
    elif best >= 1:
        wrong(f"{best:g} is best? Multiply `scale` before `optimize`, on a fresh copy from the zoo each time")
    elif best == min(losses):
        wrong(f"the best factor, {best:g}, is the smallest that you tried: try smaller ones too")
    else:
        right(f"{best:g} is best: the direction serves on ReLU too, and the steps are too long there")
