"""Hand-made update rules, written as recurrent cells."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from l2l_lite.naming import describe

State = Any  # tensors in (nested) tuples, NamedTuples, lists or dicts; see `torch.utils._pytree`


class UpdateRule(nn.Module):
    """A recurrent cell `step, state = rule(grad, state, theta)`; the new parameters are `theta + step`.

    This is [g_t, h_{t+1}] = m(∇_t, h_t, φ) of Andrychowicz et al. (2016). All memory is in `state`;
    the module holds only what is learned (φ). `grad` and `step` have the shape of `theta`, [tasks, dim];
    most rules do not look at `theta`, and do without it.
    """

    # Whether each coordinate's step depends on that coordinate alone; then its part of every tensor of the
    # state is the entry along the last axis, and tensors without axes, such as counters, belong to all.
    coordinatewise: bool = True

    def init(self, theta: Tensor) -> State:
        """The state before the first step, for parameters of the shape, dtype and device of theta."""
        return ()

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        """The step to add to theta, and the next state."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        """What tells two rules of a class apart besides φ: a checkpoint and a card belong to all of it."""
        settings = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        settings.pop("training")
        return ", ".join(f"{name}={describe(value)}" for name, value in settings.items())

    def on(self, groups: Mapping[str, Tensor]) -> "UpdateRule":
        """This rule for parameters with these groups of coordinates: itself, unless it knows groups."""
        return self

    def lasting(self, steps: int) -> "UpdateRule":
        """This rule for a run of so many steps: itself, unless it makes use of their number."""
        return self

    def select(self, index: Tensor, state: State) -> tuple["UpdateRule", State]:
        """This rule and its state for the coordinates `index` alone; only for coordinatewise rules."""

        def part(memory: Any) -> Any:
            return memory[..., index] if isinstance(memory, Tensor) and memory.dim() else memory

        return self, tree_map(part, state)


def check_rule(rule: object) -> None:
    """Raise TypeError for what is no rule."""
    if not isinstance(rule, UpdateRule):
        found = f"the class {rule.__name__}" if isinstance(rule, type) else f"of type {type(rule).__name__}"
        raise TypeError(f"a rule is an object such as l2l.Adam(lr=0.1), but this one is {found}")


def check_step(step: Tensor, theta: Tensor) -> None:
    """Raise ValueError for a step that would be broadcast: each coordinate must have its own."""
    if step.shape != theta.shape:
        raise ValueError(f"the rule's step has the shape {list(step.shape)}, but theta {list(theta.shape)}")


class GradientDescent(UpdateRule):
    """θ ← θ - lr ∇ (Cauchy, 1847). An `nn.Parameter` as `lr` makes the learning rate learnable."""

    def __init__(self, lr: float | Tensor):
        super().__init__()
        self.lr = lr

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        return -self.lr * grad, state


class Momentum(UpdateRule):
    """v ← momentum v + ∇;  θ ← θ - lr v (Polyak, 1964; the form of `torch.optim.SGD`)."""

    def __init__(self, lr: float | Tensor, momentum: float | Tensor = 0.9):
        super().__init__()
        self.lr, self.momentum = lr, momentum

    def init(self, theta: Tensor) -> State:
        return (torch.zeros_like(theta),)

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        velocity = self.momentum * state[0] + grad
        return -self.lr * velocity, (velocity,)


class Nesterov(Momentum):
    """v ← momentum v + ∇;  θ ← θ - lr (∇ + momentum v) (Nesterov, 1983; `torch.optim.SGD`'s form)."""

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        velocity = self.momentum * state[0] + grad
        return -self.lr * (grad + self.momentum * velocity), (velocity,)


class RMSProp(UpdateRule):
    """s ← alpha s + (1 - alpha) ∇²;  θ ← θ - lr ∇ / (√s + eps) (Tieleman & Hinton, 2012)."""

    def __init__(self, lr: float | Tensor, alpha: float = 0.99, eps: float = 1e-8):
        super().__init__()
        self.lr, self.alpha, self.eps = lr, alpha, eps

    def init(self, theta: Tensor) -> State:
        return (torch.zeros_like(theta),)

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
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

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        mean, square, count = state
        beta1, beta2 = self.betas
        count = count + 1
        mean = beta1 * mean + (1 - beta1) * grad
        square = beta2 * square + (1 - beta2) * grad**2
        # Both running means start at zero; dividing by 1 - βᵗ removes that bias.
        mean_hat = mean / (1 - beta1**count)
        square_hat = square / (1 - beta2**count)
        return -self.lr * mean_hat / (square_hat.sqrt() + self.eps), (mean, square, count)


class AdamW(Adam):
    """Adam, and a pull of θ towards zero that no running mean sees (Loshchilov & Hutter, 2019).

    θ ← θ - lr (m̂ / (√v̂ + eps) + weight_decay θ). It looks at θ, and raises ValueError where it is not
    given.
    """

    def __init__(
        self,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float | Tensor = 1e-2,
    ):
        super().__init__(lr, betas, eps)
        self.weight_decay = weight_decay

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        if theta is None:
            raise ValueError("AdamW decays theta, so it must see it: call rule(grad, state, theta)")
        step, state = super().forward(grad, state)
        return step - self.lr * self.weight_decay * theta, state
