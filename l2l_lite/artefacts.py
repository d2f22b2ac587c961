"""What training leaves: weights, and a card that says how they were made and holds their checksum."""

import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
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
    """Write a file in one go: a kill leaves the old one, or the new one."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(data)
    partial.replace(path)


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
