"""Images in files: one picture, a folder of classes, or a full set in torchvision's layout."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from l2l_lite.seeds import generator
from l2l_lite.torchvision_shim import import_torchvision


class ImageSet(NamedTuple):
    """Images [n, channels, height, width] in [0, 1] and labels [n], for training and held out."""

    train: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    origin: str  # which copy it is, for a card


@contextmanager
def opened(path: str | Path) -> Iterator[Any]:
    """A picture's file, opened by PIL. Raises FileNotFoundError, or ValueError for anything but a picture."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            yield image
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {path}") from None
    except OSError as error:
        raise ValueError(f"{path} is not a picture, or a damaged one") from error


def read_set(name: str, root: Path) -> ImageSet:
    """The full set "MNIST" or "CIFAR10": from a folder, where torchvision's layout goes first, or the net.

    Raises FileNotFoundError, with what to do, where it is not to be had.
    """
    datasets = import_torchvision("torchvision.datasets")
    make = getattr(datasets, name)
    try:
        return _whole(make, root, name)
    except (AssertionError, RuntimeError, ValueError):  # not there, or damaged
        if (root / "train").is_dir():
            return _image_folders(datasets, root, name)
    _download(make, root, name)
    return _whole(make, root, name)


def _whole(make: Any, root: Path, name: str) -> ImageSet:
    train, test = (make(root, train=part) for part in (True, False))
    return ImageSet(_examples(train), _examples(test), f"{name}, torchvision's files")


def _image_folders(datasets: ModuleType, root: Path, name: str) -> ImageSet:
    train, test = parts = [_image_folder(datasets, root / part, name) for part in ("train", "test")]
    if train.classes != test.classes:
        raise ValueError(f"{root}/train and {root}/test must hold the same classes")
    suffixes = sorted({Path(path).suffix for part in parts for path, _ in part.samples})
    for k, part in enumerate(parts):  # a folder is read class by class, which a data set must not be
        order = torch.randperm(len(part.samples), generator=generator(0, k)).tolist()
        part.samples = [part.samples[i] for i in order]
    return ImageSet(_examples(train), _examples(test), f"{name}, a folder of {', '.join(suffixes)} files")


def _image_folder(datasets: ModuleType, folder: Path, name: str) -> Any:
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}; it must hold one folder of images a class")
    try:
        return datasets.ImageFolder(folder, loader=partial(_read, name=name))
    except FileNotFoundError as error:
        reason = " ".join(str(error).split())
        raise FileNotFoundError(f"each class must have a folder of images in {folder}: {reason}") from error


def _read(path: str, name: str) -> Any:
    mode, side = {"MNIST": ("L", 28), "CIFAR10": ("RGB", 32)}[name]
    with opened(path) as image:
        if image.size != (side, side):
            size = "×".join(map(str, image.size))
            raise ValueError(f"{path} is not {name}: it has {size} pixels, but {name} {side}×{side}")
        return image.convert(mode)


def _examples(dataset: Any) -> tuple[Tensor, Tensor]:
    images, labels = zip(*dataset, strict=True)
    pixels = np.stack([np.asarray(image) for image in images])
    pixels = pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
    # As they lie in memory, channels last: convolutions on a CPU are faster so.
    return torch.from_numpy(pixels) / 255, torch.tensor(labels)


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
