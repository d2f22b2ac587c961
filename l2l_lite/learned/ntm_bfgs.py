"""The paper's NTM-BFGS: a rule whose coordinates write into one matrix, and read their steps out of it."""

import math

import torch
from torch import Tensor, nn

from l2l_lite.learned.averaging import average
from l2l_lite.learned.features import log_and_sign
from l2l_lite.learned.lstm import empty_memory, make_cells, remember
from l2l_lite.quasi_newton import carriers, read, write
from l2l_lite.rules import State, UpdateRule
from l2l_lite.seeds import global_draws

EPS = 1e-12
FEATURES = 6


class NTMBFGS(UpdateRule):
    """An LSTM with averaging cells that writes to, and reads from, a matrix M (Andrychowicz et al., 2016).

    The step is -(1 + o) M∇, after M has taken up `heads` outer products a bᵀ. Vectors of full precision come
    to the heads from `carriers`, and the LSTM says, for each coordinate, how long a step is and how much of
    each vector a head takes: a = α u + β w. It begins as BFGS, or with `blank` as gradient descent, with
    heads that write next to nothing. M starts as a learned multiple of the identity, and costs dim² numbers
    for each task.
    """

    coordinatewise = False

    def __init__(
        self,
        hidden: tuple[int, ...] = (20,),
        shared: int = 5,
        heads: int = 2,
        start: float = 0.03,
        blank: bool = False,
        seed: int = 0,
    ):
        if heads < 2:
            raise ValueError(f"BFGS needs two heads, but heads={heads}")
        super().__init__()
        self.shared, self.heads, self.blank = shared, heads, blank
        with global_draws(seed):
            self.cells = make_cells(FEATURES, hidden)
            self.output = nn.Linear(hidden[-1], 1 + 4 * heads)
            self.start = nn.Parameter(torch.tensor(math.log(start)))
        with torch.no_grad():
            self.output.weight *= 0.1
            self.output.bias[:] = 0
            if not blank:
                self.output.bias[[1, 4, 6, 7]] = 1  # u wᵀ + w uᵀ

    def init(self, theta: Tensor) -> State:
        theta = theta.reshape(theta.shape or (1,))
        matrix = theta.new_zeros(*theta.shape, theta.shape[-1])
        before = torch.zeros_like(theta), torch.zeros_like(theta), theta.new_zeros(*theta.shape[:-1], 1)
        return matrix, before, empty_memory(self.cells, theta)

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        matrix, (last_step, last_grad, largest), memory = state
        shape, grad = grad.shape, grad.reshape(last_step.shape)
        change = grad - last_grad
        matrix = torch.where(largest[..., None] == 0, self._first(matrix), matrix)
        largest = grad.norm(dim=-1, keepdim=True).maximum(largest)
        awake = grad.norm(dim=-1, keepdim=True) > 30 * torch.finfo(grad.dtype).eps * largest
        u, w = (awake * v for v in carriers(matrix, last_step, change))
        x = _features(grad, read(matrix, grad), change, u, w).to(self.output.weight.dtype)
        x, memory = remember(self.cells, x, memory, lambda h: average(h, self.shared))
        stretch, *mix = self._outputs(x).to(grad.dtype)
        vectors = [a * u + b * w for a, b in zip(mix[::2], mix[1::2], strict=True)]
        matrix = write(matrix, vectors[::2], vectors[1::2])
        step = -(1 + stretch) * read(matrix, grad) * awake  # what is left of the gradient is rounding
        return step.reshape(shape), (matrix, (step, grad, largest), memory)

    def _first(self, matrix: Tensor) -> Tensor:
        # Not in `init`, for a window's graph must begin with its steps.
        return self.start.exp() * torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)

    def _outputs(self, x: Tensor) -> Tensor:
        # The mean over coordinates: a vector with another factor for each coordinate points elsewhere.
        out = self.output.weight @ x.mean(dim=-1).reshape(len(x), -1) + self.output.bias[:, None]
        return out.reshape(-1, *x.shape[1:-1], 1)


def _features(grad: Tensor, found: Tensor, change: Tensor, u: Tensor, w: Tensor) -> Tensor:
    """What the controller sees, [6, ..., dim]: ∇, M∇, and two numbers that all coordinates share.

    These are whether the last step went too far, uᵀ∇ / uᵀy = sᵀ∇ / sᵀy, and how far M is off along it,
    wᵀy / uᵀy, which is zero where M y has the right length.
    """
    told = [(_dot(v, z) / (_dot(u, change) + EPS)).clamp(-2, 2) for v, z in ((u, grad), (w, change))]
    return torch.cat([log_and_sign(grad), log_and_sign(found), torch.stack(told).expand(-1, *grad.shape)])


def _dot(a: Tensor, b: Tensor) -> Tensor:
    # n times the mean that a global averaging cell takes.
    return (a * b).sum(dim=-1, keepdim=True)
