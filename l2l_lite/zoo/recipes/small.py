"""The very small networks that `general` is meta-trained on, and what they learn."""

from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

from l2l_lite import data, pictures
from l2l_lite.data import Data, Examples
from l2l_lite.seeds import generator
from l2l_lite.suite.networks import Factors, Residual, SkipGram, dense

PHOTOS = ("rocket", "motorcycle", "hubble", "retina")  # the suite has others


# Networks


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


class Gated(nn.Module):
    """A gated recurrent cell (Cho et al., 2014): its output after each of a row of inputs."""

    def __init__(self, inputs: int, width: int):
        super().__init__()
        self.see, self.recall = nn.Linear(inputs, 3 * width), nn.Linear(width, 3 * width)

    def forward(self, row: Tensor) -> list[Tensor]:
        h, outputs = row.new_zeros(len(row), self.recall.in_features), []
        for x in row.unbind(1):
            seen, recalled = self.see(x).chunk(3, -1), self.recall(h).chunk(3, -1)
            keep, reset = ((a + b).sigmoid() for a, b in zip(seen[:2], recalled[:2], strict=True))
            h = keep * (seen[2] + reset * recalled[2]).tanh() + (1 - keep) * h
            outputs.append(h)
        return outputs


class Rows(nn.Module):
    """Reads a digit row by row."""

    def __init__(self, width: int = 20):
        super().__init__()
        self.cell, self.head = Gated(8, width), nn.Linear(width, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.cell(images.flatten(1, 2))[-1])


class Place(nn.Module):
    """A picture as a function of the place: sines of it, then a dense network."""

    def __init__(self, waves: int = 12):
        super().__init__()
        self.waves = nn.Parameter(4 * torch.randn(2, waves), requires_grad=False)
        self.body = dense(2 * waves, 20, 20, 3)

    def forward(self, place: Tensor) -> Tensor:
        phase = place @ self.waves
        return self.body(torch.cat([phase.sin(), phase.cos()], 1))


class Context(nn.Module):
    """The next of a row of symbols, from embeddings of those before it (Bengio et al., 2003)."""

    def __init__(self, symbols: int = 17, length: int = 8, embedding: int = 8, width: int = 24):
        super().__init__()
        self.embed, self.body = nn.Embedding(symbols, embedding), dense(length * embedding, width, symbols)

    def forward(self, row: Tensor) -> Tensor:
        return self.body(self.embed(row))


class Symbols(nn.Module):
    """The next symbol after each of a row, from a gated recurrent network."""

    def __init__(self, symbols: int = 17, embedding: int = 8, width: int = 16):
        super().__init__()
        self.embed, self.cell = nn.Embedding(symbols, embedding), Gated(embedding, width)
        self.head = nn.Linear(width, symbols)

    def forward(self, row: Tensor) -> Tensor:
        return self.head(torch.stack(self.cell(self.embed(row)), dim=1))


class Pair(SkipGram):
    """Log-odds that two words stand together."""

    def forward(self, pair: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(*pair.unbind(1))


class Product(Factors):
    """A matrix as a product of two thin ones."""

    def forward(self, place: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(*place.unbind(1))


# Losses


def next_symbols(logits: Tensor, row: Tensor) -> Tensor:
    """Of the symbol after each one."""
    return cross_entropy(logits.flatten(0, 1), row.flatten())


def last_symbol(logits: Tensor, row: Tensor) -> Tensor:
    """Of the symbol after all of them."""
    return cross_entropy(logits, row[:, -1])


# Data


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
def themselves(size: int = 8) -> Data:
    """Digits whose answers are their pixels."""
    return _changed(enlarged(size), lambda images, labels, rng: Examples(images, images.flatten(1)))


def noisy(source: Data, size: float) -> Data:
    """Pictures with noise whose answers are the pictures."""

    def change(images: Tensor, labels: Tensor, rng: torch.Generator) -> Examples:
        return Examples(images + size * torch.randn(images.shape, generator=rng), images)

    return _changed(source, change)


@cache
def crops(size: int = 8) -> Data:
    """Square crops of so many pixels a side, labelled by the photograph."""
    return pictures.crops(PHOTOS, train=200, test=50, size=size)


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


@cache
def enlarged(size: int, mislabelled_share: float = 0.0) -> Data:
    """Digits, from 8×8 pixels to as many as a side of `size` has."""

    def change(images: Tensor, labels: Tensor, rng: torch.Generator) -> Examples:
        return Examples(interpolate(images, size=size, mode="bilinear"), labels)

    return _changed(mislabelled(mislabelled_share), change)


@cache
def grey_rows(length: int = 8) -> Data:
    """Pieces of digits read row by row, as 17 shades, and the same one pixel further."""

    def change(images: Tensor, labels: Tensor, rng: torch.Generator) -> Examples:
        shades = (16 * images.flatten(1)).round().long()
        pieces = shades.unfold(1, length + 1, 8).flatten(0, 1)
        return Examples(pieces[:, :-1], pieces[:, 1:])

    return _changed(data.digits8(), change)


@cache
def rows(ink: float, placed: bool) -> tuple[Data, int]:
    """Pairs of rows of a digit, and how many rows there are, told apart by where there is so much ink.

    Neighbours are labelled 1, and as many pairs drawn at random 0. With their place rows are many, and most
    are rare, as words are.
    """
    images = [part.images[:, 0] for part in data.digits8()]
    place = 256 * placed * torch.arange(8)
    looks = [((part > ink) * 2 ** torch.arange(8)).sum(-1) + place for part in images]
    every, number = torch.cat(looks).unique(return_inverse=True)

    def pairs(row: Tensor, rng: torch.Generator) -> Examples:
        one, two = row[:, :-1].flatten(), row[:, 1:].flatten()
        other = two[torch.randperm(len(two), generator=rng)]
        both = torch.cat([torch.stack([one, two], 1), torch.stack([one, other], 1)])
        return Examples(both, torch.tensor([1.0, 0.0]).repeat_interleave(len(one)))

    parts = number.split([len(part) for part in looks])
    return Data(*(pairs(part, generator(7, k)) for k, part in enumerate(parts))), len(every)


@cache
def entries(name: str, size: int) -> Data:
    """Row and column, and the standardised grey value, of the pixels of a photograph."""
    grey = pictures.square(pictures.photo(name), size).mean(0).flatten()
    axis = torch.arange(size)
    examples = Examples(torch.cartesian_prod(axis, axis), (grey - grey.mean()) / grey.std())
    return Data(examples, Examples(*(part[:100] for part in examples)))
