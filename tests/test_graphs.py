"""The diagrams hold what they say: every step, every message, every coordinate."""

from itertools import combinations, pairwise

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_rgb
from torch import nn

from l2l_lite import graphs, plots

pytestmark = pytest.mark.usefixtures("drawing")


def words() -> list[str]:
    return [text.get_text() for ax in plt.gcf().axes for text in ax.texts if text.get_text()]


@pytest.mark.parametrize("steps", [2, 3])
def test_the_graph_has_a_rule_for_each_step_and_a_loss_for_each_theta(steps: int) -> None:
    graphs.unrolled(steps)
    shown = words()
    assert shown.count("$m$") == steps
    assert [f"$f_{t}$" in shown for t in range(steps + 2)] == [True] * (steps + 1) + [False]
    assert any("varphi" in word for word in shown)
    assert not [word for word in shown if "s_" in word]


def test_each_step_hears_the_losses_that_have_told() -> None:
    graphs.unrolled(3, told=2)
    heard = [word for word in words() if word.startswith("$s_")]
    assert heard == [
        r"$s_0 = \nabla_2 + \nabla_3$",
        r"$s_1 = \nabla_2 + \nabla_3$",
        r"$s_2 = \nabla_3$",
    ]


def test_messages_stay_in_their_window() -> None:
    ax = graphs.windows(length=3, count=2)
    assert words().count("messages") == 2
    thick = [
        text for text in ax.texts if getattr(text, "arrow_patch", None) and text.arrow_patch.get_lw() > 2
    ]
    assert [int(min(a.xy[0], a.xyann[0])) // 3 == int(max(a.xy[0], a.xyann[0])) // 3 for a in thick] == [
        True
    ] * 2


def test_momentum_and_the_cell_have_one_shape() -> None:
    graphs.lstm_beside_momentum()
    left, right = (
        [text.get_position() for text in ax.texts if text.get_text() != "tanh"] for ax in plt.gcf().axes
    )
    assert left == right


def test_every_coordinate_has_its_memory() -> None:
    graphs.one_lstm()
    shown = words()
    assert [f"$h^{i}$" in shown for i in "12n"] == [True] * 3
    assert shown.count("LSTM") == 3
    assert sum("varphi" in word for word in shown) == 1


def convolutional() -> nn.Sequential:
    """The shape of the book's: a convolution, its batch norm, a dense layer."""
    conv, norm = nn.Conv2d(3, 16, 5, bias=False), nn.BatchNorm2d(16)
    return nn.Sequential(conv, nn.MaxPool2d(2), norm, nn.ReLU(), nn.Flatten(), nn.Linear(256, 10))


def test_the_pair_counts_every_coordinate_once() -> None:
    graphs.pair(convolutional())
    assert words() == [
        "convolution: 1,200",
        "LSTM with $φ_{conv}$\n1,200 memories",
        "batch norm: 32",
        "dense: 2,570",
        "LSTM with $φ_{dense}$\n2,602 memories",
    ]


def test_every_part_of_the_art_leads_to_the_loss() -> None:
    edges = {edge for path in graphs.ART_EDGES for edge in pairwise(path)}
    assert {end for edge in edges for end in edge} == set(graphs.ART)
    reached = {"f"}
    for _ in edges:
        reached |= {start for start, end in edges if end in reached}
    assert reached == set(graphs.ART)
    graphs.art()
    assert [word for *_, word, _ in graphs.ART.values()] == words()[: len(graphs.ART)]


@pytest.mark.parametrize("draw", [lambda: graphs.pair(convolutional()), graphs.art])
def test_words_neither_overlap_nor_are_cut_off(draw) -> None:
    plots.style()
    ax = draw()
    ax.figure.draw_without_rendering()
    boxes = [text.get_bbox_patch().get_window_extent() for text in ax.texts if text.get_bbox_patch()]
    page = ax.figure.bbox
    assert all(page.x0 <= box.x0 and box.x1 <= page.x1 for box in boxes)
    assert all(page.y0 <= box.y0 and box.y1 <= page.y1 for box in boxes)
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


@pytest.mark.parametrize("name", plots.COLOURS)
def test_letters_in_a_colour_can_be_read(name: str) -> None:
    ink = to_rgb(plots.ink(plots.COLOURS[name]))
    assert 1.05 / (plots.luminance(ink) + 0.05) >= 5
    assert all(dark <= hue + 0.01 for dark, hue in zip(ink, to_rgb(plots.COLOURS[name]), strict=True))


def test_letters_are_large_and_colours_are_no_optimizers() -> None:
    plots.style()
    width = plt.rcParams["figure.figsize"][0] * plt.rcParams["figure.dpi"]
    assert plt.rcParams["font.size"] * plt.rcParams["figure.dpi"] / 72 * 350 / width > 9
    assert not set(plots.OTHERS) & set(plots.COLOURS.values())
