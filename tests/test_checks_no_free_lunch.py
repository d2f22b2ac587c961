"""Every check of the chapter accepts the solution, waits for an answer, and explains a wrong one."""

from collections import Counter
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from answers import RIGHT, WAITING, stub, table

import l2l_lite as l2l
from l2l_lite.checks import no_free_lunch as check
from l2l_lite.studies.no_free_lunch import ConjugateGradient, Sparse


def ends_first(closed: list[int], seen: dict[int, int]) -> int:
    return closed[0] if len(seen) % 2 else closed[-1]


def random_if_new(closed: list[int], seen: dict[int, int]) -> int:
    return 3


def soft(z: Any, alpha: float) -> Any:
    return z.sign() * (z.abs() - alpha).clamp(min=0)


@dataclass
class Flat:
    """Nothing to be gained."""

    def sample(self, tasks: int, seed: int, device: str = "cpu") -> Any:
        return FlatProblem(torch.randn(tasks, 2, generator=l2l.generator(seed)))


@dataclass
class FlatProblem:
    theta0: Any

    def loss(self, theta: Any, t: int) -> Any:
        return 1 + 0 * theta.sum(dim=-1)

    def evaluate(self, theta: Any) -> Any:
        return self.loss(theta, 0)


CASES = [
    (check.average, 2.025, RIGHT),
    (check.average, None, WAITING),
    (check.average, ..., WAITING),
    (check.average, 4.5, "one value"),
    (check.average, 2.25, "count the triples"),
    (check.average, 1.5, "count the triples"),
    (check.average, 2.5, "whole numbers"),
    (check.average, 1.75, "may hold the same"),
    (check.average, 3.025, "begin with 0"),
    (check.average, 7, "too large"),
    (check.needle, "c", RIGHT),
    (check.needle, ..., WAITING),
    (check.needle, "a", "Near what?"),
    (check.needle, "b", "says nothing"),
    (check.needle, "d", "need not hold all"),
    (check.needle, "x", "choose one"),
    (check.search, ends_first, RIGHT),
    (check.search, check._far, RIGHT),
    (check.search, None, WAITING),
    (check.search, stub, WAITING),
    (check.search, lambda closed, seen: closed[0], "one of two boxes"),
    (check.search, check._near, "lowest value"),
    (check.search, random_if_new, "open already"),
    (check.search, lambda closed, seen: 6, "no box"),
    (check.search, lambda closed, seen: closed[9], "IndexError"),
    (check.lines, 3, RIGHT),
    (check.lines, None, WAITING),
    (check.lines, 10, "together"),
    (check.lines, 1, "all curvatures are equal"),
    (check.lines, 6, "gradients"),
    (check.lines, 20, "budget"),
    (check.shrink, soft, RIGHT),
    (check.shrink, stub, WAITING),
    (check.shrink, lambda z, alpha: torch.where(z.abs() > alpha, z, 0.0), "as it is"),
    (check.shrink, lambda z, alpha: z - alpha * z.sign(), "crossed zero"),
    (check.shrink, lambda z, alpha: soft(z, alpha).abs(), "sign is lost"),
    (check.shrink, lambda z, alpha: (z - alpha).clamp(min=0), "other side"),
    (check.shrink, lambda z, alpha: z * (1 - alpha), "makes no zeros"),
    (check.shrink, lambda z, alpha: z.clamp(-alpha, alpha), "taken away"),
    (check.shrink, lambda z, alpha: z.sum(), "expected"),
    (check.shrink, lambda z, alpha: z.missing, "AttributeError"),
    (check.bad_class, Sparse(), RIGHT),
    (check.bad_class, None, WAITING),
    (check.bad_class, l2l.Quadratic(), "ground"),
    (check.bad_class, l2l.Quadratic, "sample"),
    (check.bad_class, Flat(), "nobody"),
]

test_answers = table(CASES)


def test_the_average_is_that_of_all_triples() -> None:
    triples = list(product(range(10), repeat=3))
    assert sum(map(min, triples)) / len(triples) == 2.025


def test_a_quadratic_with_three_curvatures_takes_three_lines() -> None:
    curvatures = torch.tensor([1.0, 1.0, 1.0, 3.0, 3.0, 10.0], dtype=torch.float64)

    class Bowl:
        theta0 = torch.ones(1, 6, dtype=torch.float64)

        def loss(self, theta: Any, t: int) -> Any:
            return 0.5 * (curvatures * theta**2).sum(dim=-1)

    losses = l2l.optimize(ConjugateGradient(1e-3), Bowl(), 6).losses[:, 0]
    assert losses[4] > 1e-3 * losses[0]
    assert losses[6] < 1e-20 * losses[0]


def test_a_class_that_is_closed_under_permutation_is_searched_alike() -> None:
    needles = [tuple(0 if box == place else 3 for box in range(6)) for place in range(6)]
    searches = (check._near, check._far)
    sequences = [Counter(tuple(check.found(f, choose)) for f in needles) for choose in searches]
    assert sequences[0] == sequences[1] == Counter(needles)
