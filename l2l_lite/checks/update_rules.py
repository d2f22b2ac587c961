"""Checks for the chapter on update rules."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from l2l_lite.checks import choice, missing, number, right, same, wrong
from l2l_lite.evaluation import final_loss, ratio
from l2l_lite.problems.quadratic import Quadratic
from l2l_lite.rules import Adam, GradientDescent, Momentum, Nesterov, RMSProp, UpdateRule
from l2l_lite.trajectory import optimize

BASELINE = Nesterov(lr=0.01, momentum=0.95)  # what tuning on quadratics finds best in the chapter


def stride(answer: Any) -> None:
    """The step that momentum approaches where the gradient is always 1."""
    rule, one = Momentum(lr=0.1, momentum=0.9), torch.ones(1)
    state = rule.init(one)
    for _ in range(200):
        step, state = rule(one, state)
    number(
        abs(answer) if isinstance(answer, int | float) else answer,
        abs(step.item()),
        what="the length that the steps of momentum approach",
        why="the sum of gradients grows to 1 / (1 - 0.9) = 10, ten plain steps",
        hints={
            0.1: "that is the first step; after it the earlier gradients still count",
            0.19: "that is the second step; the sum goes on growing",
            0.09: "momentum adds to the gradient, it does not replace it",
            10: "that is the sum of gradients; the learning rate still multiplies it",
        },
    )


def first_step_without_correction(answer: Any) -> None:
    """Adam's first step without bias correction, in learning rates."""
    beta1, beta2 = Adam().betas
    number(
        answer,
        (1 - beta1) / (1 - beta2) ** 0.5,
        what="the first step without correction, divided by the learning rate",
        why="0.1 / √0.001: the root under the fraction is even more too small, so the step is too long",
        hints={
            1: "that is the first step with the corrections",
            1 - beta1: "you left the mean uncorrected but not the mean of squares below it",
            (1 - beta1) / (1 - beta2): "Adam divides by the root of the mean of squares",
            (1 - beta2) ** 0.5 / (1 - beta1): "you divided the wrong way round",
        },
        tolerance=0.02,
    )


def adagrad(rule: Callable[[Tensor, Any], Any]) -> None:
    """Whether a cell takes the steps of `torch.optim.Adagrad`."""
    try:
        ours, theirs, decaying = _adagrad_paths(rule)
    except Exception as error:  # whatever a student's code may raise
        return wrong(f"the cell stops with {type(error).__name__}: {error}")
    if missing(ours, "a cell that returns (step, state)"):
        return None
    if same(ours, theirs, tolerance=1e-9):
        return right("20 steps equal those of torch.optim.Adagrad")
    if same(ours[0], -theirs[0], tolerance=1e-9):
        return wrong("the first step has the wrong sign: the minus of descent belongs to the step")
    if same(ours, decaying, tolerance=1e-9):
        return wrong("these are RMSProp's steps: Adagrad adds up all squares and forgets none")
    if same(ours[0], theirs[0], tolerance=1e-9):
        return wrong("the first step is right, a later one is not: is the new sum in the new state?")
    return wrong("the first step differs; it is -lr ∇ / (|∇| + eps), so nearly lr in size")


def _adagrad_paths(rule: Callable[[Tensor, Any], Any]) -> tuple[Any, Tensor, Tensor]:
    """Steps [20, 3] of the cell (None for the stub), of Adagrad, and with a decaying mean."""
    grads = torch.randn(20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    state, steps = (torch.zeros_like(grads[0]),), []
    parameter = torch.nn.Parameter(torch.zeros_like(grads[0]))
    optimizer, path = torch.optim.Adagrad([parameter], lr=0.1), [parameter.detach().clone()]
    mean, decaying = torch.zeros_like(grads[0]), []
    for grad in grads:
        answer = rule(grad, state)
        if answer is None or answer is ...:
            return None, grads, grads
        step, state = answer
        steps.append(step)
        parameter.grad = grad.clone()
        optimizer.step()
        path.append(parameter.detach().clone())
        mean = 0.99 * mean + 0.01 * grad**2
        decaying.append(-0.1 * grad / (mean.sqrt() + 1e-10))
    return torch.stack(steps), torch.stack(path).diff(dim=0), torch.stack(decaying)


def rotation(prediction: Any) -> None:
    """Predicted: which rules do not notice a rotation; the four are run on both valleys."""
    what = "your prediction, a letter from a to d; the check runs it afterwards"
    if missing(prediction, what):
        return
    changes = ", ".join(f"{name} {change:.0%}" for name, change in _turned().items())
    run = f"the run changed the summed losses by {changes}"
    choice(
        prediction,
        "c",
        what=what,
        why={
            "a": f"{run}. RMSProp and Adam divide each coordinate by its own size, and the coordinates have "
            "changed",
            "b": f"{run}. Gradients rotate with the valley, and sums and multiples of them do so as well",
            "c": f"{run}. Sums of gradients rotate with the valley; a division by coordinate is tied to the "
            "axes",
            "d": f"{run}. These two have lost their advantage: the valley no longer lies along a coordinate",
        },
    )


class _Valley:
    """½ (θ₁² + 30 θ₂²) along the columns of `axes`."""

    def __init__(self, axes: Tensor):
        self.axes, self.theta0 = axes, torch.tensor([[1.8, 0.5]]) @ axes.T

    def loss(self, theta: Tensor, t: int) -> Tensor:
        return 0.5 * (torch.tensor([1.0, 30.0]) * (theta @ self.axes) ** 2).sum(dim=-1)

    def evaluate(self, theta: Tensor) -> Tensor:
        return self.loss(theta, 0)


def _turned(steps: int = 50) -> dict[str, float]:
    """By how much each rule's summed loss changes when valley and start are turned by 45°."""
    turned = torch.tensor([[1.0, -1.0], [1.0, 1.0]]) * 0.5**0.5
    sums = {
        make.__name__: [float(optimize(make(0.03), _Valley(axes), steps).losses.sum()) for axes in two]
        for make in (GradientDescent, Momentum, RMSProp, Adam)
        for two in [(torch.eye(2), turned)]
    }
    return {name: abs(after / before - 1) for name, (before, after) in sums.items()}


def own_rule(rule: Any) -> None:
    """How a rule does on fresh quadratics, against the best tuned one of the chapter."""
    if missing(rule, "a rule, such as l2l.Nesterov(lr=0.02, momentum=0.9)"):
        return None
    if not isinstance(rule, UpdateRule):
        return wrong("my_rule is an object, MyRule(...) with brackets, of a class MyRule(l2l.UpdateRule)")
    problem = Quadratic().sample(tasks=256, seed=5)
    try:
        losses = optimize(rule, problem, 100).losses
    except Exception as error:  # whatever a student's code may raise
        return wrong(f"the rule stops with {type(error).__name__}: {error}")
    if not losses.isfinite().all():
        return wrong("the rule diverges on some tasks: their curvatures differ, up to 100 and more")
    r = ratio(final_loss(losses), final_loss(optimize(BASELINE, problem, 100).losses))
    result = f"its final loss is {r.value:.2f} [{r.low:.2f}, {r.high:.2f}] times that of tuned Nesterov"
    if r.high < 1:
        return right(f"{result}, on 256 fresh tasks")
    if r.low <= 1:
        return wrong(f"{result}: the interval holds 1, so this may be luck")
    return wrong(f"{result}: the steepest tasks need small steps, the flattest many")
