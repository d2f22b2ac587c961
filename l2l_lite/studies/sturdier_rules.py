"""The rule `general` taken apart, and what is added to it, all at the same small budget.

It is not recorded yet, so `studies.NAMES` leaves it out: a run should take about five minutes of a core,
and all 60, twenty variants from three meta-seeds, five hours.
`python -m l2l_lite.studies.sturdier_rules VARIANT SEED FOLDER` makes one run, and goes on where one was
stopped, so that many can be made side by side; `measure` makes those that are missing in `RUNS`.
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
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from l2l_lite import artefacts, data, objectives
from l2l_lite.artefacts import rounded
from l2l_lite.estimators import PES, TruncatedBPTT
from l2l_lite.hardware import keep_freed_memory
from l2l_lite.learned import Fading, MLPRule, ScaleFree, log_and_sign
from l2l_lite.problems import Classifier, Family, mlp
from l2l_lite.problems.mixture import Mixture, Rescaled
from l2l_lite.rules import Adam, AdamW, State, UpdateRule
from l2l_lite.suite import record
from l2l_lite.suite.contest import DEFAULT, told
from l2l_lite.suite.networks import dense
from l2l_lite.suite.runs import end
from l2l_lite.suite.tasks import TASKS
from l2l_lite.training import meta_train
from l2l_lite.zoo.recipes import RECIPES, small

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
    """Coordinates are told nothing, and share nothing."""

    @property
    def inputs(self) -> int:
        return 2 * len(self.betas)

    def see(self, grad: Tensor, direction: Tensor, now: Tensor, told: Tensor) -> Tensor:
        return torch.cat([direction, now])


class Unbounded(ScaleFree):
    """Steps of any length."""

    def bound(self, x: Tensor) -> Tensor:
        return x


class StartUnits(ScaleFree):
    """Steps in units of √(0.08 s), s the mean |θ0| over coordinates: small where layers have many inputs.

    So the unit is half way, on a logarithmic scale, between 0.08, about that of the networks of `general`,
    and the network's own.
    Ratios beyond ±2 are cut off: where gradients are rare, any one is large beside their running mean.
    """

    def __init__(self, scale: float = 0.7, seed: int = 0):
        super().__init__(scale=scale, seed=seed)

    def init(self, theta: Tensor) -> State:
        size = theta.detach().abs().mean(dim=-1, keepdim=True)
        return (0.08 * size.clamp_min(1e-3)).sqrt(), super().init(theta)

    def see(self, grad: Tensor, direction: Tensor, now: Tensor, told: Tensor) -> Tensor:
        return super().see(grad, direction.clamp(-2, 2), now.clamp(-2, 2), told)

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        unit, inner = state
        step, inner = super().forward(grad, inner, theta)
        return unit * step, (unit, inner)


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


@dataclass(frozen=True)
class Variant:
    """One small change of the recipe of `general`; `trajectories` take the same seconds for each."""

    trajectories: int
    make_rule: Callable[[int], UpdateRule] = lambda seed: ScaleFree(seed=seed)
    settings: Mapping[str, Any] = field(default_factory=dict)
    make_family: Callable[[], Family] = RECIPES["general"].make_family
    fade: bool = False  # whether it is also measured with steps that fade, which it was not trained with


def plain() -> Family:
    """The six plain networks among those of `general`, in units of their own."""
    families = [
        Classifier(
            partial(mlp, 64, hidden=width, layers=layers, activation=activation),
            data.digits8(),
            batch,
            theta0_std=None,
        )
        for activation in (nn.Sigmoid, nn.ReLU, nn.Tanh)
        for width, layers, batch in ((20, 1, 64), (16, 2, 32))
    ]
    return Rescaled(Mixture(families), spread=0.5, common=0.5, loss=2.0)


def _pairs(ink: float, width: int, batch: int, placed: bool = True) -> Classifier:
    """Rows of digits as words; most coordinates have no gradient at a step."""
    examples, count = small.rows(ink, placed)
    network = partial(small.Pair, count, width)
    return Classifier(network, examples, batch, None, binary_cross_entropy_with_logits)


def forty_kinds() -> Family:
    """The networks of `general` and ten more: attention, recurrence, embeddings, products of matrices."""
    digits, wrong = data.digits8(), small.mislabelled(0.2)
    shades, regress = small.grey_rows, partial(Classifier, theta0_std=None, criterion=mse_loss)
    more = [
        Classifier(partial(dense, 256, 10), small.enlarged(16), 32, None),
        Classifier(small.Attention, digits, 16, None), Classifier(small.Rows, wrong, 32, None),
        Classifier(small.Symbols, shades(4), 16, None, small.next_symbols),
        Classifier(small.Context, shades(), 32, None, small.last_symbol),
        _pairs(0.5, 8, 32), _pairs(0.25, 24, 64, placed=False),
        regress(partial(small.Product, 32, 32, 8), small.entries("rocket", 32), 128),
        regress(partial(small.Product, 48, 48, 4), small.entries("motorcycle", 48), 32),
        regress(small.Place, small.pixels("motorcycle"), 64),
    ]  # fmt: skip
    thirty = own_units().families  # type: ignore[attr-defined]
    return Rescaled(Mixture([*thirty, *more]), spread=0.5, common=1.0, loss=2.0)


def wider() -> list[Family]:
    """What φ is chosen by: most networks are two to four times as wide, their data changed in other ways."""
    digits, noisy = small.enlarged(16, 0.1), small.mislabelled(0.1)
    kinds: list[tuple[Callable[[], nn.Module], data.Data]] = [
        (partial(dense, 256, 64, 64, 10), digits),
        (partial(dense, 576, 10), small.enlarged(24, 0.1)),
        (partial(dense, 256, *[32] * 6, 10), digits),
        (partial(dense, 256, 64, 64, 10, activation=nn.GELU, norm=True), digits),
        (partial(small.conv, nn.BatchNorm2d, nn.GELU, (8, 16)), noisy),
        (partial(small.residual, 3, len(small.PHOTOS), 8, partial(nn.GroupNorm, 4)), small.crops()),
        (partial(small.Attention, 32, 4), noisy),
    ]
    fits: list[tuple[Callable[[], nn.Module], data.Data]] = [
        (partial(dense, 256, 48, 8, 48, 256), small.themselves(16)),
        (lambda: nn.Sequential(*small.denoiser(3, 16)), small.noisy(small.crops(16), 0.2)),
        (partial(small.Place, 32), small.pixels("rocket", 48)),
        (partial(small.Product, 48, 48, 6), small.entries("hubble", 48)),
        (partial(mlp, 8, hidden=32, layers=2, activation=nn.ReLU, classes=1), small.teacher(0.2)),
    ]
    return [
        *(Classifier(network, examples, 32, None) for network, examples in kinds),
        *(Classifier(network, examples, 32, None, mse_loss) for network, examples in fits),
        Classifier(partial(small.Symbols, 17, 16, 48), small.grey_rows(), 16, None, small.next_symbols),
        _pairs(0.75, 16, 64),
    ]


def own_units() -> Family:
    """The networks of `general` as they are."""
    family: Family = RECIPES["general"].make_family().family  # type: ignore[attr-defined]
    return family


def _together(nominal: UpdateRule) -> Callable[[int], UpdateRule]:
    return lambda seed: Together(ScaleFree(seed=seed), nominal)


CHEAP: dict[str, Any] = {"make_rule": lambda seed: MLPRule(seed=seed), "fade": True}
WHOLE = {"steps": (50, 300), "unroll_length": 300, "objective": partial(objectives.log_relative, warm_up=300)}
VARIANTS: dict[str, Variant] = {
    "as-it-is": Variant(60, fade=True),
    # one thing left out
    "papers-inputs": Variant(60, lambda seed: PapersInputs(seed=seed)),
    "untold": Variant(60, lambda seed: Untold(seed=seed)),
    "one-time-scale": Variant(60, lambda seed: ScaleFree(betas=(0.9,), seed=seed)),
    "unbounded": Variant(60, lambda seed: Unbounded(seed=seed)),
    "own-units": Variant(60, make_family=own_units),
    "steps-100": Variant(100, settings={"steps": 100}),
    "plain-networks": Variant(240, settings={"validate_every": 60}, make_family=plain),
    "first-derivatives": Variant(100, settings={"estimator": TruncatedBPTT()}),
    "uniform": Variant(60, settings={"objective": objectives.uniform}),
    # one thing added
    "fading": Variant(60, lambda seed: Fading(ScaleFree(seed=seed))),
    "steps-1000": Variant(32, settings={"steps": (50, 1000), "validate_every": 8}, fade=True),
    "start-units": Variant(60, lambda seed: StartUnits(seed=seed)),
    "forty-kinds": Variant(50, make_family=forty_kinds),
    "whole-runs": Variant(75, settings=WHOLE),
    "all-four": Variant(70, lambda seed: Fading(StartUnits(seed=seed), hold=0.5), WHOLE, forty_kinds),
    "nominal": Variant(60, _together(Adam(1e-3))),
    "nominal-decay": Variant(60, _together(AdamW(1e-3, weight_decay=0.1))),
    # a cheaper rule
    "cheap-pes": Variant(40, settings={"estimator": PES(pairs=2, std=0.03), "unroll_length": 50}, **CHEAP),
    "cheap-bptt": Variant(75, **CHEAP),
}
# The mean is over a fifth of the trajectories, as in the recipe; the networks that score are wider.
SHARED: dict[str, Any] = {"average": 0.9, "validation_tasks": 1, "validation_steps": 300}


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
    how = RECIPES["general"].settings(0) | SHARED | {"trajectories": variant.trajectories}
    how = how | dict(variant.settings) | dict(settings)
    history = meta_train(
        rule,
        variant.make_family(),
        **how,
        validation=wider(),
        seed=seed,
        checkpoint=path.with_suffix(".pt"),
    )
    ways = {"": rule} | ({"fading": Fading(rule)} if variant.fade else {})
    content = {
        "variant": name,
        "seed": seed,
        "trajectories": how["trajectories"],
        "weights": sum(weight.numel() for weight in rule.parameters()),
        "seconds": rounded(history.seconds),
        "scores": curve(history.validation, history.seconds, how["trajectories"], how["validate_every"]),
        "suite": {way: on_suite(one, seed) for way, one in ways.items()},
        "core_seconds": rounded(time.process_time() - began),  # since it was last begun
    }
    artefacts.write_whole(path, json.dumps(content).encode())
    return path


def curve(scores: list[float], seconds: float, trajectories: int, every: int) -> list[list[float]]:
    """Pairs of seconds and score, as if all trajectories took the same time."""
    done = [min(every * (k + 1), trajectories) for k in range(len(scores))]
    return [
        [rounded(seconds * k / trajectories), rounded(score)]
        for k, score in zip(done, scores, strict=True)
        if math.isfinite(score)
    ]


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
    """Every variant on the suite against tuned Adam and against the recipe as it is, and the curves."""
    RUNS.mkdir(parents=True, exist_ok=True)
    jobs = [(name, seed, RUNS) for seed in SEEDS for name in VARIANTS]
    with ProcessPoolExecutor(record.JOBS, get_context("spawn"), record._one_thread) as pool:
        paths = list(pool.map(run, *zip(*jobs, strict=True)))
    return summary([json.loads(path.read_text(encoding="utf-8")) for path in paths]) | {"pace": pace()}


def pace(names: tuple[str, ...] = ("gelu", "conv", "lstm")) -> dict[str, dict[str, float]]:
    """The time of a step over that of AdamW's, gradients included, of the rule and of the cheaper one."""
    rules = {"as-it-is": ScaleFree(), "cheap": MLPRule()}
    return {label: {name: record._pace(name, rule) for name in names} for label, rule in rules.items()}


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """What the runs of all meta-seeds say together."""
    rows: dict[str, dict[int, Any]] = {}
    for one in runs:
        for way, figures in one["suite"].items():
            rows.setdefault(f"{one['variant']}, {way}" if way else one["variant"], {})[one["seed"]] = figures
    rivals = record.recorded()["tasks"]
    return {
        "suite": {
            label: {str(steps): compared(each, rows["as-it-is"], rivals, steps) for steps in (SHORT, LONG)}
            for label, each in rows.items()
        },
        "scores": {f"{one['variant']} {one['seed']}": one["scores"] for one in runs},
        "seconds": {f"{one['variant']} {one['seed']}": one["seconds"] for one in runs},
        "trajectories": {one["variant"]: one["trajectories"] for one in runs},
        "weights": {one["variant"]: one["weights"] for one in runs},
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

    adam = logs(lambda name, s: rivals[name]["Adam"][str(steps)]["final"][s])
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


def interval(logs: Tensor, resamples: int = 10_000) -> list[float]:
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
