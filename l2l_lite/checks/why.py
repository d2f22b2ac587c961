"""Checks for the predictions of the first chapter: what each choice would have meant."""

from typing import Any

from l2l_lite import zoo
from l2l_lite.checks import choice, number


def weights(answer: Any) -> None:
    """Whether a larger network needs a larger rule."""
    choice(
        answer,
        "b",
        what="a, b or c: how many weights the rule needs for a network with ten times the parameters",
        why={
            "a": "the rule does not see the network, it sees one parameter's gradients; every parameter "
            "uses the same weights φ, so their number does not depend on the network",
            "b": "every parameter is stepped by the same weights φ, with a memory of its own; only the "
            "memory grows with the network",
            "c": "nothing is shared out: each parameter runs the whole rule, with all of its weights",
        },
    )


def units(answer: Any) -> None:
    """Which rule does not notice that the loss is counted in other units."""
    choice(
        answer,
        "b",
        what="a, b or c: the rule that does not notice the change of units",
        why={
            "a": "its step is the gradient times a fixed rate, so a hundred times the gradient is a hundred "
            "times the step: it leaves the valley and diverges",
            "b": "Adam divides each gradient by the usual size of that gradient, so a common factor cancels; "
            "its authors built that in",
            "c": "it has seen gradients of one size only, and those of a hundred times that size are strange "
            "to it; nobody built in that units do not matter, and no example taught it",
        },
    )


def widths(answer: Any) -> None:
    """On which of three networks the lead of the MNIST rule is largest."""
    choice(
        answer,
        "c",
        what="a, b or c: the network on which the learned rule is furthest ahead",
        why={
            "a": "five units are the one case of the three in which it loses to a tuned rival: so small a "
            "network is another kind of problem",
            "b": "that is the natural guess, and the rule is ahead there; but measured, it is further ahead "
            "on wider networks, which it has never seen",
            "c": "it is further ahead on wider networks than on those of its own meta-training; how far a "
            "rule carries has to be measured, because it can surprise both ways",
        },
    )


def pays_from(answer: Any, steps: int = 80, rival_steps: int = 100) -> None:
    """The milliseconds of a gradient from which a run with the learned rule takes less time."""
    test = zoo.card("mnist-refined").tests["all digits"]
    extra = test["milliseconds"]["learned"] - test["milliseconds"]["Nesterov"]
    soon = test["reach"]["learned"]["0"]
    number(
        answer,
        steps * extra / (rival_steps - steps),
        what="the milliseconds of a gradient from which the learned rule's run takes less time",
        why=f"of {rival_steps - soon} saved steps {rival_steps - steps} are left, and they have to pay for "
        f"more steps of the rule, so the gradient has to be several times as dear as for {soon} steps",
        hints={
            soon * extra / (rival_steps - soon): f"that was for {soon} steps; now it needs {steps}",
            extra: "that is what one step of the rule costs more; how many steps does the run save?",
            steps * extra / rival_steps: f"the learned rule's run needs {steps} gradients as well, so only "
            f"{rival_steps - steps} are saved",
            steps * extra: "that is what the rule costs in a whole run; divide it by the gradients saved",
        },
        tolerance=0.02,
    )


def job(answer: Any) -> None:
    """Which of four jobs is one for a learned rule."""
    choice(
        answer,
        "b",
        what="a, b, c or d: the job for a learned rule",
        why={
            "a": "a rule is paid for once, by many runs of its kind, and earns a little in each later run; "
            "with a single run there is nothing to earn, and that computing time tunes Adam well",
            "b": "many runs of one kind, as long as those of its meta-training: there it needs no tuning, "
            "and each run pays back a part of its price",
            "c": "two strangers at once: runs a hundred times longer than those of its meta-training, and a "
            "loss that it was never asked to lower",
            "d": "a rule is good on what it was meta-trained for; on the wrong kind of network it can be "
            "worse than every tuned rival, without a warning",
        },
    )
