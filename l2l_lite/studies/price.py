"""What a step of the paper's rule takes on one core, and where its time goes."""

import time
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
from l2l_lite.learned import LSTMRule
from l2l_lite.problems import FAMILIES, Classifier, mlp
from l2l_lite.rules import Adam
from l2l_lite.trajectory import start, value_and_grad

CPU = torch.device("cpu")
BATCH = 128  # of the paper
BATCHES = (16, 64, 256, 1024, 4096)
KINDS = {"mm": "matrix products", "sigmoid": "sigmoid and tanh"}


def measure() -> dict[str, Any]:
    """Milliseconds of steps by batch size, those of meta-training, and the parts of a step."""
    return {
        "batches": {str(batch): _step(batch) for batch in BATCHES},
        "meta_steps": _meta_steps(),
        "parts": _parts(),
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
    return _rounded({name: time / bench.WINDOW for name, time in _fastest(calls, 4).items()})


def _fastest(calls: dict[str, Callable[[], object]], rounds: int = 9) -> dict[str, float]:
    """Milliseconds of a core for the fastest of many calls, in turns, so that other programs do not count."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            began = time.process_time()
            call()
            times[name].append(1000 * (time.process_time() - began))
    return _rounded({name: min(values) for name, values in times.items()})


def _parts(steps: int = 20, rounds: int = 3) -> dict[str, float]:
    """Shares of the time of a deployed step on the MNIST network: of the gradient, and in the rule."""
    problem, rule = FAMILIES["mnist"]().sample(1, 0), LSTMRule()
    at = start(rule, problem)
    shares = [_profiled(partial(_feed, rule, at.grad, at.theta, steps)) for _ in range(rounds)]
    kinds = {kind: median(one[kind] for one in shares) for kind in shares[0]}
    step = _step(BATCH)
    whole = step["gradient"] + step["LSTM"]
    gradient = {"the gradient": step["gradient"] / whole}
    return _rounded(gradient | {kind: share * step["LSTM"] / whole for kind, share in kinds.items()})


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


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: rounded(value) for name, value in values.items()}
