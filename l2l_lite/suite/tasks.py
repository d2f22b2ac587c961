"""The tasks of the suite: a network, examples, and a loss for each."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from l2l_lite.seeds import generator, global_draws
from l2l_lite.suite import losses, material, networks


@dataclass(frozen=True)
class Task:
    """A network, examples, and the loss on a minibatch of them."""

    summary: str
    make_model: Callable[[], nn.Module]
    examples: Callable[[], material.Examples]
    loss: Callable[..., Tensor]  # of the model and each part of a minibatch
    batch: int = 32

    def start(self, seed: int) -> nn.Module:
        """The network of a seed, as its layers draw it."""
        with global_draws(generator(seed, 0).initial_seed()):
            return self.make_model()

    def losses(self, model: nn.Module, seed: int) -> Callable[[int], Tensor]:
        """The loss at step t, on the minibatch of that step: the same for every optimizer."""
        examples = self.examples()

        def at(t: int) -> Tensor:
            rng = generator(seed, 1, t)
            index = torch.randint(len(examples[0]), (self.batch,), generator=rng)
            with global_draws(rng.initial_seed()):
                return self.loss(model, *(part[index] for part in examples))

        return at


def _skip_gram() -> nn.Module:
    return networks.SkipGram(material.words()[1])


def _language(make: Callable[..., nn.Module], **settings: Any) -> Callable[[], nn.Module]:
    return lambda: make(material.alphabet(), **settings)


_dense, _conv = networks.dense, networks.conv
TASKS = {
    "softmax": Task("linear classifier, MNIST", partial(_dense, 784, 10), material.mnist, losses.classify),
    "gelu": Task(
        "196-64-64-10, GELU, MNIST",
        partial(_dense, 196, 64, 64, 10, activation=nn.GELU),
        material.small_mnist,
        losses.classify,
    ),
    "deep": Task(
        "six layers of 32, ReLU, MNIST",
        partial(_dense, 196, *[32] * 6, 10),
        material.small_mnist,
        losses.classify,
    ),
    "layer-norm": Task(
        "196-64-64-10, layer norm, MNIST",
        partial(_dense, 196, 64, 64, 10, norm=True),
        material.small_mnist,
        losses.classify,
    ),
    "conv": Task("two convolutions, MNIST", _conv, material.small_mnist, losses.classify),
    "batch-norm": Task(
        "two convolutions, batch norm, photographs",
        partial(_conv, 3, 6, norm=True),
        material.crops,
        losses.classify,
    ),
    "residual": Task("residual, group norm, MNIST", networks.residual, material.small_mnist, losses.classify),
    "vision-transformer": Task(
        "attention on patches, MNIST", networks.VisionTransformer, material.small_mnist, losses.classify, 16
    ),
    "deep-sets": Task("sets of points, MNIST", networks.DeepSets, material.labelled_points, losses.classify),
    "transformer": Task(
        "attention, characters of a text",
        _language(networks.CausalTransformer),
        material.characters,
        losses.next_character,
        16,
    ),
    "lstm": Task(
        "LSTM, characters of a text",
        _language(networks.Recurrent),
        material.characters,
        losses.next_character,
        16,
    ),
    "gru": Task(
        "GRU, characters of a text",
        _language(networks.Recurrent, cell=nn.GRU),
        material.characters,
        losses.next_character,
        16,
    ),
    "skip-gram": Task(
        "embeddings of words, their neighbours",
        _skip_gram,
        lambda: material.words()[0],
        losses.neighbours,
        128,
    ),
    "autoencoder": Task(
        "196-64-8-64-196, MNIST",
        partial(_dense, 196, 64, 8, 64, 196),
        material.small_mnist,
        losses.reconstruct,
    ),
    "variational": Task(
        "variational autoencoder, MNIST", networks.VariationalAutoencoder, material.small_mnist, losses.bound
    ),
    "denoiser": Task(
        "three convolutions, noisy photographs", networks.denoiser, material.crops, losses.denoise, 8
    ),
    "picture": Task(
        "a photograph as a function of the place", networks.Picture, material.pixels, losses.regress, 256
    ),
    "factors": Task(
        "a photograph as a product of two matrices",
        partial(networks.Factors, 64, 64),
        material.entries,
        losses.approximate,
        512,
    ),
    "diabetes": Task(
        "10-32-32-1, regression",
        partial(_dense, 10, 32, 32, 1),
        partial(material.table, "diabetes"),
        losses.regress,
    ),
    "breast-cancer": Task(
        "30-16-1, tanh, yes or no",
        partial(_dense, 30, 16, 1, activation=nn.Tanh),
        partial(material.table, "breast_cancer"),
        losses.decide,
    ),
}
