"""The checks of the chapter on update rules know the answers, the stubs and the likeliest mistakes."""

import pytest
import torch

import l2l_lite as l2l
from l2l_lite.checks import update_rules as check


def adagrad(grad, state, lr=0.1, eps=1e-10):
    total = state[0] + grad**2
    return -lr * grad / (total.sqrt() + eps), (total,)


def decaying(grad, state):
    mean = 0.99 * state[0] + 0.01 * grad**2
    return -0.1 * grad / (mean.sqrt() + 1e-10), (mean,)


def forgetful(grad, state):
    return adagrad(grad, state)[0], state


def uphill(grad, state):
    step, state = adagrad(grad, state)
    return -step, state


class Secant(l2l.UpdateRule):
    """Barzilai and Borwein's learning rate, the smallest of the last three."""

    def init(self, theta):
        estimates = torch.full_like(theta[..., :3], torch.inf)
        return torch.zeros_like(theta), torch.zeros_like(theta), estimates

    def forward(self, grad, state, theta=None):
        step, last_grad, estimates = state
        change = grad - last_grad
        lr = (step * change).sum(-1, keepdim=True) / change.square().sum(-1, keepdim=True)
        lr = torch.where(lr > 0, lr, 0.01)
        estimates = torch.cat([estimates[..., 1:], lr], dim=-1)
        step = -estimates.amin(-1, keepdim=True) * grad
        return step, (step, grad, estimates)


CASES = [
    (check.stride, 1.0, 0.1, "first step"),
    (check.stride, -1, 10, "learning rate still multiplies"),
    (check.stride, 1.0, "far", "one number"),
    (check.first_step_without_correction, 0.1 / 0.001**0.5, 0.1, "mean of squares"),
    (check.first_step_without_correction, 3.16, 1, "with the corrections"),
    (check.first_step_without_correction, 3.16, 100, "root"),
    (check.adagrad, adagrad, decaying, "RMSProp's steps"),
    (check.adagrad, adagrad, forgetful, "new state"),
    (check.adagrad, adagrad, uphill, "sign"),
    (check.adagrad, adagrad, lambda grad, state: (0.1 * state[0] + grad, state), "first step"),
    (check.adagrad, adagrad, lambda grad, state: grad.nothing, "AttributeError"),
    (check.rotation, "c", "a", "its own size"),
    (check.rotation, "C ", "d", "along a coordinate"),
    (check.own_rule, Secant(), check.BASELINE, "luck"),
    (check.own_rule, Secant(), l2l.Adam(), "flattest"),
    (check.own_rule, Secant(), l2l.GradientDescent(0.1), "diverges"),
    (check.own_rule, Secant(), Secant, "brackets"),
]

STUBS = {check.adagrad: (lambda grad, state: None, lambda grad, state: ...)}


@pytest.mark.parametrize(("ask", "solution", "mistake", "reason"), CASES)
def test_check(ask, solution, mistake, reason, capsys):
    ask(solution)
    assert capsys.readouterr().out.startswith("✓")
    for stub in STUBS.get(ask, (None, ...)):
        ask(stub)
        assert capsys.readouterr().out.startswith("not answered yet: ")
    ask(mistake)
    said = capsys.readouterr().out
    assert said.startswith("✗")
    assert reason in said


def test_the_baseline_is_what_tuning_finds():
    tuned = l2l.tune(l2l.BASELINES["Nesterov"], l2l.Quadratic().sample(tasks=256, seed=1))
    best = tuned["final"].rule
    assert best.lr == pytest.approx(check.BASELINE.lr)
    assert best.momentum == check.BASELINE.momentum
