"""Styles: pictures that depend on their seed alone, and that show what they are named after."""

import pytest
import torch

from l2l_lite import styles

DRAWN = (styles.strokes, styles.stained_glass, styles.woodcut)


@pytest.mark.parametrize("style", DRAWN)
def test_a_style_is_a_picture_that_depends_on_its_seed_alone(style):
    state = torch.get_rng_state()
    first, again, other = (style(64, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (3, 64, 64)
    assert first.min() >= 0
    assert first.max() <= 1
    assert first.std() > 0.2  # for filters to see something


@pytest.mark.parametrize("style", DRAWN)
def test_a_larger_picture_shows_the_same(style):
    small, large = style(64), style(128)
    halved = torch.nn.functional.avg_pool2d(large, 2)
    assert torch.corrcoef(torch.stack([small.flatten(), halved.flatten()]))[0, 1] > 0.9


def test_strokes_are_drawn_on_the_darkest_colour():
    few = styles.strokes(64, count=6, palette=["#000000", "#ffffff"])
    assert 0 < (few > 0.5).float().mean() < 0.1
    assert (styles.strokes(64, palette=["#000000", "#ffffff"]) > 0.5).float().mean() > 0.3


def test_glass_is_set_in_lead():
    def lead(panes):
        glass = styles.stained_glass(128, panes=panes, palette=["#ffffff"])
        return ((glass - 0.05).abs() < 0.01).all(dim=0).float().mean()

    assert 0.02 < lead(10) < lead(100) < 0.5


def test_a_woodcut_has_ink_and_paper_alone():
    cut = styles.woodcut(128, palette=["#000000", "#ffffff"])
    assert set(cut.unique().tolist()) <= {0, 0.25, 0.5, 0.75, 1}
    assert 0.2 < cut.mean() < 0.8
