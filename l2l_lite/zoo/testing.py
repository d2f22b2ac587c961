"""Test meta-trained rules against tuned baselines, on fresh tasks."""

import math
from collections.abc import Mapping
from functools import cache, partial
from statistics import median
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from l2l_lite.artefacts import rounded
from l2l_lite.bench import milliseconds
from l2l_lite.evaluation import BASELINES, CRITERIA, Baselines, Tuned, final_loss, ratio, steps_to, tune
from l2l_lite.problems import Problem
from l2l_lite.problems.classifier import ClassifierProblem
from l2l_lite.rules import Nesterov, UpdateRule
from l2l_lite.seeds import Role, task_seed
from l2l_lite.trajectory import Trajectory, optimize
from l2l_lite.zoo.recipes import Test

PAPER = "Nesterov 0.9"  # Torch7's momentum, which the paper left as it was
PLATEAU = 0.955  # a cross-entropy above this share of log(classes) has not left its plateau


def run_test(
    test: Test, rules: Mapping[int, UpdateRule], shipped: int, device: torch.device
) -> dict[str, Any]:
    """Ratios of the learned rules to the best tuned baseline, and the shipped rule's curves.

    As a card holds it: numbers of four digits, seeds as texts.
    """
    problem, single, groups, every = _rivals(test, device)
    baselines = {criterion: _without(PAPER, tuned) for criterion, tuned in every.items()}
    chosen = rules if test.every_seed else {shipped: rules[shipped]}
    tested = {seed: rule.on(groups).lasting(test.steps) for seed, rule in chosen.items()}
    learned = {seed: optimize(rule, problem, test.steps) for seed, rule in tested.items()}
    result: dict[str, Any] = {"steps": test.steps, "tasks": test.tasks}
    if isinstance(problem, ClassifierProblem) and problem.criterion is cross_entropy:
        result["stuck"] = _stuck(problem, learned)
    for criterion, tuned in baselines.items():
        runs = {label: run for label, (_, run) in tuned.items()}
        result[criterion] = _ratios(criterion, learned, runs)
        result[criterion]["tuned"] = {label: _settings(one) for label, (one, _) in tuned.items()}
        best = result[criterion]["best_baseline"]
        pairs = {"values": learned[shipped], "rival_values": runs[best]}  # to compare task by task
        result[criterion] |= {
            name: [rounded(value) for value in CRITERIA[criterion](run.losses)] for name, run in pairs.items()
        }
        if criterion == "final":  # the one by which the paper tunes its baselines
            shown = {"learned": learned[shipped]} | runs
            held_out = {label: problem.evaluate(run.theta).mean() for label, run in shown.items()}
            result |= {"curves": _curves(shown), "held_out": _rounded(held_out)}
            result["reach"] = _reach(learned, runs, result[criterion]["best_baseline"])
    papers = {label: run for label, (_, run) in _without("Nesterov", every["final"]).items()}
    result["paper"] = _ratios("final", learned, papers)  # momentum 0.9, the rate tuned for the final loss
    timed = {"learned": tested[shipped]}
    timed |= {label: one.rule for label, (one, _) in baselines["final"].items()}
    result["milliseconds"] = _milliseconds(timed, single)
    return result


def _without(label: str, tuned: Mapping[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in tuned.items() if name != label}


def _reach(learned: Mapping[int, Trajectory], runs: Mapping[str, Trajectory], best: str) -> dict[str, Any]:
    """Steps to the final loss of the best baseline, for it and for the learned rules."""
    target = float(final_loss(runs[best].losses).mean())
    steps = {str(seed): steps_to(run.losses, target) for seed, run in learned.items()}
    return {"loss": rounded(target), best: steps_to(runs[best].losses, target), "learned": steps}


def _milliseconds(rules: Mapping[str, UpdateRule], problem: Problem, steps: int = 20) -> dict[str, float]:
    """The time of a step of each rule, all in turns."""
    calls = {label: partial(optimize, rule, problem, steps) for label, rule in rules.items()}
    times = milliseconds(calls, problem.theta0.device, rounds=3)
    return _rounded({label: time / (steps + 1) for label, time in times.items()})


class Rivals(NamedTuple):
    """Fresh tasks, and for each criterion and baseline the tuned rule and its run on them."""

    problem: Problem
    single: Problem  # one of them, for timing
    groups: Mapping[str, Tensor]
    baselines: dict[str, dict[str, tuple[Tuned, Trajectory]]]


@cache  # for entries that are tested on the same tasks
def _rivals(test: Test, device: torch.device) -> Rivals:
    family = test.make_family()
    tuning = family.sample(test.tuning_tasks, task_seed(Role.TUNING), device)
    fresh = family.sample(test.tasks, task_seed(Role.TEST), device)
    results: dict[str, dict[str, tuple[Tuned, Trajectory]]] = {criterion: {} for criterion in CRITERIA}
    papers: Baselines = {PAPER: [partial(Nesterov, momentum=0.9)]}
    for label, makers in {**BASELINES, **papers, **test.make_rivals()}.items():
        runs: dict[UpdateRule, Trajectory] = {}  # one rule may be the best by both
        for criterion, tuned in tune(makers, tuning, steps=test.steps, rates=test.rates).items():
            runs[tuned.rule] = runs.get(tuned.rule) or optimize(tuned.rule, fresh, test.steps)
            results[criterion][label] = tuned, runs[tuned.rule]
    single = family.sample(1, task_seed(Role.TEST), device)
    return Rivals(fresh, single, family.groups, results)


def _stuck(problem: ClassifierProblem, learned: Mapping[int, Trajectory]) -> dict[str, float]:
    """The share of tasks that end where every class has the same probability."""
    plateau = PLATEAU * math.log(len(problem.data.train.labels.unique()))
    return _rounded({seed: (run.losses[-1] > plateau).float().mean() for seed, run in learned.items()})


def _ratios(
    criterion: str, learned: Mapping[int, Trajectory], baselines: Mapping[str, Trajectory]
) -> dict[str, Any]:
    measure = CRITERIA[criterion]
    values = {label: measure(run.losses) for label, run in baselines.items()}
    means = {label: float(value.mean()) for label, value in values.items()}
    finite = [label for label, mean in means.items() if math.isfinite(mean)]
    if not finite:
        raise FloatingPointError(
            "every tuned baseline diverged on the fresh tasks; give the test lower rates"
        )
    best = min(finite, key=means.__getitem__)
    ratios = {seed: ratio(measure(run.losses), values[best]) for seed, run in learned.items()}
    return {
        "best_baseline": best,
        "baselines": _rounded(means),
        "learned": _rounded({seed: measure(run.losses).mean() for seed, run in learned.items()}),
        "ratio": {str(seed): [rounded(bound) for bound in interval] for seed, interval in ratios.items()},
        "median_ratio": rounded(median(interval.value for interval in ratios.values())),
    }


def _curves(runs: Mapping[str, Trajectory], points: int = 60) -> dict[str, Any]:
    last = len(next(iter(runs.values())).losses) - 1
    steps = [0, *torch.logspace(0, math.log10(last), points).round().long().unique().tolist()]
    curves: dict[str, Any] = {"steps": steps}
    for label, run in runs.items():
        losses = run.losses[steps].cpu()
        mean, error = losses.mean(dim=1), 1.96 * losses.std(dim=1) / losses.shape[1] ** 0.5
        band = {"mean": mean, "low": mean - error, "high": mean + error}
        curves[label] = {name: [rounded(value) for value in values] for name, values in band.items()}
    return curves


def _settings(tuned: Tuned) -> dict[str, Any]:
    hyper = {name: value for name, value in vars(tuned.rule).items() if name in ("lr", "momentum", "ratio")}
    return _rounded(hyper) | {"inside_grid": tuned.inside}


def _rounded(values: Mapping[Any, float | Tensor]) -> dict[str, float]:
    return {str(name): rounded(value) for name, value in values.items()}
