"""What a problem and a family of problems are."""

from collections.abc import Callable, Hashable, Mapping
from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class Problem(Protocol):
    """A batch of independent tasks (the paper's optimizees): each row of θ holds one task's parameters."""

    theta0: Tensor  # [tasks, dim]

    def loss(self, theta: Tensor, t: int) -> Tensor:
        """The training loss of every task, [tasks]. The minibatch depends on the seed and t alone."""
        ...

    def evaluate(self, theta: Tensor) -> Tensor:
        """The held-out loss of every task, [tasks]; the loss itself where nothing is held out."""
        ...


class Family(Protocol):
    """A distribution of problems."""

    @property
    def groups(self) -> Mapping[str, Tensor]:
        """Named groups of coordinates, as indices into a row of θ, for `Partitioned`."""
        ...

    def sample(self, tasks: int, seed: int, device: torch.device | str = "cpu") -> Problem:
        """`tasks` tasks; the same seed gives the same tasks and the same minibatches."""
        ...


class Drawn(NamedTuple):
    """A problem at some steps, made of all that its losses read there and that other tasks have otherwise.

    `problem(*tensors)` computes with these tensors in place, so that it computes the losses of other tasks
    of the same `kind` once theirs are copied into them.
    """

    tensors: tuple[Tensor, ...]
    problem: Callable[..., Problem]
    kind: Hashable


def drawn(problem: Problem, t: int, steps: int) -> Drawn:
    """What a problem's method `drawn(t, steps)` gives; raises ValueError for a problem without one."""
    if not hasattr(problem, "drawn"):
        raise ValueError(
            f"windows of {type(problem).__name__} cannot be recorded: give it a method drawn(t, steps), as "
            f"QuadraticProblem has it, or take TruncatedBPTT() itself"
        )
    result: Drawn = problem.drawn(t, steps)
    return result


def check_tasks(tasks: int) -> None:
    """Raise ValueError unless there is at least one task."""
    if tasks < 1:
        raise ValueError(f"a problem needs at least one task, but tasks={tasks}")


def select(problem: Problem, rows: slice) -> Problem:
    """Some of the tasks of a problem, with their minibatches: what its method `select(rows)` gives.

    Raises ValueError for a problem without one.
    """
    if not hasattr(problem, "select"):
        raise ValueError(
            f"the tasks of {type(problem).__name__} cannot be shared by processes: give it a method "
            f"select(rows), the same problem with some of its tasks"
        )
    part: Problem = problem.select(rows)
    return part
