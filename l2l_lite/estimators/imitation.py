"""Backpropagation of a rule's own runs, mixed with runs of Adam that it is to follow."""

from dataclasses import dataclass

import torch
from torch import Tensor

from l2l_lite.estimators.truncated_bptt import TruncatedBPTT
from l2l_lite.objectives import Objective
from l2l_lite.problems.base import Problem
from l2l_lite.rules import Adam, UpdateRule
from l2l_lite.trajectory import Trajectory, detach, start, value_and_grad


@dataclass(frozen=True)
class Imitation:
    """In a `share` of the windows, drawn at random, Adam steps with the rate `lr` and the rule looks on.

    There φ gets the gradient of Σ_t ‖g_t - a_t‖² / ‖a_t‖², mean over tasks, where a_t is Adam's step and g_t
    what the rule would have done (after Chen et al., 2020, who imitate several hand-made rules). Adam begins
    anew in each such window, and the rule's state goes on. All other windows are those of `TruncatedBPTT`.
    """

    share: float = 0.5
    lr: float = 0.01

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must be from 0 to 1, but share={self.share}")

    def start(self, rule: UpdateRule, problem: Problem) -> Trajectory:
        return start(rule, problem)

    def window(
        self,
        rule: UpdateRule,
        problem: Problem,
        steps: int,
        at: Trajectory,
        objective: Objective,
        rng: torch.Generator,
    ) -> Trajectory:
        if torch.rand((), generator=rng) < self.share:
            return follow(Adam(self.lr), rule, problem, steps, at)
        return TruncatedBPTT().window(rule, problem, steps, at, objective, rng)


@torch.enable_grad()
def follow(teacher: UpdateRule, rule: UpdateRule, problem: Problem, steps: int, at: Trajectory) -> Trajectory:
    """Add the gradient of how far a rule is from a teacher's steps to φ's `.grad`; where the teacher led."""
    theta, state, losses, grad = at
    taught, so_far, off = teacher.init(theta), [losses], torch.zeros_like(losses[0])
    for t in range(len(losses), len(losses) + steps):
        step, state = rule(grad, state, theta)
        right, taught = teacher(grad, taught, theta)
        off = off + _squared(step - right) / _squared(right).clamp_min(1e-12)
        theta = theta + right
        loss, grad = value_and_grad(problem, theta, t)
        so_far.append(loss[None])
    if off.requires_grad:
        off.mean().backward()
    return Trajectory(theta, detach(state), torch.cat(so_far), grad)


def _squared(step: Tensor) -> Tensor:
    """The squared length of each task's step, [tasks]."""
    return step.square().sum(dim=-1)
