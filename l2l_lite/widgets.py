"""An explorer with sliders for the rules of a running notebook; `demos` need no kernel."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import torch
from ipywidgets import FloatLogSlider, fixed, interact

from l2l_lite import anatomy, plots
from l2l_lite.rules import UpdateRule


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
    ax.set_title(f"after {steps} gradients of {size:.3g}")
    ax.legend(frameon=False)


def explore_response(rules: Mapping[str, UpdateRule]) -> None:
    """`response` with sliders for the steps of history and the size of their gradients."""
    size = FloatLogSlider(1, min=-3, max=1, step=0.25, continuous_update=False)
    interact(response, rules=fixed(rules), steps=(0, 40), size=size)
