"""The book's figures: one colour for each optimizer, in every chapter."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from torch import Tensor

from l2l_lite.evaluation import Tuned

# Okabe and Ito's colours and one of Tol's, which colour-blind readers can tell apart.
COLOURS = {
    "learned": "#D55E00",
    "general": "#882255",
    "GD": "#0072B2",
    "SGD": "#0072B2",
    "Momentum": "#56B4E9",
    "Nesterov": "#009E73",
    "RMSProp": "#CC79A7",
    "Adam": "#E69F00",
    "Newton": "#000000",
}

# For curves that are no optimizer's: Tol's muted colours that are not near any of the above.
OTHERS = ("#332288", "#999933", "#888888", "#661100")


def style() -> None:
    """Give this notebook's figures the book's width and letters, which a phone still shows 9 pixels high."""
    plt.rcParams.update(
        {
            "figure.figsize": (6, 3.4),
            "figure.constrained_layout.use": True,
            "font.size": 11.5,
            "axes.titlesize": "medium",
            "axes.prop_cycle": cycler(color=OTHERS),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "legend.frameon": False,
            "legend.fontsize": 11,
        }
    )


def colour(name: str) -> str | None:
    """The colour of the optimizer whose name the label starts with; None for any other label."""
    return next((hue for label, hue in COLOURS.items() if name.startswith(label)), None)


def ink(hue: str) -> str:
    """This hue for letters: as dark as it takes for a contrast of 5 to 1 on white."""
    red, green, blue = to_rgb(hue)
    shades = ((red * k / 50, green * k / 50, blue * k / 50) for k in range(50, -1, -1))
    return next(to_hex(shade) for shade in shades if luminance(shade) <= 1.05 / 5 - 0.05)


def luminance(rgb: Sequence[float]) -> float:
    """From 0 for black to 1 for white, as accessible pages measure it."""
    linear = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in rgb)
    return sum(weight * x for weight, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def learning_curves(
    curves: Mapping[str, Tensor], ax: Axes | None = None, *, steps: Sequence[int] | None = None
) -> Axes:
    """Mean loss against step, with a band of two standard errors, from losses [steps + 1, tasks]."""
    ax = _axes(ax)
    for name, losses in curves.items():
        losses = losses.detach().cpu()
        x = range(len(losses)) if steps is None else steps
        losses = losses.reshape(len(losses), -1)
        mean = losses.mean(dim=1)
        (line,) = ax.plot(x, mean, label=name, color=colour(name))
        if losses.shape[1] > 1:
            error = 2 * losses.std(dim=1) / losses.shape[1] ** 0.5
            ax.fill_between(x, mean - error, mean + error, color=line.get_color(), alpha=0.2, lw=0)
    ax.set(xlabel="step", ylabel="loss", yscale="log")
    ax.legend(frameon=False)
    return ax


def trajectories(
    paths: Mapping[str, Tensor],
    loss: Callable[[Tensor], Tensor],
    ax: Axes | None = None,
    *,
    span: float = 2.0,
) -> Axes:
    """Paths [steps + 1, 2] over the contours of a loss that maps points [n, 2] to values [n]."""
    ax = _axes(ax)
    line = torch.linspace(-span, span, 101)
    x, y = torch.meshgrid(line, line, indexing="xy")
    values = loss(torch.stack([x, y], dim=-1).reshape(-1, 2)).reshape(x.shape)
    levels = torch.linspace(0, 1, 13)[1:] ** 2 * values.max()  # close together near the minimum
    ax.contour(x, y, values, levels=levels, colors="0.75", linewidths=0.8)
    for name, path in paths.items():
        ax.plot(*path.detach().T, "o-", ms=3, lw=1, label=name, color=colour(name))
    ax.set(xlabel="θ₁", ylabel="θ₂", xlim=(-span, span), ylim=(-span, span), aspect="equal")
    ax.legend(frameon=False)
    return ax


def rate_curves(tuned: Mapping[str, Tuned], ax: Axes | None = None) -> Axes:
    """What each rule reaches at each learning rate (the best momentum), and a mark at its best."""
    ax = _axes(ax)
    for name, result in tuned.items():
        values = result.values.amin(dim=0)
        ax.plot(result.rates, values, label=name, color=colour(name))
        ax.plot(result.rates[values.argmin()], values.min(), "o", color=colour(name))
    low = min(float(result.values.min()) for result in tuned.values())
    ax.set(xlabel="learning rate", ylabel="loss", xscale="log", yscale="log", ylim=(low / 2, low * 100))
    ax.legend(frameon=False)
    return ax


def recorded(test: Mapping[str, Any], ax: Axes | None = None, *, over: str | None = None) -> Axes:
    """The curves that a card recorded in one of its tests, with 95 % intervals over tasks.

    With `over`, each mean curve over that of the rule with this name, without intervals.
    """
    ax = _axes(ax)
    curves = dict(test["curves"])
    steps = curves.pop("steps")
    base = [1.0] * len(steps) if over is None else curves[over]["mean"]
    for name, curve in curves.items():
        mean = [value / one for value, one in zip(curve["mean"], base, strict=True)]
        ax.plot(steps, mean, label=name, color=colour(name))
        if over is None:
            ax.fill_between(steps, curve["low"], curve["high"], color=colour(name), alpha=0.2, lw=0)
    ax.set(xlabel="step", ylabel="loss" if over is None else f"loss / {over}'s")
    ax.set_yscale("log" if over is None else "linear")
    return ax


def images(pictures: Tensor, titles: Sequence[object] | None = None, *, columns: int = 8) -> Figure:
    """A sheet of pictures [n, channels, height, width] with values in [0, 1]."""
    rows = -(-len(pictures) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(columns, 1.2 * rows), squeeze=False, layout="constrained"
    )
    for ax in axes.flat:
        ax.set_axis_off()
    for k, (ax, picture) in enumerate(zip(axes.flat, pictures.cpu(), strict=False)):
        ax.imshow(picture.permute(1, 2, 0), cmap="gray_r", vmin=0, vmax=1)
        ax.set_title("" if titles is None else str(titles[k]), fontsize=9)
    return figure


def _axes(ax: Axes | None) -> Axes:
    return plt.subplots(figsize=(6, 3.6), layout="constrained")[1] if ax is None else ax
