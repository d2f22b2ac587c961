"""The checks of the chapter on update rules know the answers, the stubs and the likeliest mistakes."""

import pytest
import torch
from answers import RIGHT, WAITING, stub, table

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
    (check.stride, 1.0, RIGHT),
    (check.stride, None, WAITING),
    (check.stride, ..., WAITING),
    (check.stride, 0.1, "first step"),
    (check.stride, -1, RIGHT),
    (check.stride, 0.19, "second step"),
    (check.stride, 0.09, "adds to the gradient"),
    (check.stride, 10, "learning rate still multiplies"),
    (check.stride, "far", "one number"),
    (check.first_step_without_correction, 0.1 / 0.001**0.5, RIGHT),
    (check.first_step_without_correction, None, WAITING),
    (check.first_step_without_correction, ..., WAITING),
    (check.first_step_without_correction, 0.1, "mean of squares"),
    (check.first_step_without_correction, 3.16, RIGHT),
    (check.first_step_without_correction, 1, "with the corrections"),
    (check.first_step_without_correction, 100, "root"),
    (check.first_step_without_correction, 0.316, "wrong way round"),
    (check.adagrad, adagrad, RIGHT),
    (check.adagrad, stub, WAITING),
    (check.adagrad, lambda grad, state: ..., WAITING),
    (check.adagrad, decaying, "RMSProp's steps"),
    (check.adagrad, forgetful, "new state"),
    (check.adagrad, uphill, "sign"),
    (check.adagrad, lambda grad, state: (0.1 * state[0] + grad, state), "first step"),
    (check.adagrad, lambda grad, state: grad.nothing, "AttributeError"),
    (check.rotation, "c", RIGHT),
    (check.rotation, None, WAITING),
    (check.rotation, ..., WAITING),
    (check.rotation, "a", "its own size"),
    (check.rotation, "b", "Gradients rotate"),
    (check.rotation, "C ", RIGHT),
    (check.rotation, "d", "along a coordinate"),
    (check.own_rule, Secant(), RIGHT),
    (check.own_rule, None, WAITING),
    (check.own_rule, ..., WAITING),
    (check.own_rule, check.BASELINE, "luck"),
    (check.own_rule, l2l.Adam(), "flattest"),
    (check.own_rule, l2l.GradientDescent(0.1), "diverges"),
    (check.own_rule, Secant, "brackets"),
]

test_answers = table(CASES)


def test_the_baseline_is_what_tuning_finds():
    tuned = l2l.tune(l2l.BASELINES["Nesterov"], l2l.Quadratic().sample(tasks=256, seed=1))
    best = tuned["final"].rule
    assert best.lr == pytest.approx(check.BASELINE.lr)
    assert best.momentum == check.BASELINE.momentum


def test_only_division_by_coordinate_notices_a_rotation():
    changes = check._turned()
    assert max(changes["GradientDescent"], changes["Momentum"]) < 1e-3
    assert min(changes["RMSProp"], changes["Adam"]) > 0.05
