"""Pictures as optimizees: photographs and styles, some of them never seen in meta-training."""

from collections.abc import Callable

from l2l_lite import pictures
from l2l_lite.learned import LSTMRule
from l2l_lite.problems import Family, NeuralArt
from l2l_lite.zoo.recipes.base import Recipe, Test

UNSEEN = ("chelsea", "rocket", "temple", "flower")  # photographs that no rule was meta-trained on
_RATES = tuple(10 ** (k / 2) for k in range(-6, 5))  # 0.001 to 100


def _art(*contents: str, style: str = "strokes", size: int = 64) -> Callable[[], Family]:
    def make() -> Family:
        painting = pictures.strokes() if style == "strokes" else pictures.photo(style)
        return NeuralArt([pictures.photo(name) for name in contents], pictures.square(painting, size), size)

    return make


_tests = {
    "64×64, unseen photographs": Test(_art(*UNSEEN), steps=128, tasks=12, tuning_tasks=2, rates=_RATES),
    "128×128, another style": Test(
        _art(*UNSEEN, style="tissue", size=128), steps=128, tasks=4, tuning_tasks=1, rates=_RATES
    ),
}

RECIPES = {
    "neural-art": Recipe(
        summary="pictures of 64×64 pixels in one style, a filter bank as the feature network",
        data=lambda: "photographs from scikit-image and scikit-learn, a style drawn by code",
        make_family=_art("astronaut", "coffee", "motorcycle", "retina"),
        make_rule=lambda seed: LSTMRule(seed=seed),
        stages=(
            {
                "trajectories": 250,
                "steps": 128,
                "unroll_length": 32,
                "validate_every": 25,
                "validation_tasks": 4,
            },
            {"trajectories": 200, "lr": 3e-3, "final_lr": 1e-4},
        ),
        seeds=(0,),
        tests=_tests,
    ),
}
