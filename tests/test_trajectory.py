"""The meta-gradient is that of the definition, and costs no pass through f that the steps do not cost."""

import math
from functools import partial
from itertools import product

import pytest
import torch
from samples import LEARNED, Counting, Memory, quadratics
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from torch.utils._pytree import tree_leaves

import l2l_lite as l2l
from l2l_lite import objectives
from l2l_lite.problems.quadratic import QuadraticProblem
from l2l_lite.trajectory import Trajectory, detach, sample_coordinates

WINDOWS, STEPS, TASKS = 3, 4, 3
WEIGHTS = torch.rand(STEPS, TASKS, generator=torch.Generator().manual_seed(0)).double()


def unequal(window, so_far):
    """A weight of its own for every time and task, another one in every window."""
    return len(so_far) * (WEIGHTS * window).sum()


OBJECTIVES = {
    "uniform": objectives.uniform,
    "last": objectives.last,
    "increasing": objectives.increasing,
    "log_relative": objectives.log_relative,
    "best_so_far": objectives.best_so_far,
    "unequal weights": unequal,
}


def sampled(one_in):
    """`sampled_meta_gradient` with the arguments of `meta_gradient`."""
    return partial(l2l.sampled_meta_gradient, one_in=one_in, rng=l2l.generator(0))


def gradient(rule: nn.Module) -> Tensor:
    """The meta-gradient as one vector, taken out of the rule."""
    assert all(weight.grad is not None for weight in rule.parameters())
    vector = torch.cat([weight.grad.flatten() for weight in rule.parameters()])
    rule.zero_grad()
    return vector


def by_definition(rule, problem, at, objective, steps=STEPS) -> Trajectory:
    """A window by autograd through the whole unrolled graph; leaves the meta-gradient in the rule."""
    end = l2l.unroll(rule, problem, steps, at)
    objective(end.losses[-steps:], at.losses).backward()
    return Trajectory(end.theta.detach(), detach(end.state), end.losses.detach(), end.grad)


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
@pytest.mark.parametrize("make_rule", LEARNED.values(), ids=LEARNED)
def test_the_identity_equals_autograd_over_carried_windows(make_rule, objective):
    rule, problem = make_rule(), quadratics(TASKS)
    ours = theirs = l2l.start(rule, problem)
    for _ in range(WINDOWS):
        theirs = by_definition(rule, problem, theirs, objective)
        expected = gradient(rule)
        ours = l2l.meta_gradient(rule, problem, STEPS, ours, objective)
        found = gradient(rule)
        assert (found - expected).norm() <= 1e-6 * expected.norm()
        # Where nothing better is found, best_so_far has no gradient.
        assert expected.norm() > 0 or objective is objectives.best_so_far
        torch.testing.assert_close(ours, theirs)
    assert len(ours.losses) == WINDOWS * STEPS + 1


def replayed(rule, problem, grads) -> Tensor:
    """Losses [steps + 1, tasks] of the rule when it is fed the same gradients wherever it goes."""
    theta, state, losses = problem.theta0, rule.init(problem.theta0), []
    for t, grad in enumerate(grads):
        losses.append(problem.loss(theta, t))
        step, state = rule(grad, state, theta)
        theta = theta + step
    return torch.stack([*losses, problem.loss(theta, len(grads))])


def central_difference(rule, value, direction, size=1e-5) -> float:
    """The derivative of value() by φ along a direction."""
    phi = parameters_to_vector(rule.parameters()).detach()
    with torch.no_grad():
        vector_to_parameters(phi + size * direction, rule.parameters())
        above = value()
        vector_to_parameters(phi - size * direction, rule.parameters())
        below = value()
        vector_to_parameters(phi, rule.parameters())
    return float(above - below) / (2 * size)


def directions(rule, count=3):
    size = sum(weight.numel() for weight in rule.parameters())
    return torch.randn(count, size, generator=torch.Generator().manual_seed(1)).double()


@pytest.mark.parametrize("make_rule", LEARNED.values(), ids=LEARNED)
def test_the_identity_equals_finite_differences_with_gradients_held_fixed(make_rule):
    rule, problem = make_rule(), quadratics(TASKS)
    thetas = [l2l.optimize(rule, problem, t).theta for t in range(STEPS)]
    grads = [l2l.value_and_grad(problem, theta, t)[1] for t, theta in enumerate(thetas)]
    at = l2l.start(rule, problem)
    l2l.meta_gradient(rule, problem, STEPS, at, unequal)
    found = gradient(rule)
    for direction in directions(rule):
        value = lambda: unequal(replayed(rule, problem, grads)[1:], at.losses)  # noqa: E731
        expected = central_difference(rule, value, direction)
        assert float(found @ direction) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("make_rule", LEARNED.values(), ids=LEARNED)
def test_second_derivatives_equal_finite_differences_of_the_whole_objective(make_rule):
    rule, problem = make_rule(), quadratics(TASKS)
    at = l2l.start(rule, problem)
    end = l2l.unroll(rule, problem, STEPS, at, second_derivatives=True)
    unequal(end.losses[1:], at.losses).backward()
    found = gradient(rule)
    for direction in directions(rule):
        value = lambda: unequal(l2l.optimize(rule, problem, STEPS).losses[1:], at.losses)  # noqa: E731
        expected = central_difference(rule, value, direction)
        assert float(found @ direction) == pytest.approx(expected, rel=1e-6)
    l2l.meta_gradient(rule, problem, STEPS, at, unequal)
    assert (gradient(rule) - found).norm() > 1e-5 * found.norm()  # the dashed edges matter


def test_the_identity_holds_on_minibatches_of_a_network():
    family = l2l.FAMILIES["digits8"]()
    rule, problem = l2l.LSTMRule((4,)).double(), family.sample(TASKS, seed=0)
    problem.theta0 = problem.theta0.double()
    train = problem.data.train
    problem.data = problem.data._replace(train=train._replace(images=train.images.double()))
    at = l2l.start(rule, problem)
    by_definition(rule, problem, at, unequal)
    expected = gradient(rule)
    l2l.meta_gradient(rule, problem, STEPS, at, unequal)
    assert (gradient(rule) - expected).norm() <= 1e-6 * expected.norm()


@pytest.mark.parametrize("make_rule", LEARNED.values(), ids=LEARNED)
def test_a_window_of_one_step_has_a_meta_gradient(make_rule):
    rule, problem = make_rule(), quadratics()
    l2l.meta_gradient(rule, problem, 1, l2l.start(rule, problem))
    assert gradient(rule).norm() > 0


@pytest.mark.parametrize("preprocess", [l2l.log_and_sign, l2l.identity])
def test_every_weight_receives_a_gradient(preprocess):
    rule, problem = l2l.LSTMRule(preprocess=preprocess), l2l.Quadratic().sample(tasks=4, seed=0)
    l2l.meta_gradient(rule, problem, 20, l2l.start(rule, problem))
    for name, weight in rule.named_parameters():
        assert (weight.grad != 0).all(), name


def test_meta_gradients_add_up_until_they_are_zeroed():
    rule, problem = LEARNED["LSTM"](), quadratics()
    at = l2l.start(rule, problem)
    l2l.meta_gradient(rule, problem, 3, at)
    once = [weight.grad.clone() for weight in rule.parameters()]
    l2l.meta_gradient(rule, problem, 3, at)
    torch.testing.assert_close([w.grad for w in rule.parameters()], [2 * g for g in once])


class Passes(torch.autograd.Function):
    """The identity, which counts how often it is passed backwards."""

    @staticmethod
    def forward(ctx, loss, counter):
        ctx.counter = counter
        return loss.clone()

    @staticmethod
    def backward(ctx, grad):
        ctx.counter["backward"] += 1
        return grad, None


class Counted(QuadraticProblem):
    """A quadratic that counts the passes through it."""

    def loss(self, theta, t=0):
        self.passes["forward"] += 1
        return Passes.apply(super().loss(theta, t), self.passes)


def counted() -> Counted:
    problem = Counted(*vars(quadratics()).values())
    problem.passes = {"forward": 0, "backward": 0}
    return problem


@pytest.mark.parametrize("run", [l2l.meta_gradient, sampled(2)])
@pytest.mark.parametrize("windows", [1, 5])
def test_meta_training_takes_one_pass_each_way_per_update_and_one_more(windows, run):
    rule, problem = LEARNED["LSTM"](), counted()
    at = l2l.start(rule, problem)
    for _ in range(windows):
        at = run(rule, problem, 20 // windows, at)
    assert problem.passes == {"forward": 21, "backward": 21}


def test_a_deployed_rule_takes_one_pass_each_way_per_update_and_one_more():
    problem = counted()
    l2l.optimize(LEARNED["LSTM"](), problem, 20)
    assert problem.passes == {"forward": 21, "backward": 21}


def test_windows_go_on_where_the_last_one_stopped():
    rule, problem = LEARNED["LSTM"](), l2l.FAMILIES["digits8"]().sample(tasks=2, seed=0)
    rule = rule.float()
    whole = l2l.optimize(rule, problem, 7)
    in_parts = l2l.optimize(rule, problem, 4, l2l.optimize(rule, problem, 3))
    trained = l2l.meta_gradient(rule, problem, 7, l2l.start(rule, problem))
    for name, part in whole._asdict().items():
        torch.testing.assert_close(getattr(in_parts, name), part, rtol=0, atol=0)
        torch.testing.assert_close(getattr(trained, name), part, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make_rule", LEARNED.values(), ids=LEARNED)
def test_nothing_of_a_window_reaches_into_the_next(make_rule):
    rule, problem = make_rule(), quadratics()
    end = l2l.meta_gradient(rule, problem, 3, l2l.start(rule, problem))
    tensors = [end.theta, end.losses, end.grad, *tree_leaves(end.state)]
    assert not any(tensor.requires_grad for tensor in tensors)


@pytest.mark.parametrize("run", [l2l.optimize, l2l.unroll, l2l.meta_gradient, sampled(2)])
def test_negative_steps_are_refused(run):
    rule, problem = LEARNED["LSTM"](), quadratics()
    with pytest.raises(ValueError, match="negative number of steps, but steps=-1"):
        run(rule, problem, -1, l2l.start(rule, problem))


@pytest.mark.parametrize("run", [l2l.optimize, l2l.meta_gradient, sampled(2)])
def test_no_steps_stay_at_the_start(run):
    rule, problem = LEARNED["LSTM"](), quadratics()
    torch.testing.assert_close(run(rule, problem, 0, l2l.start(rule, problem)), l2l.start(rule, problem))


class LearnedDecay(l2l.Momentum):
    """Momentum whose first step does not depend on φ, for the velocity starts at zero."""

    def __init__(self):
        super().__init__(lr=0.01)
        self.momentum = nn.Parameter(torch.tensor(0.5, dtype=torch.float64))

    def forward(self, grad, state, theta=None):
        (velocity,) = state
        return -self.lr * (velocity if velocity.any() else grad), (self.momentum * velocity + grad,)


def test_a_step_that_does_not_depend_on_phi_is_left_out():
    rule, problem = LearnedDecay(), quadratics(TASKS)
    at = l2l.start(rule, problem)
    l2l.meta_gradient(rule, problem, 1, at)
    assert rule.momentum.grad is None
    by_definition(rule, problem, at, objectives.uniform)
    expected = gradient(rule)
    l2l.meta_gradient(rule, problem, STEPS, at)
    torch.testing.assert_close(gradient(rule), expected)


# A sample of the coordinates


@pytest.mark.parametrize("objective", [objectives.uniform, unequal], ids=["uniform", "unequal"])
@pytest.mark.parametrize("name", [*(name for name in LEARNED if LEARNED[name]().coordinatewise), "pair"])
@pytest.mark.parametrize("one_in", [2, 3])
def test_the_mean_over_all_samples_is_the_whole_meta_gradient(monkeypatch, name, objective, one_in):
    groups = {"even": torch.tensor([0, 2, 4]), "odd": torch.tensor([3, 1])}
    pair = {"even": LEARNED["LSTM"](), "odd": l2l.LSTMRule((3,), seed=2).double()}
    rule = l2l.Partitioned(pair, groups) if name == "pair" else LEARNED[name]()
    problem = quadratics(TASKS)  # five coordinates
    at = l2l.optimize(rule, problem, 3)
    l2l.meta_gradient(rule, problem, STEPS, at, objective)
    expected = gradient(rule)
    sizes = [min(one_in, 5 - first) for first in range(0, 5, one_in)]
    found = []
    for places in product(*map(range, sizes)):
        draw = torch.tensor(places) / torch.tensor(sizes) + 0.01
        monkeypatch.setattr(torch, "rand", lambda *_, draw=draw, **__: draw)
        end = l2l.sampled_meta_gradient(rule, problem, STEPS, at, objective, one_in=one_in, rng=None)
        found.append(gradient(rule) if any(w.grad is not None for w in rule.parameters()) else 0)
    assert len(found) == math.prod(sizes)
    mean = sum(found) / len(found)
    assert (mean - expected).norm() <= 1e-6 * expected.norm()
    assert max((one - expected).norm() for one in found) > 1e-3 * expected.norm()  # samples do differ
    torch.testing.assert_close(end, l2l.meta_gradient(rule, problem, STEPS, at, objective))


def test_every_coordinate_is_drawn_as_often_as_its_weight_says():
    counts, rng = torch.zeros(11), l2l.generator(0)
    for _ in range(3000):
        index, weight = sample_coordinates(11, 4, rng)
        assert torch.equal(index // 4, torch.arange(3))
        assert weight.tolist() == [4, 4, 3]
        counts[index] += weight
    torch.testing.assert_close(counts / 3000, torch.ones(11), atol=0.1, rtol=0)


def test_a_sample_of_all_is_all():
    rule, problem = LEARNED["LSTM"](), quadratics(TASKS)
    at = l2l.start(rule, problem)
    l2l.meta_gradient(rule, problem, STEPS, at)
    expected = gradient(rule)
    sampled(1)(rule, problem, STEPS, at)
    torch.testing.assert_close(gradient(rule), expected)


def test_coordinates_that_share_information_cannot_be_sampled():
    rule, problem = LEARNED["LSTM"](), quadratics()
    rule.coordinatewise = False
    with pytest.raises(ValueError, match="LSTMRule shares information between coordinates"):
        sampled(2)(rule, problem, 1, l2l.start(rule, problem))


# States of any form


def test_states_are_trees_of_any_form():
    rule, problem = Counting(nn.Parameter(torch.tensor(0.01, dtype=torch.float64))), quadratics(TASKS)
    at = l2l.meta_gradient(rule, problem, STEPS, l2l.start(rule, problem))
    assert isinstance(at.state, Memory)
    assert (at.state.rest["steps"], int(at.state.rest["seen"])) == (STEPS, STEPS)
    assert not at.state.mean.requires_grad
    expected = gradient(rule)
    sampled(1)(rule, problem, STEPS, l2l.start(rule, problem))
    torch.testing.assert_close(gradient(rule), expected)
