"""A learned start, written as a rule whose first step ignores the gradient."""

from collections.abc import Mapping

from torch import Tensor, nn

from l2l_lite.rules import State, UpdateRule


class StartAt(UpdateRule):
    """The first step leads to a learned point, from wherever θ is; every later one is that of `rule`.

    With gradient descent as `rule` and meta-trained through `second_derivatives`, this is MAML (Finn et al.,
    2017); with its rate an `nn.Parameter` for each coordinate, Meta-SGD (Li et al., 2017). The point belongs
    to problems with as many coordinates as `start` [dim] has, in their order.
    """

    coordinatewise = False

    def __init__(self, rule: UpdateRule, start: Tensor):
        super().__init__()
        self.rule, self.start = rule, nn.Parameter(start.detach().clone())

    def on(self, groups: Mapping[str, Tensor]) -> "StartAt":
        return self._with(self.rule.on(groups))

    def lasting(self, steps: int) -> "StartAt":
        rule = self.rule.lasting(max(1, steps - 1))  # the first step is none of its own
        return self if rule is self.rule else self._with(rule)

    def _with(self, rule: UpdateRule) -> "StartAt":
        other = StartAt(rule, self.start)
        other.start = self.start  # shared, not copied
        return other

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        if theta is None:
            raise ValueError("StartAt goes from θ to its start, so it must see θ: rule(grad, state, theta)")
        if theta.shape[-1] != len(self.start):
            raise ValueError(f"the start has {len(self.start)} coordinates but theta {theta.shape[-1]}")
        if not state:
            return self.start - theta, (self.rule.init(theta),)
        step, after = self.rule(grad, state[0], theta)
        return step, (after,)
