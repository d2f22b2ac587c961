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


CASES = [
    (check.plateau, math.log(10), RIGHT),
    (check.plateau, None, WAITING),
    (check.plateau, 1, "natural"),
    (check.plateau, 0.1, "probability"),
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
    (check.tanh_family, family(activation=nn.Tanh), RIGHT),
    (check.tanh_family, None, WAITING),
    (check.tanh_family, mlp(), "Classifier"),
    (check.tanh_family, family(), "Tanh"),
    (check.tanh_family, family(hidden=40, activation=nn.Tanh), "coordinates"),
    (check.step_length, {1.0: 0.5, 0.3: 0.2, 0.1: 0.3}, RIGHT),
    (check.step_length, None, WAITING),
    (check.step_length, {0.3: 0.2}, "at least three"),
    (check.step_length, {1.0: 0.2, 0.3: 0.2, 0.1: 0.3}, "fresh copy"),
    (check.step_length, {1.0: 0.5, 0.3: 0.3, 0.1: 0.2}, "smaller"),
]

test_answers = table(CASES)
