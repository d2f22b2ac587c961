"""What an estimator is."""

from typing import Any, Protocol

import torch

from l2l_lite.objectives import Objective
from l2l_lite.problems.base import Problem
from l2l_lite.rules import UpdateRule


class Estimator(Protocol):
    """How φ gets its gradient, window by window along a trajectory.

    Draws come from `rng` alone, which gives processes that share tasks the same; the repr tells two
    estimators apart, as that of a dataclass does.
    """

    def start(self, rule: UpdateRule, problem: Problem) -> Any:
        """Where a trajectory begins: anything with `.losses` [1, tasks]."""
        ...

    def window(
        self,
        rule: UpdateRule,
        problem: Problem,
        steps: int,
        at: Any,
        objective: Objective,
        rng: torch.Generator,
    ) -> Any:
        """Add an estimate of d objective / dφ over `steps` to φ's `.grad`; where they lead, detached."""
        ...
