"""Hand-made update rules, written as recurrent cells."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

State = Any  # a (nested) tuple of tensors


class UpdateRule(nn.Module):
    """A recurrent cell `step, state = rule(grad, state)`; the new parameters are `theta + step`.

    This is [g_t, h_{t+1}] = m(∇_t, h_t, φ) of Andrychowicz et al. (2016). All memory is in `state`;
    the module holds only what is learned (φ). `grad` and `step` have the shape of `theta`.
    """

    def init(self, theta: Tensor) -> State:
        """The state before the first step, for parameters of the shape, dtype and device of theta."""
        return ()

    def forward(self, grad: Tensor, state: State) -> tuple[Tensor, State]:
        """The step to add to theta, and the next state."""
        raise NotImplementedError

    def on(self, groups: Mapping[str, Tensor]) -> "UpdateRule":
        """The same rule for the groups of another network; itself where it has no groups."""
        return self


class GradientDescent(UpdateRule):
    """θ ← θ - lr ∇ (Cauchy, 1847). An `nn.Parameter` as `lr` makes the learning rate learnable."""

    def __init__(self, lr: float | Tensor):
        super().__init__()
        self.lr = lr

    def forward(self, grad: Tensor, state: State) -> tuple[Tensor, State]:
        return -self.lr * grad, state


class Momentum(UpdateRule):
    """v ← momentum v + ∇;  θ ← θ - lr v (Polyak, 1964; the form of `torch.optim.SGD`)."""

    def __init__(self, lr: float | Tensor, momentum: float | Tensor = 0.9):
        super().__init__()
        self.lr, self.momentum = lr, momentum

    def init(self, theta: Tensor) -> State:
        return (torch.zeros_like(theta),)

    def forward(self, grad: Tensor, state: State) -> tuple[Tensor, State]:
        velocity = self.momentum * state[0] + grad
        return -self.lr * velocity, (velocity,)


class Nesterov(Momentum):
    """v ← momentum v + ∇;  θ ← θ - lr (∇ + momentum v) (Nesterov, 1983; `torch.optim.SGD`'s form)."""

    def forward(self, grad: Tensor, state: State) -> tuple[Tensor, State]:
        velocity = self.momentum * state[0] + grad
        return -self.lr * (grad + self.momentum * velocity), (velocity,)


class RMSProp(UpdateRule):
    """s ← alpha s + (1 - alpha) ∇²;  θ ← θ - lr ∇ / (√s + eps) (Tieleman & Hinton, 2012)."""

    def __init__(self, lr: float | Tensor, alpha: float = 0.99, eps: float = 1e-8):
        super().__init__()
        self.lr, self.alpha, self.eps = lr, alpha, eps

    def init(self, theta: Tensor) -> State:
        return (torch.zeros_like(theta),)

    def forward(self, grad: Tensor, state: State) -> tuple[Tensor, State]:
        square = self.alpha * state[0] + (1 - self.alpha) * grad**2
        return -self.lr * grad / (square.sqrt() + self.eps), (square,)


class Adam(UpdateRule):
    """θ ← θ - lr m̂ / (√v̂ + eps), m and v running means of ∇ and ∇² (Kingma & Ba, 2015)."""

    def __init__(
        self,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ):
        super().__init__()
        self.lr, self.betas, self.eps = lr, betas, eps

    def init(self, theta: Tensor) -> State:
        return torch.zeros_like(theta), torch.zeros_like(theta), theta.new_zeros(())

    def forward(self, grad: Tensor, state: State) -> tuple[Tensor, State]:
        mean, square, count = state
        beta1, beta2 = self.betas
        count = count + 1
        mean = beta1 * mean + (1 - beta1) * grad
        square = beta2 * square + (1 - beta2) * grad**2
        # Both running means start at zero; dividing by 1 - βᵗ removes that bias.
        mean_hat = mean / (1 - beta1**count)
        square_hat = square / (1 - beta2**count)
        return -self.lr * mean_hat / (square_hat.sqrt() + self.eps), (mean, square, count)
