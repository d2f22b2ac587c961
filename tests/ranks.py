"""Two processes that work together, as `torchrun` would start them, each a copy of the test's own."""

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._dynamo  # the first step of Adam imports it: here once, and not in every copy
import torch.distributed as dist

from l2l_lite import distributed
from l2l_lite.distributed import Alone

RANKS = 2

together = pytest.mark.skipif(
    torch.cuda.is_available()
    or not (hasattr(os, "fork") and dist.is_available() and dist.is_gloo_available()),
    reason="needs gloo, os.fork, and a PyTorch that no GPU keeps from being copied with its process",
)


def run(work: Callable[[Alone], Any], folder: Path) -> list[Any]:
    """What `work(ranks)` returns in each of the processes."""

    def joined() -> None:
        ranks, _ = distributed.join(torch.device("cpu"))
        torch.save(work(ranks), folder / f"{ranks.rank}.pt")
        ranks.leave()

    assert forked(joined, new_store()) == [0] * RANKS
    return [torch.load(folder / f"{rank}.pt") for rank in range(RANKS)]


def new_store() -> dist.TCPStore:
    """Where processes find each other, on a free port; `torchrun` keeps it when it starts them anew."""
    return dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)


def forked(function: Callable[[], None], store: dist.TCPStore, attempt: int = 0) -> list[int]:
    """Exit codes of processes that run a function at an attempt, negative if a signal ended them."""
    children = []
    for rank in range(RANKS):
        if not (child := os.fork()):
            os.environ |= {
                "RANK": str(rank),
                "WORLD_SIZE": str(RANKS),
                "TORCHELASTIC_RESTART_COUNT": str(attempt),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(store.port),
                "TORCHELASTIC_USE_AGENT_STORE": "True",
            }
            torch.set_num_threads(1)  # for others do not live on in a copy
            os._exit(_code(function))
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def _code(function: Callable[[], None]) -> int:
    try:
        function()
        return 0
    except SystemExit as end:
        return int(end.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
