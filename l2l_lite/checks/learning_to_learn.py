"""Checks for the chapter on learning to learn."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from l2l_lite.checks import choice, missing, number, returned, right, same, wrong
from l2l_lite.rules import GradientDescent, UpdateRule
from l2l_lite.trajectory import optimize


def forward_passes(answer: Any, steps: int = 100, windows: int = 5) -> None:
    """How often f is evaluated in a trajectory of `steps` updates, cut into windows."""
    number(
        answer,
        steps + 1,
        what="the number of forward passes in a trajectory of 100 updates",
        why="one for each update and one at the start; a window's last gradient is the next one's first",
        hints={
            steps: "the losses are f(θ_0) to f(θ_T), so there is one more than there are updates",
            steps + windows: "each window has 21 losses, but neighbours share the one at their border",
            2 * steps: "the meta-gradient reuses the gradients of the run; nothing is evaluated twice",
            2 * steps + 1: "the naive graph makes so many backward passes; forward, nothing is repeated",
        },
        tolerance=1e-6,
    )


def messages(function: Callable[[Tensor, Tensor], Any]) -> None:
    """Whether a function computes s_t = Σ_{r>t} w_r ∇f(θ_r) from gradients and weights."""
    grads, w = torch.tensor([[1.0, 2.0], [3.0, -1.0], [5.0, 4.0]]), torch.tensor([1.0, 2.0, 4.0])
    weighted = w[:, None] * grads
    expected = weighted.flip(0).cumsum(0).flip(0)
    what = "messages(grads, w) returns s, with the shape of grads"
    if (answer := returned(what, function, grads, w)) is None:
        return
    wrongs = [
        (weighted.cumsum(0), "these sums run from the start; a step acts on the losses after it"),
        (expected - weighted, "s_t begins with the gradient at θ_{t+1}, the first point it moves"),
        (grads.flip(0).cumsum(0).flip(0), "each gradient counts with its own weight w"),
        (expected.flip(0), "the sums are right but in reversed order: flip them back"),
    ]
    _explain(answer, expected, wrongs, "each step hears the sum of the weighted gradients after it")


def bias(answer: Any, curvatures: tuple[float, ...] = (0.01, 0.1, 1.0), steps: int = 100) -> None:
    """The detached stationary learning rate over the true one, on a bowl."""
    true, detached = (_stationary(curvatures, steps, kind) for kind in (False, True))
    number(
        answer,
        detached / true,
        what="the detached stationary rate divided by the true one, for three curvatures and T = 100",
        why="the worse the conditioning and the longer the run, the more the dashed edges matter",
        hints={
            true / detached: "this is the true rate over the detached one: turn the fraction around",
            detached / true - 1: "this is the excess; as a factor it is 1 more",
            detached: "this is the detached rate itself; divide it by the true one",
            1.1076: "this is the factor of the chapter's bowl, with curvatures 0.1 and 1 and T = 20",
        },
        tolerance=0.003,
    )


def schedule(rule: Any, steps: int = 20) -> None:
    """Whether a schedule, meta-trained on the chapter's bowl, beats every constant rate there."""
    if missing(rule, "your Schedule, meta-trained on the bowl"):
        return None
    if not isinstance(rule, UpdateRule):
        return wrong("schedule is the rule itself, an instance of your class Schedule")
    try:
        reached = float(optimize(rule, _Bowl(1), steps).losses.sum())
    except Exception as error:
        return wrong(f"a run of {steps} steps fails: {error or type(error).__name__}")
    rates = torch.linspace(0.01, 2, 400)[:, None]
    constant = float(optimize(GradientDescent(rates), _Bowl(400), steps).losses.sum(dim=0).min())
    verdict = f"a summed loss of {reached:.2f}, and the best constant rate has {constant:.2f}"
    if reached < 0.9 * constant:
        return right(f"{verdict}: rates that differ can treat one direction after the other")
    if reached < constant:
        return wrong(f"{verdict}: on the way; train longer")
    return wrong(f"{verdict}: has it been meta-trained, and does its state count the steps?")


def objective(function: Callable[[Tensor, Tensor], Any]) -> None:
    """What weights an objective implies; whether it is a scalar that rewards low losses."""
    losses = torch.linspace(2.0, 1.0, 21)[:, None].repeat(1, 3)
    window = losses.clone().requires_grad_()
    what = "objective(window, so_far) returns a scalar"
    if (answer := returned(what, function, window, losses[:1])) is None:
        return None
    if not isinstance(answer, Tensor) or answer.dim() > 0:
        return wrong("an objective is a tensor without dimensions: take the mean over tasks")
    if not answer.requires_grad:
        return wrong("the objective does not depend on the window's losses: it was given no gradient")
    w = torch.autograd.grad(answer, window)[0].sum(dim=1)  # [steps + 1]
    if not w.isfinite().all():
        return wrong("its derivative is NaN or Inf: look for a division or a logarithm of zero")
    if w[1:].min() < 0:
        return wrong(f"w_{int(w.argmin())} is negative: meta-training would make that loss larger")
    if w[1:].max() == 0:
        return wrong("only the first loss counts, and no step of the window can change it")
    shares = ", ".join(f"w_{t} = {w[t] / w[1:].max():.2f}" for t in (1, 5, 10, 20))
    return right(f"on losses that fall from 2 to 1, relative to the largest weight: {shares}")


def on_paper(true: Any, detached: Any) -> None:
    """The slopes of the chapter's example on paper for three steps, with the dashed edges and without."""
    what = "dL/dα for three steps, two numbers, with the dashed edges and without"
    if missing(true, what) or missing(detached, what):
        return None
    try:
        answer = (float(true), float(detached))
    except (TypeError, ValueError, RuntimeError):
        return wrong("true and detached are one number each")
    exact, cheap = -27 / 32, -35 / 32
    if _near(answer, (exact, cheap)):
        return right("-27/32 and -35/32; only the true one asks how the gradients change")
    hints = {
        (cheap, exact): "the two are swapped: without the dashed edges the slope is steeper",
        (-exact, -cheap): "a longer step lowers these losses, so both slopes are negative",
        (-0.75, -0.875): "that is for two steps; the third adds a row to the table",
        (exact, exact): "without the dashed edges -α d∇/dα is missing, from the second step on",
    }
    hint = next((hint for pair, hint in hints.items() if _near(answer, pair)), None)
    if hint is None and (math.isclose(answer[0], exact) or math.isclose(answer[1], cheap)):
        hint = "one of the two is right; the other is not"
    return wrong(hint or "neither is right: θ_3 = 0.125, so begin with its row")


def _near(answer: tuple[float, float], pair: tuple[float, float]) -> bool:
    return all(math.isclose(a, b, abs_tol=1e-3) for a, b in zip(answer, pair, strict=True))


def short_windows(prediction: Any) -> None:
    """Predicted: windows of one step make the learned rate smaller, on the chapter's bowl."""
    what = "your prediction, a letter from a to c; the check computes the rate afterwards"
    if missing(prediction, what):
        return
    whole, greedy = _stationary((0.1, 1.0), 20, detached=True), _greedy((0.1, 1.0), 20)
    run = f"one window ends at {whole:.2f}, windows of one step at {greedy:.2f}"
    choice(
        prediction,
        "c",
        what=what,
        why={
            "a": f"{run}. A long step pays off later, in the flat direction, and nobody tells it so",
            "b": f"{run}. The messages are shorter, but they do not only shrink: the later losses, which "
            "ask for longer steps, are missing",
            "c": f"{run}. Each step serves the loss right after it, which the steep direction rules; what "
            "helps the flat one is paid later",
        },
    )


def _greedy(curvatures: tuple[float, ...], steps: int) -> float:
    """Where -Σ_t ∇_t ∇_{t+1}, the slope with windows of one step, turns positive."""
    h, t = torch.tensor(curvatures, dtype=torch.float64), torch.arange(steps)[:, None]
    low, high = 0.9, 1.9
    for _ in range(50):
        middle = (low + high) / 2
        falls = (h**2 * (1 - middle * h) ** (2 * t + 1)).sum() > 0
        low, high = (middle, high) if falls else (low, middle)
    return low


class _Bowl:
    """The chapter's bowl, f(θ) = ½ Σ λ θ²."""

    def __init__(self, tasks: int):
        self.theta0, self.h = torch.ones(tasks, 2), torch.tensor([0.1, 1.0])

    def loss(self, theta: Tensor, t: int) -> Tensor:
        return 0.5 * (self.h * theta**2).sum(dim=-1)

    def evaluate(self, theta: Tensor) -> Tensor:
        return self.loss(theta, 0)


def _explain(answer: Any, expected: Tensor, wrongs: list[tuple[Tensor, str]], why: str) -> None:
    """Compare a tensor with the right one and with likely wrong ones."""
    if same(answer, expected):
        return right(why)
    for other, hint in wrongs:
        if same(answer, other):
            return wrong(hint)
    shape = list(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
    return wrong(f"expected a tensor {list(expected.shape)} of other values, not this one ({shape})")


def _stationary(curvatures: tuple[float, ...], steps: int, detached: bool) -> float:
    """Where the derivative of the summed loss by a learning rate turns positive, in closed form."""
    h = torch.tensor(curvatures, dtype=torch.float64)
    r = torch.arange(steps + 1, dtype=torch.float64)[:, None]

    def slope(rate: float) -> Tensor:
        q = 1 - rate * h
        read = q**r * (1 - q**r) / (1 - q) if detached else r * q ** (2 * r - 1)
        return -(h**2 * read).sum()

    low, high = 1.001, 2.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return low
