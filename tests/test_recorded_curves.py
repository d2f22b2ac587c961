"""Curves that a card recorded are drawn as they stand, or over those of one rule."""

import pytest

import l2l_lite as l2l

CURVE = {"mean": [4.0, 2.0], "low": [3.0, 1.0], "high": [5.0, 3.0]}
TEST = {"curves": {"steps": [0, 10], "learned": CURVE, "Adam": {**CURVE, "mean": [4.0, 4.0]}}}


pytestmark = pytest.mark.usefixtures("drawing")


def test_curves_have_their_colours_and_intervals():
    ax = l2l.plots.recorded(TEST)
    learned, adam = ax.lines
    assert learned.get_ydata().tolist() == [4.0, 2.0]
    assert learned.get_xdata().tolist() == [0, 10]
    assert adam.get_color() == l2l.plots.colour("Adam") != learned.get_color()
    assert len(ax.collections) == 2
    assert ax.get_yscale() == "log"
    assert "steps" in TEST["curves"]  # the card is left as it is


def test_curves_over_one_of_them():
    ax = l2l.plots.recorded(TEST, over="Adam")
    learned, adam = ax.lines
    assert learned.get_ydata().tolist() == [1.0, 0.5]
    assert adam.get_ydata().tolist() == [1.0, 1.0]
    assert not ax.collections
    assert ax.get_ylabel() == "loss / Adam's"
