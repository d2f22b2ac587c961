"""The study of inputs: every rule is trained and tested, and losses are compared as it says."""

from dataclasses import replace

import pytest
import torch

import l2l_lite as l2l
from l2l_lite.seeds import Role, task_seed
from l2l_lite.studies import inputs as study

TINY = {"unroll_length": 2, "validate_every": 1, "validation_tasks": 1, "validation_steps": 4}


@pytest.fixture
def tiny(monkeypatch):
    """Few steps, few tasks, one meta-seed and two tests."""
    monkeypatch.setattr(study, "SETTINGS", study.SETTINGS | TINY)
    stage = ({"trajectories": 2, "steps": 4},)
    rules = {label: replace(trial, stages=stage) for label, trial in study.RULES.items()}
    monkeypatch.setattr(study, "RULES", rules)
    monkeypatch.setattr(study, "TASKS", 3)
    monkeypatch.setattr(study, "SEEDS", (0,))
    monkeypatch.setattr(study, "TESTS", {name: (make, 12) for name, (make, _) in study.TESTS.items()})


def test_every_rule_is_measured_on_every_test(tiny):
    found = study.measure()
    assert set(found["ratios"]) == set(found["diverged"]) == set(study.RULES)
    for label, tests in found["ratios"].items():
        assert set(tests) == set(study.TESTS) == set(found["best"])
        for test, (value, low, high) in ((test, each["0"]) for test, each in tests.items()):
            assert 0 < low <= value <= high
            assert 0 <= found["diverged"][label][test]["0"] <= found["tasks"]
    assert set(found["with over without"]) == set(study.WITHOUT) == set(study.RULES) - {"gradient"}


def test_a_run_that_ends_above_twice_its_start_or_nowhere_has_diverged(tiny):
    for rate in (-3.0, torch.nan):
        losses, diverged = study.ends(l2l.GradientDescent(rate), "as trained")
        assert diverged.all()
        assert (losses <= study.WORST).all()
    losses, diverged = study.ends(l2l.GradientDescent(0.0), "as trained")
    assert not diverged.any()
    assert (losses < 3).all()


def test_every_rule_is_meta_trained_for_as_many_windows():
    for trial in study.RULES.values():
        windows = [stage["trajectories"] * stage["steps"] / 20 for stage in trial.stages]
        assert sum(windows) == 250


def test_the_best_rival_has_the_lowest_loss_on_tasks_for_tuning(tiny):
    name, tuned = study.rival(study.network(), 12)
    assert name in l2l.BASELINES
    problem = study.network().sample(study.TUNING_TASKS, task_seed(Role.TUNING))
    others = [l2l.tune(make, problem, steps=12)["final"].values.min() for make in (l2l.Adam, l2l.RMSProp)]
    assert tuned.values.min() <= min(others)
    reached = l2l.final_loss(l2l.optimize(tuned.rule, problem, 12).losses).mean()
    assert float(reached) == pytest.approx(float(tuned.values.min()))


def test_a_nominal_step_is_that_of_adam_with_decay():
    rule, theta, grad = (
        study.Nominal(0.1, decay=0.5),
        torch.tensor([[2.0, -4.0]]),
        torch.tensor([[3.0, -1.0]]),
    )
    step, _ = rule(grad, rule.init(theta), theta)
    torch.testing.assert_close(step, -0.1 * (grad.sign() + 0.5 * theta))
    zero = torch.zeros_like(theta).requires_grad_()
    step, _ = rule(zero, rule.init(theta), theta)
    (slope,) = torch.autograd.grad(step.sum(), zero)
    assert slope.isfinite().all()


def test_a_hand_made_step_is_added_to_the_learned_one():
    rule, theta, grad = study.with_nominal(0), torch.ones(1, 3), torch.ones(1, 3)
    step, _ = rule(grad, rule.init(theta), theta)
    learned, _ = rule.learned(grad, rule.learned.init(theta), theta)
    torch.testing.assert_close(step - learned, torch.full((1, 3), -3e-3 * 1.1), rtol=1e-4, atol=1e-7)
