"""Each hand-made rule is its counterpart in torch.optim."""

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import ALL_RULES, COUNTERPARTS, HAND_MADE, quadratics
from torch import nn

import l2l_lite as l2l


def by_torch(name, problem, lr, steps):
    theta = problem.theta0.clone().requires_grad_()
    optimizer = COUNTERPARTS[name]([theta], lr)
    for t in range(steps):
        optimizer.zero_grad()
        problem.loss(theta, t).sum().backward()
        optimizer.step()
    return theta.detach()


@pytest.mark.parametrize("name", HAND_MADE)
@settings(max_examples=15)
@given(lr=st.floats(1e-4, 0.03), seed=st.integers(0, 1000))
def test_equals_its_counterpart_in_torch_optim(name, lr, seed):
    problem = quadratics(seed=seed)
    ours = l2l.optimize(HAND_MADE[name](lr), problem, steps=20).theta
    torch.testing.assert_close(ours, by_torch(name, problem, lr, 20), rtol=1e-9, atol=1e-12)


def test_defaults_are_those_of_torch_optim():
    problem = quadratics()
    ours = l2l.optimize(l2l.Adam(), problem, steps=20).theta
    torch.testing.assert_close(ours, by_torch("Adam", problem, 1e-3, 20), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ALL_RULES)
@pytest.mark.parametrize("shape", [(), (7,), (2, 3), (2, 3, 4)])
def test_steps_have_the_shape_of_theta(name, shape):
    rule, theta = ALL_RULES[name](), torch.randn(shape)
    state = rule.init(theta)
    for _ in range(3):
        step, state = rule(torch.ones(shape), state, theta)
        assert step.shape == shape
        assert step.isfinite().all()


@pytest.mark.parametrize("name", ALL_RULES)
def test_all_memory_is_in_the_state(name):
    rule, theta = ALL_RULES[name](), torch.zeros(4)
    grads = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    first, state = rule(grads[0], rule.init(theta), theta)
    rule(grads[1], state, theta)  # must change neither the rule nor the state
    again, state_again = rule(grads[0], rule.init(theta), theta)
    assert torch.equal(first, again)
    assert torch.equal(rule(grads[2], state, theta)[0], rule(grads[2], state_again, theta)[0])


@pytest.mark.parametrize("name", HAND_MADE)
def test_a_zero_gradient_at_the_start_moves_nothing(name):
    theta = torch.zeros(4)
    rule = HAND_MADE[name](lr=0.1)
    assert torch.equal(rule(theta, rule.init(theta), theta)[0], theta)


@pytest.mark.parametrize("name", HAND_MADE)
def test_a_learning_rate_can_be_learned(name):
    rule = HAND_MADE[name](nn.Parameter(torch.tensor(0.01, dtype=torch.float64)))
    problem = quadratics()
    l2l.meta_gradient(rule, problem, 3, l2l.start(rule, problem))
    assert list(rule.state_dict()) == ["lr"]
    assert rule.lr.grad.isfinite()
    assert rule.lr.grad < 0  # a larger rate than so small a one lowers the losses


def test_a_rule_without_forward_is_refused():
    with pytest.raises(NotImplementedError):
        l2l.UpdateRule()(torch.zeros(1), ())


each_rule = pytest.mark.parametrize("make_rule", ALL_RULES.values(), ids=ALL_RULES)
COORDINATEWISE = {name: make for name, make in ALL_RULES.items() if make().coordinatewise}
each_coordinatewise_rule = pytest.mark.parametrize("make_rule", COORDINATEWISE.values(), ids=COORDINATEWISE)


def steps_of(rule, thetas, grads, state=None):
    """The steps for gradients [steps, tasks, dim], and the state after them."""
    state, steps = rule.init(thetas[0]) if state is None else state, []
    for theta, grad in zip(thetas, grads, strict=True):
        step, state = rule(grad, state, theta)
        steps.append(step.detach())
    return torch.stack(steps), state


def walk(steps=4, tasks=2, dim=7):
    return torch.randn(2, steps, tasks, dim, generator=torch.Generator().manual_seed(0))


@each_rule
def test_a_rule_does_not_see_the_order_of_coordinates_or_tasks(make_rule):
    rule, (thetas, grads) = make_rule(), walk()
    order, tasks = torch.tensor([3, 1, 6, 0, 2, 5, 4]), [1, 0]
    steps, _ = steps_of(rule, thetas, grads)
    permuted, _ = steps_of(rule, thetas[:, tasks][..., order], grads[:, tasks][..., order])
    torch.testing.assert_close(permuted, steps[:, tasks][..., order])


def test_rules_that_share_say_so():
    assert set(ALL_RULES) - set(COORDINATEWISE) == {
        "AveragingLSTM",
        "Fading",
        "MLPRule",
        "NTMBFGS",
        "ScaleFree",
    }


@each_coordinatewise_rule
def test_some_coordinates_alone_go_on_as_they_do_among_all(make_rule):
    rule, (thetas, grads), index = make_rule(), walk(), torch.tensor([0, 2, 5])
    _, state = steps_of(rule, thetas[:2], grads[:2])
    steps, _ = steps_of(rule, thetas[2:], grads[2:], state)
    part, memory = rule.select(index, state)
    alone, _ = steps_of(part, thetas[2:, :, index], grads[2:, :, index], memory)
    torch.testing.assert_close(alone, steps[..., index])


@each_rule
def test_a_rule_is_known_by_its_repr(make_rule):
    assert repr(make_rule()) == repr(make_rule())
    assert " at 0x" not in repr(make_rule())


def test_settings_of_a_rule_stand_in_its_repr():
    different = [
        l2l.Adam(0.1),
        l2l.Adam(0.2),
        l2l.Adam(0.1, eps=1e-4),
        l2l.LSTMRule(),
        l2l.LSTMRule(scale=0.2),
    ]
    different += [l2l.LSTMRule(preprocess=partial(l2l.log_and_sign, p=p)) for p in (5.0, 10.0)]
    assert len({repr(rule) for rule in different}) == len(different)


@each_rule
def test_a_rule_leaves_the_global_generator_alone(make_rule):
    before = torch.get_rng_state()
    steps_of(make_rule(), *walk())
    assert torch.equal(torch.get_rng_state(), before)


@each_rule
def test_tiny_and_huge_gradients_have_finite_steps(make_rule):
    grads = torch.tensor([0.0, 1e-30, -1e-8, 1.0, -1e6]).expand(20, 1, 5)
    steps, _ = steps_of(make_rule(), torch.zeros(20, 1, 5), grads)
    assert steps.isfinite().all()
