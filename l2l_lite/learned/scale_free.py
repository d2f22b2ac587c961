"""A rule for networks that it has never seen: nothing that it sees or does has a scale."""

import torch
from torch import Tensor, nn
from torch.nn.functional import elu

from l2l_lite.learned.features import overshoot, relative, steadiness
from l2l_lite.learned.lstm import empty_memory, make_cells, read_out, remember
from l2l_lite.rules import State, UpdateRule
from l2l_lite.seeds import global_draws


class ScaleFree(UpdateRule):
    """A small LSTM for each coordinate, and two things that all coordinates are told together.

    Of its own gradient a coordinate sees what RNNProp (Lv et al., 2017) does, m̂ / √v̂ and ∇ / √v̂, for each
    of the `betas`, cut off at ±2: where gradients are rare, any is large beside their running mean. All are
    told how steady gradients are, the mean of (m̂ / √v̂)² over coordinates, and whether the last step went
    too far, the cosine between it and ∇ / √v̂. No step is longer than `scale` times the network's unit, and
    the first ones are held back like Adam's m before its correction. The unit is √(0.08 s), s the mean |θ0|
    over coordinates: half way, on a logarithmic scale, between s and 0.08, a common s among small networks.
    So the rule shares information between coordinates: a network is given to it whole.
    """

    coordinatewise = False

    def __init__(
        self,
        hidden: tuple[int, ...] = (16,),
        scale: float = 0.7,
        betas: tuple[float, ...] = (0.9, 0.99, 0.999),
        seed: int = 0,
    ):
        super().__init__()
        self.scale, self.betas = scale, betas
        with global_draws(seed):
            self.input = nn.Linear(self.inputs, hidden[0])
            self.cells = make_cells(hidden[0], hidden)
            self.output = nn.Linear(hidden[-1], 1)

    @property
    def inputs(self) -> int:
        """How many features a coordinate has."""
        return 3 * len(self.betas) + 1

    def see(self, grad: Tensor, direction: Tensor, now: Tensor, told: Tensor) -> Tensor:
        """The features [inputs, *grad.shape]: m̂ / √v̂ and ∇ / √v̂ of every β, and what all are told."""
        return torch.cat([direction.clamp(-2, 2), now.clamp(-2, 2), told.expand(-1, *grad.shape)])

    def unit(self, theta: Tensor) -> Tensor:
        """What steps are measured in, one number a task [..., 1]; a network of nothing but zeros has one."""
        return (0.08 * theta.detach().abs().mean(dim=-1, keepdim=True).clamp_min(1e-3)).sqrt()

    def bound(self, x: Tensor) -> Tensor:
        """What is read out of the LSTM, between -1 and 1."""
        return x.tanh()

    def init(self, theta: Tensor) -> State:
        theta = theta if theta.dim() else theta[None]  # a network of one number has a coordinate too
        zero = theta.new_zeros(len(self.betas), *theta.shape)
        averages = zero, zero, zero[0], theta.new_zeros(())
        return averages, self.unit(theta), empty_memory(self.cells, theta)

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        (mean, square, last_step, count), unit, memory = state
        shape, grad = grad.shape, grad.reshape(last_step.shape)
        count = count + 1
        direction, now, means = relative(grad, mean, square, count, self.betas)
        told = torch.cat([steadiness(direction), overshoot(last_step, now[-1:])])
        features = self.see(grad, direction, now, told)
        x = features.reshape(len(features), grad.numel()).to(self.input.weight.dtype)
        x = self.input.weight @ x + self.input.bias[:, None]
        x, memory = remember(self.cells, elu(x).reshape(len(x), *grad.shape), memory)
        held_back = 1 - grad.new_full((), self.betas[0]) ** count
        step = self.scale * unit * held_back * self.bound(read_out(self.output, x))
        step = step.to(grad.dtype)
        return step.reshape(shape), ((*means, step, count), unit, memory)
