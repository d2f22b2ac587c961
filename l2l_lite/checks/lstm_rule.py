"""Checks for the chapter on the LSTM rule."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from l2l_lite.checks import choice, missing, number, returned, right, same, wrong
from l2l_lite.evaluation import final_loss, tune
from l2l_lite.learned import LSTMRule, identity, log_and_sign
from l2l_lite.problems import Quadratic
from l2l_lite.rules import Adam, GradientDescent, Momentum, State, UpdateRule
from l2l_lite.trajectory import optimize


def weights(answer: Any) -> None:
    """How many weights an LSTM rule with one layer of 20 units has."""
    expected = _count(LSTMRule(hidden=(20,)))
    number(
        answer,
        expected,
        what="the number of weights of an LSTMRule with one layer of 20 units",
        why="4 × 20 × (2 + 20) for the gates, 2 × 80 biases, and 20 + 1 for the output",
        hints={
            expected - 80: "80 too few: PyTorch's cell has two biases a gate, and there are two features",
            expected - 21: "the output has 20 weights and a bias, too",
            expected - 1: "the output has a bias, too",
            5301: "these are the weights of two layers",
        },
        tolerance=1e-6,
    )


def features(function: Callable[[Tensor, float], Any]) -> None:
    """Whether a function is the paper's preprocessing, and safe at zero."""
    grad, p = torch.tensor([3.0, -0.2, 1e-3, -1e-5, 0.0]), 7.0
    probe = grad.clone().requires_grad_()
    what = "features(grad, p) returns both features, [2, *grad.shape]"
    if (answer := returned(what, function, probe, p)) is None:
        return None
    expected, size = log_and_sign(grad, p), grad.abs().log() / p
    if same(answer, expected):
        slopes = torch.autograd.grad(answer.sum(), probe)[0] if answer.requires_grad else grad
        if slopes.isfinite().all():
            return right("large and small gradients, both signs and zero, all within reach of a network")
        return wrong("the values are right, but at 0 the derivative is not finite: clamp before log")
    if isinstance(answer, Tensor) and not answer.isfinite().all():
        return wrong("the logarithm of 0 is minus infinity: below e⁻ᵖ the first feature is -1")
    wrongs = [
        (expected.flip(0), "the first feature is the size, the second the sign"),
        (log_and_sign(grad, 10.0), "the threshold p is an argument; it is not always 10"),
        (torch.stack([expected[0], grad.sign()]), "below e⁻ᵖ the second feature is eᵖ ∇, no jump"),
        (torch.stack([expected[0] * p, expected[1]]), "the logarithm is divided by p"),
        (
            torch.stack([(size / math.log(10)).clamp_min(-1), expected[1]]),
            "the paper's logarithm is the natural one",
        ),
    ]
    for other, hint in wrongs:
        if same(answer, other):
            return wrong(hint)
    return wrong("the shape must be [2, *grad.shape]; compare each value with the formula")


def equivariant(prediction: Any) -> None:
    """Predicted: which rule is permutation equivariant and not coordinatewise; all four are tried."""
    what = "your prediction, a letter from a to d; the check tries the rules afterwards"
    if missing(prediction, what):
        return
    rules = {
        "a": Adam(0.1),
        "b": _Shortened(),
        "c": GradientDescent(torch.linspace(0.1, 1, 6)),
        "d": LSTMRule(preprocess=identity),
    }
    ordered, hearing = (
        ", ".join(letter for letter, rule in rules.items() if test(rule)) for test in (_ordered, _hears)
    )
    run = f"shuffling changes the steps of {ordered}, a gradient elsewhere those of {hearing}"
    choice(
        prediction,
        "b",
        what=what,
        why={
            "a": f"{run}. Adam treats each coordinate by itself: it is coordinatewise, hence equivariant",
            "b": f"{run}. The length mixes all coordinates, and it does not depend on their order",
            "c": f"{run}. If two coordinates change places, their rates do not: this is not equivariant",
            "d": f"{run}. The input makes no difference: each coordinate is still treated by itself",
        },
    )


class _Shortened(UpdateRule):
    """Gradient descent on a gradient that is at most 1 long."""

    def init(self, theta: Tensor) -> State:
        return ()

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        return -0.1 * grad / grad.norm(dim=-1, keepdim=True).clamp_min(1), state


def _last_step(rule: UpdateRule, grads: Tensor) -> Tensor:
    """The step after gradients [steps, tasks, dim]."""
    state = rule.init(grads[0])
    with torch.no_grad():
        for grad in grads:
            step, state = rule(grad, state)
    return step


def _ordered(rule: UpdateRule) -> bool:
    """Whether the steps of shuffled gradients are others than the shuffled steps."""
    grads = torch.randn(5, 1, 6, generator=torch.Generator().manual_seed(0))
    return not same(_last_step(rule, grads.flip(-1)), _last_step(rule, grads).flip(-1))


def _hears(rule: UpdateRule) -> bool:
    """Whether the step of a coordinate depends on the gradients of another."""
    grads = torch.randn(5, 1, 6, generator=torch.Generator().manual_seed(0))
    others = torch.cat([grads[..., :1], 2 * grads[..., 1:]], dim=-1)
    return not same(_last_step(rule, others)[..., 0], _last_step(rule, grads)[..., 0])


def momentum(rule: Any) -> None:
    """Whether an LSTM with weights set by hand acts like Momentum(lr=0.003, momentum=0.9)."""
    if not isinstance(rule, LSTMRule):
        return wrong("momentum is the LSTMRule whose weights you set")
    if all(float(weight.detach().abs().max()) == 0 for weight in rule.parameters()):
        missing(None, "weights of the LSTM that make it momentum")
        return None
    problem = Quadratic().sample(8, seed=5)
    target = Momentum(0.003, 0.9)
    ours, theirs = (optimize(r, problem, 40).losses for r in (rule, target))
    if torch.allclose(ours, theirs, rtol=0.02):
        return right("the LSTM contains momentum: gates that never move, and a straight candidate")
    first, second, third = (step.item() for step in _after_pulse(rule, 0.1))
    if abs(first) < 1e-7:
        return wrong("after a gradient nothing comes out: the input and output gates must be open")
    if not math.isclose(first, -0.003 * 0.1, rel_tol=0.02):
        return wrong(f"a gradient of 0.1 gives a first step of {first:.2g} and not -3e-04")
    if not math.isclose(third / second, 0.9, rel_tol=0.02):
        kept = f"the forget gate keeps {third / second:.2f} of the memory in a step"
        return wrong(f"{kept}; its bias must be the logit of 0.9, log(0.9 / 0.1)")
    return wrong("small gradients are treated rightly, large ones meet the bends of tanh: scale down")


def small_rule(rule: Any, steps: int = 40) -> None:
    """Whether a rule of at most 1,000 weights beats the best constant rate by its final loss."""
    if missing(rule, "a meta-trained LSTMRule of at most 1,000 weights"):
        return None
    if not isinstance(rule, UpdateRule):
        return wrong("small_rule is the rule; meta_train returns its history")
    if (size := _count(rule)) > 1000:
        return wrong(f"it has {size:,} weights: fewer units, or one layer")
    problem = Quadratic().sample(128, seed=77)
    constant = tune(GradientDescent, problem, steps=steps)["final"].rule
    ours, best = (float(final_loss(optimize(r, problem, steps).losses).mean()) for r in (rule, constant))
    verdict = f"{size:,} weights, final loss {ours / best:.2f} times that of the best constant rate"
    if ours < best:
        return right(verdict)
    return wrong(f"{verdict}: train longer, or with a lower lr; was it trained at all?")


def _count(rule: UpdateRule) -> int:
    return sum(weight.numel() for weight in rule.parameters())


def _after_pulse(rule: UpdateRule, size: float) -> list[Tensor]:
    """The steps of one coordinate that sees one gradient and then two zeros."""
    grads, steps = torch.tensor([size, 0.0, 0.0]), []
    state = rule.init(grads[:1])
    for grad in grads:
        step, state = rule(grad[None], state)
        steps.append(step[0])
    return steps
