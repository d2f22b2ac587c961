"""The checks on quadratics: a tick for the solution, silence for the stub, a reason for a wrong answer."""

import math
from collections.abc import Callable
from typing import Any

import torch
from answers import RIGHT, WAITING, stub, table
from torch import Tensor

from l2l_lite.checks import quadratics as check
from l2l_lite.problems.quadratic import QuadraticProblem


def steps_to_reach(losses: Tensor, target: float) -> int | None:
    below = (losses.mean(dim=1) <= target).nonzero()
    return int(below[0]) if len(below) else None


def last_step(losses: Tensor, target: float) -> int | None:
    below = (losses.mean(dim=1) <= target).nonzero()
    return int(below[-1]) + 1 if len(below) else None


def any_task(losses: Tensor, target: float) -> int | None:
    below = (losses.amin(dim=1) <= target).nonzero()
    return int(below[0]) if len(below) else None


def resampled(pairs: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Callable[..., Any]:
    def interval(learned: Tensor, baseline: Tensor) -> tuple[float, float]:
        i, j = torch.randint(
            len(learned), (2, 2000, len(learned)), generator=torch.Generator().manual_seed(0)
        )
        i, j = pairs(i, j)
        ratios = learned[i].mean(dim=1) / baseline[j].mean(dim=1)
        low, high = ratios.quantile(torch.tensor([0.025, 0.975])).tolist()
        return low, high

    return interval


def scaled(W: float, y: float) -> Callable[[QuadraticProblem, float], QuadraticProblem]:
    return lambda problem, factor: QuadraticProblem(
        factor**W * problem.W, factor**y * problem.y, problem.theta0
    )


def moved_start(problem: QuadraticProblem, factor: float) -> QuadraticProblem:
    return QuadraticProblem(factor**0.5 * problem.W, factor**0.5 * problem.y, factor * problem.theta0)


CASES = [
    (check.loss_at_ones, 110, RIGHT),
    (check.loss_at_ones, None, WAITING),
    (check.loss_at_ones, 10, "θ = 0"),
    (check.loss_at_ones, 100, "Wθ alone"),
    (check.loss_at_ones, 11, "one entry"),
    (check.loss_at_ones, 20, "variance is ten"),
    (check.loss_at_ones, 90, "variances add"),
    (check.loss_at_ones, "ten", "one number"),
    (check.steps_to_reach, steps_to_reach, RIGHT),
    (check.steps_to_reach, stub, WAITING),
    (check.steps_to_reach, any_task, "mean over tasks is not"),
    (check.steps_to_reach, last_step, "first one"),
    (check.steps_to_reach, lambda losses, target: 2, "None"),
    (check.unpaired, resampled(lambda i, j: (i, j)), RIGHT),
    (check.unpaired, stub, WAITING),
    (check.unpaired, resampled(lambda i, j: (i, i)), "independent index"),
    (check.unpaired, lambda learned, baseline: (0.0, 100.0), "too wide"),
    (check.unpaired, lambda learned, baseline: (2.0, 0.5), "lower one first"),
    (check.unpaired, lambda learned, baseline: (8.0, 9.0), "does not hold"),
    (check.steeper, scaled(0.5, 0.5), RIGHT),
    (check.steeper, stub, WAITING),
    (check.steeper, scaled(1, 1), "root"),
    (check.steeper, scaled(0.5, 0), "alike"),
    (check.steeper, moved_start, "starts"),
    (check.unmoved, "b", RIGHT),
    (check.unmoved, None, WAITING),
    (check.unmoved, "a", "diverges"),
    (check.unmoved, "c", "never showed"),
    (check.unmoved, "d", "divides"),
    (check.meta_rates, {1e-3: 0.9, 1e-2: 0.2, 1e-1: 7.0}, RIGHT),
    (check.meta_rates, None, WAITING),
    (check.meta_rates, {1e-2: 0.2}, "at least three"),
    (check.meta_rates, {1e-4: 0.9, 1e-3: 0.5, 1e-2: 0.2}, "try higher"),
    (check.meta_rates, {1e-2: 0.2, 1e-1: 0.5, 1.0: 7.0}, "try lower"),
    (check.meta_rates, {1e-1: math.nan, 1.0: math.inf, 10.0: math.inf}, "finite"),
]

test_answers = table(CASES)
