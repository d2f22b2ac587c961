"""The weights that each objective gives to the losses of a window."""

import math
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from l2l_lite import objectives

SO_FAR = torch.tensor([[8.0, 4.0], [6.0, 4.0], [4.0, 2.0]], dtype=torch.float64)
WINDOW = torch.tensor([[4.0, 2.0], [2.0, 3.0], [3.0, 1.0]], dtype=torch.float64)

sizes = st.floats(0.01, 100)


def weights(objective):
    """The derivative by every loss of the window, times the tasks."""
    window = WINDOW.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(objective(window, SO_FAR), window)
    return len(gradient[0]) * gradient


EXPECTED_WEIGHTS = {
    "uniform": [[1, 1], [1, 1], [1, 1]],
    "last": [[0, 0], [0, 0], [1, 1]],
    "increasing": [[3, 3], [4, 4], [5, 5]],
    "squared": [[9, 9], [16, 16], [25, 25]],
    "log_relative": [[1 / 4, 1 / 2], [1 / 2, 1 / 3], [1 / 3, 1]],
}


@pytest.mark.parametrize("name", EXPECTED_WEIGHTS)
def test_weights(name):
    expected = torch.tensor(EXPECTED_WEIGHTS[name], dtype=torch.float64)
    torch.testing.assert_close(weights(getattr(objectives, name)), expected, rtol=1e-4, atol=0)


def test_a_warm_up_weighs_early_steps_less():
    plain = weights(objectives.log_relative)
    warm = weights(partial(objectives.log_relative, warm_up=4))
    share = torch.tensor([3 / 4, 1, 1], dtype=torch.float64)[:, None]  # the window begins after step 2
    torch.testing.assert_close(warm, share * plain)


def test_best_so_far_weighs_only_steps_that_improve():
    # The first task finds 2 at its first step, which counts again at the second; the other 1 at the last.
    expected = torch.tensor([[2, 0], [0, 1]], dtype=torch.float64)
    assert torch.equal(weights(objectives.best_so_far)[1:], expected)


def test_values():
    values = {name: getattr(objectives, name)(WINDOW, SO_FAR).item() for name in EXPECTED_WEIGHTS}
    assert values["uniform"] == (9 + 6) / 2
    assert values["last"] == (3 + 1) / 2
    assert values["increasing"] == (3 * 4 + 4 * 2 + 5 * 3 + 3 * 2 + 4 * 3 + 5 * 1) / 2
    logs = math.log(4 * 2 * 3 / 8**3) + math.log(2 * 3 * 1 / 4**3)
    assert values["log_relative"] == pytest.approx(logs / 2, rel=1e-4)
    assert objectives.best_so_far(WINDOW, SO_FAR).item() == ((4 + 2 + 2) + (2 + 2 + 1)) / 2


@given(sizes, sizes)
def test_log_relative_does_not_see_the_size_of_a_task(first, second):
    size = torch.tensor([first, second], dtype=torch.float64)
    scaled = objectives.log_relative(size * WINDOW, size * SO_FAR)
    torch.testing.assert_close(scaled, objectives.log_relative(WINDOW, SO_FAR))


@pytest.mark.parametrize("name", [*EXPECTED_WEIGHTS, "best_so_far"])
def test_mean_over_tasks(name):
    objective = getattr(objectives, name)
    twice = objective(WINDOW.repeat(1, 2), SO_FAR.repeat(1, 2))
    torch.testing.assert_close(twice, objective(WINDOW, SO_FAR))


@pytest.mark.parametrize("name", ["increasing", "squared", "log_relative", "best_so_far", "uniform"])
def test_two_windows_weigh_steps_as_one_does(name):
    objective = getattr(objectives, name)
    losses = torch.cat([SO_FAR, WINDOW])
    whole = objective(losses[1:], losses[:1])
    first, second = objective(losses[1:3], losses[:1]), objective(losses[3:], losses[:3])
    torch.testing.assert_close(first + second, whole)
