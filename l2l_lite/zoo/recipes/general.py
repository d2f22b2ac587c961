"""A rule for networks that it has never seen, from many kinds of very small ones."""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn
from torch.nn.functional import mse_loss

from l2l_lite import data
from l2l_lite.estimators import TruncatedBPTT
from l2l_lite.history import log_mean_and_last
from l2l_lite.learned import ScaleFree
from l2l_lite.objectives import log_relative
from l2l_lite.problems import Classifier, Family, mlp
from l2l_lite.problems.mixture import Mixture, Rescaled
from l2l_lite.suite.networks import Residual, dense
from l2l_lite.zoo.recipes import small
from l2l_lite.zoo.recipes.base import Recipe, Test
from l2l_lite.zoo.recipes.small import conv, denoiser, mislabelled, noisy, residual, teacher

_normed = partial(dense, 64, 20, 20, 10, norm=True)
_classify = partial(Classifier, theta0_std=None)  # each network with the start that its layers draw
_regress: Callable[..., Classifier] = partial(_classify, criterion=mse_loss)


def _mlp(width: int, layers: int, activation: Callable[[], nn.Module] = nn.ReLU, **sizes: int) -> Any:
    return partial(mlp, **{"inputs": 64, **sizes}, hidden=width, layers=layers, activation=activation)


def trained_on() -> Family:
    """Very small networks of thirty kinds, each trajectory in units of its own."""
    digits, wrong = data.digits8(), mislabelled(0.2)
    plain = [
        _classify(_mlp(*size, activation), digits, batch)
        for activation in (nn.Sigmoid, nn.ReLU, nn.Tanh)
        for size, batch in (((20, 1), 64), ((16, 2), 32))
    ]
    deep = [
        _classify(_mlp(20, 1), wrong, 16), _classify(_mlp(16, 2, nn.Tanh), wrong, 8),
        _classify(_mlp(16, 4), digits, 32), _classify(_mlp(16, 3, nn.SiLU), wrong, 128),
        _classify(_mlp(16, 0), digits, 32), _classify(_mlp(16, 0), wrong, 8),
        _classify(_normed, digits, 32), _classify(_normed, wrong, 16),
        _classify(small.residual_mlp, digits, 32), _classify(small.residual_mlp, wrong, 16),
    ]  # fmt: skip
    convolutions = [
        _classify(conv, digits, 16), _classify(partial(conv, nn.BatchNorm2d), digits, 32),
        _classify(partial(conv, small.in_halves), wrong, 32),
        _classify(residual, digits, 32), _classify(residual, wrong, 16),
        _classify(partial(conv, activation=nn.Tanh), wrong, 32),
    ]  # fmt: skip
    fits = [
        _regress(partial(dense, 64, 16, 64), small.themselves(), 32),
        _regress(partial(dense, 64, 20, 6, 20, 64), small.themselves(), 32),
        _regress(lambda: nn.Sequential(Residual(*denoiser())), noisy(digits, 0.3), 8),
        _regress(lambda: nn.Sequential(*denoiser()), noisy(digits, 0.3), 16),
        _regress(_mlp(16, 1, inputs=8, classes=1), teacher(0.1), 16),
        _regress(_mlp(16, 2, nn.Tanh, inputs=8, classes=1), teacher(0.1), 32),
        _regress(_mlp(24, 2, inputs=8, classes=1), teacher(0.5), 8),
        _regress(_mlp(16, 0, inputs=8, classes=1), teacher(0.3), 16),
    ]
    return Rescaled(Mixture([*plain, *deep, *convolutions, *fits]), spread=0.5, common=0.5, loss=2.0)


def chosen_by() -> list[Family]:
    """Attention, recurrence, and networks of other sizes, activations and data than in `trained_on`."""
    digits = data.digits8()
    silent = partial(residual, 3, len(small.PHOTOS), 8, nn.BatchNorm2d, nn.SiLU)
    return [
        _classify(small.Attention, digits, 16),
        _classify(small.Rows, mislabelled(0.1), 32),
        _classify(_mlp(20, 5, nn.ELU), digits, 32),
        _regress(small.Place, small.pixels("rocket"), 64),
        _classify(_mlp(32, 1, nn.GELU), mislabelled(0.1), 16),
        _classify(partial(conv, nn.BatchNorm2d, nn.GELU, (6, 6)), digits, 16),
        _classify(_mlp(40, 2, nn.Softplus), mislabelled(0.4), 32),
        _regress(lambda: nn.Sequential(Residual(*denoiser(3, 12))), noisy(small.crops(), 0.2), 8),
        _classify(silent, small.crops(), 16),
    ]


def _digits(**network: Any) -> Callable[[], Family]:
    return lambda: Classifier(partial(mlp, **network), data.mnist())


RECIPES = {
    "general": Recipe(
        summary="a rule for any network: thirty kinds of very small ones, in units drawn for each task",
        data=lambda: "8×8 digits from scikit-learn, photographs from scikit-image, random regressions",
        make_family=trained_on,
        make_rule=lambda seed: ScaleFree(seed=seed),
        make_validation=chosen_by,
        stages=(
            {
                "trajectories": 300,
                "steps": (50, 400),
                "unroll_length": 100,
                "tasks": 4,
                "lr": 4e-3,
                "final_lr": 2e-4,
                "average": 0.98,
                "estimator": TruncatedBPTT(second_derivatives=True),
                "objective": partial(log_relative, warm_up=100),
                "criterion": log_mean_and_last,
                "validate_every": 20,
                "validation_tasks": 4,
                "validation_steps": 200,
            },
        ),
        seeds=(0, 1, 2),
        tests={
            "digits": Test(_digits(), tasks=32, every_seed=True),
            "ReLU": Test(_digits(activation=nn.ReLU), tasks=32, every_seed=True),
        },
        suite=True,
    ),
}
