"""Backpropagation from held-out losses: a rule is fed training gradients, and judged by other examples."""

from dataclasses import dataclass

import torch

from l2l_lite.objectives import Objective
from l2l_lite.problems.base import Problem
from l2l_lite.rules import UpdateRule
from l2l_lite.trajectory import Trajectory, meta_gradient, start


@dataclass(frozen=True)
class HeldOutBPTT:
    """Truncated backpropagation of the losses on held-out minibatches (after Metz et al., 2019).

    The rule is fed the gradients of training minibatches as ever, and the objective is given held-out losses
    at the same θ_t: a pass through the optimizee more for each step, and one rule that is asked to
    generalise. A problem without a method `held_out` holds nothing out, and is its own judge.
    """

    def start(self, rule: UpdateRule, problem: Problem) -> Trajectory:
        return start(rule, problem)._replace(losses=_judge(problem).loss(problem.theta0, 0)[None])

    def window(
        self,
        rule: UpdateRule,
        problem: Problem,
        steps: int,
        at: Trajectory,
        objective: Objective,
        rng: torch.Generator,
    ) -> Trajectory:
        return meta_gradient(rule, problem, steps, at, objective, _judge(problem))


def _judge(problem: Problem) -> Problem:
    """The same tasks, with the losses that count."""
    held_out: Problem = getattr(problem, "held_out", lambda: problem)()
    return held_out
