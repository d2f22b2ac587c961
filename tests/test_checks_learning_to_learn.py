"""Every check of the chapter accepts the solution, waits for an answer, and explains a wrong one."""

from typing import Any

import torch
from answers import RIGHT, WAITING, stub, table
from torch import Tensor, nn

import l2l_lite as l2l
from l2l_lite.checks import learning_to_learn as check


def suffix_sums(grads: Tensor, w: Tensor) -> Tensor:
    return (w[:, None] * grads).flip(0).cumsum(0).flip(0)


class Schedule(l2l.UpdateRule):
    def __init__(self, *rates: float):
        super().__init__()
        self.rates = nn.Parameter(torch.tensor(rates))

    def init(self, theta: Tensor) -> Any:
        return (torch.zeros((), dtype=torch.long),)

    def forward(self, grad: Tensor, state: Any, theta: Tensor | None = None) -> tuple[Tensor, Any]:
        return -self.rates[state[0]] * grad, (state[0] + 1,)


class Counting:
    def __init__(self, problem: Any):
        self.problem, self.theta0, self.calls = problem, problem.theta0, 0

    def loss(self, theta: Tensor, t: int) -> Tensor:
        self.calls += 1
        return self.problem.loss(theta, t)


def on_paper(answer: Any) -> None:
    check.on_paper(*(answer or (None, None)))


CASES = [
    (on_paper, (-27 / 32, -35 / 32), RIGHT),
    (on_paper, None, WAITING),
    (on_paper, (-35 / 32, -27 / 32), "swapped"),
    (on_paper, (27 / 32, 35 / 32), "negative"),
    (on_paper, (-0.75, -0.875), "for two steps"),
    (on_paper, (-27 / 32, -27 / 32), "-α d∇/dα is missing"),
    (on_paper, (-27 / 32, -1.0), "one of the two"),
    (on_paper, (1.0, 2.0), "neither"),
    (on_paper, ("a", 2.0), "one number each"),
    (check.short_windows, "c", RIGHT),
    (check.short_windows, None, WAITING),
    (check.short_windows, ..., WAITING),
    (check.short_windows, "a", "pays off later"),
    (check.short_windows, "b", "are missing"),
    (check.short_windows, "d", "choose one"),
    (check.forward_passes, 101, RIGHT),
    (check.forward_passes, None, WAITING),
    (check.forward_passes, 105, "share"),
    (check.forward_passes, 100, "one more"),
    (check.forward_passes, 7, "too small"),
    (check.messages, suffix_sums, RIGHT),
    (check.messages, stub, WAITING),
    (check.messages, lambda grads, w: (w[:, None] * grads).cumsum(0), "from the start"),
    (check.messages, lambda grads, w: suffix_sums(grads, w) - w[:, None] * grads, "begins with"),
    (check.messages, lambda grads, w: suffix_sums(grads, torch.ones(3)), "its own weight"),
    (check.messages, lambda grads, w: suffix_sums(grads, w).flip(0), "reversed"),
    (check.messages, lambda grads, w: w * grads, "fails with RuntimeError"),
    (check.messages, lambda grads, w: grads.sum(), "tensor [3, 2]"),
    (check.bias, 1.149, RIGHT),
    (check.bias, None, WAITING),
    (check.bias, 1 / 1.149, "turn"),
    (check.bias, 0.1485, "excess"),
    (check.bias, 1.1076, "chapter's bowl"),
    (check.schedule, Schedule(1.0, 10.0, *[1.0] * 18), RIGHT),
    (check.schedule, None, WAITING),
    (check.schedule, Schedule(*[1.0] * 20), "meta-trained"),
    (check.schedule, Schedule(1.0, 3.0, *[1.0] * 18), "on the way"),
    (check.schedule, Schedule(1.0), "fails"),
    (check.schedule, Schedule, "instance"),
    (check.objective, l2l.objectives.increasing, RIGHT),
    (check.objective, stub, WAITING),
    (check.objective, lambda window, so_far: window.sum(dim=0), "mean over tasks"),
    (check.objective, lambda window, so_far: -window.mean(), "negative"),
    (check.objective, lambda window, so_far: window[0].mean(), "only the first"),
    (check.objective, lambda window, so_far: so_far.mean(), "does not depend"),
    (check.objective, lambda window, so_far: window[40].mean(), "fails with IndexError"),
]

test_answers = table(CASES)


def test_answer_is_what_the_package_counts() -> None:
    rule, problem = l2l.LSTMRule(hidden=(2,)), Counting(l2l.Quadratic().sample(tasks=1, seed=0))
    at = l2l.start(rule, problem)
    for _ in range(5):
        at = l2l.meta_gradient(rule, problem, 20, at)
    assert problem.calls == 101


def test_bias_is_what_the_unroll_gives() -> None:
    class Bowl:
        h = torch.tensor([0.01, 0.1, 1.0], dtype=torch.float64)
        theta0 = torch.ones(1, 3, dtype=torch.float64)

        def loss(self, theta: Tensor, t: int) -> Tensor:
            return 0.5 * (self.h * theta**2).sum(dim=-1)

    for second_derivatives, stationary in ((True, 1.2450), (False, 1.4299)):
        slopes = []
        for rate in (stationary - 0.002, stationary + 0.002):
            lr = nn.Parameter(torch.tensor(rate, dtype=torch.float64))
            run = l2l.unroll(l2l.GradientDescent(lr), Bowl(), 100, second_derivatives=second_derivatives)
            slopes += torch.autograd.grad(run.losses.sum(), lr)
        assert slopes[0] < 0 < slopes[1]


def test_the_slopes_on_paper_are_those_of_autograd() -> None:
    class Parabola:
        theta0 = torch.ones(1, 1, dtype=torch.float64)

        def loss(self, theta: Tensor, t: int) -> Tensor:
            return 0.5 * theta.square().sum(dim=-1)

    slopes = []
    for second_derivatives in (True, False):
        lr = nn.Parameter(torch.tensor(0.5, dtype=torch.float64))
        run = l2l.unroll(l2l.GradientDescent(lr), Parabola(), 3, second_derivatives=second_derivatives)
        slopes += torch.autograd.grad(run.losses.sum(), lr)
    assert [float(slope) for slope in slopes] == [-27 / 32, -35 / 32]


def test_windows_of_one_step_end_where_their_meta_gradient_vanishes() -> None:
    problem = check._Bowl(1)
    problem.theta0, problem.h = problem.theta0.double(), problem.h.double()
    slopes = []
    for rate in (check._greedy((0.1, 1.0), 20) + shift for shift in (-0.002, 0.002)):
        rule = l2l.GradientDescent(nn.Parameter(torch.tensor(rate, dtype=torch.float64)))
        at = l2l.start(rule, problem)
        for _ in range(20):
            at = l2l.meta_gradient(rule, problem, 1, at)
        slopes.append(float(rule.lr.grad))
    assert slopes[0] < 0 < slopes[1]
