"""Random least-squares problems, the paper's first experiment (Andrychowicz et al., 2016, section 3.1)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from l2l_lite.problems.base import Drawn, check_tasks
from l2l_lite.seeds import generator


@dataclass
class QuadraticProblem:
    """f(θ) = ‖W θ - y‖² for each task: W [tasks, dim, dim], y [tasks, dim]."""

    W: Tensor
    y: Tensor
    theta0: Tensor

    def loss(self, theta: Tensor, t: int = 0) -> Tensor:
        """‖W θ - y‖², [tasks]; the same at every step t."""
        residual = (self.W @ theta[..., None]).squeeze(-1) - self.y
        return residual.square().sum(dim=-1)

    def evaluate(self, theta: Tensor) -> Tensor:
        """The loss itself: nothing is held out."""
        return self.loss(theta)

    def drawn(self, t: int, steps: int) -> Drawn:
        """See `Drawn`."""
        return Drawn((self.W, self.y, self.theta0), QuadraticProblem, "quadratic")

    def select(self, rows: slice) -> "QuadraticProblem":
        """Some of the tasks."""
        return QuadraticProblem(self.W[rows], self.y[rows], self.theta0[rows])


@dataclass(frozen=True)
class Quadratic:
    """Quadratics with W and y drawn from N(0, 1), and θ0 from N(0, theta0_std²)."""

    dim: int = 10
    theta0_std: float = 0.01

    @property
    def groups(self) -> dict[str, Tensor]:
        return {"all": torch.arange(self.dim)}

    def sample(self, tasks: int, seed: int, device: torch.device | str = "cpu") -> QuadraticProblem:
        """`tasks` fresh quadratics."""
        check_tasks(tasks)
        rng = generator(seed)
        W = torch.randn(tasks, self.dim, self.dim, generator=rng)
        y = torch.randn(tasks, self.dim, generator=rng)
        theta0 = self.theta0_std * torch.randn(tasks, self.dim, generator=rng)
        return QuadraticProblem(W.to(device), y.to(device), theta0.to(device))
