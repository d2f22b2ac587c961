"""Steps that fade towards the end of a run, for a rule that is told how long it will last."""

import math
from collections.abc import Mapping

from torch import Tensor

from l2l_lite.learned.scale_free import ScaleFree
from l2l_lite.rules import State, UpdateRule


class Fading(UpdateRule):
    """The steps of `rule`, by default a `ScaleFree`, times 1 - t / `steps`: after so many there are no more.

    With a `hold` above 0 they stay as they are for that share of the run, and fade over the rest of it.
    In runs of more steps than `longest`, the most in meta-training, each is `longest` / `steps` times as
    long, so that no run goes further. A rule that fades already keeps both unless others are given.
    Before it is told their number, by `lasting` as in `meta_train` or by `TorchOptimizer(..., steps=...)`,
    no step fades. Raises ValueError for a number that is not positive, and for a share outside of [0, 1).
    """

    def __init__(
        self,
        rule: UpdateRule | None = None,
        steps: int | None = None,
        hold: float | None = None,
        longest: float | None = None,
    ):
        super().__init__()
        rule = ScaleFree() if rule is None else rule
        inner, held, known = rule, 0.0, math.inf
        if isinstance(rule, Fading):
            inner, held, known = rule.rule, rule.hold, rule.longest
        self.rule: UpdateRule = inner
        self.steps = steps
        self.hold: float = held if hold is None else hold
        self.longest: float = known if longest is None else longest
        if not 0 <= self.hold < 1:
            raise ValueError(f"hold is a share of the run, from 0 to below 1, but hold={hold}")
        if steps is not None and steps < 1:
            raise ValueError(f"a run has at least one step, but steps={steps}")
        if self.longest < 1:
            raise ValueError(f"the longest run has at least one step, but longest={longest}")

    @property
    def coordinatewise(self) -> bool:  # type: ignore[override]
        return self.rule.coordinatewise

    def lasting(self, steps: int) -> "Fading":
        """The same rule, whose steps fade over so many; the weights are shared, not copied."""
        return self._around(self.rule.lasting(steps), steps)

    def on(self, groups: Mapping[str, Tensor]) -> "Fading":
        return self._around(self.rule.on(groups), self.steps)

    def select(self, index: Tensor, state: State) -> tuple[UpdateRule, State]:
        rule, memory = self.rule.select(index, state[1])
        return self._around(rule, self.steps), (state[0], memory)

    def extra_repr(self) -> str:
        return f"steps={self.steps}, hold={self.hold}, longest={self.longest}"

    def _around(self, rule: UpdateRule, steps: int | None) -> "Fading":
        return Fading(rule, steps, self.hold, self.longest)

    def init(self, theta: Tensor) -> State:
        return theta.new_zeros(()), self.rule.init(theta)

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        t, memory = state
        step, memory = self.rule(grad, memory, theta)
        if self.steps is not None:
            shorter = min(1.0, self.longest / self.steps)
            step = shorter * ((1 - t / self.steps) / (1 - self.hold)).clamp(0, 1) * step
        return step, (t + 1, memory)
