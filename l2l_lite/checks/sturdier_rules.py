"""Checks for the exercises of the chapter "Sturdier rules"."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from l2l_lite.checks import choice, missing, number, returned, right, same, wrong
from l2l_lite.learned import Fading, MLPRule, ScaleFree
from l2l_lite.rules import GradientDescent


def direction(function: Callable[[Tensor, Tensor, int, float], Any]) -> None:
    """m̂ / √v̂ from running means that began at zero."""
    mean, square = torch.tensor([[0.3, -0.2]]), torch.tensor([[0.25, 0.04]])
    t, beta = 5, 0.9
    left = 1 - beta**t
    what = "direction(mean, square, t, beta) returns m̂ / √v̂, [tasks, dim]"
    if (answer := returned(what, function, mean, square, t, beta)) is None:
        return None
    for other, hint in (
        (mean / square.sqrt(), "both means began at zero: divide each by 1 - βᵗ first"),
        (mean / left / (square / left), "without the root the size of gradients remains: divide by √v̂"),
        (mean / left / square.sqrt(), "the mean of squares began at zero, too"),
        (mean / (square / left).sqrt(), "the mean of gradients began at zero, too"),
        (mean / left, "that is m̂ alone, which is as large as gradients are"),
        (mean / (1 - beta) / (square / (1 - beta)).sqrt(), "after t steps the bias is 1 - βᵗ, not 1 - β"),
    ):
        if same(answer, other):
            return wrong(hint)
    if not same(answer, mean / left / (square / left).sqrt()):
        return wrong("for m = 0.3, v = 0.25, t = 5 and β = 0.9 expected 0.938")
    return right("multiply all gradients by any number, and this stays as it is")


def units(prediction: Any) -> None:
    """Predicted: what a scale-free rule does where θ is measured in other units."""
    what = "your prediction, a letter from a to c; the check asks a rule afterwards"
    if missing(prediction, what):
        return
    one, other = (first_step(ScaleFree(), unit) for unit in (1.0, 1000.0))
    run = f"its first step was {one:.2g} in metres, and {other:.2g} in millimetres"
    choice(
        prediction,
        "c",
        what=what,
        why={
            "a": f"{run}. Its inputs are the same, but the unit of its steps is that of θ0, in part",
            "b": f"{run}. Its unit is the root of the mean |θ0|, not the mean itself",
            "c": f"{run}. Its inputs are the same, and its unit grows with the root of the mean |θ0|; so θ "
            "moves a thirtieth as far, and the rest it has to find out as it goes",
        },
    )


def first_step(rule: ScaleFree, unit: float) -> float:
    """The first step, in x, of a rule on a loss of θ = x / unit, from the same place."""
    theta, grad = unit * torch.tensor([[0.1, -0.2, 0.3]]), torch.tensor([[2.0, -1.0, 0.5]]) / unit
    with torch.no_grad():
        return float(rule(grad, rule.init(theta))[0].abs().mean())


def half_wave(function: Callable[[int, int], Any]) -> None:
    """What is left of a step, as half a wave of the cosine, and nothing beyond the end."""
    what = "left(t, steps) returns a number, 1 at the start and 0 at the end"
    if (answer := returned(what, function, 25, 100)) is None:
        return None
    try:
        found = [float(function(t, 100)) for t in (0, 25, 50, 100, 150)]
    except (TypeError, ValueError):
        return wrong(f"{what}, not {type(answer).__name__}")

    def near(*values: float) -> bool:
        return all(math.isclose(a, b, abs_tol=1e-6) for a, b in zip(found, values, strict=True))

    quarter = (1 + math.cos(math.pi / 4)) / 2
    for values, hint in (
        ((1, 0.75, 0.5, 0, 0), "that is the straight line"),
        ((1, math.cos(math.pi / 4), 0, -1, 0), "this falls to -1: add 1, and halve"),
        ((1, quarter, 0.5, 0, 0.5), "right up to the end, and then it rises again: nothing is left beyond"),
        ((1, 0.5, 0, 1, 0), "a whole wave comes back to 1: over the run the angle goes from 0 to π"),
    ):
        if near(*values):
            return wrong(hint)
    if not near(1, quarter, 0.5, 0, 0):
        return wrong("expected 1, 0.854, 0.5 and 0 after 0, 25, 50 and 100 of 100 steps, and 0 beyond")
    return right("slow, fast, slow: more is left in the first half than on the line, less in the second")


def hidden(answer: Any) -> None:
    """How many hidden units a rule of 350 weights has."""
    weights = sum(weight.numel() for weight in MLPRule(hidden=29).parameters())
    number(
        answer,
        29.0,
        what="the largest number of hidden units with at most 350 weights",
        why=f"nine inputs and a bias each, then two outputs: 12 · 29 + 2 = {weights} weights",
        hints={
            35.0: "that counts the first layer alone; each unit also has two weights to the outputs",
            31.0: "each hidden unit has a bias, too",
            38.0: "count the nine inputs and the two outputs of each unit",
            350.0: "that is the number of weights; each hidden unit takes twelve of them",
        },
    )


def told(prediction: Any) -> None:
    """Predicted: what happens in a run that is longer than its rule was told."""
    what = "your prediction, a letter from a to c; the check runs it afterwards"
    if missing(prediction, what):
        return
    early, late = moved(50), moved(150)
    run = f"a step from the same gradient was {early:.2g} at step 50 of 100, and {late:.2g} at step 150"
    choice(
        prediction,
        "a",
        what=what,
        why={
            "a": f"{run}. What is left is held at nothing from step 100 on",
            "b": f"{run}. On the line 1 - t / T would be below zero there, and every step would go uphill; "
            "so it is held at nothing",
            "c": f"{run}. It was told that the run is over, and nothing tells it otherwise",
        },
    )


def moved(t: int) -> float:
    """The length of step t, from a gradient of 1, of gradient descent that fades over 100 steps."""
    rule, grad = Fading(GradientDescent(1.0), 100), torch.ones(1, 1)
    state = rule.init(grad)
    for _ in range(t + 1):
        step, state = rule(grad, state)
    return float(step.abs())
