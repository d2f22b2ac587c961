"""What is minimised: a problem is a batch of independent tasks, a family a distribution of problems."""

from collections.abc import Callable
from functools import partial

from l2l_lite import data
from l2l_lite.problems.base import Family, Problem, generator
from l2l_lite.problems.classifier import Classifier, mlp
from l2l_lite.problems.quadratic import Quadratic

FAMILIES: dict[str, Callable[[], Family]] = {
    "quadratic": Quadratic,
    "digits8": lambda: Classifier(partial(mlp, 64), data.digits8()),
    "mnist": lambda: Classifier(mlp, data.mnist()),
}

__all__ = ["FAMILIES", "Classifier", "Family", "Problem", "Quadratic", "generator", "mlp"]
