"""Four classes of problems, and rules that were designed for one of them or meta-trained on one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from l2l_lite import data, zoo
from l2l_lite.artefacts import rounded
from l2l_lite.evaluation import final_loss
from l2l_lite.history import log_mean_and_last
from l2l_lite.learned import LSTMRule, identity
from l2l_lite.measured import over_tasks
from l2l_lite.objectives import log_relative
from l2l_lite.problems import Classifier, Family, Problem, Quadratic, mlp
from l2l_lite.rules import Adam, GradientDescent, Nesterov, State, UpdateRule
from l2l_lite.seeds import Role, generator, task_seed
from l2l_lite.training import meta_train
from l2l_lite.trajectory import optimize


@dataclass
class SparseProblem:
    """f(θ) = ‖Wθ - y‖² + ‖θ‖₁ above its minimum (the lasso): W [tasks, rows, dim], y [tasks, rows]."""

    W: Tensor
    y: Tensor
    theta0: Tensor
    least: Tensor  # [tasks]

    def loss(self, theta: Tensor, t: int = 0) -> Tensor:
        """f(θ) - min f, [tasks]."""
        residual = (self.W @ theta[..., None]).squeeze(-1) - self.y
        return residual.square().sum(dim=-1) + theta.abs().sum(dim=-1) - self.least

    def evaluate(self, theta: Tensor) -> Tensor:
        """The loss itself."""
        return self.loss(theta)


@dataclass(frozen=True)
class Sparse:
    """The lasso with a known minimiser, `active` of whose coordinates are not zero (after Nesterov, 2013)."""

    dim: int = 40
    rows: int = 20
    active: int = 4

    @property
    def groups(self) -> dict[str, Tensor]:
        return {"all": torch.arange(self.dim)}

    def sample(self, tasks: int, seed: int, device: torch.device | str = "cpu") -> SparseProblem:
        """`tasks` tasks: at the minimiser 2 Wᵀr + sign(θ) = 0 where θ is not zero, and smaller elsewhere."""
        rng = generator(seed)
        W = torch.randn(tasks, self.rows, self.dim, generator=rng)
        r = torch.randn(tasks, self.rows, 1, generator=rng)
        size = torch.randn(tasks, self.dim, generator=rng).abs()
        pull = 2 * (W.mT @ r).squeeze(-1)
        limit = pull.abs().topk(self.active, dim=-1).values[:, -1:]
        on = pull.abs() >= limit
        r, pull = r / limit[..., None], pull / limit
        W = torch.where(on, 1 / pull.abs(), 1.0)[:, None, :] * W
        theta = -torch.where(on, pull.sign() * size, 0.0)
        y = (W @ theta[..., None] - r).squeeze(-1)
        least = r.square().sum(dim=(1, 2)) + theta.abs().sum(dim=-1)
        return SparseProblem(W.to(device), y.to(device), torch.zeros_like(theta).to(device), least.to(device))


@dataclass
class KinkedProblem:
    """f(θ) = ‖Wθ - y‖₁, which has a kink wherever an equation is solved."""

    W: Tensor
    y: Tensor
    theta0: Tensor

    def loss(self, theta: Tensor, t: int = 0) -> Tensor:
        """‖Wθ - y‖₁, [tasks]."""
        return ((self.W @ theta[..., None]).squeeze(-1) - self.y).abs().sum(dim=-1)

    def evaluate(self, theta: Tensor) -> Tensor:
        """The loss itself."""
        return self.loss(theta)


@dataclass(frozen=True)
class Kinked:
    """‖Wθ - y‖₁ with a rotation W, and with y from N(0, 1)."""

    dim: int = 10

    @property
    def groups(self) -> dict[str, Tensor]:
        return {"all": torch.arange(self.dim)}

    def sample(self, tasks: int, seed: int, device: torch.device | str = "cpu") -> KinkedProblem:
        """`tasks` tasks."""
        rng = generator(seed)
        W = torch.linalg.qr(torch.randn(tasks, self.dim, self.dim, generator=rng)).Q
        y = torch.randn(tasks, self.dim, generator=rng)
        return KinkedProblem(W.to(device), y.to(device), torch.zeros(tasks, self.dim, device=device))


class ISTA(UpdateRule):
    """θ ← shrink(θ - lr ∇smooth, lr): it takes the loss for a smooth one plus ‖θ‖₁ (Daubechies et al., 2004).

    It must see θ: call `rule(grad, state, theta)`.
    """

    def __init__(self, lr: float):
        super().__init__()
        self.lr = lr

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        if theta is None:
            raise ValueError("ISTA shrinks theta, so it must see it: call rule(grad, state, theta)")
        smooth = theta - self.lr * (grad - theta.sign())
        return smooth.sign() * (smooth.abs() - self.lr).clamp(min=0) - theta, state


class FISTA(ISTA):
    """ISTA with a momentum that grows, as Nesterov's (Beck and Teboulle, 2009)."""

    def init(self, theta: Tensor) -> State:
        return theta, theta.new_ones(())

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        before, k = state
        step, _ = super().forward(grad, (), theta)
        assert theta is not None  # else ISTA has refused
        after = theta + step
        following = (1 + (1 + 4 * k**2).sqrt()) / 2
        return step + (k - 1) / following * (after - before), (after, following)


class ConjugateGradient(UpdateRule):
    """Conjugate gradients in pairs of steps: a probe of lr d, then on to where its two gradients meet zero.

    The direction d is Polak and Ribière's, the way along it the secant's (Shewchuk, 1994).
    """

    coordinatewise = False

    def __init__(self, lr: float):
        super().__init__()
        self.lr = lr

    def init(self, theta: Tensor) -> State:
        return torch.zeros_like(theta), torch.zeros_like(theta), False

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        before, d, probed = state
        if probed:
            slope, bend = dot(before, d), dot(grad - before, d) / self.lr
            way = torch.where(bend > 0, -slope / bend, 100 * self.lr)
            return (way - self.lr) * d, (before, d, False)
        multiple = (dot(grad, grad - before) / dot(before, before)).nan_to_num(0, 0, 0).clamp(min=0)
        d = multiple * d - grad
        d = torch.where(dot(d, grad) < 0, d, -grad)  # downhill, else begin anew
        return self.lr * d, (grad, d, True)


def dot(a: Tensor, b: Tensor) -> Tensor:
    """The product of each row of a with that of b, [tasks, 1]."""
    return (a * b).sum(dim=-1, keepdim=True)


Makers = list[Callable[[float], UpdateRule]]

CLASSES: dict[str, Callable[[], Family]] = {
    "quadratic": Quadratic,
    "sparse": Sparse,
    "kinked": Kinked,
    "network": lambda: Classifier(partial(mlp, 64, hidden=10), data.digits8(), batch=64),
}
TAUGHT = ("quadratic", "sparse", "kinked")
ORDINARY: dict[str, Makers] = {
    "GD": [GradientDescent],
    "Nesterov": [partial(Nesterov, momentum=momentum) for momentum in (0.8, 0.9, 0.95, 0.99)],
    "Adam": [Adam],
}
SPECIAL: dict[str, Makers] = {"CG": [ConjugateGradient], "ISTA": [ISTA], "FISTA": [FISTA]}
ZOO = ("mnist", "general")
RATES = tuple(10 ** (k / 4) for k in range(-16, 5))  # 0.0001 to 10, four to a decade
SEEDS = (0, 1, 2)
STEPS = 50
TASKS, NETWORKS = 256, 12


def measure() -> dict[str, Any]:
    """Ratios of typical final losses to that of the best ordinary rule, and the settings of all."""
    families = {name: make() for name, make in CLASSES.items()}
    learned = {name: [learn(families[name], seed) for seed in SEEDS] for name in TAUGHT}
    table, settings = {}, {}
    for name, family in families.items():
        tuned = tune_all(draw(family, Role.TUNING))
        table[name] = compare_all(tuned, learned, draw(family, Role.TEST))
        settings[name] = {label: setting(rule) for label, rule in tuned.items()}
    return {"table": table, "settings": settings}


def draw(family: Family, role: Role) -> Problem:
    """Tasks for a role: 256, or 12 where they are networks."""
    return family.sample(NETWORKS if isinstance(family, Classifier) else TASKS, task_seed(role))


def log_final(rule: UpdateRule, problem: Problem) -> Tensor:
    """The logarithm of the final loss of every task, [tasks]; infinite where a run diverged.

    Its mean is that of the geometric mean, for which tasks of any size count alike. Losses below 1e-12 are
    rounding and count as that.
    """
    losses = final_loss(optimize(rule.lasting(STEPS), problem, STEPS).losses)
    return losses.nan_to_num(nan=torch.inf).clamp(min=1e-12).log()


def tune_all(problem: Problem) -> dict[str, UpdateRule]:
    """Every hand-made rule with the settings that give it the lowest typical final loss."""
    tuned = {}
    for label, makers in (ORDINARY | SPECIAL).items():
        candidates = [make(rate) for make in makers for rate in RATES]
        tuned[label] = min(candidates, key=lambda rule: float(log_final(rule, problem).mean()))
    return tuned


def learn(family: Family, seed: int) -> UpdateRule:
    """A small LSTM rule that has seen nothing but tasks of one family."""
    rule = LSTMRule(hidden=(20,), preprocess=identity, seed=seed)
    meta_train(
        rule,
        family,
        trajectories=150,
        steps=STEPS,
        tasks=16,
        objective=log_relative,
        criterion=log_mean_and_last,
        validation_tasks=128,
        seed=seed,
    )
    return rule


def compare_all(
    tuned: Mapping[str, UpdateRule], learned: Mapping[str, Sequence[UpdateRule]], problem: Problem
) -> dict[str, Any]:
    """What every rule reaches on a problem, over the best of the ordinary rules there."""
    hand_made = {label: log_final(rule, problem) for label, rule in tuned.items()}
    best = min(ORDINARY, key=lambda label: float(hand_made[label].mean()))

    def over_best(rule: UpdateRule) -> list[float]:
        return over(log_final(rule, problem), hand_made[best])

    return {
        "best": best,
        "loss": rounded(hand_made[best].mean().exp()),
        "hand-made": {label: over(values, hand_made[best]) for label, values in hand_made.items()},
        "learned": {taught: [over_best(rule) for rule in rules] for taught, rules in learned.items()},
        "zoo": {name: over_best(zoo.load(name)) for name in ZOO},
    }


def over(values: Tensor, baseline: Tensor) -> list[float]:
    """The geometric mean of one rule's losses over another's, from their logarithms, and its interval."""
    gap = values - baseline
    return [rounded(number) for number in over_tasks(lambda tasks: gap[tasks].mean().exp(), len(gap))]


def setting(rule: UpdateRule) -> dict[str, float]:
    """The learning rate of a rule, and its momentum where it has one."""
    return {name: rounded(vars(rule)[name]) for name in ("lr", "momentum") if name in vars(rule)}
