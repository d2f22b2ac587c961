"""The diagrams hold what they say: every step, every message, every coordinate."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest

from l2l_lite import graphs, plots


@pytest.fixture(autouse=True)
def no_figures_left() -> Iterator[None]:
    plt.switch_backend("agg")
    before = plt.rcParams.copy()
    yield
    plt.rcParams.update(before)
    plt.close("all")


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


def test_letters_are_large_and_colours_are_no_optimizers() -> None:
    plots.style()
    width = plt.rcParams["figure.figsize"][0] * plt.rcParams["figure.dpi"]
    assert plt.rcParams["font.size"] * plt.rcParams["figure.dpi"] / 72 * 350 / width > 9
    assert not set(plots.OTHERS) & set(plots.COLOURS.values())
