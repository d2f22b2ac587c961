"""What several tests share: every rule, problems in float64, a rule that reads θ, a checkpoint's parts."""

import inspect
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from torch import Tensor, nn

import l2l_lite as l2l
from l2l_lite import LSTMRule, Quadratic, UpdateRule, identity, learned, rules
from l2l_lite.problems.quadratic import QuadraticProblem
from l2l_lite.rules import State

# Every rule of rules.py enters the tests by standing there.
HAND_MADE: dict[str, type[UpdateRule]] = {
    name: rule
    for name, rule in inspect.getmembers(rules, inspect.isclass)
    if issubclass(rule, UpdateRule) and rule is not UpdateRule
}
# A rule with the name of an optimizer of PyTorch is that optimizer; these have other names there.
COUNTERPARTS = {name: getattr(torch.optim, name, None) for name in HAND_MADE} | {
    "GradientDescent": torch.optim.SGD,
    "Momentum": lambda params, lr: torch.optim.SGD(params, lr, momentum=0.9),
    "Nesterov": lambda params, lr: torch.optim.SGD(params, lr, momentum=0.9, nesterov=True),
    "RMSProp": torch.optim.RMSprop,
}

# Every learned rule that needs no arguments enters by its line in learned/__init__.py.
META_LEARNED: dict[str, type[UpdateRule]] = {
    name: rule
    for name, rule in inspect.getmembers(learned, inspect.isclass)
    if issubclass(rule, UpdateRule) and rule not in (l2l.Partitioned, learned.StartAt)
}

ALL_RULES: dict[str, Callable[[], UpdateRule]] = {
    **{name: lambda rule=rule: rule(lr=0.01) for name, rule in HAND_MADE.items()},
    **META_LEARNED,
    "LSTM on raw gradients": lambda: LSTMRule((4,), identity),
}


def quadratics(tasks: int = 3, dim: int = 5, seed: int = 0) -> QuadraticProblem:
    """Quadratics in float64, none of them at its minimum."""
    problem = Quadratic(dim, theta0_std=1.0).sample(tasks, seed)
    return QuadraticProblem(problem.W.double(), problem.y.double(), problem.theta0.double())


class ReadsTheta(UpdateRule):
    """Weight decay with a bend, which looks at θ."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor([0.01, 0.1], dtype=torch.float64))

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        lr, decay = self.weights
        return -lr * grad - decay * theta.sin(), state


class Remembers(ReadsTheta):
    """The same from a copy of θ in its state."""

    def init(self, theta: Tensor) -> State:
        return (theta,)

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        step, _ = super().forward(grad, (), state[0])
        return step, (state[0] + step,)


LEARNED: dict[str, Callable[[], UpdateRule]] = {
    **{name: lambda rule=rule: rule().double() for name, rule in META_LEARNED.items()},
    "LSTM": lambda: LSTMRule((6, 4), seed=1).double(),
    "LSTM on raw gradients": lambda: LSTMRule((6, 4), identity, seed=1).double(),
    "reads theta": ReadsTheta,
    "remembers theta": Remembers,
}


class Memory(NamedTuple):
    """A state of a form of its own."""

    mean: Tensor
    rest: dict[str, object]


class Counting(UpdateRule):
    """Momentum with its memory in a NamedTuple that holds a dict with a counter and a tensor of integers."""

    def __init__(self, lr: float | Tensor) -> None:
        super().__init__()
        self.lr = lr

    def init(self, theta: Tensor) -> State:
        return Memory(torch.zeros_like(theta), {"steps": 0, "seen": torch.zeros((), dtype=torch.int64)})

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        mean = 0.9 * state.mean + self.lr * grad
        rest = {"steps": state.rest["steps"] + 1, "seen": state.rest["seen"] + 1}
        return -mean, Memory(mean, rest)


@dataclass
class Changed:
    """A problem or family with some of its attributes replaced."""

    original: object
    changes: dict[str, object]

    def __getattr__(self, name: str) -> object:
        return self.changes[name] if name in self.changes else getattr(self.original, name)


def kept(checkpoint: Path | str) -> dict[str, dict[str, Any]]:
    """What a checkpoint holds, by part and name: rule, best, average, adam0, ..., history, and what it is."""
    parts: dict[str, dict[str, Any]] = defaultdict(dict)
    with safe_open(checkpoint, "pt") as file:
        parts["about"] = file.metadata()
        for key in file.keys():  # noqa: SIM118
            part, _, name = key.partition("/")
            parts[part][name] = file.get_tensor(key)
    return parts
