"""Every check of the chapter accepts the solution, waits for an answer, and explains a wrong one."""

import math

import pytest
import torch
from answers import RIGHT, WAITING, stub, table

import l2l_lite as l2l
from l2l_lite.checks import trajectory_weights as check
from l2l_lite.estimators import HeldOutBPTT


def last(steps: int) -> torch.Tensor:
    w = torch.zeros(steps + 1)
    w[-1] = 1
    return w


def power(exponent: float):
    return lambda steps: torch.arange(steps + 1.0) ** exponent


CASES = [
    (check.log_weight, 8, RIGHT),
    (check.log_weight, None, WAITING),
    (check.log_weight, 1 / 8, "larger weight"),
    (check.log_weight, 1, "uniform"),
    (check.log_weight, 4, "follow the losses"),
    (check.log_weight, 16, "drops out"),
    (check.odd_steps, "b", RIGHT),
    (check.odd_steps, ..., WAITING),
    (check.odd_steps, "a", "even T"),
    (check.odd_steps, "c", "longer steps"),
    (check.improvements, "b", RIGHT),
    (check.improvements, ..., WAITING),
    (check.improvements, "a", "cancels"),
    (check.improvements, "c", "count alike"),
    (check.tail, lambda window, so_far: window[-10:].sum(dim=0).mean(), RIGHT),
    (check.tail, lambda window, so_far: window[-10:].mean(), RIGHT),
    (check.tail, stub, WAITING),
    (check.tail, lambda window, so_far: window[-10:].sum(dim=0), "mean over tasks"),
    (check.tail, lambda window, so_far: window[:10].mean(), "first ten"),
    (check.tail, l2l.objectives.uniform, "before the last ten"),
    (check.tail, l2l.objectives.last, "take ten"),
    (check.tail, l2l.objectives.increasing, "same weight"),
    (check.tail, lambda window, so_far: -window.mean(), "negative"),
    (check.tail, lambda window, so_far: so_far.mean(), "does not depend"),
    (check.tail, lambda window, so_far: window[40].mean(), "fails with IndexError"),
    (check.weights, lambda T: torch.arange(T + 1.0) ** (0.45 * math.log(T)), RIGHT),
    (check.weights, power(2), RIGHT),
    (check.weights, stub, WAITING),
    (check.weights, power(1), "far better than uniform"),
    (check.weights, power(0), "too low"),
    (check.weights, power(8), "too high"),
    (check.weights, last, "edge of stability"),
    (check.weights, lambda T: torch.ones(T), "one weight for each"),
    (check.weights, lambda T: -torch.ones(T + 1), "negative"),
    (check.weights, lambda T: last(T).flip(0), "only f(θ_0)"),
    (check.weights, lambda T: torch.ones(T)[T + 1], "fails with IndexError"),
    (check.passes, 202, RIGHT),
    (check.passes, None, WAITING),
    (check.passes, 101, "training half"),
    (check.passes, 200, "θ_0 too"),
    (check.passes, 105, "borders"),
    (check.passes, 303, "not three"),
]

test_answers = table(CASES)


@pytest.mark.parametrize(
    ("steps", "uniform", "last_only"),
    [
        (5, (1.075, 1.094), (1.509, 1.475)),
        (20, (1.167, 1.292), (1.735, 2.0)),
        (21, (1.168, 1.296), (1.739, 1.740)),
    ],
)
def test_rates_end_where_they_were_computed_to_end(steps, uniform, last_only):
    for w, expected in ((torch.ones(steps + 1), uniform), (last(steps), last_only)):
        rates = check.landing(w, detached=False), check.landing(w)
        assert rates == pytest.approx(expected, abs=1.5e-3)


def test_a_rate_that_is_trained_ends_there_too():
    class Bowl:
        theta0 = torch.ones(1, 2, dtype=torch.float64)

        def loss(self, theta, t):
            return 0.5 * (torch.tensor([0.1, 1.0]) * theta**2).sum(dim=-1)

    rate = check.landing(torch.arange(21) ** 2)
    slopes = []
    for near in (rate - 0.002, rate + 0.002):
        rule = l2l.GradientDescent(torch.nn.Parameter(torch.tensor(near, dtype=torch.float64)))
        l2l.meta_gradient(rule, Bowl(), 20, l2l.start(rule, Bowl()), l2l.objectives.squared)
        slopes.append(float(rule.lr.grad))
    assert slopes[0] < 0 < slopes[1]


class Counting:
    """A problem and its judge, which count their passes together."""

    def __init__(self):
        self.problem, self.calls = l2l.Quadratic().sample(tasks=1, seed=0), 0
        self.theta0 = self.problem.theta0

    def loss(self, theta, t):
        self.calls += 1
        return self.problem.loss(theta, t)

    def held_out(self):
        return self


def test_answer_is_what_the_package_counts():
    rule, problem, estimator = l2l.LSTMRule(hidden=(2,)), Counting(), HeldOutBPTT()
    at = estimator.start(rule, problem)
    for _ in range(5):
        at = estimator.window(rule, problem, 20, at, l2l.objectives.uniform, l2l.generator(0))
    assert problem.calls == 202
