"""An LSTM rule whose inputs and outputs have no scale."""

import torch
from torch import Tensor, nn
from torch.nn.functional import elu

from l2l_lite.learned.lstm import empty_memory, make_cells, read_out, remember
from l2l_lite.rules import State, UpdateRule
from l2l_lite.seeds import global_draws

EPS = 1e-8


class RNNProp(UpdateRule):
    """An LSTM on gradients that are divided by their root mean square, with a bounded step (Lv et al., 2017).

    Its inputs are m̂ / √(v̂ + ε²) and ∇ / √(v̂ + ε²), with running means as in Adam, of the same `beta` both,
    and a root whose slope is finite at zero. A layer with ELU comes before the LSTM, and no step is longer
    than `scale`. Gradients of any size look alike to it.
    """

    def __init__(
        self, hidden: tuple[int, ...] = (20, 20), scale: float = 0.1, beta: float = 0.95, seed: int = 0
    ):
        super().__init__()
        self.scale, self.beta = scale, beta
        with global_draws(seed):
            self.input = nn.Linear(2, hidden[0])
            self.cells = make_cells(hidden[0], hidden)
            self.output = nn.Linear(hidden[-1], 1)

    def init(self, theta: Tensor) -> State:
        means = torch.zeros_like(theta), torch.zeros_like(theta), theta.new_zeros(())
        return means, empty_memory(self.cells, theta)

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        (mean, square, count), memory = state
        count = count + 1
        mean = self.beta * mean + (1 - self.beta) * grad
        square = self.beta * square + (1 - self.beta) * grad**2
        unbiased = 1 - self.beta**count
        size = (square / unbiased + EPS**2).sqrt()
        features = torch.stack([mean / unbiased / size, grad / size]).to(self.input.weight.dtype)
        x = self.input.weight @ features.reshape(2, grad.numel()) + self.input.bias[:, None]
        x, memory = remember(self.cells, elu(x).reshape(len(x), *grad.shape), memory)
        step = self.scale * read_out(self.output, x).tanh()
        return step.to(grad.dtype), ((mean, square, count), memory)
