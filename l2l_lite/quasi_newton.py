"""BFGS and its relatives, written as recurrent cells: they see gradients alone, one in each step."""

from collections.abc import Sequence

import torch
from torch import Tensor

from l2l_lite.rules import State, UpdateRule


def read(memory: Tensor, r: Tensor) -> Tensor:
    """What is read, M r, for a memory [..., dim, dim] and a read vector [..., dim]."""
    return (memory @ r[..., None]).squeeze(-1)


def write(memory: Tensor, left: Sequence[Tensor], right: Sequence[Tensor]) -> Tensor:
    """M + Σ a bᵀ over the heads, each with a left and a right vector [..., dim]."""
    return memory + torch.stack(list(left), dim=-1) @ torch.stack(list(right), dim=-2)


def carriers(memory: Tensor, step: Tensor, change: Tensor) -> tuple[Tensor, Tensor]:
    """The vectors (u, w) of BFGS: M + u wᵀ + w uᵀ is its next inverse Hessian after a step s and a change y.

    u = s / √(sᵀy) and w = (1 + yᵀMy / sᵀy) u / 2 - My / √(sᵀy) (Nocedal and Wright, 2006, equation 6.17).
    Both are zero where sᵀy is not positive: such a pair says nothing of a minimum.
    """
    product = _dot(step, change)
    lengths = step.norm(dim=-1, keepdim=True) * change.norm(dim=-1, keepdim=True)
    precision = torch.finfo(step.dtype)
    known = product > precision.tiny**0.5 + precision.eps**0.5 * lengths  # neither tiny nor rounding's
    root = torch.where(known, product, 1.0).rsqrt() * known
    u, moved = root * step, root * read(memory, change)
    return u, (1 + root * _dot(change, moved)) / 2 * u - moved


class BFGS(UpdateRule):
    """θ ← θ - M∇, M ← M + u wᵀ + w uᵀ, from M = lr I (Broyden, Fletcher, Goldfarb and Shanno, 1970).

    There is no line search, so every step costs one gradient. M is [tasks, dim, dim].
    """

    coordinatewise = False

    def __init__(self, lr: float = 0.03):
        super().__init__()
        self.lr = lr

    def init(self, theta: Tensor) -> State:
        dim = theta.shape[-1]
        identity = torch.eye(dim, dtype=theta.dtype, device=theta.device).expand(*theta.shape, dim)
        return self.lr * identity, torch.zeros_like(theta), torch.zeros_like(theta)

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        matrix, last_step, last_grad = state
        u, w = carriers(matrix, last_step, grad - last_grad)
        matrix = write(matrix, [u, w], [w, u])
        step = -read(matrix, grad)
        return step, (matrix, step, grad)


class LBFGS(UpdateRule):
    """BFGS that keeps the last `pairs` of steps and changes of the gradient, and no matrix (Nocedal, 1980).

    The first step is -lr ∇, as is one after a pair that says nothing; the others start from
    M = (sᵀy / yᵀy) I of the newest pair.
    """

    coordinatewise = False

    def __init__(self, lr: float = 0.03, pairs: int = 5):
        super().__init__()
        if pairs < 1:
            raise ValueError(f"pairs must be at least 1, but pairs={pairs}")
        self.lr, self.pairs = lr, pairs

    def init(self, theta: Tensor) -> State:
        zero = torch.zeros_like(theta)
        return ((zero, zero),) * self.pairs, zero, zero  # a pair of zeros changes nothing

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        pairs, last_step, last_grad = state
        pairs = (*pairs[1:], (last_step, grad - last_grad))
        step = -self._direction(grad, pairs)
        return step, (pairs, step, grad)

    def _direction(self, q: Tensor, pairs: tuple[tuple[Tensor, Tensor], ...]) -> Tensor:
        """M q by the two loops of Nocedal (1980)."""
        shares = []
        for s, y in reversed(pairs):
            shares.append(_over(_dot(s, q), _dot(s, y)))
            q = q - shares[-1] * y
        scale = _over(_dot(*pairs[-1]), _dot(pairs[-1][1], pairs[-1][1]))
        q = torch.where(scale == 0, self.lr, scale) * q
        for (s, y), share in zip(pairs, reversed(shares), strict=True):
            q = q + s * (share - _over(_dot(y, q), _dot(s, y)))
        return q


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=-1, keepdim=True)


def _over(a: Tensor, b: Tensor) -> Tensor:
    """The quotient a / b, and 0 where b is 0."""
    return torch.where(b == 0, 0.0, a / torch.where(b == 0, 1.0, b))
