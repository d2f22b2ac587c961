"""Import torchvision, also where its wheel was built for another PyTorch build."""

import sys
from importlib import import_module
from types import ModuleType

import torch

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
