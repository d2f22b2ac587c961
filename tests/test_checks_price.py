"""Every check of the chapter accepts the solution, waits for an answer, and explains a wrong one."""

import math
from typing import Any

import torch
from answers import RIGHT, WAITING, stub, table

import l2l_lite as l2l
from l2l_lite.checks import price as check
from l2l_lite.price import LSTM, Job, operations


def solution(once: float, each: float, tries: float = 0) -> float:
    owed, saved = once - tries, 1 - each
    if owed <= 0:
        return 0
    return owed / saved if saved > 0 else math.inf


def broken(once: float, each: float, tries: float = 0) -> float:
    raise RuntimeError("no")


CASES = [
    (check.smaller_rule, 430, RIGHT),
    (check.smaller_rule, None, WAITING),
    (check.smaller_rule, 1660, "with 20 units"),
    (check.smaller_rule, 830, "rows and columns"),
    (check.smaller_rule, 215, "two operations"),
    (check.smaller_rule, 2580, "divide it by six"),
    (check.smaller_rule, 645, "first layer"),
    (check.wider, "b", RIGHT),
    (check.wider, ..., WAITING),
    (check.wider, "a", "for as many"),
    (check.wider, "c", "by the same factor"),
    (check.persistent_passes, 801, RIGHT),
    (check.persistent_passes, None, WAITING),
    (check.persistent_passes, 800, "at the start"),
    (check.persistent_passes, 401, "two runs"),
    (check.persistent_passes, 808, "same start"),
    (check.persistent_passes, 901, "that is ES"),
    (check.persistent_passes, 805, "goes on where"),
    (check.persistent_passes, 101, "truncated backpropagation"),
    (check.trials, 3990.6, RIGHT),
    (check.trials, None, WAITING),
    (check.trials, 100, "costs nothing"),
    (check.trials, 1396.9, "forward; backward"),
    (check.trials, 3890.6, "gradients of the trajectories"),
    (check.trials, 4190.6, "what is tripled"),
    (check.trials, 656.5, "to their end"),
    (check.pays_after, solution, RIGHT),
    (check.pays_after, stub, WAITING),
    (check.pays_after, lambda once, each, tries: (once - tries) / (1 - each), "more than Adam's"),
    (check.pays_after, lambda once, each, tries: once / (1 - each), "tries for Adam"),
    (
        check.pays_after,
        lambda once, each, tries: math.inf if each > 1 else max(once - tries, 0) / (1 - each),
        "divides by zero",
    ),
    (check.pays_after, lambda once, each, tries: once * each, "halves the cost"),
    (check.pays_after, broken, "fails with RuntimeError"),
    (check.job, "c", RIGHT),
    (check.job, None, WAITING),
    (check.job, "a", "share the price"),
    (check.job, "b", "mends that"),
    (check.job, "d", "no search is saved"),
]

test_answers = table(CASES)


def test_the_smaller_rule_costs_what_is_counted() -> None:
    rule, grad = l2l.LSTMRule(hidden=(10, 10)), torch.zeros(1, 100)
    assert operations(lambda: rule(grad, rule.init(grad))) / 100 / 6 == 430


def test_persistent_evolution_takes_as_many_passes(monkeypatch: Any) -> None:
    problem, estimator = l2l.Quadratic().sample(tasks=1, seed=0), l2l.estimators.PES(pairs=4)
    rule, calls, loss = l2l.LSTMRule(hidden=(2,), preprocess=l2l.identity), [], problem.loss
    monkeypatch.setattr(problem, "loss", lambda theta, t: (calls.append(t), loss(theta, t))[1])
    at = estimator.start(rule, problem)
    for _ in range(5):
        at = estimator.window(rule, problem, 20, at, l2l.objectives.uniform, l2l.generator(0))
    assert len(calls) == 801


def test_a_step_of_the_rule_costs_what_the_job_says() -> None:
    rule, grad = l2l.LSTMRule(), torch.zeros(1, 50)
    assert operations(lambda: rule(grad, rule.init(grad))) == 50 * LSTM


def test_costs_of_a_job_cross_where_it_says() -> None:
    job = Job(batch=2048)
    there = Job(batch=2048, runs=job.pays_after())
    assert math.isclose(there.adam(), there.learned())
    assert Job().pays_after() == math.inf
    assert Job().pays_until() == 0
    assert job.pays_until() == math.inf
    early = Job(tries=10_000)
    assert early.pays_after() == 0
    last = Job(tries=10_000, runs=early.pays_until())
    assert math.isclose(last.adam(), last.learned())
