"""Meta-training: gradient descent on the weights of a rule, window by window."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from tqdm import trange

from l2l_lite import checkpoints
from l2l_lite.artefacts import held
from l2l_lite.distributed import ALONE, Alone
from l2l_lite.estimators import Estimator, TruncatedBPTT
from l2l_lite.history import History, mean_and_last
from l2l_lite.naming import describe
from l2l_lite.objectives import Objective, uniform
from l2l_lite.problems.base import Family, Problem
from l2l_lite.rules import UpdateRule, check_rule
from l2l_lite.seeds import Role, generator, task_seed

BPTT = TruncatedBPTT()


def meta_train(
    rule: UpdateRule,
    family: Family,
    *,
    trajectories: int,
    steps: int | tuple[int, int] = 100,
    unroll_length: int = 20,
    tasks: int = 1,
    lr: float = 1e-2,
    final_lr: float = 2e-4,
    clip: float = 1.0,
    average: float = 0.0,
    objective: Objective = uniform,
    estimator: Estimator = BPTT,
    ranks: Alone = ALONE,
    validate_every: int = 20,
    validation_tasks: int = 16,
    validation_steps: int | Sequence[int] | None = None,
    validation: Sequence[Family] = (),
    criterion: Callable[[Tensor], float] = mean_and_last,
    patience: int | None = None,
    seed: int = 0,
    stage: int = 0,
    device: torch.device | str = "cpu",
    checkpoint: Path | str | None = None,
    progress: bool = False,
) -> History:
    """Meta-train a rule on tasks of a family, and leave the best φ in it.

    Adam steps on φ after each window of `unroll_length` steps, its rate decayed from `lr` to `final_lr`
    and the meta-gradient, by default that of `TruncatedBPTT`, clipped to the norm `clip` (Andrychowicz et
    al., 2016, section 2.1). A pair of `steps` is a range: each trajectory draws its length, log-uniform.
    With an `average` above 0 it is a running mean of φ that is scored and kept: so much of it stays at each
    trajectory (Polyak and Juditsky, 1992).
    Every `validate_every` trajectories φ is frozen and scored by the criterion, on tasks of its own over
    `validation_steps` (the longest trajectory; the mean over several numbers), of the families `validation`
    where they are given; after `patience` scores without a better one training stops. A window with NaN or
    Inf ends its trajectory and leaves φ as it was; ten such trajectories in a row raise FloatingPointError.
    Each `stage` of a seed has other tasks. With a `checkpoint` file, which is this run's alone, training goes
    on where it was stopped and ends with the same φ, bit for bit. With `ranks` each process does this for its
    share of the tasks, and the first one has the file.
    """
    check_rule(rule)
    shortest, longest = _range(steps)
    scored = _numbers(longest if validation_steps is None else validation_steps)
    settings: dict[str, Any] = {
        "trajectories": trajectories, "steps": shortest, "unroll_length": unroll_length, "tasks": tasks,
        "lr": lr, "final_lr": final_lr, "clip": clip, "validate_every": validate_every,
        "validation_tasks": validation_tasks, "validation_steps": min(scored, default=0),
    }  # fmt: skip
    _check(settings)
    if not 0 <= average < 1:
        raise ValueError(f"average must be from 0 to below 1, but average={average}")
    seeds = [task_seed(Role.TRAINING, meta_seed=seed, stage=stage, trajectory=k) for k in range(trajectories)]
    parts = {"family": family, "rule": rule, "objective": objective, "estimator": estimator}
    parts |= {"steps": steps, "validation": validation, "criterion": criterion}
    parts |= {"validation_steps": validation_steps}  # as given, not as it follows from steps
    settings |= {"average": average, "seed": seed, "stage": stage} | {
        name: describe(part) for name, part in parts.items()
    }
    if not any(weight.requires_grad for weight in rule.parameters()):
        raise ValueError(
            f"{type(rule).__name__} has nothing to learn: "
            f"take a rule of l2l.learned, or give it an nn.Parameter as its lr"
        )
    path = None if ranks.rank else checkpoints.check(checkpoint, settings)
    optimizer = torch.optim.Adam(rule.to(device).parameters(), lr)
    frozen = task_seed(Role.VALIDATION)
    held_out = [ranks.share(one.sample(validation_tasks, frozen, device)) for one in validation or [family]]
    with held(path):
        history = ranks.agree(checkpoints.load(path, settings, rule, optimizer), rule, optimizer)
        for k in _progress(history, trajectories, progress, ranks):
            if history.stale(patience) or history.broken():
                break
            optimizer.param_groups[0]["lr"] = lr * (final_lr / lr) ** (k / trajectories)
            problem, rng = ranks.share(family.sample(tasks, seeds[k], device)), generator(seeds[k], 0, 0)
            length = _length(shortest, longest, rng)
            windows = _windows(
                rule.lasting(length), problem, estimator, objective, rng, length, unroll_length
            )
            history.losses.append(_descend(windows, rule, optimizer, clip, ranks))
            history.follow(rule, average)
            if (k + 1) % validate_every == 0 or k + 1 == trajectories:
                history.validate(rule, held_out, scored, lambda losses: criterion(ranks.gather(losses)))
            checkpoints.save(path, settings, rule, optimizer, history)
    rule.load_state_dict(history.best or rule.state_dict())
    if history.broken(min(10, trajectories)):
        raise FloatingPointError(
            f"meta-training stopped after {len(history.losses)} trajectories: the last ones all broke off in "
            f"NaN or Inf. The rule holds the best φ so far; train again with a lower lr or scale."
        )
    return history


def _numbers(steps: int | Sequence[int]) -> tuple[int, ...]:
    return tuple(steps) if isinstance(steps, Sequence) else (steps,)


def _range(steps: int | tuple[int, int]) -> tuple[int, int]:
    """The shortest and the longest trajectory."""
    shortest, longest = steps if isinstance(steps, Sequence) else (steps, steps)
    if longest < shortest or not all(isinstance(number, Integral) for number in (shortest, longest)):
        raise ValueError(f"steps must be a whole number or a range from low to high, but steps={steps}")
    return shortest, longest


def _length(shortest: int, longest: int, rng: torch.Generator) -> int:
    """A number of steps, its logarithm uniform over the range."""
    if shortest == longest:
        return shortest
    return round(shortest * (longest / shortest) ** torch.rand((), generator=rng).item())


def _windows(
    rule: UpdateRule,
    problem: Problem,
    estimator: Estimator,
    objective: Objective,
    rng: torch.Generator,
    steps: int,
    unroll_length: int,
) -> Iterator[Tensor]:
    """The losses so far after each window of a trajectory, with the window's gradient of φ in its `.grad`."""
    at = estimator.start(rule, problem)
    while (done := len(at.losses) - 1) < steps:
        rule.zero_grad()
        at = estimator.window(rule, problem, min(unroll_length, steps - done), at, objective, rng)
        yield at.losses


def _descend(
    windows: Iterator[Tensor],
    rule: UpdateRule,
    optimizer: torch.optim.Optimizer,
    clip: float,
    ranks: Alone,
) -> float:
    """Train φ after each window; the mean loss of the trajectory, NaN if it broke off."""
    for losses in windows:
        loss = ranks.average(rule, losses)
        if not (loss.isfinite() and clip_grad_norm_(rule.parameters(), clip).isfinite()):
            return math.nan
        optimizer.step()
    return float(loss)


def _check(settings: dict[str, Any]) -> None:
    for name, value in settings.items():
        if not value > 0:
            raise ValueError(f"{name} must be positive, but {name}={value}")


def _progress(history: History, trajectories: int, show: bool, ranks: Alone) -> Iterator[int]:
    done, show = len(history.losses), show and ranks.rank == 0
    bar = trange(done, trajectories, initial=done, total=trajectories, disable=not show)
    for k in bar:
        began = time.perf_counter()
        yield k
        history.seconds += ranks.size * (time.perf_counter() - began)
        best = min(history.validation, default=math.nan)
        bar.set_postfix(loss=f"{history.losses[-1]:.3f}", best=f"{best:.3f}", refresh=False)
