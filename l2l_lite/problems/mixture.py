"""Families made of others: a choice of several, and tasks in units of their own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from l2l_lite.problems.base import Family, Problem, select
from l2l_lite.seeds import generator


@dataclass(frozen=True)
class Mixture:
    """One of several families for each seed, all as likely; their tasks may differ in size."""

    families: Sequence[Family]

    def __post_init__(self) -> None:
        if not self.families:
            raise ValueError("a mixture needs at least one family")

    @property
    def groups(self) -> Mapping[str, Tensor]:
        """Empty, for a group of coordinates is another one in each family."""
        return {}

    def sample(self, tasks: int, seed: int, device: torch.device | str = "cpu") -> Problem:
        """`tasks` tasks of the family that the seed draws."""
        choice = int(torch.randint(len(self.families), (), generator=generator(seed, 2)))
        return self.families[choice].sample(tasks, seed, device)


@dataclass(frozen=True)
class Rescaled:
    """The tasks of a family in units of their own, drawn for each task (after Lv et al., 2017).

    The rule moves x from θ0, where θ = θ0 + c (x - θ0), and is given the gradient of a f(θ). For each
    coordinate log c is the sum of two uniform numbers: one of its own, between -spread and spread, and one
    between -common and common that all coordinates of the task share. Log a is uniform between -loss and
    loss. So gradients, and the steps that are right, have any size, and a rule learns to rely on neither.
    """

    family: Family
    spread: float = 1.0
    common: float = 0.0
    loss: float = 0.0

    @property
    def groups(self) -> Mapping[str, Tensor]:
        """Those of the family."""
        return self.family.groups

    def sample(self, tasks: int, seed: int, device: torch.device | str = "cpu") -> "RescaledProblem":
        """`tasks` tasks of the family, each with units of its own."""
        problem = self.family.sample(tasks, seed, device)
        rng, theta = generator(seed, 3), problem.theta0

        def between(most: float, *shape: int) -> Tensor:
            return (most * (2 * torch.rand(shape, generator=rng) - 1)).to(theta)

        unit = between(self.spread, *theta.shape) + between(self.common, tasks, 1)
        return RescaledProblem(problem, unit.exp(), between(self.loss, tasks).exp())


class RescaledProblem:
    """A problem, times a factor for each task, as a function of x, where θ = θ0 + unit (x - θ0)."""

    def __init__(self, problem: Problem, unit: Tensor, factor: Tensor):
        self.problem, self.unit, self.factor = problem, unit, factor
        self.theta0 = problem.theta0

    def loss(self, theta: Tensor, t: int) -> Tensor:
        """The loss of every task, [tasks]."""
        return self.factor * self.problem.loss(self._moved(theta), t)

    def evaluate(self, theta: Tensor) -> Tensor:
        """The held-out loss of every task, [tasks]."""
        return self.factor * self.problem.evaluate(self._moved(theta))

    def _moved(self, theta: Tensor) -> Tensor:
        return self.theta0 + self.unit * (theta - self.theta0)

    def select(self, rows: slice) -> "RescaledProblem":
        """Some of the tasks."""
        return RescaledProblem(select(self.problem, rows), self.unit[rows], self.factor[rows])
