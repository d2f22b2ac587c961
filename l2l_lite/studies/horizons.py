"""Windows, memories and lengths of meta-training at equal cost, and four estimators on one small task."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from l2l_lite.artefacts import rounded
from l2l_lite.distributed import Alone
from l2l_lite.estimators import ES, PES, Estimator, TruncatedBPTT
from l2l_lite.evaluation import BASELINES, ratio, tune
from l2l_lite.learned import LSTMRule, identity
from l2l_lite.objectives import Objective
from l2l_lite.problems import Quadratic
from l2l_lite.problems.base import Problem
from l2l_lite.rules import State, UpdateRule
from l2l_lite.seeds import Role, generator, task_seed
from l2l_lite.training import BPTT, meta_train
from l2l_lite.trajectory import Trajectory, optimize

META_SEEDS = (0, 1, 2, 3, 4)
SHOWN = (0, 1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 50, 70, 100, 140, 200, 280, 400, 500, 600, 800, 1000)
HORIZONS = (100, 500, 1000)  # steps after which rules are compared
COST = 9_000  # steps on 32 tasks that a meta-training takes
TASKS = 256

# Part one: an LSTM on random quadratics


@dataclass(frozen=True)
class Forgetful(TruncatedBPTT):
    """Truncated backpropagation that empties the rule's memory at the start of every window."""

    def window(
        self,
        rule: UpdateRule,
        problem: Problem,
        steps: int,
        at: Trajectory,
        objective: Objective,
        rng: torch.Generator,
    ) -> Trajectory:
        return super().window(rule, problem, steps, at._replace(state=rule.init(at.theta)), objective, rng)


@dataclass(frozen=True)
class Way:
    """A way of meta-training: how long trajectories are in its stages, what a window is, and its cost."""

    stages: tuple[int | tuple[int, int], ...] = (100,)
    unroll_length: int = 20
    estimator: Estimator = BPTT
    cost: int = COST


USUAL = "100 steps"
WAYS = {
    USUAL: Way(),
    "windows of 1": Way(unroll_length=1),
    "windows of 5": Way(unroll_length=5),
    "windows of 100": Way(unroll_length=100),
    "windows of 100, as many updates": Way(unroll_length=100, cost=5 * COST),
    "memory reset": Way(estimator=Forgetful()),
    "20 steps": Way((20,)),
    "500 steps": Way((500,)),
    "50 to 500 steps": Way(((50, 500),)),
    "100, 200, 500 steps": Way((100, 200, 500)),
}


def meta_trained(way: Way, seed: int) -> UpdateRule:
    """An LSTM that was meta-trained in this way, for its cost."""
    rule, decay = LSTMRule(hidden=(20,), preprocess=identity, seed=seed), 0.02 ** (1 / len(way.stages))
    for stage, steps in enumerate(way.stages):
        trajectories = round(way.cost / len(way.stages) / mean_length(steps))
        meta_train(
            rule,
            Quadratic(),
            trajectories=trajectories,
            steps=steps,
            unroll_length=way.unroll_length,
            tasks=32,
            lr=1e-2 * decay**stage,
            final_lr=1e-2 * decay ** (stage + 1),
            estimator=way.estimator,
            validate_every=max(1, len(way.stages) * trajectories // 12),
            validation_tasks=64,
            validation_steps=500,
            seed=seed,
            stage=stage,
        )
    return rule


def mean_length(steps: int | tuple[int, int]) -> float:
    """The mean length of trajectories, where a pair is a range whose logarithm is drawn uniformly."""
    if isinstance(steps, int):
        return steps
    low, high = steps
    return (high - low) / math.log(high / low)


def ends(losses: Tensor) -> dict[int, Tensor]:
    """The mean of ten losses up to each horizon, [tasks] each."""
    return {steps: losses[steps - 9 : steps + 1].mean(dim=0) for steps in HORIZONS}


def compare_ways() -> dict[str, Any]:
    """Each way's mean loss at the steps shown, and its loss over the usual way's, by meta-seed."""
    test = Quadratic().sample(TASKS, task_seed(Role.TEST))
    result: dict[str, Any] = {way: {"curves": {}, "ratios": {}} for way in WAYS}
    for seed in META_SEEDS:
        usual: dict[int, Tensor] = {}
        for name, way in WAYS.items():
            losses = optimize(meta_trained(way, seed), test, HORIZONS[-1]).losses
            usual = usual or ends(losses)
            result[name]["curves"][str(seed)] = [rounded(losses[t].mean()) for t in SHOWN]
            result[name]["ratios"][str(seed)] = {
                str(steps): [rounded(value) for value in ratio(end, usual[steps])]
                for steps, end in ends(losses).items()
            }
    return result


def tuned_nesterov() -> list[float]:
    """The mean losses of Nesterov at the steps shown, tuned for the loss after 500."""
    tuning, test = (Quadratic().sample(TASKS, task_seed(role)) for role in (Role.TUNING, Role.TEST))
    best = tune(BASELINES["Nesterov"], tuning, steps=500)["final"].rule
    losses = optimize(best, test, HORIZONS[-1]).losses
    return [rounded(losses[t].mean()) for t in SHOWN]


# Part two: two numbers on noisy quadratics

LENGTH = 100  # steps of a schedule


@dataclass
class NoisyProblem:
    """f_t(θ) = ½ Σ h (θ - ε_t)²: every step t has a draw of ε [tasks, 10] of its own."""

    theta0: Tensor
    noise: Tensor  # [steps + 1, tasks, 10]
    curvatures = torch.logspace(-3, 0, 10)

    def loss(self, theta: Tensor, t: int = 0) -> Tensor:
        """The noisy loss of every task, [tasks]."""
        return 0.5 * (self.curvatures * (theta - self.noise[t]) ** 2).sum(dim=-1)

    def evaluate(self, theta: Tensor) -> Tensor:
        """The loss without noise."""
        return 0.5 * (self.curvatures * theta**2).sum(dim=-1)


@dataclass(frozen=True)
class Noisy:
    """Noisy quadratics with curvatures from 0.001 to 1 (after Wu et al., 2018)."""

    variance: float = 0.1
    steps: int = LENGTH

    @property
    def groups(self) -> dict[str, Tensor]:
        return {"all": torch.arange(10)}

    def sample(self, tasks: int, seed: int, device: torch.device | str = "cpu") -> NoisyProblem:
        """`tasks` fresh starts and draws of noise."""
        rng = generator(seed)
        theta0 = torch.randn(tasks, 10, generator=rng)
        noise = self.variance**0.5 * torch.randn(self.steps + 1, tasks, 10, generator=rng)
        return NoisyProblem(theta0.to(device), noise.to(device))


class Schedule(UpdateRule):
    """Gradient descent whose rate goes from exp φ₁ to exp φ₂, its logarithm in a straight line."""

    def __init__(self, first: float = 0.4, last: float = 0.1, steps: int = LENGTH):
        super().__init__()
        self.phi, self.steps = nn.Parameter(torch.tensor([first, last]).log()), steps

    def init(self, theta: Tensor) -> State:
        return (theta.new_zeros(()),)

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        (t,) = state
        rate = torch.lerp(self.phi[0], self.phi[1], t / (self.steps - 1)).exp()
        return -rate * grad, (t + 1,)


EXACT = TruncatedBPTT(second_derivatives=True)
ESTIMATORS: dict[str, tuple[Estimator, int]] = {
    "backpropagation, whole run": (EXACT, LENGTH),
    "backpropagation, windows": (EXACT, 5),
    "ES, windows": (ES(pairs=4, std=0.1), 5),
    "PES, windows": (PES(pairs=4, std=0.1), 5),
}


def path(estimator: Estimator, unroll_length: int, seed: int) -> list[list[float]]:
    """φ of the schedule before each trajectory of its meta-training, and after the last."""
    rule, noted = Schedule(), Noted()
    meta_train(
        rule,
        Noisy(),
        trajectories=200,
        steps=LENGTH,
        unroll_length=unroll_length,
        tasks=32,
        lr=0.1,
        final_lr=0.01,
        clip=1e3,  # a clipped mean of few samples would have a bias of its own
        estimator=estimator,
        ranks=noted,
        validate_every=200,
        seed=seed,
    )
    noted.note(rule)
    return noted.phis[:: LENGTH // unroll_length]


class Noted(Alone):
    """A process that keeps the φ of each of its windows."""

    def __init__(self) -> None:
        self.phis: list[list[float]] = []

    def note(self, rule: UpdateRule) -> None:
        (phi,) = rule.parameters()
        self.phis.append([rounded(value) for value in phi.detach()])

    def average(self, rule: UpdateRule, losses: Tensor) -> Tensor:
        self.note(rule)
        return super().average(rule, losses)


def measure() -> dict[str, Any]:
    """Both parts; the paths of φ by estimator and meta-seed."""
    paths = {
        name: {str(seed): path(*how, seed) for seed in META_SEEDS[:3]} for name, how in ESTIMATORS.items()
    }
    return {"paths": paths, "shown": list(SHOWN), "Nesterov": tuned_nesterov(), "ways": compare_ways()}
