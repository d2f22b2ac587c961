"""Truncated backpropagation through time, by the identity of `meta_gradient`."""

from dataclasses import dataclass

import torch

from l2l_lite.objectives import Objective
from l2l_lite.problems.base import Problem
from l2l_lite.rules import UpdateRule
from l2l_lite.trajectory import Trajectory, meta_gradient, sampled_meta_gradient, start


@dataclass(frozen=True)
class TruncatedBPTT:
    """Backpropagation within each window, as in the paper: exact there, blind beyond its end.

    With `one_in` above 1, a random one in so many coordinates is backpropagated, which costs a fraction of
    the time and of the memory; see `sampled_meta_gradient`.
    """

    one_in: int = 1

    def __post_init__(self) -> None:
        if self.one_in < 1:
            raise ValueError(f"one_in must be at least 1, but one_in={self.one_in}")

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
        if self.one_in == 1:
            return meta_gradient(rule, problem, steps, at, objective)
        return sampled_meta_gradient(rule, problem, steps, at, objective, one_in=self.one_in, rng=rng)
