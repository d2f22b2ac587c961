"""Diagrams of runs, of rules and of a loss, drawn in steps."""

from itertools import pairwise

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from torch import nn

from l2l_lite import plots

FILL = {"f": "#F2F2F2", "theta": "#CFE5F5", "grad": "#DDF0E8", "rule": "#F8D9C4", "memory": "#CFE5F5"}
BACK = "#D55E00"  # what flows backwards, and edges that are dashed
INK = plots.ink(BACK)  # of letters
WIDE = 2.3  # between two times

# Layers of a network, as a drawing calls them.
KINDS = {
    nn.Conv2d: "convolution",
    nn.BatchNorm2d: "batch norm",
    nn.BatchNorm1d: "batch norm",
    nn.Linear: "dense",
}

# Where the parts of neural art's loss stand, what they are, and which lead where.
ART = {
    "photo": (1.3, 8.2, "photograph\n$c$", "#F2F2F2"),
    "picture": (5, 8.2, "picture\nof $θ$", FILL["theta"]),
    "style": (8.7, 8.2, "style\n$s$", "#F2F2F2"),
    "photo maps": (1.3, 6, "maps", FILL["grad"]),
    "two maps": (3.3, 6, "maps", FILL["grad"]),
    "all maps": (6.7, 6, "maps", FILL["grad"]),
    "style maps": (8.7, 6, "maps", FILL["grad"]),
    "gram": (6.7, 4.2, "Gram", FILL["grad"]),
    "style gram": (8.7, 4.2, "Gram", FILL["grad"]),
    "content loss": (2.3, 2.2, "content:\nplace by place", FILL["rule"]),
    "smooth loss": (5, 2.2, "smoothness:\nneighbours", FILL["rule"]),
    "style loss": (7.7, 2.2, "style: all\nplaces at once", FILL["rule"]),
    "f": (5, 0.4, r"$f(θ) = α\,L_{content} + β\,L_{style} + γ\,L_{reg}$", "#F2F2F2"),
}
ART_EDGES = (
    ("photo", "photo maps", "content loss", "f"),
    ("picture", "two maps", "content loss"),
    ("picture", "all maps", "gram", "style loss", "f"),
    ("style", "style maps", "style gram", "style loss"),
    ("picture", "smooth loss", "f"),
)


def node(
    ax: Axes, x: float, y: float, label: str, fill: str = "#F2F2F2", *, box: str = "circle", size: float = 13
) -> None:
    """A labelled circle, or a box "round", at a point."""
    style = {"boxstyle": f"{box},pad=0.3", "fc": fill, "ec": "0.3"}
    ax.text(x, y, label, ha="center", va="center", fontsize=size, color="black", bbox=style, zorder=3)


def arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], *, back: bool = False, **style: object
) -> None:
    """An arrow between two nodes; `back` for one that carries a derivative."""
    common = {"arrowstyle": "-|>", "shrinkA": 16, "shrinkB": 16, "color": BACK if back else "0.2"}
    common |= {"lw": 2.5 if back else 1.2, "mutation_scale": 14}
    ax.annotate("", end, start, arrowprops=common | style, zorder=2)


def unrolled(steps: int = 2, *, told: int = 0) -> Axes:
    """The graph of a run, with φ entering at every step and the edges from θ to its gradient dashed.

    With `told` these edges are gone, the last `told` losses have sent their gradients back to the steps,
    along thick arrows, and each step says what it has heard.
    """
    ax = canvas(6, 4.2, (-0.4, steps * WIDE + 0.4), (-1.7, 3.4))
    ink = "0.7" if told else "0.2"
    for t in range(steps + 1):
        x = t * WIDE
        node(ax, x, 3, f"$f_{t}$", FILL["f"])
        node(ax, x, 2, rf"$\theta_{t}$", FILL["theta"])
        arrow(ax, (x, 2), (x, 3), color=ink)
    for t in range(steps):
        _step(ax, t, ink, dashed=not told, memory=t < steps - 1)
        arrow(ax, ((steps - 1) * WIDE / 2, -1.35), (t * WIDE, 0), color=ink, shrinkA=22)
    node(ax, (steps - 1) * WIDE / 2, -1.35, r"the rule's weights $\varphi$", FILL["rule"], box="round")
    if told:
        _messages(ax, steps, told)
    return ax


def windows(length: int = 3, count: int = 2) -> Axes:
    """A run cut into windows: θ and memory go on, messages stay inside, and φ moves at each border."""
    steps = length * count
    ax = canvas(6, 3, (-0.5, steps + 0.5), (-1.9, 1.7))
    for t in range(steps + 1):
        node(ax, t, 1, rf"$\theta_{t}$", FILL["theta"])
        if t < steps:
            arrow(ax, (t, 1), (t + 1, 1), shrinkA=14, shrinkB=14)
    for k in range(count):
        first, last = k * length, (k + 1) * length
        middle = (first + last) / 2
        arrow(ax, (last - 0.1, 0.25), (first + 0.1, 0.25), back=True, shrinkA=0, shrinkB=0)
        ax.text(middle, -0.2, "messages", ha="center", color=INK)
        node(ax, middle, -1.1, rf"$\varphi_{k}$", FILL["rule"], box="round")
        if k:
            arrow(ax, (middle - length, -1.1), (middle, -1.1))
            ax.text(first, -1.6, "meta-update", ha="center")
            ax.plot([first, first], [-0.75, 0.62], ls="--", color="0.5")
    return ax


def lstm_beside_momentum() -> None:
    """Two memories of one shape: momentum's constants, and in their places an LSTM's gates."""
    _, axes = plt.subplots(1, 2, figsize=(6, 4.2), layout="constrained")
    momentum = ("$v$", "$v'$", r"$\mu$", "$1$", r"$\nabla$", r"$-\alpha$", "$g$")
    lstm = ("$c$", "$c'$", r"$\Gamma_f$", r"$\Gamma_i$", r"$\tilde c$", r"$\Gamma_o$", "$a'$")
    for ax, title, labels in zip(axes, ("momentum", "an LSTM cell"), (momentum, lstm), strict=True):
        _cell(ax, *labels, gate=FILL["rule"] if labels is lstm else "white")
        ax.set_title(title)
    axes[1].text(3.45, 1.55, "tanh", fontsize=11, ha="left")


def one_lstm() -> None:
    """One LSTM over n coordinates: the weights are shared, each coordinate has a memory of its own."""
    ax = canvas(6, 3.8, (-0.6, 5.6), (-0.7, 4.1))
    node(ax, 2, 3.6, r"$\varphi$: one set of weights", FILL["rule"], box="round")
    for y, i in ((2.5, "1"), (1.5, "2"), (0, "n")):
        node(ax, 0, y, rf"$\nabla^{i}$", FILL["grad"])
        node(ax, 2, y, "LSTM", FILL["rule"], box="round")
        node(ax, 3.5, y, f"$h^{i}$", FILL["memory"], box="round")
        node(ax, 5, y, f"$g^{i}$", FILL["f"])
        arrow(ax, (0, y), (2, y), shrinkB=27)
        arrow(ax, (2, y), (3.5, y), shrinkA=27, arrowstyle="<|-|>")
        arrow(ax, (2, y), (5, y), shrinkA=27, connectionstyle="arc3,rad=0.28")
    for x in (0, 2, 3.5, 5):
        ax.text(x, 0.75, "⋮", ha="center", va="center", fontsize=14)
    arrow(ax, (2, 3.6), (2, 2.5))


def pair(network: nn.Sequential) -> Axes:
    """Which coordinates of a network go to which of two LSTMs: those of convolutions, and all others."""
    layers = [layer for layer in network if list(layer.parameters())]
    sizes = [sum(weight.numel() for weight in layer.parameters()) for layer in layers]
    ax = canvas(5, 0.5 * len(layers) + 0.4, (0, 10), (-0.7, len(layers) - 0.3))
    for share, name in ((0.28, "conv"), (0.75, "dense")):
        mine = [k for k, layer in enumerate(layers) if isinstance(layer, nn.Conv2d) == (name == "conv")]
        fill, height = FILL["rule" if name == "conv" else "memory"], -share * (len(layers) - 1)
        for k in mine:
            label = f"{KINDS[type(layers[k])]}: {sizes[k]:,}"
            node(ax, 2, len(layers) - 1 - k, label, fill, box="round", size=11)
            arrow(ax, (3.7, len(layers) - 1 - k), (6.3, len(layers) - 1 + height), shrinkA=0, shrinkB=0)
        count = sum(sizes[k] for k in mine)
        label = f"LSTM with $φ_{{{name}}}$\n{count:,} memories"
        node(ax, 8, len(layers) - 1 + height, label, fill, box="round", size=11)
    return ax


def art() -> Axes:
    """The loss of neural art: what filters see of three pictures, and the three parts that compare it."""
    ax = canvas(5, 4.9, (0, 10), (-0.3, 9))
    for x, y, label, fill in ART.values():
        node(ax, x, y, label, fill, box="round", size=11)
    for path in ART_EDGES:
        for start, end in pairwise(path):
            (x, y, *_), (u, v, *_) = ART[start], ART[end]
            arrow(ax, (x, y), (u, v), shrinkA=18, shrinkB=18 if end != "f" else 14)
    ax.text(1.5, 7.1, "filters", fontsize=11, ha="left", va="center")
    return ax


def canvas(width: float, height: float, x: tuple[float, float], y: tuple[float, float]) -> Axes:
    """Empty axes of a size in inches, without a frame."""
    _, ax = plt.subplots(figsize=(width, height), layout="constrained")
    ax.set(xlim=x, ylim=y)
    ax.set_axis_off()
    return ax


def _step(ax: Axes, t: int, ink: str, *, dashed: bool, memory: bool) -> None:
    """The gradient at θ_t, the rule that reads it, and its step to θ_{t+1}."""
    x = t * WIDE
    node(ax, x, 1, rf"$\nabla_{t}$", FILL["grad"])
    node(ax, x, 0, "$m$", FILL["rule"])
    if dashed:
        arrow(ax, (x, 2), (x, 1), ls=(0, (4, 3)), color=BACK)
    for start, end in (((x, 1), (x, 0)), ((x, 2), (x + WIDE, 2)), ((x, 0), (x + WIDE, 2))):
        arrow(ax, start, end, color=ink)
    ax.text(x + 0.62 * WIDE, 0.95, f"$g_{t}$", fontsize=13)
    if memory:
        arrow(ax, (x, 0), (x + WIDE, 0), color=ink)
        ax.text(x + 0.5 * WIDE, -0.35, f"$h_{t + 1}$", fontsize=13, ha="center")


def _messages(ax: Axes, steps: int, told: int) -> None:
    """Thick arrows from the last `told` losses to every step before them, and each step's sum."""
    for r in range(steps, steps - told, -1):
        arrow(ax, (r * WIDE, 3), (r * WIDE, 2), back=True)
    for t in range(steps):
        heard = [rf"\nabla_{r}" for r in range(t + 1, steps + 1) if r > steps - told]
        if t:
            arrow(ax, ((t + 1) * WIDE, 2), (t * WIDE, 2), back=True)
        arrow(ax, ((t + 1) * WIDE, 2), (t * WIDE, 0), back=True)
        ax.text((t + 0.5) * WIDE, 0.42, f"$s_{t} = {' + '.join(heard)}$", fontsize=13, color=INK)


def _cell(
    ax: Axes, old: str, new: str, keep: str, add: str, read: str, show: str, out: str, gate: str
) -> None:
    """A memory: keep a part of the old, add a part of what is read, show a part of the new."""
    for x, y, label in ((1.2, 1, "×"), (2.3, 1, "+"), (2.3, 0, "×"), (3.4, 2.1, "×")):
        node(ax, x, y, label, "white")
    for x, y, label in ((1.2, 0, keep), (1.2, -1, add), (2.3, 2.1, show)):
        node(ax, x, y, label, gate, box="round")
    for x, y, label, fill in ((0, 1, old, "memory"), (3.4, 1, new, "memory"), (2.3, -1, read, "grad")):
        node(ax, x, y, label, FILL[fill])
    node(ax, 3.4, 3.1, out, FILL["f"])
    line = [(0, 1), (1.2, 1), (2.3, 1), (3.4, 1), (3.4, 2.1), (3.4, 3.1)]
    into = [((1.2, 0), (1.2, 1)), ((1.2, -1), (2.3, 0)), ((2.3, -1), (2.3, 0)), ((2.3, 0), (2.3, 1))]
    for start, end in [*pairwise(line), *into, ((2.3, 2.1), (3.4, 2.1))]:
        arrow(ax, start, end, shrinkA=13, shrinkB=13)
    ax.set(xlim=(-0.5, 4.1), ylim=(-1.5, 3.6))
    ax.set_axis_off()
