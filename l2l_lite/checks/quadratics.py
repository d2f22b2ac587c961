"""Checks for the exercises on random quadratics."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from l2l_lite.checks import choice, missing, number, right, same, wrong
from l2l_lite.evaluation import final_loss, ratio
from l2l_lite.problems import Quadratic
from l2l_lite.problems.quadratic import QuadraticProblem
from l2l_lite.rules import Adam, Nesterov
from l2l_lite.trajectory import optimize


def loss_at_ones(answer: Any) -> None:
    """E ‖Wθ - y‖² at θ = (1, …, 1): a variance of dim + 1 for each entry."""
    dim = Quadratic().dim
    number(
        answer,
        dim * (dim + 1),
        what="the expected loss at θ = (1, …, 1)",
        why=f"each of the {dim} entries of Wθ - y has the variance {dim} + 1, and the loss sums squares",
        hints={
            dim: "that is the loss at θ = 0; here Wθ adds to it",
            dim**2: "that is Wθ alone; y has a variance too, and variances add",
            dim + 1: "that is one entry of Wθ - y; the loss is a sum over all of them, not a mean",
            2 * dim: "an entry of Wθ is a sum of ten numbers, so its variance is ten, not one",
            dim * (dim - 1): "variances add, even where one number is subtracted from another",
        },
    )


def steps_to_reach(answer: Callable[[Tensor, float], int | None]) -> None:
    """The first step at which the mean over tasks is at most the target."""
    losses = torch.tensor([[8.0, 4.0], [1.0, 5.0], [2.0, 2.0], [1.0, 1.0], [2.0, 3.0]])
    found = answer(losses, 2.0)
    hints: dict[int | None, str] = {
        1: "at step 1 one task is below the target, but the mean over tasks is not",
        3: "one late: the first row is step 0, and a loss equal to the target counts",
        4: "step 4 is the last one; the first one at or below the target was earlier",
    }
    if missing(found, "the first step at which the mean over tasks is at most the target"):
        pass
    elif answer(losses, 0.5) is not None:
        wrong("a target that is never reached should give None")
    elif found == 2:
        right("2: the mean falls to the target there, although single tasks got there before")
    else:
        wrong(hints.get(found, f"{found} is not the first step with a mean loss of at most 2"))


def unpaired(answer: Callable[[Tensor, Tensor], tuple[float, float]]) -> None:
    """An interval from independent resamples of the two rules' tasks."""
    learned, baseline = _two_rules()
    paired = ratio(learned, baseline)
    found = answer(learned, baseline)
    if missing(found, "the ends of the middle 95 % of the ratios"):
        return
    low, high = (float(end) for end in found)
    width = (high - low) / (paired.high - paired.low)
    if low > high:
        wrong("the first end is above the second: hand over the lower one first")
    elif not low < paired.value < high:
        wrong(f"[{low:.3g}, {high:.3g}] does not hold the ratio of means, {paired.value:.3g}")
    elif width < 1.1:
        wrong("as narrow as the paired interval: draw an independent index for the baseline")
    elif high > 4 * paired.value:
        wrong("far too wide: take means over the resampled tasks before you divide")
    else:
        right("wider: a hard task is hard for both rules, and only pairing lets that cancel")


def _two_rules() -> tuple[Tensor, Tensor]:
    problem = Quadratic().sample(tasks=128, seed=3)
    rules = (Adam(0.3), Nesterov(0.005, momentum=0.95))
    first, second = (final_loss(optimize(rule, problem, 100).losses) for rule in rules)
    return first, second


def steeper(answer: Callable[[QuadraticProblem, float], QuadraticProblem]) -> None:
    """The same tasks with `factor` times the loss."""
    problem = Quadratic().sample(tasks=4, seed=3)
    found = answer(problem, 100.0)
    if missing(found, "a QuadraticProblem with every loss multiplied by the factor"):
        return
    theta = torch.ones_like(problem.theta0)
    size = found.loss(theta) / problem.loss(theta)
    if not same(found.theta0, problem.theta0):
        wrong("the starts must stay as they are")
    elif torch.allclose(size, torch.tensor(100.0), rtol=1e-3):
        right("every loss and every gradient is a hundred times as large, at the same places")
    elif torch.allclose(size, torch.tensor(1e4), rtol=1e-3):
        wrong("the factor is squared in the loss: multiply W and y by its root")
    else:
        wrong("the losses do not all grow by the factor: scale W and y alike, else the minimisers move")


def unmoved(answer: Any) -> None:
    """Adam divides the size of its gradients out."""
    choice(
        answer,
        "b",
        what="which rule you expect to go the same way, a letter",
        why={
            "a": "its step is the rate times the gradient, so all are a hundred times as long: it diverges",
            "b": "it divides by the size of the gradient, so every step is the same: no other rule here does",
            "c": "it is fed gradients of a size that meta-training never showed it, and takes other steps",
            "d": "one of them divides by the size of its gradients, so it cannot see the factor",
        },
    )


def meta_rates(answer: Mapping[float, float]) -> None:
    """A grid of meta-learning rates with the best one inside."""
    if missing(answer, "a dictionary from meta-learning rate to validation score"):
        return
    scores = {float(rate): float(score) for rate, score in answer.items()}
    best = min(scores, key=lambda rate: scores[rate], default=0.0)
    if len(scores) < 3:
        wrong("a best rate needs a worse one on each side: try at least three")
    elif not math.isfinite(scores[best]):
        wrong("no score is finite: try lower rates")
    elif best in (min(scores), max(scores)):
        side = "lower" if best == min(scores) else "higher"
        wrong(f"the best rate, {best:g}, is at the end of your grid: try {side} ones too")
    else:
        right(
            "the best rate is inside: below it φ hardly moves in so few updates, above it training is rough"
        )
