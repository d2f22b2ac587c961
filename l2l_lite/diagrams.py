"""The drawings of the book's first chapter: a race, the two loops, ratios to a rival, and the history.

Runs and rules are drawn in `graphs`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch
from torch import Tensor

from l2l_lite import graphs, plots

WIDTH = 5.0  # inches: on a phone a letter of 10 points then still has 9 pixels
LEARNED, HAND = plots.COLOURS["learned"], plots.COLOURS["GD"]

# Where a label of the two loops stands, and how it is aligned.
PLACES = {
    "outer": (0.45, 8.45, "left"),
    "inner": (0.95, 1.0, "left"),
    "problem": (2.3, 3.2, "center"),
    "rule": (7.7, 3.2, "center"),
    "gradient": (5, 4.65, "center"),
    "step": (5, 1.65, "center"),
    "losses": (2.55, 6.45, "right"),
    "sum": (5, 7.0, "center"),
    "update": (7.25, 6.45, "left"),
}
WORDS = {
    "outer": "outer loop: meta-training changes φ",
    "inner": "inner loop: training changes θ",
    "problem": "problem\n$f(θ)$",
    "rule": "update\nrule\nwith φ",
    "gradient": "gradient ∇",
    "step": "step $g$:  θ ← θ + $g$",
    "losses": "losses",
    "sum": "their sum\n$\\mathcal{L}(φ)$",
    "update": "meta-gradient\n$d\\mathcal{L}/dφ$",
}
# The chapters, where they stand in the method.
CHAPTERS = {
    "outer": "outer loop",
    "inner": "inner loop",
    "problem": "No free lunch\nQuadratics\nMNIST\nCIFAR-10\nNeural art",
    "rule": "Update rules\nThe LSTM rule\nWhat it learned\nSharing\ninformation",
    "gradient": "Gradient descent",
    "step": "Your own model\nInitialisation or rule?",
    "losses": "Beyond\nthe horizon",
    "sum": "Learning\nto learn\nTrajectory\nweights",
    "update": "The price\n   Sturdier rules",
}

# Works as `references.bib` names them, with their years, and what they added.
WRITTEN = {
    "polyak1964": "momentum, Polyak",
    "nesterov1983": "momentum, Nesterov",
    "duchi2011": "AdaGrad, Duchi et al.",
    "tieleman2012": "RMSProp, Tieleman\n& Hinton",
    "kingma2015": "Adam, Kingma & Ba",
}
LEARNT = {
    "schmidhuber1987": "Schmidhuber: self-reference",
    "bengio1990": "Bengio et al.: a learned rule",
    "schmidhuber1993": "Schmidhuber: a net\nthat changes itself",
    "bengio1995": "Bengio et al.: on new tasks",
    "hochreiter2001": "Hochreiter et al.: an LSTM,\nby gradient descent",
    "andrychowicz2016": "Andrychowicz et al.: the paper",
    "wichrowska2017": "Wichrowska et al.: larger nets",
    "metz2022velo": "Metz et al.: VeLO",
    "moudgil2025": "Moudgil et al.: Celo",
    "moudgil2026": "Moudgil et al.: Celo2",
}


def race(test: Mapping[str, Any], seed: str = "0") -> Axes:
    """The recorded curves of a card's test, each named at its end, and the steps to the rival's last loss."""
    _, ax = plt.subplots(figsize=(WIDTH, 3.6), layout="constrained")
    curves = dict(test["curves"])
    steps = curves.pop("steps")
    ends = {name: curve["mean"][-1] for name, curve in curves.items()}
    for name, curve in curves.items():
        hue, width = plots.colour(name), 3 if name == "learned" else 1.5
        ax.plot(steps, curve["mean"], color=hue, lw=width)
        ax.fill_between(steps, curve["low"], curve["high"], color=hue, alpha=0.2, lw=0)
    heights = spread([math.log(end) for end in sorted(ends.values())], [0.15] * len(ends))
    for name, height in zip(sorted(ends, key=lambda name: ends[name]), heights, strict=True):
        weight = "bold" if name == "learned" else "normal"
        letters = plots.ink(plots.COLOURS[name])
        ax.text(steps[-1] + 2, math.exp(height), name, color=letters, va="center", weight=weight)
    last = steps[-1]
    target, soon = test["reach"]["loss"], test["reach"]["learned"][seed]
    ax.plot([soon, last], [target, target], color="0.2", lw=1, ls=":")
    ax.annotate(
        f"learned: there\nafter {soon} steps", (soon, target), (0.22 * last, 0.66 * target),
        ha="center", va="center", arrowprops={"arrowstyle": "-|>", "color": "0.2", "shrinkB": 0},
    )  # fmt: skip
    ax.set(xlabel="step", ylabel="training loss", yscale="log", xlim=(0, last), ylim=(0.17, 2.7))
    ax.set_yticks([0.2, 0.5, 1, 2], ["0.2", "0.5", "1", "2"])
    ax.minorticks_off()
    return ax


def two_loops(labels: Mapping[str, str] = WORDS) -> Axes:
    """The inner loop inside the outer one; `labels` may say other things than `WORDS` in `PLACES`."""
    ax = graphs.canvas(WIDTH, 4.7, (0, 10), (0, 9))
    _box(ax, (0.15, 0.15), 9.7, 8.7, LEARNED, "#FDF1E8")
    _box(ax, (0.6, 0.55), 8.8, 4.85, HAND, "#E8F2F9")
    _arrow(ax, (3.4, 3.7), (6.3, 3.7), HAND, -0.25)  # the rule reads the gradient
    _arrow(ax, (6.3, 2.7), (3.4, 2.7), HAND, -0.25)  # its step moves θ
    _arrow(ax, (2.3, 4.1), (3.6, 7.0), LEARNED, -0.3)  # the losses are summed
    _arrow(ax, (6.4, 7.0), (7.7, 4.2), LEARNED, -0.3)  # and φ is changed
    for part, (x, y, side) in PLACES.items():
        style: dict[str, Any] = {"ha": side, "va": "center"}
        if part in ("problem", "rule", "sum"):
            style["bbox"] = {"boxstyle": "round,pad=0.4", "fc": "white", "ec": "0.3"}
        if part in ("outer", "inner"):
            style |= {"weight": "bold", "color": plots.ink(LEARNED if part == "outer" else HAND)}
        ax.text(x, y, labels.get(part, WORDS[part]), **style)
    return ax


def ratios(rows: Mapping[str, Sequence[float]]) -> Axes:
    """Intervals (value, low, high) of a learned rule's loss over its best rival's; beyond 1 it loses."""
    ax = _ratio_axes(rows, 0.5, 3.4)
    for row, (label, (value, low, high)) in enumerate(rows.items()):
        hue = plots.colour(label) or LEARNED
        ax.plot([low, high], [row, row], color=hue, lw=2)
        ax.plot(value, row, "o", color=hue)
        ax.text(3.2, row, f"{value:.2f}", ha="right", va="center")
    ax.set(xlabel="loss / that of the best tuned rival")
    return ax


def strokes(rows: Mapping[str, Tensor]) -> Axes:
    """A stroke for the ratio of each task [tasks], and on how many of them it is below 1."""
    ax = _ratio_axes(rows, 0.15, 2.2)
    for row, (label, values) in enumerate(rows.items()):
        ax.plot(values, [row] * len(values), "|", color=plots.colour(label), ms=14)
        ax.text(2.1, row, f"{int((values < 1).sum())} of {len(values)}", ha="right", va="center")
    ax.set(xlabel="summed loss / that of the rival")
    return ax


def _ratio_axes(rows: Mapping[str, Any], low: float, high: float) -> Axes:
    """A logarithmic axis with a row for each label, and the side of 1 shaded where the learned rule loses."""
    _, ax = plt.subplots(figsize=(WIDTH, 0.45 * len(rows) + 1.1), layout="constrained")
    ax.set(xscale="log", xlim=(low, high), ylim=(len(rows) - 0.4, -0.6))
    ax.axvspan(1, high, color="0.93", zorder=0)
    ax.axvline(1, color="0.3", lw=1)
    ticks = [tick for tick in (0.2, 0.5, 1, 2) if low <= tick <= high]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.set_yticks(range(len(rows)), rows)
    ax.minorticks_off()
    return ax


def history() -> Axes:
    """Sixty years of update rules, downwards: on the left those written by hand, on the right the learned."""
    ax = graphs.canvas(WIDTH, 6.6, (0, 10), (2031, 1955))
    ax.plot([4.4, 4.4], [1960, 2028], color="0.6", lw=1, zorder=0)
    ax.text(4, 1960, "↑ Cauchy 1847", ha="right", va="center", fontsize=10)
    _column(ax, "written by hand", WRITTEN, -0.4, HAND)
    _column(ax, "learned", LEARNT, 0.4, LEARNED)
    return ax


def _column(ax: Axes, head: str, works: Mapping[str, str], aside: float, hue: str) -> None:
    side = "right" if aside < 0 else "left"
    ax.text(4.4 + aside, 1957, head, ha=side, va="center", color=plots.ink(hue), weight="bold", fontsize=10)
    years = [year_of(key) for key in works]
    rows = spread(years, [2.3 * (1 + text.count("\n")) for text in works.values()])
    for year, row, text in zip(years, rows, works.values(), strict=True):
        ax.plot([4.4, 4.4 + 0.8 * aside], [year, row], color=hue, lw=1)
        ax.plot(4.4, year, "o", color=hue, ms=5)
        words = f"{text} {year}" if aside < 0 else f"{year} {text}"
        ax.text(4.4 + aside, row, words, ha=side, va="center", fontsize=10)


def year_of(key: str) -> int:
    """The year in the key of a reference, such as 2022 in "metz2022velo"."""
    return int("".join(filter(str.isdigit, key)))


def spread(values: Sequence[float], heights: Sequence[float]) -> list[float]:
    """Rising values, moved up where needed: words of these heights, centred on them, do not overlap."""
    moved = list(values[:1])
    for k in range(1, len(values)):
        moved.append(max(values[k], moved[-1] + (heights[k - 1] + heights[k]) / 2))
    return moved


def _box(ax: Axes, corner: tuple[float, float], width: float, height: float, edge: str, face: str) -> None:
    style = "round,pad=0,rounding_size=0.3"
    ax.add_patch(FancyBboxPatch(corner, width, height, boxstyle=style, fc=face, ec=edge, lw=1.5))


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], hue: str, bend: float) -> None:
    shape = f"arc3,rad={bend}"
    graphs.arrow(
        ax, start, end, color=hue, lw=1.5, mutation_scale=16, shrinkA=2, shrinkB=2, connectionstyle=shape
    )
