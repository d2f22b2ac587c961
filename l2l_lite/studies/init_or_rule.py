"""Learned starts against learned rules, on quadratics whose minima lie together or apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from l2l_lite.artefacts import rounded
from l2l_lite.evaluation import BASELINES, Interval, ratio
from l2l_lite.learned import LSTMRule, StartAt, identity
from l2l_lite.problems.base import Family, check_tasks
from l2l_lite.problems.quadratic import QuadraticProblem
from l2l_lite.rules import UpdateRule
from l2l_lite.seeds import Role, generator, task_seed
from l2l_lite.training import meta_train
from l2l_lite.trajectory import optimize, unroll

SEEDS = (0, 1, 2)
SHARES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.97)
TUNING_TASKS = 1024  # many, for a few with large curvatures decide which rate is safe
TASKS = {1: 512, 5: 512, 20: 512}  # by the number of steps, like the following
TRAJECTORIES = {1: 400, 5: 300, 20: 150}  # of the LSTM
UPDATES = {1: 200, 5: 200, 20: 100}  # of the start
SPECIALISED = {1: (), 5: (0.9,), 20: (0.9,)}  # where a rule is meta-trained besides 0
COMBINED = {1: (0.9,), 5: (0.5, 0.9), 20: (0.5, 0.9)}
RATES = tuple(10 ** (k / 12) for k in range(-30, -14))  # 0.003 to 0.06


@dataclass(frozen=True)
class Nearby:
    """The paper's quadratics ‖W (θ - θ*)‖², with minima that have a `shared` part of the way in common.

    θ* = √shared θ̄ + √(1 - shared) ε, each coordinate with variance 0.1: at 1 all tasks have the minimum θ̄,
    at 0 it may lie anywhere. W is N(0, 1) for every task, and θ0 is N(0, 0.01²).
    """

    shared: float
    dim: int = 10

    @property
    def groups(self) -> dict[str, Tensor]:
        return {"all": torch.arange(self.dim)}

    @property
    def common(self) -> Tensor:
        """θ̄ [dim], the point near which the minima lie; the same for every seed."""
        point = torch.randn(self.dim, generator=generator(2017))
        return point * 0.1**0.5 / point.square().mean().sqrt()

    def sample(self, tasks: int, seed: int, device: torch.device | str = "cpu") -> QuadraticProblem:
        """`tasks` fresh quadratics; of a seed, W and ε are the same for every `shared`."""
        check_tasks(tasks)
        rng = generator(seed)
        W = torch.randn(tasks, self.dim, self.dim, generator=rng)
        own = 0.1**0.5 * torch.randn(tasks, self.dim, generator=rng)
        theta0 = 0.01 * torch.randn(tasks, self.dim, generator=rng)
        minimum = self.shared**0.5 * self.common + (1 - self.shared) ** 0.5 * own
        y = (W @ minimum[..., None]).squeeze(-1)
        return QuadraticProblem(W.to(device), y.to(device), theta0.to(device))


def learn_start(
    rule: StartAt, family: Family, *, steps: int, updates: int, seed: int, lr: float = 0.05
) -> None:
    """Meta-train all of `rule` on the loss that `steps` lead to, through second derivatives as MAML does."""
    optimizer = torch.optim.Adam(rule.parameters(), lr)
    for k in range(updates):
        optimizer.param_groups[0]["lr"] = lr * 0.02 ** (k / updates)
        problem = family.sample(256, task_seed(Role.TRAINING, meta_seed=seed, trajectory=k))
        end = unroll(rule, problem, 1 + steps, second_derivatives=True)
        optimizer.zero_grad()
        problem.evaluate(end.theta).mean().backward()
        clip_grad_norm_(rule.parameters(), 1.0)  # a task with large curvatures must not decide alone
        optimizer.step()


def learn_rule(rule: UpdateRule, family: Family, steps: int, seed: int, *, extra: int = 0) -> UpdateRule:
    """The rule, meta-trained for runs of so many steps, and `extra` ones that lead to a start."""
    meta_train(
        rule,
        family,
        trajectories=TRAJECTORIES[steps],
        steps=steps + extra,
        unroll_length=min(steps + extra, 21 if steps == 20 else 20),
        tasks=64 if steps < 20 else 32,
        validation_tasks=64,
        criterion=lambda losses: float(losses[-1].mean()),
        seed=seed,
    )
    return rule


def tuned(name: str, steps: int) -> UpdateRule:
    """The hand-made rule with the lowest mean loss after `steps`, on tasks that share no minimum."""
    problem = Nearby(0.0).sample(TUNING_TASKS, int(Role.TUNING))
    rules = [make(rate) for make in BASELINES[name] for rate in RATES]
    ends = torch.stack([end(rule, problem, steps).mean() for rule in rules]).nan_to_num(nan=torch.inf)
    return rules[int(ends.argmin())]


def end(rule: UpdateRule, problem: QuadraticProblem, steps: int) -> Tensor:
    """The loss of every task after so many steps [tasks]; the way to a learned start is none."""
    return optimize(rule, problem, steps + isinstance(rule, StartAt)).losses[-1]


def crossover(start: Tensor, rule: Tensor, gd: Tensor, resamples: int = 2000) -> Interval:
    """The share at which the start begins to win, from losses [shares, tasks], resampled over tasks."""
    index = torch.randint(start.shape[1], (resamples, start.shape[1]), generator=generator(0))
    values = torch.tensor([_crossing(start, rule, gd, drawn) for drawn in index])
    low, high = torch.quantile(values, torch.tensor([0.025, 0.975])).tolist()
    return Interval(_crossing(start, rule, gd, torch.arange(start.shape[1])), low, high)


def _crossing(start: Tensor, rule: Tensor, gd: Tensor, index: Tensor) -> float:
    lead = ((start - rule)[:, index].mean(dim=1) / gd[:, index].mean(dim=1)).tolist()
    for k, (left, right) in enumerate(pairwise(lead)):
        if left > 0 >= right:
            return SHARES[k] + (SHARES[k + 1] - SHARES[k]) * left / (left - right)
    return 0.0 if lead[0] <= 0 else 1.0


def measure() -> dict[str, Any]:
    """By number of steps: the baselines, ratios to gradient descent, and where the winner changes."""
    return {str(steps): _at(steps) for steps in TRAJECTORIES}


def _at(steps: int) -> dict[str, Any]:
    gd, nesterov = (tuned(name, steps) for name in ("SGD", "Nesterov"))
    problems = [Nearby(share).sample(TASKS[steps], int(Role.TEST)) for share in SHARES]
    base = torch.stack([end(gd, problem, steps) for problem in problems])
    found: dict[str, Any] = {
        "rate": rounded(gd.lr),  # type: ignore[arg-type]
        "GD": [rounded(value) for value in base.mean(dim=1)],
        "Nesterov": _ratios([end(nesterov, problem, steps) for problem in problems], base),
    }
    for seed in SEEDS:
        for name, value in _seed(steps, seed, gd, problems, base).items():
            found.setdefault(name, {})[str(seed)] = value
    return found


def _seed(
    steps: int, seed: int, gd: UpdateRule, problems: Sequence[QuadraticProblem], base: Tensor
) -> dict[str, Any]:
    starts = [StartAt(gd, torch.zeros(10)) for _ in SHARES]
    for share, start in zip(SHARES, starts, strict=True):
        learn_start(start, Nearby(share), steps=steps, updates=UPDATES[steps], seed=seed)
    rule = learn_rule(LSTMRule(preprocess=identity, seed=seed), Nearby(0.0), steps, seed)
    start_ends = torch.stack([end(*pair, steps) for pair in zip(starts, problems, strict=True)])
    rule_ends = torch.stack([end(rule, problem, steps) for problem in problems])
    found: dict[str, Any] = {
        "start": _ratios(start_ends, base),
        "rule": _ratios(rule_ends, base),
        "start / rule": _ratios(start_ends, rule_ends),
        "crossover": _numbers(crossover(start_ends, rule_ends, base)),
        "specialised": {},
        "both": {},
        "both / product": {},
    }
    for share in SPECIALISED[steps]:
        at, special = SHARES.index(share), LSTMRule(preprocess=identity, seed=seed)
        learn_rule(special, Nearby(share), steps, seed)
        found["specialised"][str(share)] = _numbers(ratio(end(special, problems[at], steps), base[at]))
    for share in COMBINED[steps]:
        at = SHARES.index(share)
        both = StartAt(LSTMRule(preprocess=identity, seed=seed), starts[at].start)
        ends = end(learn_rule(both, Nearby(share), steps, seed, extra=1), problems[at], steps)
        found["both"][str(share)] = _numbers(ratio(ends, base[at]))
        found["both / product"][str(share)] = _numbers(
            _product(ends, start_ends[at], rule_ends[at], base[at])
        )
    return found


def _product(both: Tensor, start: Tensor, rule: Tensor, gd: Tensor) -> Interval:
    """The ratio both / GD over start / GD times rule / GD, with a paired interval over tasks."""
    index = torch.randint(len(gd), (10_000, len(gd)), generator=generator(0))
    means = [values[index].mean(dim=1) for values in (both, gd, start, rule)]
    low, high = torch.quantile(
        means[0] * means[1] / means[2] / means[3], torch.tensor([0.025, 0.975])
    ).tolist()
    return Interval(float(both.mean() * gd.mean() / start.mean() / rule.mean()), low, high)


def _ratios(ends: Sequence[Tensor] | Tensor, base: Tensor) -> list[list[float]]:
    return [_numbers(ratio(one, other)) for one, other in zip(ends, base, strict=True)]


def _numbers(interval: Interval) -> list[float]:
    return [rounded(number) for number in interval]
