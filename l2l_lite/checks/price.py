"""Checks for the chapter on the price."""

import math
from collections.abc import Callable
from typing import Any

from l2l_lite.checks import choice, missing, number, right, wrong
from l2l_lite.price import LSTM, Job


def smaller_rule(answer: Any, units: int = 10) -> None:
    """The batch at which a step of an LSTM with two layers of so few units costs as much as a gradient."""
    weights = 4 * units * (2 + units) + 4 * units * 2 * units + units
    number(
        answer,
        2 * weights / 6,
        what="the batch at which a step of the smaller rule costs as much as a gradient",
        why=f"{weights:,} weights, two operations each, over six an example: half the units, a quarter of "
        "the price",
        hints={
            LSTM / 6: "that is the rule of the chapter, with 20 units",
            LSTM / 12: "half the units are not half the weights: a matrix has rows and columns",
            weights / 6: "a weight is a multiplication and an addition: two operations",
            2 * weights: "that is a step of the rule a parameter; divide it by six for an example",
            2 * weights / 4: "that is for a first layer, which sends no gradient back; take six",
        },
        tolerance=0.02,
    )


def wider(prediction: Any) -> None:
    """Predicted: a ten times wider network leaves the overhead as it is."""
    choice(
        prediction,
        "b",
        what="your prediction, a letter from a to c; the cell counts once there is one",
        why={
            "a": "the rule does run for ten times as many parameters, but the gradient has to be computed "
            "for as many",
            "b": "both grow with the parameters, so their ratio depends on the batch alone",
            "c": "a larger network makes a gradient dearer, and the rule's step by the same factor",
        },
    )


def persistent_passes(answer: Any, steps: int = 100, pairs: int = 4, windows: int = 5) -> None:
    """How many forward passes PES takes through a trajectory."""
    number(
        answer,
        1 + 2 * pairs * steps,
        what="the forward passes of PES with four pairs through a trajectory of 100 updates",
        why="two runs for each pair and one loss at the start, which all of them share; windows cost nothing",
        hints={
            2 * pairs * steps: "the loss at the start belongs to it, too",
            pairs * steps: "a pair is two runs: one with φ + ε and one with φ - ε",
            1 + pairs * steps: "a pair is two runs: one with φ + ε and one with φ - ε",
            2 * pairs * (steps + 1): "every run begins at the same start, which is evaluated once",
            1 + (2 * pairs + 1) * steps: "that is ES, which runs φ itself as well to know where to go on",
            windows + 2 * pairs * steps: "a window goes on where the last one ended; nothing is evaluated "
            "twice",
            1 + steps: "that is truncated backpropagation",
        },
        tolerance=1e-6,
    )


def trials(answer: Any, trained_on: float = 100) -> None:
    """How many tries for Adam meta-training on a hundred trajectories would pay, at batch 128."""
    job = Job(trained_on=trained_on)
    r = LSTM / (6 * job.batch)
    number(
        answer,
        job.once,
        what="the runs of Adam that cost as much as meta-training on a hundred trajectories",
        why="a rate for each of them; the chapter's curve is flat long before",
        hints={
            trained_on: "that would be a rule that costs nothing: each step is a gradient and the rule, "
            "forward and backward",
            trained_on * (1 + r): "that is the rule forward; backward it costs twice as much again",
            trained_on * 3 * r: "the gradients of the trajectories have to be computed as well",
            trained_on * 3 * (1 + r): "the gradient is computed once a step; what is tripled is the rule",
            trained_on * job.each: "the trajectories of meta-training are run to their end",
        },
        tolerance=0.01,
    )


def pays_after(function: Callable[..., Any]) -> None:
    """Whether a function says after how many runs a rule has paid, with its three cases."""
    what = "pays_after(once, each, tries) returns a number of runs"
    cases = {
        (1000.0, 0.5, 0.0): (2000.0, "a rule that halves the cost of a run"),
        (1000.0, 0.5, 100.0): (1800.0, "tries for Adam that are saved"),
        (1000.0, 1.5, 0.0): (math.inf, "a run that costs more than Adam's"),
        (1000.0, 1.0, 0.0): (math.inf, "a run that costs as much as Adam's"),
        (10.0, 0.5, 19.0): (0.0, "meta-training that costs less than the tries"),
    }
    for arguments, (expected, case) in cases.items():
        try:
            answer = function(*arguments)
        except ZeroDivisionError:
            return wrong(f"{case}: {arguments} divides by zero; what is saved there?")
        except Exception as error:
            return wrong(f"the call fails with {type(error).__name__}: {error}")
        if missing(answer, what):
            return None
        if not isinstance(answer, int | float) or not math.isclose(answer, expected, abs_tol=1e-9):
            return wrong(f"{case}: {arguments} should give {expected:g}, not {answer}")
    return right("a number, never, or from the first run on: three cases, and most rules are in the second")


def job(answer: Any) -> None:
    """Which of four plans a learned rule pays for."""
    choice(
        answer,
        "c",
        what="a, b, c or d: the plan for which meta-training pays",
        why={
            "a": "one run has nothing to share the price with, however long it is",
            "b": "many runs share the price, but at batch 32 each of them costs more than Adam's; no number "
            "of runs mends that",
            "c": "an image of this size is dear to differentiate for each of its pixels, the runs are many, "
            "and they are of the kind that the rule has seen",
            "d": "the rate is known, so no search is saved, and on runs a hundred times longer than those "
            "of meta-training nobody has seen a lead",
        },
    )
