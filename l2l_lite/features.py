"""What a picture looks like to a network: feature maps of random and of trained filters, for neural art."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, cross_entropy, pad, relu
from tqdm import trange

from l2l_lite import artefacts
from l2l_lite.data import Data, Examples
from l2l_lite.seeds import generator, global_draws

# From pictures [n, 3, h, w] to the maps [n, channels, height, width] of each layer.
Features = Callable[[Tensor], list[Tensor]]
MEAN = 0.5  # what the small network subtracts from its pictures
COMMAND = "l2l features"  # that makes the trained ones again


class FilterBank(nn.Module):
    """Random filters of several sizes, at full, half and quarter resolution: features that nobody trained.

    They have zero mean and unit norm, so that a flat grey area gives nothing; the blurred colours are one
    more layer. One layer of random filters is enough for textures (Ustyuzhaninov et al., 2016).
    """

    def __init__(self, sizes: Sequence[int] = (3, 7, 11), filters: int = 32, seed: int = 0):
        super().__init__()
        rng = generator(seed)
        for size in sizes:
            bank = torch.randn(filters, 3, size, size, generator=rng)
            bank -= bank.mean(dim=(1, 2, 3), keepdim=True)
            norm = bank.square().sum(dim=(1, 2, 3), keepdim=True).sqrt()
            self.register_buffer(f"size{size}", bank / norm)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        half = _blur(pictures)
        quarter = _blur(half)
        scales = pictures, half, quarter
        return [*(relu(_convolve(scale, bank)) for scale in scales for bank in self.buffers()), quarter]


def _blur(pictures: Tensor) -> Tensor:
    # Windows that overlap: separate ones would leave a grid in the picture.
    return avg_pool2d(pictures, 4, stride=2, padding=1, count_include_pad=False)


def _convolve(pictures: Tensor, bank: Tensor) -> Tensor:
    margin = bank.shape[-1] // 2
    return conv2d(pad(pictures, [margin] * 4, mode="reflect"), bank)


class Layers(nn.Module):
    """What some `layers` of a network see, such as torchvision's `vgg19(weights="DEFAULT").features`.

    Pictures are standardised by `mean` and `std`, by default those of ImageNet.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Sequential,
        layers: Sequence[int],
        mean: Sequence[float] = (0.485, 0.456, 0.406),
        std: Sequence[float] = (0.229, 0.224, 0.225),
    ):
        super().__init__()
        self.network, self.layers = network[: max(layers) + 1].requires_grad_(False), tuple(layers)
        for module in self.network.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = False  # or it would overwrite what the layer before it saw
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("std", torch.tensor(std)[:, None, None])

    def forward(self, pictures: Tensor) -> list[Tensor]:
        x = (pictures - self.mean) / self.std
        seen = [x := layer(x) for layer in self.network.children()]
        return [seen[k] for k in self.layers]


def small_network() -> nn.Sequential:
    """Five 3×3 convolutions of 24 to 96 channels with average pooling: 78,648 weights."""

    def convolution(inputs: int, outputs: int) -> tuple[nn.Module, nn.Module]:
        return nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect"), nn.ReLU()

    return nn.Sequential(
        *convolution(3, 24), *convolution(24, 24), nn.AvgPool2d(2),
        *convolution(24, 48), *convolution(48, 48), nn.AvgPool2d(2),
        *convolution(48, 96),
    )  # fmt: skip


def trained() -> Layers:
    """The layers of a `small_network` that was trained to classify CIFAR-10; its card says how.

    Raises ValueError for a missing or altered file.
    """
    with torch.device("meta"):  # without weights of its own, which would be drawn
        network = small_network()
    network.load_state_dict(artefacts.read_weights("features", COMMAND), assign=True)
    return _layers(network)


def card() -> dict[str, Any]:
    """How the trained features were made: data, steps, seconds, accuracy."""
    return artefacts.read_card("features", COMMAND)


def train(data: Data, steps: int = 1560, batch: int = 128, lr: float = 5e-3, seed: int = 0) -> nn.Sequential:
    """Train a `small_network`, with a linear layer on the mean of its last maps, to classify `data`.

    Adam, one cycle of the learning rate (Smith and Topin, 2019), every other minibatch mirrored. The last
    module of what comes back is the linear layer.
    """
    classes = int(data.train.labels.max()) + 1
    with global_draws(seed, data.train.images.device):
        model = nn.Sequential(*small_network(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, classes))
    model.to(data.train.images.device)
    optimizer = torch.optim.Adam(model.parameters(), lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    rng = torch.Generator().manual_seed(seed)
    for step in trange(steps, desc="features"):
        index = torch.randint(len(data.train.labels), (batch,), generator=rng).to(data.train.labels.device)
        images = data.train.images[index] - MEAN
        loss = cross_entropy(model(images.flip(-1) if step % 2 else images), data.train.labels[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model


@torch.no_grad()
def accuracy(model: nn.Module, examples: Examples) -> float:
    """The share of examples that a trained model gives the right label."""
    batches = zip(examples.images.split(500), examples.labels.split(500), strict=True)
    right = sum(int((model(images - MEAN).argmax(dim=1) == labels).sum()) for images, labels in batches)
    return right / len(examples.labels)


def write(model: nn.Sequential, about: dict[str, Any], folder: str | Path) -> None:
    """Write the features of a trained model and their card."""
    network = model[:-3]  # without the classifier at its end
    artefacts.write("features", network.state_dict(), about, folder)


def _layers(network: nn.Sequential) -> Layers:
    return Layers(network, layers=(1, 3, 6, 8, 11), mean=(MEAN,) * 3, std=(1.0,) * 3)
