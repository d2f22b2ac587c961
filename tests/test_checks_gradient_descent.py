"""The checks of the chapter on gradient descent know the answers, the stubs and the likeliest mistakes."""

import math

import pytest
import torch

from l2l_lite.checks import gradient_descent as check

CHEBYSHEV = [1 / (5.5 + 4.5 * math.cos((2 * k + 1) / 20 * math.pi)) for k in range(10)]

CASES = [
    (check.largest_rate, 1 / 3, 2 / 3, "second derivative"),
    (check.largest_rate, torch.tensor(1 / 3), 2.0, "flat direction"),
    (check.steps_needed, 346, 173, "loss"),
    (check.steps_needed, 346, 688, "2 / (1 + 100)"),
    (check.steps_needed, 346, "many", "one number"),
    (check.rate_for_each_coordinate, torch.tensor([1, 0.1]), torch.tensor([1.0, 10]), "curvatures"),
    (check.rate_for_each_coordinate, torch.tensor([1, 0.1]), torch.tensor([0.1, 0.1]), "+0.90"),
    (check.rate_for_each_coordinate, torch.tensor([1, 0.1]), [1, 0.1], "tensor of shape"),
    (check.newton_radius, 1, math.inf, "convexity"),
    (check.newton_radius, 1.0, 0.5, "farther away"),
    (check.ten_rates, CHEBYSHEV, [2 / 11] * 10, "large rates tame"),
    (check.ten_rates, CHEBYSHEV, [0.1] * 9, "ten rates in a list"),
    (check.ten_rates, torch.tensor(CHEBYSHEV), "Adam", "ten numbers"),
]


@pytest.mark.parametrize(("ask", "solution", "mistake", "reason"), CASES)
def test_check(ask, solution, mistake, reason, capsys):
    ask(solution)
    assert capsys.readouterr().out.startswith("✓")
    for stub in (None, ...):
        ask(stub)
        assert capsys.readouterr().out.startswith("not answered yet: ")
    ask(mistake)
    said = capsys.readouterr().out
    assert said.startswith("✗")
    assert reason in said


def test_ten_rates_says_what_is_possible(capsys):
    check.ten_rates(CHEBYSHEV)
    assert "as far as ten rates can get" in capsys.readouterr().out
    check.ten_rates([0.1, 0.3] * 5)
    assert "is possible" in capsys.readouterr().out
