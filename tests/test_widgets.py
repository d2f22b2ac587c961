"""Every explorer draws its figure, for the ends of its sliders as well."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest

import l2l_lite as l2l
from l2l_lite import widgets


@pytest.fixture(autouse=True)
def no_figures_left() -> Iterator[None]:
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.mark.parametrize(("lr", "condition"), [(0.18, 10.0), (0.01, 1.0), (1.0, 30.0)])
def test_descent(lr: float, condition: float) -> None:
    widgets.descent(lr, condition, steps=3)
    assert len(plt.gcf().axes) == 2


@pytest.mark.parametrize("p", [2.0, 10.0, 16.0])
def test_preprocessing(p: float) -> None:
    widgets.preprocessing(p)
    size, sign = (line.get_ydata() for line in plt.gca().lines[:2])
    assert size.min() >= -1
    assert sign.max() == 1


@pytest.mark.parametrize(("steps", "size"), [(0, 1.0), (3, 1e-3), (3, 10.0)])
def test_response_is_odd_for_a_rule_without_memory(steps: int, size: float) -> None:
    rules = {"GD": l2l.GradientDescent(0.1), "learned": l2l.LSTMRule()}
    widgets.response(rules, steps, size)
    x, y = plt.gca().lines[0].get_data()
    assert y == pytest.approx(-0.1 * x)
    assert len(plt.gca().lines[1].get_ydata()) == len(x)
