"""Each hand-made rule is its counterpart in torch.optim."""

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
@settings(max_examples=15, deadline=None)
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
        step, state = rule(torch.ones(shape), state)
        assert step.shape == shape
        assert step.isfinite().all()


@pytest.mark.parametrize("name", ALL_RULES)
def test_all_memory_is_in_the_state(name):
    rule, theta = ALL_RULES[name](), torch.zeros(4)
    grads = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    first, state = rule(grads[0], rule.init(theta))
    rule(grads[1], state)  # must change neither the rule nor the state
    again, state_again = rule(grads[0], rule.init(theta))
    assert torch.equal(first, again)
    assert torch.equal(rule(grads[2], state)[0], rule(grads[2], state_again)[0])


@pytest.mark.parametrize("name", HAND_MADE)
def test_a_zero_gradient_at_the_start_moves_nothing(name):
    theta = torch.zeros(4)
    rule = HAND_MADE[name](lr=0.1)
    assert torch.equal(rule(theta, rule.init(theta))[0], theta)


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
