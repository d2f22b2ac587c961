"""What happened in meta-training, and the best φ."""

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

from torch import Tensor

from l2l_lite.problems.base import Problem
from l2l_lite.rules import UpdateRule
from l2l_lite.trajectory import optimize


@dataclass
class History:
    """Losses and scores of a meta-training so far, and the φ with the best score."""

    losses: list[float] = field(default_factory=list)  # mean of each trajectory; NaN if it broke off
    validation: list[float] = field(default_factory=list)  # scores, see `score`
    best: dict[str, Tensor] = field(default_factory=dict)  # φ with the lowest score
    average: dict[str, Tensor] = field(default_factory=dict)  # running mean of φ, which is scored
    seconds: float = 0.0  # wall time of meta-training, times its processes

    def follow(self, rule: UpdateRule, memory: float) -> None:
        """Move the running mean towards φ; a `memory` of 0 keeps φ itself, and the first ones weigh less."""
        keep = min(memory, 1 - 1 / (len(self.losses) + 1))
        for name, weight in rule.state_dict().items():
            before = self.average.get(name, weight).to(weight.device)  # a checkpoint's is on the CPU
            self.average[name] = keep * before + (1 - keep) * weight

    def validate(
        self,
        rule: UpdateRule,
        problems: Sequence[Problem],
        numbers: Sequence[int],
        criterion: Callable[[Tensor], float],
    ) -> None:
        """Score the running mean of φ, the mean over problems and numbers of steps; keep the best one."""
        scored = deepcopy(rule)
        scored.load_state_dict(self.average)
        scores = [score(scored, problem, steps, criterion) for steps in numbers for problem in problems]
        value = sum(scores) / len(scores)
        if not self.best or value < min(self.validation):
            self.best = {name: weight.clone() for name, weight in self.average.items()}
        self.validation.append(value)

    def stale(self, patience: int | None) -> bool:
        """Whether the last `patience` scores brought nothing better."""
        if patience is None or not self.validation:
            return False
        since_best = self.validation[::-1].index(min(self.validation))
        return since_best >= patience

    def broken(self, trajectories: int = 10) -> bool:
        """Whether the last trajectories all broke off."""
        last = self.losses[-trajectories:]
        return len(last) == trajectories and all(math.isnan(loss) for loss in last)


def mean_and_last(losses: Tensor) -> float:
    """Mean of the loss over a run [steps + 1, tasks] and of the loss over its last ten steps.

    Both criteria count, and order stays as it is if f is shifted or scaled, or falls below zero.
    """
    return float(losses.mean() + losses[-10:].mean()) / 2


def log_mean_and_last(losses: Tensor, floor: float = 1e-30) -> float:
    """Mean of log f over a run [steps + 1, tasks] and of the log of each task's mean over its last tenth.

    Tasks of any size count alike. A loss below the `floor` counts as that, so that one task which is solved
    does not decide for all.
    """
    losses = losses.clamp_min(floor)
    last = losses[-(len(losses) // 10 or 1) :].mean(dim=0)
    return float(losses.log().mean() + last.log().mean()) / 2


def score(
    rule: UpdateRule, problem: Problem, steps: int, criterion: Callable[[Tensor], float] = mean_and_last
) -> float:
    """The criterion's value for a run: lower is better, and infinite where it diverged."""
    value = criterion(optimize(rule.lasting(steps), problem, steps).losses)
    return value if math.isfinite(value) else math.inf
