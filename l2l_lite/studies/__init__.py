"""Experiments that a page has no time for: measured by one command, and recorded beside their code.

A study is a module here with a function `measure`, whose name stands in `NAMES`. One whose runs may have been
made apart has a function `seconds` too, which counts them from what was measured.
"""

import json
import os
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from l2l_lite import artefacts
from l2l_lite.hardware import device_name, keep_freed_memory

NAMES: tuple[str, ...] = (
    "budgets",
    "horizons",
    "init_or_rule",
    "inputs",
    "no_free_lunch",
    "price",
    "scale",
    "sharing_information",
    "sturdier_rules",
    "trajectory_weights",
)


def recorded(name: str) -> dict[str, Any]:
    """What a study measured, its "result", and with what: command, seconds of a core, device, versions.

    Raises ValueError for an unknown name, and for a missing or damaged record.
    """
    _check(name)
    try:
        content = files("l2l_lite").joinpath("studies", f"{name}.json").read_text(encoding="utf-8")
        return dict(json.loads(content))
    except (OSError, ValueError) as error:
        raise artefacts.damaged(name, "record", command(name), kept="studies") from error


def record(name: str, folder: Path) -> Path:
    """Measure a study on one thread, and write its record into a folder."""
    _check(name)
    torch.set_num_threads(1)
    keep_freed_memory()
    begin = sum(os.times()[:4])  # with the time of processes that it starts
    module = import_module(f"l2l_lite.studies.{name}")
    result = module.measure()
    spent = sum(os.times()[:4]) - begin
    content = {
        "command": command(name),
        "seconds": round(module.seconds(result) if hasattr(module, "seconds") else spent),
        "device": device_name(torch.device("cpu")),
        "versions": artefacts.versions(),
        "result": result,
    }
    path = folder / f"{name}.json"
    artefacts.write_whole(path, json.dumps(content, ensure_ascii=False).encode())
    return path


def command(name: str) -> str:
    """What makes a record again."""
    return f"l2l study {name}"


def _check(name: str) -> None:
    if name not in NAMES:
        raise ValueError(f"there is no study {name!r}; there are {', '.join(NAMES)}")
