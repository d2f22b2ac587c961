"""Checks that more than one chapter asks for."""

import math
from typing import Any

import torch

from l2l_lite.checks import number
from l2l_lite.learned import LSTMRule


def memory(answer: Any, *, coordinates: int, of: str) -> None:
    """Hidden and cell values of both layers of the LSTM rule, for every coordinate."""
    rule = LSTMRule()
    one = sum(tensor.numel() for cell in rule.init(torch.zeros(1)) for tensor in cell)
    adam = 2 * coordinates
    number(
        answer,
        one * coordinates,
        what=f"how many numbers the rule's state holds for {of}",
        why=f"two layers of 20 units, each unit with a hidden and a cell value; Adam keeps {adam:,}",
        tolerance=1e-6,
        hints={
            sum(weight.numel() for weight in rule.parameters()): "these are the weights φ, one set shared by "
            "all coordinates; the state is not shared",
            adam: "that is Adam's memory, two running means; count the LSTM's state",
            one * coordinates // 2: "that is half of it: there are two layers, and each unit remembers two "
            "values, the hidden one and the cell's",
            one * coordinates // 4: "that is a quarter of it: there are two layers, and cell values",
            one: "that is for one coordinate; every coordinate has its own copy",
        },
    )


def plateau(answer: Any, *, classes: int) -> None:
    """The cross-entropy of a classifier that has learned nothing."""
    number(
        answer,
        math.log(classes),
        what=f"the cross-entropy of {classes} equally likely classes",
        why=f"it is -log(1/{classes}) = log {classes}; a run that stays there has not begun to learn",
        hints={
            math.log(10): "that is the plateau of ten classes; how many are there here?",
            math.log2(classes): "that is in bits; PyTorch's cross-entropy takes the natural logarithm",
            math.log10(classes): "that is the logarithm to base ten; PyTorch takes the natural one",
            -math.log(classes): "the loss is minus the logarithm, so it is positive",
            1 / classes: "that is the probability of the right class; the loss is minus its logarithm",
            1 - 1 / classes: "that is the fraction of errors; the loss is the mean of -log p",
        },
    )
