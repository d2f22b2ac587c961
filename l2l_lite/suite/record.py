"""Run the whole suite, a task in each process, and keep what hand-made optimizers reached."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.resources import files
from multiprocessing import get_context
from pathlib import Path
from signal import SIG_DFL, SIGINT, signal
from typing import Any

import torch
from tqdm import tqdm

from l2l_lite import artefacts
from l2l_lite.bench import milliseconds
from l2l_lite.hardware import cores, device_name, keep_freed_memory
from l2l_lite.rules import UpdateRule
from l2l_lite.suite.contest import baselines, learned, learner
from l2l_lite.suite.runs import train
from l2l_lite.suite.tasks import TASKS

SEEDS = (0, 1, 2)
JOBS = min(8, cores())
COMMAND = "l2l suite --baselines"


def recorded() -> dict[str, Any]:
    """What hand-made optimizers reached, by task, label and horizon. Raises ValueError if it is damaged."""
    try:
        content = files("l2l_lite").joinpath("suite", "baselines.json").read_text(encoding="utf-8")
        return dict(json.loads(content))
    except (OSError, ValueError) as error:
        raise artefacts.damaged("suite", "record", COMMAND) from error


def measure_baselines(folder: Path, jobs: int, names: Sequence[str] = tuple(TASKS)) -> Path:
    """Measure all hand-made optimizers, a file for each task as it is done, and gather them in one.

    Tasks whose file is there already are not measured again.
    """
    todo = [name for name in names if not (folder / f"{name}.json").exists()]
    for name, figures in _each(_baselines, todo, jobs):
        _write(folder / f"{name}.json", figures)
    tasks = {name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in names}
    about = {"command": COMMAND, "seeds": SEEDS, "versions": artefacts.versions()}
    _write(folder / "baselines.json", about | {"device": device_name(torch.device("cpu")), "tasks": tasks})
    return folder / "baselines.json"


def measure_rule(rule: UpdateRule, jobs: int = JOBS, names: Sequence[str] = tuple(TASKS)) -> dict[str, Any]:
    """What a rule reaches as it is, by task and horizon, and its pace: the time of a step over AdamW's."""
    rivals = recorded()["tasks"]
    figures = dict(_each(partial(_learned, rule=rule, rivals=rivals), names, jobs))
    return {"tasks": figures, "pace": {name: _pace(name, rule) for name in names}}


def _baselines(name: str) -> dict[str, Any]:
    return baselines(TASKS[name], SEEDS)


def _learned(name: str, rule: UpdateRule, rivals: Mapping[str, Any]) -> dict[str, Any]:
    return learned(TASKS[name], rule, SEEDS, rivals[name])


def _each(
    work: Callable[[str], dict[str, Any]], names: Sequence[str], jobs: int
) -> Iterable[tuple[str, dict[str, Any]]]:
    """What the work makes of each name, as it is done, in processes of one thread each."""
    with ProcessPoolExecutor(jobs, get_context("spawn"), _one_thread) as pool:
        done = pool.map(work, names)
        yield from tqdm(zip(names, done, strict=True), total=len(names), disable=not names)


def _one_thread() -> None:
    signal(SIGINT, SIG_DFL)  # Ctrl-C ends a worker without a word; the first process says one
    torch.set_num_threads(1)
    keep_freed_memory()


def _pace(name: str, rule: UpdateRule, steps: int = 50) -> float:
    """The time of a step over that of AdamW's, the two in turns."""
    task = TASKS[name]
    calls = {
        "rule": lambda: train(task, learner(rule), steps, 0),
        "AdamW": lambda: train(task, lambda model: torch.optim.AdamW(model.parameters()), steps, 0),
    }
    times = milliseconds(calls, torch.device("cpu"), rounds=3)
    return artefacts.rounded(times["rule"] / times["AdamW"])


def _write(path: Path, content: Mapping[str, Any]) -> None:
    artefacts.write_whole(path, json.dumps(content, ensure_ascii=False).encode())
