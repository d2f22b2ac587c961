"""What a second process brings: two that share tasks, and two with a meta-seed each, beside one alone."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.utils import parameters_to_vector

from l2l_lite.artefacts import rounded
from l2l_lite.distributed import ALONE, Alone, join
from l2l_lite.estimators import PES, Estimator
from l2l_lite.learned import LSTMRule, identity, log_and_sign
from l2l_lite.problems import FAMILIES
from l2l_lite.training import BPTT, meta_train

ROUNDS = 7
STEPS = 40
MESSAGES = (1, 5_301, 100_000, 1_000_000)  # numbers; the paper's rule has 5,301


class Work(NamedTuple):
    """Trajectories whose tasks can be shared."""

    family: str
    tasks: int
    trajectories: int
    window: int = 20  # steps
    estimator: Estimator = BPTT
    features: Callable[[Tensor], Tensor] = identity


WORK = {
    "MNIST": Work("mnist", 4, 1, features=log_and_sign),
    "quadratics": Work("quadratic", 64, 5),
    "quadratics, PES": Work("quadratic", 64, 5, 5, PES()),
}


def measure() -> dict[str, Any]:
    """Seconds a window and milliseconds a message, by two processes on this machine."""
    with TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        start = "-m torch.distributed.run --standalone --nproc-per-node 2 -m l2l_lite.studies.scale"
        subprocess.run([sys.executable, *start.split(), str(found)], check=True)
        return dict(json.loads(found.read_text(encoding="utf-8")))


def both(ranks: Alone) -> dict[str, Any]:
    """What the first of two processes finds; the second one works or waits as it must."""
    result: dict[str, Any] = {name: ways(work, ranks) for name, work in WORK.items()}
    return result | {"all_reduce": {str(count): milliseconds(count) for count in MESSAGES}}


def ways(work: Work, ranks: Alone) -> dict[str, Any]:
    """Median seconds a window of each way, in turns, and how far φ of the shared tasks is off."""
    calls: dict[str, Callable[[], Tensor | None]] = {
        "alone": lambda: None if ranks.rank else train(work, ALONE),
        "a meta-seed each": lambda: train(work, ALONE, seed=ranks.rank),
        "shared": lambda: train(work, ranks),
    }
    times: dict[str, list[float]] = {name: [] for name in (*calls, "of the core alone")}
    phi: dict[str, Tensor | None] = {}
    for _ in range(ROUNDS + 1):
        for name, call in calls.items():
            dist.barrier()
            began, core = time.perf_counter(), time.process_time()
            phi[name] = call()
            dist.barrier()
            times[name].append(time.perf_counter() - began)
            if name == "alone":
                times["of the core alone"].append(time.process_time() - core)
    # The first round warms up.
    windows = work.trajectories * STEPS / work.window
    seconds = {name: rounded(median(values[1:]) / windows) for name, values in times.items()}
    one, two = phi["alone"], phi["shared"]
    off = 0.0 if one is None or two is None else float((one - two).abs().max())
    return {"tasks": work.tasks, "rounds": ROUNDS, "seconds": seconds, "difference": rounded(off)}


def train(work: Work, ranks: Alone, seed: int = 0) -> Tensor:
    """φ [weights] after the trajectories of a work."""
    rule = LSTMRule(preprocess=work.features)
    meta_train(
        rule,
        FAMILIES[work.family](),
        trajectories=work.trajectories,
        steps=STEPS,
        unroll_length=work.window,
        estimator=work.estimator,
        tasks=work.tasks,
        validation_tasks=2,
        validation_steps=1,
        ranks=ranks,
        seed=seed,
    )
    return parameters_to_vector(rule.parameters()).detach()


def milliseconds(count: int, rounds: int = 50) -> float:
    """Median time of an all-reduce of so many numbers."""
    times, row = [], torch.zeros(count)
    for _ in range(rounds):
        dist.barrier()
        began = time.perf_counter()
        dist.all_reduce(row)
        times.append(1000 * (time.perf_counter() - began))
    return rounded(median(times))


def main(path: str) -> None:
    """One of the two processes."""
    torch.set_num_threads(1)
    ranks, _ = join(torch.device("cpu"))
    result = both(ranks)
    if ranks.rank == 0:
        Path(path).write_text(json.dumps(result), encoding="utf-8")
    ranks.leave()


if __name__ == "__main__":
    main(sys.argv[1])
