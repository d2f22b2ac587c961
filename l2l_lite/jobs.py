"""Meta-seeds side by side: each in a process of its own, which leaves its checkpoint."""

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # threads of their own would fight over the cores


def train_apart(name: str, seeds: Sequence[int], jobs: int, out: Path, device: str) -> None:
    """Train some meta-seeds of an entry, `jobs` at a time, from their checkpoints on.

    Raises RuntimeError for the first that fails, when those that run are done; no other is begun then.
    """
    with ThreadPoolExecutor(jobs) as pool:
        try:
            list(pool.map(partial(_train, name, out=out, device=device), seeds))
        finally:
            pool.shutdown(cancel_futures=True)


def _train(name: str, seed: int, *, out: Path, device: str) -> None:
    command = [sys.executable, "-m", "l2l_lite", "train", name, "--seed", str(seed), "--resume"]
    path = out / f"{name}-{seed}.log"
    with path.open("a", encoding="utf-8") as log:
        done = subprocess.run(
            [*command, "--out", str(out), "--device", device],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | ONE_THREAD,
            check=False,
        )
    if done.returncode < 0:
        raise RuntimeError(
            f"meta-seed {seed} of {name} was killed (signal {-done.returncode}), perhaps for want of memory; "
            f"go on with --resume, and fewer --jobs"
        )
    if done.returncode:
        last = path.read_text(encoding="utf-8").splitlines()[-1:]
        raise RuntimeError(f"meta-seed {seed} of {name} failed: {''.join(last) or path}")
