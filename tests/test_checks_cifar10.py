"""The checks on CIFAR-10: a tick for the solution, silence for the stub, a reason for a wrong answer."""

from functools import partial
from itertools import product
from typing import Any

import torch
from answers import RIGHT, WAITING, said, table

from l2l_lite import pictures, zoo
from l2l_lite.checks import cifar10 as check
from l2l_lite.data import Data
from l2l_lite.learned import LSTMRule, Partitioned
from l2l_lite.problems import Classifier, conv_net, parameter_groups


def data() -> Data:
    return pictures.crops(("chelsea", "coffee", "rocket"), train=10, test=10)


def family(classes: int = 2, labels: tuple[int, ...] = (0, 1), std: float | None = None) -> Classifier:
    return Classifier(partial(conv_net, classes), data().only(labels), batch=4, theta0_std=std)


def pair(classes: int = 2) -> Partitioned:
    return zoo.load("cifar10").on(parameter_groups(conv_net(classes)))


def untrained() -> Partitioned:
    rules = {name: LSTMRule(scale=0.02, seed=9) for name in ("conv", "dense")}
    return Partitioned(rules, parameter_groups(conv_net(2)))


def rates(conv: float, dense: float, top: float = 0.1) -> dict[tuple[float, float], float]:
    """Losses on a grid, with how much each rate changes them."""
    grid = (0.01, 0.03, top)
    return {(a, b): 1 + conv * a + dense * b for a, b in product(grid, grid)}


def groups(*sizes: int) -> dict[str, torch.Tensor]:
    parts = torch.arange(sum(sizes)).split(sizes)
    return {f"group {k}": part for k, part in enumerate(parts)}


def photographs(answer: Any) -> None:
    """The check of a family and a pair; these are made when the test runs, for collecting reads no zoo."""
    check.two_photographs(*answer())


def three(answer: Any) -> None:
    """The check of three groups and of what they were measured to bring."""
    check.three_groups(*answer())


LOSSES = {"two": [1.5, 1.7], "three": [1.4, 1.6]}

CASES = [
    (check.counted, {"conv": 14_000, "dense": 8_682}, RIGHT),
    (check.counted, None, WAITING),
    (check.counted, 22_682, "dictionary"),
    (check.counted, {"conv": 14_048, "dense": 8_522}, "no biases"),
    (check.counted, {"conv": 14_000, "dense": 8_522}, "a scale and a shift"),
    (check.counted, {"conv": 1_200, "dense": 8_682}, "every channel"),
    (check.counted, {"conv": 14_000, "dense": 8_714}, "32 too many"),
    (check.counted, {"conv": 14_000, "dense": 8_672}, "without biases"),
    (check.short_filters, 10, RIGHT),
    (check.short_filters, None, WAITING),
    (check.short_filters, 0.1, "other way round"),
    (check.short_filters, 1, "the gradients do not"),
    (check.short_filters, 1000, "three layers"),
    (check.statistics, "b", RIGHT),
    (check.statistics, None, WAITING),
    (check.statistics, "a", "trifle"),
    (check.statistics, "c", "guarantees"),
    (check.statistics, "d", "constants"),
    (photographs, lambda: (family(), pair()), RIGHT),
    (photographs, lambda: (None, None), WAITING),
    (photographs, lambda: (family(), None), WAITING),
    (photographs, lambda: (conv_net(2), pair()), "Classifier"),
    (photographs, lambda: (family(labels=(0, 1, 2)), pair()), "alone"),
    (photographs, lambda: (family(classes=10), pair()), "10 classes"),
    (photographs, lambda: (family(std=0.1), pair()), "start"),
    (photographs, lambda: (family(), pair(10)), "groups of other networks"),
    (photographs, lambda: (family(), untrained()), "other weights"),
    (check.two_rates, rates(conv=0.1, dense=1), RIGHT),
    (check.two_rates, None, WAITING),
    (check.two_rates, {0.1: 2.0}, "pair"),
    (check.two_rates, {(0.1, 0.1): 2.0}, "three rates"),
    (check.two_rates, rates(1, 1, top=0.04), "factor of ten"),
    (check.two_rates, rates(conv=1, dense=0.1), "order"),
    (three, lambda: (groups(1_200, 12_800, 8_682), LOSSES), RIGHT),
    (three, lambda: (None, None), WAITING),
    (three, lambda: (groups(1_200, 12_800, 8_682), None), WAITING),
    (three, lambda: (parameter_groups(conv_net()), LOSSES), "three groups"),
    (three, lambda: (groups(1_200, 12_800, 8_522), LOSSES), "160 coordinates"),
    (three, lambda: (groups(1_200, 12_800, 8_683), LOSSES), "two groups"),
    (three, lambda: (groups(1_200, 12_800, 8_682), {"two": [1.5], "three": [1.4]}), "one meta-seed"),
    (three, lambda: (groups(1_200, 12_800, 8_682), {"two": [1.5, 2.3], "three": [1, 1]}), "plateau"),
    (three, lambda: (groups(1_200, 12_800, 8_682), {2: [1.5, 1.6], 3: [1, 1]}), "names"),
]

test_answers = table(CASES)


def test_a_difference_is_held_against_that_between_seeds() -> None:
    every = groups(1_200, 12_800, 8_682)
    assert "no difference" in said(lambda losses: check.three_groups(every, losses), LOSSES)
    far = {"two": [1.5, 1.6], "three": [1.0, 1.1]}
    assert "further apart" in said(lambda losses: check.three_groups(every, losses), far)
