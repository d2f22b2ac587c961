"""Learned update rules: the coordinatewise LSTM of the paper, and a rule for each group of coordinates."""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from l2l_lite.rules import State, UpdateRule


def log_and_sign(grad: Tensor, p: float = 10.0) -> Tensor:
    """Two features per gradient, [2, *grad.shape]: its size on a log scale, and its sign.

    (log|∇| / p, sgn ∇) where |∇| ≥ e⁻ᵖ, else (-1, eᵖ ∇) (Andrychowicz et al., 2016, Appendix A).
    """
    size = grad.abs().clamp_min(math.exp(-p)).log() / p
    sign = (grad * math.exp(p)).clamp(-1, 1)
    return torch.stack([size, sign])


def identity(grad: Tensor) -> Tensor:
    """The gradient itself as the only feature, [1, *grad.shape]."""
    return grad[None]


class LSTMRule(UpdateRule):
    """One small LSTM shared by every coordinate, each with its own memory (Andrychowicz et al., 2016).

    The weights are φ, 5,301 with the paper's two layers of 20 and `log_and_sign`, whatever the size of theta.
    `preprocess` turns gradients [n] into features [k, n]; `scale` multiplies the output.
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
        features = len(preprocess(torch.zeros(1)))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            sizes = zip((features, *hidden), hidden, strict=False)
            cells = nn.ModuleList(nn.LSTMCell(inputs, units) for inputs, units in sizes)
            self.cells: Sequence[nn.LSTMCell] = cells  # type: ignore[assignment]
            self.output = nn.Linear(hidden[-1], 1)

    def init(self, theta: Tensor) -> State:
        dtype = self.output.weight.dtype
        sizes = ((cell.hidden_size, theta.numel()) for cell in self.cells)
        return tuple((theta.new_zeros(size, dtype=dtype),) * 2 for size in sizes)

    def forward(self, grad: Tensor, state: State) -> tuple[Tensor, State]:
        if state[0][0].shape[1] != grad.numel():
            raise ValueError(
                f"the rule's state has {state[0][0].shape[1]} coordinates "
                f"but it was given {grad.numel()} gradients"
            )
        x = self.preprocess(grad.reshape(-1).to(self.output.weight.dtype))  # [features, coordinates]
        next_state = []
        for cell, memory in zip(self.cells, state, strict=True):
            x, c = _lstm(cell, x, *memory)
            next_state.append((x, c))
        step = self.output.weight @ x + self.output.bias  # [1, coordinates]
        return self.scale * step.reshape(grad.shape).to(grad.dtype), tuple(next_state)


def _lstm(cell: nn.LSTMCell, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    # The arithmetic of nn.LSTMCell on [units, coordinates]: with coordinates last, each gate is one
    # contiguous block and both matrix products are one, which is faster for so small a cell.
    weight = torch.cat([cell.weight_ih, cell.weight_hh], dim=1)
    bias = (cell.bias_ih + cell.bias_hh)[:, None]
    i, f, g, o = torch.addmm(bias, weight, torch.cat([x, h])).chunk(4)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


class Partitioned(UpdateRule):
    """A rule for each group of coordinates, such as one for convolutions and one for dense layers.

    `groups` gives for each name the indices into a row of θ (`family.groups`); every coordinate belongs
    to one group (Andrychowicz et al., 2016, section 3.3).
    """

    def __init__(self, rules: Mapping[str, UpdateRule], groups: Mapping[str, Tensor]):
        super().__init__()
        if set(rules) != set(groups):
            raise ValueError(f"there are rules for {sorted(rules)} but groups {sorted(groups)}")
        self.groups = dict(groups)
        self.rules: Mapping[str, UpdateRule] = nn.ModuleDict(rules)  # type: ignore[assignment]
        every = torch.cat(list(self.groups.values())).sort().values
        if not torch.equal(every, torch.arange(len(every))):
            raise ValueError("the groups must hold every coordinate of theta exactly once")

    def on(self, groups: Mapping[str, Tensor]) -> "Partitioned":
        """The same rules for the groups of another network; the weights are shared, not copied."""
        return Partitioned(dict(self.rules.items()), groups)

    def init(self, theta: Tensor) -> State:
        dim = sum(len(index) for index in self.groups.values())
        if theta.shape[-1] != dim:
            raise ValueError(f"theta has {theta.shape[-1]} columns but the groups hold {dim}")
        return tuple(rule.init(theta[..., self.groups[name]]) for name, rule in self.rules.items())

    def forward(self, grad: Tensor, state: State) -> tuple[Tensor, State]:
        step = torch.zeros_like(grad)
        next_state = []
        for (name, rule), memory in zip(self.rules.items(), state, strict=True):
            index = self.groups[name].to(grad.device)
            part, memory = rule(grad[..., index], memory)
            step = step.index_add(-1, index, part)
            next_state.append(memory)
        return step, tuple(next_state)
