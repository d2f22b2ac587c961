"""Every check of the chapter accepts the solution, waits for an answer, and explains a wrong one."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from answers import RIGHT, WAITING, stub, table
from torch import Tensor

from l2l_lite.checks import sturdier_rules as check
from l2l_lite.learned import MLPRule, ScaleFree


def direction(first: bool = True, second: bool = True, root: float = 0.5) -> Callable[..., Tensor]:
    def function(mean: Tensor, square: Tensor, t: int, beta: float) -> Tensor:
        left = 1 - beta**t
        return mean / (left if first else 1) / (square / (left if second else 1)) ** root

    return function


def wave(angle: float = 1.0, high: float = 1.0, end: float = 100) -> Callable[[int, int], float]:
    def left(t: int, steps: int) -> float:
        return (high + math.cos(angle * math.pi * t / steps)) / (1 + high) if t <= end else 0.0

    return left


def stopped(mean: Tensor, square: Tensor, t: int, beta: float) -> Any:
    return mean @ square


CASES = [
    (check.direction, direction(), RIGHT),
    (check.direction, stub, WAITING),
    (check.direction, direction(first=False, second=False), "each by 1 - βᵗ"),
    (check.direction, direction(root=1.0), "without the root"),
    (check.direction, direction(second=False), "of squares began"),
    (check.direction, direction(first=False), "of gradients began"),
    (check.direction, lambda m, v, t, b: m / (1 - b**t), "m̂ alone"),
    (check.direction, lambda m, v, t, b: m / (1 - b) / (v / (1 - b)).sqrt(), "not 1 - β"),
    (check.direction, lambda m, v, t, b: m, "expected 0.938"),
    (check.direction, stopped, "fails with RuntimeError"),
    (check.units, "c", RIGHT),
    (check.units, None, WAITING),
    (check.units, "b", "not the mean itself"),
    (check.units, "a", "in part"),
    (check.units, "d", "choose one"),
    (check.half_wave, wave(), RIGHT),
    (check.half_wave, stub, WAITING),
    (check.half_wave, lambda t, steps: max(0, 1 - t / steps), "straight line"),
    (check.half_wave, wave(high=0.0), "falls to -1"),
    (check.half_wave, wave(end=1000), "rises again"),
    (check.half_wave, wave(angle=2.0), "a whole wave"),
    (check.half_wave, lambda t, steps: 1.0, "expected 1, 0.854"),
    (check.half_wave, lambda t, steps: "much", "not str"),
    (check.half_wave, lambda t, steps: t / 0, "fails with ZeroDivisionError"),
    (check.hidden, 29, RIGHT),
    (check.hidden, None, WAITING),
    (check.hidden, 35, "first layer alone"),
    (check.hidden, 31, "a bias, too"),
    (check.hidden, 38, "nine inputs"),
    (check.hidden, 350, "takes twelve"),
    (check.hidden, 3, "too small"),
    (check.told, "a", RIGHT),
    (check.told, ..., WAITING),
    (check.told, "b", "uphill"),
    (check.told, "c", "the run is over"),
]

test_answers = table(CASES)


def test_the_steps_of_a_scale_free_rule_know_half_of_the_units() -> None:
    one, other = (check.first_step(ScaleFree(), unit) for unit in (1.0, 1000.0))
    assert other == pytest.approx(one * 1000**0.5, rel=1e-3)


def test_the_largest_rule_of_350_weights_has_29_hidden_units() -> None:
    count = [sum(weight.numel() for weight in MLPRule(hidden=h).parameters()) for h in (29, 30)]
    assert count[0] == 350 < count[1]


def test_a_run_that_is_over_stands_still() -> None:
    assert check.moved(50) == pytest.approx(0.5)
    assert check.moved(150) == 0
