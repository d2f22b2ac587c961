"""Evolution strategies: φ is shaken, and what that does to the losses estimates their gradient."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from l2l_lite.objectives import Objective
from l2l_lite.problems.base import Problem
from l2l_lite.rules import UpdateRule
from l2l_lite.trajectory import Trajectory, optimize, start


@dataclass(frozen=True)
class ES:
    """Truncated evolution strategies with antithetic `pairs` (Salimans et al., 2017).

    In each window the losses with φ + ε and with φ - ε are compared, ε from N(0, std²), both from where φ
    itself led. The estimate is unbiased for the smoothed losses of a window, blind beyond it as truncated
    backpropagation is, and keeps no graph.
    """

    pairs: int = 1
    std: float = 0.01

    def __post_init__(self) -> None:
        if self.pairs < 1:
            raise ValueError(f"pairs must be at least 1, but pairs={self.pairs}")
        if not self.std > 0:
            raise ValueError(f"std must be positive, but std={self.std}")

    def start(self, rule: UpdateRule, problem: Problem) -> Trajectory:
        return start(rule, problem)

    def window(
        self,
        rule: UpdateRule,
        problem: Problem,
        steps: int,
        at: Trajectory,
        objective: Objective,
        rng: torch.Generator,
    ) -> Trajectory:
        for _ in range(self.pairs):
            noise = draw_noise(rule, self.std, rng)
            values = []
            for shaken in (noise, -noise):
                with moved(rule, shaken):
                    end = optimize(rule, problem, steps, at)
                values.append(objective_of(objective, at, end))
            add_gradient(rule, noise * (values[0] - values[1]) / (2 * self.std**2 * self.pairs))
        return optimize(rule, problem, steps, at)


def learned(rule: UpdateRule) -> list[nn.Parameter]:
    """φ: the weights of a rule that are not frozen."""
    return [weight for weight in rule.parameters() if weight.requires_grad]


def draw_noise(rule: UpdateRule, std: float, rng: torch.Generator) -> Tensor:
    """A draw of N(0, std²) for each weight of φ, in one row."""
    phi = parameters_to_vector(learned(rule))
    return std * torch.randn(phi.shape, generator=rng).to(phi)


@contextmanager
def moved(rule: UpdateRule, by: Tensor) -> Iterator[None]:
    """The rule with φ moved for a while, and then put back to the bit."""
    with torch.no_grad():
        phi = parameters_to_vector(learned(rule))
        vector_to_parameters(phi + by, learned(rule))
        try:
            yield
        finally:
            vector_to_parameters(phi, learned(rule))


def objective_of(objective: Objective, before: Trajectory, after: Trajectory) -> Tensor:
    """The objective of the window between two points of a trajectory."""
    return objective(after.losses[len(before.losses) :], before.losses)


def add_gradient(rule: UpdateRule, grad: Tensor) -> None:
    """Add a gradient in one row to the `.grad` of φ."""
    weights = learned(rule)
    for weight, part in zip(weights, grad.split([w.numel() for w in weights]), strict=True):
        part = part.view_as(weight)
        weight.grad = part if weight.grad is None else weight.grad + part
