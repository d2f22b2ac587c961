"""Milliseconds a task-step of meta-training and of deployed rules, timed in turns."""

import time
from collections.abc import Callable
from statistics import median

import torch

from l2l_lite.learned import LSTMRule, identity
from l2l_lite.objectives import uniform
from l2l_lite.problems import FAMILIES, Family
from l2l_lite.rules import Adam, UpdateRule
from l2l_lite.trajectory import meta_gradient, optimize, start, unroll

WINDOW = 20  # steps


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

    return {
        "identity": lambda: meta_gradient(rule, problem, WINDOW, at),
        "unroll": plain,
        "deployed": lambda: optimize(rule, problem, WINDOW, at),
        "Adam": lambda: optimize(adam, problem, WINDOW, adam_at),
    }


def milliseconds(
    calls: dict[str, Callable[[], object]], device: torch.device, rounds: int
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


def peak_gigabytes(device: torch.device) -> float:
    """The highest memory so far: of the GPU, else of this process; NaN where it cannot be told."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e9
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def rows(device: torch.device, rounds: int) -> list[str]:
    """The table that `l2l bench` prints, a line for each problem."""
    settings = [
        ("M", "mnist", 1, LSTMRule()),
        *(("Q", "quadratic", tasks, LSTMRule(preprocess=identity)) for tasks in (1, 32, 128)),
    ]
    lines = [f"{'':4}{'tasks':>6}{'identity':>11}{'unroll':>9}{'deployed':>10}{'Adam':>8}{'GFLOP/s':>9}"]
    for name, family, tasks, rule in settings:
        calls = contestants(rule.to(device), FAMILIES[family](), tasks, device)
        calls["identity"]()
        memory = peak_gigabytes(device)  # before `unroll` has run
        step = {key: ms / WINDOW / tasks for key, ms in milliseconds(calls, device, rounds).items()}
        if name == "M":
            peak = memory
        dim = FAMILIES[family]().sample(1, 0).theta0.shape[1]
        speed = gigaflops(rule, dim, step["identity"])
        lines.append(
            f"{name:4}{tasks:6}{step['identity']:11.4f}{step['unroll']:9.4f}"
            f"{step['deployed']:10.4f}{step['Adam']:8.4f}{speed:9.1f}"
        )
    return [*lines, f"peak memory of meta-training M with the identity: {peak:.2f} GB"]
