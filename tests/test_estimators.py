"""Estimators of the meta-gradient are right on average, each in its own sense."""

import inspect

import pytest
import torch
from samples import LEARNED, quadratics
from torch import nn

import l2l_lite as l2l
from l2l_lite import estimators, objectives
from l2l_lite.estimators.es import moved
from l2l_lite.trajectory import start

# Every estimator enters by its line in estimators/__init__.py.
EACH = [
    *(
        estimator()
        for _, estimator in inspect.getmembers(estimators, inspect.isclass)
        if estimator is not estimators.Estimator
    ),
    estimators.TruncatedBPTT(one_in=2),
    estimators.TruncatedBPTT(second_derivatives=True),
    estimators.TruncatedBPTT(second_derivatives=True, clip_each=1.0),
    estimators.ES(pairs=2),
    estimators.PES(pairs=2),
]
DRAW_NOTHING = (
    estimators.Captured(),
    estimators.HeldOutBPTT(),
    estimators.TruncatedBPTT(),
    estimators.TruncatedBPTT(second_derivatives=True),
    estimators.TruncatedBPTT(second_derivatives=True, clip_each=1.0),
)
each = pytest.mark.parametrize("estimator", EACH, ids=repr)


@each
def test_an_estimator_moves_along_the_trajectory_and_leaves_phi(estimator):
    rule, problem = LEARNED["LSTM"](), quadratics()
    before = {name: weight.clone() for name, weight in rule.state_dict().items()}
    at, rng = estimator.start(rule, problem), l2l.generator(0)
    for steps in (3, 2):
        rule.zero_grad()
        at = estimator.window(rule, problem, steps, at, objectives.uniform, rng)
        assert all(weight.grad.isfinite().all() for weight in rule.parameters())
        assert sum(weight.grad.abs().sum() for weight in rule.parameters()) > 0
        assert not at.losses.requires_grad
    assert at.losses.shape == (6, 3)
    torch.testing.assert_close(rule.state_dict(), before, rtol=0, atol=0)


@each
def test_an_estimator_is_known_by_its_repr_and_draws_from_its_generator(estimator):
    assert repr(estimator) == repr(eval(repr(estimator), vars(estimators)))
    rule, problem, found = LEARNED["LSTM"](), quadratics(), []
    state = torch.get_rng_state()
    for seed in (0, 0, 1):
        rule.zero_grad()
        at = estimator.start(rule, problem)
        estimator.window(rule, problem, 3, at, objectives.uniform, l2l.generator(seed))
        found.append(torch.cat([weight.grad.flatten() for weight in rule.parameters()]))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2]) == (estimator in DRAW_NOTHING)


def test_a_rule_that_follows_adam_comes_nearer_to_its_steps():
    rule, problem, adam = LEARNED["LSTM"](), quadratics(), l2l.Adam(0.01)
    estimator, optimizer = estimators.Imitation(share=1.0), torch.optim.Adam(rule.parameters(), 1e-2)

    def off():
        at = l2l.start(rule, problem)
        step = rule(at.grad, at.state, at.theta)[0]
        right = adam(at.grad, adam.init(at.theta), at.theta)[0]
        return ((step - right).norm() / right.norm()).item()

    before = off()
    for _ in range(30):
        optimizer.zero_grad()
        end = estimator.window(
            rule, problem, 5, estimator.start(rule, problem), objectives.uniform, l2l.generator(0)
        )
        optimizer.step()
    assert off() < 0.5 * before
    assert torch.equal(end.losses, l2l.optimize(adam, problem, 5).losses)


def test_a_share_of_nothing_is_truncated_backpropagation():
    found = []
    for estimator in (estimators.TruncatedBPTT(), estimators.Imitation(share=0.0)):
        rule, problem = LEARNED["LSTM"](), quadratics()
        at = estimator.start(rule, problem)
        estimator.window(rule, problem, 3, at, objectives.uniform, l2l.generator(0))
        found.append(torch.cat([weight.grad.flatten() for weight in rule.parameters()]))
    assert torch.equal(*found)


def test_on_a_cpu_nothing_is_recorded():
    found = []
    for estimator in (estimators.TruncatedBPTT(), estimators.Captured()):
        rule, problem = LEARNED["LSTM"](), quadratics()
        at, rng = estimator.start(rule, problem), l2l.generator(0)
        for _ in range(3):
            at = estimator.window(rule, problem, 2, at, objectives.uniform, rng)
        found.append(torch.cat([weight.grad.flatten() for weight in rule.parameters()]))
    assert torch.equal(*found)


def test_phi_comes_back_to_the_bit_even_after_an_error():
    rule = LEARNED["LSTM"]()
    before = {name: weight.clone() for name, weight in rule.state_dict().items()}
    size = sum(weight.numel() for weight in rule.parameters())
    third = torch.full((size,), 1 / 3, dtype=torch.float64)
    with pytest.raises(ZeroDivisionError), moved(rule, third):
        third[0] = 1 // int(torch.equal(rule.output.weight, before["output.weight"]))
    torch.testing.assert_close(rule.state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize("value", [0, -1])
def test_settings_out_of_their_range_are_refused(value):
    with pytest.raises(ValueError, match=f"one_in must be at least 1, but one_in={value}"):
        estimators.TruncatedBPTT(one_in=value)
    with pytest.raises(ValueError, match="second derivatives tie coordinates together"):
        estimators.TruncatedBPTT(one_in=2, second_derivatives=True)
    with pytest.raises(ValueError, match=f"clip_each must be positive, .* but it is {value}"):
        estimators.TruncatedBPTT(second_derivatives=True, clip_each=value)
    with pytest.raises(ValueError, match="needs second_derivatives=True, but it is 1"):
        estimators.TruncatedBPTT(clip_each=1.0)
    with pytest.raises(ValueError, match="share must be from 0 to 1, but share="):
        estimators.Imitation(share=value - 0.5)
    with pytest.raises(ValueError, match=f"pairs must be at least 1, but pairs={value}"):
        estimators.ES(pairs=value)
    with pytest.raises(ValueError, match=f"std must be positive, but std={value}"):
        estimators.ES(std=value)


# One learned step size on ½ h θ², whose meta-gradients are polynomials

STEPS, WINDOWS, RATE, CURVATURES = 2, 2, 0.3, (0.5, 1.0)


class Bowl:
    """½ h θ² for one task, in float64."""

    def __init__(self):
        self.h = torch.tensor(CURVATURES, dtype=torch.float64)
        self.theta0 = torch.tensor([[2.0, 1.0]], dtype=torch.float64)

    def loss(self, theta, t):
        return 0.5 * (self.h * theta**2).sum(dim=1)


def learned_rate():
    return l2l.GradientDescent(nn.Parameter(torch.tensor(RATE, dtype=torch.float64)))


def exact(first, last, from_start):
    """d/dα of the losses of steps first to last, through all steps or through those since `first` alone."""
    alpha = torch.tensor(RATE, dtype=torch.float64, requires_grad=True)
    problem, total, theta = Bowl(), 0.0, Bowl().theta0
    for t in range(1, last + 1):
        theta = (theta if from_start or t != first else theta.detach()) * (1 - alpha * problem.h)
        total = total + problem.loss(theta, t).sum() if t >= first else total
    return float(torch.autograd.grad(total, alpha)[0])


def estimates(estimator, count):
    """Estimates of the last of several windows, [count]."""
    rule, problem, found = learned_rate(), Bowl(), []
    for seed in range(count):
        at, rng = estimator.start(rule, problem), l2l.generator(seed)
        for _ in range(WINDOWS):
            rule.zero_grad()
            at = estimator.window(rule, problem, STEPS, at, objectives.uniform, rng)
        found.append(float(rule.lr.grad))
    return torch.tensor(found, dtype=torch.float64)


def mean_and_error(values):
    return float(values.mean()), float(values.std() / len(values) ** 0.5)


LAST = (WINDOWS - 1) * STEPS + 1, WINDOWS * STEPS


def test_evolution_strategies_are_right_within_a_window_and_blind_beyond_it():
    mean, error = mean_and_error(estimates(estimators.ES(std=0.01), 400))
    within, whole = exact(*LAST, from_start=False), exact(*LAST, from_start=True)
    assert abs(mean - within) < 4 * error + 1e-3 * abs(within)
    assert abs(mean - whole) > 10 * error


def test_persistent_evolution_strategies_see_the_whole_trajectory():
    mean, error = mean_and_error(estimates(estimators.PES(std=0.01), 2000))
    within, whole = exact(*LAST, from_start=False), exact(*LAST, from_start=True)
    assert abs(mean - whole) < 4 * error + 1e-3 * abs(whole)
    assert abs(mean - within) > 8 * error


def test_truncated_backpropagation_is_exact_within_a_window():
    # With ∂∇/∂φ = 0, so that the losses of a window depend on α through its steps alone, each once.
    (found,) = estimates(estimators.TruncatedBPTT(), 1).tolist()
    rule, problem = learned_rate(), Bowl()
    at = l2l.optimize(rule, problem, STEPS * (WINDOWS - 1))
    l2l.unroll(rule, problem, STEPS, at).losses[-STEPS:].sum().backward()
    assert found == pytest.approx(float(rule.lr.grad))


def test_with_second_derivatives_a_window_is_exact_without_the_papers_simplification():
    (found,) = estimates(estimators.TruncatedBPTT(second_derivatives=True), 1).tolist()
    (simplified,) = estimates(estimators.TruncatedBPTT(), 1).tolist()
    assert found == pytest.approx(exact(*LAST, from_start=False))
    assert simplified < 1.05 * found < 0  # it would take longer steps


@pytest.mark.parametrize("make_rule", LEARNED.values(), ids=LEARNED)
@pytest.mark.parametrize("clip", [1e-3, 1e6])
def test_each_tasks_gradient_is_clipped_before_their_mean_is_taken(make_rule, clip):
    rule, problem = make_rule(), quadratics()
    estimator = estimators.TruncatedBPTT(second_derivatives=True, clip_each=clip)
    at = estimator.window(rule, problem, 4, estimator.start(rule, problem), objectives.uniform, None)
    losses = l2l.unroll(rule, problem, 4, second_derivatives=True).losses
    torch.testing.assert_close(at.losses, losses.detach())
    expected = 0.0
    for task in losses[1:].sum(dim=0):
        parts = torch.autograd.grad(task, list(rule.parameters()), retain_graph=True, allow_unused=True)
        one = torch.cat([part.flatten() for part in parts if part is not None])
        expected += one * min(1.0, clip / float(one.norm())) / losses.shape[1]
    found = torch.cat([weight.grad.flatten() for weight in rule.parameters() if weight.grad is not None])
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6 * float(expected.abs().max()))


def test_pairs_go_on_where_their_own_rules_led_them():
    rule, problem, pes = learned_rate(), Bowl(), estimators.PES(pairs=3, std=0.01)
    at, rng = pes.start(rule, problem), l2l.generator(0)
    for _ in range(2):
        at = pes.window(rule, problem, STEPS, at, objectives.uniform, rng)
    assert at.losses.shape == (2 * STEPS + 1, 1)
    ends = [float(run.theta[0, 0]) for pair in at.pairs for run in (pair.plus, pair.minus)]
    assert len(set(ends)) == 6
    one = at.pairs[0]
    assert not torch.equal(one.plus.losses, one.minus.losses)
    losses = torch.stack([run.losses for pair in at.pairs for run in (pair.plus, pair.minus)])
    torch.testing.assert_close(at.losses, losses.mean(dim=0))


def test_evolution_strategies_take_the_trajectory_of_phi():
    rule, problem = learned_rate(), Bowl()
    at = estimators.ES().window(rule, problem, 3, start(rule, problem), objectives.uniform, l2l.generator(0))
    torch.testing.assert_close(at, l2l.optimize(rule, problem, 3))


class Judged(Bowl):
    """A bowl whose judge is another one."""

    def held_out(self):
        judge = Bowl()
        judge.h = judge.h.flip(0)
        return judge


def test_held_out_losses_judge_a_rule_that_is_fed_training_gradients():
    rule, problem, estimator = learned_rate(), Judged(), estimators.HeldOutBPTT()
    at = estimator.start(rule, problem)
    at = estimator.window(rule, problem, 3, at, objectives.increasing, l2l.generator(0))
    theta, judge, losses = problem.theta0, problem.held_out(), []
    alpha = torch.tensor(RATE, dtype=torch.float64, requires_grad=True)
    for t in range(3):
        theta = theta - alpha * (problem.h * theta).detach()
        losses.append((t + 1) * judge.loss(theta, t + 1).sum())
    torch.testing.assert_close(rule.lr.grad, torch.autograd.grad(sum(losses), alpha)[0])
    seen = l2l.optimize(rule, problem, 3)
    torch.testing.assert_close(at.theta, seen.theta)
    torch.testing.assert_close(at.losses[-1], judge.loss(seen.theta, 3))
    torch.testing.assert_close(at.losses[0], judge.loss(problem.theta0, 0))


def test_networks_are_judged_by_examples_that_they_do_not_learn_from():
    problem = l2l.FAMILIES["digits8"]().sample(tasks=2, seed=0)
    judge, theta = problem.held_out(), problem.theta0
    assert judge.data.train is problem.data.test
    assert not torch.equal(judge.loss(theta, 0), problem.loss(theta, 0))
    assert torch.equal(judge.theta0, theta)
