"""Styles for neural art, drawn by code: brush strokes, stained glass, a woodcut.

Each is [3, size, size] in [0, 1] and depends on its seed alone. A stroke, a pane or a line has some ten
pixels at 256, so that filters of eleven pixels see what it is.
"""

from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from l2l_lite.pictures import picture

DUSK = ("#0d1b3e", "#1f4e9e", "#3f8fd2", "#9cc9e8", "#f6d55c", "#f2a33a", "#f7efd8")
GLASS = ("#7a1022", "#c8322b", "#e8a33d", "#f3d97a", "#1c6b4a", "#2a9d8f", "#1d3f8a", "#4f86c6", "#6a3d8f")
INK_AND_PAPER = ("#1a1411", "#f3e6cc")


def strokes(size: int = 256, seed: int = 0, count: int = 2400, palette: Sequence[str] = DUSK) -> Tensor:
    """Brush strokes that follow a smooth field, from dark to light where another one rises."""
    from PIL import Image, ImageDraw

    field, shade, rng = (np.random.default_rng([seed, k]) for k in range(3))
    turn, tone = _waves(field, finest=1.2), _waves(shade, finest=1.6)
    start = rng.random((count, 2))
    path = [start]
    for _ in range(14):
        angle = 2.5 * turn(path[-1])
        path.append(path[-1] + 0.008 * np.stack([np.cos(angle), np.sin(angle)], axis=-1))
    rank = tone(start).argsort().argsort() / count
    hues = (rank * len(palette) + rng.normal(0, 0.7, count)).clip(0, len(palette) - 1).astype(int)
    side = 2 * size  # drawn twice as large, for smooth edges
    canvas = Image.new("RGB", (side, side), palette[0])
    draw = ImageDraw.Draw(canvas)
    for line, hue in zip(side * np.stack(path, axis=1), hues, strict=True):
        draw.line(list(map(tuple, line)), fill=palette[hue], width=max(2, side // 55), joint="curve")
    return picture(np.asarray(canvas.resize((size, size), Image.Resampling.LANCZOS)))


def stained_glass(size: int = 256, seed: int = 0, panes: int = 110, palette: Sequence[str] = GLASS) -> Tensor:
    """Panes of coloured glass, each brightest in its middle, in lead."""
    from sklearn.neighbors import KDTree

    rng = np.random.default_rng(seed)
    middles = 1.1 * rng.random((panes, 2)) - 0.05
    near, pane = KDTree(middles).query(_places(size).reshape(-1, 2), k=2)
    brightness = (0.95 + 0.2 * rng.random(panes))[pane[:, 0]] - 2 * near[:, 0]
    hue = _colours(palette)[rng.integers(len(palette), size=panes)][pane[:, 0]]
    lead = near[:, 1] - near[:, 0] < 0.015
    glass = np.where(lead[:, None], 0.05, (hue * brightness[:, None]).clip(0, 1))
    return picture(glass.reshape(size, size, 3))


def woodcut(
    size: int = 256, seed: int = 0, lines: int = 23, palette: Sequence[str] = INK_AND_PAPER
) -> Tensor:
    """Lines of ink that bend together, and are thick where it is dark."""
    rng = np.random.default_rng(seed)
    bend, dark = _waves(rng, finest=0.8), _waves(rng, finest=1.5)
    places = _places(2 * size)
    tone = dark(places)
    tone = (tone - tone.min()) / (tone.max() - tone.min())
    along = lines * (places[..., 1] + 0.03 * places[..., 0] + 0.08 * bend(places))
    paper = np.sin(2 * np.pi * along) > 1.6 * tone - 0.8
    drawn = _colours(palette)[paper.astype(int)]
    return picture(drawn.reshape(size, 2, size, 2, 3).mean(axis=(1, 3)))


def _places(size: int) -> np.ndarray:
    """The middle of each pixel (x, y) in the unit square, [size, size, 2]."""
    axis = (np.arange(size) + 0.5) / size
    return np.stack(np.meshgrid(axis, axis), axis=-1)


def _colours(palette: Sequence[str]) -> np.ndarray:
    from matplotlib.colors import to_rgb

    return np.array([to_rgb(colour) for colour in palette])


def _waves(rng: np.random.Generator, finest: float, count: int = 5) -> Callable[[np.ndarray], np.ndarray]:
    """A smooth random function of places [..., 2]: sines of up to `finest` waves a side."""
    turn, often, shift = rng.uniform(0, 2 * np.pi, count), rng.uniform(0.5, finest, count), rng.random(count)
    waves = often * np.stack([np.cos(turn), np.sin(turn)])

    def height(places: np.ndarray) -> np.ndarray:
        return (np.sin(2 * np.pi * (places @ waves + shift)) / (2 * often)).sum(axis=-1)

    return height
