"""Truncated backpropagation through time, with the paper's simplification or without it."""

from dataclasses import dataclass

import torch

from l2l_lite.objectives import Objective
from l2l_lite.problems.base import Problem
from l2l_lite.rules import UpdateRule
from l2l_lite.trajectory import (
    Trajectory,
    detach,
    meta_gradient,
    sampled_meta_gradient,
    start,
    unroll,
)


@dataclass(frozen=True)
class TruncatedBPTT:
    """Backpropagation within each window, blind beyond its end.

    As in the paper, the gradients that a rule is fed count as constants, ∂∇_t/∂φ = 0. With
    `second_derivatives` they do not, so that a window's meta-gradient is exact, for more time and for
    the memory of the whole graph. With `one_in` above 1, a random one in so many coordinates is
    backpropagated, which costs a fraction of both; see `sampled_meta_gradient`. Raises ValueError for both
    together.
    """

    one_in: int = 1
    second_derivatives: bool = False

    def __post_init__(self) -> None:
        if self.one_in < 1:
            raise ValueError(f"one_in must be at least 1, but one_in={self.one_in}")
        if self.one_in > 1 and self.second_derivatives:
            raise ValueError(
                "second derivatives tie coordinates together, so that none can be left out; use one_in=1"
            )

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
        if self.second_derivatives:
            return _exact(rule, problem, steps, at, objective)
        if self.one_in == 1:
            return meta_gradient(rule, problem, steps, at, objective)
        return sampled_meta_gradient(rule, problem, steps, at, objective, one_in=self.one_in, rng=rng)


def _exact(
    rule: UpdateRule, problem: Problem, steps: int, at: Trajectory, objective: Objective
) -> Trajectory:
    """Add the gradient through all of the unrolled graph to φ's `.grad`; the trajectory, detached."""
    end = unroll(rule, problem, steps, at, second_derivatives=True)
    objective(end.losses[len(at.losses) :], at.losses).backward()
    return Trajectory(*(detach(part) for part in end))
