"""Steps that fade towards the end of a run, for a rule that is told how long it will last."""

from collections.abc import Mapping

from torch import Tensor

from l2l_lite.learned.scale_free import ScaleFree
from l2l_lite.rules import State, UpdateRule


class Fading(UpdateRule):
    """The steps of `rule`, by default a `ScaleFree`, times 1 - t / `steps`: after so many there are no more.

    With a `hold` above 0 they stay as they are for that share of the run, and fade over the rest of it.
    Before it is told their number, by `lasting` as in `meta_train` or by `TorchOptimizer(..., steps=...)`,
    no step fades. Raises ValueError for a number that is not positive, and for a share outside of [0, 1).
    """

    def __init__(self, rule: UpdateRule | None = None, steps: int | None = None, hold: float | None = None):
        super().__init__()
        rule = ScaleFree() if rule is None else rule
        inner, before = (rule.rule, rule.hold) if isinstance(rule, Fading) else (rule, 0.0)
        hold = before if hold is None else hold
        if not 0 <= hold < 1:
            raise ValueError(f"hold is a share of the run, from 0 to below 1, but hold={hold}")
        if steps is not None and steps < 1:
            raise ValueError(f"a run has at least one step, but steps={steps}")
        self.rule: UpdateRule = inner
        self.steps = steps
        self.hold: float = hold

    @property
    def coordinatewise(self) -> bool:  # type: ignore[override]
        return self.rule.coordinatewise

    def lasting(self, steps: int) -> "Fading":
        """The same rule, whose steps fade over so many; the weights are shared, not copied."""
        return Fading(self.rule.lasting(steps), steps, self.hold)

    def on(self, groups: Mapping[str, Tensor]) -> "Fading":
        return Fading(self.rule.on(groups), self.steps, self.hold)

    def select(self, index: Tensor, state: State) -> tuple[UpdateRule, State]:
        rule, memory = self.rule.select(index, state[1])
        return Fading(rule, self.steps, self.hold), (state[0], memory)

    def init(self, theta: Tensor) -> State:
        return theta.new_zeros(()), self.rule.init(theta)

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        t, memory = state
        step, memory = self.rule(grad, memory, theta)
        if self.steps is not None:
            step = ((1 - t / self.steps) / (1 - self.hold)).clamp(0, 1) * step
        return step, (t + 1, memory)
