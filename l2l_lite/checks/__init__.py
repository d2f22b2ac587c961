"""Checks for the exercises, a module for each chapter: they say in words what is right, or what is off."""

import math
import textwrap
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch

PAGE = 76  # characters that a page of the book shows in a line


def say(words: str) -> None:
    """Print a sentence in lines that a page shows whole."""
    print(textwrap.fill(words, PAGE, subsequent_indent="  ", break_on_hyphens=False))


def right(why: str) -> None:
    """Say that an answer is right, and what it shows."""
    say(f"✓ {why}")


def wrong(why: str) -> None:
    """Say that an answer is off, and where to look."""
    say(f"✗ {why}")


def missing(answer: Any, what: str) -> bool:
    """Whether the stub is untouched, None or `...`; then say what is asked for."""
    if untouched := answer is None or answer is ...:
        say(f"not answered yet: {what}")
    return untouched


def returned(what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """What a reader's function returns; None, once it is said, for a stub and for a call that fails."""
    try:
        answer = function(*arguments)
    except Exception as error:
        wrong(f"the call fails with {type(error).__name__}: {error}")
        return None
    return None if missing(answer, what) else answer


def number(
    answer: Any,
    expected: float,
    *,
    what: str,
    why: str,
    hints: Mapping[float, str] = MappingProxyType({}),
    tolerance: float = 0.01,
) -> None:
    """Check a number to a relative tolerance.

    `what` names it, `why` says what the right value shows, and `hints` why likely wrong values are wrong.
    """
    if missing(answer, what):
        return
    try:
        value = float(answer)
    except (TypeError, ValueError, RuntimeError):
        wrong(f"{what} is one number, not {type(answer).__name__}")
        return

    def near(other: float) -> bool:
        return math.isclose(value, other, rel_tol=tolerance, abs_tol=1e-9)

    if near(expected):
        right(f"{value:.4g}: {why}")
    elif hint := next((hint for other, hint in hints.items() if near(other)), None):
        wrong(f"{value:.4g}: {hint}")
    else:
        wrong(f"{value:.4g} is too {'large' if value > expected else 'small'}: {what}")


def choice(answer: Any, expected: str, *, what: str, why: Mapping[str, str]) -> None:
    """Check a letter; `why` explains every choice, right and wrong."""
    if missing(answer, what):
        return
    letter = str(answer).strip().lower()
    if letter not in why:
        wrong(f"choose one of {', '.join(why)}")
    elif letter == expected:
        right(f"{letter}: {why[letter]}")
    else:
        wrong(f"{letter}: {why[letter]}")


def same(answer: Any, expected: torch.Tensor, *, tolerance: float = 1e-5) -> bool:
    """Whether an answer is a tensor of the expected shape and values."""
    if not isinstance(answer, torch.Tensor) or answer.shape != expected.shape:
        return False
    return torch.allclose(answer.to(expected), expected, rtol=tolerance, atol=tolerance)
