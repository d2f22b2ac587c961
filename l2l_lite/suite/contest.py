"""The optimizers of the suite on one of its tasks: tuned, fixed and learned, by loss and by steps."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from l2l_lite.artefacts import rounded
from l2l_lite.rules import UpdateRule
from l2l_lite.suite.runs import Maker, end, reach, train
from l2l_lite.suite.tasks import Task
from l2l_lite.torch_optim import TorchOptimizer

HORIZONS = (200, 1000)
Key = TypeVar("Key", int, float)
Runs = dict[int, list[Tensor]]  # by horizon, the losses of every seed; a run may go on beyond its horizon

TUNED: dict[str, tuple[Callable[..., torch.optim.Optimizer], bool]] = {  # and whether its rate falls
    "AdamW": (torch.optim.AdamW, False),
    "Adam": (torch.optim.Adam, False),
    "Adam, cosine": (torch.optim.Adam, True),
}
FIXED = {f"AdamW {rate:g}, cosine": rate for rate in (1e-3, 3e-3, 1e-2)}
DEFAULT = "Adam 0.001"


def baselines(task: Task, seeds: Sequence[int]) -> dict[str, dict[str, Any]]:
    """Finals and steps of all hand-made optimizers, by label and horizon."""
    runs: dict[str, Runs] = {}
    rates: dict[str, dict[int, float]] = {}
    for label, (optimizer, cosine) in TUNED.items():
        grid = _tune(task, optimizer, cosine, seeds)
        rates[label] = {h: _best(grid, h) for h in HORIZONS}
        runs[label] = {h: grid[rates[label][h]][h] for h in HORIZONS}
        if label == "Adam":
            runs[DEFAULT] = grid[1e-3]
    for label, rate in FIXED.items():
        runs[label] = _runs(task, _maker(torch.optim.AdamW, rate), True, seeds)
    targets = {h: [end(losses, h) for losses in runs["AdamW"][h]] for h in HORIZONS}
    return {
        label: {str(h): _figures(one[h], h, targets[h]) | _rate(rates.get(label), h) for h in HORIZONS}
        for label, one in runs.items()
    }


def learned(task: Task, rule: UpdateRule, seeds: Sequence[int], rivals: Mapping[str, Any]) -> dict[str, Any]:
    """The same for a rule as it is, its steps counted to the losses of the tuned AdamW."""
    runs = told(task, rule, seeds, HORIZONS)
    return {str(h): _figures(runs[h], h, rivals["AdamW"][str(h)]["final"]) for h in HORIZONS}


def told(task: Task, rule: UpdateRule, seeds: Sequence[int], horizons: Sequence[int]) -> Runs:
    """Runs of a rule that is told how long each lasts; one run serves all if it makes no use of that."""
    if rule.lasting(max(horizons)) is rule:
        every = [train(task, learner(rule), max(horizons), seed) for seed in seeds]
        return dict.fromkeys(horizons, every)
    return {h: [train(task, learner(rule.lasting(h)), h, seed) for seed in seeds] for h in horizons}


def learner(rule: UpdateRule) -> Maker:
    """The rule as an optimizer of a network."""
    return lambda model: TorchOptimizer(model.named_parameters(), rule)


def _figures(runs: Sequence[Tensor], horizon: int, targets: Sequence[float]) -> dict[str, Any]:
    return {
        "final": [rounded(end(losses, horizon)) for losses in runs],
        "reach": [reach(losses, horizon, target) for losses, target in zip(runs, targets, strict=True)],
    }


def _rate(rates: Mapping[int, float] | None, horizon: int) -> dict[str, float]:
    return {"rate": rounded(rates[horizon])} if rates else {}


def _runs(task: Task, make: Maker, cosine: bool, seeds: Sequence[int]) -> Runs:
    # A constant rate does not know how long it will go on, so that one long run serves all horizons.
    lengths = HORIZONS if cosine else (max(HORIZONS),)
    every = {length: [train(task, make, length, seed, cosine) for seed in seeds] for length in lengths}
    return {h: every[h if cosine else max(HORIZONS)] for h in HORIZONS}


def _tune(task: Task, optimizer: Callable[..., Any], cosine: bool, seeds: Sequence[int]) -> dict[float, Runs]:
    """Runs by rate, in half-decades: as many as it takes to have the best one inside at every horizon."""
    grid: dict[int, Runs] = {}
    wanted = {-6, -5, -4}  # 0.001, 0.003 and 0.01
    while wanted:
        for k in wanted:
            grid[k] = _runs(task, _maker(optimizer, _power(k)), cosine, seeds)
        best = [_best(grid, h) for h in HORIZONS]
        wanted = {k + side for k in best for side in (-1, 1)} - set(grid)
    return {_power(k): runs for k, runs in grid.items()}


def _power(k: int) -> float:
    return float(10 ** (k / 2))


def _maker(optimizer: Callable[..., torch.optim.Optimizer], rate: float) -> Maker:
    return lambda model: optimizer(model.parameters(), lr=rate)


def _best(grid: Mapping[Key, Runs], horizon: int) -> Key:
    return min(grid, key=lambda key: _mean(grid[key][horizon], horizon))


def _mean(runs: Sequence[Tensor], horizon: int) -> float:
    return sum(end(losses, horizon) for losses in runs) / len(runs)
