"""The checks on MNIST: a tick for the solution, silence for the stub, a reason for a wrong answer."""

import math
from functools import partial
from typing import Any

from answers import RIGHT, WAITING, stub, table
from torch import Tensor, nn

from l2l_lite.checks import mnist as check
from l2l_lite.data import digits8
from l2l_lite.problems import Classifier, mlp


def ahead_until(learned: Tensor, baseline: Tensor) -> int:
    behind = (learned.mean(dim=1) >= baseline.mean(dim=1))[1:].nonzero()
    return int(behind[0]) if len(behind) else len(learned) - 1


def last_lead(learned: Tensor, baseline: Tensor) -> int:
    return int((learned.mean(dim=1) < baseline.mean(dim=1)).nonzero()[-1])


def from_step_zero(learned: Tensor, baseline: Tensor) -> int:
    return 0


def family(**network: Any) -> Classifier:
    return Classifier(partial(mlp, **network), digits8())  # the check looks at the network alone


def tanh(answer: Any) -> None:
    """The check of a family and of what was measured on it."""
    check.tanh_family(*answer())


CASES = [
    (check.frequencies, 0.5 * math.log(2) + 0.5 * math.log(18), RIGHT),
    (check.frequencies, None, WAITING),
    (check.frequencies, 2.303, "equally frequent"),
    (check.frequencies, 1.445, "half of a ninth"),
    (check.frequencies, 2.585, "natural"),
    (check.frequencies, 0.693, "two digits"),
    (check.memory, 80 * 15_910, RIGHT),
    (check.memory, None, WAITING),
    (check.memory, 80, "one coordinate"),
    (check.memory, 40 * 15_910, "half"),
    (check.memory, 5301, "weights"),
    (check.ahead_until, ahead_until, RIGHT),
    (check.ahead_until, stub, WAITING),
    (check.ahead_until, last_lead, "leads again"),
    (check.ahead_until, from_step_zero, "from step 1 on"),
    (check.ahead_until, lambda learned, baseline: 2, "behind from step 1"),
    (check.prediction, "b", RIGHT),
    (check.prediction, None, WAITING),
    (check.prediction, "a", "too long"),
    (check.prediction, "c", "saturates"),
    (tanh, lambda: (family(activation=nn.Tanh), 1.57), RIGHT),
    (tanh, lambda: (None, None), WAITING),
    (tanh, lambda: (family(activation=nn.Tanh), None), WAITING),
    (tanh, lambda: (mlp(), 1.57), "Classifier"),
    (tanh, lambda: (family(), 1.57), "Tanh"),
    (tanh, lambda: (family(hidden=40, activation=nn.Tanh), 1.57), "coordinates"),
    (tanh, lambda: (family(activation=nn.Tanh), 0.3), "other way round"),
    (tanh, lambda: (family(activation=nn.Tanh), 0.9), "further down"),
    (tanh, lambda: (family(activation=nn.Tanh), 4.0), "too high"),
    (check.step_length, {1.0: 0.5, 0.3: 0.2, 0.1: 0.3}, RIGHT),
    (check.step_length, None, WAITING),
    (check.step_length, {0.3: 0.2}, "at least three"),
    (check.step_length, {1.0: 0.2, 0.3: 0.2, 0.1: 0.3}, "fresh copy"),
    (check.step_length, {1.0: 0.5, 0.3: 0.3, 0.1: 0.2}, "smaller"),
]

test_answers = table(CASES)
