"""A rule that is asked gives the answers that are known for hand-made ones."""

import pytest
import torch

import l2l_lite as l2l
from l2l_lite.anatomy import replay, response

RULES = [l2l.GradientDescent(0.1), l2l.Momentum(0.1), l2l.Adam(0.1), l2l.LSTMRule()]


@pytest.fixture
def grads() -> torch.Tensor:
    return torch.randn(12, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("rule", RULES)
def test_replay_repeats_the_trajectory(rule: l2l.UpdateRule) -> None:
    problem = l2l.Quadratic().sample(tasks=3, seed=1)
    at, seen = l2l.start(rule, problem), []
    for _ in range(6):
        seen.append(at.grad)
        at = l2l.optimize(rule, problem, 1, at)
    moved = replay(rule, torch.stack(seen)).sum(dim=0)
    torch.testing.assert_close(problem.theta0 + moved, at.theta)


@pytest.mark.parametrize("rule", RULES)
def test_response_to_what_comes_is_the_step(rule: l2l.UpdateRule, grads: torch.Tensor) -> None:
    for t in (0, 1, 11):
        answers = response(rule, grads[:t], grads[t])
        torch.testing.assert_close(answers.diagonal(), replay(rule, grads)[t])


def test_response_of_momentum_is_a_line(grads: torch.Tensor) -> None:
    candidates = torch.tensor([-2.0, 0.0, 1.0])
    expected = -0.1 * candidates + response(l2l.Momentum(0.1), grads, torch.zeros(1))
    torch.testing.assert_close(response(l2l.Momentum(0.1), grads, candidates), expected)


def test_first_response_of_adam_is_a_sign() -> None:
    answers = response(l2l.Adam(0.1), torch.zeros(0, 2), torch.tensor([-3.0, 1e-3]))
    torch.testing.assert_close(answers, torch.tensor([[0.1, -0.1]] * 2), rtol=1e-4, atol=0)
