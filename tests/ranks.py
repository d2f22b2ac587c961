"""Two processes that train together, each a copy of the test's own."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

RANKS = 2

together = pytest.mark.skipif(
    torch.cuda.is_available() or not (dist.is_available() and dist.is_gloo_available()),
    reason="needs gloo, and a PyTorch that no GPU keeps from being copied with its process",
)


def run(work: Callable[[int], Any], folder: Path) -> list[Any]:
    """What `work(rank)` returns in each of the processes, joined by gloo."""
    mp.start_processes(_rank, (work, folder), RANKS, start_method="fork")
    return [torch.load(folder / f"{rank}.pt") for rank in range(RANKS)]


def _rank(rank: int, work: Callable[[int], Any], folder: Path) -> None:
    store = f"file://{folder / 'store'}"
    dist.init_process_group(
        "gloo", init_method=store, rank=rank, world_size=RANKS, timeout=timedelta(minutes=5)
    )
    try:
        torch.save(work(rank), folder / f"{rank}.pt")
    finally:
        dist.destroy_process_group()
