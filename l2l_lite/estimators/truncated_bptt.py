"""Truncated backpropagation through time, with the paper's simplification or without it."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from l2l_lite.objectives import Objective
from l2l_lite.problems.base import Problem
from l2l_lite.rules import State, UpdateRule
from l2l_lite.trajectory import (
    Trajectory,
    detach,
    meta_gradient,
    meta_gradient_of,
    sample_coordinates,
    start,
    unroll,
)

Sample = tuple[()] | tuple[Tensor, Tensor]  # coordinates, and how many each stands for


@dataclass(frozen=True)
class TruncatedBPTT:
    """Backpropagation within each window, blind beyond its end.

    As in the paper, the gradients that a rule is fed count as constants, ∂∇_t/∂φ = 0. With
    `second_derivatives` they do not, so that a window's meta-gradient is exact, for more time and for
    the memory of the whole graph. With `one_in` above 1, a random one in so many coordinates is
    backpropagated, which costs a fraction of both; see `meta_gradient_of`. Raises ValueError for both
    together.
    With `clip_each` every task's own gradient is clipped to that norm before their mean is taken, so that
    one task whose gradient explodes does not outweigh all others.
    """

    one_in: int = 1
    second_derivatives: bool = False
    clip_each: float | None = None

    def __post_init__(self) -> None:
        if self.one_in < 1:
            raise ValueError(f"one_in must be at least 1, but one_in={self.one_in}")
        if self.clip_each is not None and not (self.clip_each > 0 and self.second_derivatives):
            raise ValueError(
                f"clip_each must be positive, and needs second_derivatives=True, but it is {self.clip_each}"
            )
        if self.one_in > 1 and self.second_derivatives:
            raise ValueError(
                "second derivatives tie coordinates together, so that none can be left out; use one_in=1"
            )

    def start(self, rule: UpdateRule, problem: Problem) -> Trajectory:
        return start(rule if self.clip_each is None else EachItsOwn(rule, len(problem.theta0)), problem)

    def window(
        self,
        rule: UpdateRule,
        problem: Problem,
        steps: int,
        at: Trajectory,
        objective: Objective,
        rng: torch.Generator,
    ) -> Trajectory:
        return self.gradient(rule, problem, steps, at, objective, self.draw(at, rng))

    def draw(self, at: Trajectory, rng: torch.Generator) -> Sample:
        """What a window draws: the coordinates that are backpropagated, and nothing where all of them are."""
        if self.one_in == 1:
            return ()
        index, weight = sample_coordinates(at.theta.shape[1], self.one_in, rng)
        return index.to(at.theta.device), weight.to(at.theta.device)

    def gradient(
        self,
        rule: UpdateRule,
        problem: Problem,
        steps: int,
        at: Trajectory,
        objective: Objective,
        sample: Sample,
    ) -> Trajectory:
        """`window` for a sample that is drawn."""
        if self.clip_each is not None:
            every = EachItsOwn(rule, len(at.theta))
            at = _exact(every, problem, steps, at, objective)
            every.average(rule, self.clip_each)
            return at
        if self.second_derivatives:
            return _exact(rule, problem, steps, at, objective)
        if sample:
            return meta_gradient_of(sample, rule, problem, steps, at, objective)
        return meta_gradient(rule, problem, steps, at, objective)


class EachItsOwn(UpdateRule):
    """A copy of φ for every task, so that each task has a gradient of its own."""

    def __init__(self, rule: UpdateRule, tasks: int):
        super().__init__()
        self._rule = [rule]  # in a list, so that its φ is not this module's
        self._copies = {
            name: weight.detach().expand(tasks, *weight.shape).requires_grad_()
            for name, weight in rule.named_parameters()
            if weight.requires_grad  # a frozen one stays that of the rule
        }

    def init(self, theta: Tensor) -> State:
        return vmap(lambda row: self._rule[0].init(row[None]))(theta)

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        def one(phi: dict[str, Tensor], grad: Tensor, state: State, *theta: Tensor) -> tuple[Tensor, State]:
            rows = grad[None], state, *(row[None] for row in theta)
            step, state = functional_call(self._rule[0], phi, rows)
            return step[0], state

        return vmap(one)(self._copies, grad, state, *(() if theta is None else (theta,)))

    def average(self, rule: UpdateRule, clip: float) -> None:
        """Add the mean of all tasks' gradients, each clipped, to the `.grad` of φ."""
        grads = {name: copy.grad for name, copy in self._copies.items() if copy.grad is not None}
        if not grads:  # no step of the window depends on φ
            return
        # The objective is a mean over tasks, so that each has this share of its gradient here.
        tasks = len(next(iter(grads.values())))
        parts = [grad.reshape(tasks, -1).norm(dim=1) for grad in grads.values()]
        norms = tasks * torch.stack(parts).norm(dim=0)
        weights = (clip / norms).clamp(max=1)
        for name, weight in rule.named_parameters():
            if name in grads:
                mean = torch.tensordot(weights, grads[name], 1)
                weight.grad = mean if weight.grad is None else weight.grad + mean


def _exact(
    rule: UpdateRule, problem: Problem, steps: int, at: Trajectory, objective: Objective
) -> Trajectory:
    """Add the gradient through all of the unrolled graph to φ's `.grad`; the trajectory, detached."""
    end = unroll(rule, problem, steps, at, second_derivatives=True)
    value = objective(end.losses[len(at.losses) :], at.losses)
    if value.requires_grad:  # else no step of the window depends on φ
        value.backward()
    return Trajectory(*(detach(part) for part in end))
