"""Use a rule on a problem, and differentiate through what it did."""

from typing import NamedTuple

import torch
from torch import Tensor

from l2l_lite.objectives import Objective, uniform
from l2l_lite.problems.base import Problem
from l2l_lite.rules import State, UpdateRule


class Trajectory(NamedTuple):
    """What a rule did on a problem so far, and all that is needed to go on."""

    theta: Tensor  # [tasks, dim]
    state: State
    losses: Tensor  # [steps + 1, tasks]
    grad: Tensor  # [tasks, dim], at theta


def start(rule: UpdateRule, problem: Problem) -> Trajectory:
    """The trajectory of no steps: θ0, its loss and gradient, and the rule's initial state."""
    theta = problem.theta0
    loss, grad = value_and_grad(problem, theta, 0)
    if theta.dim() != 2 or loss.shape != theta.shape[:1]:
        raise ValueError(
            f"theta0 must be [tasks, dim] and its loss [tasks], "
            f"but they are {list(theta.shape)} and {list(loss.shape)}"
        )
    return Trajectory(theta, rule.init(theta), loss[None], grad)


@torch.enable_grad()
def value_and_grad(problem: Problem, theta: Tensor, t: int) -> tuple[Tensor, Tensor]:
    """Loss [tasks] and gradient [tasks, dim] at step t: one forward and one backward pass of f."""
    theta = theta.detach().requires_grad_()
    loss = problem.loss(theta, t)
    # Sum, not mean: each task must see its own gradient.
    (grad,) = torch.autograd.grad(loss.sum(), theta)
    return loss.detach(), grad


@torch.no_grad()
def optimize(rule: UpdateRule, problem: Problem, steps: int, at: Trajectory | None = None) -> Trajectory:
    """`steps` updates of every task by the rule, from θ0 or from where a trajectory stands."""
    theta, state, losses, grad = at or start(rule, problem)
    history = list(losses)
    for t in _times(losses, steps):
        step, state = rule(grad, state)
        theta = theta + step
        loss, grad = value_and_grad(problem, theta, t)
        history.append(loss)
    return Trajectory(theta, state, torch.stack(history), grad)


@torch.enable_grad()
def unroll(
    rule: UpdateRule,
    problem: Problem,
    steps: int,
    at: Trajectory | None = None,
    *,
    second_derivatives: bool = False,
) -> Trajectory:
    """The same as `optimize`, with a graph from the losses back to φ through every step.

    Without `second_derivatives` the gradients that the rule is fed are constants: the paper's
    ∂∇_t/∂φ = 0, the dashed edges of its figure 2.
    """
    theta, state, losses, grad = at or start(rule, problem)
    theta = theta.detach().requires_grad_()
    history = list(losses)
    for t in _times(losses, steps):
        step, state = rule(grad, state)
        theta = theta + step
        loss = problem.loss(theta, t)
        (grad,) = torch.autograd.grad(loss.sum(), theta, retain_graph=True, create_graph=second_derivatives)
        history.append(loss)
    return Trajectory(theta, state, torch.stack(history), grad)


@torch.enable_grad()
def meta_gradient(
    rule: UpdateRule,
    problem: Problem,
    steps: int,
    at: Trajectory,
    objective: Objective = uniform,
) -> Trajectory:
    """Add d objective / dφ over a window of `steps` to the `.grad` of φ; return the trajectory, detached.

    With ∂∇_t/∂φ = 0 and θ_{t+1} = θ_t + g_t, the objective's derivative by the step g_t is
    s_t = Σ_{r>t} w_r ∇f(θ_r): sums of gradients that the rule is fed anyway. So f is differentiated
    once a step, outside the graph, which holds the rule alone. `unroll` is the definition.
    """
    theta, state, losses, grad = at
    moves, window, grads = [], [losses[-1]], []
    for t in _times(losses, steps):
        step, state = rule(grad, state)
        theta = theta + step.detach()
        loss, grad = value_and_grad(problem, theta, t)
        moves.append(step)
        window.append(loss)
        grads.append(grad)
    values = torch.stack(window).requires_grad_()
    (w,) = torch.autograd.grad(objective(values, losses), values)  # [steps + 1, tasks]
    weighted = w[1:, :, None] * torch.stack(grads)
    s = weighted.flip(0).cumsum(0).flip(0)  # [steps, tasks, dim]
    torch.autograd.backward(moves, list(s))
    return Trajectory(theta, detach(state), torch.cat([losses, values[1:].detach()]), grad)


def detach(state: State) -> State:
    """The same (nested) tuple of tensors, cut from its graph."""
    return state.detach() if isinstance(state, Tensor) else tuple(detach(part) for part in state)


def _times(losses: Tensor, steps: int) -> range:
    if steps < 0:
        raise ValueError(f"a trajectory cannot take a negative number of steps, but steps={steps}")
    return range(len(losses), len(losses) + steps)
