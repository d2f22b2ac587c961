"""What is minimised: a problem is a batch of independent tasks, a family a distribution of problems."""

from collections.abc import Callable
from functools import partial

from l2l_lite import data, pictures, styles
from l2l_lite.problems.base import Family, Problem
from l2l_lite.problems.check import check_family
from l2l_lite.problems.classifier import Classifier, conv_net, mlp, parameter_groups
from l2l_lite.problems.mixture import Mixture, Rescaled
from l2l_lite.problems.neural_art import NeuralArt
from l2l_lite.problems.quadratic import Quadratic

FAMILIES: dict[str, Callable[[], Family]] = {
    "quadratic": Quadratic,
    "digits8": lambda: Classifier(partial(mlp, 64), data.digits8()),
    "mnist": lambda: Classifier(mlp, data.mnist()),
    "crops": lambda: Classifier(conv_net, pictures.crops(), batch=64, theta0_std=None),
    "neural-art": lambda: NeuralArt([pictures.photo("chelsea")], styles.strokes(), 32),
}

__all__ = [
    "FAMILIES",
    "Classifier",
    "Family",
    "Mixture",
    "NeuralArt",
    "Problem",
    "Quadratic",
    "Rescaled",
    "check_family",
    "conv_net",
    "mlp",
    "parameter_groups",
]
