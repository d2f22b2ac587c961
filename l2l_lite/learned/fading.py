"""Steps that fade towards the end of a run, for a rule that is told how long it will last."""

from collections.abc import Mapping

from torch import Tensor

from l2l_lite.learned.scale_free import ScaleFree
from l2l_lite.rules import State, UpdateRule


class Fading(UpdateRule):
    """The steps of `rule`, by default a `ScaleFree`, times 1 - t / `steps`: after so many there are no more.

    Before it is told their number, by `lasting` as in `meta_train` or by `TorchOptimizer(..., steps=...)`,
    no step fades. Raises ValueError for a number that is not positive.
    """

    def __init__(self, rule: UpdateRule | None = None, steps: int | None = None):
        super().__init__()
        if steps is not None and steps < 1:
            raise ValueError(f"a run has at least one step, but steps={steps}")
        rule = ScaleFree() if rule is None else rule
        self.rule: UpdateRule = rule.rule if isinstance(rule, Fading) else rule
        self.steps = steps

    @property
    def coordinatewise(self) -> bool:  # type: ignore[override]
        return self.rule.coordinatewise

    def lasting(self, steps: int) -> "Fading":
        """The same rule, whose steps fade over so many; the weights are shared, not copied."""
        return Fading(self.rule.lasting(steps), steps)

    def on(self, groups: Mapping[str, Tensor]) -> "Fading":
        return Fading(self.rule.on(groups), self.steps)

    def select(self, index: Tensor, state: State) -> tuple[UpdateRule, State]:
        rule, memory = self.rule.select(index, state[1])
        return Fading(rule, self.steps), (state[0], memory)

    def init(self, theta: Tensor) -> State:
        return theta.new_zeros(()), self.rule.init(theta)

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        t, memory = state
        step, memory = self.rule(grad, memory, theta)
        left = 1.0 if self.steps is None else (1 - t / self.steps).clamp(min=0)
        return left * step, (t + 1, memory)
