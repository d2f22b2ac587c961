"""Checks for the exercises of the chapter "Sharing information"."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from l2l_lite.checks import choice, missing, number, returned, right, same, wrong
from l2l_lite.learned import AveragingLSTM
from l2l_lite.quasi_newton import carriers, read, write


def clip(function: Callable[[Tensor, float], Any]) -> None:
    """Clipping of [tasks, dim] gradients by the norm of a task's whole gradient."""
    grad = torch.tensor([[3.0, -4.0, 0.0, 0.0], [0.3, 0.0, 0.4, 0.0]])
    what = "clip(grad, most) returns clipped gradients [tasks, dim]"
    if (answer := returned(what, function, grad, 1.0)) is None:
        return None
    length = grad.norm(dim=-1, keepdim=True)
    mean_length = grad.square().mean(dim=-1, keepdim=True).sqrt()
    for other, hint in (
        (grad.clamp(-1, 1), "this clips each coordinate by itself, and so the direction changes"),
        (grad * (1 / length), "short gradients must stay as they are: clamp the factor to at most 1"),
        (grad * (1 / grad.norm()).clamp(max=1), "each task has a norm of its own: take means over dim=-1"),
        (
            grad * (1 / mean_length).clamp(max=1),
            "the root of the mean is the norm divided by √n: multiply by the number of coordinates",
        ),
        (
            grad * (1 / (4 * mean_length)).clamp(max=1),
            "n belongs under the root: the norm is √(n · mean), not n · √mean",
        ),
    ):
        if same(answer, other):
            return wrong(hint)
    if not same(answer, grad * (1 / length).clamp(max=1)):
        return wrong(
            "for the gradient (3, -4, 0, 0), whose norm is 5, and most=1, expected (0.6, -0.8, 0, 0)"
        )
    if not same(returned("clip(grad, most)", function, torch.zeros(1, 4), 1.0), torch.zeros(1, 4)):
        return wrong("right, except for a gradient of zero, where 0 / 0 is NaN")
    return right("one mean over coordinates is all that clipping has to share")


def one_layer(prediction: Any) -> None:
    """Predicted: with one layer, what others say does not change what a coordinate does with its own."""
    what = "your prediction, a letter from a to c; the check asks both rules afterwards"
    if missing(prediction, what):
        return
    one, two = (interaction(AveragingLSTM(hidden, scale=1.0)) for hidden in ((20,), (20, 20)))
    run = f"beyond a sum of own and other, {one:.0e} is left with one layer and {two:.0e} with two"
    choice(
        prediction,
        "b",
        what=what,
        why={
            "a": f"{run}. The output is a sum over units: the averaged ones add the same number to every "
            "step, and that number does not know which way this coordinate goes",
            "b": f"{run}. In a sum of an own part and a shared part neither is a switch for the other; the "
            "second layer can be one, and so can the next step, through the gates",
            "c": f"{run}. Even with one layer the spike changes all steps, by the same number",
        },
    )


def interaction(rule: AveragingLSTM) -> float:
    """How far the first step of a coordinate is from a sum of what its own gradient and another's do."""

    def step(own: float, other: float) -> float:
        grad = torch.tensor([[own, other, 0.1, -0.1]], dtype=torch.float64)
        return float(rule(grad, rule.init(grad))[0][0, 0])

    rule = rule.double()
    with torch.no_grad():
        return abs(step(1.0, 1000.0) - step(1.0, 0.1) - step(-1.0, 1000.0) + step(-1.0, 0.1))


def dfp(function: Callable[[Tensor, Tensor, Tensor], Any]) -> None:
    """The heads that write the update of Davidon, Fletcher and Powell: left and right vectors."""
    rng = torch.Generator().manual_seed(0)
    s, y = torch.randn(2, 1, 4, generator=rng, dtype=torch.float64)
    y = y * (s * y).sum().sign()
    matrix = 0.5 * torch.eye(4, dtype=torch.float64)[None]
    what = "dfp(M, s, y) returns two lists, the left and the right vectors"
    if (answer := returned(what, function, matrix, s, y)) is None:
        return None
    try:
        found = write(matrix, *answer)
    except Exception as error:
        return wrong(f"`write` cannot use these vectors: {error}")
    moved, product = read(matrix, y), (s * y).sum()
    grown, gone = _outer(s) / product, _outer(moved) / (y * moved).sum()
    u, w = carriers(matrix, s, y)
    for other, hint in (
        (matrix + grown, "what M knew of this direction must go: a second head takes it away"),
        (matrix + grown + gone, "the second head has the wrong sign: M y must become s"),
        (matrix - grown + gone, "both heads have the wrong sign"),
        (matrix + _outer(s) - _outer(moved), "each outer product is divided by a number: sᵀy, and yᵀMy"),
        (matrix + grown - _outer(moved) / product, "the second divisor is yᵀMy, not sᵀy"),
        (write(matrix, [u, w], [w, u]), "that is BFGS"),
    ):
        if same(found, other):
            return wrong(hint)
    if not same(found, matrix + grown - gone):
        return wrong(
            "M after the writing is not that of DFP: compare `write(M, left, right)` with the formula"
        )
    return right("two heads, and M y = s: the secant equation holds as it does for BFGS")


def _outer(a: Tensor) -> Tensor:
    return a[..., :, None] * a[..., None, :]


def largest(answer: Any) -> None:
    """How many coordinates a memory of 16 GB allows, in single precision."""
    number(
        answer,
        63_245.0,
        what="the number of coordinates whose M fits into 16 · 10⁹ bytes",
        why="a network of 63,000 weights is small; L-BFGS with five pairs fits 400 million",
        hints={
            126_491.0: "a number in single precision takes four bytes",
            44_721.0: "that is for double precision; single takes four bytes",
            4e9: "M has n² entries, not n: take the root",
            178_885.0: "a byte is eight bits, but a number is four bytes: divide by 4, not by 1/2",
            65_536.0: "16 · 10⁹ bytes, not 2³⁴",
        },
        tolerance=2e-3,
    )


def loudest(share: Callable[[Tensor], Any], shared: int = 5) -> None:
    """Units [units, tasks, dim], the first of which put out their largest value over coordinates."""
    h = torch.randn(8, 2, 3, generator=torch.Generator().manual_seed(0))
    what = "share(h) returns what the layer puts out, [units, tasks, dim]"
    if (answer := returned(what, share, h)) is None:
        return None
    most = h.amax(dim=-1, keepdim=True).expand_as(h)
    expected = torch.cat([most[:shared], h[shared:]])
    for other, hint in (
        (most, f"only the first {shared} units are shared; the others keep what is their own"),
        (h, "nothing has been shared"),
        (
            torch.cat([h[:shared].mean(dim=-1, keepdim=True).expand(-1, -1, 3), h[shared:]]),
            "that is the mean, and a mean over a million coordinates hardly hears one",
        ),
        (
            torch.cat([h[:shared].amax(dim=0, keepdim=True).expand(shared, -1, -1), h[shared:]]),
            "the maximum is over units, dim=0; it should be over coordinates, dim=-1",
        ),
        (
            torch.cat([h[:shared].amax(dim=(1, 2), keepdim=True).expand(-1, 2, 3), h[shared:]]),
            "this mixes tasks: take the maximum over the last axis alone",
        ),
    ):
        if same(answer, other):
            return wrong(hint)
    if not same(answer, expected):
        shape = list(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
        return wrong(f"expected [8, 2, 3] with the first {shared} units shared, not this ({shape})")
    return right(
        "the order of coordinates does not matter to a maximum either, and one loud one is heard by all"
    )
