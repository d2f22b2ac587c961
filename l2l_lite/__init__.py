"""Learning to learn by gradient descent by gradient descent, small enough to read in an evening."""

from l2l_lite import (
    anatomy,
    checks,
    claims,
    data,
    demos,
    estimators,
    features,
    learned,
    objectives,
    pictures,
    plots,
    price,
    problems,
    published,
    studies,
    styles,
    zoo,
)
from l2l_lite.estimators import ES, TruncatedBPTT
from l2l_lite.evaluation import BASELINES, RATES, compare, final_loss, ratio, steps_to, summed_loss, tune
from l2l_lite.hardware import device
from l2l_lite.history import score
from l2l_lite.learned import LSTMRule, Partitioned, identity, log_and_sign
from l2l_lite.problems import FAMILIES, Classifier, NeuralArt, Quadratic, conv_net, mlp
from l2l_lite.rules import Adam, AdamW, GradientDescent, Momentum, Nesterov, RMSProp, UpdateRule
from l2l_lite.seeds import generator, global_draws
from l2l_lite.torch_optim import TorchOptimizer
from l2l_lite.training import meta_train
from l2l_lite.trajectory import meta_gradient, optimize, sampled_meta_gradient, start, unroll, value_and_grad

__version__ = "0.1.0"

__all__ = [
    "BASELINES",
    "ES",
    "FAMILIES",
    "RATES",
    "Adam",
    "AdamW",
    "Classifier",
    "GradientDescent",
    "LSTMRule",
    "Momentum",
    "Nesterov",
    "NeuralArt",
    "Partitioned",
    "Quadratic",
    "RMSProp",
    "TorchOptimizer",
    "TruncatedBPTT",
    "UpdateRule",
    "anatomy",
    "checks",
    "claims",
    "compare",
    "conv_net",
    "data",
    "demos",
    "device",
    "estimators",
    "features",
    "final_loss",
    "generator",
    "global_draws",
    "identity",
    "learned",
    "log_and_sign",
    "meta_gradient",
    "meta_train",
    "mlp",
    "objectives",
    "optimize",
    "pictures",
    "plots",
    "price",
    "problems",
    "published",
    "ratio",
    "sampled_meta_gradient",
    "score",
    "start",
    "steps_to",
    "studies",
    "styles",
    "summed_loss",
    "tune",
    "unroll",
    "value_and_grad",
    "zoo",
]
