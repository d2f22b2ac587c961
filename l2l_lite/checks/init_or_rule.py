"""Checks for the chapter on learned starts and learned rules."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from l2l_lite.checks import choice, missing, number, returned, right, wrong
from l2l_lite.learned import StartAt
from l2l_lite.problems import mlp
from l2l_lite.rules import GradientDescent, Momentum
from l2l_lite.studies.init_or_rule import Nearby
from l2l_lite.trajectory import optimize

TASKS = ((1.0, 1.0), (0.1, -1.0))  # curvature and minimum of the two tasks on paper


def starts(exact: Any, first_order: Any, rate: float = 0.5) -> None:
    """The best starts for one step on two parabolas, with the dashed edges and without."""
    what = "the best starts for one step, two numbers, with the dashed edges and without"
    if missing(exact, what) or missing(first_order, what):
        return None
    try:
        answer = float(exact), float(first_order)
    except (TypeError, ValueError, RuntimeError):
        return wrong("exact and first_order are one number each")
    true, cheap = _start(rate, 2), _start(rate, 1)
    if _near(answer, (true, cheap)):
        return right(
            f"{true:.3f} and {cheap:.3f}: without the dashed edges the steep task pulls too hard, as if "
            "its step did not already help it"
        )
    hints = {
        (cheap, true): "the two are swapped: without the dashed edges a task counts with (1 - αλ) once",
        (0.0, 0.0): "that is the plain mean of the minima; the tasks do not count alike",
        (_start(rate, 0), _start(rate, 0)): "that weighs by the curvature before the step, not after it",
        (true, true): "without the dashed edges dθ_1/dθ_0 = 1, so one factor (1 - αλ) is missing",
    }
    hint = next((hint for pair, hint in hints.items() if _near(answer, pair)), None)
    if hint is None and (math.isclose(answer[0], true, abs_tol=2e-3) or _near(answer[1:], (cheap,))):
        hint = "one of the two is right; the other is not"
    return wrong(hint or "neither is right: after the step, θ_1 - θ* = (1 - αλ)(θ_0 - θ*) for each task")


def _start(rate: float, power: int) -> float:
    weights = [curvature * (1 - rate * curvature) ** power for curvature, _ in TASKS]
    pulls = (weight * minimum for weight, (_, minimum) in zip(weights, TASKS, strict=True))
    return sum(pulls) / sum(weights)


def _near(answer: tuple[float, ...], pair: tuple[float, ...]) -> bool:
    return all(math.isclose(a, b, abs_tol=2e-3) for a, b in zip(answer, pair, strict=True))


def momentum(prediction: Any, shared: float = 0.75, steps: int = 5) -> None:
    """Predicted: a learned start takes the same share of the loss from momentum as from gradient descent."""
    what = "your prediction, a letter from a to c; the check computes the ratios afterwards"
    if missing(prediction, what):
        return
    ratios = [_gain(rule, shared, steps) for rule in (GradientDescent(0.01), Momentum(0.01, 0.5))]
    run = f"{ratios[0]:.2f} for gradient descent and {ratios[1]:.2f} for momentum"
    choice(
        prediction,
        "b",
        what=what,
        why={
            "a": f"{run}. Momentum goes further, but what it leaves of the way is a fixed part, whatever "
            "the way",
            "b": f"{run}. Both are linear: θ_T - θ* is a matrix times θ_0 - θ*, and a quarter of the squared "
            "way leaves a quarter of the loss",
            "c": f"{run}. Momentum needs steps to gather speed, with the learned start and without: the "
            "part that is left is the same",
        },
    )


def _gain(rule: Any, shared: float, steps: int) -> float:
    """The loss from the common point over that from the drawn start."""
    family = Nearby(shared)
    problem = family.sample(2048, 1)
    best = StartAt(rule, shared**0.5 * family.common)
    ends = [optimize(*run).losses[-1].mean() for run in ((best, problem, steps + 1), (rule, problem, steps))]
    return float(ends[0] / ends[1])


def turning_point(answer: Any, curvature: float = 4.0) -> None:
    """The rate from which first-order MAML with an odd number of steps pushes the start away."""
    number(
        answer,
        1 / curvature,
        what="the rate from which first-order MAML pushes the start away, for λ = 4 and five steps",
        why="beyond it each step jumps over the minimum, and after an odd number of jumps the gradient "
        "points to the side where the start is not; the exact one counts the jumps twice",
        hints={
            2 / curvature: "from there the steps diverge; the sign turns before that",
            curvature: "that is the curvature itself; a rate is one over a curvature",
            1.0: "that is for a curvature of 1",
        },
    )


def reptile(function: Callable[[Tensor, Tensor, float], Any]) -> None:
    """Whether start + rate · mean(end - start) is what it returns, and where that leads on fresh tasks."""
    start, ends = torch.tensor([1.0, 0.0]), torch.tensor([[2.0, 1.0], [4.0, -3.0]])
    what = "reptile(start, ends, rate) returns the new start [dim]"
    if (answer := returned(what, function, start, ends, 0.25)) is None:
        return None
    if not isinstance(answer, Tensor) or answer.shape != start.shape:
        return wrong("the new start is one point [dim]: take the mean over tasks")
    for other, hint in (
        (start - 0.25 * (ends.mean(dim=0) - start), "the start moves away from where the tasks ended"),
        (ends.mean(dim=0), "that ignores the rate: the start jumps all the way, and noise with it"),
        (start + 0.25 * ends.mean(dim=0), "move towards the ends, by a part of the difference to them"),
        (start + 0.25 * (ends - start).sum(dim=0), "a sum grows with the number of tasks: use the mean"),
    ):
        if torch.allclose(answer, other):
            return wrong(hint)
    if not torch.allclose(answer, torch.tensor([1.5, -0.25])):
        return wrong("expected start + rate * (mean of ends - start)")
    before, after = _reptile_run(function)
    return right(
        f"300 such moves bring the start from {before:.2f} to {after:.2f} of the way to the best one, "
        "and nobody has differentiated through a run"
    )


def _reptile_run(function: Callable[[Tensor, Tensor, float], Tensor]) -> tuple[float, float]:
    """How far the start is from the best one before and after, relative to before."""
    family, rule = Nearby(0.9), GradientDescent(0.015)
    best, start = 0.9**0.5 * family.common, torch.zeros(10)
    for k in range(300):
        ends = optimize(StartAt(rule, start), family.sample(64, 100 + k), 6).theta
        start = function(start, ends, 0.1 * 0.98**k + 0.01)
    return 1.0, float((start - best).norm() / best.norm())


def numbers_learned(answer: Any, hidden: int = 40) -> None:
    """How many numbers Meta-SGD learns for a network on MNIST with twice as many hidden units."""
    count = sum(weight.numel() for weight in mlp(hidden=hidden).parameters())
    number(
        answer,
        2 * count,
        what="how many numbers Meta-SGD learns for the network 784-40-10",
        why="a start and a rate for each weight, all of them of no use to any other network; the LSTM's "
        "weights are as many as before",
        hints={
            count: "that is the start alone; Meta-SGD learns a rate for each weight too",
            31_820: "that is the network with 20 hidden units; this one has 40",
            15_910: "that is the start for 20 hidden units",
            5_301: "that is what the LSTM rule learns",
            5_221: "that is what the LSTM rule learns",
        },
        tolerance=1e-6,
    )
