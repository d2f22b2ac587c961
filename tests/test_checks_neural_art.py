"""The checks on neural art: a tick for the solution, silence for the stub, a reason for a wrong answer."""

from typing import Any

import torch
from answers import RIGHT, WAITING, stub, table
from torch import Tensor

from l2l_lite import styles
from l2l_lite.checks import neural_art as check
from l2l_lite.problems import Problem
from l2l_lite.trajectory import value_and_grad


def shuffled(maps: Tensor, order: Tensor) -> Tensor:
    return maps.flatten(2)[:, :, order].reshape(maps.shape)


def each_channel_by_itself(maps: Tensor, order: Tensor) -> Tensor:
    flat = maps.flatten(2)
    return torch.stack([flat[:, k].roll(k, dims=-1) for k in range(flat.shape[1])], dim=1).reshape(maps.shape)


def gradients(problem: Problem) -> tuple[Tensor, Tensor]:
    first, second = (value_and_grad(problem, problem.theta0, t)[1][0] for t in (1, 2))
    return first, second


def noise(problem: Problem) -> Tensor:
    first, second = gradients(problem)
    return (second - first).norm() / first.norm()


def absolute(problem: Problem) -> Tensor:
    first, second = gradients(problem)
    return (second - first).norm()


def length(problem: Problem) -> Tensor:
    return gradients(problem)[0].norm()


checkers = (torch.arange(32)[:, None] + torch.arange(32)).remainder(2).float().expand(3, -1, -1)


def painted(answer: Any) -> None:
    """The check of a style and of the losses with it; styles are made when the test runs."""
    check.own_style(*answer())


ENDS = {"learned": 65.2, "Adam": 65.0}

CASES = [
    (check.coordinates, 49_152, RIGHT),
    (check.coordinates, None, WAITING),
    (check.coordinates, 128**2, "three colours"),
    (check.coordinates, 12_288, "64×64"),
    (check.coordinates, 5301, "weights φ"),
    (check.shuffled, shuffled, RIGHT),
    (check.shuffled, stub, WAITING),
    (check.shuffled, lambda maps, order: maps, "nothing"),
    (check.shuffled, lambda maps, order: maps.flatten(2), "shape"),
    (check.shuffled, each_channel_by_itself, "same way"),
    (check.noise, noise, RIGHT),
    (check.noise, stub, WAITING),
    (check.noise, absolute, "divide"),
    (check.noise, length, "quadratic"),
    (check.noise, lambda problem: 0, "same step"),
    (check.noise, lambda problem: problem.theta0, "one number"),
    (check.trade, {3: (1.0, 0.01), 12: (0.9, 0.05), 50: (0.6, 0.2)}, RIGHT),
    (check.trade, None, WAITING),
    (check.trade, {12: 0.9}, "pair"),
    (check.trade, {12: (1.0, 0.1)}, "three"),
    (check.trade, {3: (0.01, 1.0), 12: (0.05, 0.9), 50: (0.2, 0.6)}, "content loss first"),
    (check.trade, {3: (1.0, 0.2), 12: (0.9, 0.1), 50: (0.6, 0.05)}, "spread"),
    (check.pixels, "b", RIGHT),
    (check.pixels, None, WAITING),
    (check.pixels, "a", "neighbours"),
    (check.pixels, "c", "all edges"),
    (check.pixels, "e", "choose one"),
    (painted, lambda: (checkers, ENDS), RIGHT),
    (painted, lambda: (None, None), WAITING),
    (painted, lambda: (checkers, None), WAITING),
    (painted, lambda: ("holiday.jpg", ENDS), "tensor"),
    (painted, lambda: (checkers[:, :8], ENDS), "24"),
    (painted, lambda: (255 * checkers, ENDS), "255"),
    (painted, lambda: (torch.ones(3, 32, 32, dtype=torch.uint8), ENDS), "flat"),
    (painted, lambda: (torch.full((3, 32, 32), 0.5), ENDS), "flat"),
    (painted, lambda: (styles.strokes(), ENDS), "of the chapter"),
    (painted, lambda: (checkers, {"learned": 65.0}), "two losses"),
    (painted, lambda: (checkers, {"learned": 65.0, "Adam": 120.0}), "below its start"),
    (painted, lambda: (checkers, {"learned": 65.0, "Adam": 90.0}), "other rates"),
    (painted, lambda: (checkers, {"learned": float("nan"), "Adam": 90.0}), RIGHT),
]

test_answers = table(CASES)
