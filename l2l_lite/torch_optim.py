"""Any rule as a `torch.optim.Optimizer`, for the reader's own model and training loop."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map_only, tree_unflatten

from l2l_lite.learned.fading import Fading
from l2l_lite.problems.classifier import coordinate_groups, layer_kind
from l2l_lite.rules import State, UpdateRule, check_rule, check_step


class TorchOptimizer(torch.optim.Optimizer):
    """Train a model's parameters with a rule, by default `zoo.load("general")`; `lr` multiplies its steps.

    Where it is told the number of `steps` of the run, they fade to nothing over it, see `learned.Fading`;
    `general` was meta-trained to be told.

    Parameter groups, closures, schedulers, gradient scalers and `state_dict` work as in `torch.optim`; a
    group may have an `lr` and a `rule` of its own. The rule is given whole buckets [1, dim]: the parameters
    of a group whose first gradients came together. Of a model that FSDP has sharded it is given the part
    of each process.
    For a rule that knows groups, such as `Partitioned`, `groups(name, parameter)` names that of each
    parameter; it sees names if it is given `model.named_parameters()`.
    Raises TypeError for sparse, complex and half-precision parameters, and where φ has another dtype or
    device, ValueError where a parameter has lost its gradient, and FloatingPointError where a gradient is
    NaN, infinite or too large to be squared, in each case before the first parameter moves.
    """

    def __init__(
        self,
        params: Iterable[Any],
        rule: UpdateRule | None = None,
        lr: float = 1.0,
        *,
        steps: int | None = None,
        groups: Callable[[str, Tensor], str] = layer_kind,
    ):
        if rule is not None:
            check_rule(rule)
        super().__init__(params, {"lr": lr})
        rule = self._general() if rule is None else rule
        self.rule = rule if steps is None else Fading(rule, steps)
        self.groups = groups
        self._rules: dict[int, UpdateRule] = {}  # for the groups of each bucket

    def _general(self) -> UpdateRule:
        from l2l_lite import zoo  # whose recipes need this module

        rule = zoo.load("general")
        params = (p for group in self.param_groups for p in group["params"] if p.is_floating_point())
        return rule.to(next(params, next(rule.parameters())))

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As in `torch.optim`."""
        lr = param_group.get("lr", self.defaults["lr"])
        if not 0 <= lr < math.inf:
            raise ValueError(f"lr must be finite and not negative, but lr={lr}")
        if "rule" in param_group:
            check_rule(param_group["rule"])
        super().add_param_group(param_group)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update of every parameter; returns what the closure returns, evaluated first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        updates = []  # every rule is asked before the first parameter moves
        for group in self.param_groups:
            for bucket in self._buckets(group):
                updates.append((group["lr"], bucket, *self._ask(group, bucket)))
        for lr, bucket, step, state in updates:
            parts = [_held(p) for p in bucket]
            for part, piece in zip(parts, step[0].split([part.numel() for part in parts]), strict=True):
                part.add_(piece.view_as(part), alpha=lr)
            self.state[bucket[0]]["rule"] = state
        return loss

    def _buckets(self, group: dict[str, Any]) -> list[list[Tensor]]:
        """Parameters that the rule sees together: those that took their first step together stay so."""
        buckets: dict[Any, list[Tensor]] = defaultdict(list)
        for p in group["params"]:
            number = self.state[p].get("bucket") if p in self.state else None
            if p.grad is not None:
                _check(p, self._rule(group))
                buckets[number, p.dtype, p.device].append(p)
            elif number is not None:
                raise ValueError(
                    f"a parameter of shape {list(p.shape)} had a gradient before and has none now, but the "
                    f"rule steps it together with others; fill its .grad with zeros, or freeze it at once"
                )
        for (number, *_), bucket in buckets.items():
            if number is None:
                self._together(bucket)
        return list(buckets.values())

    def _together(self, bucket: list[Tensor]) -> None:
        number = 1 + max((memory["bucket"] for memory in self.state.values()), default=-1)
        for p in bucket:
            self.state[p]["bucket"] = number

    def _ask(self, group: dict[str, Any], bucket: list[Tensor]) -> tuple[Tensor, State]:
        """The step for a bucket [1, dim], and the rule's state after it."""
        theta, grad = _row(bucket), _row([p.grad for p in bucket])
        if not grad[0].dot(grad[0]).isfinite():  # the cheapest look at all of them
            raise FloatingPointError(
                "a gradient is NaN, infinite or too large to be squared, so no parameter was moved; "
                "lower lr, clip gradients while they are finite, or let a GradScaler skip such steps"
            )
        rule, memory = self._fitted(group, bucket), self.state[bucket[0]]
        with torch.autocast(theta.device.type, enabled=False):  # a rule is as exact as its parameters
            state = memory["rule"] if "rule" in memory else rule.init(theta)
            step, state = rule(grad, state, theta)
        check_step(step, theta)
        return step, state

    def _rule(self, group: dict[str, Any]) -> UpdateRule:
        own: UpdateRule = group.get("rule", self.rule)
        return own

    def _fitted(self, group: dict[str, Any], bucket: list[Tensor]) -> UpdateRule:
        """The rule for the groups of a bucket's parameters."""
        number = self.state[bucket[0]]["bucket"]
        if number not in self._rules:
            names = group.get("param_names", [""] * len(group["params"]))
            by_id = {id(p): name for p, name in zip(group["params"], names, strict=True)}
            kinds = [(self.groups(by_id[id(p)], p), _held(p).numel()) for p in bucket]
            self._rules[number] = self._rule(group).on(coordinate_groups(kinds))
        return self._rules[number]

    def state_dict(self) -> dict[str, Any]:
        """As in `torch.optim`, without rules; a rule's state as a list of leaves, which any file holds."""
        content = super().state_dict()
        for saved, group in zip(content["param_groups"], self.param_groups, strict=True):
            saved.pop("rule", None)
            for key in saved["params"]:
                memory = content["state"].get(key, {})
                if "rule" in memory:
                    leaves, of = tree_leaves(memory["rule"]), type(self._rule(group)).__name__
                    content["state"][key] = memory | {"rule": leaves, "of": of}
        return content

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As in `torch.optim`, but each leaf of a rule's state keeps its dtype, counters too.

        Groups keep their rules. Raises ValueError, and loads nothing, where the state is another rule's.
        """
        memories = state_dict["state"]
        if not all("bucket" in memory for memory in memories.values()):
            raise ValueError(
                "this is the state of another optimizer: load what TorchOptimizer.state_dict() gave"
            )
        before, rules = self.__getstate__(), [group.get("rule") for group in self.param_groups]
        plain = {key: {"bucket": memory["bucket"]} for key, memory in memories.items()}
        super().load_state_dict(state_dict | {"state": plain})
        self._rules.clear()
        try:
            for saved, group, rule in zip(state_dict["param_groups"], self.param_groups, rules, strict=True):
                group |= {} if rule is None else {"rule": rule}
                for key, p in zip(saved["params"], group["params"], strict=True):
                    if "rule" in memories.get(key, {}):
                        self.state[p]["rule"] = self._restored(group, p, memories[key])
        except ValueError:
            self.__dict__.update(before)
            raise

    def _restored(self, group: dict[str, Any], first: Tensor, memory: dict[str, Any]) -> State:
        """A rule's state from its leaves, in the structure that `init` gives it."""
        number, name = memory["bucket"], type(self._rule(group)).__name__
        bucket = [p for p in group["params"] if self.state.get(p, {}).get("bucket") == number]
        expected, structure = tree_flatten(self._fitted(group, bucket).init(_row(bucket)))
        if memory.get("of", name) != name or _shapes(expected) != _shapes(memory["rule"]):
            raise ValueError(
                f"the saved state is not one that {name} begins with for these parameters: "
                f"load it with the rule and the model that it was saved with"
            )
        leaves = tree_unflatten(memory["rule"], structure)
        return tree_map_only(Tensor, lambda leaf: leaf.to(first.device, copy=True), leaves)

    def __getstate__(self) -> dict[str, Any]:  # for copies and pickles
        return super().__getstate__() | {"rule": self.rule, "groups": self.groups, "_rules": {}}


def _held(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor: all of it, but for one that FSDP has sharded."""
    part: Tensor = getattr(tensor, "to_local", lambda: tensor)()
    return part


def _row(tensors: Sequence[Tensor | None]) -> Tensor:
    return torch.cat([_held(tensor).reshape(-1) for tensor in tensors if tensor is not None])[None]


def _shapes(leaves: Sequence[Any]) -> list[Any]:
    return [leaf.shape if isinstance(leaf, Tensor) else type(leaf) for leaf in leaves]


def _check(parameter: Tensor, rule: UpdateRule) -> None:
    grad = parameter.grad
    assert grad is not None
    if grad.layout is not torch.strided or grad.is_complex():
        kind = "complex" if grad.is_complex() else "sparse"
        raise TypeError(f"TorchOptimizer cannot update {kind} parameters; give these to torch.optim.SGD")
    if grad.dtype not in (torch.float32, torch.float64):
        # Steps of a few thousandths, and a count of steps, would be rounded away.
        raise TypeError(
            f"TorchOptimizer cannot update {grad.dtype} parameters; "
            f"keep them in float32 and use torch.autocast"
        )
    weight = next(rule.parameters(), grad)
    if weight.dim() and weight.dtype != grad.dtype:
        raise TypeError(
            f"the rule's weights are {weight.dtype} but the parameters {grad.dtype}; "
            f"use rule.to({grad.dtype})"
        )
    if weight.dim() and weight.device != grad.device:
        raise TypeError(
            f"the rule's weights are on {weight.device} but the parameters on {grad.device}; "
            f'use rule.to("{grad.device}")'
        )
    if hasattr(parameter, "to_local") and not rule.coordinatewise:
        raise TypeError(
            f"{type(rule).__name__} looks at all coordinates together, of which each process holds a part "
            f'only; use a coordinatewise rule such as l2l.zoo.load("mnist")'
        )
