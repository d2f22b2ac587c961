"""Checks for the chapter on horizons."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from l2l_lite.checks import choice, missing, number, returned, right, same, wrong

CURVATURES = torch.logspace(-3, 0, 10, dtype=torch.float64)[:, None]


def floor(answer: Any, rate: float = 0.1, noise: float = 0.1) -> None:
    """The loss at which a constant rate comes to rest on the chapter's noisy quadratic."""
    h = CURVATURES
    rest = (rate * h * noise / (2 - rate * h) * h).sum().item()
    number(
        answer,
        rest / 2,
        what="the loss ½ Σ h v at which the rate 0.1 comes to rest, for s² = 0.1",
        why="about α s² Σ h² / 4, so that half the rate has half the floor",
        hints={
            rest: "the loss is *half* of Σ h v",
            rest / (2 * rate): "this floor has no rate in it: (αh)² s² has two factors of αh",
            rest / 2 * noise: "s² = 0.1 is the variance itself: do not square it again",
            0.5 * (h * rate * noise / 2).sum().item(): "this lacks the curvature in ½ Σ h v",
            0.0: "without noise it would fall to zero; the noise adds (αh)² s² in every step",
        },
        tolerance=0.005,
    )


def ahead(prediction: Any) -> None:
    """Predicted: from the middle of a run, more steps ahead want a smaller constant rate."""
    what = "your prediction, a letter from a to c; the check computes the rates afterwards"
    if missing(prediction, what):
        return
    rates = [best_ahead(steps) for steps in (1, 20, 500)]
    run = "best for 1, 20 and 500 steps: {:.3f}, {:.3f}, {:.3f}".format(*rates)
    choice(
        prediction,
        "c",
        what=what,
        why={
            "a": f"{run}. Flat directions do ask for a larger rate, but a constant one is paid for in noise",
            "b": f"{run}. The state is the same, but not the loss that counts: after more steps it is nearly "
            "all noise",
            "c": f"{run}. A constant rate has to serve the end, where the noise decides; only a rate that "
            "may fall later can be large now",
        },
    )


def best_ahead(steps: int, before: int = 200, rate: float = 0.3, noise: float = 0.1) -> float:
    """The constant rate that is best for so many steps, after `before` steps at another rate."""
    rates = torch.linspace(0.005, 0.4, 800, dtype=torch.float64)
    v = torch.ones(10, 1, dtype=torch.float64)
    for now in [torch.tensor([rate])] * before + [rates] * steps:
        v = (1 - now * CURVATURES) ** 2 * v + (now * CURVATURES) ** 2 * noise
    return float(rates[(CURVATURES * v).sum(dim=0).argmin()])


def slope(function: Callable[..., Any]) -> None:
    """Whether a function estimates a slope from both sides, of a loss at x with noise [draws]."""
    noise = torch.tensor([0.1, -0.2, 0.05], dtype=torch.float64)
    x, variance = torch.tensor(3.0, dtype=torch.float64), noise.square().mean()

    def loss(x: Tensor) -> Tensor:
        return x**3

    two_sided = noise * (loss(x + noise) - loss(x - noise))
    expected = two_sided.mean() / (2 * variance)
    what = "slope(loss, x, noise) returns one number, the mean over the draws"
    if (answer := returned(what, function, loss, x, noise)) is None:
        return None
    one_sided = (noise * (loss(x + noise) - loss(x))).mean() / variance
    hints = [
        (2 * expected, "x + ξ and x - ξ are 2ξ apart: divide by 2 σ²"),
        (one_sided, "this compares x + ξ with x; compare it with x - ξ, and curvature drops out"),
        ((noise * loss(x + noise)).mean() / variance, "this looks at one side only: compare two losses"),
        (-expected, "the sign is turned: this slope is negative where the loss rises"),
        (expected * variance.sqrt(), "divide by the variance σ², not by its root"),
        (two_sided.mean() / 2, "divide by the variance of the noise, too"),
        (two_sided.sum() / (2 * variance), "take the mean over the draws, not their sum"),
    ]
    return _explain(
        answer, expected, hints, "27.03 on x³ at 3, whose slope is 27: it is the slope of a smoothed x³"
    )


def credit(function: Callable[..., Any]) -> None:
    """Whether a function credits gains [windows] to moves [windows] as PES does."""
    moves = torch.tensor([0.1, -0.3, 0.4], dtype=torch.float64)
    gains = torch.tensor([2.0, 3.0, 5.0], dtype=torch.float64)
    so_far, scale = moves.cumsum(0), 2 * 0.04
    expected = (so_far * gains).sum() / scale
    what = "credit(moves, gains, variance) returns one number, the sum over windows"
    if (answer := returned(what, function, moves, gains, 0.04)) is None:
        return None
    hints = [
        ((moves * gains).sum() / scale, "each gain is credited to its own move: that is truncated ES, blind"),
        (
            moves.sum() * gains.sum() / scale,
            "a move cannot have caused a gain before it: sum up to the window",
        ),
        ((moves.flip(0).cumsum(0).flip(0) * gains).sum() / scale, "these moves come *after* the gain"),
        (2 * expected, "both sides were shaken: divide by 2 σ²"),
        (so_far[-1] * gains[-1] / scale, "this is the last window alone; add those before it"),
        (expected / 3, "the slope of a sum is a sum: add the windows, and take no mean"),
    ]
    return _explain(answer, expected, hints, "every gain is credited to all moves that can have caused it")


def _explain(answer: Any, expected: Tensor, hints: list[tuple[Tensor, str]], why: str) -> None:
    """Compare a number with the right one and with likely wrong ones."""
    value = torch.as_tensor(answer, dtype=torch.float64)
    if same(value, expected):
        return right(why)
    for other, hint in hints:
        if same(value, other):
            return wrong(hint)
    if value.shape != expected.shape:
        return wrong(f"expected one number, not a tensor {list(value.shape)}")
    return wrong(f"expected {expected:.4g} on an example, not {value:.4g}")
