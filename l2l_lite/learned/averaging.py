"""The paper's LSTM+GAC: some cells of the LSTM rule put out their mean over all coordinates."""

from collections.abc import Callable

import torch
from torch import Tensor

from l2l_lite.learned.features import log_and_sign
from l2l_lite.learned.lstm import LSTMRule, empty_memory, read_out, remember
from l2l_lite.rules import State


class AveragingLSTM(LSTMRule):
    """An LSTM rule with global averaging cells (Andrychowicz et al., 2016, its appendix on sharing).

    The first `shared` units of every layer are LSTM cells like the others, but what they put out is replaced
    by its mean over all coordinates of the task at each step. So a coordinate hears of the others, and
    a network is given to the rule whole. It has no more weights than the LSTM rule.
    """

    coordinatewise = False

    def __init__(
        self,
        hidden: tuple[int, ...] = (20, 20),
        shared: int = 5,
        preprocess: Callable[[Tensor], Tensor] = log_and_sign,
        scale: float = 0.1,
        seed: int = 0,
    ):
        if not 0 < shared <= min(hidden):
            raise ValueError(f"shared must be from 1 to {min(hidden)}, the units of a layer, but is {shared}")
        super().__init__(hidden, preprocess, scale, seed)
        self.shared = shared

    def init(self, theta: Tensor) -> State:
        return empty_memory(self.cells, _row(theta))

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        x = self.preprocess(_row(grad).to(self.output.weight.dtype))
        x, state = remember(self.cells, x, state, self.share)
        return self.scale * read_out(self.output, x).to(grad.dtype).reshape(grad.shape), state

    def share(self, h: Tensor) -> Tensor:
        """What a layer puts out, [units, ..., dim], with its first units averaged over coordinates."""
        return average(h, self.shared)


def average(h: Tensor, shared: int) -> Tensor:
    """Units [units, ..., dim], the first `shared` of them replaced by their mean over the last axis."""
    mean = h[:shared].mean(dim=-1, keepdim=True).expand_as(h[:shared])
    return torch.cat([mean, h[shared:]])


def _row(theta: Tensor) -> Tensor:
    return theta.reshape(theta.shape or (1,))  # a network of one number has a coordinate too
