"""The card of a meta-trained rule: how it was made, and what it reached."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from l2l_lite import artefacts
from l2l_lite.hardware import device_name
from l2l_lite.history import History
from l2l_lite.naming import describe
from l2l_lite.rules import UpdateRule
from l2l_lite.suite.record import measure_rule
from l2l_lite.zoo.recipes import Recipe
from l2l_lite.zoo.testing import run_test


@dataclass(frozen=True)
class Card:
    """How a rule of the zoo was made, and what it reached; `card["tests"]` is the same as `card.tests`."""

    name: str
    summary: str
    command: str  # that makes it again
    rule: str  # how it prints
    stages: list[dict[str, Any]]  # of meta-training, see `Recipe`
    data: str  # where they came from
    shipped_seed: int  # the meta-seed whose φ this is
    validation: dict[str, float]  # the best score of every meta-seed
    seconds: dict[str, int]  # of meta-training, for every meta-seed
    device: str
    versions: dict[str, str]
    tests: dict[str, dict[str, Any]]  # see `run_test`
    suite: dict[str, dict[str, Any]] = field(default_factory=dict)  # by meta-seed, see `measure_rule`
    sha256: str = ""  # of the weights; writing fills it in

    def __getitem__(self, field: str) -> Any:
        return getattr(self, field)

    @property
    def training(self) -> dict[str, Any]:
        """The arguments of the first stage."""
        return self.stages[0]


def make_card(
    name: str, recipe: Recipe, trained: Mapping[int, tuple[UpdateRule, History]], device: torch.device
) -> Card:
    """The card of an entry of the zoo, from what each meta-seed learned. The best score is shipped."""
    shipped = min(trained, key=lambda seed: min(trained[seed][1].validation))
    rules = {seed: rule for seed, (rule, _) in trained.items()}
    return Card(
        name=name,
        summary=recipe.summary,
        command=command(name),
        rule=repr(rules[shipped]),
        stages=[{key: _plain(value) for key, value in stage.items()} for stage in recipe.stages],
        data=recipe.data(),
        shipped_seed=shipped,
        validation={str(seed): min(history.validation) for seed, (_, history) in trained.items()},
        seconds={str(seed): round(history.seconds) for seed, (_, history) in trained.items()},
        device=device_name(device),
        versions=artefacts.versions(),
        tests={label: run_test(test, rules, shipped, device) for label, test in recipe.tests.items()},
        suite={str(seed): measure_rule(rule.cpu()) for seed, rule in rules.items() if recipe.suite},
    )


def write_entry(card: Card, rule: UpdateRule, folder: str | Path) -> None:
    """Write the shipped rule's weights and its card, with their checksum."""
    artefacts.write(card.name, rule.state_dict(), asdict(card), folder)


def read_card(name: str) -> Card:
    """The card of an entry. Raises ValueError for a missing or damaged one."""
    content = artefacts.read_card(name, command(name))
    try:
        return Card(**content)
    except TypeError as error:  # a field is missing, or unknown
        raise artefacts.damaged(name, "card", command(name)) from error


def command(name: str) -> str:
    """What makes an entry again."""
    return f"l2l train {name}"


def _plain(value: Any) -> Any:
    # An objective or an estimator, which JSON does not know, is named.
    return value if isinstance(value, int | float | str | tuple | None) else describe(value)
