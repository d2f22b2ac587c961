"""Whether a family of problems keeps what it promises: ask before you meta-train on one of your own."""

import inspect
from collections.abc import Iterator

import torch
from torch import Tensor

from l2l_lite.problems.base import Family, Problem

TASKS = 3
ARGUMENTS = ["tasks", "seed", "device"]


def check_family(family: Family, *, device: torch.device | str = "cpu") -> None:
    """Nothing for a family on which rules can be meta-trained and compared.

    Raises ValueError for the first promise of `Family` and `Problem` that is broken, in one sentence that
    says what to do. `groups` may be missing or empty: only `Partitioned` asks for them.
    """
    # Wherever it is called, and whatever the family does to the global state.
    with torch.enable_grad(), torch.random.fork_rng(devices=[]):
        fault = next(_faults(family, torch.device(device)), None)
    if fault:
        raise ValueError(fault)


def _faults(family: Family, device: torch.device) -> Iterator[str]:
    # One after the other: what comes later relies on what came before.
    names = list(inspect.signature(family.sample).parameters)[: len(ARGUMENTS)]
    if names != ARGUMENTS:
        yield f"sample takes ({', '.join(names)}) but is called with (tasks, seed, device): let it take these"
    problem, again, other = (family.sample(TASKS, seed, device) for seed in (0, 0, 1))
    yield from _start_faults(problem, again, device)
    yield from _loss_faults(problem)
    yield from _seed_faults(problem, again, other)
    yield from _gradient_faults(problem)
    yield from _global_faults(family, device)
    yield from _group_faults(family, problem.theta0.shape[1])


def _start_faults(problem: Problem, again: Problem, device: torch.device) -> Iterator[str]:
    for name in ("theta0", "loss", "evaluate"):
        if not hasattr(problem, name):
            yield f"the problem has no {name}: it needs theta0, loss(theta, t) and evaluate(theta)"
    theta = problem.theta0
    if theta.dim() != 2 or len(theta) != TASKS:
        yield f"theta0 has the shape {list(theta.shape)}, not [tasks, dim] with {TASKS} tasks: a row for each"
    if not theta.is_floating_point():
        yield f"theta0 is {theta.dtype}, which has no gradient: make it floating point"
    if theta.device.type != device.type:
        yield f"theta0 is on {theta.device}, not on {device}: let sample move all tensors to its device"
    if theta.requires_grad:
        yield "theta0 requires a gradient: detach it, for each trajectory makes a graph of its own"
    if theta.untyped_storage().data_ptr() == again.theta0.untyped_storage().data_ptr():
        yield "two samples share the memory of theta0: give each problem a clone"


def _loss_faults(problem: Problem) -> Iterator[str]:
    theta = problem.theta0
    for name, values in (("loss", problem.loss(theta, 1)), ("evaluate", problem.evaluate(theta))):
        if values.shape != (TASKS,):
            yield f"{name} gives the shape {list(values.shape)}, not one value a task: do not average them"
        if values.device != theta.device:
            yield f"{name} is on {values.device} but theta on {theta.device}: move the data to theta's device"
        if not values.isfinite().all():
            yield f"{name} is NaN or Inf at theta0: start where it is finite"


def _seed_faults(problem: Problem, again: Problem, other: Problem) -> Iterator[str]:
    theta, first = problem.theta0, problem.loss(problem.theta0, 1)
    problem.loss(theta, 2)
    if not _same(first, problem.loss(theta, 1)):
        yield (
            "loss(theta, 1) differs from call to call: let a minibatch depend on the seed and t alone, "
            "and draw it with `l2l.generator(seed, t + 1)`"
        )
    if not _same(theta, again.theta0) or not _same(first, again.loss(theta, 1)):
        yield "the same seed gives other tasks or minibatches: draw them all with `l2l.generator(seed, ...)`"
    if _same(theta, other.theta0) and _same(first, other.loss(theta, 1)):
        yield "another seed gives the same tasks: does every draw use `l2l.generator(seed, ...)`?"


def _same(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b)  # not bit for bit: a GPU adds up in an order of its own


def _gradient_faults(problem: Problem) -> Iterator[str]:
    theta = problem.theta0.detach().clone().requires_grad_()
    losses = problem.loss(theta, 1)
    for task in range(TASKS):
        grad = _gradient(losses[task], theta)
        if grad is None:
            yield "loss has no gradient by theta: compute it from theta, with PyTorch's functions alone"
        elif not grad.isfinite().all():
            yield "the gradient at theta0 has NaN or Inf: start where the loss is differentiable"
        elif grad[torch.arange(TASKS) != task].any():
            yield f"the loss of task {task} depends on other tasks' parameters: keep the rows of theta apart"


def _gradient(loss: Tensor, theta: Tensor) -> Tensor | None:
    if not loss.requires_grad:
        return None
    return torch.autograd.grad(loss, theta, retain_graph=True, allow_unused=True)[0]


def _global_faults(family: Family, device: torch.device) -> Iterator[str]:
    before = torch.get_rng_state()
    problem = family.sample(TASKS, 0, device)
    problem.loss(problem.theta0, 1)
    problem.evaluate(problem.theta0)
    if not torch.equal(before, torch.get_rng_state()):
        yield (
            "sample, loss or evaluate moves PyTorch's global random state: draw with "
            "`l2l.generator(seed, ...)`, or inside `with l2l.global_draws(seed, ...)`"
        )


def _group_faults(family: Family, dim: int) -> Iterator[str]:
    groups = getattr(family, "groups", None)
    if not groups:
        return
    every = torch.cat([torch.as_tensor(index) for index in groups.values()]).sort().values
    if not torch.equal(every.cpu(), torch.arange(dim)):
        yield f"groups hold {len(every)} indices: let them hold each of 0 to {dim - 1} once, none left out"
