"""A rule that costs little more than Adam: its direction, corrected by a very small network."""

import torch
from torch import Tensor, nn

from l2l_lite.learned.features import EPS, column, overshoot, steadiness
from l2l_lite.rules import State, UpdateRule
from l2l_lite.seeds import global_draws


class MLPRule(UpdateRule):
    """Adam's direction times a learned length, plus a learned direction: 242 weights, and no LSTM.

    A coordinate sees m̂ / √v̂ for each of the `betas`, ∇ / √v̂, and log √v̂ against its root mean square over
    coordinates; v̂ is of the last beta. All are told what `ScaleFree` tells them. One hidden layer gives
    a and b, and the step is -scale e^(3 tanh a) (m̂ / √v̂ + tanh b), m̂ of the first beta. Fresh weights are
    small, so that meta-training begins near Adam with the rate `scale` (after Metz et al., 2022, and the
    nominal term of Harrison et al., 2022).
    """

    coordinatewise = False

    def __init__(
        self,
        hidden: int = 20,
        scale: float = 0.01,
        betas: tuple[float, ...] = (0.9, 0.99, 0.999),
        seed: int = 0,
    ):
        super().__init__()
        self.scale, self.betas = scale, betas
        with global_draws(seed):
            self.input = nn.Linear(2 * len(betas) + 3, hidden)
            self.output = nn.Linear(hidden, 2)
        with torch.no_grad():
            for weight in self.output.parameters():
                weight.mul_(0.1)

    def init(self, theta: Tensor) -> State:
        zero = theta.new_zeros(theta.shape or (1,))  # a network of one number has a coordinate too
        return zero.expand(len(self.betas), *zero.shape), zero, zero, theta.new_zeros(())

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        mean, square, last_step, count = state
        shape, grad = grad.shape, grad.reshape(last_step.shape)
        beta = column(self.betas, grad)
        count = count + 1
        mean = torch.lerp(grad.expand_as(mean), mean, beta)
        square = torch.lerp(grad**2, square, beta[-1])
        size = (square / (1 - beta[-1] ** count) + EPS**2).sqrt()
        direction, now = mean / ((1 - beta**count) * size), (grad / size)[None]
        features = torch.cat([direction, now, _relative(size)[None], self._told(direction, last_step, now)])
        x = features.reshape(len(features), grad.numel()).to(self.input.weight.dtype)
        x = torch.addmm(self.input.bias[:, None], self.input.weight, x).relu()
        a, b = torch.addmm(self.output.bias[:, None], self.output.weight, x).tanh().reshape(2, *grad.shape)
        step = -self.scale * (3 * a).exp().to(grad.dtype) * (direction[0] + b.to(grad.dtype))
        return step.reshape(shape), (mean, square, step, count)

    def _told(self, direction: Tensor, last_step: Tensor, now: Tensor) -> Tensor:
        told = torch.cat([steadiness(direction), overshoot(last_step, now)])
        return told.expand(-1, *last_step.shape)


def _relative(size: Tensor) -> Tensor:
    """Log of sizes over their root mean square over coordinates, of the same shape."""
    return (size / size.square().mean(dim=-1, keepdim=True).sqrt()).log() / 3
