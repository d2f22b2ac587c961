"""Checks for the chapter on gradient descent."""

import math
from typing import Any

import torch

from l2l_lite.checks import choice, missing, number, right, same, wrong
from l2l_lite.rules import GradientDescent


def largest_rate(answer: Any) -> None:
    """Below which rate gradient descent converges on 3 θ₁² + ½ θ₂²."""
    hessian = torch.autograd.functional.hessian(
        lambda theta: 3 * theta[0] ** 2 + 0.5 * theta[1] ** 2, torch.ones(2)
    )
    small, large = torch.linalg.eigvalsh(hessian).tolist()
    number(
        answer,
        2 / large,
        what="the learning rate above which some start diverges",
        why=f"2 / L, and the largest curvature is L = {large:g}, twice the coefficient 3",
        hints={
            2 / 3: "you took the coefficient 3 for the curvature; the second derivative of 3 θ² is 6",
            2 / small: "that is 2 / λ of the flat direction; the steep one diverges long before",
            1 / large: "with 1 / L the steep direction arrives in one step; up to 2 / L it still shrinks",
            2 / (small + large): "that is the best rate; the question asks for the limit",
        },
    )


def steps_needed(answer: Any) -> None:
    """How many steps at the best rate shrink the distance 1,000 times, for curvatures from 1 to 100."""
    steps = math.log(1000) / -math.log(99 / 101)
    number(
        answer,
        math.ceil(steps),
        what="the number of steps that make the distance 1,000 times smaller, at the best constant rate",
        why="with condition number 100 even the best constant rate gains only 2 % a step",
        hints={
            math.ceil(steps / 2): "that is for the loss; the distance shrinks by (κ - 1) / (κ + 1) a step, "
            "the loss by its square",
            math.floor(
                steps
            ): "after so many steps the distance is still a little too large; one more is needed",
            steps: "a step is taken whole or not at all: round up",
            math.ceil(math.log(1000) / -math.log(0.99)): "the factor 1 - 1 / κ belongs to the rate 1 / L; "
            "the best rate, 2 / (1 + 100), has (κ - 1) / (κ + 1)",
        },
        tolerance=1e-6,
    )


def rate_for_each_coordinate(rates: Any) -> None:
    """Whether two rates bring every start on ½ (θ₁² + 10 θ₂²) to the minimum in one step."""
    if missing(rates, "a tensor with a rate for each of the two coordinates"):
        return None
    h = torch.tensor([1.0, 10.0])
    if not isinstance(rates, torch.Tensor) or rates.shape != h.shape:
        return wrong("rates is a tensor of shape [2], such as torch.tensor([0.1, 0.1])")
    start = torch.tensor([[1.8, 0.6], [-0.3, 2.0]])
    step, _ = GradientDescent(rates)(h * start, ())
    if same(start + step, torch.zeros(2, 2)):
        return right("a rate of 1 / λᵢ for each coordinate: Newton's method, where H is diagonal")
    if same(rates, 2 / h):
        return wrong("with 2 / λᵢ each direction jumps to the other side, as far away as before")
    if same(rates, h):
        return wrong("these are the curvatures; a steep direction needs a small rate, not a large one")
    factors = ", ".join(f"{factor:+.2f}" for factor in (1 - rates * h).tolist())
    return wrong(f"the factors 1 - αᵢ λᵢ are {factors}; both must be 0")


def newton_radius(answer: Any) -> None:
    """From how far Newton's method converges on √(1 + θ²): a step makes -θ³ of θ."""
    number(
        answer,
        1.0,
        what="the distance from 0 up to which Newton's method converges",
        why="a step makes -θ³ of θ: below 1 that shrinks, faster and faster; above 1 it explodes",
        hints={
            math.inf: "convexity is not enough: try θ = 2, where one step lands at -8",
            1.39: "that is the limit where f' is the arctangent; here try θ = 1.2 for five steps",
            0.5: "0.5 converges, and so do starts farther away",
        },
    )


def noise_floor(prediction: Any) -> None:
    """Predicted: four times the examples and twice the rate halve the floor of noisy gradient descent."""
    what = "your prediction, a letter from a to d; the check runs it afterwards"
    if missing(prediction, what):
        return
    before, after = _floor(0.05, 1.0), _floor(0.1, 0.25)
    run = f"the floor went from {before:.4f} to {after:.4f}"
    formula = "it is α σ² / (2 (2 - αλ) B)"
    choice(
        prediction,
        "c",
        what=what,
        why={
            "a": f"{run}. Twice the rate alone would double it, but the noise has a quarter of the variance",
            "b": f"{run}. Twice the rate and half the standard deviation do not cancel: {formula}",
            "c": f"{run}: {formula}, a quarter by the examples and twice that by the rate",
            "d": f"{run}. Four times the examples alone would do that, but the rate has doubled",
        },
    )


def _floor(lr: float, variance: float, steps: int = 400, runs: int = 2000) -> float:
    """The mean loss on ½ θ² over the second half of noisy runs."""
    rng, theta, losses = torch.Generator().manual_seed(0), torch.zeros(runs), []
    for _ in range(steps):
        theta = theta - lr * (theta + variance**0.5 * torch.randn(runs, generator=rng))
        losses.append(0.5 * theta.square().mean())
    return float(torch.stack(losses[steps // 2 :]).mean())


def ten_rates(rates: Any) -> None:
    """How the worst direction fares under ten rates, against the best constant one and the best possible."""
    if missing(rates, "a list of ten learning rates"):
        return None
    try:
        alphas = torch.as_tensor(rates, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        return wrong("rates is a list of ten numbers")
    if alphas.shape != (10,):
        return wrong(f"give ten rates in a list; these have shape {list(alphas.shape)}")
    h = torch.linspace(1, 10, 2001, dtype=torch.float64)[:, None]
    worst = (1 - alphas * h).prod(dim=1).abs().max().item()
    constant, best = (9 / 11) ** 10, 1 / math.cosh(10 * math.acosh(11 / 9))
    report = f"the worst direction shrinks to {worst:.2g}, the best constant rate reaches {constant:.2g}"
    if worst > constant * 0.999:
        return wrong(f"{report}; large rates tame flat directions if small ones then mend the steep")
    gap = "as far as ten rates can get" if worst < 1.01 * best else f"{best:.2g} is possible"
    return right(f"{report}; {gap}")
