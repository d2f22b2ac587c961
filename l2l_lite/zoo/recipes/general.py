"""A rule for networks that it has never seen, from many kinds of very small ones."""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as with_logits
from torch.nn.functional import mse_loss

from l2l_lite import data
from l2l_lite.estimators import TruncatedBPTT
from l2l_lite.history import log_mean_and_last
from l2l_lite.learned import Fading, ScaleFree
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


def _pairs(ink: float, width: int, batch: int, placed: bool = True) -> Classifier:
    """Rows of digits as words; most coordinates have no gradient at a step."""
    examples, count = small.rows(ink, placed)
    return _classify(partial(small.Pair, count, width), examples, batch, criterion=with_logits)


def kinds() -> list[Family]:
    """Very small networks of forty kinds."""
    digits, wrong, shades = data.digits8(), mislabelled(0.2), small.grey_rows
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
    others = [
        _classify(partial(dense, 256, 10), small.enlarged(16), 32),
        _classify(small.Attention, digits, 16), _classify(small.Rows, wrong, 32),
        _classify(small.Symbols, shades(4), 16, criterion=small.next_symbols),
        _classify(small.Context, shades(), 32, criterion=small.last_symbol),
        _pairs(0.5, 8, 32), _pairs(0.25, 24, 64, placed=False),
        _regress(partial(small.Product, 32, 32, 8), small.entries("rocket", 32), 128),
        _regress(partial(small.Product, 48, 48, 4), small.entries("motorcycle", 48), 32),
        _regress(small.Place, small.pixels("motorcycle"), 64),
    ]  # fmt: skip
    return [*plain, *deep, *convolutions, *fits, *others]


def trained_on(count: int = 40) -> Family:
    """Networks of the first so many kinds, each trajectory in units of its own."""
    return Rescaled(Mixture(kinds()[:count]), spread=0.5, common=1.0, loss=2.0)


def chosen_by() -> list[Family]:
    """Most networks two to four times as wide as those of `trained_on`, their data changed in other ways."""
    digits, noised = small.enlarged(16, 0.1), mislabelled(0.1)
    classified: list[tuple[Callable[[], nn.Module], data.Data]] = [
        (partial(dense, 256, 64, 64, 10), digits),
        (partial(dense, 576, 10), small.enlarged(24, 0.1)),
        (partial(dense, 256, *[32] * 6, 10), digits),
        (partial(dense, 256, 64, 64, 10, activation=nn.GELU, norm=True), digits),
        (partial(conv, nn.BatchNorm2d, nn.GELU, (8, 16)), noised),
        (partial(residual, 3, len(small.PHOTOS), 8, partial(nn.GroupNorm, 4)), small.crops()),
        (partial(small.Attention, 32, 4), noised),
    ]
    fitted: list[tuple[Callable[[], nn.Module], data.Data]] = [
        (partial(dense, 256, 48, 8, 48, 256), small.themselves(16)),
        (lambda: nn.Sequential(*denoiser(3, 16)), noisy(small.crops(16), 0.2)),
        (partial(small.Place, 32), small.pixels("rocket", 48)),
        (partial(small.Product, 48, 48, 6), small.entries("hubble", 48)),
        (_mlp(32, 2, inputs=8, classes=1), teacher(0.2)),
    ]
    symbols = partial(small.Symbols, 17, 16, 48)
    return [
        *(_classify(network, examples, 32) for network, examples in classified),
        *(_regress(network, examples, 32) for network, examples in fitted),
        _classify(symbols, small.grey_rows(), 16, criterion=small.next_symbols),
        _pairs(0.75, 16, 64),
    ]


def _digits(**network: Any) -> Callable[[], Family]:
    return lambda: Classifier(partial(mlp, **network), data.mnist())


RECIPES = {
    "general": Recipe(
        summary="a rule for any network: forty kinds of very small ones, in units drawn for each task",
        data=lambda: "8×8 digits from scikit-learn, photographs from scikit-image, random regressions",
        make_family=trained_on,
        make_rule=lambda seed: Fading(ScaleFree(seed=seed), hold=0.5, longest=300),
        make_validation=chosen_by,
        stages=(
            {
                "trajectories": 80,
                "steps": (50, 300),
                "unroll_length": 300,
                "tasks": 4,
                "lr": 4e-3,
                "final_lr": 2e-4,
                "average": 0.9,
                "estimator": TruncatedBPTT(second_derivatives=True),
                "objective": partial(log_relative, warm_up=300),
                "criterion": partial(log_mean_and_last, floor=1e-4),
                "validate_every": 80,
                "validation_tasks": 2,
                "validation_steps": (200, 1000),
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
