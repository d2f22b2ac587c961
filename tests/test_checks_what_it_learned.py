"""The checks on what a rule learned: a tick for the solution, silence for the stub, a reason otherwise."""

from typing import Any

import torch
from answers import RIGHT, WAITING, stub, table
from torch import Tensor

import l2l_lite as l2l
from l2l_lite.checks import what_it_learned as check


class Signed(l2l.UpdateRule):
    """A rule with other signs of its gradient and its step."""

    def __init__(self, rule: l2l.UpdateRule, before: float = -1.0, after: float = -1.0):
        super().__init__()
        self.rule, self.before, self.after = rule, before, after

    def init(self, theta: Tensor) -> Any:
        return self.rule.init(theta)

    def forward(self, grad: Tensor, state: Any, theta: Tensor | None = None) -> tuple[Tensor, Any]:
        step, state = self.rule(self.before * grad, state)
        return self.after * step, state


class Forgetful(Signed):
    """A mirror image that never hands on its state."""

    def forward(self, grad: Tensor, state: Any, theta: Tensor | None = None) -> tuple[Tensor, Any]:
        step, _ = super().forward(grad, state)
        return step, state


class Formula(l2l.Momentum):
    """Momentum with compressed gradients."""

    def forward(self, grad: Tensor, state: Any, theta: Tensor | None = None) -> tuple[Tensor, Any]:
        return super().forward(grad.sign() * grad.abs() ** 0.75, state)


def mean_age(curve: Tensor) -> float:
    return float((torch.arange(len(curve)) * curve).sum() / curve.sum())


CASES = [
    (check.first_step, -0.03, RIGHT),
    (check.first_step, None, WAITING),
    (check.first_step, 0.03, "against the gradient"),
    (check.first_step, -6e-6, "gradient descent"),
    (check.first_step, -0.03 * 0.1 / 0.001**0.5, "correction"),
    (check.time_scale, lambda curve: curve.sum() / curve[0], RIGHT),
    (check.time_scale, stub, WAITING),
    (check.time_scale, lambda curve: curve.sum(), "first value"),
    (check.time_scale, mean_age, "mean age"),
    (check.time_scale, lambda curve: int((curve < curve[0] / 2).nonzero()[0]), "half-life"),
    (check.time_scale, lambda curve: curve.mean() / curve[0], "mean"),
    (check.against, lambda ours, theirs: (ours * theirs < 0).nonzero(), RIGHT),
    (check.against, stub, WAITING),
    (check.against, lambda ours, theirs: (ours.sign() != theirs.sign()).nonzero(), "zero"),
    (check.against, lambda ours, theirs: (ours * theirs < 0).nonzero().flip(1), "in this order"),
    (check.against, lambda ours, theirs: ours * theirs < 0, "mask"),
    (check.against, lambda ours, theirs: ours - theirs, "product"),
    (check.survives, "c", RIGHT),
    (check.survives, None, WAITING),
    (check.survives, "a", "gates"),
    (check.survives, "b", "tuned there"),
    (check.survives, "d", "fitted"),
    (check.mirrored, Signed, RIGHT),
    (check.mirrored, stub, WAITING),
    (check.mirrored, lambda rule: rule, "itself"),
    (check.mirrored, lambda rule: Signed(rule, after=1.0), "turned back"),
    (check.mirrored, lambda rule: Signed(rule, before=1.0), "gradient's is not"),
    (check.mirrored, Forgetful, "handed on"),
    (check.mirrored, lambda rule: rule.init, "UpdateRule"),
    (check.distilled, Formula(0.05, 0.8), RIGHT),
    (check.distilled, None, WAITING),
    (check.distilled, l2l.LSTMRule(), "weights"),
    (check.distilled, l2l.GradientDescent(0.01), "compress"),
    (check.distilled, 0.05, "UpdateRule"),
]

test_answers = table(CASES)
