"""What a recipe is: all that it takes to make an entry of the zoo, and on what it is tested."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from l2l_lite.evaluation import RATES, Baselines
from l2l_lite.problems import Family
from l2l_lite.rules import UpdateRule


@dataclass(frozen=True)
class Test:
    """Tasks to test a rule on; baselines are tuned on `tuning_tasks` others of the same family.

    `make_rivals` gives more baselines than `BASELINES`, in the same form.
    """

    make_family: Callable[[], Family]
    steps: int = 100
    tasks: int = 64
    tuning_tasks: int = 8
    rates: tuple[float, ...] = RATES
    make_rivals: Callable[[], Baselines] = dict
    every_seed: bool = False  # or the shipped rule alone


@dataclass(frozen=True)
class Recipe:
    """All that `l2l train` needs to make an entry of the zoo.

    A stage holds the arguments of `meta_train` that differ from the stage before, the first those that
    differ from the defaults. Each stage starts from the best φ so far, on tasks of its own.
    """

    summary: str
    data: Callable[[], str]  # where the data come from, for the card
    make_family: Callable[[], Family]
    make_rule: Callable[[int], UpdateRule]  # from a meta-seed
    stages: tuple[Mapping[str, Any], ...]
    seeds: tuple[int, ...]
    tests: Mapping[str, Test] = field(default_factory=dict)
    make_validation: Callable[[], Sequence[Family]] = tuple  # families to choose φ by, if others
    suite: bool = False  # whether every meta-seed runs `l2l suite`
    begins_as: str = ""  # the entry whose φ of the same meta-seed each starts from, if not a fresh one

    def __post_init__(self) -> None:
        for later in self.stages[1:]:
            if changed := {"steps", "validation_tasks"} & set(later):
                raise ValueError(
                    f"stages are compared by their validation, so a later one cannot change "
                    f"{', '.join(sorted(changed))}; set them in the first stage"
                )

    def settings(self, stage: int) -> dict[str, Any]:
        """All arguments of `meta_train` that a stage has."""
        return {name: value for one in self.stages[: stage + 1] for name, value in one.items()}
