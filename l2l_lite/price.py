"""What a learned rule costs, counted in operations, and after how many runs it has paid."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch.utils.flop_counter import FlopCounterMode

LSTM = 9_960  # operations a parameter of a step of the paper's rule: two for each of 4,980 weights
MNIST, BATCH, STEPS = 15_910, 128, 100  # parameters of the paper's network, examples and steps of its runs


def operations(call: Callable[[], object]) -> int:
    """Operations of all matrix products and convolutions in a call; a multiply-add counts as two."""
    with FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())


@dataclass(frozen=True)
class Job:
    """Runs that have to be made, with Adam or with a learned LSTM; costs are counted in runs of Adam.

    A gradient takes 6 · batch · parameters operations, for a convolution times the places at which its
    weights are used. The rule comes from `trained_on` runs of the paper's MNIST network, in which each step
    is once a gradient and three times the rule: forward, and twice as much backward.
    """

    runs: float = 1
    batch: float = BATCH
    parameters: float = MNIST
    steps: float = STEPS  # of Adam
    share: float = 0.47  # of these steps that the rule takes to the same loss
    tries: float = 19  # runs that find Adam's rate
    trained_on: float = 100  # runs

    @property
    def once(self) -> float:
        """What meta-training costs."""
        run = self.steps * self.parameters * 6 * self.batch
        return self.trained_on * STEPS * MNIST * (6 * BATCH + 3 * LSTM) / run

    @property
    def each(self) -> float:
        """What a run with the rule costs."""
        return self.share * (1 + LSTM / (6 * self.batch))

    def adam(self) -> float:
        """What all runs cost with Adam, and the search for its rate."""
        return self.tries + self.runs

    def learned(self) -> float:
        """What all runs cost with the rule, and its meta-training."""
        return self.once + self.runs * self.each

    def pays_after(self) -> float:
        """The runs after which the rule is the cheaper way; infinite if never."""
        owed, saved = self.once - self.tries, 1 - self.each
        if owed <= 0:
            return 0.0
        return owed / saved if saved > 0 else math.inf

    def pays_until(self) -> float:
        """The runs after which it no longer is, because each costs more than Adam's; infinite if never."""
        owed, saved = self.once - self.tries, 1 - self.each
        return math.inf if saved >= 0 else max(0.0, owed / saved)
