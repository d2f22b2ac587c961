"""Learned update rules: a file each, and what they see of a gradient."""

from l2l_lite.learned.features import identity, log_and_sign
from l2l_lite.learned.lstm import LSTMRule
from l2l_lite.learned.partitioned import Partitioned
from l2l_lite.learned.rnnprop import RNNProp

__all__ = [
    "LSTMRule",
    "Partitioned",
    "RNNProp",
    "identity",
    "log_and_sign",
]
