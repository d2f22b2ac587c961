"""Checks for the exercises on CIFAR-10."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from l2l_lite import zoo
from l2l_lite.checks import choice, missing, number, right, wrong
from l2l_lite.learned import Partitioned
from l2l_lite.problems import Classifier, conv_net, parameter_groups

SIZES = {name: len(index) for name, index in parameter_groups(conv_net()).items()}
BIASES = 3 * 16  # of three convolutions, if they had any
NORMS = 2 * (3 * 16 + 32)  # scales and shifts of batch norm


def counted(answer: Any) -> None:
    """Weights of the convolutions, and all other coordinates."""
    if missing(answer, "the number of coordinates in each group, a dictionary"):
        return
    if not isinstance(answer, Mapping) or set(answer) != set(SIZES):
        wrong("answer with a dictionary, {'conv': ..., 'dense': ...}")
        return
    off = {name: answer[name] - size for name, size in SIZES.items()}
    if off["conv"] == BIASES:
        wrong(f"conv: {BIASES} too many: batch norm has a shift, so the convolutions have no biases")
    elif off["conv"]:
        wrong("conv: each filter is 5×5 for every channel that comes in, and each layer has 16 of them")
    elif off["dense"] == -NORMS:
        wrong(f"dense: {NORMS} too few: each batch norm has a scale and a shift for each channel")
    elif off["dense"] == 32:
        wrong("dense: 32 too many: batch norm has a shift, so the layer before it has no biases")
    elif off["dense"]:
        wrong("dense: 256 to 32 without biases, 32 to 10 with them, and four batch norms, one of 32 channels")
    else:
        right(f"{SIZES['conv']:,} and {SIZES['dense']:,}, together {sum(SIZES.values()):,}")


def short_filters(answer: Any) -> None:
    """Ten: the gradient of a function that ignores length goes as one over the length."""
    number(
        answer,
        10,
        what="the factor on the gradients of the filters",
        why="f(w / 10) = f(w), so the gradient is ten times as large, and larger than the dense ones by far",
        hints={
            0.1: "the other way round: the loss is the same on a ball a tenth as wide, so it is steeper",
            1: "the loss stays, and the gradients do not: a short filter is turned further by the same step",
            100: "that would be the second derivative; the first one goes as one over the length",
            1000: "three layers do not add up: batch norm hides the length of each from the others",
        },
    )


def statistics(answer: Any) -> None:
    """Running averages are a hidden state."""
    choice(
        answer,
        "b",
        what="why the minibatch's own statistics are used, a letter",
        why={
            "a": "running averages are two numbers for each of 80 channels, a trifle",
            "b": "with them f would be no function of θ and the minibatch: equal θ, unequal losses",
            "c": "nothing guarantees that; after long training running averages often are the better choice",
            "d": "it can; they are constants then, and that is one more loss whose gradient is not that of f",
        },
    )


def two_photographs(family: Any, pair: Any) -> None:
    """The first two photographs, networks with two classes, and the shipped pair on their coordinates."""
    if missing(family, "a Classifier on two photographs") or missing(
        pair, "the shipped pair on its networks"
    ):
        return
    if not isinstance(family, Classifier) or not isinstance(pair, Partitioned):
        wrong("hand over a Classifier, and what `on` of the shipped pair returns")
        return
    shipped = zoo.load("cifar10").state_dict()
    classes = list(family.make_model().parameters())[-1].numel()  # biases of the last layer
    if family.data.train.labels.unique().tolist() != [0, 1]:
        wrong("the data should have the labels 0 and 1 alone: `data.only((0, 1))`")
    elif classes != 2:
        wrong(f"the networks give {classes} classes, and only two of them ever occur")
    elif family.theta0_std is not None:
        wrong("take PyTorch's own start, theta0_std=None, as in the chapter")
    elif {name: len(index) for name, index in pair.groups.items()} != _sizes(family):
        wrong("the pair still has the groups of other networks: `on(family.groups)`")
    elif not all(torch.equal(weight, shipped[name]) for name, weight in pair.state_dict().items()):
        wrong("the pair has other weights than the shipped one: `l2l.zoo.load('cifar10')`")
    else:
        right(f"{sum(_sizes(family).values()):,} coordinates, {pair.__class__.__name__} with the shipped φ")


def _sizes(family: Classifier) -> dict[str, int]:
    return {name: len(index) for name, index in family.groups.items()}


def two_rates(answer: Mapping[tuple[float, float], float]) -> None:
    """Losses by a rate for each group; the rate of the dense one matters more."""
    if missing(answer, "a dictionary from (conv rate, dense rate) to the summed loss"):
        return
    if not all(isinstance(key, tuple) and len(key) == 2 for key in answer):
        wrong("each key is a pair, (conv rate, dense rate)")
        return
    conv, dense = (sorted({key[group] for key in answer}) for group in range(2))
    losses = torch.tensor([[float(answer.get((a, b), torch.nan)) for b in dense] for a in conv])
    if min(losses.shape) < 3 or losses.isnan().any():
        wrong("measure every combination of at least three rates for each group")
    elif min(conv[-1] / conv[0], dense[-1] / dense[0]) < 9.9:
        wrong("let the rates of each group span a factor of ten, else nothing can matter")
    else:
        row, column = divmod(int(losses.argmin()), len(dense))
        _compare_ranges(losses[:, column], losses[row])


def _compare_ranges(by_conv: torch.Tensor, by_dense: torch.Tensor) -> None:
    first, second = (float(losses.max() / losses.min()) for losses in (by_conv, by_dense))
    if first > second:
        wrong(f"conv rates matter more, {first:.2f} against {second:.2f}? Look at the order in the keys")
    else:
        said = f"worst / best ≈ {first:.2f} by the conv rate, ≈ {second:.2f} by the dense rate"
        right(f"{said}, which matters more: too long a step only lengthens a filter")


def three_groups(groups: Any, losses: Mapping[str, Sequence[float]] | None) -> None:
    """Three groups that hold every coordinate once, and what they bring beside two, seed by seed."""
    if missing(groups, "a dictionary from the names of three groups to their indices"):
        return
    if not isinstance(groups, Mapping) or len(groups) != 3 or not all(map(len, groups.values())):
        wrong("that is not a dictionary of three groups, each with some indices")
        return
    every = torch.cat([torch.as_tensor(index) for index in groups.values()]).sort().values
    dim = sum(SIZES.values())
    if len(every) < dim:
        wrong(f"{dim - len(every):,} coordinates have no group: the scales and shifts of batch norm?")
    elif not torch.equal(every, torch.arange(dim)):
        wrong("some coordinate is in two groups, or is none of this network")
    elif not missing(losses, "losses of two and of three groups, {'two': [...], 'three': [...]}"):
        assert losses is not None
        _seeds(losses)


def _seeds(losses: Mapping[str, Sequence[float]]) -> None:
    """Whether three groups differ from two by more than meta-seeds differ among themselves."""
    if set(losses) != {"two", "three"}:
        wrong("the names are 'two' and 'three', each with a list of losses")
        return
    two, three = (torch.tensor([float(loss) for loss in losses[name]]) for name in ("two", "three"))
    if min(len(two), len(three)) < 2:
        wrong("one meta-seed of each says nothing: at least two are needed to see how far they differ")
    elif max(two.max(), three.max()) > 2.2:
        wrong("some loss is at the plateau, log 10 or above: more trajectories, or a smaller output scale")
    else:
        ratio = float(three.mean() / two.mean())
        spread = max(float(values.max() / values.min()) for values in (two, three))
        apart = max(ratio, 1 / ratio) > spread
        so = (
            "further apart than seeds are: more seeds may confirm it" if apart else "no difference to be seen"
        )
        right(f"three / two ≈ {ratio:.2f}, seed / seed up to ≈ {spread:.2f}: {so}")
