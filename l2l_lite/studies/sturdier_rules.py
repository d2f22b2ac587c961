"""The rule `general` taken apart, and what could be added to it.

A run takes one to five minutes of a core, and there is one for each variant and meta-seed.
`python -m l2l_lite.studies.sturdier_rules VARIANT SEED FOLDER` makes one, and goes on where one was stopped,
so that many can be made side by side; `measure` makes those that are missing in `RUNS`.
"""

import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from l2l_lite import artefacts, objectives
from l2l_lite.artefacts import rounded
from l2l_lite.estimators import PES, TruncatedBPTT
from l2l_lite.hardware import keep_freed_memory
from l2l_lite.learned import Fading, MLPRule, ScaleFree, log_and_sign
from l2l_lite.learned.features import relative
from l2l_lite.problems import Family
from l2l_lite.problems.mixture import Mixture
from l2l_lite.rules import State, UpdateRule
from l2l_lite.suite import record, report
from l2l_lite.suite.contest import DEFAULT, told
from l2l_lite.suite.runs import end
from l2l_lite.suite.tasks import TASKS
from l2l_lite.training import meta_train
from l2l_lite.zoo.recipes import RECIPES
from l2l_lite.zoo.recipes.general import kinds, trained_on

SEEDS = (0, 1, 2)
RUNS = Path("runs/sturdier_rules")
SHORT, LONG = 200, 1000  # steps of the suite
TAKE_LONG = (  # the tasks that are trained for both; the others are too slow
    "softmax", "deep", "conv", "batch-norm", "residual", "deep-sets",
    "lstm", "denoiser", "picture", "factors", "diabetes", "breast-cancer",
)  # fmt: skip
MOST = 100.0  # a ratio of losses above this, or of a run that diverged, counts as this


# Rules with one thing changed


class PapersInputs(ScaleFree):
    """Sees the logarithm and the sign of a gradient, as the paper's rule does, and what all are told."""

    @property
    def inputs(self) -> int:
        return 3 + len(self.betas)

    def see(self, grad: Tensor, direction: Tensor, now: Tensor, told: Tensor) -> Tensor:
        return torch.cat([log_and_sign(grad), told.expand(-1, *grad.shape)])


class Untold(ScaleFree):
    """Coordinates are told nothing, and share nothing but their unit."""

    @property
    def inputs(self) -> int:
        return 2 * len(self.betas)

    def see(self, grad: Tensor, direction: Tensor, now: Tensor, told: Tensor) -> Tensor:
        return torch.cat([direction.clamp(-2, 2), now.clamp(-2, 2)])


class OneUnit(ScaleFree):
    """Steps in the same unit for every network."""

    def unit(self, theta: Tensor) -> Tensor:
        return theta.new_full((*theta.shape[:-1], 1), 0.08)


class NotCutOff(ScaleFree):
    """Sees ratios of any size."""

    def see(self, grad: Tensor, direction: Tensor, now: Tensor, told: Tensor) -> Tensor:
        return torch.cat([direction, now, told.expand(-1, *grad.shape)])


class Nominal(UpdateRule):
    """-lr (m̂ / √v̂ + decay θ): AdamW with one β, and a root whose slope is finite where a gradient is zero.

    Adam's own has no second derivative there, and exact meta-gradients need one.
    """

    def __init__(self, lr: float, decay: float = 0.0, beta: float = 0.95):
        super().__init__()
        self.lr, self.decay, self.beta = lr, decay, beta

    def init(self, theta: Tensor) -> State:
        zero = theta.new_zeros(1, *theta.shape)
        return zero, zero, theta.new_zeros(())

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        mean, square, count = state
        direction, _, means = relative(grad, mean, square, count + 1, (self.beta,))
        shrunk = self.decay * theta if theta is not None else 0.0
        return -self.lr * (direction[0] + shrunk), (*means, count + 1)


class Together(UpdateRule):
    """The sum of the steps of two rules, a learned and a nominal one, as in STAR (Harrison et al., 2022)."""

    coordinatewise = False

    def __init__(self, learned: UpdateRule, nominal: UpdateRule):
        super().__init__()
        self.learned, self.nominal = learned, nominal

    def init(self, theta: Tensor) -> State:
        return self.learned.init(theta), self.nominal.init(theta)

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        one, first = self.learned(grad, state[0], theta)
        two, second = self.nominal(grad, state[1], theta)
        return one + two, (first, second)


# What is tried


def _fading(make_rule: Callable[..., UpdateRule], **arguments: Any) -> Callable[[int], UpdateRule]:
    """Of a meta-seed, the rule that fades as `general` does."""
    return lambda seed: Fading(make_rule(seed=seed, **arguments), hold=0.5, longest=300)


@dataclass(frozen=True)
class Variant:
    """One small change of the recipe of `general`."""

    make_rule: Callable[[int], UpdateRule] = RECIPES["general"].make_rule
    settings: Mapping[str, Any] = field(default_factory=dict)
    make_family: Callable[[], Family] = RECIPES["general"].make_family


def _together(nominal: UpdateRule) -> Callable[[int], UpdateRule]:
    return _fading(lambda seed: Together(ScaleFree(seed=seed), nominal))


VARIANTS: dict[str, Variant] = {
    "as-it-is": Variant(),
    # one thing left out
    "one-unit": Variant(_fading(OneUnit)),
    "not-cut-off": Variant(_fading(NotCutOff)),
    "no-fading": Variant(lambda seed: ScaleFree(seed=seed)),
    "no-hold": Variant(lambda seed: Fading(ScaleFree(seed=seed), longest=300)),
    "six-kinds": Variant(make_family=partial(trained_on, 6)),  # plain ones
    "own-units": Variant(make_family=lambda: Mixture(kinds())),
    "windows": Variant(settings={"unroll_length": 100}),
    "first-derivatives": Variant(settings={"estimator": TruncatedBPTT()}),
    "uniform": Variant(settings={"objective": objectives.uniform}),
    "papers-inputs": Variant(_fading(PapersInputs)),
    "untold": Variant(_fading(Untold)),
    # one thing added
    "nominal-decay": Variant(_together(Nominal(1e-3, decay=0.1))),
    # a cheaper rule
    "cheap": Variant(_fading(MLPRule)),
    "cheap-pes": Variant(
        _fading(MLPRule), {"estimator": PES(pairs=2, std=0.03), "unroll_length": 50, "trajectories": 60}
    ),
    # another budget
    "quarter": Variant(settings={"trajectories": 20}),
    "half": Variant(settings={"trajectories": 40}),
    "twice": Variant(settings={"trajectories": 160}),
    "four-times": Variant(settings={"trajectories": 320}),
}
# The φ of the end is taken, and what it reaches on wider networks is only noted.
SHARED: dict[str, Any] = {"validate_every": 1000, "validation_tasks": 1, "validation_steps": 200}


# A run


def run(name: str, seed: int, folder: Path, settings: Mapping[str, Any] = {}) -> Path:
    """Meta-train a variant from a meta-seed, measure it, and write the numbers to `folder`.

    A checkpoint beside them lets a run go on where it was stopped; one whose numbers are there is not made
    again. `settings` are further arguments of `meta_train`.
    """
    path, variant = folder / f"{name}-{seed}.json", VARIANTS[name]
    if path.exists():
        return path
    rule, began = variant.make_rule(seed), time.process_time()
    how = RECIPES["general"].settings(0) | SHARED | dict(variant.settings) | dict(settings)
    history = meta_train(
        rule,
        variant.make_family(),
        **how,
        validation=RECIPES["general"].make_validation(),
        seed=seed,
        checkpoint=path.with_suffix(".pt"),
    )
    content = {
        "variant": name,
        "seed": seed,
        "trajectories": how["trajectories"],
        "weights": sum(weight.numel() for weight in rule.parameters()),
        "seconds": rounded(history.seconds),
        "wider": rounded(history.validation[-1]),
        "suite": on_suite(rule, seed),
        "core_seconds": rounded(time.process_time() - began),  # since it was last begun
    }
    artefacts.write_whole(path, json.dumps(content).encode())
    return path


def on_suite(rule: UpdateRule, seed: int) -> dict[str, dict[str, float | None]]:
    """The final loss of each task of the suite, by the number of steps; none where a run diverged."""
    return {name: on_task(name, rule, seed) for name in TASKS}


def on_task(name: str, rule: UpdateRule, seed: int) -> dict[str, float | None]:
    """The final loss of one task of the suite, by the number of steps."""
    lengths = (SHORT, LONG) if name in TAKE_LONG else (SHORT,)
    runs = told(TASKS[name], rule, (seed,), lengths)
    ends = {steps: end(losses, steps) for steps, (losses,) in runs.items()}
    return {str(steps): rounded(value) if math.isfinite(value) else None for steps, value in ends.items()}


# All of them


def measure() -> dict[str, Any]:
    """Every run of every variant, for `summary`, and the pace of two rules."""
    RUNS.mkdir(parents=True, exist_ok=True)
    jobs = [(name, seed, RUNS) for seed in SEEDS for name in VARIANTS]
    with ProcessPoolExecutor(record.JOBS, get_context("spawn"), record._one_thread) as pool:
        paths = list(pool.map(run, *zip(*jobs, strict=True)))
    return {"runs": [json.loads(path.read_text(encoding="utf-8")) for path in paths], "pace": pace()}


def seconds(result: dict[str, Any]) -> float:
    """Seconds of a core that all runs took, whenever they were made."""
    return float(sum(one["core_seconds"] for one in result["runs"]))


def pace(names: tuple[str, ...] = ("gelu", "conv", "lstm")) -> dict[str, dict[str, float]]:
    """The time of a step over that of AdamW's, gradients included, of the rule and of the cheaper one."""
    rules = {name: VARIANTS[name].make_rule(0) for name in ("as-it-is", "cheap")}
    return {label: {name: record._pace(name, rule) for name in names} for label, rule in rules.items()}


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """What the runs of all meta-seeds say together."""
    rows: dict[str, dict[int, Any]] = {}
    for one in runs:
        rows.setdefault(one["variant"], {})[one["seed"]] = one["suite"]
    rivals = record.recorded()["tasks"]
    return {
        "suite": {
            label: {str(steps): compared(each, rows["as-it-is"], rivals, steps) for steps in (SHORT, LONG)}
            for label, each in rows.items()
        },
        **{
            name: {
                label: {str(one["seed"]): one[name] for one in runs if one["variant"] == label}
                for label in rows
            }
            for name in ("wider", "seconds")
        },
        **{name: {one["variant"]: one[name] for one in runs} for name in ("trajectories", "weights")},
    }


def compared(
    runs: Mapping[int, Any], usual: Mapping[int, Any], rivals: Mapping[str, Any], steps: int
) -> dict[str, Any]:
    """Geometric means over tasks and the meta-seeds of both, with intervals over both, and counts."""
    runs = {seed: runs[seed] for seed in sorted(runs) if seed in usual}
    tasks = [name for name in TASKS if str(steps) in runs[min(runs)][name]]

    def logs(other: Callable[[str, int], float | None]) -> Tensor:
        """Log ratios [seeds, tasks] to another's losses."""
        return torch.tensor(
            [[_log_ratio(runs[s][name][str(steps)], other(name, s)) for name in tasks] for s in runs]
        )

    adam = logs(lambda name, s: rivals[name][report.RIVAL][str(steps)]["final"][s])
    as_it_is = logs(lambda name, s: usual[s][name][str(steps)])
    default = logs(lambda name, s: rivals[name][DEFAULT][str(steps)]["final"][s])
    finals = [runs[s][name][str(steps)] for s in runs for name in tasks]
    return {
        "adam": interval(adam),
        "adam_by_seed": [interval(one[None]) for one in adam],
        "as_it_is": interval(as_it_is),
        "as_it_is_by_seed": [interval(one[None]) for one in as_it_is],
        "seeds": list(runs),
        "tasks": len(tasks),
        "better_than_default": [int(value) for value in (default < 0).sum(dim=1)],
        "diverged": sum(value is None for value in finals),
        "runs": len(finals),
    }


def _log_ratio(loss: float | None, other: float | None) -> float:
    most = math.log(MOST)
    if loss is None or other is None:
        return 0.0 if loss is other else most if loss is None else -most
    return max(-most, min(most, math.log(max(loss, 1e-12) / max(other, 1e-12))))


def interval(logs: Tensor, resamples: int = 2000) -> list[float]:
    """The geometric mean of ratios, from logs [seeds, tasks], and its interval over seeds and tasks."""
    rng = torch.Generator().manual_seed(0)
    seeds, tasks = (torch.randint(size, (resamples, size), generator=rng) for size in logs.shape)
    means = logs[seeds[:, :, None], tasks[:, None, :]].mean(dim=(1, 2))
    low, high = torch.quantile(means, torch.tensor([0.025, 0.975])).exp().tolist()
    return [rounded(value) for value in (logs.mean().exp(), low, high)]


if __name__ == "__main__":
    torch.set_num_threads(1)
    keep_freed_memory()
    variant, meta_seed, where = sys.argv[1:]
    run(variant, int(meta_seed), Path(where))
