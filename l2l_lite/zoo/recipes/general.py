"""A rule for networks that it has never seen, from many kinds of very small ones."""

from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from l2l_lite import data, pictures
from l2l_lite.data import Data, Examples
from l2l_lite.estimators import TruncatedBPTT
from l2l_lite.history import log_mean_and_last
from l2l_lite.learned import ScaleFree
from l2l_lite.objectives import log_relative
from l2l_lite.problems import Classifier, Family, mlp
from l2l_lite.problems.mixture import Mixture, Rescaled
from l2l_lite.seeds import generator
from l2l_lite.suite.networks import Residual, dense
from l2l_lite.zoo.recipes.base import Recipe, Test

PHOTOS = ("rocket", "motorcycle", "hubble", "retina")  # what φ is chosen by; the suite has others


def in_halves(channels: int) -> nn.Module:
    """Group norm over two halves of the channels."""
    return nn.GroupNorm(2, channels)


def residual_mlp(width: int = 20) -> nn.Sequential:
    """Two residual blocks behind layer norm."""
    blocks = [
        Residual(nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        for _ in range(2)
    ]
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), *blocks, nn.Linear(width, 10))


def conv(
    norm: Callable[[int], nn.Module] = nn.Identity,
    activation: Callable[[], nn.Module] = nn.ReLU,
    channels: Sequence[int] = (4, 8),
) -> nn.Sequential:
    """Two convolutions with pooling, for digits of 8×8 pixels."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise((1, *channels)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), norm(outputs), activation(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * channels[-1], 10))


def residual(
    colours: int = 1,
    classes: int = 10,
    width: int = 6,
    norm: Callable[[int], nn.Module] = in_halves,
    activation: Callable[[], nn.Module] = nn.ReLU,
) -> nn.Sequential:
    """Two residual blocks of two convolutions, for pictures of 8×8 pixels."""

    def block() -> Residual:
        half = [(norm(width), activation(), nn.Conv2d(width, width, 3, padding=1)) for _ in range(2)]
        return Residual(*(layer for part in half for layer in part))

    end = nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * width, classes)
    return nn.Sequential(nn.Conv2d(colours, width, 3, stride=2, padding=1), block(), block(), *end)


def denoiser(colours: int = 1, width: int = 8) -> list[nn.Module]:
    """Three convolutions."""
    return [
        nn.Conv2d(colours, width, 3, padding=1), nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1), nn.ReLU(),
        nn.Conv2d(width, colours, 3, padding=1),
    ]  # fmt: skip


class Attention(nn.Module):
    """The rows of a digit as eight tokens, one block of attention."""

    def __init__(self, width: int = 12, heads: int = 2):
        super().__init__()
        self.embed, self.place = nn.Linear(8, width), nn.Parameter(0.1 * torch.randn(8, width))
        self.ask, self.mix, self.heads = nn.Linear(width, 3 * width), nn.Linear(width, width), heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.body = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.head = nn.Linear(width, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = self.embed(images.flatten(1, 2)) + self.place
        parts = self.ask(self.norms[0](x)).unflatten(-1, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        seen = (query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5).softmax(-1) @ value
        x = x + self.mix(seen.transpose(1, 2).flatten(2))
        return self.head((x + self.body(self.norms[1](x))).mean(1))


class Rows(nn.Module):
    """A gated recurrent network that reads a digit row by row (Cho et al., 2014)."""

    def __init__(self, width: int = 20):
        super().__init__()
        self.see, self.recall = nn.Linear(8, 3 * width), nn.Linear(width, 3 * width)
        self.head = nn.Linear(width, 10)

    def forward(self, images: Tensor) -> Tensor:
        h = images.new_zeros(len(images), self.head.in_features)
        for row in images.flatten(1, 2).unbind(1):
            seen, recalled = self.see(row).chunk(3, -1), self.recall(h).chunk(3, -1)
            keep, reset = ((a + b).sigmoid() for a, b in zip(seen[:2], recalled[:2], strict=True))
            h = keep * (seen[2] + reset * recalled[2]).tanh() + (1 - keep) * h
        return self.head(h)


class Place(nn.Module):
    """A picture as a function of the place: sines of it, then a dense network."""

    def __init__(self, waves: int = 12):
        super().__init__()
        self.waves = nn.Parameter(4 * torch.randn(2, waves), requires_grad=False)
        self.body = dense(2 * waves, 20, 20, 3)

    def forward(self, place: Tensor) -> Tensor:
        phase = place @ self.waves
        return self.body(torch.cat([phase.sin(), phase.cos()], 1))


def _changed(source: Data, change: Callable[[Tensor, Tensor, torch.Generator], Examples]) -> Data:
    return Data(*(change(*part, generator(7, k)) for k, part in enumerate(source)))


@cache
def mislabelled(share: float) -> Data:
    """Digits, that share of them with labels drawn at random: losses that no rule can bring to nothing."""

    def change(images: Tensor, labels: Tensor, rng: torch.Generator) -> Examples:
        wrong = torch.rand(len(labels), generator=rng) < share
        return Examples(images, torch.where(wrong, torch.randint(10, labels.shape, generator=rng), labels))

    return _changed(data.digits8(), change)


@cache
def themselves() -> Data:
    """Digits whose answers are their pixels."""
    return _changed(data.digits8(), lambda images, labels, rng: Examples(images, images.flatten(1)))


def noisy(source: Data, size: float) -> Data:
    """Pictures with noise whose answers are the pictures."""

    def change(images: Tensor, labels: Tensor, rng: torch.Generator) -> Examples:
        return Examples(images + size * torch.randn(images.shape, generator=rng), images)

    return _changed(source, change)


@cache
def crops() -> Data:
    """Crops of 8×8 pixels, labelled by the photograph."""
    return pictures.crops(PHOTOS, train=200, test=50, size=8)


@cache
def teacher(noise: float, inputs: int = 8, count: int = 1200) -> Data:
    """What a network with tanh says of random inputs, with noise."""
    rng = generator(5, inputs)
    first, second = (
        torch.randn(inputs, 16, generator=rng) / inputs**0.5,
        torch.randn(16, 1, generator=rng) / 2,
    )

    def draw(count: int) -> Examples:
        x = torch.randn(count, inputs, generator=rng)
        return Examples(x, (x @ first).tanh() @ second + noise * torch.randn(count, 1, generator=rng))

    return Data(draw(count), draw(200))


@cache
def pixels(name: str, size: int = 32) -> Data:
    """Places [-1, 1]² and colours of a photograph."""
    colours, axis = pictures.square(pictures.photo(name), size).flatten(1).T, torch.linspace(-1, 1, size)
    examples = Examples(torch.cartesian_prod(axis, axis), colours)
    return Data(examples, Examples(*(part[:100] for part in examples)))


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
        _classify(residual_mlp, digits, 32), _classify(residual_mlp, wrong, 16),
    ]  # fmt: skip
    convolutions = [
        _classify(conv, digits, 16), _classify(partial(conv, nn.BatchNorm2d), digits, 32),
        _classify(partial(conv, in_halves), wrong, 32),
        _classify(residual, digits, 32), _classify(residual, wrong, 16),
        _classify(partial(conv, activation=nn.Tanh), wrong, 32),
    ]  # fmt: skip
    fits = [
        _regress(partial(dense, 64, 16, 64), themselves(), 32),
        _regress(partial(dense, 64, 20, 6, 20, 64), themselves(), 32),
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
    silent = partial(residual, 3, len(PHOTOS), 8, nn.BatchNorm2d, nn.SiLU)
    return [
        _classify(Attention, digits, 16),
        _classify(Rows, mislabelled(0.1), 32),
        _classify(_mlp(20, 5, nn.ELU), digits, 32),
        _regress(Place, pixels("rocket"), 64),
        _classify(_mlp(32, 1, nn.GELU), mislabelled(0.1), 16),
        _classify(partial(conv, nn.BatchNorm2d, nn.GELU, (6, 6)), digits, 16),
        _classify(_mlp(40, 2, nn.Softplus), mislabelled(0.4), 32),
        _regress(lambda: nn.Sequential(Residual(*denoiser(3, 12))), noisy(crops(), 0.2), 8),
        _classify(silent, crops(), 16),
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
