"""Use a rule on a problem, and differentiate through what it did."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from l2l_lite.objectives import Objective, uniform
from l2l_lite.problems.base import Problem
from l2l_lite.rules import State, UpdateRule, check_rule, check_step


class Trajectory(NamedTuple):
    """What a rule did on a problem so far, and all that is needed to go on."""

    theta: Tensor  # [tasks, dim]
    state: State
    losses: Tensor  # [steps + 1, tasks]
    grad: Tensor  # [tasks, dim], at theta


def start(rule: UpdateRule, problem: Problem) -> Trajectory:
    """The trajectory of no steps: θ0, its loss and gradient, and the rule's initial state."""
    check_rule(rule)
    theta = problem.theta0
    if theta.dim() != 2 or not theta.numel():
        raise ValueError(f"theta0 must be [tasks, dim], at least one of each, but it is {list(theta.shape)}")
    if theta.dtype not in (torch.float32, torch.float64):
        # Steps of a few thousandths, and a count of steps, would be rounded away in less.
        raise TypeError(f"theta0 must be float32 or float64, but it is {theta.dtype}: use theta0.float()")
    loss, grad = value_and_grad(problem, theta, 0)
    if loss.shape != theta.shape[:1]:
        raise ValueError(
            f"loss must be [tasks], one value a task, but for {len(theta)} tasks it is {list(loss.shape)}"
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
    at = now = at or start(rule, problem)
    losses = [at.losses]
    for _, now in _updates(rule, problem, steps, at):
        losses.append(now.losses)
    return now._replace(losses=torch.cat(losses))


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
        step, state = rule(grad, state, theta)
        check_step(step, theta)
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
    judge: Problem | None = None,
) -> Trajectory:
    """Add d objective / dφ over a window of `steps` to the `.grad` of φ; return the trajectory, detached.

    With ∂∇_t/∂φ = 0 and θ_{t+1} = θ_t + g_t, the objective's derivative by the step g_t is
    s_t = Σ_{r>t} w_r ∇f(θ_r): sums of gradients that the rule is fed anyway. So f is differentiated
    once a step, outside the graph, which holds the rule alone. `unroll` is the definition.
    With a `judge` the losses that count, and their gradients in s_t, are those of that problem at the same
    θ_t, for one more forward and backward pass a step; the rule is fed the gradients of `problem` as before.
    """
    moves, now = [], at
    losses: list[Tensor] = []
    grads: list[Tensor] = []
    for step, now in _updates(rule, problem, steps, at):
        loss, grad = now.losses[0], now.grad
        if judge is not None:
            loss, grad = value_and_grad(judge, now.theta, len(at.losses) + len(losses))
        moves.append(step)
        losses.append(loss[None])
        grads.append(grad)
    _backward(moves, _cotangents(objective, losses, grads, at))
    return _end(now, losses, at)


def sampled_meta_gradient(
    rule: UpdateRule,
    problem: Problem,
    steps: int,
    at: Trajectory,
    objective: Objective = uniform,
    *,
    one_in: int,
    rng: torch.Generator,
) -> Trajectory:
    """`meta_gradient` from a random one in so many coordinates: the same on average, for less."""
    sample = sample_coordinates(at.theta.shape[1], one_in, rng)
    return meta_gradient_of(sample, rule, problem, steps, at, objective)


@torch.enable_grad()
def meta_gradient_of(
    sample: tuple[Tensor, Tensor],
    rule: UpdateRule,
    problem: Problem,
    steps: int,
    at: Trajectory,
    objective: Objective = uniform,
) -> Trajectory:
    """`meta_gradient` from a sample of coordinates, given as by `sample_coordinates`.

    dL/dφ = Σ_t (∂g_t/∂φ)ᵀ s_t is a sum over coordinates. Every one is run without a graph; those of the
    sample are run again with one, each weighted by how many it stands for. Raises ValueError for a rule
    whose coordinates do not go their own ways.
    """
    if not rule.coordinatewise:
        raise ValueError(
            f"{type(rule).__name__} shares information between coordinates, so that none can be left out; "
            f"use TruncatedBPTT() without one_in"
        )
    losses, grads, now = [], [], at
    with torch.no_grad():
        for _, now in _updates(rule, problem, steps, at):
            losses.append(now.losses)
            grads.append(now.grad)
    index, weight = (each.to(at.theta.device) for each in sample)
    part, state = rule.select(index, at.state)
    moves = _replay(part, state, at.theta[:, index], [grad[:, index] for grad in [at.grad, *grads][:steps]])
    _backward(moves, weight * _cotangents(objective, losses, grads, at)[..., index])
    return _end(now, losses, at)


def sample_coordinates(dim: int, one_in: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """One coordinate from each block of `one_in` neighbours, and how many each stands for.

    A layer's coordinates are neighbours, so every layer has its share.
    """
    first = torch.arange(0, dim, one_in)
    size = (dim - first).clamp(max=one_in)
    return first + (torch.rand(len(first), generator=rng) * size).long(), size


def detach(state: State) -> State:
    """The same state with every tensor cut from its graph."""
    return tree_map_only(Tensor, Tensor.detach, state)


def _updates(
    rule: UpdateRule, problem: Problem, steps: int, at: Trajectory
) -> Iterator[tuple[Tensor, Trajectory]]:
    """Each step, and the trajectory after it with that step's losses alone."""
    theta, state, losses, grad = at
    for t in _times(losses, steps):
        step, state = rule(grad, state, theta)
        check_step(step, theta)
        theta = theta + step  # in the rule's graph, for rules that look at it
        loss, grad = value_and_grad(problem, theta, t)
        yield step, Trajectory(theta, state, loss[None], grad)


def _replay(rule: UpdateRule, state: State, theta: Tensor, grads: Sequence[Tensor]) -> list[Tensor]:
    """The steps of a rule for gradients that are known."""
    steps = []
    for grad in grads:
        step, state = rule(grad, state, theta)
        theta = theta + step
        steps.append(step)
    return steps


def _cotangents(
    objective: Objective, losses: Sequence[Tensor], grads: Sequence[Tensor], at: Trajectory
) -> Tensor:
    """s_t = Σ_{r>t} w_r ∇f(θ_r) for the steps of a window, [steps, tasks, dim]."""
    if not losses:
        return at.theta.new_zeros(0, *at.theta.shape)
    window = torch.cat(list(losses)).requires_grad_()
    (w,) = torch.autograd.grad(objective(window, at.losses), window)  # [steps, tasks]
    weighted = w[..., None] * torch.stack(list(grads))
    return weighted.flip(0).cumsum(0).flip(0)


def _backward(steps: Sequence[Tensor], cotangents: Tensor) -> None:
    # A step may not depend on φ, as the first one of momentum that starts at zero.
    alive = [k for k, step in enumerate(steps) if step.requires_grad]
    if alive:
        torch.autograd.backward([steps[k] for k in alive], [cotangents[k] for k in alive])


def _end(now: Trajectory, losses: Sequence[Tensor], at: Trajectory) -> Trajectory:
    """Where a window ends, cut from its graph, with all losses so far."""
    return Trajectory(now.theta.detach(), detach(now.state), torch.cat([at.losses, *losses]), now.grad)


def _times(losses: Tensor, steps: int) -> range:
    if steps < 0:
        raise ValueError(f"a trajectory cannot take a negative number of steps, but steps={steps}")
    return range(len(losses), len(losses) + steps)
