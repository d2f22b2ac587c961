"""The checks of the chapter on gradient descent know the answers, the stubs and the likeliest mistakes."""

import math

import torch
from answers import RIGHT, WAITING, said, table

from l2l_lite.checks import gradient_descent as check

CHEBYSHEV = [1 / (5.5 + 4.5 * math.cos((2 * k + 1) / 20 * math.pi)) for k in range(10)]

CASES = [
    (check.largest_rate, 1 / 3, RIGHT),
    (check.largest_rate, None, WAITING),
    (check.largest_rate, ..., WAITING),
    (check.largest_rate, 2 / 3, "second derivative"),
    (check.largest_rate, torch.tensor(1 / 3), RIGHT),
    (check.largest_rate, 2.0, "flat direction"),
    (check.largest_rate, 1 / 6, "arrives in one step"),
    (check.largest_rate, 2 / 7, "the best rate"),
    (check.steps_needed, 346, RIGHT),
    (check.steps_needed, None, WAITING),
    (check.steps_needed, ..., WAITING),
    (check.steps_needed, 173, "loss"),
    (check.steps_needed, 688, "2 / (1 + 100)"),
    (check.steps_needed, 345, "one more"),
    (check.steps_needed, math.log(1000) / math.log(101 / 99), "round up"),
    (check.steps_needed, 100, "too small"),
    (check.steps_needed, "many", "one number"),
    (check.rate_for_each_coordinate, torch.tensor([1, 0.1]), RIGHT),
    (check.rate_for_each_coordinate, None, WAITING),
    (check.rate_for_each_coordinate, ..., WAITING),
    (check.rate_for_each_coordinate, torch.tensor([1.0, 10]), "curvatures"),
    (check.rate_for_each_coordinate, torch.tensor([0.1, 0.1]), "+0.90"),
    (check.rate_for_each_coordinate, torch.tensor([2, 0.2]), "other side"),
    (check.rate_for_each_coordinate, [1, 0.1], "tensor of shape"),
    (check.newton_radius, 1, RIGHT),
    (check.newton_radius, None, WAITING),
    (check.newton_radius, ..., WAITING),
    (check.newton_radius, math.inf, "convexity"),
    (check.newton_radius, 1.0, RIGHT),
    (check.newton_radius, 0.5, "farther away"),
    (check.newton_radius, 1.3917, "arctangent"),
    (check.noise_floor, "c", RIGHT),
    (check.noise_floor, None, WAITING),
    (check.noise_floor, ..., WAITING),
    (check.noise_floor, "a", "a quarter of the variance"),
    (check.noise_floor, "b", "do not cancel"),
    (check.noise_floor, "d", "the rate has doubled"),
    (check.noise_floor, "half", "choose one"),
    (check.ten_rates, CHEBYSHEV, RIGHT),
    (check.ten_rates, None, WAITING),
    (check.ten_rates, ..., WAITING),
    (check.ten_rates, [2 / 11] * 10, "large rates tame"),
    (check.ten_rates, [0.1] * 10, "large rates tame"),
    (check.ten_rates, [0.1] * 9, "ten rates in a list"),
    (check.ten_rates, torch.tensor(CHEBYSHEV), RIGHT),
    (check.ten_rates, "Adam", "ten numbers"),
]

test_answers = table(CASES)


def test_ten_rates_says_what_is_possible():
    assert "as far as ten rates can get" in said(check.ten_rates, CHEBYSHEV)
    assert "is possible" in said(check.ten_rates, [0.1, 0.3] * 5)


def test_waiting_for_the_number_of_steps_does_not_give_it_away():
    assert "101" not in said(check.steps_needed, None)
    assert "101" not in said(check.steps_needed, 12)


def test_the_floor_is_what_the_formula_says():
    for lr, variance in ((0.05, 1.0), (0.1, 0.25)):
        assert abs(check._floor(lr, variance) / (lr * variance / (2 * (2 - lr))) - 1) < 0.02
