"""Meta-training: gradient descent on the weights of a rule, by truncated backpropagation through time."""

import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from tqdm import trange

from l2l_lite.objectives import Objective, uniform
from l2l_lite.problems.base import Family, Problem
from l2l_lite.rules import UpdateRule
from l2l_lite.seeds import Role, task_seed
from l2l_lite.trajectory import meta_gradient, optimize, start

# Seeds of tasks: below this for validation and tests, above it for meta-training.
FIRST_TRAINING_SEED = 1_000_000
VALIDATION_SEED = FIRST_TRAINING_SEED - 1


@dataclass
class History:
    """What happened in meta-training, and the best φ."""

    losses: list[float] = field(default_factory=list)  # mean of each trajectory; NaN if it broke off
    validation: list[float] = field(default_factory=list)  # scores, see `score`
    best: dict[str, Tensor] = field(default_factory=dict)  # φ with the lowest score
    seconds: float = 0.0  # wall time of meta-training

    def validate(self, rule: UpdateRule, problem: Problem, steps: int) -> None:
        """Score φ as it stands, and keep it if none was better."""
        value = score(rule, problem, steps)
        if not self.best or value < min(self.validation):
            self.best = {name: weight.clone() for name, weight in rule.state_dict().items()}
        self.validation.append(value)

    def stale(self, patience: int | None) -> bool:
        """Whether the last `patience` scores brought nothing better."""
        if patience is None or not self.validation:
            return False
        since_best = self.validation[::-1].index(min(self.validation))
        return since_best >= patience

    def broken(self, trajectories: int = 10) -> bool:
        """Whether the last trajectories all broke off."""
        last = self.losses[-trajectories:]
        return len(last) == trajectories and all(math.isnan(loss) for loss in last)


def meta_train(
    rule: UpdateRule,
    family: Family,
    *,
    trajectories: int,
    steps: int = 100,
    unroll_length: int = 20,
    tasks: int = 1,
    lr: float = 1e-2,
    final_lr: float = 2e-4,
    clip: float = 1.0,
    objective: Objective = uniform,
    validate_every: int = 20,
    validation_tasks: int = 16,
    patience: int | None = None,
    seed: int = 0,
    stage: int = 0,
    device: torch.device | str = "cpu",
    checkpoint: Path | None = None,
    progress: bool = False,
) -> History:
    """Meta-train a rule on tasks of a family, and leave the best φ in it.

    Adam steps on φ after each window of `unroll_length` steps, its rate decayed from `lr` to `final_lr`
    and the meta-gradient clipped to the norm `clip` (Andrychowicz et al., 2016, section 2.1). Every
    `validate_every` trajectories φ is frozen and scored on tasks of its own; after `patience` scores
    without a better one training stops. A window with NaN or Inf ends its trajectory and leaves φ as it
    was; ten such trajectories in a row raise FloatingPointError. With a `checkpoint` file, training goes
    on where it was stopped and ends with the same φ, bit for bit.
    """
    settings = {
        "trajectories": trajectories, "steps": steps, "unroll_length": unroll_length, "tasks": tasks,
        "lr": lr, "final_lr": final_lr, "clip": clip, "objective": objective.__name__,
        "validate_every": validate_every, "validation_tasks": validation_tasks, "seed": seed,
        "stage": stage,
    }  # fmt: skip
    _check(settings)
    optimizer = torch.optim.Adam(rule.to(device).parameters(), lr)
    validation = family.sample(validation_tasks, VALIDATION_SEED, device)
    history = _load(checkpoint, settings, rule, optimizer) if checkpoint else History()
    for k in _progress(history, trajectories, progress):
        if history.stale(patience) or history.broken():
            break
        optimizer.param_groups[0]["lr"] = lr * (final_lr / lr) ** (k / trajectories)
        of_task = task_seed(Role.TRAINING, meta_seed=seed, stage=stage, trajectory=k)
        problem = family.sample(tasks, of_task, device)
        history.losses.append(_trajectory(rule, problem, optimizer, steps, unroll_length, clip, objective))
        if (k + 1) % validate_every == 0 or k + 1 == trajectories:
            history.validate(rule, validation, steps)
        if checkpoint:
            _save(checkpoint, settings, rule, optimizer, history)
    rule.load_state_dict(history.best or rule.state_dict())
    if history.broken(min(10, trajectories)):
        raise FloatingPointError(
            f"meta-training stopped after {len(history.losses)} trajectories: the last ones all broke off in "
            f"NaN or Inf. The rule holds the best φ so far; train again with a lower lr or scale."
        )
    return history


def _trajectory(
    rule: UpdateRule,
    problem: Problem,
    optimizer: torch.optim.Optimizer,
    steps: int,
    unroll_length: int,
    clip: float,
    objective: Objective,
) -> float:
    """The mean loss of one trajectory, φ trained after each window; NaN if it broke off."""
    at = start(rule, problem)
    while (done := len(at.losses) - 1) < steps:
        optimizer.zero_grad()
        at = meta_gradient(rule, problem, min(unroll_length, steps - done), at, objective)
        norm = clip_grad_norm_(rule.parameters(), clip)
        if not (norm.isfinite() and at.losses.isfinite().all()):
            return math.nan
        optimizer.step()
    return float(at.losses.mean())


def score(rule: UpdateRule, problem: Problem, steps: int) -> float:
    """Mean loss × mean of the last ten losses: both criteria count, whatever the scale of f."""
    losses = optimize(rule, problem, steps).losses
    value = float(losses.mean() * losses[-10:].mean())
    return value if math.isfinite(value) else math.inf


def _check(settings: dict[str, Any]) -> None:
    for name, value in settings.items():
        if name not in ("objective", "seed", "stage") and not value > 0:
            raise ValueError(f"{name} must be positive, but {name}={value}")


def _progress(history: History, trajectories: int, show: bool) -> Iterator[int]:
    done = len(history.losses)
    bar = trange(done, trajectories, initial=done, total=trajectories, disable=not show)
    for k in bar:
        began = time.perf_counter()
        yield k
        history.seconds += time.perf_counter() - began
        best = min(history.validation, default=math.nan)
        bar.set_postfix(loss=f"{history.losses[-1]:.3f}", best=f"{best:.3f}", refresh=False)


def _save(
    path: Path,
    settings: dict[str, Any],
    rule: UpdateRule,
    optimizer: torch.optim.Optimizer,
    history: History,
) -> None:
    content = {"settings": settings, "rule": rule.state_dict(), "history": vars(history)}
    partial = path.with_name(f"{path.name}.partial")
    torch.save(content | {"optimizer": optimizer.state_dict()}, partial)
    os.replace(partial, path)  # in one go: a kill at any moment leaves a whole file


def _load(
    path: Path, settings: dict[str, Any], rule: UpdateRule, optimizer: torch.optim.Optimizer
) -> History:
    if not path.exists():
        return History()
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
        made_with, history = content["settings"], History(**content["history"])
    except Exception as error:
        raise ValueError(f"{path} is not a whole checkpoint; delete it to start again") from error
    if made_with != settings:
        changed = [name for name in settings if made_with.get(name) != settings[name]]
        raise ValueError(
            f"{path} was made with other settings ({', '.join(changed)}); "
            f"use the same ones, or another checkpoint file"
        )
    try:
        rule.load_state_dict(content["rule"])
    except RuntimeError as error:
        raise ValueError(f"{path} holds the weights of another rule; use another checkpoint file") from error
    optimizer.load_state_dict(content["optimizer"])
    return history
