"""Checks for the chapter on no free lunch."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import Any

import torch
from torch import Tensor

from l2l_lite import zoo
from l2l_lite.checks import choice, missing, number, returned, right, same, wrong
from l2l_lite.evaluation import final_loss, tune
from l2l_lite.problems import check_family
from l2l_lite.rules import GradientDescent
from l2l_lite.trajectory import optimize

BOXES, VALUES = 6, 4
LOW_RATES = tuple(10 ** (k / 4) for k in range(-24, 7))  # for losses in large units too
Values = tuple[int, ...]
Choose = Callable[[list[int], dict[int, int]], Any]


def average(answer: Any) -> None:
    """The mean lowest of three values, over all functions from ten points to the values 0 to 9."""
    number(
        answer,
        2.025,
        what="the mean lowest value after three looks, over all 10^10 functions",
        why="three values from 0 to 9, all triples as often: which search looks does not matter",
        hints={
            4.5: "this is the mean of one value; three looks find a lower one",
            2.25: "half of one look's mean is no lowest of three: count the triples whose lowest is v",
            1.5: "a third of one look's mean is no lowest of three: count the triples whose lowest is v",
            2.5: "this is the lowest of three numbers between 0 and 10; here values are whole numbers",
            1.75: "this draws three different values from 0 to 9, but two boxes may hold the same",
            3.025: "this is right for the values 1 to 10; here they begin with 0",
        },
        tolerance=0.002,
    )


def needle(prediction: Any) -> None:
    """Predicted: on functions with one zero among threes no search is better than another."""
    what = "your prediction, a letter from a to d; the check counts afterwards"
    if missing(prediction, what):
        return
    needles = [tuple(0 if box == place else 3 for box in range(BOXES)) for place in range(BOXES)]
    looks = [sum(1 + found(f, choose).index(0) for f in needles) / BOXES for choose in (_near, _far)]
    run = f"near needs {looks[0]:.1f} looks on average, far needs {looks[1]:.1f}"
    choice(
        prediction,
        "c",
        what=what,
        why={
            "a": f"{run}. Near what? All boxes but one hold a 3, and none of them says where the 0 is",
            "b": f"{run}. It goes far from a 3 that says nothing of where the 0 is",
            "c": f"{run}, and so does every search: the class has all orders of one 0 and five 3s, so it "
            "is closed under permutation, and six functions are enough for no free lunch",
            "d": f"{run}. A class need not hold all functions for a tie: all orders of the same values do",
        },
    )


def search(choose: Any) -> None:
    """Whether a search wins on the hills, ties on all functions, and looks nowhere twice."""
    if missing(choose, "choose(closed, seen) returns one of the closed boxes"):
        return None
    functions = list(product(range(VALUES), repeat=BOXES))
    try:
        answers = {f: found(f, choose) for f in functions}
    except ValueError as error:
        return wrong(str(error))
    except Exception as error:
        return wrong(f"the call fails with {type(error).__name__}: {error}")
    if None in next(iter(answers.values())):
        missing(None, "choose(closed, seen) returns one of the closed boxes")
        return None
    hills = [f for f in functions if is_hill(f)]
    reached, near, far = (
        sum(min(get(f)[:2]) for f in hills) / len(hills)
        for get in (answers.__getitem__, partial(found, choose=_near), partial(found, choose=_far))
    )
    total = sum(min(values[:2]) for values in answers.values()) / len(functions)
    run = f"after two looks {reached:.3f} on hills (far {far:.3f}, near {near:.3f}), {total:.3f} on all"
    if reached <= far + 1e-9:
        return right(f"{run}: on all functions it ties, as it must")
    if reached < near:
        return wrong(f"{run}: better than near, but a hill is lowest at one of two boxes; open those first")
    return wrong(f"{run}: where does a function that rises and then falls have its lowest value?")


def lines(answer: Any) -> None:
    """How many lines conjugate gradients need on a quadratic with three different curvatures."""
    number(
        answer,
        3,
        what="the number of lines, in exact arithmetic",
        why="after k lines the error is multiplied by a polynomial of degree k with value 1 at 0, and one of "
        "degree three has a zero at each of the three curvatures",
        hints={
            10: "that many for ten different curvatures; equal ones are dealt with together",
            1: "one line suffices only where all curvatures are equal",
            6: "six gradients, two for each line; the question is for lines",
            20: "twenty gradients are the budget for ten different curvatures",
        },
        tolerance=1e-6,
    )


def shrink(function: Any) -> None:
    """Whether a function is the minimiser of (x - z)² / (2 α) + |x|."""
    z, alpha = torch.tensor([-2.0, -0.3, 0.0, 0.2, 0.5, 1.5]), 0.5
    what = "shrink(z, alpha) returns a tensor of the shape of z"
    if (answer := returned(what, function, z, alpha)) is None:
        return None
    wrongs = [
        (
            torch.where(z.abs() > alpha, z, 0.0),
            "this keeps what is large as it is; it is pulled in by α, too",
        ),
        (z - alpha * z.sign(), "small values have crossed zero: they stop there"),
        ((z.abs() - alpha).clamp(min=0), "the sign is lost: -2 becomes -1.5"),
        ((z - alpha).clamp(min=0), "negative values are pulled towards zero as well, from the other side"),
        (z * (1 - alpha), "this shrinks in proportion, as a term θ² does, and makes no zeros"),
        (z.clamp(-alpha, alpha), "this is what is taken away; what is left is z minus it"),
    ]
    return _explain(answer, z.sign() * (z.abs() - alpha).clamp(min=0), wrongs)


def _explain(answer: Any, expected: Tensor, wrongs: Sequence[tuple[Tensor, str]]) -> None:
    if same(answer, expected):
        return right(
            "pulled towards zero by α, and stopped there: what is smaller than α becomes zero exactly"
        )
    hint = next((hint for other, hint in wrongs if same(answer, other)), None)
    shape = list(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
    return wrong(
        hint or f"expected {expected.tolist()} for z = [-2, ..., 1.5] and α = 0.5, not this ({shape})"
    )


def bad_class(family: Any, tasks: int = 64) -> None:
    """Whether the zoo's rule for quadratics loses to tuned gradient descent on a family."""
    if missing(family, "a family: an object with sample(tasks, seed, device)"):
        return None
    try:
        check_family(family)
        tuned = tune(GradientDescent, family.sample(tasks, 2), rates=LOW_RATES)["final"]
        problem = family.sample(tasks, 1)
        rules = (zoo.load("quadratic"), tuned.rule)
        learned, descent = (float(final_loss(optimize(rule, problem, 100).losses).mean()) for rule in rules)
    except Exception as error:
        return wrong(f"{error or type(error).__name__}")
    run = f"final loss, learned ≈ {learned:.3g}, tuned gradient descent ≈ {descent:.3g}"
    if not descent < float(problem.loss(problem.theta0, 0).mean()):
        return wrong(f"{run}: nobody gets anywhere here, so nobody has lost")
    if learned < descent:
        return wrong(f"{run}: still the learned rule's ground; what would surprise it?")
    return right(f"{run}: the class has left the learned rule's ground")


def found(f: Values, choose: Choose) -> list[Any]:
    """The values that a search sees, in its order. Raises ValueError for a box that is not closed."""
    seen: dict[int, int] = {}
    for _ in range(BOXES):
        closed = [box for box in range(BOXES) if box not in seen]
        box = choose(closed, seen)
        if box is None or box is ...:
            return [None]
        if box not in closed:
            again = "is open already: a search looks nowhere twice" if box in seen else "is no box"
            raise ValueError(f"{box} {again}; choose one of {closed}")
        seen[box] = f[box]
    return list(seen.values())


def is_hill(f: Values) -> bool:
    """Whether a function rises, then falls."""
    return any(list(f) == sorted(f[:k]) + sorted(f[k:], reverse=True) for k in range(BOXES + 1))


def _near(closed: list[int], seen: dict[int, int]) -> int:
    best = min(seen, key=seen.__getitem__, default=BOXES // 2)
    return min(closed, key=lambda box: abs(box - best))


def _far(closed: list[int], seen: dict[int, int]) -> int:
    best = min(seen, key=seen.__getitem__, default=BOXES // 2)
    return max(closed, key=lambda box: abs(box - best))
