"""A meta-training on disk: a safetensors file, written in one go, and resumed only by what it belongs to."""

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as unpack
from safetensors.torch import save as pack
from torch import Tensor

from l2l_lite.artefacts import write_whole
from l2l_lite.history import History
from l2l_lite.rules import UpdateRule

Identity = Mapping[str, Any]  # what a run is: its family, rule, objective, estimator and settings
Parts = dict[
    str, dict[str, Tensor]
]  # of "rule", "best", "average", "history", and "adam0" of its first weight

FORMAT = "l2l_lite checkpoint 1"
NUMBERS = ("losses", "validation", "seconds")  # of a history, kept in double precision
CHECKSUM = b'"sha256":"'  # what stands in the header before 64 hexadecimal digits
HEADER = 1 << 20  # bytes; more is no list of names and shapes


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
    about = {name: str(value) for name, value in identity.items()}
    content = pack(_tensors(rule, optimizer, history), about | {"format": FORMAT, "sha256": 64 * "0"})
    write_whole(path, _sealed(content))


def load(
    path: Path | None, identity: Identity, rule: UpdateRule, optimizer: torch.optim.Optimizer
) -> History:
    """Put rule and optimizer back to where they were; an empty history if there is no file.

    A run that broke off in NaN may go on with a lower lr or scale: from its best φ, with a fresh optimizer
    and fresh scores. Raises ValueError for anything else that does not belong to this run.
    """
    if path is None or not path.exists():
        return History()
    about, parts = _read(path, rule)
    history = _history(parts)
    changed = sorted(name for name, value in identity.items() if about.get(name) != str(value))
    broke = history.broken(min(10, len(history.losses) or 10))
    if changed and not (broke and set(changed) <= {"lr", "final_lr", "rule"}):
        raise ValueError(
            f"{path} belongs to another run (other {', '.join(changed)}); "
            f"use the same settings, or another checkpoint file"
        )
    if not _fit(parts, rule):
        raise ValueError(f"{path} holds the weights of another rule; use another checkpoint file")
    rule.load_state_dict(history.best if changed and history.best else parts["rule"])
    if changed:
        return _before_it_broke(history)
    adam = {k: parts[f"adam{k}"] for k, _ in enumerate(rule.parameters()) if f"adam{k}" in parts}
    optimizer.load_state_dict(optimizer.state_dict() | {"state": adam})
    return history


def _tensors(rule: UpdateRule, optimizer: torch.optim.Optimizer, history: History) -> dict[str, Tensor]:
    """All that training goes on from, by names like `best/output.bias` and `adam3/exp_avg`."""
    numbers = {name: torch.tensor(getattr(history, name), dtype=torch.float64) for name in NUMBERS}
    parts = {"rule": rule.state_dict(), "best": history.best, "average": history.average, "history": numbers}
    parts |= {f"adam{k}": state for k, state in optimizer.state_dict()["state"].items()}
    flat = {f"{part}/{name}": tensor for part, one in parts.items() for name, tensor in one.items()}
    # A copy of each, for weights that are tied share their memory, which safetensors refuses.
    return {key: tensor.cpu().clone(memory_format=torch.contiguous_format) for key, tensor in flat.items()}


def _sealed(content: bytes) -> bytes:
    """The same file with the checksum of all its other bytes in its place."""
    before, name, rest = content.partition(CHECKSUM)
    return before + name + hashlib.sha256(before + rest[64:]).hexdigest().encode() + rest[64:]


def _read(path: Path, rule: UpdateRule) -> tuple[dict[str, str], Parts]:
    """What a run was, and its tensors; nothing in a file is executed, and its size is bounded.

    Raises ValueError for a file that is damaged, or larger than any of this rule after a million
    trajectories, and for one of another format.
    """
    most = HEADER + 16 * 10**6 + 6 * sum(weight.nbytes for weight in rule.state_dict().values())
    with path.open("rb") as file:
        content = file.read(most + 1)
    header = int.from_bytes(content[:8], "little")
    parts: Parts = defaultdict(dict)
    try:
        if len(content) > most or header > HEADER or _sealed(content) != content:
            raise ValueError("too large, or altered")
        for key, tensor in unpack(content).items():
            part, _, name = key.partition("/")
            parts[part][name] = tensor
        about = dict(json.loads(content[8 : 8 + header])["__metadata__"])
        if about["format"] == FORMAT and [parts["history"][name].dim() for name in NUMBERS] != [1, 1, 0]:
            raise ValueError("no history")
    except Exception as error:
        raise ValueError(f"{path} is not a whole checkpoint; delete it to start again") from error
    if about["format"] != FORMAT:
        raise ValueError(
            f"{path} was written by another version of l2l_lite; "
            f"go on with that one, or delete it to start again"
        )
    return about, parts


def _history(parts: Parts) -> History:
    fields: dict[str, Any] = {name: parts["history"][name].tolist() for name in NUMBERS}
    for part in ("best", "average"):
        fields[part] = dict(parts[part])
    return History(**fields)


def _fit(parts: Parts, rule: UpdateRule) -> bool:
    """Whether all tensors have the shapes of this rule's, and Adam's of its weights."""
    own, scalar = _shapes(rule.state_dict()), torch.Size()
    fit = all(_shapes(parts[part]) == own for part in ("rule", "best", "average") if parts[part])
    for k, weight in enumerate(rule.parameters()):
        state = {"step": scalar, "exp_avg": weight.shape, "exp_avg_sq": weight.shape}
        fit = fit and _shapes(parts.get(f"adam{k}", {})) in ({}, state)
    return fit and bool(parts["rule"])


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}


def _before_it_broke(history: History) -> History:
    whole = len(history.losses)
    while whole and math.isnan(history.losses[whole - 1]):
        whole -= 1
    return History(losses=history.losses[:whole], seconds=history.seconds)
