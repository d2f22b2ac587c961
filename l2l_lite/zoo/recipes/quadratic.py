"""Random quadratics, the paper's first experiment."""

from l2l_lite.learned import LSTMRule, identity
from l2l_lite.problems import Quadratic
from l2l_lite.zoo.recipes.base import Recipe, Test

RECIPES = {
    "quadratic": Recipe(
        summary="10-dimensional random least-squares problems",
        data=lambda: "drawn from a normal distribution",
        make_family=Quadratic,
        make_rule=lambda seed: LSTMRule(preprocess=identity, seed=seed),
        stages=({"trajectories": 500, "tasks": 64, "validation_tasks": 256},),
        seeds=(0, 1, 2, 3, 4),
        tests={
            "same family": Test(Quadratic, tasks=512, tuning_tasks=512, every_seed=True),
            "200 steps": Test(Quadratic, steps=200, tasks=512, tuning_tasks=512, every_seed=True),
        },
    ),
}
