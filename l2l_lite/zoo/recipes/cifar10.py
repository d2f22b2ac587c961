"""Convolutional networks: a rule for each kind of weight, one rule for all, and labels never seen."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from l2l_lite import data
from l2l_lite.estimators import TruncatedBPTT
from l2l_lite.evaluation import Baselines
from l2l_lite.learned import Partitioned, RNNProp, log_and_sign
from l2l_lite.problems import Classifier, conv_net, parameter_groups
from l2l_lite.rules import Adam, UpdateRule
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


def _rule(seed: int) -> RNNProp:
    return RNNProp(scale=0.05, betas=(0.9, 0.99), preprocess=log_and_sign, seed=seed)


def _pair(seed: int, labels: int = 10) -> UpdateRule:
    return Partitioned({"conv": _rule(2 * seed), "dense": _rule(2 * seed + 1)}, _groups(labels))


class TwoRates(Partitioned):
    """Adam with a learning rate for dense weights, and `ratio` times it for those of convolutions."""

    def __init__(self, lr: float, ratio: float):
        super().__init__({"conv": Adam(ratio * lr), "dense": Adam(lr)}, _groups(len(ALL)))
        self.lr, self.ratio = lr, ratio


RATES = tuple(10 ** (k / 4) for k in range(-14, 3))  # 0.0003 to 3
RATIOS = tuple(10 ** (k / 4) for k in range(-3, 4))


def _two_rates() -> Baselines:
    return {"Adam, two rates": [partial(TwoRates, ratio=ratio) for ratio in RATIOS]}


_stages: tuple[Mapping[str, Any], ...] = (
    {
        "trajectories": 50,
        "tasks": 8,
        "lr": 5e-3,
        "final_lr": 1e-3,
        "average": 0.9,
        "validate_every": 10,
        "validation_tasks": 16,
    },
    {
        "trajectories": 75,
        "lr": 2e-3,
        "final_lr": 2e-4,
        "average": 0.95,
        "estimator": TruncatedBPTT(second_derivatives=True, clip_each=1.0),
    },
)
_first = {
    "CIFAR-10": Test(_cifar(), tasks=16, tuning_tasks=4, rates=RATES, make_rivals=_two_rates, every_seed=True)
}
_subsets = {
    "CIFAR-5": Test(_cifar(CIFAR_5), tasks=16, tuning_tasks=4, rates=RATES[::2]),
    "CIFAR-2": Test(_cifar(CIFAR_2), tasks=16, tuning_tasks=4, rates=RATES[::2]),
}
_longer = {
    "1,000 steps": Test(_cifar(), steps=1000, tasks=8, tuning_tasks=2, rates=RATES[:-4:2])  # to 0.3
}

RECIPES = {
    "cifar10": Recipe(
        summary="the paper's convolutional network on CIFAR-10, a rule for convolutions and one for all else",
        data=lambda: data.origin("CIFAR10"),
        make_family=_cifar(),
        make_rule=_pair,
        stages=_stages,
        seeds=(1, 2),
        tests=_first | _subsets | _longer,
    ),
    "cifar10-single": Recipe(
        summary="the paper's convolutional network on CIFAR-10, one rule for all coordinates",
        data=lambda: data.origin("CIFAR10"),
        make_family=_cifar(),
        make_rule=_rule,
        stages=_stages,
        seeds=(0,),
        tests=_first,
    ),
    "cifar10-held-out": Recipe(
        summary="as cifar10, but meta-trained without the labels of CIFAR-5 and CIFAR-2",
        data=lambda: data.origin("CIFAR10"),
        make_family=_cifar(HELD_OUT),
        make_rule=partial(_pair, labels=5),
        stages=_stages[:1],
        seeds=(0,),
        tests=_subsets,
    ),
}
