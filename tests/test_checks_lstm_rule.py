"""Every check of the chapter accepts the solution, waits for an answer, and explains a wrong one."""

import math

import torch
from answers import RIGHT, WAITING, said, stub, table
from torch import Tensor

import l2l_lite as l2l
from l2l_lite.checks import lstm_rule as check


def jumping(grad: Tensor, p: float) -> Tensor:
    return torch.stack([l2l.log_and_sign(grad, p)[0], grad.sign()])


def unsafe(grad: Tensor, p: float) -> Tensor:
    large = grad.abs() >= math.exp(-p)
    size = torch.where(large, grad.abs().log() / p, -torch.ones_like(grad))
    return torch.stack([size, torch.where(large, grad.sign(), math.exp(p) * grad)])


def lstm(scale: float = 1e-3, forget: float = 0.9, gates: float = 20.0) -> l2l.LSTMRule:
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


CASES = [
    (check.weights, 1941, RIGHT),
    (check.weights, None, WAITING),
    (check.weights, 1861, "two biases"),
    (check.weights, 1920, "output"),
    (check.weights, 5301, "two layers"),
    (check.weights, 1940, "a bias, too"),
    (check.weights, "many", "one number"),
    (check.features, l2l.log_and_sign, RIGHT),
    (check.features, stub, WAITING),
    (check.features, lambda grad, p: l2l.log_and_sign(grad, p).flip(0), "first feature is the size"),
    (check.features, lambda grad, p: l2l.log_and_sign(grad, 10), "not always 10"),
    (check.features, lambda grad, p: torch.stack([grad.abs().log() / p, grad.sign()]), "infinity"),
    (check.features, jumping, "no jump"),
    (check.features, unsafe, "derivative is not finite"),
    (check.features, lambda grad, p: grad, "shape"),
    (check.features, lambda grad: grad, "fails with TypeError"),
    (check.equivariant, "b", RIGHT),
    (check.equivariant, None, WAITING),
    (check.equivariant, "a", "coordinatewise"),
    (check.equivariant, "d", "no difference"),
    (check.equivariant, "c", "rates"),
    (check.equivariant, "x", "choose one"),
    (check.momentum, lstm(), RIGHT),
    (check.momentum, zeros(), WAITING),
    (check.momentum, lstm(forget=0.5), "keeps 0.50"),
    (check.momentum, lstm(gates=0.0), "first step"),
    (check.momentum, lstm(gates=-100.0), "must be open"),
    (check.momentum, lstm(scale=0.1), "bends of tanh"),
    (check.momentum, l2l.Momentum(0.003), "LSTMRule"),
    (check.small_rule, trained(), RIGHT),
    (check.small_rule, None, WAITING),
    (check.small_rule, l2l.LSTMRule(), "5,301 weights"),
    (check.small_rule, l2l.LSTMRule(hidden=(10,)), "was it trained"),
    (check.small_rule, "history", "returns its history"),
]

test_answers = table(CASES)


def test_the_four_rules_are_tried() -> None:
    assert "shuffling changes the steps of c, a gradient elsewhere those of b." in said(
        check.equivariant, "b"
    )
