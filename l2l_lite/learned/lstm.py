"""The paper's rule: one small LSTM, shared by every coordinate."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from l2l_lite.learned.features import log_and_sign
from l2l_lite.rules import State, UpdateRule
from l2l_lite.seeds import global_draws


class LSTMRule(UpdateRule):
    """One small LSTM shared by every coordinate, each with its own memory (Andrychowicz et al., 2016).

    The weights are φ, 5,301 with the paper's two layers of 20 and `log_and_sign`, whatever the size of theta.
    `preprocess` turns gradients into features [features, *grad.shape]; `scale` multiplies the output. The
    state holds h and c of each layer, [units, *theta.shape] both.
    """

    def __init__(
        self,
        hidden: tuple[int, ...] = (20, 20),
        preprocess: Callable[[Tensor], Tensor] = log_and_sign,
        scale: float = 0.1,
        seed: int = 0,
    ):
        super().__init__()
        self.preprocess, self.scale = preprocess, scale
        with global_draws(seed):
            self.cells = make_cells(len(preprocess(torch.zeros(1))), hidden)
            self.output = nn.Linear(hidden[-1], 1)

    def init(self, theta: Tensor) -> State:
        return empty_memory(self.cells, theta)

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        x, state = remember(self.cells, self.preprocess(grad.to(self.output.weight.dtype)), state)
        return self.scale * read_out(self.output, x).to(grad.dtype), state


def make_cells(features: int, hidden: Sequence[int]) -> Sequence[nn.LSTMCell]:
    """A stack of LSTM layers, as a module."""
    if not isinstance(hidden, Sequence) or not hidden or min(hidden) < 1:
        raise ValueError(f"hidden must hold the units of each layer, such as (20, 20), but is {hidden!r}")
    sizes = zip((features, *hidden), hidden, strict=False)
    return nn.ModuleList(nn.LSTMCell(inputs, units) for inputs, units in sizes)  # type: ignore[return-value]


def empty_memory(cells: Sequence[nn.LSTMCell], theta: Tensor) -> State:
    """Zero h and c of every layer, for every coordinate of theta: [units, *theta.shape] each."""
    dtype = cells[0].weight_ih.dtype
    return tuple((theta.new_zeros(cell.hidden_size, *theta.shape, dtype=dtype),) * 2 for cell in cells)


def remember(
    cells: Sequence[nn.LSTMCell], x: Tensor, state: State, share: Callable[[Tensor], Tensor] | None = None
) -> tuple[Tensor, State]:
    """The last layer's h [units, *shape] for features x [features, *shape], and the next state.

    `share` may change what every layer puts out, h [units, *theta.shape], such as by a mean over coordinates.
    """
    expected, shape = state[0][0].shape[1:], x.shape[1:]
    if expected.numel() != shape.numel():
        raise ValueError(
            f"the rule's state has {expected.numel()} coordinates but it was given {shape.numel()} gradients"
        )
    x, next_state = x.reshape(len(x), *expected), []
    for cell, (h, c) in zip(cells, state, strict=True):
        x, c = _lstm(cell, x, h, c)
        x = x if share is None else share(x)
        next_state.append((x, c))
    return x.reshape(len(x), *shape), tuple(next_state)


def read_out(layer: nn.Linear, x: Tensor) -> Tensor:
    """One number a coordinate, [*shape], from x [units, *shape]."""
    return (layer.weight @ x.reshape(len(x), x.shape[1:].numel()) + layer.bias).reshape(x.shape[1:])


def _lstm(cell: nn.LSTMCell, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    # The arithmetic of nn.LSTMCell on [units, *shape]: with coordinates last, each gate is one contiguous
    # block and both matrix products are one, which is faster for so small a cell.
    weight = torch.cat([cell.weight_ih, cell.weight_hh], dim=1)
    bias = (cell.bias_ih + cell.bias_hh).unsqueeze(1)
    seen = torch.cat([x, h]).reshape(weight.shape[1], h.shape[1:].numel())
    gates = torch.addmm(bias, weight, seen).view(len(weight), *h.shape[1:])
    i, f, g, o = gates.chunk(4)
    if torch.is_grad_enabled():
        c = f.sigmoid() * c + i.sigmoid() * _tanh(g)
        return o.sigmoid() * _tanh(c), c
    # Nothing is kept for a backward pass, so the same is computed in place; not in the gates themselves,
    # for they are parts of one tensor, all of which `torch.compile` would copy each time.
    c = f.sigmoid().mul_(c).add_(i.sigmoid().mul_(_tanh(g)))
    return o.sigmoid().mul_(_tanh(c)), c


def _tanh(x: Tensor) -> Tensor:
    # 2 σ(2 x) - 1 gives the same numbers to 1e-7, and PyTorch's sigmoid costs a CPU a fraction of its tanh.
    # Under a graph its longer backward pass costs more than that.
    return x.tanh() if x.requires_grad else 2 * (2 * x).sigmoid() - 1
