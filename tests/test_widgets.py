"""The explorer draws its figure, for the ends of its sliders as well."""

import matplotlib.pyplot as plt
import pytest

import l2l_lite as l2l
from l2l_lite import widgets

pytestmark = pytest.mark.usefixtures("drawing")


@pytest.mark.parametrize(("steps", "size"), [(0, 1.0), (3, 1e-3), (3, 10.0)])
def test_response_is_odd_for_a_rule_without_memory(steps: int, size: float) -> None:
    rules = {"GD": l2l.GradientDescent(0.1), "learned": l2l.LSTMRule()}
    widgets.response(rules, steps, size)
    x, y = plt.gca().lines[0].get_data()
    assert y == pytest.approx(-0.1 * x)
    assert len(plt.gca().lines[1].get_ydata()) == len(x)
