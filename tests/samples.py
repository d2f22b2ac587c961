"""What several tests share: every rule, problems in float64, and a rule that reads θ."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from l2l_lite import LSTMRule, Quadratic, UpdateRule, identity, rules
from l2l_lite.problems.quadratic import QuadraticProblem
from l2l_lite.rules import State

# Every rule of rules.py enters the tests by standing there.
HAND_MADE: dict[str, type[UpdateRule]] = {
    name: rule
    for name, rule in inspect.getmembers(rules, inspect.isclass)
    if issubclass(rule, UpdateRule) and rule is not UpdateRule
}
COUNTERPARTS = {
    "GradientDescent": lambda params, lr: torch.optim.SGD(params, lr),
    "Momentum": lambda params, lr: torch.optim.SGD(params, lr, momentum=0.9),
    "Nesterov": lambda params, lr: torch.optim.SGD(params, lr, momentum=0.9, nesterov=True),
    "RMSProp": torch.optim.RMSprop,
    "Adam": torch.optim.Adam,
}

ALL_RULES: dict[str, Callable[[], UpdateRule]] = {
    **{name: lambda rule=rule: rule(lr=0.01) for name, rule in HAND_MADE.items()},
    "LSTM": LSTMRule,
    "LSTM on raw gradients": lambda: LSTMRule((4,), identity),
}


def quadratics(tasks: int = 3, dim: int = 5, seed: int = 0) -> QuadraticProblem:
    """Quadratics in float64, none of them at its minimum."""
    problem = Quadratic(dim, theta0_std=1.0).sample(tasks, seed)
    return QuadraticProblem(problem.W.double(), problem.y.double(), problem.theta0.double())


class ReadsTheta(UpdateRule):
    """Weight decay with a bend: a rule that needs θ keeps its own copy in its state."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor([0.01, 0.1], dtype=torch.float64))

    def init(self, theta: Tensor) -> State:
        return (theta,)

    def forward(self, grad: Tensor, state: State) -> tuple[Tensor, State]:
        (theta,) = state
        lr, decay = self.weights
        step = -lr * grad - decay * theta.sin()
        return step, (theta + step,)


LEARNED: dict[str, Callable[[], UpdateRule]] = {
    "LSTM": lambda: LSTMRule((6, 4), seed=1).double(),
    "LSTM on raw gradients": lambda: LSTMRule((6, 4), identity, seed=1).double(),
    "reads theta": ReadsTheta,
}


@dataclass
class Changed:
    """A problem or family with some of its attributes replaced."""

    original: object
    changes: dict[str, object]

    def __getattr__(self, name: str) -> object:
        return self.changes[name] if name in self.changes else getattr(self.original, name)
