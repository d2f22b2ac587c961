"""What the networks of the suite minimise, on a minibatch."""

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as binary
from torch.nn.functional import cross_entropy, mse_loss


def classify(model: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of classes."""
    return cross_entropy(model(inputs), labels)


def regress(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error."""
    return mse_loss(model(inputs), targets)


def decide(model: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of yes or no."""
    return binary(model(inputs)[:, 0], labels)


def reconstruct(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of pixels with themselves."""
    return binary(model(images), images.flatten(1))


def bound(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """The negative evidence lower bound, in nats a pixel (Kingma and Welling, 2014)."""
    logits, mean, log_variance = model(images)
    apart = (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1) / 2
    return binary(logits, images.flatten(1)) + apart.mean() / images[0].numel()


def denoise(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Mean squared error of a picture from its noisy self."""
    noisy = images + 0.2 * torch.randn_like(images)
    return mse_loss(noisy + model(noisy), images)


def next_character(model: nn.Module, text: Tensor) -> Tensor:
    """Cross-entropy of each character from those before it."""
    return cross_entropy(model(text[:, :-1]).flatten(0, 1), text[:, 1:].flatten())


def neighbours(model: nn.Module, word: Tensor, near: Tensor) -> Tensor:
    """Pairs that stand together against pairs put together at random (Mikolov et al., 2013)."""
    apart = near[torch.randperm(len(near))]
    together, random = model(word, near), model(word, apart)
    return binary(together, torch.ones_like(together)) + binary(random, torch.zeros_like(random))


def approximate(model: nn.Module, row: Tensor, column: Tensor, value: Tensor) -> Tensor:
    """Mean squared error of entries of a matrix."""
    return mse_loss(model(row, column), value)
