"""Milliseconds a task-step of meta-training and of deployed rules, timed in turns."""

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

import torch

from l2l_lite.learned import LSTMRule, identity
from l2l_lite.objectives import uniform
from l2l_lite.problems import FAMILIES, Family
from l2l_lite.rules import Adam, UpdateRule
from l2l_lite.seeds import generator
from l2l_lite.torch_optim import TorchOptimizer
from l2l_lite.trajectory import meta_gradient, optimize, sampled_meta_gradient, start, unroll

WINDOW = 20  # steps
ONE_IN = 8  # coordinates


def contestants(
    rule: UpdateRule, family: Family, tasks: int, device: torch.device
) -> dict[str, Callable[[], object]]:
    """What is timed, by name: each call takes one window of steps."""
    problem = family.sample(tasks, 0, device)
    adam = Adam(1e-3)
    at, adam_at = start(rule, problem), start(adam, problem)

    def plain() -> None:
        losses = unroll(rule, problem, WINDOW, at).losses
        uniform(losses, at.losses).backward()

    rng = generator(0)
    return {
        "sampled": lambda: sampled_meta_gradient(rule, problem, WINDOW, at, one_in=ONE_IN, rng=rng),
        "identity": lambda: meta_gradient(rule, problem, WINDOW, at),
        "unroll": plain,
        "deployed": lambda: optimize(rule, problem, WINDOW, at),
        "Adam": lambda: optimize(adam, problem, WINDOW, adam_at),
    }


def milliseconds(
    calls: Mapping[str, Callable[[], object]], device: torch.device, rounds: int
) -> dict[str, float]:
    """Median time of each call, in turns, so that a machine that slows down slows all of them."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if turn:  # the first turn warms up
                times[name].append(1000 * (time.perf_counter() - began))
    return {name: median(values) for name, values in times.items()}


def gigaflops(rule: UpdateRule, coordinates: int, step_milliseconds: float) -> float:
    """GFLOP/s of a meta-training step: two operations a weight and coordinate forward, four backward."""
    weights = sum(weight.numel() for weight in rule.parameters() if weight.dim() == 2)
    return 6 * weights * coordinates / step_milliseconds / 1e6


def added_gigabytes(call: Callable[[], object], device: torch.device) -> float:
    """How far a call drives the memory above what is held before it; NaN where that cannot be told."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        return (torch.cuda.max_memory_allocated(device) - before) / 1e9
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew from what is held now
        before = _kilobytes("VmHWM")
        call()
        return (_kilobytes("VmHWM") - before) * 1024 / 1e9
    except OSError:  # not on Linux
        return math.nan


def _kilobytes(name: str) -> int:
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(name))
    return int(line.split()[1])


def small_tensors(count: int = 60) -> dict[str, Callable[[], object]]:
    """Steps of optimizers on a model of many small tensors, whose gradients are there already."""
    with torch.no_grad():
        parameters = [torch.nn.Parameter(torch.ones(4, 4)) for _ in range(count)]
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    return {
        "TorchOptimizer, LSTM": TorchOptimizer(parameters, LSTMRule()).step,
        "TorchOptimizer, Adam": TorchOptimizer(parameters, Adam()).step,
        "torch.optim.Adam": torch.optim.Adam(parameters, foreach=False).step,
    }


def rows(device: torch.device, rounds: int) -> list[str]:
    """The table that `l2l bench` prints, a line for each problem, and what follows it."""
    settings = [
        ("M", "mnist", 1, LSTMRule()),
        *(("Q", "quadratic", tasks, LSTMRule(preprocess=identity)) for tasks in (1, 32, 128)),
    ]
    names = ("sampled", "identity", "unroll", "deployed", "Adam")
    lines = [f"{'':3}{'tasks':>5}" + "".join(f"{name:>10}" for name in names) + f"{'GFLOP/s':>9}"]
    memory: dict[str, float] = {}
    for name, family, tasks, rule in settings:
        calls = contestants(rule.to(device), FAMILIES[family](), tasks, device)
        if name == "M":
            memory = {key: added_gigabytes(calls[key], device) for key in ("sampled", "identity")}
        step = {key: ms / WINDOW / tasks for key, ms in milliseconds(calls, device, rounds).items()}
        dim = FAMILIES[family]().sample(1, 0).theta0.shape[1]
        times = "".join(f"{step[key]:10.4f}" for key in names)
        lines.append(f"{name:3}{tasks:5}{times}{gigaflops(rule, dim, step['identity']):9.1f}")
    lines += [f"{key}: {value:.2f} GB of memory for M" for key, value in memory.items()]
    small = milliseconds(small_tensors(), torch.device("cpu"), 10 * rounds)
    return [*lines, *(f"{key}: {ms:.3f} ms a step on 60 small tensors" for key, ms in small.items())]
