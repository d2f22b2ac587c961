"""Any rule as a `torch.optim.Optimizer`, for the reader's own model and training loop."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from l2l_lite.learned import Partitioned
from l2l_lite.rules import UpdateRule


class TorchOptimizer(torch.optim.Optimizer):
    """Train a model's parameters with a rule; `lr` multiplies its steps.

    Parameter groups, closures, schedulers, gradient scalers and `state_dict` work as in `torch.optim`.
    Each parameter has its own state of the rule; one without a gradient is left as it is.
    Raises TypeError for sparse, complex and half-precision parameters, and where φ has another dtype.
    """

    def __init__(self, params: Iterable[Any], rule: UpdateRule, lr: float = 1.0):
        if isinstance(rule, Partitioned):
            raise TypeError(
                "a Partitioned rule does not know which parameters belong to which of its groups; "
                "make one TorchOptimizer for each group, with partitioned.rules[name]"
            )
        if lr < 0:
            raise ValueError(f"lr must not be negative, but lr={lr}")
        super().__init__(params, {"lr": lr})
        self.rule = rule

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update of every parameter; returns what the closure returns, evaluated first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group["lr"])
        return loss

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"rule": self.rule}  # for copies and pickles

    def _update(self, parameter: Tensor, lr: float) -> None:
        grad = parameter.grad
        assert grad is not None
        self._check(grad)
        memory = self.state[parameter]
        if not memory:
            memory["rule"] = self.rule.init(parameter)
        step, memory["rule"] = self.rule(grad, memory["rule"])
        parameter.add_(step, alpha=lr)

    def _check(self, grad: Tensor) -> None:
        if grad.is_sparse or grad.is_complex():
            kind = "sparse" if grad.is_sparse else "complex"
            raise TypeError(f"TorchOptimizer cannot update {kind} parameters; give these to torch.optim.SGD")
        if grad.dtype in (torch.bfloat16, torch.float16):
            # Steps of a few thousandths, and a count of steps, would be rounded away.
            raise TypeError(
                f"TorchOptimizer cannot update {grad.dtype} parameters; "
                f"keep them in float32 and use torch.autocast"
            )
        for weight in self.rule.parameters():
            if weight.dim() and weight.dtype != grad.dtype:
                raise TypeError(
                    f"the rule's weights are {weight.dtype} but the parameters {grad.dtype}; "
                    f"use rule.to({grad.dtype})"
                )
