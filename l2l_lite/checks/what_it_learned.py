"""Checks for the exercises on what a rule has learned."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from l2l_lite import zoo
from l2l_lite.checks import choice, missing, number, right, same, wrong
from l2l_lite.evaluation import summed_loss
from l2l_lite.learned import LSTMRule
from l2l_lite.problems import Quadratic
from l2l_lite.rules import Adam, Nesterov, UpdateRule
from l2l_lite.trajectory import optimize


def first_step(answer: Any) -> None:
    """Adam's step for one small gradient."""
    grad = torch.tensor([2e-4])
    rule = Adam(0.03)
    step, _ = rule(grad, rule.init(grad))
    number(
        answer,
        step.item(),
        what="the step of Adam with rate 0.03 at a first gradient of 0.0002",
        why="minus the rate, whatever the size: after one gradient, mean / root of square is its sign",
        hints={
            0.03: "against the gradient, so it is negative",
            -6e-6: "that is gradient descent; Adam divides by the size of the gradient",
            -0.0949: "that is without the correction of the bias of both averages",
            -0.003: "the first mean is a tenth of the gradient, but Adam corrects that bias",
        },
    )


def time_scale(function: Callable[[Tensor], Any]) -> None:
    """The sum of a memory relative to its first value."""
    curve = 0.9 ** torch.arange(300)
    answer = function(curve)
    if missing(answer, "time_scale(curve) returns one number"):
        return
    if abs(float(answer) - 10) < 0.1 and abs(float(function(-0.02 * curve)) - 10) > 0.1:
        wrong("right for a curve that starts at 1; divide by the first value")
        return
    number(
        answer,
        10.0,
        what="the time-scale of momentum 0.9",
        why="1 / (1 - 0.9): in the long run momentum adds up ten gradients",
        hints={
            9: "that is the mean age of what is remembered; the newest gradient counts, too",
            7: "that is the half-life; here all that is left is added up",
            1 / 30: "that is a mean; add up, and do not divide by the length",
        },
    )


def against(function: Callable[[Tensor, Tensor], Any]) -> None:
    """Where two rules go opposite ways, [k, 2]."""
    ours = torch.tensor([[0.1, -0.2, 0.0], [0.3, 0.0, -0.1]])
    theirs = torch.tensor([[0.2, 0.1, 0.1], [-0.1, 0.0, -0.3]])
    answer = function(ours, theirs)
    if missing(answer, "against(ours, theirs) returns pairs of step and coordinate, [k, 2]"):
        return
    expected = torch.tensor([[0, 1], [1, 0]])
    if same(answer, expected):
        right("two disagreements; a step of zero is not one")
    elif same(answer, (ours.sign() != theirs.sign()).nonzero()):
        wrong("one of these steps is zero: it goes nowhere, so it is not against anybody")
    elif same(answer, expected.flip(1)):
        wrong("each pair is (step, coordinate), in this order")
    elif same(answer, ours * theirs < 0):
        wrong("this says where, as a mask; `nonzero` makes pairs of it")
    else:
        wrong("they disagree where the product of both steps is negative, as indices [k, 2]")


def survives(answer: Any) -> None:
    """What does not depend on the family."""
    choice(
        answer,
        "c",
        what="one letter, a to d",
        why={
            "a": "the gates decide what to keep, by what they have read: other gradients, other memory",
            "b": "this depends on the gradients, and on how Adam was tuned there",
            "c": "before the first step the state is zero, so the answer depends on φ alone",
            "d": "the shares are fitted to the steps of one trajectory, and those are others there",
        },
    )


def mirrored(function: Callable[[UpdateRule], Any]) -> None:
    """A rule that does to -θ what another does to θ."""
    rule = LSTMRule(seed=1)
    mirror = function(rule)
    if missing(mirror, "mirrored(rule) returns the mirror image of a rule"):
        return
    if not isinstance(mirror, UpdateRule):
        wrong(f"a mirror image is an UpdateRule, too, and not {type(mirror).__name__}")
        return
    grads = torch.tensor([[0.3, -0.01], [0.2, 0.0]])
    state, reflected, given = rule.init(grads[0]), rule.init(grads[0]), mirror.init(grads[0])
    for grad in grads:
        plain, state = rule(grad, state)
        expected, reflected = rule(-grad, reflected)
        step, given = mirror(grad, given)
    if same(step, -expected):
        right("a hand-made rule is its own mirror image; a learned one need not be")
    elif same(step, plain):
        wrong("this is the rule itself: turn the sign of the gradient before it, and of the step after it")
    elif same(step, expected):
        wrong("this climbs: the gradient's sign is turned, but the step's is not turned back")
    elif same(step, -plain):
        wrong("this climbs: the step's sign is turned, but the gradient's is not")
    else:
        wrong("some step differs: is the state handed on from step to step?")


def distilled(rule: Any) -> None:
    """Whether a formula beats tuned Nesterov on quadratics, and how near it comes to the LSTM."""
    if missing(rule, "a rule without a network, with at most four numbers"):
        return
    if not isinstance(rule, UpdateRule):
        wrong(f"the formula is an UpdateRule, not {type(rule).__name__}")
        return
    if sum(weight.numel() for weight in rule.parameters()) > 4:
        wrong("this rule has weights: a formula with at most four numbers is asked for")
        return
    tuned = zoo.card("quadratic")["tests"]["same family"]["summed"]["tuned"]["Nesterov"]
    nesterov = Nesterov(tuned["lr"], tuned["momentum"])
    problem = Quadratic().sample(tasks=128, seed=77)
    rules = (rule, nesterov, zoo.load("quadratic"))
    ours, hand_made, lstm = (float(summed_loss(optimize(r, problem, 100).losses).mean()) for r in rules)
    lead = f"summed loss ≈ {ours:.0f}; tuned Nesterov ≈ {hand_made:.0f}, the LSTM ≈ {lstm:.0f}"
    if ours < hand_made:
        share = (hand_made - ours) / (hand_made - lstm)
        right(f"{lead}: the formula has ≈ {share:.0%} of the lead")
    else:
        wrong(f"{lead}: compress large gradients before they are averaged, and tune the rate")
