"""Any rule as a `torch.optim.Optimizer`, for the reader's own model and training loop."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map_only, tree_unflatten

from l2l_lite.learned.fading import Fading
from l2l_lite.problems.classifier import coordinate_groups, layer_kind
from l2l_lite.rules import State, UpdateRule


class TorchOptimizer(torch.optim.Optimizer):
    """Train a model's parameters with a rule, by default `zoo.load("general")`; `lr` multiplies its steps.

    Where it is told the number of `steps` of the run, they fade to nothing over it, see `learned.Fading`.

    Parameter groups, closures, schedulers, gradient scalers and `state_dict` work as in `torch.optim`. The
    rule is given whole buckets [1, dim]: the parameters of a group whose first gradients came together.
    For a rule that knows groups, such as `Partitioned`, `groups(name, parameter)` names that of each
    parameter; it sees names if it is given `model.named_parameters()`.
    Raises TypeError for sparse, complex and half-precision parameters, and where φ has another dtype, and
    ValueError where a parameter has lost its gradient, in each case before the first parameter moves.
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
        if lr < 0:
            raise ValueError(f"lr must not be negative, but lr={lr}")
        super().__init__(params, {"lr": lr})
        rule = self._general() if rule is None else rule
        self.rule = rule if steps is None else Fading(rule, steps)
        self.groups = groups
        self._rules: dict[int, UpdateRule] = {}  # for the groups of each bucket

    def _general(self) -> UpdateRule:
        from l2l_lite import zoo  # whose recipes need this module

        return zoo.load("general", self.param_groups[0]["params"][0].device)

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
            for p, piece in zip(bucket, step[0].split([p.numel() for p in bucket]), strict=True):
                p.add_(piece.view_as(p), alpha=lr)
            self.state[bucket[0]]["rule"] = state
        return loss

    def _buckets(self, group: dict[str, Any]) -> list[list[Tensor]]:
        """Parameters that the rule sees together: those that took their first step together stay so."""
        buckets: dict[Any, list[Tensor]] = defaultdict(list)
        for p in group["params"]:
            number = self.state[p].get("bucket") if p in self.state else None
            if p.grad is not None:
                _check(p, self.rule)
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
        rule, memory = self._fitted(group, bucket), self.state[bucket[0]]
        return rule(grad, memory["rule"] if "rule" in memory else rule.init(theta), theta)

    def _fitted(self, group: dict[str, Any], bucket: list[Tensor]) -> UpdateRule:
        """The rule for the groups of a bucket's parameters."""
        number = self.state[bucket[0]]["bucket"]
        if number not in self._rules:
            names = group.get("param_names", [""] * len(group["params"]))
            by_id = {id(p): name for p, name in zip(group["params"], names, strict=True)}
            kinds = [(self.groups(by_id[id(p)], p), p.numel()) for p in bucket]
            self._rules[number] = self.rule.on(coordinate_groups(kinds))
        return self._rules[number]

    def state_dict(self) -> dict[str, Any]:
        """As in `torch.optim`; a rule's state as the list of its leaves, which any file can hold."""
        content = super().state_dict()
        content["state"] = {
            key: memory | {"rule": tree_leaves(memory["rule"])} if "rule" in memory else memory
            for key, memory in content["state"].items()
        }
        return content

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As in `torch.optim`, but each leaf of a rule's state keeps its dtype, counters too."""
        leaves = {key: memory["rule"] for key, memory in state_dict["state"].items() if "rule" in memory}
        plain = {key: {"bucket": memory["bucket"]} for key, memory in state_dict["state"].items()}
        super().load_state_dict(state_dict | {"state": plain})
        self._rules.clear()
        keys = [key for group in state_dict["param_groups"] for key in group["params"]]
        owners = [(group, p) for group in self.param_groups for p in group["params"]]
        for key, (group, p) in zip(keys, owners, strict=True):
            if key in leaves:
                self.state[p]["rule"] = self._restored(group, p, leaves[key])

    def _restored(self, group: dict[str, Any], first: Tensor, leaves: list[Any]) -> State:
        """A rule's state from its leaves, in the structure that `init` gives it."""
        number = self.state[first]["bucket"]
        bucket = [p for p in group["params"] if self.state.get(p, {}).get("bucket") == number]
        structure = tree_flatten(self._fitted(group, bucket).init(_row(bucket)))[1]
        return tree_map_only(
            Tensor, lambda leaf: leaf.to(first.device, copy=True), tree_unflatten(leaves, structure)
        )

    def __getstate__(self) -> dict[str, Any]:  # for copies and pickles
        return super().__getstate__() | {"rule": self.rule, "groups": self.groups, "_rules": {}}


def _row(tensors: Sequence[Tensor | None]) -> Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors if tensor is not None])[None]


def _check(parameter: Tensor, rule: UpdateRule) -> None:
    grad = parameter.grad
    assert grad is not None
    if grad.is_sparse or grad.is_complex():
        kind = "sparse" if grad.is_sparse else "complex"
        raise TypeError(f"TorchOptimizer cannot update {kind} parameters; give these to torch.optim.SGD")
    if grad.dtype in (torch.bfloat16, torch.float16):
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
