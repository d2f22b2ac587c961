"""What lasts: the memory of many trajectories, and the shipped rules over many steps."""

import os
from pathlib import Path

import pytest
import torch

import l2l_lite as l2l

STATUS = Path("/proc/self/status")
weekly = pytest.mark.skipif("L2L_WEEKLY" not in os.environ, reason="takes minutes: for the weekly workflow")


class Weighed(l2l.Quadratic):
    """Quadratics that note how much memory the process holds, in kB, whenever tasks are drawn."""

    held: list[int]

    def sample(self, tasks, seed, device="cpu"):
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmRSS"))
        self.held.append(int(line.split()[1]))
        return super().sample(tasks, seed, device)


@pytest.mark.skipif(not STATUS.exists(), reason="reads what Linux says of a process")
@pytest.mark.parametrize("trajectories", [20, pytest.param(1000, marks=weekly)])
def test_memory_stays_what_it_was_after_a_tenth_of_the_trajectories(trajectories):
    family = Weighed()
    family.held = []
    l2l.meta_train(
        l2l.LSTMRule(), family, trajectories=trajectories, steps=40, tasks=64, validate_every=trajectories
    )
    _, *held = family.held  # the first is for validation
    early, late = held[trajectories // 10], held[-1]
    print(f"{early} kB after {trajectories // 10} trajectories, {late} kB after {trajectories}")
    assert late < 1.05 * early


@pytest.mark.parametrize("steps", [20, pytest.param(10_000, marks=weekly)])
@pytest.mark.parametrize("family", ["quadratic", "mnist"])
@pytest.mark.parametrize("name", l2l.zoo.names())
def test_a_shipped_rule_stays_finite(name, family, steps):
    problem = l2l.FAMILIES[family]().sample(1, seed=0)
    rule = l2l.zoo.load(name).on({"dense": torch.arange(problem.theta0.shape[1])})
    at = l2l.start(rule, problem)
    while len(at.losses) <= steps:
        at = l2l.optimize(rule, problem, min(100, steps), at)
        assert at.losses.isfinite().all(), len(at.losses)
    assert at.theta.isfinite().all()
    last = at.losses[-max(1, steps // 100) :].mean().item()
    print(f"{name} on {family}: from {at.losses[0].item():.3g} to {last:.3g} after {steps} steps")
