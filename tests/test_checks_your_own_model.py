"""The checks on one's own model: a tick for the solution, silence for a stub, a reason for an error."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from answers import RIGHT, WAITING, table
from torch import Tensor
from torch.utils._pytree import tree_map

import l2l_lite as l2l
from l2l_lite.checks import your_own_model as check
from l2l_lite.seeds import generator


class Loop(l2l.LSTMRule):
    """A loop over tensors; without `advance` all of them use the first columns of the memory."""

    advance = True

    def __init__(self, sizes: list[int]):
        super().__init__()
        self.sizes = sizes

    def forward(self, grad: Tensor, state: Any, theta: Tensor | None = None) -> Any:
        steps, new, offset = [], tree_map(torch.clone, state), 0
        for part in grad.split(self.sizes):
            mine = slice(offset, offset + len(part))
            read = tree_map(lambda memory, mine=mine: memory[:, mine], state)
            step, memory = super().forward(part, read)
            steps.append(step)
            tree_map(lambda old, fresh, mine=mine: old[:, mine].copy_(fresh), new, memory)
            offset += len(part) if self.advance else 0
        return torch.cat(steps), new


class Stuck(Loop):
    advance = False


class Forgetful(l2l.LSTMRule):
    def __init__(self, sizes: list[int]):
        super().__init__()

    def forward(self, grad: Tensor, state: Any, theta: Tensor | None = None) -> Any:
        return super().forward(grad, self.init(grad))


class Rosenbrock:
    """(1 - x)² + a (y - x²)² with a random a; a class attribute spoils one promise at a time."""

    leak = mean = unseeded = fixed = raises = False

    def sample(self, tasks: int, seed: int, device: str = "cpu") -> Any:
        rng = None if self.unseeded else generator(0 if self.fixed else seed)
        self = copy.copy(self)
        self.a = 1 + 9 * torch.rand(tasks, generator=rng)
        self.theta0 = torch.randn(tasks, 2, generator=rng)
        return self

    def loss(self, theta: Tensor, t: int = 0) -> Tensor:
        if self.raises:
            raise RuntimeError("size mismatch")
        x, y = theta.unbind(1)
        losses = (1 - x) ** 2 + self.a * (y - x**2) ** 2
        if self.mean:
            return losses.mean()
        return losses + losses.mean() if self.leak else losses

    evaluate = loss


def spoilt(promise: str) -> Rosenbrock:
    return type("Spoilt", (Rosenbrock,), {promise: True})()


def two_groups(model: Any, rule: Any, where: Callable[[Any], tuple[Any, Any]], lr: float = 0.1) -> Any:
    fast, slow = where(model)
    return l2l.TorchOptimizer([{"params": fast}, {"params": slow, "lr": lr}], rule)


def last_layer(model: Any, rule: Any) -> Any:
    return two_groups(model, rule, lambda m: (m[:-1].parameters(), m[-1].parameters()))


def first_layer(model: Any, rule: Any) -> Any:
    return two_groups(model, rule, lambda m: (m[-1].parameters(), m[:-1].parameters()))


def without_biases(model: Any, rule: Any) -> Any:
    return two_groups(model, rule, lambda m: ([*m[0].parameters(), m[-1].bias], [m[-1].weight]))


def only_last(model: Any, rule: Any) -> Any:
    return l2l.TorchOptimizer(model[-1].parameters(), rule, lr=0.1)


def everything(model: Any, rule: Any) -> Any:
    return l2l.TorchOptimizer(model.parameters(), rule, lr=0.1)


ADAM = torch.linspace(2, 0.1, 100)
CASES = [
    (check.batch, 1767, RIGHT),
    (check.batch, None, WAITING),
    (check.batch, 5301, "backward pass too"),
    (check.batch, 2650, "forward pass comes before"),
    (check.batch, 883.5, "a product and a sum"),
    (check.hiding, "a", RIGHT),
    (check.hiding, None, WAITING),
    (check.hiding, "b", "bias"),
    (check.hiding, "c", "worse"),
    (check.hiding, "d", "first step is safe"),
    (check.slower, last_layer, RIGHT),
    (check.slower, lambda model, rule: None, WAITING),
    (check.slower, first_layer, "first layer"),
    (check.slower, without_biases, "biases"),
    (check.slower, only_last, "do not move"),
    (check.slower, everything, "every layer"),
    (check.slower, lambda model, rule: torch.optim.Adam(model.parameters()), "not Adam"),
    (check.family, Rosenbrock(), RIGHT),
    (check.family, None, WAITING),
    (check.family, type("Stub", (), {"sample": lambda self, tasks, seed: None})(), WAITING),
    (check.family, spoilt("leak"), "other tasks"),
    (check.family, spoilt("mean"), "average"),
    (check.family, spoilt("unseeded"), "same seed"),
    (check.family, spoilt("fixed"), "another seed"),
    (check.family, spoilt("raises"), "size mismatch"),
    (check.repaired, Loop, RIGHT),
    (check.repaired, None, WAITING),
    (check.repaired, Stuck, "same columns"),
    (check.repaired, Forgetful, "flat vector"),
    (check.repaired, lambda sizes: None, "raises"),
    (lambda answer: check.handover(answer, ADAM), 0.8 * ADAM, RIGHT),
    (lambda answer: check.handover(answer, ADAM), None, WAITING),
    (lambda answer: check.handover(answer, ADAM), ADAM, "Adam alone"),
    (lambda answer: check.handover(answer, ADAM), 2 * ADAM, "stop to gain"),
    (lambda answer: check.handover(answer, ADAM), torch.full((100,), 0.8), "ends higher"),
    (lambda answer: check.handover(answer, ADAM), ADAM[:50], "[100]"),
]

test_answers = table(CASES)
