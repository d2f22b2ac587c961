"""Seven weightings of the losses along a trajectory, and held-out losses, each from three meta-seeds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from l2l_lite import objectives
from l2l_lite.artefacts import rounded
from l2l_lite.data import Data, Examples, digits8
from l2l_lite.distributed import Alone
from l2l_lite.estimators import Estimator, HeldOutBPTT, TruncatedBPTT
from l2l_lite.evaluation import final_loss, ratio, summed_loss
from l2l_lite.learned import LSTMRule, identity
from l2l_lite.objectives import Objective
from l2l_lite.problems import FAMILIES, Classifier, Family, Problem, Quadratic
from l2l_lite.problems.classifier import ClassifierProblem
from l2l_lite.rules import Adam, UpdateRule
from l2l_lite.seeds import Role, generator, task_seed
from l2l_lite.training import meta_train
from l2l_lite.trajectory import optimize, start

SEEDS = (0, 1, 2)
STEPS = 100
LAYERS = (20,)  # one layer of 20 units, a third of the paper's cost
WEIGHTINGS: dict[str, tuple[Objective, int]] = {  # with the length of a window
    "uniform": (objectives.uniform, 20),
    "last of the window": (objectives.last, 20),
    "last of the run": (objectives.last, STEPS),
    "increasing": (objectives.increasing, 20),
    "squared": (objectives.squared, 20),
    "log-relative": (objectives.log_relative, 20),
    "best so far": (objectives.best_so_far, 20),
}
Values = dict[
    str, Tensor
]  # one number a task by what is measured, [tasks] or, of several meta-seeds, [seeds, tasks]


@dataclass(frozen=True)
class Setting:
    """Where rules are meta-trained: with the same tasks and trajectories for each weighting."""

    family: Family
    preprocess: Mapping[str, Any]
    tasks: int
    trajectories: int
    test: Problem


def settings() -> dict[str, Setting]:
    """Quadratics, and networks that learn to read digits."""
    quadratic, digits, seed = Quadratic(), FAMILIES["digits8"](), task_seed(Role.TEST)
    return {
        "quadratics": Setting(quadratic, {"preprocess": identity}, 32, 150, quadratic.sample(512, seed)),
        "digits": Setting(digits, {}, 2, 50, digits.sample(32, seed)),
    }


class FewProblem(ClassifierProblem):
    """Networks that learn from a few examples of their own, [tasks, examples]."""

    def __init__(self, problem: ClassifierProblem, own: Tensor):
        parts = problem.theta0, problem.batch, problem.seed, problem.criterion
        super().__init__(problem.model, problem.data, *parts)
        self.own = own

    def minibatch(self, t: int, tasks: int) -> Tensor:
        """Examples of each task's own, [tasks, batch]."""
        share = self.own.shape[1] / len(self.data.train.labels)
        return self.own.gather(1, (share * super().minibatch(t, tasks)).long())


@dataclass(repr=False)
class FewDigits(Classifier):
    """The family of networks where each task has its own draw of a few training examples."""

    examples: int = 100

    def __repr__(self) -> str:
        return f"FewDigits({self.examples} of {super().__repr__()})"

    def sample(self, tasks: int, seed: int, device: torch.device | str = "cpu") -> FewProblem:
        """`tasks` networks, each with examples of its own."""
        rng, pool = generator(seed, 4), len(self.data.train.labels)
        own = torch.stack([torch.randperm(pool, generator=rng)[: self.examples] for _ in range(tasks)])
        return FewProblem(super().sample(tasks, seed, device), own.to(device))


def few_digits() -> tuple[FewDigits, FewDigits]:
    """A family for meta-training, and one for tests that has no digit in common with it."""
    train, test = digits8()
    parts = [Examples(*(x[a:b] for x in train)) for a, b in ((0, 500), (500, 900), (900, None))]
    make = FAMILIES["digits8"]().make_model  # type: ignore[attr-defined]
    data = Data(parts[0], parts[1]), Data(parts[2], test)
    return FewDigits(make, data[0], batch=32), FewDigits(make, data[1], batch=32)


def measure() -> dict[str, Any]:
    """Ratios to uniform weights, curves and spread for each setting; what the held-out loss changes."""
    found: dict[str, Any] = {name: weightings(setting) for name, setting in settings().items()}
    return found | {"few digits": held_out()}


def weightings(setting: Setting) -> dict[str, Any]:
    """Every weighting of one setting, relative to uniform weights of the same meta-seeds."""
    runs = {name: [weighting(setting, *how, seed) for seed in SEEDS] for name, how in WEIGHTINGS.items()}
    values = {name: stacked([one[0] for one in each]) for name, each in runs.items()}
    curves = {name: torch.stack([one[1] for one in each]) for name, each in runs.items()}
    clipped = {name: rounded(sum(one[2] for one in each) / len(SEEDS)) for name, each in runs.items()}
    return {
        name: against(values[name], values["uniform"])
        | {"clipped": clipped[name], "curve": listed(curves[name].mean(dim=0))}
        for name in runs
    }


def weighting(setting: Setting, objective: Objective, window: int, seed: int) -> tuple[Values, Tensor, float]:
    """What a rule reaches on the test tasks, its mean losses, and the share of clipped meta-gradients."""
    rule, watched = LSTMRule(LAYERS, seed=seed, **setting.preprocess), Watched()
    meta_train(
        rule,
        setting.family,
        objective=objective,
        unroll_length=window,
        ranks=watched,
        **budget(setting.trajectories, setting.tasks, seed),
    )
    end = optimize(rule, setting.test, 2 * STEPS)
    ends = {"final": final_loss(end.losses[: STEPS + 1]), "far": final_loss(end.losses)}
    ends["summed"] = summed_loss(end.losses[: STEPS + 1])
    return ends, end.losses.mean(dim=1), sum(norm > 1 for norm in watched.norms) / len(watched.norms)


def budget(trajectories: int, tasks: int, seed: int) -> dict[str, Any]:
    """The same for every weighting: no validation chooses φ, for it would take sides. The last one counts."""
    last = {"validate_every": trajectories, "validation_tasks": 1}
    return {"trajectories": trajectories, "steps": STEPS, "tasks": tasks, "seed": seed, **last}


class Watched(Alone):
    """A process that keeps the norms of its meta-gradients, before they are clipped."""

    def __init__(self) -> None:
        self.norms: list[float] = []

    def average(self, rule: UpdateRule, losses: Tensor) -> Tensor:
        grads = [weight.grad.norm() for weight in rule.parameters() if weight.grad is not None]
        self.norms.append(float(torch.stack(grads).norm()))
        return super().average(rule, losses)


def held_out() -> dict[str, Any]:
    """Rules that are judged by training losses and by held-out ones, and Adam tuned by either."""
    family, other = few_digits()
    own, others = TruncatedBPTT(), HeldOutBPTT()
    judges: dict[str, list[Estimator]] = {"training": [own], "held-out": [others]}
    judges["training, then held-out"] = [own, others]
    test, tuning = other.sample(64, task_seed(Role.TEST)), other.sample(32, task_seed(Role.TUNING))
    runs = {name: [few(family, test, how, seed) for seed in SEEDS] for name, how in judges.items()}
    values = {name: stacked([one[0] for one in each]) for name, each in runs.items()}
    curves = {name: torch.stack([one[1] for one in each]).mean(dim=0) for name, each in runs.items()}
    for name, rule in tuned_adam(tuning).items():
        one, curves[name] = fitted(rule, test)
        values[name] = {key: value[None].expand(len(SEEDS), -1) for key, value in one.items()}
    return {
        name: against(values[name], values["training"]) | {"curve": [listed(part) for part in curves[name]]}
        for name in values
    }


def few(family: FewDigits, test: FewProblem, judges: Sequence[Estimator], seed: int) -> tuple[Values, Tensor]:
    """What a rule reaches on few digits, see `fitted`; several judges share its meta-training."""
    rule = LSTMRule(LAYERS, seed=seed)
    for stage, estimator in enumerate(judges):
        how = budget(120 // len(judges), 2, seed) | {"lr": 1e-2 if stage == 0 else 1.4e-3}
        how["final_lr"] = 2e-4 if stage == len(judges) - 1 else 1.4e-3
        meta_train(rule, family, estimator=estimator, stage=stage, **how)
    return fitted(rule, test)


def tuned_adam(tuning: FewProblem) -> dict[str, UpdateRule]:
    """Adam with the rate that is best on training losses, and with the one that is best on held-out ones."""
    rules = [Adam(10 ** (k / 8)) for k in range(-16, -4)]
    reached = [fitted(rule, tuning)[0] for rule in rules]
    best = {}
    for criterion in ("final", "held_out"):
        best[criterion] = int(torch.stack([one[criterion].mean() for one in reached]).argmin())
    names = {"final": "Adam, tuned by training", "held_out": "Adam, tuned by held-out"}
    return {names[criterion]: rules[k] for criterion, k in best.items()}


def fitted(rule: UpdateRule, problem: ClassifierProblem, every: int = 10) -> tuple[Values, Tensor]:
    """Training and held-out losses of each task, and their mean every ten steps up to twice the horizon."""
    at, held = start(rule, problem), []
    for _ in range(2 * STEPS // every):
        held.append(problem.evaluate(at.theta))
        at = optimize(rule, problem, every, at)
    held.append(problem.evaluate(at.theta))
    middle, training = len(held) // 2, at.losses
    values = {"final": final_loss(training[: STEPS + 1]), "far": final_loss(training)}
    values |= {
        "held_out": held[middle],
        "held_out_far": held[-1],
        "summed": summed_loss(training[: STEPS + 1]),
    }
    means = training.mean(dim=1).unfold(0, every, every).mean(dim=1)  # of the ten losses after each point
    return values, torch.stack([means, torch.stack(held).mean(dim=1)[: len(means)]])


def stacked(values: list[Values]) -> Values:
    """The same measures of several meta-seeds, [seeds, tasks]."""
    return {name: torch.stack([one[name] for one in values]) for name in values[0]}


def against(mine: Values, theirs: Values) -> dict[str, Any]:
    """For each measure: the mean of each meta-seed, and ratios to the other's, of each seed and of all."""
    return {
        name: {
            "mean": {str(seed): rounded(row.mean()) for seed, row in zip(SEEDS, values, strict=True)},
            "ratio": interval(values, theirs[name], torch.mean),
            "typical": interval(values, theirs[name], lambda x, dim: x.log().mean(dim=dim).exp()),
            "by_seed": {
                str(seed): [rounded(x) for x in ratio(*pair)]
                for seed, *pair in zip(SEEDS, values, theirs[name], strict=True)
            },
        }
        for name, values in mine.items()
    }


def interval(
    mine: Tensor, theirs: Tensor, average: Callable[..., Tensor], resamples: int = 4000
) -> list[float]:
    """A ratio of averages over meta-seeds and tasks [seeds, tasks], with a bootstrap interval over both."""
    (seeds, tasks), rng = mine.shape, generator(0)
    rows = torch.randint(seeds, (resamples, seeds), generator=rng)
    columns = torch.randint(tasks, (resamples, tasks), generator=rng)
    drawn = [x[rows[:, :, None], columns[:, None, :]].flatten(1) for x in (mine, theirs)]
    ratios = average(drawn[0], dim=1) / average(drawn[1], dim=1)
    low, high = ratios.quantile(torch.tensor([0.025, 0.975])).tolist()
    value = average(mine.flatten(), dim=0) / average(theirs.flatten(), dim=0)
    return [rounded(value), rounded(low), rounded(high)]


def listed(curve: Tensor) -> list[float]:
    """A curve as numbers for a file."""
    return [rounded(value) for value in curve]
