"""What rules learn to do whose coordinates tell each other something, and what they do not learn."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import l2l_lite as l2l
from l2l_lite.artefacts import rounded
from l2l_lite.learned import NTMBFGS, AveragingLSTM
from l2l_lite.learned.averaging import average
from l2l_lite.learned.features import log_and_sign
from l2l_lite.learned.lstm import empty_memory, make_cells, remember
from l2l_lite.problems.quadratic import QuadraticProblem
from l2l_lite.quasi_newton import BFGS, LBFGS, read, write
from l2l_lite.rules import State, UpdateRule
from l2l_lite.seeds import Role, generator, global_draws, task_seed

SEEDS = (0, 1, 2)


# Steps that are spoiled for all coordinates at once


@dataclass(frozen=True)
class Bowl:
    """f(θ) = ½‖θ - centre‖², with the centre and θ0 drawn from N(0, 1)."""

    dim: int = 10

    @property
    def groups(self) -> dict[str, Tensor]:
        return {"all": torch.arange(self.dim)}

    def sample(self, tasks: int, seed: int, device: torch.device | str = "cpu") -> QuadraticProblem:
        """`tasks` bowls, as quadratics whose W is a multiple of the identity."""
        centre, theta0 = torch.randn(2, tasks, self.dim, generator=generator(seed)).to(device)
        W = (torch.eye(self.dim) / 2**0.5).expand(tasks, -1, -1).to(device)
        return QuadraticProblem(W, centre / 2**0.5, theta0)


class Spoiled(UpdateRule):
    """A rule whose gradients are noisy, and in some steps arrive spoiled.

    Every gradient has noise of its own root mean square. With the probability `chance` a whole step of
    a task is then reversed, and `spikes` of its coordinates, chosen at random, are ±`spike`: the others are
    as large as ever, and only the spikes tell. The draws belong to θ0, so all rules meet the same ones.
    """

    coordinatewise = False

    def __init__(self, rule: UpdateRule, chance: float = 0.3, spikes: int = 3, spike: float = 1000.0):
        super().__init__()
        self.rule, self.chance, self.spikes, self.spike = rule, chance, spikes, spike

    def init(self, theta: Tensor) -> State:
        return self.rule.init(theta), int(theta.abs().sum() * 1000), 0

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        memory, seed, t = state
        step, memory = self.rule(self.spoil(grad, seed, t), memory, theta)
        return step, (memory, seed, t + 1)

    def spoil(self, grad: Tensor, seed: int, t: int) -> Tensor:
        """What arrives of a gradient [tasks, dim] at step t."""
        rng = generator(seed, t)
        noise = torch.randn(grad.shape, generator=rng).to(grad)
        spiked = torch.rand(grad.shape, generator=rng).argsort(dim=-1).to(grad.device) < self.spikes
        bad = (torch.rand(len(grad), 1, generator=rng) < self.chance).to(grad.device)
        grad = grad + grad.square().mean(dim=-1, keepdim=True).sqrt() * noise
        return torch.where(bad, torch.where(spiked, self.spike * grad.sign(), -grad), grad)


class Clipped(UpdateRule):
    """A rule that is given gradients no longer than `most`: longer ones are shortened as a whole."""

    coordinatewise = False

    def __init__(self, rule: UpdateRule, most: float):
        super().__init__()
        self.rule, self.most = rule, most

    def init(self, theta: Tensor) -> State:
        return self.rule.init(theta)

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        return self.rule(grad * self.factor(grad.norm(dim=-1, keepdim=True)), state, theta)

    def factor(self, length: Tensor) -> Tensor:
        """What a gradient of this length is multiplied by."""
        return (self.most / length).clamp(max=1)


class Skipped(Clipped):
    """A rule that is given zeros in place of gradients longer than `most`."""

    def factor(self, length: Tensor) -> Tensor:
        return (length <= self.most).to(length)


def _clipped(most: float) -> Callable[[float], UpdateRule]:
    return lambda lr: Clipped(l2l.GradientDescent(lr), most)


def _behind(make: Callable[[float], UpdateRule]) -> Callable[[float], UpdateRule]:
    return lambda lr: Spoiled(make(lr))


SPOILED_STEPS = 25
SPOILED_HOW: dict[str, Any] = {
    "trajectories": 100, "steps": SPOILED_STEPS, "unroll_length": 5, "tasks": 32, "validate_every": 25,
}  # fmt: skip
SPOILED_RULES: dict[str, Callable[[int], UpdateRule]] = {
    "LSTM": lambda seed: l2l.LSTMRule(scale=0.3, seed=seed),
    "LSTM+GAC": lambda seed: AveragingLSTM(shared=10, scale=0.3, seed=seed),
    "LSTM+GAC, one layer": lambda seed: AveragingLSTM((20,), shared=10, scale=0.3, seed=seed),
}
SPOILED_BY_HAND: dict[str, list[Callable[[float], UpdateRule]]] = {
    "GD": [l2l.GradientDescent],
    "Adam": [l2l.Adam],
    "GD, clipped": [_clipped(most) for most in (1.0, 3.0, 10.0, 30.0)],
    "GD, skipped": [lambda lr: Skipped(l2l.GradientDescent(lr), 100.0)],
}


def spoiled() -> dict[str, Any]:
    """Learned and tuned rules on bowls whose steps are spoiled at times."""
    tuning, test = (Bowl().sample(256, task_seed(role)) for role in (Role.TUNING, Role.TEST))
    runs: dict[str, dict[str, Tensor]] = {}
    rates = [10 ** (k / 4) for k in range(-12, 3)]
    for name, makers in SPOILED_BY_HAND.items():
        rule = l2l.tune([_behind(make) for make in makers], tuning, steps=SPOILED_STEPS, rates=rates)[
            "final"
        ].rule
        runs[name] = {"0": l2l.optimize(rule, test, SPOILED_STEPS).losses}
    for name, make in SPOILED_RULES.items():
        runs[name] = {}
        for seed in SEEDS:
            rule = Spoiled(make(seed))
            l2l.meta_train(rule, Bowl(), **SPOILED_HOW, seed=seed)
            runs[name][str(seed)] = l2l.optimize(rule, test, SPOILED_STEPS).losses
    pairs = [("LSTM+GAC", "LSTM"), ("LSTM+GAC", "Adam"), ("LSTM+GAC", "GD, clipped")]
    pairs += [("LSTM+GAC", "GD, skipped"), ("LSTM+GAC, one layer", "LSTM")]
    return summary(runs, pairs, l2l.final_loss)


# A matrix that all coordinates write to


class PlainHeads(UpdateRule):
    """NTM-BFGS as the paper draws it: what the LSTM puts out is written, and nothing else is.

    The heads' vectors r, a and b are outputs of an LSTM with averaging cells, for each coordinate by itself.
    M starts as the identity, the step is `scale` times what is read, M r, and the LSTM sees that in the next
    step, too.
    """

    coordinatewise = False

    def __init__(self, heads: int = 3, shared: int = 5, scale: float = 0.1, seed: int = 0):
        super().__init__()
        self.shared, self.scale = shared, scale
        with global_draws(seed):
            self.cells = make_cells(4, (20, 20))
            self.output = nn.Linear(20, 1 + 2 * heads)

    def init(self, theta: Tensor) -> State:
        identity = torch.eye(theta.shape[-1]).to(theta).expand(*theta.shape, -1)
        return identity, torch.zeros_like(theta), empty_memory(self.cells, theta)

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        matrix, found, memory = state
        x = torch.cat([log_and_sign(grad), log_and_sign(found)]).to(self.output.weight.dtype)
        x, memory = remember(self.cells, x, memory, lambda h: average(h, self.shared))
        out = self.output.weight @ x.reshape(len(x), -1) + self.output.bias[:, None]
        r, *heads = out.reshape(-1, *grad.shape).to(grad.dtype)
        matrix = write(matrix, heads[::2], heads[1::2])
        found = read(matrix, r)
        return self.scale * found, (matrix, found, memory)


QUADRATIC_STEPS = 50
QUADRATIC_HOW: dict[str, Any] = {
    "steps": 40, "unroll_length": 20, "tasks": 32, "objective": l2l.objectives.log_relative,
}  # fmt: skip
LSTM_HOW: dict[str, Any] = {"trajectories": 80, "validate_every": 20}
NTM_HOW: dict[str, Any] = {"trajectories": 40, "validate_every": 10, "lr": 3e-3}
SECOND: dict[str, Any] = {"estimator": l2l.TruncatedBPTT(second_derivatives=True)}
QUADRATIC_RULES: dict[str, tuple[Callable[[int], UpdateRule], dict[str, Any]]] = {
    "LSTM": (lambda seed: l2l.LSTMRule(seed=seed), LSTM_HOW),
    "LSTM+GAC": (lambda seed: AveragingLSTM(seed=seed), LSTM_HOW),
    "plain heads": (lambda seed: PlainHeads(seed=seed), LSTM_HOW),
    "NTM-BFGS": (lambda seed: NTMBFGS(seed=seed), NTM_HOW | SECOND),
    "NTM-BFGS, blank": (lambda seed: NTMBFGS(blank=True, seed=seed), NTM_HOW | SECOND),
}
QUADRATIC_BY_HAND: dict[str, Callable[[float], UpdateRule]] = {
    "BFGS": BFGS,
    "L-BFGS": LBFGS,
    "GD": l2l.GradientDescent,
}


def conjugate_gradients(problem: QuadraticProblem, steps: int) -> Tensor:
    """Losses [steps + 1, tasks] of conjugate gradients, which are told W (Hestenes and Stiefel, 1952)."""
    theta, hessian = problem.theta0, 2 * problem.W.mT @ problem.W
    losses, residual = [problem.loss(theta)], -l2l.value_and_grad(problem, theta, 0)[1]
    direction = residual
    for _ in range(steps):
        moved, square = read(hessian, direction), residual.square().sum(-1, keepdim=True)
        length = square / (direction * moved).sum(-1, keepdim=True).clamp_min(1e-300)
        theta, residual = theta + length * direction, residual - length * moved
        direction = residual + residual.square().sum(-1, keepdim=True) / square.clamp_min(1e-300) * direction
        losses.append(problem.loss(theta))
    return torch.stack(losses)


def precise(problem: QuadraticProblem) -> QuadraticProblem:
    """The same quadratics in double precision."""
    return QuadraticProblem(problem.W.double(), problem.y.double(), problem.theta0.double())


def quadratics() -> dict[str, Any]:
    """Learned and hand-made rules on the paper's quadratics of ten coordinates, in double precision."""
    family, runs = l2l.Quadratic(), {}
    tuning, test = (precise(family.sample(256, task_seed(role))) for role in (Role.TUNING, Role.TEST))
    rates = [10 ** (k / 4) for k in range(-12, 1)]
    for name, maker in QUADRATIC_BY_HAND.items():
        rule = l2l.tune(maker, tuning, steps=20, rates=rates)["summed"].rule
        runs[name] = {"0": l2l.optimize(rule, test, QUADRATIC_STEPS).losses}
    runs["CG"] = {"0": conjugate_gradients(test, QUADRATIC_STEPS)}
    for name, (make, how) in QUADRATIC_RULES.items():
        runs[name] = {}
        for seed in SEEDS:
            rule = make(seed)
            l2l.meta_train(rule, family, **QUADRATIC_HOW, **how, seed=seed)
            runs[name][str(seed)] = l2l.optimize(rule.double(), test, QUADRATIC_STEPS).losses
    return {
        "summed": summary(runs, RIVALS, lambda losses: losses[:21].sum(dim=0)),
        "step 20": summary(runs, RIVALS, lambda losses: losses[20]),
        "medians": {name: _finite(mean_of(each).median(dim=1).values) for name, each in runs.items()},
    }


RIVALS = [
    (name, other)
    for name in ("NTM-BFGS", "NTM-BFGS, blank")
    for other in ("LSTM", "LSTM+GAC", "plain heads", "BFGS", "L-BFGS", "CG")
] + [("plain heads", "LSTM+GAC"), ("LSTM+GAC", "LSTM")]


# What both contests report


def mean_of(runs: dict[str, Tensor]) -> Tensor:
    """The mean of the meta-seeds' losses [steps + 1, tasks]."""
    return torch.stack(list(runs.values())).mean(dim=0)


def summary(
    runs: dict[str, dict[str, Tensor]],
    pairs: list[tuple[str, str]],
    criterion: Callable[[Tensor], Tensor],
) -> dict[str, Any]:
    """Curves, what each meta-seed reaches, and ratios of pairs with intervals over tasks."""
    reached = {
        name: {seed: criterion(one).float() for seed, one in each.items()} for name, each in runs.items()
    }
    ratios = {}
    for name, other in pairs:
        rival = mean_of(reached[other])
        ratios[f"{name} / {other}"] = {
            "all": [rounded(value) for value in l2l.ratio(mean_of(reached[name]), rival)],
            "seeds": {
                seed: [rounded(bound) for bound in l2l.ratio(one, rival)]
                for seed, one in reached[name].items()
            },
        }
    return {
        "curves": {name: _finite(mean_of(each).mean(dim=1)) for name, each in runs.items()},
        "reached": {
            name: {seed: rounded(value.mean()) for seed, value in each.items()}
            for name, each in reached.items()
        },
        "ratios": ratios,
    }


def _finite(values: Tensor) -> list[float]:
    """The values up to the first that is not finite, for JSON knows no others."""
    end = int(values.isfinite().long().cumprod(dim=0).sum())
    return [rounded(value) for value in values[:end]]


def measure() -> dict[str, Any]:
    """Both contests, with three meta-seeds of every learned rule."""
    return {"spoiled": spoiled(), "quadratics": quadratics()}
