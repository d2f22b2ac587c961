"""What the suite says of an optimizer: ratios of losses over all tasks, and how soon it is where."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from l2l_lite.evaluation import Interval

RIVAL = "Adam, cosine"
Figures = Mapping[str, Mapping[str, Any]]  # by task, then by horizon: what `contest` measured


def ratios(one: Figures, other: Figures, horizon: int) -> dict[str, float]:
    """Of every task the final loss of one optimizer over that of another, each the mean over seeds."""
    key = str(horizon)
    return {task: _mean(one[task][key]["final"]) / _mean(other[task][key]["final"]) for task in one}


def over_adam(one: Figures, baselines: Mapping[str, Mapping[str, Any]], horizon: int) -> Interval:
    """The geometric mean over tasks of the final loss over that of Adam at its best rate, which falls."""
    adam = {task: baselines[task][RIVAL] for task in one}
    return geometric_mean(ratios(one, adam, horizon).values())


def geometric_mean(values: Iterable[float], resamples: int = 10_000) -> Interval:
    """The geometric mean over tasks, with a bootstrap interval; infinite if one value is."""
    logs = torch.tensor([math.log(value) for value in values], dtype=torch.float64)
    rng = torch.Generator().manual_seed(0)
    means = logs[torch.randint(len(logs), (resamples, len(logs)), generator=rng)].mean(dim=1)
    low, high = torch.quantile(means, torch.tensor([0.025, 0.975], dtype=torch.float64)).exp().tolist()
    return Interval(float(logs.mean().exp()), low, high)


def diverged(one: Figures) -> int:
    """In how many runs the loss was no number at the end."""
    return sum(
        not math.isfinite(value)
        for task in one.values()
        for figures in task.values()
        for value in figures["final"]
    )


def profile(one: Figures, reference: Figures, horizon: int, pace: Mapping[str, float] = {}) -> list[float]:
    """For every task and seed the steps to the reference's final loss over the reference's own, sorted.

    Infinite where it was not reached. With a `pace`, the seconds of a step over those of the reference by
    task, it is the ratio of seconds. Draw it as a performance profile (Dolan and Moré, 2002).
    """
    key = str(horizon)
    found = []
    for task, figures in one.items():
        for steps, own in zip(figures[key]["reach"], reference[task][key]["reach"], strict=True):
            found.append(math.inf if steps is None else steps / own * pace.get(task, 1.0))
    return sorted(found)


def within(profile: Sequence[float], factor: float) -> float:
    """The share of runs that are there within so many times the reference's steps."""
    return sum(value <= factor for value in profile) / len(profile)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
