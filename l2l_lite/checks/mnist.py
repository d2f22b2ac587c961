"""Checks for the exercises on MNIST."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from l2l_lite.checks import choice, missing, number, right, wrong
from l2l_lite.learned import LSTMRule
from l2l_lite.problems import Classifier, mlp

DIM = sum(parameter.numel() for parameter in mlp().parameters())


def frequencies(answer: Any) -> None:
    """The entropy of labels of which half are zeros, and the rest equally the nine others."""
    half = 0.5 * math.log(2)
    number(
        answer,
        half + 0.5 * math.log(18),
        what="the cross-entropy of a network that knows the frequencies alone",
        why="half of the images cost log 2, the others log 18; a loss that stays there has learned how often "
        "each digit comes, and nothing about the images",
        hints={
            math.log(
                10
            ): "that is for ten equally frequent digits; here it pays to say zero half of the time",
            half + 0.5 * math.log(9): "each of the nine others has the probability 1/18, half of a ninth",
            half: "that is what the zeros contribute; the other half of the images costs something too",
            0.5 * math.log2(36): "that is in bits; PyTorch's cross-entropy takes the natural logarithm",
            math.log(2): "that would be right for two digits, each half of the images",
        },
    )


def memory(answer: Any) -> None:
    """Hidden and cell values of both layers of the LSTM rule, for every coordinate."""
    rule = LSTMRule()
    one = sum(tensor.numel() for cell in rule.init(torch.zeros(1)) for tensor in cell)
    number(
        answer,
        one * DIM,
        what="how many numbers the rule's state holds for one network",
        why=f"two layers of 20 units, each unit with a hidden and a cell value; Adam keeps {2 * DIM:,}",
        tolerance=1e-6,
        hints={
            sum(weight.numel() for weight in rule.parameters()): "these are the weights φ, one set shared by "
            "all coordinates; the state is not shared",
            2 * DIM: "that is Adam's memory, two running means; count the LSTM's state",
            one * DIM // 2: "that is half of it: there are two layers, and each unit remembers two "
            "values, the hidden one and the cell's",
            one * DIM // 4: "that is a quarter of it: there are two layers, and cell values",
            one: "that is for one coordinate; every coordinate has its own copy",
        },
    )


def ahead_until(answer: Callable[[Tensor, Tensor], int]) -> None:
    """The last step up to which the learned rule leads without a break."""
    learned = torch.tensor([5.0, 3.0, 2.0, 2.0, 1.0])[:, None] + torch.tensor([0.0, 0.2])
    baseline = torch.tensor([5.0, 4.0, 3.0, 1.5, 2.0])[:, None] + torch.tensor([0.2, 0.0])
    found = answer(learned, baseline)
    hints = {
        3: "one late: at step 3 the baseline is already ahead",
        4: "at step 4 the learned rule leads again, but the lead was lost at step 3",
        0: "both start with the same loss; look from step 1 on",
    }
    if missing(found, "the last step before the learned rule is first caught"):
        pass
    elif found != 2:
        wrong(hints.get(found, f"{found} is not the last step before the learned rule is caught"))
    elif answer(baseline + 3, learned) != 0:
        wrong("a rule that is behind from step 1 on has led for 0 steps")
    elif answer(learned, baseline + 3) != 4:
        wrong("a rule that is never caught has led for all steps: the number of rows, less one")
    else:
        right("2: caught at step 3. A later lead does not count, for nobody knows when to stop")


def prediction(answer: Any) -> None:
    """The rule trains tanh networks, and stays behind."""
    choice(
        answer,
        "b",
        what="what you expect of the rule on tanh networks, a letter",
        why={
            "a": "a tanh unit saturates too, but its slope at zero is four times a sigmoid's, and the steps "
            "that were learned on sigmoids are too long for it",
            "b": "a tanh unit is bounded as a sigmoid is, so nothing is thrown far; but it is steeper",
            "c": "ReLU is unbounded, so a step that is too long is not forgiven; tanh saturates",
        },
    )


def tanh_family(family: Any, ratio: Any) -> None:
    """MNIST with tanh units, all else as before; there the rule's loss is above tuned Nesterov's."""
    if missing(family, "a Classifier whose networks have tanh units"):
        return
    if not isinstance(family, Classifier):
        wrong(f"a family is a Classifier, not {type(family).__name__}")
        return
    network = family.make_model()
    dim = sum(parameter.numel() for parameter in network.parameters())
    kinds = {type(module) for module in network.modules()}
    if nn.Tanh not in kinds:
        wrong("the network has no Tanh: hand the class nn.Tanh to mlp, as its activation")
    elif dim != DIM:
        wrong(f"the network has {dim:,} coordinates, but 784-20-10 has {DIM:,}")
    elif family.theta0_std != 0.1:
        wrong("leave theta0_std as it is, else two things change at once")
    elif not missing(ratio, "the rule's summed loss over that of tuned Nesterov"):
        _behind(float(ratio))


def _behind(ratio: float) -> None:
    said = f"learned / Nesterov ≈ {ratio:.2f}"
    if ratio < 0.5:
        wrong(f"{said} is too low: is it the other way round, or Nesterov's rate far from the best?")
    elif ratio < 1:
        wrong(f"{said}: a tuned Nesterov is ahead here; let its grid of rates reach further down")
    elif ratio < 2.5:
        right(f"{said}: the rule trains tanh networks, and a tuned rule with momentum does it better")
    else:
        wrong(f"{said} is too high: take the zoo's rule as it is, and the sum of the losses of 100 steps")


def step_length(answer: Mapping[float, float]) -> None:
    """Final losses on ReLU networks by a factor on every step, with the best one inside."""
    if missing(answer, "a dictionary from the factor on each step to the final loss"):
        return
    losses = {float(factor): float(loss) for factor, loss in answer.items()}
    best = min(losses, key=lambda factor: losses[factor], default=1.0)
    if len(losses) < 3 or 1.0 not in losses:
        wrong("try at least three factors, among them 1, the rule as it is")
    elif best >= 1:
        wrong(f"{best:g} is best? Multiply `scale` before `optimize`, on a fresh copy from the zoo each time")
    elif best == min(losses):
        wrong(f"the best factor, {best:g}, is the smallest that you tried: try smaller ones too")
    else:
        right(f"{best:g} is best: the direction serves on ReLU too, and the steps are too long there")
