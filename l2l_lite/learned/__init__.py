"""Learned update rules: a file each, and what they see of a gradient."""

from l2l_lite.learned.averaging import AveragingLSTM
from l2l_lite.learned.fading import Fading
from l2l_lite.learned.features import identity, log_and_sign
from l2l_lite.learned.lstm import LSTMRule
from l2l_lite.learned.mlp import MLPRule
from l2l_lite.learned.ntm_bfgs import NTMBFGS
from l2l_lite.learned.partitioned import Partitioned
from l2l_lite.learned.rnnprop import RNNProp
from l2l_lite.learned.scale_free import ScaleFree
from l2l_lite.learned.start import StartAt

__all__ = [
    "NTMBFGS",
    "AveragingLSTM",
    "Fading",
    "LSTMRule",
    "MLPRule",
    "Partitioned",
    "RNNProp",
    "ScaleFree",
    "StartAt",
    "identity",
    "log_and_sign",
]
