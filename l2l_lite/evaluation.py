"""Fair comparisons: the same tasks and minibatches for every rule, tuned baselines, both criteria."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from l2l_lite.problems.base import Problem
from l2l_lite.rules import Adam, GradientDescent, Nesterov, RMSProp, UpdateRule
from l2l_lite.trajectory import optimize

RATES = tuple(10 ** (k / 4) for k in range(-12, 7))  # 0.001 to 32, four to a decade
# To 0.999, for on quadratics 0.99 is the best of these from 200 steps on.
MOMENTA = (0, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999)

# By label, makers of a rule from a learning rate, one for each other setting.
Baselines = Mapping[str, Sequence[Callable[[float], UpdateRule]]]
BASELINES: dict[str, list[Callable[[float], UpdateRule]]] = {
    "SGD": [GradientDescent],
    "Nesterov": [partial(Nesterov, momentum=momentum) for momentum in MOMENTA],
    "RMSProp": [RMSProp],
    "Adam": [Adam],
}


def final_loss(losses: Tensor) -> Tensor:
    """The mean of the last ten losses of every task: [steps + 1, tasks] to [tasks]."""
    return losses[-10:].mean(dim=0)


def summed_loss(losses: Tensor) -> Tensor:
    """The sum of all losses of every task: [steps + 1, tasks] to [tasks]."""
    return losses.sum(dim=0)


def steps_to(losses: Tensor, target: float, width: int = 10) -> int | None:
    """The step at which the mean loss of the last `width` is down to a target: [steps + 1, tasks], or None.

    The mean over tasks counts. What a rule takes to another's `final_loss`, one can compare in steps, and
    times the time of a step in seconds.
    """
    if losses.dim() != 2 or not losses.numel() or width < 1:
        raise ValueError(
            f"losses must be [steps + 1, tasks] and width at least 1, "
            f"but they are {list(losses.shape)} and {width}"
        )
    width = min(width, len(losses))
    means = losses.mean(dim=1).unfold(0, width, 1).mean(dim=1)
    below = (means <= target + 1e-6 * abs(target)).nonzero()  # to within what rounding makes of a mean
    return int(below[0]) + width - 1 if len(below) else None


CRITERIA: dict[str, Callable[[Tensor], Tensor]] = {"final": final_loss, "summed": summed_loss}


class Tuned(NamedTuple):
    """Candidates by learning rate, what each reaches, and the best one.

    `inside` says whether the best is at no edge of the grid, else widen it: in its rate, and in every
    number that differs between makers, such as the momentum. A momentum of 0 is inside, because its
    range ends there; the largest of the grid is not.
    """

    rates: Tensor  # [rates]
    values: Tensor  # [makers, rates], mean over tasks; infinite where a rule diverged
    rule: UpdateRule  # the best candidate
    inside: bool


def tune(
    makers: Callable[[float], UpdateRule] | Sequence[Callable[[float], UpdateRule]],
    problem: Problem,
    *,
    steps: int = 100,
    rates: Iterable[float] = RATES,
) -> dict[str, Tuned]:
    """Run every candidate on the problem, and pick the best by each criterion: "final" and "summed".

    A maker builds a rule from a learning rate; several makers make several rows of one grid, such as one
    for each momentum. Raises FloatingPointError where every candidate diverged.
    """
    if isinstance(makers, UpdateRule):
        raise TypeError("tune makes rules of many rates itself: give it a class such as l2l.Adam, not a rule")
    makers = [makers] if callable(makers) else list(makers)
    rates = list(rates)
    if not makers or not rates:
        raise ValueError(f"tune needs a maker and a rate at least, but has {len(makers)} and {len(rates)}")
    grid = [[make(rate) for rate in rates] for make in makers]
    runs = [[optimize(rule, problem, steps).losses for rule in row] for row in grid]
    return {name: _best(grid, runs, rates, criterion) for name, criterion in CRITERIA.items()}


def _best(
    grid: Sequence[Sequence[UpdateRule]],
    runs: Sequence[Sequence[Tensor]],
    rates: Sequence[float],
    criterion: Callable[[Tensor], Tensor],
) -> Tuned:
    values = torch.tensor([[float(criterion(losses).mean()) for losses in row] for row in runs])
    values = values.nan_to_num(nan=torch.inf, posinf=torch.inf)
    if not values.isfinite().any():
        raise FloatingPointError(f"every rule diverged at every rate down to {min(rates):g}; try lower rates")
    row, column = divmod(int(values.argmin()), len(rates))
    rule = grid[row][column]
    varied = _varied(rule, [line[column] for line in grid])
    inside = all(_inside(value, among) for value, among in [(rates[column], rates), *varied])
    return Tuned(torch.tensor(rates), values, rule, inside)


def _varied(rule: UpdateRule, others: Iterable[UpdateRule]) -> list[tuple[float, list[float]]]:
    """The numbers of a rule that differ from other makers', each with all that it was chosen from."""
    numbers = {name: value for name, value in vars(rule).items() if type(value) in (int, float)}
    grids = {name: [vars(other)[name] for other in others if name in vars(other)] for name in numbers}
    return [(numbers[name], among) for name, among in grids.items() if len(set(among)) > 1]


def _inside(value: float, grid: Sequence[float]) -> bool:
    return min(grid) < value < max(grid) or value == 0 == min(grid)


def compare(rules: Mapping[str, UpdateRule], problem: Problem, steps: int = 100) -> dict[str, Tensor]:
    """Losses [steps + 1, tasks] of every rule, on the same tasks and the same minibatches.

    Each is told how long the run lasts, see `UpdateRule.lasting`.
    """
    return {name: optimize(rule.lasting(steps), problem, steps).losses for name, rule in rules.items()}


class Interval(NamedTuple):
    """An estimate and its 95 % interval."""

    value: float
    low: float
    high: float


def ratio(learned: Tensor, baseline: Tensor, resamples: int = 10_000) -> Interval:
    """Mean of one rule's tasks [tasks] over another's, with a paired bootstrap interval over tasks.

    Below 1 the first rule is better. The interval says nothing of other meta-seeds.
    """
    if learned.shape != baseline.shape or learned.dim() != 1 or not len(learned):
        raise ValueError(
            f"ratio compares two rules on the same tasks, [tasks] each, such as their final_loss(...), "
            f"but was given {list(learned.shape)} and {list(baseline.shape)}"
        )
    tasks = len(learned)
    rng = torch.Generator().manual_seed(0)
    index = torch.randint(tasks, (resamples, tasks), generator=rng)
    ratios = learned.cpu()[index].mean(dim=1) / baseline.cpu()[index].mean(dim=1)
    low, high = torch.quantile(ratios, torch.tensor([0.025, 0.975]).to(ratios)).tolist()
    return Interval(float(learned.mean() / baseline.mean()), low, high)
