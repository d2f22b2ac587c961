"""Meta-trained rules that ship with the package, each with a card that says how it was made."""

import torch

from l2l_lite import artefacts
from l2l_lite.rules import UpdateRule
from l2l_lite.zoo.cards import Card, command, read_card
from l2l_lite.zoo.recipes import RECIPES, Recipe


def names() -> list[str]:
    """The rules that `load` knows."""
    return sorted(RECIPES)


def load(name: str, device: torch.device | str = "cpu") -> UpdateRule:
    """A meta-trained rule, ready to use.

    Raises ValueError for an unknown name, and for a missing, truncated or altered file.
    """
    rule = recipe(name).make_rule(0)
    rule.load_state_dict(artefacts.read_weights(name, command(name)))
    return rule.to(device)


def card(name: str) -> Card:
    """How a rule was made and what it reached: recipe, data, seeds, device, baselines, curves.

    Raises ValueError for an unknown name, and for a missing or damaged card.
    """
    recipe(name)
    return read_card(name)


def recipe(name: str) -> Recipe:
    """How an entry is made. Raises ValueError for an unknown name."""
    if name not in RECIPES:
        raise ValueError(f"the zoo has no rule named {name!r}; it has {', '.join(names())}")
    return RECIPES[name]
