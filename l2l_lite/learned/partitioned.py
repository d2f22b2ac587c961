"""A rule for each group of coordinates."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from l2l_lite.rules import State, UpdateRule


class Partitioned(UpdateRule):
    """A rule for each group of coordinates, such as one for convolutions and one for dense layers.

    `groups` gives for each name the indices into a row of θ (`family.groups`); every coordinate belongs
    to one group (Andrychowicz et al., 2016, section 3.3).
    """

    def __init__(self, rules: Mapping[str, UpdateRule], groups: Mapping[str, Tensor]):
        super().__init__()
        if set(rules) != set(groups):
            raise ValueError(f"there are rules for {sorted(rules)} but groups {sorted(groups)}")
        if not rules:
            raise ValueError("a Partitioned rule needs at least one group")
        self.rules: Mapping[str, UpdateRule] = nn.ModuleDict(rules)  # type: ignore[assignment]
        for name in rules:  # buffers go with the rule to a GPU, and not into its file
            self.register_buffer(f"group_{name}", torch.as_tensor(groups[name]), persistent=False)
        every = torch.cat(list(self.groups.values())).sort().values
        if not torch.equal(every, torch.arange(self.dim, device=every.device)):
            raise ValueError("the groups must hold every coordinate of theta exactly once")

    @property
    def groups(self) -> dict[str, Tensor]:
        """The indices into a row of θ that each rule is for."""
        return {name: self.get_buffer(f"group_{name}") for name in self.rules}

    @property
    def dim(self) -> int:
        """How many coordinates the groups hold together."""
        return sum(len(index) for index in self.groups.values())

    @property
    def coordinatewise(self) -> bool:  # type: ignore[override]
        return all(rule.coordinatewise for rule in self.rules.values())

    def on(self, groups: Mapping[str, Tensor]) -> "Partitioned":
        """The same rules for the groups of another network; the weights are shared, not copied.

        A group that the network does not have is empty.
        """
        missing = {name: torch.arange(0) for name in self.rules if name not in groups}
        return Partitioned(dict(self.rules.items()), {**groups, **missing})

    def lasting(self, steps: int) -> "Partitioned":
        told = {name: rule.lasting(steps) for name, rule in self.rules.items()}
        return (
            self if all(told[name] is self.rules[name] for name in told) else Partitioned(told, self.groups)
        )

    def select(self, index: Tensor, state: State) -> tuple[UpdateRule, State]:
        rules, groups, states = {}, {}, []
        for (name, group), memory in zip(self.groups.items(), state, strict=True):
            groups[name], place = _common(index, group.to(index.device), self.dim)
            rules[name], memory = self.rules[name].select(place, memory)
            states.append(memory)
        return Partitioned(rules, groups), tuple(states)

    def init(self, theta: Tensor) -> State:
        if theta.shape[-1] != self.dim:
            raise ValueError(f"theta has {theta.shape[-1]} columns but the groups hold {self.dim}")
        groups = self.groups
        return tuple(rule.init(theta[..., groups[name]]) for name, rule in self.rules.items())

    def forward(self, grad: Tensor, state: State, theta: Tensor | None = None) -> tuple[Tensor, State]:
        step = torch.zeros_like(grad)
        groups, next_state = self.groups, []
        for (name, rule), memory in zip(self.rules.items(), state, strict=True):
            index = groups[name].to(grad.device)
            part, memory = rule(grad[..., index], memory, None if theta is None else theta[..., index])
            step = step.index_add(-1, index, part)
            next_state.append(memory)
        return step, tuple(next_state)


def _common(index: Tensor, group: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """The coordinates that both hold: their positions in `index`, and their positions in `group`."""
    place = index.new_full((dim,), -1)
    place[group] = torch.arange(len(group), device=group.device)
    inside = (place[index] >= 0).nonzero()[:, 0]
    return inside, place[index[inside]]
