"""Pictures as optimizees: photographs and styles, some of them never seen in meta-training."""

from collections.abc import Callable

from torch import Tensor

from l2l_lite import pictures, styles
from l2l_lite.estimators import TruncatedBPTT
from l2l_lite.learned import LSTMRule
from l2l_lite.problems import Family, NeuralArt
from l2l_lite.zoo.recipes.base import Recipe, Test

UNSEEN = ("chelsea", "rocket", "temple", "flower")  # photographs that no rule was meta-trained on


def _art(
    *contents: str, style: Callable[[], Tensor] = styles.strokes, size: int = 64
) -> Callable[[], Family]:
    return lambda: NeuralArt([pictures.photo(name) for name in contents], style(), size)


_SEEN = ("astronaut", "coffee", "motorcycle", "retina")
_RATES = tuple(10 ** (k / 4) for k in range(-10, 7))  # 0.003 to 32
_tests = {
    "64×64, unseen photographs": Test(
        _art(*UNSEEN), steps=64, tasks=12, tuning_tasks=2, rates=_RATES, every_seed=True
    ),
    "128×128, another style": Test(
        _art(*UNSEEN, style=styles.woodcut, size=128), steps=64, tasks=4, tuning_tasks=1, rates=_RATES
    ),
}

RECIPES = {
    "neural-art": Recipe(
        summary="pictures of 32×32 pixels in one style, a filter bank as the feature network",
        data=lambda: "photographs from scikit-image and scikit-learn, a style drawn by code",
        make_family=_art(*_SEEN, size=32),  # a quarter of the pixels of those that choose φ
        make_validation=lambda: [_art(*_SEEN)()],
        make_rule=lambda seed: LSTMRule(seed=seed),
        stages=(
            {
                "trajectories": 800,
                "steps": 64,
                "unroll_length": 16,
                "final_lr": 3e-4,
                "average": 0.95,
                "estimator": TruncatedBPTT(one_in=8),
                "validate_every": 40,
                "validation_tasks": 4,
            },
        ),
        seeds=(0, 1, 2),
        tests=_tests,
    ),
}
