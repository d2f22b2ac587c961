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
    (check.steps_needed, 346, RIGHT),
    (check.steps_needed, None, WAITING),
    (check.steps_needed, ..., WAITING),
    (check.steps_needed, 173, "loss"),
    (check.steps_needed, 688, "2 / (1 + 100)"),
    (check.steps_needed, "many", "one number"),
    (check.rate_for_each_coordinate, torch.tensor([1, 0.1]), RIGHT),
    (check.rate_for_each_coordinate, None, WAITING),
    (check.rate_for_each_coordinate, ..., WAITING),
    (check.rate_for_each_coordinate, torch.tensor([1.0, 10]), "curvatures"),
    (check.rate_for_each_coordinate, torch.tensor([0.1, 0.1]), "+0.90"),
    (check.rate_for_each_coordinate, [1, 0.1], "tensor of shape"),
    (check.newton_radius, 1, RIGHT),
    (check.newton_radius, None, WAITING),
    (check.newton_radius, ..., WAITING),
    (check.newton_radius, math.inf, "convexity"),
    (check.newton_radius, 1.0, RIGHT),
    (check.newton_radius, 0.5, "farther away"),
    (check.ten_rates, CHEBYSHEV, RIGHT),
    (check.ten_rates, None, WAITING),
    (check.ten_rates, ..., WAITING),
    (check.ten_rates, [2 / 11] * 10, "large rates tame"),
    (check.ten_rates, [0.1] * 9, "ten rates in a list"),
    (check.ten_rates, torch.tensor(CHEBYSHEV), RIGHT),
    (check.ten_rates, "Adam", "ten numbers"),
]

test_answers = table(CASES)


def test_ten_rates_says_what_is_possible():
    assert "as far as ten rates can get" in said(check.ten_rates, CHEBYSHEV)
    assert "is possible" in said(check.ten_rates, [0.1, 0.3] * 5)
