"""Every check of the chapter accepts the solution, waits for an answer, and explains a wrong one."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import l2l_lite as l2l
from l2l_lite.checks import lstm_rule as check


def jumping(grad: Tensor, p: float) -> Tensor:
    return torch.stack([l2l.log_and_sign(grad, p)[0], grad.sign()])


def unsafe(grad: Tensor, p: float) -> Tensor:
    large = grad.abs() >= math.exp(-p)
    size = torch.where(large, grad.abs().log() / p, -torch.ones_like(grad))
    return torch.stack([size, torch.where(large, grad.sign(), math.exp(p) * grad)])


def lstm(scale: float = 1e-5, forget: float = 0.9, gates: float = 20.0) -> l2l.LSTMRule:
    rule = l2l.LSTMRule(hidden=(1,), preprocess=l2l.identity, scale=1.0)
    with torch.no_grad():
        for weight in rule.parameters():
            weight.zero_()
        forget_bias = math.log(forget / (1 - forget))
        rule.cells[0].bias_ih.copy_(torch.tensor([gates, forget_bias, 0.0, gates]))
        rule.cells[0].weight_ih[2] = scale
        rule.output.weight.fill_(-0.003 / scale)
    return rule


def zeros() -> l2l.LSTMRule:
    rule = lstm()
    for weight in rule.parameters():
        weight.data.zero_()
    return rule


def trained() -> l2l.UpdateRule:
    """A rule with no weights at all that is better than any constant rate: momentum."""
    return l2l.Momentum(0.006, 0.9)


CASES: list[tuple[Callable[[Any], None], Any, Any, list[tuple[Any, str]]]] = [
    (
        check.weights,
        None,
        1941,
        [(1861, "two biases"), (1920, "output"), (5301, "two layers"), ("many", "one number")],
    ),
    (
        check.features,
        lambda grad, p: None,
        l2l.log_and_sign,
        [
            (lambda grad, p: l2l.log_and_sign(grad, p).flip(0), "first feature is the size"),
            (lambda grad, p: l2l.log_and_sign(grad, 10), "not always 10"),
            (lambda grad, p: torch.stack([grad.abs().log() / p, grad.sign()]), "infinity"),
            (jumping, "no jump"),
            (unsafe, "derivative is not finite"),
            (lambda grad, p: grad, "shape"),
            (lambda grad: grad, "fails with TypeError"),
        ],
    ),
    (check.equivariant, None, "b", [("a", "coordinatewise"), ("c", "rates"), ("x", "choose one")]),
    (
        check.momentum,
        zeros(),
        lstm(),
        [
            (lstm(forget=0.5), "keeps 0.50"),
            (lstm(gates=0.0), "first step"),
            (lstm(gates=-100.0), "must be open"),
            (lstm(scale=0.1), "bends of tanh"),
            (l2l.Momentum(0.003), "LSTMRule"),
        ],
    ),
    (
        check.small_rule,
        None,
        trained(),
        [
            (l2l.LSTMRule(), "5,301 weights"),
            (l2l.LSTMRule(hidden=(10,)), "was it trained"),
            ("history", "returns its history"),
        ],
    ),
]


@pytest.mark.parametrize(("function", "stub", "solution", "wrongs"), CASES)
def test_check(
    function: Callable[[Any], None],
    stub: Any,
    solution: Any,
    wrongs: list[tuple[Any, str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    function(stub)
    assert capsys.readouterr().out.startswith("not answered yet: ")
    function(solution)
    assert capsys.readouterr().out.startswith("✓ ")
    for answer, hint in wrongs:
        function(answer)
        said = capsys.readouterr().out
        assert said.startswith("✗ ")
        assert hint in said
