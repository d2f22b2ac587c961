"""Checks for the exercises on the reader's own model and problems."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from l2l_lite.checks import choice, missing, number, right, wrong
from l2l_lite.learned import LSTMRule
from l2l_lite.problems import check_family
from l2l_lite.rules import UpdateRule
from l2l_lite.torch_optim import TorchOptimizer


def batch(answer: Any) -> None:
    """Two operations for each of φ's weights, against six for each example."""
    phi = sum(weight.numel() for weight in LSTMRule().parameters())
    number(
        answer,
        2 * phi / 6,
        what="the number of examples at which a step costs as much as the gradient",
        why="so many examples share one step; on a smaller minibatch the rule costs more than the gradient",
        hints={
            phi: "that counts the forward pass alone; a gradient takes a backward pass too, twice as dear",
            2 * phi / 4: "that counts the backward pass alone; the forward pass comes before it",
            phi / 6: "each weight of φ costs two operations, a product and a sum",
            2 * phi: "so much costs a step for each parameter; divide by what an example costs",
            12 * phi: "divide by the six operations of an example, do not multiply",
        },
    )


def hiding(answer: Any) -> None:
    """With one tensor its columns are the first ones."""
    choice(
        answer,
        "a",
        what="the network on which the bug cannot be seen, a letter",
        why={
            "a": "the first columns are those of its only tensor, so a test needs at least two tensors",
            "b": "the bias reads the first columns, which are those of the weights, and overwrites them",
            "c": "equal sizes make it worse: the second matrix overwrites the whole memory of the first",
            "d": "only the first step is safe, for the memory is zero then; the second reads what is wrong",
        },
    )


def slower(answer: Callable[[torch.nn.Sequential, UpdateRule], Any]) -> None:
    """An optimizer in which the parameters of the last layer move by a tenth of the rule's steps."""
    rule, model, plain = LSTMRule(), _network(), _network()
    optimizer = answer(model, rule)
    if missing(optimizer, "a TorchOptimizer with two parameter groups"):
        pass
    elif not isinstance(optimizer, TorchOptimizer):
        wrong(f"return a TorchOptimizer, not {type(optimizer).__name__}")
    else:
        moved, full = _moves(model, optimizer), _moves(plain, TorchOptimizer(plain.parameters(), rule))
        factors = [float(part.norm() / whole.norm()) for part, whole in zip(moved, full, strict=True)]
        close = [math.isclose(*pair, rel_tol=0.01) for pair in zip(factors, (1, 1, 0.1, 0.1), strict=True)]
        why = "the last layer takes a tenth of each step, the others the whole of it"
        right(why) if all(close) else wrong(_why_not_slower(factors))


def _why_not_slower(factors: Sequence[float]) -> str:
    if min(factors) == 0:
        return "some parameters do not move: every parameter must be in one of the groups"
    if max(factors) < 0.5:
        return "every layer is slowed down; give the small lr to the last layer's group only"
    if factors[2] < 0.5 < factors[3]:
        return (
            "the weights of the last layer are slowed down, its biases are not: take model[-1].parameters()"
        )
    if factors[0] < 0.5:
        return "the first layer is slowed down; model[-1] is the last one"
    shown = ", ".join(f"{factor:.2g}" for factor in factors)
    return f"the four tensors move by {shown} of the rule's steps; expected 1, 1, 0.1, 0.1"


def _network() -> torch.nn.Sequential:
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    for parameter in network.parameters():
        torch.nn.init.constant_(parameter, 0.1)
    return network


def _moves(network: torch.nn.Module, optimizer: torch.optim.Optimizer) -> list[Tensor]:
    before = [parameter.detach().clone() for parameter in network.parameters()]
    network(torch.ones(5, 3)).square().sum().backward()
    optimizer.step()
    return [parameter.detach() - old for parameter, old in zip(network.parameters(), before, strict=True)]


def family(answer: Any) -> None:
    """A family of problems that keeps the promises on which meta-training relies."""
    try:
        what = "a family whose sample(tasks, seed) returns a problem"
        if missing(answer, what) or missing(problem := answer.sample(tasks=3, seed=0), what):
            return
        check_family(answer)
    except ValueError as fault:
        wrong(str(fault))
    except Exception as error:
        wrong(f"it raises {type(error).__name__}: {error}")
    else:
        right(f"a family with {problem.theta0.shape[1]} coordinates a task, ready for `l2l.meta_train`")


def repaired(answer: Callable[[list[int]], UpdateRule]) -> None:
    """A rule that loops over tensors of the sizes it is given, and keeps their memories apart."""
    if missing(answer, "the class of the repaired rule"):
        return
    try:
        rule, whole = answer([20, 10]), LSTMRule()
        rule.load_state_dict(whole.state_dict())
        fault = _memory_fault(permutation_gap(rule), _difference(rule, whole))
    except Exception as error:
        fault = f"it raises {type(error).__name__}: {error}"
    why = "steps move with their coordinates, and equal those of the rule on one flat vector"
    wrong(fault) if fault else right(why)


def _memory_fault(gap: float, difference: float) -> str | None:
    if gap > 1e-5:
        return f"permuting coordinates still changes steps by {gap:.1g}: do two tensors use the same columns?"
    if difference > 1e-5:
        return "permuted gradients give permuted steps now, but not the steps of the rule on one flat vector"
    return None


def permutation_gap(rule: UpdateRule, dim: int = 30, steps: int = 5) -> float:
    """How far the steps for permuted gradients are from the permuted steps; zero up to rounding."""
    rng = torch.Generator().manual_seed(0)
    order = torch.randperm(dim, generator=rng)
    state, other = (rule.init(torch.zeros(dim)) for _ in range(2))
    gap = 0.0
    for grad in torch.randn(steps, dim, generator=rng):
        step, state = rule(grad, state)
        permuted, other = rule(grad[order], other)
        gap = max(gap, float((step[order] - permuted).detach().abs().max()))
    return gap


def _difference(rule: UpdateRule, whole: UpdateRule) -> float:
    state, other = rule.init(torch.zeros(30)), whole.init(torch.zeros(30))
    for grad in torch.randn(5, 30, generator=torch.Generator().manual_seed(1)):
        step, state = rule(grad, state)
        expected, other = whole(grad, other)
    return float((step - expected).detach().abs().max())


def handover(answer: Any, adam: Tensor) -> None:
    """The losses of a run that changes from the learned rule to Adam, beside Adam's alone."""
    if missing(answer, "losses [steps], first of the learned rule, then of Adam"):
        pass
    elif not isinstance(answer, Tensor) or answer.shape != adam.shape:
        wrong(f"give the losses as a tensor of the shape {list(adam.shape)}, like Adam's")
    elif torch.equal(answer, adam):
        wrong("these are the losses of Adam alone")
    elif answer.sum() > adam.sum():
        wrong("Adam alone spends less loss on its way: where does the learned rule stop to gain?")
    elif answer[-10:].mean() > 1.1 * adam[-10:].mean():
        wrong("faster at first, but it ends higher than Adam: change earlier, or let Adam's rate decay")
    else:
        right("your run spends less loss on its way than Adam alone, and ends no worse")
