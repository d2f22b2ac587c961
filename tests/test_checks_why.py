"""The checks on the predictions: each choice is explained, the right one is confirmed."""

import re

import pytest
from answers import RIGHT, WAITING, said, table

import l2l_lite as l2l
from l2l_lite.checks import why as check

CASES = [
    (check.weights, "b", RIGHT),
    (check.weights, None, WAITING),
    (check.weights, "a", "does not see the network"),
    (check.weights, "c", "whole rule"),
    (check.weights, "ten", "choose one of a, b, c"),
    (check.units, " B ", RIGHT),
    (check.units, None, WAITING),
    (check.units, "a", "diverges"),
    (check.units, "c", "seen gradients of one size"),
    (check.widths, "c", RIGHT),
    (check.widths, ..., WAITING),
    (check.widths, "a", "loses to a tuned rival"),
    (check.widths, "b", "wider networks"),
    (check.pays_from, 54.5, RIGHT),
    (check.pays_from, None, WAITING),
    (check.pays_from, 12.1, "for 47 steps"),
    (check.pays_from, 13.6, "how many steps does the run save"),
    (check.pays_from, 10.9, "20 are saved"),
    (check.pays_from, 1091, "divide it"),
    (check.pays_from, 200, "too large"),
    (check.pays_from, 30, "too small"),
    (check.job, "b", RIGHT),
    (check.job, None, WAITING),
    (check.job, "a", "single run"),
    (check.job, "c", "two strangers"),
    (check.job, "d", "without a warning"),
    (check.job, "e", "choose one of a, b, c, d"),
]

test_answers = table(CASES)


def test_widths_are_as_the_card_says() -> None:
    tests = l2l.zoo.card("mnist").tests
    five, own, fifty = (tests[f"1 × {width}"]["final"]["ratio"]["0"] for width in (5, 20, 50))
    assert five[1] > 1  # it loses, its whole interval
    assert fifty[2] < own[1]  # and it leads most where it is widest


@pytest.mark.parametrize("factor", [2, 0.5])
def test_what_a_run_costs(factor: float) -> None:
    """On the edge that the check asks for, both runs take the same time."""
    test = l2l.zoo.card("mnist-refined").tests["all digits"]["milliseconds"]
    edge = float(re.search(r"✓ ([\d.]+)", said(check.pays_from, 54.54))[1])
    learned = 80 * (factor * edge + test["learned"] - test["Nesterov"])
    assert (learned < 100 * factor * edge) == (factor > 1)
