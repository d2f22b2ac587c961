"""Families made of others keep what a family promises, and are what they say."""

import pytest
import torch

import l2l_lite as l2l
from l2l_lite.problems import Mixture, Quadratic, Rescaled, check_family

SMALL = Quadratic(3)


def test_a_mixture_is_one_of_its_families_for_every_seed():
    family = Mixture([Quadratic(2), Quadratic(5)])
    sizes = [family.sample(2, seed).theta0.shape[1] for seed in range(40)]
    assert set(sizes) == {2, 5}
    assert 8 < sizes.count(2) < 32
    assert sizes == [family.sample(2, seed).theta0.shape[1] for seed in range(40)]


def test_a_mixture_of_one_family_is_that_family():
    one, other = Mixture([SMALL]).sample(4, 7), SMALL.sample(4, 7)
    assert torch.equal(one.theta0, other.theta0)
    assert torch.equal(one.loss(one.theta0, 3), other.loss(other.theta0, 3))


def test_a_mixture_needs_a_family():
    with pytest.raises(ValueError, match="at least one family"):
        Mixture([])


@pytest.mark.parametrize(
    "family",
    [
        Rescaled(SMALL, 1.0, 1.0, 1.0),
        Rescaled(l2l.FAMILIES["digits8"]()),
        Mixture([SMALL, Quadratic(3, 2.0)]),
        Mixture([Quadratic(2), Quadratic(5)]),
        Rescaled(Mixture([Quadratic(2), Quadratic(5)])),
    ],
)
def test_a_family_made_of_others_keeps_its_promises(family):
    check_family(family)


def test_rescaled_tasks_are_the_tasks_in_other_units():
    plain, problem = SMALL.sample(2, 5), Rescaled(SMALL, spread=2.0).sample(2, 5)
    assert torch.equal(problem.theta0, plain.theta0)
    way = torch.randn_like(problem.theta0)
    x, theta = problem.theta0 + way, plain.theta0 + problem.unit * way
    torch.testing.assert_close(problem.loss(x, 1), plain.loss(theta, 1))
    torch.testing.assert_close(problem.evaluate(x), plain.evaluate(theta))


def test_units_are_log_uniform_and_differ_from_coordinate_to_coordinate_and_from_seed_to_seed():
    family = Rescaled(Quadratic(1000), spread=1.5)
    one, other = (family.sample(2, seed).unit.log() for seed in (0, 1))
    assert one.abs().max() <= 1.5
    assert one.std() == pytest.approx(1.5 / 3**0.5, rel=0.05)
    assert not torch.equal(one[0], one[1])
    assert not torch.equal(one, other)


def test_no_spread_is_the_family_itself():
    problem = Rescaled(SMALL, spread=0.0).sample(2, 5)
    assert torch.equal(problem.theta0, SMALL.sample(2, 5).theta0)


def test_one_unit_for_all_coordinates_and_one_factor_for_the_loss():
    family = Rescaled(Quadratic(50), spread=0.0, common=2.0, loss=3.0)
    problem, plain = family.sample(200, 1), Quadratic(50).sample(200, 1)
    common = problem.unit.log()
    assert torch.allclose(common, common[:, :1].expand_as(common))
    assert common[:, 0].std() == pytest.approx(2 / 3**0.5, rel=0.15)
    factor = problem.loss(problem.theta0, 0) / plain.loss(plain.theta0, 0)
    assert factor.log().abs().max() <= 3.001
    assert factor.log().std() == pytest.approx(3 / 3**0.5, rel=0.15)
    assert torch.allclose(problem.evaluate(problem.theta0), factor * plain.evaluate(plain.theta0), rtol=1e-3)
