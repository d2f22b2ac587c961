"""What a rule sees, the units it learns in, a hand-made step, longer runs, imitation: each with and without.

Every rule is meta-trained on small sigmoid networks, with as many windows, and tested on these and on others.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn

from l2l_lite.artefacts import rounded
from l2l_lite.data import digits8
from l2l_lite.estimators import Estimator, Imitation, TruncatedBPTT
from l2l_lite.evaluation import BASELINES, Tuned, final_loss, ratio, tune
from l2l_lite.learned import LSTMRule, RNNProp, identity
from l2l_lite.problems import Classifier, Family, mlp
from l2l_lite.problems.mixture import Rescaled
from l2l_lite.rules import UpdateRule
from l2l_lite.seeds import Role, task_seed
from l2l_lite.studies.sturdier_rules import Nominal, Together
from l2l_lite.training import meta_train
from l2l_lite.trajectory import optimize

SEEDS = (0, 1, 2)
TASKS, TUNING_TASKS = 16, 4
WORST = 100.0  # a final loss above this counts as this, and one that is no number


def network(activation: Callable[[], nn.Module] = nn.Sigmoid, layers: int = 1) -> Classifier:
    """Networks for 8×8 digits, from the paper's starts."""
    return Classifier(partial(mlp, inputs=64, layers=layers, activation=activation), digits8(), batch=64)


def scaled() -> Family:
    """The networks of meta-training in units that are drawn for each coordinate (Lv et al., 2017)."""
    return Rescaled(network(), spread=1.0)


TESTS: dict[str, tuple[Callable[[], Classifier], int]] = {  # with the number of steps
    "as trained": (network, 100),
    "ReLU": (partial(network, nn.ReLU), 100),
    "three layers": (partial(network, nn.Sigmoid, 3), 100),
    "1,000 steps": (network, 1000),
    "ReLU, 1,000 steps": (partial(network, nn.ReLU), 1000),
}


SETTINGS: dict[str, Any] = {
    "unroll_length": 20,
    "tasks": 2,
    "lr": 5e-3,
    "final_lr": 5e-4,
    "average": 0.9,
    "validate_every": 10,
    "validation_tasks": 8,
    "validation_steps": 100,
}
PLAIN = ({"trajectories": 50, "steps": 100},)
LONGER = (  # as many windows, in longer and longer runs (after Chen et al., 2020)
    {"trajectories": 50, "steps": 20},
    {"trajectories": 25, "steps": 40},
    {"trajectories": 10, "steps": 100},
    {"trajectories": 10, "steps": 200},
)


@dataclass(frozen=True)
class Trial:
    """A rule and its meta-training."""

    make_rule: Callable[[int], UpdateRule] = lambda seed: LSTMRule(seed=seed)
    make_family: Callable[[], Family] = network
    stages: Sequence[Mapping[str, int]] = PLAIN
    estimator: Estimator = TruncatedBPTT()  # noqa: RUF009 (it is frozen)


def gradient(seed: int) -> UpdateRule:
    """The paper's rule, fed the gradient itself."""
    return LSTMRule(preprocess=identity, seed=seed)


def ratios(seed: int) -> UpdateRule:
    """Its inputs are divided by their root mean square."""
    return RNNProp(seed=seed)


def with_nominal(seed: int) -> UpdateRule:
    """The paper's rule, and a hand-made step that shrinks the weights as well."""
    return Together(LSTMRule(seed=seed), Nominal(3e-3, decay=0.1))


RULES = {
    "gradient": Trial(gradient),
    "gradient, random units": Trial(gradient, scaled),
    "log and sign": Trial(),
    "log and sign, random units": Trial(make_family=scaled),
    "ratios": Trial(ratios),
    "ratios, random units": Trial(ratios, scaled),
    "log and sign, nominal step": Trial(with_nominal),
    "log and sign, longer runs": Trial(stages=LONGER),
    "the same, and imitation": Trial(stages=LONGER, estimator=Imitation(lr=0.03)),
}
WITHOUT = {  # what each differs from in one thing
    "log and sign": "gradient",
    "ratios": "log and sign",
    "gradient, random units": "gradient",
    "log and sign, random units": "log and sign",
    "ratios, random units": "ratios",
    "log and sign, nominal step": "log and sign",
    "log and sign, longer runs": "log and sign",
    "the same, and imitation": "log and sign, longer runs",
}


def measure() -> dict[str, Any]:
    """The best hand-made rule of each test, and every rule's final losses over its, by meta-seed."""
    best = {name: rival(make(), steps) for name, (make, steps) in TESTS.items()}
    rivals = {name: ends(tuned.rule, name)[0] for name, (_, tuned) in best.items()}
    found = {(label, seed): finals(label, seed) for label in RULES for seed in SEEDS}
    losses = {key: {test: end for test, (end, _) in each.items()} for key, each in found.items()}
    return {
        "best": {
            name: {"rule": label, "lr": tuned.rule.lr, "inside": tuned.inside}
            for name, (label, tuned) in best.items()
        },
        "ratios": {
            label: {
                test: {str(seed): over(losses[label, seed][test], rivals[test]) for seed in SEEDS}
                for test in TESTS
            }
            for label in RULES
        },
        "diverged": {
            label: {
                test: {str(seed): int(found[label, seed][test][1].sum()) for seed in SEEDS} for test in TESTS
            }
            for label in RULES
        },
        "with over without": {
            label: {
                test: {
                    str(seed): over(losses[label, seed][test], losses[other, seed][test]) for seed in SEEDS
                }
                for test in TESTS
            }
            for label, other in WITHOUT.items()
        },
        "tasks": TASKS,
    }


def rival(family: Classifier, steps: int) -> tuple[str, Tuned]:
    """The best of the hand-made rules on tasks of its own, and how it was tuned."""
    problem = family.sample(TUNING_TASKS, task_seed(Role.TUNING))
    tuned = {name: tune(makers, problem, steps=steps)["final"] for name, makers in BASELINES.items()}
    return min(tuned.items(), key=lambda item: float(item[1].values.min()))


def finals(label: str, seed: int) -> dict[str, tuple[Tensor, Tensor]]:
    """The `ends` of a rule on the tasks of every test, after its meta-training."""
    trial = RULES[label]
    rule = trial.make_rule(seed)
    for stage, settings in enumerate(trial.stages):
        how = SETTINGS | dict(settings) | {"estimator": trial.estimator, "validation": [network()]}
        meta_train(rule, trial.make_family(), seed=seed, stage=stage, **how)
    return {test: ends(rule, test) for test in TESTS}


def ends(rule: UpdateRule, test: str) -> tuple[Tensor, Tensor]:
    """Final losses of a test's tasks, and which runs diverged, to above twice their start: [tasks] each."""
    make, steps = TESTS[test]
    losses = optimize(rule, make().sample(TASKS, task_seed(Role.TEST)), steps).losses
    end = final_loss(losses).nan_to_num(WORST, WORST).clamp(max=WORST)
    return end, end > 2 * losses[0]


def over(losses: Tensor, others: Tensor) -> list[float]:
    """A ratio of means with its interval over tasks."""
    return [rounded(value) for value in ratio(losses, others)]
