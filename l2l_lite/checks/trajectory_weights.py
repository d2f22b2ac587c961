"""Checks for the chapter on the weights of a trajectory's losses."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from l2l_lite.checks import choice, missing, number, returned, right, wrong

BOWLS = {  # curvatures and steps
    "two curvatures, T = 20": ((0.1, 1.0), 20),
    "two curvatures, T = 21": ((0.1, 1.0), 21),
    "two curvatures, T = 100": ((0.1, 1.0), 100),
    "three curvatures, T = 100": ((0.01, 0.1, 1.0), 100),
}


def landing(w: Tensor, curvatures: tuple[float, ...] = (0.1, 1.0), detached: bool = True) -> float:
    """The rate at which the slope of Σ w_t f(θ_t) turns positive, w [steps + 1], at most 2 on these bowls."""
    h, w = torch.tensor(curvatures, dtype=torch.float64), w.to(torch.float64)
    r = torch.arange(len(w), dtype=torch.float64)[:, None]

    def falls(rate: float) -> bool:
        q = 1 - rate * h
        terms = q**r * (1 - q**r) / (1 - q) if detached else r * q ** (2 * r - 1)
        return bool((w[:, None] * h**2 * terms).sum() > 0)

    low, high = 1.001, 2.5
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falls(middle) else (low, middle)
    return low


def excess(w: Tensor, curvatures: tuple[float, ...] = (0.1, 1.0)) -> float:
    """The last loss at the rate where the detached slope ends, over that at the best constant rate."""
    last = torch.zeros(len(w))
    last[-1] = 1
    rates = landing(w, curvatures), landing(last, curvatures, detached=False)
    mine, best = (_last_loss(rate, curvatures, len(w) - 1) for rate in rates)
    return mine / best


def _last_loss(rate: float, curvatures: tuple[float, ...], steps: int) -> float:
    return sum(0.5 * h * (1 - rate * h) ** (2 * steps) for h in curvatures)


def log_weight(answer: Any) -> None:
    """How much more the fourth loss counts than the first, in log-relative weights."""
    number(
        answer,
        8,
        what="w_4 / w_1 of the log-relative objective for the losses 16, 8, 4, 2, 1",
        why="the derivative of log f is 1 / f, so a loss counts as much more as it is smaller",
        hints={
            1 / 8: "this is w_1 / w_4: the smaller loss has the larger weight",
            1: "these are the uniform weights; the derivative of log f by f is 1 / f",
            4: "w_t = t gives this; log-relative weights follow the losses, and not the steps",
            16: "f(θ_0) divides every loss alike, and so drops out: compare f(θ_1) with f(θ_4)",
        },
    )


def odd_steps(prediction: Any) -> None:
    """Predicted: with an odd number of steps the last loss alone ends near its true optimum."""
    last = torch.zeros(22)
    last[-1] = 1
    run = f"it ends at {landing(last):.2f}, and the true optimum is {landing(last, detached=False):.2f}"
    choice(
        prediction,
        "b",
        what="your prediction, a letter from a to c; the check computes the rate afterwards",
        why={
            "a": f"{run}. That happens for an even T, where the last steep gradient points back the same way",
            "b": f"{run}. For a rate above 1 the steep direction changes sides at each step, so for an odd T "
            "the last gradient has the other sign, and brakes",
            "c": f"{run}. Uniform weights end at 1.30: the last loss alone asks for longer steps",
        },
    )


def improvements(prediction: Any) -> None:
    """Predicted: a window's sum of improvements is its last loss, up to a constant."""
    choice(
        prediction,
        "b",
        what="your prediction, a letter from a to c",
        why={
            "a": "in the sum every loss inside the window enters twice, with both signs, and cancels",
            "b": "the sum telescopes to f(θ_K) - f(θ_0), and no step of the window can change f(θ_0)",
            "c": "for w_t = t the later improvements would have to count more; here they count alike",
        },
    )


def tail(objective: Callable[[Tensor, Tensor], Any]) -> None:
    """Whether an objective counts the last ten losses of a window, all alike."""
    window = torch.linspace(2.0, 1.0, 20)[:, None].repeat(1, 3).requires_grad_()
    what = "objective(window, so_far) returns a scalar: the last ten losses, mean over tasks"
    if (answer := returned(what, objective, window, torch.full((1, 3), 2.0))) is None:
        return None
    if not isinstance(answer, Tensor) or answer.dim() > 0:
        return wrong("an objective is a tensor without dimensions: take the mean over tasks")
    if not answer.requires_grad:
        return wrong("the objective does not depend on the window's losses: it was given no gradient")
    return _tail_weights(torch.autograd.grad(answer, window)[0])


def _tail_weights(w: Tensor) -> None:
    """What to say to the weights [20, tasks] that an objective implies."""
    if w.min() < 0:
        return wrong("a weight is negative: meta-training would make that loss larger")
    alike = torch.allclose(w[-10:], w[-1:].expand(10, -1)) and bool(w[-1].min() > 0)
    if alike and not w[:-10].any():
        return right("ten losses with one weight: what `l2l.final_loss` measures at the end of a run")
    if w[:10].any() and not w[10:].any():
        return wrong("these are the first ten losses: count from the end, window[-10:]")
    if alike and w[:-10].any():
        return wrong("losses before the last ten have a weight too")
    if not w[:-1].any():
        return wrong("only the last loss counts: take ten of them")
    return wrong("the last ten losses do not all have the same weight")


def weights(function: Callable[[int], Any]) -> None:
    """How a reader's weights fare on four bowls, with the dashed edges dropped."""
    scores = {}
    for name, (curvatures, steps) in BOWLS.items():
        try:
            w = function(steps)
        except Exception as error:
            return wrong(f"weights({steps}) fails with {type(error).__name__}: {error}")
        if missing(w, "weights(T) returns the weights of f(θ_0) to f(θ_T), a tensor [T + 1]"):
            return None
        if fault := _fault(w, steps):
            return wrong(fault)
        scores[name] = excess(w, curvatures)
    worst = max(scores, key=lambda name: scores[name])
    verdict = f"at worst ({worst}) the last loss is {_text(scores[worst])} times the best rate's"
    squared = max(excess(torch.arange(T + 1) ** 2, curvatures) for curvatures, T in BOWLS.values())
    if scores[worst] <= squared:
        return right(f"{verdict}: no worse than t², with {squared:.2f}")
    if scores[worst] < 100:
        return wrong(f"{verdict}: far better than uniform weights, and not yet t², with {squared:.2f}")
    return wrong(f"{verdict}, and with t² it is {squared:.2f}: {_advice(function)}")


def _fault(w: Any, steps: int) -> str | None:
    """What is wrong with weights; None if nothing is."""
    if not isinstance(w, Tensor) or w.shape != (steps + 1,):
        return f"weights({steps}) is not a tensor [{steps + 1}], one weight for each of f(θ_0) to f(θ_T)"
    if not w.isfinite().all() or w.min() < 0:
        return "a weight is negative, NaN or Inf"
    return None if w[1:].any() else "only f(θ_0) counts, and no step can change it"


def _advice(function: Callable[[int], Tensor]) -> str:
    """Why weights land far from the best rate."""
    rate = landing(function(20))
    if rate > 1.99:
        return "for an even T the rate runs to the edge of stability. Do neighbours share the weight?"
    return "the rate ends too low, so count late losses more" if rate < 1.7 else "the rate ends too high"


def _text(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:.1e}"


def passes(answer: Any) -> None:
    """How often the optimizee runs forwards in a trajectory that held-out losses judge."""
    number(
        answer,
        202,
        what="the number of forward passes in a trajectory of 100 updates with HeldOutBPTT",
        why="101 on training minibatches, which the rule is fed, and as many on held-out ones",
        hints={
            101: "that is the training half; every θ_t is judged on a held-out minibatch as well",
            200: "both kinds of loss are taken at θ_0 too, so there are 101 of each",
            201: "both kinds of loss are taken at θ_0 too, so there are 101 of each",
            105: "borders cost nothing; but every θ_t is judged on a held-out minibatch as well",
            303: "training and held-out minibatches are two passes for each θ_t, and not three",
        },
        tolerance=1e-6,
    )
