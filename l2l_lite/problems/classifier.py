"""Neural networks as problems: any `nn.Module` on any data set, a batch of tasks at a time."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.func import functional_call, replace_all_batch_norm_modules_, vmap
from torch.nn.functional import cross_entropy

from l2l_lite.data import Data, Examples
from l2l_lite.naming import describe, fingerprint
from l2l_lite.problems.base import Drawn, check_tasks
from l2l_lite.seeds import generator, global_draws


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

    22,682 parameters for ten classes. Batch norm follows every layer but the last, convolutions after
    max-pooling, where it is four times cheaper.
    """
    modules: list[nn.Module] = []
    for channels in (3, 16, 16):
        conv = nn.Conv2d(channels, 16, kernel_size=5, padding=2, bias=False)  # batch norm has a shift
        modules += [conv, nn.MaxPool2d(2), nn.BatchNorm2d(16), nn.ReLU()]
    hidden = nn.Linear(256, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU()
    return nn.Sequential(*modules, nn.Flatten(), *hidden, nn.Linear(32, classes))


def layer_kind(name: str, parameter: Tensor) -> str:
    """The group of a parameter: "conv" for the weights of convolutions, "dense" for all others."""
    return "conv" if parameter.dim() == 4 else "dense"


def parameter_groups(model: nn.Module) -> dict[str, Tensor]:
    """Indices into a row of θ for each `layer_kind` that the model has."""
    kinds = [(layer_kind(name, p), p.numel()) for name, p in trainable(model).items()]
    return coordinate_groups(kinds)


def coordinate_groups(sizes: Iterable[tuple[str, int]]) -> dict[str, Tensor]:
    """Indices into a row of θ for each group, from the group and the size of each parameter in turn."""
    indices: dict[str, list[Tensor]] = defaultdict(list)
    first = 0
    for name, size in sizes:
        indices[name].append(torch.arange(first, first + size))
        first += size
    return {name: torch.cat(parts) for name, parts in sorted(indices.items())}


def trainable(model: nn.Module) -> dict[str, Tensor]:
    """The parameters that θ holds, by name: those of a model that are not frozen."""
    return {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}


@dataclass
class Classifier:
    """Training the networks of `make_model` on `data` (Andrychowicz et al., 2016, section 3.2).

    The data stay the same; tasks differ in θ0 and in their minibatches. θ0 is N(0, theta0_std²), or
    with `theta0_std=None` what `make_model` itself draws. Batch norm uses each minibatch's statistics,
    frozen parameters stay as they are, and dropout draws anew at each step of each seed. With another
    `criterion` of outputs and labels, such as `mse_loss`, labels may be anything that it takes.
    """

    make_model: Callable[[], nn.Module]
    data: Data
    batch: int = 128
    theta0_std: float | None = 0.1
    # From a factory, for a function as a plain default would look like a method.
    criterion: Callable[[Tensor, Tensor], Tensor] = field(default_factory=lambda: cross_entropy)
    _on: dict[torch.device, Data] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.make_model, nn.Module):
            raise TypeError(
                "make_model must be a function that makes a network, such as l2l.mlp, not a network"
            )
        if self.batch < 1:
            raise ValueError(f"a batch needs at least one example, but batch={self.batch}")

    def __repr__(self) -> str:
        data = fingerprint(*self.data.train, *self.data.test)
        settings = f"batch={self.batch}, theta0_std={self.theta0_std}, criterion={describe(self.criterion)}"
        return f"Classifier({describe(self._model(0))} on data {data}, {settings})"

    @property
    def groups(self) -> dict[str, Tensor]:
        """See `parameter_groups`."""
        return parameter_groups(self._model(0))

    def sample(self, tasks: int, seed: int, device: torch.device | str = "cpu") -> "ClassifierProblem":
        """`tasks` networks at their start, each with its own minibatches."""
        check_tasks(tasks)
        model = replace_all_batch_norm_modules_(self._model(seed)).to(device)
        if not trainable(model):
            raise ValueError("the network has no parameters to train: all are frozen, or it has none")
        if not len(self.data.train.labels):
            raise ValueError("there are no training examples: give Data whose train part holds some")
        return ClassifierProblem(
            model,
            self._data(torch.device(device)),
            self._theta0(tasks, seed).to(device),
            self.batch,
            seed,
            self.criterion,
        )

    def on(self, data: Data) -> "Classifier":
        """The same family on other data."""
        return replace(self, data=data)

    def _data(self, device: torch.device) -> Data:
        if device not in self._on:  # moved once, not for every trajectory
            self._on[device] = self.data.to(device)
        return self._on[device]

    def _model(self, seed: int) -> nn.Module:
        with global_draws(seed):
            return self.make_model()

    def _theta0(self, tasks: int, seed: int) -> Tensor:
        rng = generator(seed, 0)
        if self.theta0_std is not None:
            dim = flatten(trainable(self._model(seed))).numel()
            return self.theta0_std * torch.randn(tasks, dim, generator=rng)
        with global_draws(rng.initial_seed()):
            return torch.stack([flatten(trainable(self.make_model())) for _ in range(tasks)])


BLOCK = 32  # steps whose minibatches are drawn at once


@dataclass
class ClassifierProblem:
    """The criterion of copies of `model` that differ in their start and their minibatches."""

    model: nn.Module
    data: Data
    theta0: Tensor
    batch: int
    seed: int
    # From a factory, for a function as a plain default would look like a method.
    criterion: Callable[[Tensor, Tensor], Tensor] = field(default_factory=lambda: cross_entropy)
    among: tuple[slice, int] | None = None  # rows of how many tasks these are, if not all

    def __post_init__(self) -> None:
        self._shapes = {name: p.shape for name, p in trainable(self.model).items()}
        self._sizes = [shape.numel() for shape in self._shapes.values()]
        self._drawn = 0, torch.empty(0, 0, 0)  # a step, and the minibatches from there on

    def loss(self, theta: Tensor, t: int) -> Tensor:
        """The loss of every task on its own minibatch of step t, [tasks]."""
        index = self.minibatch(t, len(theta))
        # On the flat index, for it is five times as fast so.
        images, labels = (part.index_select(0, index.flatten()) for part in self.data.train)
        images, labels = (part.unflatten(0, index.shape) for part in (images, labels))
        return self._losses(theta, images, labels, generator(self.seed, t, 1), own=0)

    def minibatch(self, t: int, tasks: int) -> Tensor:
        """Which training examples each task sees at step t, [tasks, batch]."""
        first, index = self._drawn
        if not first <= t < first + len(index) or index.shape[1] != tasks:
            block, (rows, every) = t // BLOCK, self.among or (slice(None), tasks)
            rng, examples = generator(self.seed, block + 1), len(self.data.train.labels)
            drawn = torch.randint(examples, (BLOCK, every, self.batch), generator=rng)[:, rows]
            first, index = self._drawn = block * BLOCK, drawn.to(self.theta0.device)
        return index[t - first]

    def drawn(self, t: int, steps: int) -> Drawn:
        """See `Drawn`; raises ValueError for a network with buffers or frozen parameters."""
        if next(self.model.buffers(), None) is not None or not all(
            p.requires_grad for p in self.model.parameters()
        ):
            raise ValueError("a network with buffers or frozen parameters cannot be recorded")
        index = torch.stack([self.minibatch(step, len(self.theta0)) for step in range(t, t + steps)])
        kind = repr(self.model), self.data, self.criterion

        def problem(index: Tensor) -> ClassifierProblem:
            same = copy(self)
            same._drawn = t, index
            return same

        return Drawn((index,), problem, kind)

    @torch.no_grad()
    def evaluate(self, theta: Tensor) -> Tensor:
        """The loss of every task on all held-out examples, [tasks].

        1,000 at a time, mixed in one way whatever their order: batch norm looks at those together.
        """
        total = torch.zeros_like(theta[:, 0])
        mixed = _mixed(self.data.test)
        for images, labels in zip(*(part.split(1000) for part in mixed), strict=True):
            total += len(labels) * self._losses(theta, images, labels, generator(self.seed), own=None)
        return total / len(mixed.labels)

    def held_out(self) -> "ClassifierProblem":
        """The same networks, with minibatches of held-out examples."""
        parts = self.theta0, self.batch, self.seed, self.criterion, self.among
        return ClassifierProblem(self.model, self.data.swapped(), *parts)

    def select(self, rows: slice) -> "ClassifierProblem":
        """Some of the tasks, with their minibatches among those of all."""
        return replace(self, theta0=self.theta0[rows], among=(rows, len(self.theta0)))

    def _losses(
        self, theta: Tensor, images: Tensor, labels: Tensor, rng: torch.Generator, own: int | None
    ) -> Tensor:
        """The loss of each task on its own images [tasks, n, ...], or with None on the same [n, ...]."""
        with global_draws(rng.initial_seed(), theta.device):
            if len(theta) == 1:  # `vmap` over one task costs more than twice the plain call
                one = [part if own is None else part[0] for part in (images, labels)]
                return self._task_loss(theta[0], *one)[None]
            chunk = 1 if self._one_by_one(theta) else 16 if own is None else None
            every = vmap(self._task_loss, (0, own, own), chunk_size=chunk, randomness="different")
            return every(theta, images, labels)

    def _one_by_one(self, theta: Tensor) -> bool:
        # A batch of tasks makes grouped convolutions, which cost a CPU twice the time of one after another.
        return theta.device.type == "cpu" and any(len(shape) == 4 for shape in self._shapes.values())

    def parameters(self, row: Tensor) -> dict[str, Tensor]:
        """A row of θ as the parameters of the network, by name."""
        named = zip(self._shapes.items(), row.split(self._sizes), strict=True)
        return {name: piece.view(shape) for (name, shape), piece in named}

    def _task_loss(self, row: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        return self.criterion(functional_call(self.model, self.parameters(row), (images,)), labels)


def _mixed(examples: Examples) -> Examples:
    """The same examples in an order that depends on what they are, and on nothing else."""
    pixels = examples.images.flatten(1).double()
    weights = torch.rand(pixels.shape[1], generator=generator(0), dtype=torch.float64).to(pixels.device)
    order = (pixels @ weights).argsort()
    order = order[torch.randperm(len(order), generator=generator(0)).to(order.device)]
    return Examples(examples.images[order], examples.labels[order])


def flatten(tensors: Mapping[str, Tensor]) -> Tensor:
    """All entries of the tensors, in order, [dim]."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors.values()])
