"""Processes that share the tasks of a meta-training: each has some of them, and all have the same φ."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils._pytree import tree_map_only

from l2l_lite.history import History
from l2l_lite.problems.base import Problem, select
from l2l_lite.rules import UpdateRule

TIMEOUT = 600.0  # seconds that a process waits for the others


class Alone:
    """A process that has all tasks, and nobody to agree with: what `meta_train` asks of its ranks."""

    rank, size = 0, 1

    def share(self, problem: Problem) -> Problem:
        """The tasks of a problem that this process has."""
        return problem

    def average(self, rule: UpdateRule, losses: Tensor) -> Tensor:
        """The mean of all processes' losses [steps + 1, tasks]; φ's `.grad` becomes the mean of theirs."""
        return losses.mean()

    def gather(self, losses: Tensor) -> Tensor:
        """The losses [steps + 1, tasks] of the tasks of all processes, in their order."""
        return losses

    def agree(self, history: History, rule: UpdateRule, optimizer: torch.optim.Optimizer) -> History:
        """The history of the first process; rule and optimizer become what they are there."""
        return history

    def leave(self) -> None:
        """Go on without the others."""


class Ranks(Alone):
    """The processes of `torch.distributed`'s default group (Li et al., 2020), this one among them.

    Every process draws all tasks and takes its rows of them, so that they are those of a single process,
    and all draw the same from a trajectory's generator: its length, the noise of evolution strategies, the
    sample of coordinates. An estimator's gradient is a mean over tasks; its mean over processes, weighted
    by how many tasks each has, is that of all tasks, and NaN in one of them is NaN for all.
    A process that is missed raises RuntimeError in all others, within the timeout of the group.
    """

    def __init__(self) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()

    def share(self, problem: Problem) -> Problem:
        """Rows of a problem, as many as the others have or one more, by its method `select(rows)`.

        Raises ValueError for a problem without one, and for fewer tasks than processes.
        """
        tasks = len(problem.theta0)
        if tasks < self.size:
            raise ValueError(
                f"{self.size} processes cannot share {tasks} task{'s' if tasks > 1 else ''}: start no more "
                f"processes than tasks, or give each process a meta-seed of its own"
            )
        first, last = (tasks * rank // self.size for rank in (self.rank, self.rank + 1))
        return select(problem, slice(first, last))

    def average(self, rule: UpdateRule, losses: Tensor) -> Tensor:
        # One message: the sums over this process's tasks of gradient and loss, and the number of tasks.
        grads = [weight.grad for weight in rule.parameters() if weight.grad is not None]
        values = torch.cat([*(grad.flatten() for grad in grads), losses.mean()[None], losses.new_ones(1)])
        total = losses.shape[1] * values
        with _missed():
            dist.all_reduce(total)
        *means, loss, _ = (total / total[-1]).split([*(grad.numel() for grad in grads), 1, 1])
        for grad, mean in zip(grads, means, strict=True):
            grad.copy_(mean.view_as(grad))
        return loss[0]

    def gather(self, losses: Tensor) -> Tensor:
        parts: list[Any] = [None] * self.size
        with _missed():
            dist.all_gather_object(parts, losses.cpu())
        return torch.cat(parts, dim=1)

    def agree(self, history: History, rule: UpdateRule, optimizer: torch.optim.Optimizer) -> History:
        mine = [vars(history), rule.state_dict(), optimizer.state_dict()]
        first = [tree_map_only(Tensor, Tensor.cpu, mine)]
        with _missed():
            dist.broadcast_object_list(first)
        kept, weights, moments = first[0]
        rule.load_state_dict(weights)
        optimizer.load_state_dict(moments)
        return History(**kept)

    def leave(self) -> None:
        dist.destroy_process_group()


ALONE = Alone()


def join(device: torch.device, timeout: float = TIMEOUT) -> tuple[Alone, torch.device]:
    """The processes that `torchrun` started with this one, and the device of this one; `ALONE` if none did.

    They talk by gloo, and on GPUs by NCCL. Raises ValueError for a GPU by its number, for each process takes
    one of its own, and where there are too few.
    """
    if not {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys():
        return ALONE, device
    if device.type == "cuda":
        device = _own_gpu(device)
        torch.cuda.set_device(device)
        os.environ.setdefault("TORCH_NCCL_BLOCKING_WAIT", "1")  # a timeout is an error, and no abort
    with _missed():
        _meet("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timedelta(seconds=timeout))
    return Ranks(), device


def _meet(backend: str, timeout: timedelta) -> None:
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    host = rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    store = dist.TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), size, host, timeout)
    # torchrun keeps its store when it starts processes anew, with the addresses of those that have ended.
    fresh = dist.PrefixStore(f"attempt {_attempt()}", store)
    dist.init_process_group(backend, store=fresh, rank=rank, world_size=size, timeout=timeout)


def restarted() -> bool:
    """Whether `torchrun` has started this process anew because one of them ended."""
    return _attempt() > 0


def _attempt() -> int:
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0))


def _own_gpu(device: torch.device) -> torch.device:
    local, count = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
    if str(device) != "cuda":
        raise ValueError(f"each process takes a GPU of its own; use --device cuda instead of {device}")
    if local >= count:
        raise ValueError(f"PyTorch sees {count} GPUs here, one for each process; start {count} on a machine")
    return torch.device("cuda", local)


@contextmanager
def _missed() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise RuntimeError(
            "another process of this run ended or did not answer in time; start all of them again, "
            "with --resume"
        ) from error
