"""Every check of the chapter accepts the solution, waits for an answer, and explains a wrong one."""

from typing import Any

import pytest
import torch
from answers import RIGHT, WAITING, stub, table
from torch import Tensor

import l2l_lite as l2l
from l2l_lite.checks import horizons as check
from l2l_lite.studies import horizons as study


def two_sided(loss: Any, x: Tensor, noise: Tensor) -> Tensor:
    return (noise * (loss(x + noise) - loss(x - noise))).mean() / (2 * noise.square().mean())


def one_sided(loss: Any, x: Tensor, noise: Tensor) -> Tensor:
    return (noise * (loss(x + noise) - loss(x))).mean() / noise.square().mean()


def pes(moves: Tensor, gains: Tensor, variance: float) -> Tensor:
    return (moves.cumsum(0) * gains).sum() / (2 * variance)


CASES: list[tuple[Any, Any, str]] = [
    (check.floor, 0.003332, RIGHT),
    (check.floor, None, WAITING),
    (check.floor, 0.006665, "half"),
    (check.floor, 0.03332, "no rate"),
    (check.floor, 0.0003332, "square it again"),
    (check.floor, 0.0, "without noise"),
    (check.floor, 5.0, "too large"),
    (check.ahead, "c", RIGHT),
    (check.ahead, ..., WAITING),
    (check.ahead, "a", "paid for in noise"),
    (check.ahead, "b", "not the loss that counts"),
    (check.ahead, "d", "choose one"),
    (check.slope, two_sided, RIGHT),
    (check.slope, lambda *given: two_sided(*given).item(), RIGHT),
    (check.slope, stub, WAITING),
    (check.slope, lambda *given: 2 * two_sided(*given), "2ξ apart"),
    (check.slope, one_sided, "curvature drops out"),
    (check.slope, lambda loss, x, e: (e * loss(x + e)).mean() / e.square().mean(), "one side only"),
    (check.slope, lambda *given: -two_sided(*given), "sign"),
    (check.slope, lambda loss, x, e: two_sided(loss, x, e) * e.square().mean().sqrt(), "not by its root"),
    (check.slope, lambda loss, x, e: two_sided(loss, x, e) * e.square().mean(), "the variance of the noise"),
    (check.slope, lambda *given: 3 * two_sided(*given), "not their sum"),
    (check.slope, lambda loss, x, e: e * loss(x + e), "one number"),
    (check.slope, lambda *given: two_sided(*given) + 1, "on an example"),
    (check.slope, lambda x: x, "fails with TypeError"),
    (check.credit, pes, RIGHT),
    (check.credit, stub, WAITING),
    (check.credit, lambda moves, gains, variance: (moves * gains).sum() / (2 * variance), "truncated ES"),
    (check.credit, lambda m, g, variance: m.sum() * g.sum() / (2 * variance), "before it"),
    (check.credit, lambda m, g, v: pes(m.flip(0), g.flip(0), v), "*after*"),
    (check.credit, lambda *given: 2 * pes(*given), "divide by 2"),
    (check.credit, lambda m, g, v: m.sum() * g[-1] / (2 * v), "last window alone"),
    (check.credit, lambda *given: pes(*given) / 3, "no mean"),
    (check.credit, lambda moves: moves, "fails with TypeError"),
]

test_answers = table(CASES)


def test_the_floor_is_where_the_recursion_rests() -> None:
    h, v = check.CURVATURES, torch.ones(10, 1, dtype=torch.float64)
    for _ in range(100_000):
        v = (1 - 0.1 * h) ** 2 * v + (0.1 * h) ** 2 * 0.1
    assert float(0.5 * (h * v).sum()) == pytest.approx(0.003332, rel=0.005)


def test_the_rates_that_the_check_names() -> None:
    assert [check.best_ahead(steps) for steps in (1, 20, 500)] == pytest.approx(
        [0.152, 0.067, 0.024], abs=2e-3
    )


def test_noisy_quadratics_follow_the_closed_form() -> None:
    problem = study.Noisy().sample(4000, seed=0)
    theta = l2l.optimize(study.Schedule(first=0.8, last=0.05), problem, 100).theta
    h, v = check.CURVATURES, torch.ones(10, 1, dtype=torch.float64)
    for t in range(100):
        rate = 0.8 * (0.05 / 0.8) ** (t / 99)
        v = (1 - rate * h) ** 2 * v + (rate * h) ** 2 * 0.1
    losses = problem.evaluate(theta)
    error = 4 * float(losses.std()) / 4000**0.5
    assert float(losses.mean()) == pytest.approx(float(0.5 * (h * v).sum()), abs=error)


def test_a_forgetful_window_begins_with_an_empty_memory() -> None:
    rule, problem = l2l.LSTMRule(hidden=(2,)), l2l.Quadratic().sample(tasks=1, seed=0)
    at = l2l.optimize(rule, problem, 3)
    emptied = at._replace(state=rule.init(at.theta))
    kept, forgetful = l2l.estimators.TruncatedBPTT(), study.Forgetful()
    gradients = []
    for estimator, begin in ((kept, emptied), (forgetful, at), (kept, at)):
        rule.zero_grad()
        estimator.window(rule, problem, 2, begin, l2l.objectives.uniform, l2l.generator(0))
        gradients.append(torch.cat([w.grad.flatten() for w in rule.parameters() if w.grad is not None]))
    assert torch.equal(gradients[0], gradients[1])
    assert not torch.equal(gradients[1], gradients[2])
