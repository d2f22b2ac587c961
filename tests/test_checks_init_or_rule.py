"""Every check of the chapter accepts the solution, waits for an answer, and explains a wrong one."""

from typing import Any

import pytest
import torch
from answers import RIGHT, WAITING, stub, table
from torch import Tensor

import l2l_lite as l2l
from l2l_lite.checks import init_or_rule as check
from l2l_lite.studies.init_or_rule import Nearby, crossover


def starts(answer: Any) -> None:
    check.starts(*(answer or (None, None)))


def reptile(start: Tensor, ends: Tensor, rate: float) -> Tensor:
    return start + rate * (ends.mean(dim=0) - start)


EXACT, CHEAP = 0.4695, 0.6807

CASES = [
    (starts, (EXACT, CHEAP), RIGHT),
    (starts, None, WAITING),
    (starts, (CHEAP, EXACT), "swapped"),
    (starts, (0.0, 0.0), "plain mean"),
    (starts, (9 / 11, 9 / 11), "before the step"),
    (starts, (EXACT, EXACT), "dθ_1/dθ_0 = 1"),
    (starts, (EXACT, 0.1), "one of the two"),
    (starts, (0.1, CHEAP), "one of the two"),
    (starts, (0.1, 0.2), "neither"),
    (starts, ("a", 0.2), "one number each"),
    (check.momentum, "b", RIGHT),
    (check.momentum, None, WAITING),
    (check.momentum, "a", "a fixed part"),
    (check.momentum, "c", "gather speed"),
    (check.momentum, "d", "choose one"),
    (check.turning_point, 0.25, RIGHT),
    (check.turning_point, None, WAITING),
    (check.turning_point, 0.5, "diverge"),
    (check.turning_point, 1.0, "curvature of 1"),
    (check.turning_point, 4.0, "curvature itself"),
    (check.turning_point, 0.2, "too small"),
    (check.reptile, reptile, RIGHT),
    (check.reptile, stub, WAITING),
    (check.reptile, lambda start, ends, rate: start + rate * (ends - start), "mean over tasks"),
    (check.reptile, lambda start, ends, rate: start - rate * (ends.mean(dim=0) - start), "moves away"),
    (check.reptile, lambda start, ends, rate: ends.mean(dim=0), "ignores the rate"),
    (check.reptile, lambda start, ends, rate: start + rate * ends.mean(dim=0), "difference"),
    (check.reptile, lambda start, ends, rate: start + rate * (ends - start).sum(dim=0), "use the mean"),
    (check.reptile, lambda start, ends, rate: start, "expected start"),
    (check.reptile, lambda start, ends: start, "fails with TypeError"),
    (check.numbers_learned, 63_620, RIGHT),
    (check.numbers_learned, None, WAITING),
    (check.numbers_learned, 31_810, "start alone"),
    (check.numbers_learned, 31_820, "20 hidden"),
    (check.numbers_learned, 15_910, "20 hidden"),
    (check.numbers_learned, 5_301, "LSTM rule"),
    (check.numbers_learned, 1, "too small"),
]

test_answers = table(CASES)


def test_a_learned_start_is_a_first_step_and_then_the_rule() -> None:
    problem, rule = Nearby(0.5).sample(3, 1), l2l.Adam(0.01)
    moved = l2l.optimize(l2l.learned.StartAt(rule, torch.ones(10)), problem, 6)
    problem.theta0 = torch.ones(3, 10)
    assert torch.equal(moved.theta, l2l.optimize(rule, problem, 5).theta)
    assert torch.equal(moved.losses[1:], l2l.optimize(rule, problem, 5).losses)


def test_the_start_hears_what_maml_would_tell_it() -> None:
    problem, rate, steps = Nearby(0.5).sample(4, 1), 0.01, 3
    start = torch.zeros(10, requires_grad=True)
    theta = start.expand(4, -1)
    for _ in range(steps):
        (grad,) = torch.autograd.grad(problem.loss(theta).sum(), theta, create_graph=True)
        theta = theta - rate * grad
    (expected,) = torch.autograd.grad(problem.loss(theta).mean(), start)
    rule = l2l.learned.StartAt(l2l.GradientDescent(rate), torch.zeros(10))
    end = l2l.unroll(rule, problem, steps + 1, second_derivatives=True).theta
    problem.loss(end).mean().backward()
    assert torch.allclose(rule.start.grad, expected, rtol=1e-4)


def test_meta_training_learns_a_start() -> None:
    family = Nearby(1.0)
    rule = l2l.learned.StartAt(l2l.GradientDescent(0.01), torch.zeros(10))
    l2l.meta_train(rule, family, trajectories=150, steps=3, unroll_length=3, tasks=16, lr=0.05)
    assert torch.allclose(rule.start, family.common, atol=0.02)


def test_a_start_says_what_it_cannot_do() -> None:
    rule = l2l.learned.StartAt(l2l.GradientDescent(0.01), torch.zeros(10))
    with pytest.raises(ValueError, match="must see θ"):
        rule(torch.zeros(1, 10), ())
    with pytest.raises(ValueError, match="10 coordinates but theta 12"):
        l2l.optimize(rule, Nearby(0.5, dim=12).sample(1, 1), 2)


def test_the_family_keeps_its_promises() -> None:
    l2l.problems.check_family(Nearby(0.5))
    apart, together = (Nearby(shared).sample(512, 3) for shared in (0.0, 1.0))
    assert torch.equal(apart.W, together.W)
    assert together.loss(Nearby(1.0).common.expand(512, -1)).max() < 1e-6
    ways = torch.linalg.solve(apart.W.double(), apart.y.double())
    assert abs(float(ways.square().mean()) - 0.1) < 0.005
    assert abs(float(Nearby(1.0).common.square().mean()) - 0.1) < 1e-6


def test_the_crossover_lies_where_the_start_overtakes() -> None:
    shares = torch.tensor([0.0, 0.25, 0.5, 0.75, 0.9, 0.97])
    gd = torch.rand(6, 64, generator=l2l.generator(0)) + 1
    where = crossover((1 - shares)[:, None] * gd, 0.4 * gd, gd, resamples=50)
    assert where == pytest.approx((0.6, 0.6, 0.6), abs=1e-5)
    assert crossover(0.1 * gd, 0.4 * gd, gd, resamples=5).value == 0
    assert crossover(gd, 0.4 * gd, gd, resamples=5).value == 1
