"""An LSTM rule whose inputs and outputs have no scale."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import elu

from l2l_lite.learned.lstm import empty_memory, make_cells, read_out, remember
from l2l_lite.rules import State, UpdateRule
from l2l_lite.seeds import global_draws

EPS = 1e-8


class RNNProp(UpdateRule):
    """An LSTM on gradients that are divided by their root mean square, with a bounded step (Lv et al., 2017).

    Its inputs are m̂ / (√v̂ + eps) and ∇ / (√v̂ + eps), with running means as in Adam, both of the same
    beta, for each of the `betas`; and the features of `preprocess` if there is one. A layer with ELU comes
    before the LSTM, and no step is longer than `scale`. Without `preprocess`, gradients of any size look
    alike to it.
    """

    def __init__(
        self,
        hidden: tuple[int, ...] = (20, 20),
        scale: float = 0.1,
        betas: tuple[float, ...] = (0.95,),
        preprocess: Callable[[Tensor], Tensor] | None = None,
        seed: int = 0,
    ):
        super().__init__()
        self.scale, self.betas, self.preprocess = scale, betas, preprocess
        features = 2 * len(betas) + (len(preprocess(torch.zeros(1))) if preprocess else 0)
        with global_draws(seed):
            self.input = nn.Linear(features, hidden[0])
            self.cells = make_cells(hidden[0], hidden)
            self.output = nn.Linear(hidden[-1], 1)

    def init(self, theta: Tensor) -> State:
        zero = theta.new_zeros(len(self.betas), *theta.shape)
        return (zero, zero, theta.new_zeros(())), empty_memory(self.cells, theta)

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        (mean, square, count), memory = state
        beta = grad.new_tensor(self.betas).reshape(-1, *[1] * grad.dim())
        count = count + 1
        mean = beta * mean + (1 - beta) * grad
        square = beta * square + (1 - beta) * grad**2
        unbiased = 1 - beta**count
        size = (square / unbiased).sqrt() + EPS
        features = torch.cat([mean / unbiased / size, grad / size])
        if self.preprocess:
            features = torch.cat([features, self.preprocess(grad)])
        x = features.reshape(len(features), grad.numel()).to(self.input.weight.dtype)
        x = self.input.weight @ x + self.input.bias[:, None]
        x, memory = remember(self.cells, elu(x).reshape(len(x), *grad.shape), memory)
        step = self.scale * read_out(self.output, x).tanh()
        return step.to(grad.dtype), ((mean, square, count), memory)
