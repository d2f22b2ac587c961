"""Neural networks as problems: any `nn.Module` on any data set, a batch of tasks at a time."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.func import functional_call, replace_all_batch_norm_modules_, vmap
from torch.nn.functional import cross_entropy

from l2l_lite.data import Data
from l2l_lite.problems.base import check_tasks
from l2l_lite.seeds import generator


def mlp(
    inputs: int = 784,
    hidden: int = 20,
    layers: int = 1,
    activation: Callable[[], nn.Module] = nn.Sigmoid,
    classes: int = 10,
) -> nn.Sequential:
    """A fully connected network; by default the paper's 784-20-10 with a sigmoid."""
    modules: list[nn.Module] = [nn.Flatten()]
    for _ in range(layers):
        modules += [nn.Linear(inputs, hidden), activation()]
        inputs = hidden
    return nn.Sequential(*modules, nn.Linear(inputs, classes))


def conv_net(classes: int = 10) -> nn.Sequential:
    """The paper's network for 32×32 colour images: three convolutions of 16 channels, a dense layer of 32.

    22,650 parameters for ten classes. Max-pooling stands before batch norm, which is then four times cheaper.
    """
    modules: list[nn.Module] = []
    for channels in (3, 16, 16):
        conv = nn.Conv2d(channels, 16, kernel_size=5, padding=2, bias=False)  # batch norm has a shift
        modules += [conv, nn.MaxPool2d(2), nn.BatchNorm2d(16), nn.ReLU()]
    return nn.Sequential(*modules, nn.Flatten(), nn.Linear(256, 32), nn.ReLU(), nn.Linear(32, classes))


def parameter_groups(model: nn.Module) -> dict[str, Tensor]:
    """Indices into a row of θ: "conv", the weights of convolutions, and "dense", all others."""
    is_conv = flatten([torch.full(p.shape, p.dim() == 4) for p in model.parameters()])
    groups = {"conv": is_conv.nonzero()[:, 0], "dense": (~is_conv).nonzero()[:, 0]}
    return {name: index for name, index in groups.items() if len(index)}


@dataclass
class Classifier:
    """Training the networks of `make_model` on `data` (Andrychowicz et al., 2016, section 3.2).

    The data stay the same; tasks differ in θ0 and in their minibatches. θ0 is N(0, theta0_std²), or
    with `theta0_std=None` what `make_model` itself draws. Batch norm uses each minibatch's statistics.
    """

    make_model: Callable[[], nn.Module]
    data: Data
    batch: int = 128
    theta0_std: float | None = 0.1

    @property
    def groups(self) -> dict[str, Tensor]:
        """See `parameter_groups`."""
        return parameter_groups(self.make_model())

    def sample(self, tasks: int, seed: int, device: torch.device | str = "cpu") -> "ClassifierProblem":
        """`tasks` networks at their start, each with its own minibatches."""
        check_tasks(tasks)
        model = replace_all_batch_norm_modules_(self.make_model()).to(device)
        theta0 = self._theta0(tasks, seed).to(device)
        return ClassifierProblem(model, self.data.to(device), theta0, self.batch, seed)

    def on(self, data: Data) -> "Classifier":
        """The same family on other data."""
        return replace(self, data=data)

    def _parameters(self) -> list[Tensor]:
        return [p.detach() for p in self.make_model().parameters()]

    def _theta0(self, tasks: int, seed: int) -> Tensor:
        rng = generator(seed, 0)
        if self.theta0_std is not None:
            dim = flatten(self._parameters()).numel()
            return self.theta0_std * torch.randn(tasks, dim, generator=rng)
        with torch.random.fork_rng(devices=[]):
            torch.random.set_rng_state(rng.get_state())
            return torch.stack([flatten(self._parameters()) for _ in range(tasks)])


@dataclass
class ClassifierProblem:
    """Cross-entropy of copies of `model` that differ in their start and their minibatches."""

    model: nn.Module
    data: Data
    theta0: Tensor
    batch: int
    seed: int

    def loss(self, theta: Tensor, t: int) -> Tensor:
        """Mean cross-entropy of every task on its own minibatch of step t, [tasks]."""
        images, labels = self.data.train
        shape = (len(theta), self.batch)
        index = torch.randint(len(labels), shape, generator=generator(self.seed, t + 1))
        index = index.to(theta.device)
        return vmap(self._task_loss, chunk_size=self._chunk(theta))(theta, images[index], labels[index])

    def evaluate(self, theta: Tensor) -> Tensor:
        """Mean cross-entropy of every task on all held-out examples, [tasks], 1,000 of them at a time."""
        total = torch.zeros_like(theta[:, 0])
        with torch.no_grad():
            for images, labels in zip(*(part.split(1000) for part in self.data.test), strict=True):
                in_dims = (0, None, None)
                losses = vmap(self._task_loss, in_dims, chunk_size=self._chunk(theta) or 16)
                total += len(labels) * losses(theta, images, labels)
        return total / len(self.data.test.labels)

    def _chunk(self, theta: Tensor) -> int | None:
        # A batch of tasks makes grouped convolutions, which cost a CPU twice the time of one after another.
        convolves = any(p.dim() == 4 for p in self.model.parameters())
        return 1 if convolves and theta.device.type == "cpu" else None

    def _task_loss(self, theta: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        logits = functional_call(self.model, self._unflatten(theta), (images,))
        return cross_entropy(logits, labels)

    def _unflatten(self, theta: Tensor) -> dict[str, Tensor]:
        parameters = dict(self.model.named_parameters())
        pieces = theta.split([p.numel() for p in parameters.values()])
        named = zip(parameters.items(), pieces, strict=True)
        return {name: piece.view_as(p) for (name, p), piece in named}


def flatten(tensors: list[Tensor]) -> Tensor:
    """All entries of the tensors, in order, [dim]."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])
