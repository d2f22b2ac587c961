"""Milliseconds a task-step of meta-training and of deployed rules, timed in turns."""

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch

from l2l_lite.artefacts import rounded, versions
from l2l_lite.estimators import Captured, Estimator, TruncatedBPTT
from l2l_lite.hardware import device_name, keep_freed_memory, processor_name, return_freed_memory
from l2l_lite.learned import LSTMRule, identity
from l2l_lite.objectives import uniform
from l2l_lite.problems import FAMILIES, Family
from l2l_lite.rules import Adam, UpdateRule
from l2l_lite.seeds import generator
from l2l_lite.torch_optim import TorchOptimizer
from l2l_lite.trajectory import optimize, start, unroll

WINDOW = 20  # steps
ONE_IN = 8  # coordinates
Calls = Mapping[str, Callable[[], object]]


class Workload(NamedTuple):
    """A problem that is timed, and the paper's rule for it."""

    name: str
    family: str
    tasks: int

    def rule(self) -> LSTMRule:
        return LSTMRule() if self.name == "M" else LSTMRule(preprocess=identity)

    def about(self) -> str:
        return {
            "M": "the MNIST network 784-20-10, batch 128",
            "Q": "quadratics of 10 dimensions",
        }[self.name]


WORKLOADS = (
    Workload("M", "mnist", 1),
    *(Workload("Q", "quadratic", tasks) for tasks in (1, 32, 128)),
)
FOR_A_GPU = (Workload("M", "mnist", 64),)


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

    def window(estimator: Estimator) -> Callable[[], object]:
        rng = generator(0)
        return lambda: estimator.window(rule, problem, WINDOW, at, uniform, rng)

    estimators = {"sampled": TruncatedBPTT(one_in=ONE_IN), "identity": TruncatedBPTT()}
    recorded = estimators if device.type == "cuda" else {}
    return {
        **{name: window(estimator) for name, estimator in estimators.items()},
        **{f"{name}, captured": window(Captured(estimator)) for name, estimator in recorded.items()},
        "unroll": plain,
        "deployed": lambda: optimize(rule, problem, WINDOW, at),
        "Adam": lambda: optimize(adam, problem, WINDOW, adam_at),
    }


def floor(rule: LSTMRule, coordinates: int) -> Callable[[], object]:
    """The matrix products and the nonlinearities of a window of the rule's steps, and nothing else."""
    device = rule.output.weight.device
    inputs, layers = len(rule.preprocess(torch.zeros(1))), []
    for cell in rule.cells:
        weight, x = torch.cat([cell.weight_ih, cell.weight_hh], dim=1).detach(), inputs + cell.hidden_size
        layers.append((weight, torch.rand(x, coordinates, device=device)))
        inputs = cell.hidden_size
    gates, out = torch.empty(0, device=device), torch.rand(inputs, coordinates, device=device)

    @torch.no_grad()
    def window() -> None:
        for _ in range(WINDOW):
            for weight, x in layers:
                torch.mm(weight, x, out=gates.resize_(len(weight), coordinates)).sigmoid_()
                out.sigmoid_()  # of the cell's memory
            rule.output.weight @ out

    return window


def traffic(rule: LSTMRule, coordinates: int) -> Callable[[], object]:
    """Copies on the device that move as much memory as a window of meta-training at the least.

    That is each number of the cells (what they see and remember, four gates, c, its tanh and h) once when
    it is written, once when it is read for the backward pass, and once for its gradient.
    """
    numbers = 3 * coordinates * sum(cell.input_size + 8 * cell.hidden_size for cell in rule.cells)
    source = torch.zeros(numbers // 2, device=rule.output.weight.device)  # a copy reads and writes
    target = torch.empty_like(source)

    def window() -> None:
        for _ in range(WINDOW):
            target.copy_(source)

    return window


def milliseconds(
    calls: Calls, device: torch.device, rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Median time of each call, in turns, so that a machine that slows down slows all of them."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            began = clock()
            call()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if turn:  # the first turn warms up
                times[name].append(1000 * (clock() - began))
    return {name: median(values) for name, values in times.items()}


def own_clock(device: torch.device) -> Callable[[], float]:
    """On one thread of a CPU the time that the process had of it, so that other programs do not count."""
    fine = time.get_clock_info("process_time").resolution < 1e-5
    alone = device.type == "cpu" and torch.get_num_threads() == 1
    return time.process_time if fine and alone else time.perf_counter


def gigaflops(rule: UpdateRule, coordinates: int, step_milliseconds: float) -> float:
    """GFLOP/s of a meta-training step: two operations a weight and coordinate forward, four backward."""
    weights = sum(weight.numel() for weight in rule.parameters() if weight.dim() == 2)
    return 6 * weights * coordinates / step_milliseconds / 1e6


def added_gigabytes(call: Callable[[], object], device: torch.device) -> float:
    """How far a call drives the memory above what is held before it; NaN where that cannot be told."""
    return_freed_memory()
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


def measure(
    device: torch.device,
    rounds: int,
    *,
    compiled: bool = False,
    rivals: Callable[[Workload], Calls] = lambda workload: {},
) -> dict[str, Any]:
    """What `l2l bench` says, for JSON: for each workload milliseconds a task-step, and how they compare.

    `compiled` adds the rule's step by `torch.compile` to the first workload; `rivals` may add what is timed
    in the same turns.
    """
    kept, clock = keep_freed_memory(), own_clock(device)
    return {
        "device": device_name(device),
        "processor": processor_name() if device.type == "cpu" else device_name(device),
        "versions": versions(),
        "rounds": rounds,
        "clock": "of the process" if clock is time.process_time else "of the wall",
        "freed memory": "kept" if kept else "given back to the system",
        "workloads": [
            _measured(workload, device, rounds, compiled and not k, rivals(workload))
            for k, workload in enumerate(FOR_A_GPU + WORKLOADS if device.type == "cuda" else WORKLOADS)
        ],
        "small tensors": {
            name: rounded(ms)
            for name, ms in milliseconds(small_tensors(), torch.device("cpu"), 10 * rounds, clock).items()
        },
    }


def _measured(
    workload: Workload, device: torch.device, rounds: int, compiled: bool, rivals: Calls
) -> dict[str, Any]:
    family, tasks = FAMILIES[workload.family](), workload.tasks
    rule, dim = workload.rule().to(device), family.sample(1, 0).theta0.shape[1]
    calls = contestants(rule, family, tasks, device) | {"floor": floor(rule, tasks * dim)}
    if device.type == "cuda":
        calls["traffic"] = traffic(rule, tasks * dim)
    seconds: dict[str, float] = {}
    if compiled:
        quick, seconds = _compiled(workload, device)
        calls |= quick
    calls |= rivals
    for call in calls.values():  # what is made at a first call is not of its memory
        call()
    memory = {name: added_gigabytes(call, device) for name, call in calls.items() if _meta(name)}
    times = milliseconds(calls, device, rounds, own_clock(device))
    step = {name: ms / WINDOW / tasks for name, ms in times.items()}
    return {
        "name": workload.name,
        "what": workload.about(),
        "tasks": tasks,
        "milliseconds": {name: rounded(ms) for name, ms in step.items()},
        "over unroll": {name: rounded(step[name] / step["unroll"]) for name in ("sampled", "identity")},
        "deployed over Adam": rounded(step["deployed"] / step["Adam"]),
        "floor's share": rounded(step["floor"] / step["deployed"]),
        "GFLOP/s": rounded(gigaflops(rule, dim, step["identity"])),
        "gigabytes": {name: rounded(size) for name, size in memory.items() if not math.isnan(size)},
    } | seconds


def _compiled(workload: Workload, device: torch.device) -> tuple[Calls, dict[str, float]]:
    """Contestants with a compiled rule, and the seconds of a core that their compilation takes."""
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # so that all of it is counted
    torch.compiler.config.force_disable_caches = True
    torch.compiler.reset()  # PyTorch compiles a function for eight shapes at most
    rule, began = workload.rule().to(device), sum(os.times()[:4])
    rule.compile(dynamic=False)
    every = contestants(rule, FAMILIES[workload.family](), workload.tasks, device)
    names: tuple[str, ...] = ("sampled", "deployed")
    if device.type == "cuda":
        names = "identity", "sampled", "sampled, captured", "deployed"
    calls = {f"{name}, compiled": every[name] for name in names}
    for call in calls.values():
        call()
    return calls, {"seconds to compile": round(sum(os.times()[:4]) - began)}


def _meta(name: str) -> bool:
    return name in ("sampled", "identity", "unroll") or name.endswith("meta")


def table(found: Mapping[str, Any]) -> list[str]:
    """The same as lines of text."""
    loads = found["workloads"]
    names = list(loads[0]["milliseconds"])
    lines = [
        f"{found['processor']}; {found['device']}; PyTorch {found['versions']['torch']}",
        f"freed memory is {found['freed memory']}; time {found['clock']}, median of {found['rounds']} turns",
        f"{'ms a task-step':28}" + "".join(f"{_label(load):>9}" for load in loads),
    ]
    for name in names:
        lines.append(_row(name, [load["milliseconds"].get(name, math.nan) for load in loads]))
    for name in ("sampled", "identity"):
        lines.append(_row(f"{name} / unroll", [load["over unroll"][name] for load in loads]))
    for label in ("deployed over Adam", "floor's share", "GFLOP/s"):
        lines.append(_row(label.replace("over", "/"), [load[label] for load in loads]))
    for name in loads[0]["gigabytes"]:
        lines.append(_row(f"GB, {name}", [load["gigabytes"].get(name, math.nan) for load in loads]))
    if "seconds to compile" in loads[0]:
        lines.append(f"the rule of M takes {loads[0]['seconds to compile']} s of a core to compile")
    small = found["small tensors"]
    return [*lines, *(f"{name}: {ms:.3f} ms a step on 60 small tensors" for name, ms in small.items())]


def _label(load: Mapping[str, Any]) -> str:
    return f"{load['name']} ×{load['tasks']}"


def _row(label: str, values: list[float]) -> str:
    return f"{label:28}" + "".join(f"{value:9.3g}" for value in values)


def recorded(name: str = "bench") -> dict[str, Any]:
    """A run that the package holds, and the command that made it.

    "bench" is of one core, with a rival in plain JAX, and "bench-gpu" of a GPU.
    """
    file = files("l2l_lite").joinpath("studies", f"{name}.json")
    return dict(json.loads(file.read_text(encoding="utf-8")))
