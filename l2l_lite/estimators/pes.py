"""Persistent evolution strategies: short windows, and yet no blindness beyond them."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from l2l_lite.estimators.es import ES, add_gradient, draw_noise, moved, objective_of
from l2l_lite.objectives import Objective
from l2l_lite.problems.base import Problem
from l2l_lite.rules import UpdateRule
from l2l_lite.trajectory import Trajectory, optimize, start


class Pair(NamedTuple):
    """Two trajectories whose rules were moved in opposite directions, and the sum of all moves so far."""

    plus: Trajectory
    minus: Trajectory
    moves: Tensor | float


class Pairs(NamedTuple):
    """Where the pairs stand, and the mean of their losses so far."""

    losses: Tensor  # [steps + 1, tasks]
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class PES(ES):
    """Persistent evolution strategies with antithetic `pairs` (Vicol et al., 2021).

    Each pair goes on where its own rules led it, and the losses of a window are credited to all moves
    since the start. So the sum of a trajectory's estimates is unbiased for the smoothed losses of the
    whole, however short the windows; its variance grows with their number.
    """

    def start(self, rule: UpdateRule, problem: Problem) -> Pairs:  # type: ignore[override]
        at = start(rule, problem)
        return Pairs(at.losses, (Pair(at, at, 0.0),) * self.pairs)

    def window(  # type: ignore[override]
        self,
        rule: UpdateRule,
        problem: Problem,
        steps: int,
        at: Pairs,
        objective: Objective,
        rng: torch.Generator,
    ) -> Pairs:
        pairs = []
        for pair in at.pairs:
            noise = draw_noise(rule, self.std, rng)
            with moved(rule, noise):
                plus = optimize(rule, problem, steps, pair.plus)
            with moved(rule, -noise):
                minus = optimize(rule, problem, steps, pair.minus)
            moves = pair.moves + noise
            gain = objective_of(objective, pair.plus, plus) - objective_of(objective, pair.minus, minus)
            add_gradient(rule, moves * gain / (2 * self.std**2 * self.pairs))
            pairs.append(Pair(plus, minus, moves))
        losses = [run.losses for pair in pairs for run in (pair.plus, pair.minus)]
        return Pairs(torch.stack(losses).mean(dim=0), tuple(pairs))
