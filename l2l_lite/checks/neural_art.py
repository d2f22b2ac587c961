"""Checks for the exercises on neural art."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from l2l_lite.checks import choice, missing, number, right, same, wrong
from l2l_lite.data import digits8
from l2l_lite.learned import LSTMRule
from l2l_lite.problems import Classifier, Problem, Quadratic, mlp
from l2l_lite.problems.neural_art import gram
from l2l_lite.styles import strokes, woodcut
from l2l_lite.trajectory import value_and_grad


def coordinates(answer: Any) -> None:
    """Three colours of each pixel."""
    phi = sum(weight.numel() for weight in LSTMRule().parameters())
    number(
        answer,
        3 * 128**2,
        what="the coordinates of a picture of 128×128 pixels",
        why=f"each gets its own copy of the memory, and all share the same {phi:,} weights",
        tolerance=1e-6,
        hints={
            128**2: "those are the pixels; each has three colours",
            3 * 64**2: "that is a picture of 64×64 pixels; twice the side is four times the area",
            2 * 3 * 64**2: "twice the side is four times the area",
            phi: "those are the weights φ of the rule, whatever the size of the picture",
        },
    )


def shuffled(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Places in another order, the same for all channels."""
    rng = torch.Generator().manual_seed(0)
    maps, order = torch.rand(2, 4, 3, 5, generator=rng), torch.randperm(15, generator=rng)
    found = answer(maps, order)
    if missing(found, "the maps with their places in another order"):
        return
    if not isinstance(found, Tensor) or found.shape != maps.shape:
        wrong("the maps must keep their shape [n, c, h, w]: reshape after you have moved the places")
    elif same(found, maps):
        wrong("nothing has moved")
    elif not same(gram(found), gram(maps)):
        wrong(
            "the Gram matrix has changed: move every channel in the same way, and leave the channels in order"
        )
    else:
        right("a mean over places does not know their order: style cannot tell the two apart, content can")


def pixels(answer: Any) -> None:
    """Shuffled pixels are noise, which filters answer everywhere."""
    choice(
        answer,
        "b",
        what="what you expect of the Gram matrices when pixels are shuffled, a letter",
        why={
            "a": "that holds for places of the maps; a filter looks at neighbours, and these are others now",
            "b": "neighbours have nothing in common any more, so every filter answers strongly everywhere",
            "c": "smooth areas are gone, not edges: noise is all edges",
        },
    )


def noise(answer: Callable[[Problem], Any]) -> None:
    """The relative change of the gradient from step 1 to step 2, at θ0 of the first task."""
    problem = Classifier(lambda: mlp(64), digits8()).sample(tasks=2, seed=0)
    found = answer(problem)
    if missing(found, "the relative change of the gradient from one step to the next"):
        return
    first, second = (value_and_grad(problem, problem.theta0, t)[1][0] for t in (1, 2))
    change = (second - first).norm()
    expected, total = float(change / first.norm()), float(change)
    try:
        still = float(answer(Quadratic().sample(tasks=2, seed=0)))
    except (TypeError, ValueError, RuntimeError):
        wrong("the answer is one number, for the first task alone")
        return
    if abs(still) > 1e-6:
        wrong(f"a quadratic has no minibatches, so its gradient at θ0 does not change; you find {still:.3g}")
        return
    number(
        found,
        expected,
        what="the change of the gradient of the first 8×8 digits task, relative to its length at step 1",
        why="digits change it at every step, a picture not at all: an old gradient is as good as a new one, "
        "so a long memory helps and the last steps need not shrink",
        hints={total: "divide by the length of the gradient at step 1", 0.0: "are both at the same step?"},
    )


def trade(answer: Mapping[float, tuple[float, float]]) -> None:
    """Content falls and style rises with alpha."""
    if missing(answer, "a dictionary from alpha to the content and the style loss"):
        return
    try:
        content, style = zip(*([float(x) for x in answer[alpha]] for alpha in sorted(answer)), strict=True)
    except (AttributeError, TypeError, ValueError, RuntimeError):
        wrong("each alpha needs a pair of numbers: its content loss and its style loss")
        return
    if len(content) < 3:
        wrong("try at least three values of alpha")
    elif content[0] < content[-1] and style[0] > style[-1]:
        wrong("content rises with alpha? Hand over the content loss first, then the style loss")
    elif not (content[0] > content[-1] and style[0] < style[-1]):
        wrong("from the smallest to the largest alpha content must fall and style rise: spread alpha wider, "
              "and leave beta, gamma and the seed as they are")  # fmt: skip
    else:
        said = f"content ≈ {content[0]:.2f} to ≈ {content[-1]:.2f}"
        right(f"{said}, style ≈ {style[0]:.3f} to ≈ {style[-1]:.3f}: one is bought with the other")


def own_style(style: Any, ends: Mapping[str, float] | None) -> None:
    """A picture that is not one of the two styles of the chapter, and how two rules paint with it."""
    if missing(style, "a picture [3, height, width] with values in [0, 1]"):
        return
    if not isinstance(style, Tensor) or style.dim() != 3 or len(style) != 3:
        wrong("a style is a tensor [3, height, width]; pictures.picture makes one from a file or an array")
    elif min(style.shape[1:]) < 24:
        wrong(f"{style.shape[1]}×{style.shape[2]} is too small: the largest filters need 24 pixels or more")
    elif not (style.min() >= 0 and style.max() <= 1):
        wrong("values must lie between 0 and 1: divide bytes by 255, or clamp what you draw")
    elif style.float().std() < 0.01:
        wrong("this style is one flat colour: filters of zero mean see nothing in it")
    elif any(style.shape == one.shape and same(style.float(), one) for one in (strokes(), woodcut())):
        wrong("that is a style of the chapter; choose another one")
    elif not missing(ends, "the losses after 64 steps, {'learned': ..., 'Adam': ...}"):
        assert ends is not None
        _painted(
            ends, f"a style of {style.shape[1]}×{style.shape[2]} pixels that no rule has been trained on"
        )


def _painted(ends: Mapping[str, float], style: str) -> None:
    if set(ends) != {"learned", "Adam"}:
        wrong("two losses are asked for, under the names 'learned' and 'Adam'")
        return
    learned, adam = float(ends["learned"]), float(ends["Adam"])
    if not learned < 200:  # twice the start, or no number at all
        right(f"{style}, and one on which the learned rule fails: look at the sizes of its gradients")
    elif not adam < 100:
        wrong("Adam has not brought the loss below its start, 100: tune its rate")
    elif learned < 0.8 * adam:
        wrong("so far ahead of Adam? Try other rates for it, a factor of two up and down")
    else:
        how = "level with" if abs(learned / adam - 1) < 0.02 else "above" if learned > adam else "below"
        right(f"{style}: the learned rule ends {how} Adam, at ≈ {learned:.0f} against ≈ {adam:.0f}")
