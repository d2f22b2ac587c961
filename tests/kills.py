"""`l2l train` of a tiny recipe, disturbed at calls that are counted and then resumed, each run in a fork.

    python tests/kills.py FOLDER

trains once undisturbed, in FOLDER/whole, then killed at twenty moments, stopped by Ctrl-C at five, and while
another run begins in the same folder; how the processes ended is written to FOLDER/ends.json.
"""

import json
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import l2l_lite as l2l
from l2l_lite import artefacts, cli
from l2l_lite.zoo.recipes import RECIPES, Recipe, Test

TINY = Recipe(
    summary="a tiny rule",
    data=lambda: "drawn for a test",
    make_family=lambda: l2l.Quadratic(3),
    make_rule=lambda seed: l2l.LSTMRule((3,), l2l.identity, seed=seed),
    stages=(
        {"trajectories": 6, "steps": 5, "validate_every": 2, "validation_tasks": 2, "average": 0.5},
        {"trajectories": 4, "lr": 1e-3},
    ),
    seeds=(0,),
    tests={"same family": Test(lambda: l2l.Quadratic(3), steps=12, tasks=4, tuning_tasks=2)},
)
WRITE = artefacts.write_whole.__code__


class Clock:
    """Counts calls and returns, all of them or those of writing a file, and disturbs at one."""

    def __init__(self, moment: int, disturb: Callable[[], object], writing: bool):
        self.moment, self.disturb, self.writing, self.calls = moment, disturb, writing, 0

    def __call__(self, frame: FrameType, event: str, arg: object) -> None:
        before = frame.f_back.f_code if frame.f_back else None
        if not self.writing or WRITE in (frame.f_code, before):
            self.calls += 1
            if self.calls == self.moment:
                self.disturb()


def command(folder: Path, clock: Clock | None = None) -> int:
    """The exit code of `l2l train tiny --seed 0 --resume`."""
    options = ["--seed", "0", "--resume", "--device", "cpu", "--out", str(folder)]
    sys.argv = ["l2l", "train", "tiny", *options]
    sys.setprofile(clock)
    try:
        cli.main()
    except SystemExit as end:
        sys.setprofile(None)
        if clock:
            folder.with_suffix(".calls").write_text(str(clock.calls))
        return int(end.code or 0)
    return 99


def train(folder: Path, clock: Clock | None = None) -> int:
    """The exit code of the same in a fork, negative if a signal ended it."""
    if not (child := os.fork()):
        try:
            os._exit(command(folder, clock))
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def moments(folder: Path, number: int, writing: bool) -> list[int]:
    """Random ones of an undisturbed run, in calls."""
    assert train(folder, Clock(0, lambda: None, writing)) == 0
    calls = int(folder.with_suffix(".calls").read_text())
    return random.Random(0).sample(range(1, calls + 1), number)


def signalled(folder: Path, number: int, which: int, writing: bool) -> list[list[int]]:
    """How runs end that get a signal, each at another moment, and how they end when they are resumed."""
    ends = []
    for k, moment in enumerate(moments(folder, number, writing)):
        run = folder.with_name(f"{folder.name}{k}")
        clock = Clock(moment, lambda: os.kill(os.getpid(), which), writing)
        ends.append([train(run, clock), train(run)])
    return ends


def rival(folder: Path) -> list[int]:
    """How a run ends that begins beside another, and how the other does."""
    code = folder.with_suffix(".code")

    def begin() -> None:
        sys.setprofile(None)
        code.write_text(str(train(folder)))

    return [train(folder, Clock(60, begin, writing=True)), int(code.read_text())]


def main(folder: Path) -> None:
    """All of it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # where the tests themselves ignore it
    RECIPES["tiny"] = TINY
    ends = {
        "whole": command(folder / "whole"),  # here, which imports what no fork needs to import again
        "killed": signalled(folder / "killed", 10, signal.SIGKILL, writing=False),
        "killed writing": signalled(folder / "killed writing", 10, signal.SIGKILL, writing=True),
        "stopped": signalled(folder / "stopped", 5, signal.SIGINT, writing=False),
        "rival": rival(folder / "rival"),
    }
    (folder / "ends.json").write_text(json.dumps(ends))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
