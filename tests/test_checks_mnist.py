"""The checks on MNIST: a tick for the solution, silence for the stub, a reason for a wrong answer."""

import math
from functools import partial
from typing import Any

import pytest
from torch import Tensor, nn

from l2l_lite.checks import mnist as check
from l2l_lite.data import digits8
from l2l_lite.problems import Classifier, mlp


def stub(*arguments: Any) -> Any: ...


def ahead_until(learned: Tensor, baseline: Tensor) -> int:
    behind = (learned.mean(dim=1) >= baseline.mean(dim=1))[1:].nonzero()
    return int(behind[0]) if len(behind) else len(learned) - 1


def last_lead(learned: Tensor, baseline: Tensor) -> int:
    return int((learned.mean(dim=1) < baseline.mean(dim=1)).nonzero()[-1])


def from_step_zero(learned: Tensor, baseline: Tensor) -> int:
    return 0


def family(**network: Any) -> Classifier:
    return Classifier(partial(mlp, **network), digits8())  # the check looks at the network alone


RIGHT = [
    (check.plateau, math.log(10)),
    (check.memory, 80 * 15_910),
    (check.ahead_until, ahead_until),
    (check.tanh_family, family(activation=nn.Tanh)),
    (check.step_length, {1.0: 0.5, 0.3: 0.2, 0.1: 0.3}),
]
STUBS = [
    (check.plateau, None),
    (check.memory, None),
    (check.ahead_until, stub),
    (check.tanh_family, None),
    (check.step_length, None),
]
WRONG = [
    (check.plateau, 1, "natural"),
    (check.plateau, 0.1, "probability"),
    (check.memory, 80, "one coordinate"),
    (check.memory, 40 * 15_910, "half"),
    (check.memory, 5301, "weights"),
    (check.ahead_until, last_lead, "leads again"),
    (check.ahead_until, from_step_zero, "from step 1 on"),
    (check.ahead_until, lambda learned, baseline: 2, "behind from step 1"),
    (check.tanh_family, mlp(), "Classifier"),
    (check.tanh_family, family(), "Tanh"),
    (check.tanh_family, family(hidden=40, activation=nn.Tanh), "coordinates"),
    (check.step_length, {0.3: 0.2}, "at least three"),
    (check.step_length, {1.0: 0.2, 0.3: 0.2, 0.1: 0.3}, "fresh copy"),
    (check.step_length, {1.0: 0.5, 0.3: 0.3, 0.1: 0.2}, "smaller"),
]


@pytest.mark.parametrize(("ask", "answer"), RIGHT)
def test_right_answers(ask: Any, answer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ask(answer)
    assert capsys.readouterr().out.startswith("✓")


@pytest.mark.parametrize(("ask", "answer"), STUBS)
def test_stubs(ask: Any, answer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ask(answer)
    assert capsys.readouterr().out.startswith("not answered yet")


@pytest.mark.parametrize(("ask", "answer", "reason"), WRONG)
def test_wrong_answers(ask: Any, answer: Any, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    ask(answer)
    said = capsys.readouterr().out
    assert said.startswith("✗")
    assert reason in said
