"""Explorers with sliders, for a running notebook; each draws one figure that also stands without them."""

import math
from collections.abc import Mapping

import matplotlib.pyplot as plt
import torch
from ipywidgets import FloatLogSlider, FloatSlider, fixed, interact
from torch import Tensor

from l2l_lite import anatomy, plots
from l2l_lite.learned import log_and_sign
from l2l_lite.rules import UpdateRule


def descent(lr: float = 0.18, condition: float = 10.0, steps: int = 20) -> None:
    """Draw gradient descent on ½ (θ₁² + condition θ₂²): its path and loss, the limit 2/L and both factors."""
    h = torch.tensor([1.0, condition])

    def loss(theta: Tensor) -> Tensor:
        return 0.5 * (h * theta**2).sum(dim=-1)

    factors = 1 - lr * h
    path = factors ** torch.arange(steps + 1)[:, None] * torch.tensor([1.8, 0.6])  # [steps + 1, 2]
    _, (left, right) = plt.subplots(1, 2, figsize=(6, 3.4), layout="constrained")
    plots.trajectories({"GD": path}, loss, left)
    plots.learning_curves({"GD": loss(path)}, right)
    verdict = "diverges" if lr > 2 / condition else "converges"
    left.set_title(f"limit {2 / condition:.2f}: {verdict}")
    right.set_title("factors {:+.2f}, {:+.2f}".format(*factors.tolist()))


def explore_descent() -> None:
    """`descent` with sliders for the learning rate, the condition number and the steps."""
    lr = FloatSlider(0.18, min=0.01, max=1, step=0.01, description="α", continuous_update=False)
    interact(descent, lr=lr, condition=(1.0, 30.0, 0.5), steps=(1, 50))


def preprocessing(p: float = 10.0) -> None:
    """Draw both features of the paper's preprocessing against the size of a positive gradient."""
    grads = torch.logspace(-8, 1, 400)
    size, sign = log_and_sign(grads, p)
    _, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
    ax.plot(grads, size, label="size: log|∇| / p")
    ax.plot(grads, sign, label="sign")
    ax.axvline(math.exp(-p), color="0.6", ls="--", label="threshold e⁻ᵖ")
    ax.set(xlabel="gradient ∇", ylabel="feature", xscale="log", ylim=(-1.1, 1.5))
    ax.set_title(f"p = {p:.1f}, threshold {math.exp(-p):.1e}", fontsize=10)
    ax.legend(frameon=False, loc="upper left")


def explore_preprocessing() -> None:
    """`preprocessing` with a slider for p."""
    interact(preprocessing, p=FloatSlider(10, min=2, max=16, step=0.5, continuous_update=False))


def response(rules: Mapping[str, UpdateRule], steps: int = 5, size: float = 1.0) -> None:
    """Draw each rule's next step against the gradient, after `steps` gradients of one size."""
    half = torch.logspace(-6, 1, 150)
    grads, history = torch.cat([-half.flip(0), half]), torch.full((steps, 1), size)
    _, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
    for name, rule in rules.items():
        (step,) = anatomy.response(rule, history, grads)
        ax.plot(grads, step, label=name, color=plots.colour(name))
    ax.axhline(0, color="0.6", lw=0.8)
    ax.set(xlabel="gradient ∇", ylabel="step g")
    ax.set_xscale("symlog", linthresh=1e-6)
    ax.set_xticks([-10, -0.1, -1e-3, -1e-5, 1e-5, 1e-3, 0.1, 10])
    ax.set_title(f"after {steps} gradients of {size:.3g}", fontsize=10)
    ax.legend(frameon=False)


def explore_response(rules: Mapping[str, UpdateRule]) -> None:
    """`response` with sliders for the steps of history and the size of their gradients."""
    size = FloatLogSlider(1, min=-3, max=1, step=0.25, continuous_update=False)
    interact(response, rules=fixed(rules), steps=(0, 40), size=size)
