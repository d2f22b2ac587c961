"""How meta-training gets the gradient of φ: an estimator each in a file of its own."""

from l2l_lite.estimators.base import Estimator
from l2l_lite.estimators.captured import Captured
from l2l_lite.estimators.es import ES
from l2l_lite.estimators.held_out import HeldOutBPTT
from l2l_lite.estimators.imitation import Imitation
from l2l_lite.estimators.pes import PES
from l2l_lite.estimators.truncated_bptt import TruncatedBPTT

__all__ = [
    "ES",
    "PES",
    "Captured",
    "Estimator",
    "HeldOutBPTT",
    "Imitation",
    "TruncatedBPTT",
]
