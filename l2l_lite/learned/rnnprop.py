"""An LSTM rule whose inputs and outputs have no scale."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import elu

from l2l_lite.learned.features import relative
from l2l_lite.learned.lstm import empty_memory, make_cells, read_out, remember
from l2l_lite.rules import State, UpdateRule
from l2l_lite.seeds import global_draws


class RNNProp(UpdateRule):
    """An LSTM on gradients that are divided by their root mean square, with a bounded step (Lv et al., 2017).

    Its inputs are m̂ / √v̂ and ∇ / √v̂, see `relative`, with running means as in Adam, of the same beta both,
    for each of the `betas`. A layer with ELU comes before the LSTM, and no step is longer than `scale`.
    Gradients of any size look alike to it, unless `preprocess` adds features of them as they are.
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
        more = 0 if preprocess is None else len(preprocess(torch.zeros(1)))
        with global_draws(seed):
            self.input = nn.Linear(2 * len(betas) + more, hidden[0])
            self.cells = make_cells(hidden[0], hidden)
            self.output = nn.Linear(hidden[-1], 1)

    def init(self, theta: Tensor) -> State:
        zero = theta.new_zeros(len(self.betas), *theta.shape)
        return (zero, zero, theta.new_zeros(())), empty_memory(self.cells, theta)

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        (mean, square, count), memory = state
        count = count + 1
        direction, now, means = relative(grad, mean, square, count, self.betas)
        seen = [direction, now] if self.preprocess is None else [direction, now, self.preprocess(grad)]
        features = torch.cat(seen).to(self.input.weight.dtype)
        x = self.input.weight @ features.reshape(len(features), grad.numel()) + self.input.bias[:, None]
        x, memory = remember(self.cells, elu(x).reshape(len(x), *grad.shape), memory)
        step = self.scale * read_out(self.output, x).tanh()
        return step.to(grad.dtype), ((*means, count), memory)
