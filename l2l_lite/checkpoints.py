"""A meta-training on disk: written in one go, and resumed only by what it belongs to."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from l2l_lite.history import History
from l2l_lite.rules import UpdateRule

Identity = Mapping[str, Any]  # what a run is: its family, rule, objective, estimator and settings


def check(path: Path | str | None, identity: Identity) -> Path | None:
    """The path of a checkpoint that can be written and recognised; None for a run that keeps none.

    Raises FileNotFoundError for a missing folder, and ValueError where the identity changes from run to run.
    """
    if path is None:
        return None
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} for a checkpoint; make it first")
    for name, value in identity.items():
        if " at 0x" in str(value):
            raise ValueError(
                f"a checkpoint cannot recognise the {name} {value}; "
                f"make it a function with a name or a dataclass, or give it a __repr__"
            )
    return path


def save(
    path: Path | None,
    identity: Identity,
    rule: UpdateRule,
    optimizer: torch.optim.Optimizer,
    history: History,
) -> None:
    """Write a checkpoint; a kill at any moment leaves a whole file, the old one or the new one."""
    if path is None:
        return
    content = {"identity": dict(identity), "rule": rule.state_dict(), "history": vars(history)}
    partial = path.with_name(f"{path.name}.partial")
    torch.save(content | {"optimizer": optimizer.state_dict()}, partial)
    os.replace(partial, path)


def load(
    path: Path | None, identity: Identity, rule: UpdateRule, optimizer: torch.optim.Optimizer
) -> History:
    """Put rule and optimizer back to where they were; an empty history if there is no file.

    A run that broke off in NaN may go on with a lower lr or scale: from its best φ, with a fresh optimizer
    and fresh scores. Raises ValueError for anything else that does not belong to this run.
    """
    if path is None or not path.exists():
        return History()
    content = _read(path)
    history = History(**content["history"])
    changed = sorted(name for name in identity if content["identity"].get(name) != identity[name])
    broke = history.broken(min(10, len(history.losses) or 10))
    if changed and not (broke and set(changed) <= {"lr", "final_lr", "rule"}):
        raise ValueError(
            f"{path} belongs to another run (other {', '.join(changed)}); "
            f"use the same settings, or another checkpoint file"
        )
    weights = history.best if changed and history.best else content["rule"]
    try:
        rule.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"{path} holds the weights of another rule; use another checkpoint file") from error
    if changed:
        return _before_it_broke(history)
    optimizer.load_state_dict(content["optimizer"])
    return history


def _read(path: Path) -> dict[str, Any]:
    try:
        content = dict(torch.load(path, weights_only=True, map_location="cpu"))
        History(**content["history"]), dict(content["identity"]), content["rule"], content["optimizer"]
    except Exception as error:
        raise ValueError(f"{path} is not a whole checkpoint; delete it to start again") from error
    return content


def _before_it_broke(history: History) -> History:
    whole = len(history.losses)
    while whole and math.isnan(history.losses[whole - 1]):
        whole -= 1
    return History(losses=history.losses[:whole], seconds=history.seconds)
