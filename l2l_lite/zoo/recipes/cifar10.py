"""Convolutional networks: a rule for each kind of weight, one rule for all, and labels never seen."""

from collections.abc import Callable
from functools import cache, partial

import torch
from torch import Tensor

from l2l_lite import data
from l2l_lite.learned import LSTMRule, Partitioned
from l2l_lite.problems import Classifier, conv_net, parameter_groups
from l2l_lite.rules import UpdateRule
from l2l_lite.zoo.recipes.base import Recipe, Test

CIFAR_5 = (0, 1, 2, 3, 4)  # airplane, automobile, bird, cat, deer
CIFAR_2 = (0, 1)
HELD_OUT = (5, 6, 7, 8, 9)  # dog, frog, horse, ship, truck
ALL = CIFAR_5 + HELD_OUT


@cache  # for these are copies of many megabytes
def _images(labels: tuple[int, ...]) -> data.Data:
    return data.cifar10() if labels == ALL else data.cifar10().only(labels)


def _cifar(labels: tuple[int, ...] = ALL) -> Callable[[], Classifier]:
    network = partial(conv_net, len(labels))
    return lambda: Classifier(network, _images(labels), batch=64, theta0_std=None)


def _groups(labels: int) -> dict[str, Tensor]:
    with torch.device("meta"):  # a network that draws no weights, for loading a rule must draw nothing
        network = conv_net(labels)
    return parameter_groups(network)


def _pair(seed: int, labels: int = 10) -> UpdateRule:
    seeds = {"conv": 2 * seed, "dense": 2 * seed + 1}
    rules = {name: LSTMRule(scale=0.02, seed=s) for name, s in seeds.items()}
    return Partitioned(rules, _groups(labels))


_stages = ({"trajectories": 600, "validate_every": 50, "validation_tasks": 6, "patience": 4},)
_rates = tuple(10 ** (k / 2) for k in range(-7, 2))  # 0.0003 to 3
_first = {"CIFAR-10": Test(_cifar(), tasks=16, tuning_tasks=4, rates=_rates)}
_subsets = {
    "CIFAR-5": Test(_cifar(CIFAR_5), tasks=16, tuning_tasks=2, rates=_rates),
    "CIFAR-2": Test(_cifar(CIFAR_2), tasks=16, tuning_tasks=2, rates=_rates),
}
_longer = {"1,000 steps": Test(_cifar(), steps=1000, tasks=4, tuning_tasks=1, rates=_rates[1:-2])}

RECIPES = {
    "cifar10": Recipe(
        summary="the paper's convolutional network on CIFAR-10, a rule for convolutions and one for all else",
        data=lambda: data.origin("CIFAR10"),
        make_family=_cifar(),
        make_rule=_pair,
        stages=_stages,
        seeds=(0,),
        tests=_first | _subsets | _longer,
    ),
    "cifar10-single": Recipe(
        summary="the paper's convolutional network on CIFAR-10, one rule for all coordinates",
        data=lambda: data.origin("CIFAR10"),
        make_family=_cifar(),
        make_rule=lambda seed: LSTMRule(scale=0.02, seed=seed),
        stages=_stages,
        seeds=(0,),
        tests=_first,
    ),
    "cifar10-held-out": Recipe(
        summary="as cifar10, but meta-trained without the labels of CIFAR-5 and CIFAR-2",
        data=lambda: data.origin("CIFAR10"),
        make_family=_cifar(HELD_OUT),
        make_rule=partial(_pair, labels=5),
        stages=_stages,
        seeds=(0,),
        tests=_subsets,
    ),
}
