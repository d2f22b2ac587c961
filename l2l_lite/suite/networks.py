"""The networks of the suite: small, of many kinds, none of them one that a rule was meta-trained on."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import relu


def dense(*sizes: int, activation: type[nn.Module] = nn.ReLU, norm: bool = False) -> nn.Sequential:
    """A fully connected network on flattened inputs."""
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in pairwise(sizes[:-1]):
        layers += [nn.Linear(inputs, outputs), *([nn.LayerNorm(outputs)] if norm else []), activation()]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


def conv(channels: int = 1, classes: int = 10, norm: bool = False) -> nn.Sequential:
    """Two convolutions with pooling, for 14×14 pixels."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((channels, 8), (8, 16)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), *([nn.BatchNorm2d(outputs)] if norm else [])]
        layers += [nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * 3 * 3, classes))


class Residual(nn.Module):
    """x + f(x), f a pair of layers behind a norm."""

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def residual() -> nn.Sequential:
    """A residual network with group norm, for 14×14 pixels."""

    def block() -> Residual:
        norm_and_conv = [(nn.GroupNorm(4, 8), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1)) for _ in range(2)]
        return Residual(*(layer for pair in norm_and_conv for layer in pair))

    end = nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 10)
    return nn.Sequential(nn.Conv2d(1, 8, 3, stride=2, padding=1), block(), nn.MaxPool2d(2), block(), *end)


def _transformer(width: int, layers: int) -> nn.TransformerEncoder:
    layer = nn.TransformerEncoderLayer(
        width, 4, 2 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)


class VisionTransformer(nn.Module):
    """25 patches of 3×3 pixels, two layers of attention, and the mean of what they say."""

    def __init__(self, width: int = 32):
        super().__init__()
        self.embed = nn.Conv2d(1, width, 3, stride=3, padding=1)
        self.position = nn.Parameter(0.02 * torch.randn(25, width))
        self.body, self.head = _transformer(width, 2), nn.Linear(width, 10)

    def forward(self, images: Tensor) -> Tensor:
        patches = self.embed(images).flatten(2).transpose(1, 2)
        return self.head(self.body(patches + self.position).mean(dim=1))


class CausalTransformer(nn.Module):
    """A language model of characters: logits of the next one after each of up to `length`."""

    def __init__(self, vocabulary: int, length: int = 16, width: int = 32):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(0.02 * torch.randn(length, width))
        self.body, self.head = _transformer(width, 2), nn.Linear(width, vocabulary)

    def forward(self, text: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(text.shape[1], device=text.device)
        x = self.embed(text) + self.position[: text.shape[1]]
        return self.head(self.body(x, mask=mask, is_causal=True))


class Recurrent(nn.Module):
    """A language model of characters with one recurrent layer."""

    def __init__(self, vocabulary: int, cell: type[nn.LSTM] | type[nn.GRU] = nn.LSTM, width: int = 48):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, 16)
        self.body, self.head = cell(16, width, batch_first=True), nn.Linear(width, vocabulary)

    def forward(self, text: Tensor) -> Tensor:
        return self.head(self.body(self.embed(text))[0])


class SkipGram(nn.Module):
    """Log-odds that a word stands near another, from an embedding of each."""

    def __init__(self, vocabulary: int, width: int = 16):
        super().__init__()
        self.word, self.near = nn.Embedding(vocabulary, width), nn.Embedding(vocabulary, width)

    def forward(self, word: Tensor, near: Tensor) -> Tensor:
        return (self.word(word) * self.near(near)).sum(dim=-1)


class VariationalAutoencoder(nn.Module):
    """196-64-8-64-196: logits of pixels, mean and log-variance of the code."""

    def __init__(self, code: int = 8):
        super().__init__()
        self.encode, self.decode = dense(196, 64, 2 * code), dense(code, 64, 196)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_variance = self.encode(images).chunk(2, dim=1)
        code = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        return self.decode(code), mean, log_variance


class Picture(nn.Module):
    """A picture as a function of the place: 32 sines of it, then a dense network."""

    def __init__(self, waves: int = 32):
        super().__init__()
        self.waves = nn.Parameter(6 * torch.randn(2, waves), requires_grad=False)
        self.body = dense(2 * waves, 48, 48, 3)

    def forward(self, place: Tensor) -> Tensor:
        phase = place @ self.waves
        return self.body(torch.cat([phase.sin(), phase.cos()], dim=1)).sigmoid()


def denoiser(channels: int = 3) -> nn.Sequential:
    """Three convolutions that say what to add to a noisy picture."""
    return nn.Sequential(
        nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
        nn.Conv2d(16, channels, 3, padding=1),
    )  # fmt: skip


class Factors(nn.Module):
    """A matrix as a product of two thin ones."""

    def __init__(self, rows: int, columns: int, rank: int = 8):
        super().__init__()
        self.left = nn.Parameter(torch.randn(rows, rank) / rank**0.5)
        self.right = nn.Parameter(torch.randn(rank, columns) / rank**0.5)

    def forward(self, row: Tensor, column: Tensor) -> Tensor:
        return (self.left[row] * self.right[:, column].T).sum(dim=1)


class DeepSets(nn.Module):
    """One answer for a set of points: a network of each, their mean, a network of that."""

    def __init__(self, width: int = 32, classes: int = 10):
        super().__init__()
        self.each, self.all = dense(2, width, width), dense(width, width, classes)

    def forward(self, points: Tensor) -> Tensor:
        each = self.each(points.flatten(0, 1)).unflatten(0, points.shape[:2])
        return self.all(relu(each).mean(dim=1))
