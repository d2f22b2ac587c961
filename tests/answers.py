"""What a check says to an answer: one table for each chapter, one way to go through it."""

from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import pytest

Check = Callable[[Any], None]
Case = tuple[Check, Any, str]

RIGHT = "✓"
WAITING = "not answered yet:"


def stub(*arguments: Any) -> Any:
    """A function that nobody has written yet."""


def said(check: Check, answer: Any) -> str:
    """What the check prints, in one line; a page shows 76 characters of each that it printed."""
    with redirect_stdout(StringIO()) as printed:
        check(answer)
    assert all(len(line) <= 76 for line in printed.getvalue().splitlines())
    return " ".join(printed.getvalue().split())


def table(cases: Iterable[Case]) -> Callable[[Check, Any, str], None]:
    """The test of each case (check, answer, what is said): RIGHT, WAITING, or a piece of the reason."""

    @pytest.mark.parametrize(("check", "answer", "says"), cases)
    def test(check: Check, answer: Any, says: str) -> None:
        heard = said(check, answer)
        assert heard.startswith(says if says in (RIGHT, WAITING) else "✗ ")
        assert says in heard

    return test
