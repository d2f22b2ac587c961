"""Comparisons are fair: tuned on a grid, on the same tasks and minibatches, with an honest interval."""

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import l2l_lite as l2l
from l2l_lite.learned import Fading
from l2l_lite.problems.quadratic import QuadraticProblem


def bowl(curvature: float, tasks: int = 4) -> QuadraticProblem:
    """Round quadratics of a known curvature: gradient descent is best at the rate 1 / curvature."""
    W = (curvature / 2) ** 0.5 * torch.eye(3).expand(tasks, 3, 3)
    return QuadraticProblem(W, torch.zeros(tasks, 3), torch.ones(tasks, 3))


@settings(max_examples=10)
@given(st.integers(1, len(l2l.RATES) - 2))
def test_tune_finds_the_known_best_rate(k):
    tuned = l2l.tune(l2l.GradientDescent, bowl(1 / l2l.RATES[k]), steps=3)
    for criterion in ("final", "summed"):
        assert tuned[criterion].rule.lr == l2l.RATES[k]
        assert int(tuned[criterion].values[0].argmin()) == k
        assert tuned[criterion].inside


@pytest.mark.parametrize(("rates", "best"), [((1, 0.1), 1), ((0.1, 1), 1), ((1, 1.5, 1.9), 1)])
def test_tune_says_when_the_best_rate_is_at_the_edge_of_the_grid(rates, best):
    tuned = l2l.tune(l2l.GradientDescent, bowl(1.0), steps=3, rates=rates)["final"]
    assert tuned.rule.lr == best
    assert not tuned.inside


@pytest.mark.parametrize(
    ("momenta", "best", "inside"),
    [
        ((0, 0.5, 0.9), 0, True),  # a momentum cannot be lower
        ((0.5, 0.9), 0.5, False),
        ((0.9, 0.5, 0.0), 0, True),
        ((0.7,), 0.7, True),  # nothing to choose from
    ],
)
def test_tune_looks_at_the_momentum_too(momenta, best, inside):
    makers = [partial(l2l.Nesterov, momentum=momentum) for momentum in momenta]
    # One step at the best rate is enough on a round bowl: memory only disturbs.
    tuned = l2l.tune(makers, bowl(1.0), steps=8, rates=(0.1, 1 / (1 + best), 5))["summed"]
    assert tuned.rule.momentum == best
    assert tuned.inside == inside


def test_the_grid_of_momenta_holds_the_best_one_inside():
    problem = l2l.Quadratic().sample(64, seed=3)
    for steps, best in ((100, {0.95}), (200, {0.95, 0.99})):
        tuned = l2l.tune(l2l.BASELINES["Nesterov"], problem, steps=steps, rates=l2l.RATES[3:6])
        assert {one.rule.momentum for one in tuned.values()} == best
        assert all(one.inside for one in tuned.values())


def test_any_number_that_differs_between_makers_is_a_dimension_of_the_grid():
    makers = [partial(l2l.RMSProp, alpha=alpha) for alpha in (0.5, 0.9)]
    for rates in ((0.01, 0.1, 1.0), (0.001, 0.01, 0.1, 1.0)):
        tuned = l2l.tune(makers, l2l.Quadratic().sample(8, seed=0), rates=rates)["final"]
        assert 0.001 < tuned.rule.lr < 1  # which alone would be inside
        assert not tuned.inside


def test_where_everything_diverged_one_sentence_says_so():
    with pytest.raises(FloatingPointError, match=r"every rule diverged at every rate down to 5; try lower"):
        l2l.tune([l2l.GradientDescent, l2l.Momentum], bowl(10.0), steps=100, rates=(30.0, 5.0))


def test_rates_that_diverge_are_infinite_and_never_picked():
    rates = (1e30, 30.0, 5.0, 0.278, 1e-4)  # the fourth gives Inf without a NaN
    tuned = l2l.tune(l2l.GradientDescent, bowl(10.0), steps=100, rates=rates)
    assert not l2l.optimize(l2l.GradientDescent(0.278), bowl(10.0), 100).losses.isnan().any()
    for criterion in ("final", "summed"):
        assert tuned[criterion].values[0, :4].tolist() == [torch.inf] * 4
        assert tuned[criterion].values[0, 4] < torch.inf
        assert tuned[criterion].rule.lr == 1e-4


class WorseAtFirst(l2l.UpdateRule):
    """Jumps far away, then to the minimum: the best by final loss, bad by summed loss."""

    def __init__(self, lr):
        super().__init__()
        self.lr = lr

    def init(self, theta):
        return theta, torch.zeros(())

    def forward(self, grad, state, theta=None):
        theta, t = state
        goal = 100 + theta if t == 0 else torch.zeros_like(theta)
        return goal - theta, (goal, t + 1)


def test_each_criterion_picks_its_own_rule():
    makers = [WorseAtFirst, lambda lr: l2l.GradientDescent(0.05)]
    tuned = l2l.tune(makers, bowl(1.0), steps=30, rates=[1.0])
    assert isinstance(tuned["final"].rule, WorseAtFirst)
    assert isinstance(tuned["summed"].rule, l2l.GradientDescent)
    assert tuned["final"].values.shape == (2, 1)


def test_criteria():
    losses = torch.arange(24.0).reshape(12, 2)
    assert l2l.final_loss(losses).tolist() == [13, 14]  # rows 2 to 11
    assert l2l.summed_loss(losses).tolist() == [132, 144]


@pytest.mark.parametrize("family", ["quadratic", "digits8"])
def test_compare_gives_every_rule_the_same_tasks_and_minibatches(family):
    problem = l2l.FAMILIES[family]().sample(tasks=2, seed=5)
    rules = {"first": l2l.Adam(0.1), "other": l2l.LSTMRule(), "same as first": l2l.Adam(0.1)}
    losses = l2l.compare(rules, problem, steps=5)
    assert torch.equal(losses["first"], losses["same as first"])
    assert torch.equal(losses["first"][0], losses["other"][0])
    assert losses["first"].shape == (6, 2)


def test_compare_starts_every_run_with_fresh_memory():
    rules, problem = {"Adam": l2l.Adam(0.1)}, bowl(1.0)
    first = l2l.compare(rules, problem, steps=5)
    torch.testing.assert_close(l2l.compare(rules, problem, steps=5), first, rtol=0, atol=0)


def test_compare_tells_a_rule_how_long_the_run_lasts():
    told = l2l.compare({"fading": Fading(l2l.Adam(0.1))}, bowl(1.0), steps=5)["fading"]
    assert torch.equal(told, l2l.optimize(Fading(l2l.Adam(0.1), steps=5), bowl(1.0), 5).losses)
    assert not torch.equal(told, l2l.optimize(l2l.Adam(0.1), bowl(1.0), 5).losses)


def test_all_of_the_baselines_can_be_tuned():
    problem = l2l.Quadratic().sample(tasks=4, seed=0)
    for makers in l2l.BASELINES.values():
        tuned = l2l.tune(makers, problem, steps=20, rates=[1e-3, 1e-2])["final"]
        assert tuned.values.shape == (len(makers), 2)
        assert tuned.rule.lr in (1e-3, 1e-2)


def test_the_ratio_is_paired_by_task():
    baseline = torch.rand(50, generator=torch.Generator().manual_seed(0))
    assert l2l.ratio(0.5 * baseline, baseline) == pytest.approx((0.5, 0.5, 0.5))
    value, low, high = l2l.ratio(0.5 * baseline.flip(0), baseline)
    assert value == pytest.approx(0.5)
    assert low < 0.45
    assert high > 0.55


def test_the_interval_covers_the_true_ratio():
    rng, covered = torch.Generator().manual_seed(0), 0
    for _ in range(200):
        hardness = torch.rand(64, generator=rng) + 0.5
        noise = 0.3 * torch.randn(2, 64, generator=rng)
        learned, baseline = 0.8 * hardness + noise[0], hardness + noise[1]
        _, low, high = l2l.ratio(learned, baseline, resamples=1000)
        covered += low < 0.8 < high
    assert 180 <= covered <= 199  # 95 % of 200 is 190


def test_the_interval_narrows_with_tasks():
    rng = torch.Generator().manual_seed(0)
    widths = []
    for tasks in (16, 256):
        _, low, high = l2l.ratio(*(1 + 0.5 * torch.rand(2, tasks, generator=rng)), resamples=1000)
        widths.append(high - low)
    assert widths[1] < 0.5 * widths[0]


def test_steps_to_a_loss_count_to_the_end_of_the_ten_whose_mean_is_down_to_it():
    losses = torch.cat([torch.full((20, 2), 3.0), torch.full((21, 2), 1.0)])
    losses[:, 1] += 1  # the mean over tasks counts: 3.5, then 1.5
    assert l2l.steps_to(losses, 1.5) == 29
    assert l2l.steps_to(losses, 2.5) == 24
    assert l2l.steps_to(losses, 1.49) is None
    assert l2l.steps_to(losses, 1.5, width=1) == 20


def test_a_rule_takes_no_more_steps_to_its_own_final_loss_than_it_took():
    losses = l2l.optimize(l2l.Adam(0.1), l2l.Quadratic().sample(8, seed=0), 50).losses
    assert l2l.steps_to(losses, float(l2l.final_loss(losses).mean()) + 1e-6) <= 50
