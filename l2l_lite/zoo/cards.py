"""Test a meta-trained rule against tuned baselines, and write all of it on a card."""

import hashlib
import json
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

import l2l_lite
from l2l_lite.evaluation import BASELINES, CRITERIA, Tuned, ratio, tune
from l2l_lite.hardware import device_name
from l2l_lite.learned import Partitioned
from l2l_lite.problems import Problem
from l2l_lite.problems.classifier import ClassifierProblem
from l2l_lite.rules import UpdateRule
from l2l_lite.training import History
from l2l_lite.trajectory import Trajectory, optimize
from l2l_lite.zoo.recipes import Recipe, Test

TEST_SEED, TUNING_SEED = 1, 2
STUCK = 2.2  # a ten-class cross-entropy above this has not left its plateau at log 10


def make_card(
    name: str, recipe: Recipe, trained: Mapping[int, tuple[UpdateRule, History]], device: torch.device
) -> dict[str, Any]:
    """The card of an entry of the zoo, from what each meta-seed learned. The best score is shipped."""
    shipped = min(trained, key=lambda seed: min(trained[seed][1].validation))
    rules = {seed: rule for seed, (rule, _) in trained.items()}
    return {
        "name": name,
        "summary": recipe.summary,
        "command": f"l2l train {name}",
        "rule": repr(rules[shipped]),
        "training": dict(recipe.training),
        "refine": dict(recipe.refine),
        "data": recipe.data(),
        "shipped_seed": shipped,
        "validation": {seed: min(history.validation) for seed, (_, history) in trained.items()},
        "seconds": {seed: round(history.seconds) for seed, (_, history) in trained.items()},
        "device": device_name(device),
        "versions": versions(),
        "tests": {label: run_test(test, rules, shipped, device) for label, test in recipe.tests.items()},
    }


def write_entry(card: dict[str, Any], rule: UpdateRule, folder: Path) -> None:
    """Write the shipped rule's weights and its card, with their checksum, each file in one go."""
    content = save({name: weight.cpu() for name, weight in rule.state_dict().items()})
    text = json.dumps(card | {"sha256": hashlib.sha256(content).hexdigest()}, ensure_ascii=False)
    for suffix, data in (("safetensors", content), ("json", text.encode())):
        path = folder / f"{card['name']}.{suffix}"
        partial = path.with_suffix(".partial")
        partial.write_bytes(data)
        partial.replace(path)


def run_test(
    test: Test, rules: Mapping[int, UpdateRule], shipped: int, device: torch.device
) -> dict[str, Any]:
    """Ratios of the learned rules to the best tuned baseline, and the shipped rule's curves."""
    fresh, baselines = _baselines(test, device)
    tested = rules if test.every_seed else {shipped: rules[shipped]}
    learned = {seed: optimize(_fit(rule, test), fresh, test.steps) for seed, rule in tested.items()}
    result: dict[str, Any] = {"steps": test.steps, "tasks": test.tasks}
    if isinstance(fresh, ClassifierProblem):
        stuck = {seed: (run.losses[-1] > STUCK).float().mean() for seed, run in learned.items()}
        result["stuck"] = _rounded(stuck)
    for criterion, tuned in baselines.items():
        runs = {label: run for label, (_, run) in tuned.items()}
        result[criterion] = _ratios(criterion, learned, runs)
        result[criterion]["tuned"] = {label: _settings(one) for label, (one, _) in tuned.items()}
        values = CRITERIA[criterion](learned[shipped].losses)
        result[criterion]["values"] = [_round(value) for value in values]  # to compare cards with each other
        if criterion == "final":  # the one by which the paper tunes its baselines
            shown = {"learned": learned[shipped]} | runs
            held_out = {label: fresh.evaluate(run.theta).mean() for label, run in shown.items()}
            result |= {"curves": _curves(shown), "held_out": _rounded(held_out)}
    return result


@cache  # for entries that are tested on the same tasks
def _baselines(
    test: Test, device: torch.device
) -> tuple[Problem, dict[str, dict[str, tuple[Tuned, Trajectory]]]]:
    """Fresh tasks, and for each criterion and baseline the tuned rule and its run on them."""
    family = test.make_family()
    tuning = family.sample(test.tuning_tasks, TUNING_SEED, device)
    fresh = family.sample(test.tasks, TEST_SEED, device)
    results: dict[str, dict[str, tuple[Tuned, Trajectory]]] = {criterion: {} for criterion in CRITERIA}
    for label, makers in BASELINES.items():
        runs: dict[UpdateRule, Trajectory] = {}  # one rule may be the best by both
        for criterion, tuned in tune(makers, tuning, steps=test.steps, rates=test.rates).items():
            runs[tuned.rule] = runs.get(tuned.rule) or optimize(tuned.rule, fresh, test.steps)
            results[criterion][label] = tuned, runs[tuned.rule]
    return fresh, results


def _fit(rule: UpdateRule, test: Test) -> UpdateRule:
    return rule.on(test.make_family().groups) if isinstance(rule, Partitioned) else rule


def _ratios(
    criterion: str, learned: Mapping[int, Trajectory], baselines: Mapping[str, Trajectory]
) -> dict[str, Any]:
    measure = CRITERIA[criterion]
    values = {label: measure(run.losses) for label, run in baselines.items()}
    best = min(values, key=lambda label: float(values[label].mean()))
    ratios = {seed: ratio(measure(run.losses), values[best]) for seed, run in learned.items()}
    return {
        "best_baseline": best,
        "baselines": _rounded({label: value.mean() for label, value in values.items()}),
        "learned": _rounded({seed: measure(run.losses).mean() for seed, run in learned.items()}),
        "ratio": {seed: [_round(bound) for bound in interval] for seed, interval in ratios.items()},
        "median_ratio": _round(median(interval.value for interval in ratios.values())),
    }


def _curves(runs: Mapping[str, Trajectory], points: int = 60) -> dict[str, Any]:
    last = len(next(iter(runs.values())).losses) - 1
    steps = [0, *torch.logspace(0, math.log10(last), points).round().long().unique().tolist()]
    curves: dict[str, Any] = {"steps": steps}
    for label, run in runs.items():
        losses = run.losses[steps].cpu()
        mean, error = losses.mean(dim=1), 1.96 * losses.std(dim=1) / losses.shape[1] ** 0.5
        band = {"mean": mean, "low": mean - error, "high": mean + error}
        curves[label] = {name: [_round(value) for value in values] for name, values in band.items()}
    return curves


def _settings(tuned: Tuned) -> dict[str, Any]:
    hyper = {name: value for name, value in vars(tuned.rule).items() if name in ("lr", "momentum")}
    return _rounded(hyper) | {"inside_grid": tuned.inside}


def _rounded(values: Mapping[Any, float | Tensor]) -> dict[Any, float]:
    return {name: _round(value) for name, value in values.items()}


def _round(value: float | Tensor) -> float:
    return float(f"{float(value):.4g}")


def versions() -> dict[str, str]:
    """What a card says of the software."""
    return {"l2l_lite": l2l_lite.__version__, "torch": torch.__version__}
