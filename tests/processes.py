"""What the tests of distributed training run: `python processes.py FOLDER` forks pairs of processes."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # the first step of Adam imports it: here once, and not in every fork
import torch.distributed as dist

import l2l_lite as l2l
from l2l_lite import cli, distributed
from l2l_lite.estimators import PES
from l2l_lite.seeds import Role, task_seed
from l2l_lite.zoo.recipes import RECIPES, Recipe

FIRST = task_seed(Role.TRAINING)
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Quadratics:
    """Quadratics; of one seed the last is NaN, and another kills the second process unless started again."""

    nan: int = 0
    deadly: int = 0

    def sample(self, tasks: int, seed: int, device: str = "cpu") -> Any:
        if seed == self.deadly and os.environ.get("RANK") == "1" and not distributed.restarted():
            os.kill(os.getpid(), signal.SIGKILL)
        problem = l2l.Quadratic(3).sample(tasks, seed, device)
        if seed == self.nan:
            problem.y[-1] = torch.nan
        return problem


RUNS: dict[str, dict[str, Any]] = {
    "backpropagation": {},
    "lengths drawn": {"steps": (4, 12)},
    "sampled coordinates": {"estimator": l2l.TruncatedBPTT(one_in=2)},
    "clipped tasks": {"estimator": l2l.TruncatedBPTT(second_derivatives=True, clip_each=0.1)},
    "ES": {"estimator": l2l.ES(pairs=2)},
    "PES": {"estimator": PES()},
    "NaN": {"family": Quadratics(nan=FIRST + 2)},
    "minibatches": {"family": l2l.FAMILIES["digits8"](), "tasks": 3, "trajectories": 2},
}


def train(name: str, ranks: distributed.Alone = distributed.ALONE) -> dict[str, Any]:
    """φ and scores of a run whose tasks two processes cannot share evenly."""
    settings = {"trajectories": 6, "steps": 6, "unroll_length": 3, "tasks": 5, "family": l2l.Quadratic(3)}
    settings |= {"validate_every": 2, "validation_tasks": 3}
    rule = l2l.LSTMRule((4,), l2l.identity, seed=ranks.rank)
    history = l2l.meta_train(rule, **settings | RUNS[name], ranks=ranks)
    phi = torch.cat([weight.detach().flatten() for weight in rule.parameters()])
    return {"phi": phi, "losses": history.losses, "validation": history.validation}


def runs(folder: Path) -> None:
    ranks, _ = distributed.join(CPU)
    torch.save({name: train(name, ranks) for name in RUNS}, folder / f"runs-{ranks.rank}.pt")
    ranks.leave()


def silence(folder: Path) -> None:
    """The second process says no more, and the first waits for it in vain."""
    ranks, _ = distributed.join(CPU, timeout=1)
    pids: list[Any] = [None, None]
    dist.all_gather_object(pids, os.getpid())
    if ranks.rank:
        signal.pause()
    try:
        train("backpropagation", ranks)
    except RuntimeError as error:
        (folder / "silence.txt").write_text(str(error), encoding="utf-8")
    os.kill(pids[1], signal.SIGKILL)


TINY = Recipe(
    summary="a tiny rule",
    data=lambda: "drawn for a test",
    make_family=lambda: Quadratics(deadly=FIRST + 4),
    make_rule=lambda seed: l2l.LSTMRule((3,), l2l.identity, seed=seed),
    stages=({"trajectories": 6, "steps": 5, "tasks": 3, "validate_every": 2, "validation_tasks": 2},),
    seeds=(0,),
)


def command(folder: Path, name: str, *options: str) -> None:
    """`l2l train tiny` in a folder, with what each process prints in a file."""
    log = os.open(folder / f"{name}-{os.environ['RANK']}.log", os.O_CREAT | os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.chdir(folder)
    RECIPES["tiny"] = TINY
    sys.argv = ["l2l", "train", "tiny", "--seed", "0", "--device", "cpu", *options]
    cli.main()


def new_store() -> dist.TCPStore:
    """Where processes find each other, on a free port."""
    return dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)


def forked(
    store: dist.TCPStore, function: Callable[..., None], *arguments: Any, attempt: int = 0
) -> list[int]:
    """Exit codes of two processes that run a function as `torchrun` would let them."""
    children = []
    for rank in range(2):
        if not (child := os.fork()):
            os.environ |= {
                "RANK": str(rank),
                "WORLD_SIZE": "2",
                "TORCHELASTIC_RESTART_COUNT": str(attempt),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(store.port),
                "TORCHELASTIC_USE_AGENT_STORE": "True",
            }
            os._exit(_code(function, *arguments))
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def _code(function: Callable[..., None], *arguments: Any) -> int:
    try:
        function(*arguments)
        return 0
    except SystemExit as end:
        return int(end.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    kept = new_store()  # by torchrun, when it starts processes anew
    codes = {
        "runs": forked(new_store(), runs, folder),
        "silence": forked(new_store(), silence, folder),
        "killed": forked(kept, command, folder, "killed"),
        "restarted": forked(kept, command, folder, "restarted", attempt=1),
        "jobs": forked(new_store(), command, folder, "jobs", "--jobs", "2"),
    }
    torch.save(codes, folder / "codes.pt")
