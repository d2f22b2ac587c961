"""What training leaves: weights, and a card that says how they were made and holds their checksum."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors.torch import load, save
from torch import Tensor

import l2l_lite

FOLDER = files("l2l_lite").joinpath("zoo")  # where those that ship with the package lie


def write(name: str, weights: Mapping[str, Tensor], card: Mapping[str, Any], folder: str | Path) -> None:
    """Write weights and their card, each file in one go; the card last, for it vouches for the weights."""
    content = save({key: weight.contiguous().cpu() for key, weight in weights.items()})
    text = json.dumps({**card, "sha256": hashlib.sha256(content).hexdigest()}, ensure_ascii=False)
    for suffix, data in (("safetensors", content), ("json", text.encode())):
        write_whole(Path(folder) / f"{name}.{suffix}", data)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file in one go: a kill or a power cut leaves the old one, or the new one.

    Raises OSError, and leaves the old one, where the disk is full.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # or the name could reach the disk before what it names
        partial.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise OSError(
            f"{path} could not be written ({reason}) and is as it was; make room, or name another folder"
        ) from error
    finally:
        with suppress(OSError):  # it is there only if something went wrong
            partial.unlink()


@contextmanager
def held(path: Path | None) -> Iterator[None]:
    """Keep a file to this run, by a lock of the system's that ends with the process, also with a kill.

    Raises ValueError if another run has it. Without a path there is nothing to keep.
    """
    if path is None:
        yield
        return
    beside = path.with_name(f"{path.name}.lock")
    try:
        lock = FileLock(beside, timeout=0)
        lock.acquire()
    except Timeout:
        raise ValueError(
            f"another run writes {path}; wait until it is done, or name another folder"
        ) from None
    try:
        yield
    finally:
        with suppress(OSError):  # Windows lets nobody delete a file in use, and does it by itself
            beside.unlink()
        lock.release()


def rounded(value: float | Tensor) -> float:
    """A number with the four digits that files hold."""
    return float(f"{float(value):.4g}")


def read_card(name: str, command: str) -> dict[str, Any]:
    """The card as it was written. Raises ValueError, which names the `command` that makes it again."""
    try:
        card = json.loads(FOLDER.joinpath(f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise damaged(name, "card", command) from error
    if not isinstance(card, dict):
        raise damaged(name, "card", command)
    return card


def read_weights(name: str, command: str) -> dict[str, Tensor]:
    """The weights by name. Raises ValueError for a missing, truncated or altered file."""
    expected = read_card(name, command).get("sha256")
    try:
        content = FOLDER.joinpath(f"{name}.safetensors").read_bytes()
    except OSError as error:
        raise damaged(name, "file of weights", command) from error
    if hashlib.sha256(content).hexdigest() != expected:
        raise damaged(name, "file of weights", command)
    return load(content)


def damaged(name: str, what: str, command: str, kept: str = "zoo") -> ValueError:
    """One sentence on a file that cannot be used."""
    return ValueError(
        f"the {what} of {name!r} in the {kept} is missing or damaged; "
        f"install l2l_lite again, or make it again with: {command}"
    )


def versions() -> dict[str, str]:
    """What a card says of the software."""
    return {"l2l_lite": l2l_lite.__version__, "torch": torch.__version__}
