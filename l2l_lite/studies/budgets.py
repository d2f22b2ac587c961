"""What meta-training brings on 8×8 digits for budgets of its own, beside a tuned Adam."""

from typing import Any

from l2l_lite.artefacts import rounded
from l2l_lite.evaluation import final_loss, tune
from l2l_lite.learned import LSTMRule
from l2l_lite.problems import FAMILIES, Problem
from l2l_lite.rules import Adam, UpdateRule
from l2l_lite.seeds import Role, task_seed
from l2l_lite.training import meta_train
from l2l_lite.trajectory import optimize

BUDGETS = (25, 100)  # trajectories of meta-training
META_SEEDS = (0, 1, 2)
SCORES = 5  # of φ in each meta-training
VALIDATION_TASKS = 8
TASKS = 64
RATES = tuple(10 ** (k / 12 - 1.5) for k in range(10))  # fine, around the best of all


def measure() -> dict[str, Any]:
    """Final losses on fresh tasks, of Adam and of a rule for each budget and meta-seed."""
    family = FAMILIES["digits8"]()
    fresh = family.sample(TASKS, task_seed(Role.TEST))
    adam = tune(Adam, family.sample(16, task_seed(Role.TUNING)), steps=100, rates=RATES)["final"].rule
    losses = {"Adam": _ends(adam, fresh)}
    for budget in BUDGETS:
        for seed in META_SEEDS:
            losses[f"{budget}, {seed}"] = _ends(_learn(budget, seed), fresh)
    return {"losses": losses, "scores": SCORES, "validation_tasks": VALIDATION_TASKS}


def _learn(budget: int, seed: int) -> UpdateRule:
    """The paper's rule, meta-trained on so many trajectories of 100 steps."""
    rule, every = LSTMRule(seed=seed), budget // SCORES
    meta_train(
        rule,
        FAMILIES["digits8"](),
        trajectories=budget,
        validate_every=every,
        validation_tasks=VALIDATION_TASKS,
        seed=seed,
    )
    return rule


def _ends(rule: UpdateRule, problem: Problem) -> list[float]:
    return [rounded(value) for value in final_loss(optimize(rule, problem, 100).losses)]
