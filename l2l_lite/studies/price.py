"""What a step costs, where its time goes, and what meta-training brings for its price beside tuning Adam."""

from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from l2l_lite import bench
from l2l_lite.artefacts import rounded
from l2l_lite.data import mnist
from l2l_lite.evaluation import final_loss, tune
from l2l_lite.learned import LSTMRule
from l2l_lite.problems import FAMILIES, Classifier, Problem, mlp
from l2l_lite.rules import Adam, UpdateRule
from l2l_lite.seeds import Role, task_seed
from l2l_lite.training import meta_train
from l2l_lite.trajectory import optimize, start, value_and_grad

CPU = torch.device("cpu")
BATCHES = (16, 64, 256, 1024, 4096)
BUDGETS = (25, 100, 400)  # trajectories of meta-training
META_SEEDS = (0, 1, 2)
SCORES = 5  # of φ in each meta-training
VALIDATION_TASKS = 8
TASKS = 64
KINDS = {"mm": "matrix products", "sigmoid": "sigmoid and tanh"}


def measure() -> dict[str, Any]:
    """Milliseconds of steps by batch size, their parts, meta-training's, and losses by its budget."""
    return {
        "batches": {str(batch): _step(batch) for batch in BATCHES},
        "meta_steps": _meta_steps(),
        "parts": _parts(),
        "budgets": _budgets(),
    }


def _step(batch: int) -> dict[str, float]:
    """Milliseconds of the parts of a step on the MNIST network, timed in turns."""
    problem = Classifier(mlp, mnist(), batch=batch).sample(1, 0)
    theta = problem.theta0
    _, grad = value_and_grad(problem, theta, 0)
    calls: dict[str, Any] = {"gradient": lambda: value_and_grad(problem, theta, 0)}
    for name, rule in {"Adam": Adam(1e-3), "LSTM": LSTMRule()}.items():
        calls[name] = partial(torch.no_grad()(rule), grad, rule.init(theta), theta)
    return _fastest(calls)


def _meta_steps() -> dict[str, float]:
    """Milliseconds a step of meta-training by its estimator, and of deployed rules, in turns."""
    calls = bench.contestants(LSTMRule(), FAMILIES["mnist"](), 1, CPU)
    return _rounded({name: time / bench.WINDOW for name, time in _fastest(calls, 8).items()})


def _fastest(calls: dict[str, Callable[[], object]], rounds: int = 25) -> dict[str, float]:
    """Milliseconds of the fastest of many calls, in turns: what else the machine does only adds to a time."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(bench.milliseconds({name: call}, CPU, 1)[name])
    return _rounded({name: min(values) for name, values in times.items()})


def _parts(steps: int = 20, rounds: int = 5) -> dict[str, float]:
    """Shares of the time of a deployed step on the MNIST network: of the gradient, and in the rule."""
    problem, rule = FAMILIES["mnist"]().sample(1, 0), LSTMRule()
    at = start(rule, problem)
    shares = [_profiled(partial(_feed, rule, at.grad, at.theta, steps)) for _ in range(rounds)]
    kinds = {kind: median(one[kind] for one in shares) for kind in shares[0]}
    time = _step(problem.batch)
    whole = time["gradient"] + time["LSTM"]
    rest = {"the gradient": time["gradient"] / whole}
    return _rounded(rest | {kind: share * time["LSTM"] / whole for kind, share in kinds.items()})


@torch.no_grad()
def _feed(rule: LSTMRule, grad: Tensor, theta: Tensor, steps: int) -> None:
    state = rule.init(theta)
    for _ in range(steps):
        _, state = rule(grad, state, theta)


def _profiled(call: Callable[[], object]) -> dict[str, float]:
    """Shares of the kinds of operation in a call."""
    call()
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        call()
    times = dict.fromkeys([*KINDS.values(), "all else"], 0.0)
    for event in profiler.key_averages():
        kind = next((KINDS[key] for key in KINDS if key in event.key), "all else")
        times[kind] += event.self_cpu_time_total
    return {kind: time / sum(times.values()) for kind, time in times.items()}


def _budgets() -> dict[str, Any]:
    """Final losses on fresh tasks of 8×8 digits: of rules by their trajectories and meta-seed, and Adam's."""
    family = FAMILIES["digits8"]()
    fresh = family.sample(TASKS, task_seed(Role.TEST))
    adam = tune(Adam, family.sample(16, task_seed(Role.TUNING)), steps=100)["final"]
    losses = {"Adam": _ends(adam.rule, fresh)}
    for budget in BUDGETS:
        for seed in META_SEEDS:
            rule = LSTMRule()
            settings: dict[str, Any] = {"validate_every": budget // SCORES, "seed": seed}
            meta_train(rule, family, trajectories=budget, validation_tasks=VALIDATION_TASKS, **settings)
            losses[f"{budget}, {seed}"] = _ends(rule, fresh)
    return losses


def _ends(rule: UpdateRule, problem: Problem) -> list[float]:
    return [rounded(value) for value in final_loss(optimize(rule, problem, 100).losses)]


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: rounded(value) for name, value in values.items()}
