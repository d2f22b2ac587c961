"""Meta-trained rules that ship with the package, each with a card that says how it was made."""

import hashlib
import json
from importlib.resources import files
from typing import Any

import torch
from safetensors.torch import load as read_weights

from l2l_lite.rules import UpdateRule
from l2l_lite.zoo.recipes import RECIPES, Recipe


def names() -> list[str]:
    """The rules that `load` knows."""
    return sorted(RECIPES)


def load(name: str, device: torch.device | str = "cpu") -> UpdateRule:
    """A meta-trained rule, ready to use.

    Raises ValueError for an unknown name, and for a missing, truncated or altered file.
    """
    made_by, expected = recipe(name), card(name).get("sha256")
    try:
        content = files(__name__).joinpath(f"{name}.safetensors").read_bytes()
    except OSError as error:
        raise _damaged(name, "file of weights") from error
    if hashlib.sha256(content).hexdigest() != expected:
        raise _damaged(name, "file of weights")
    rule = made_by.make_rule(0)
    rule.load_state_dict(read_weights(content))
    return rule.to(device)


def card(name: str) -> dict[str, Any]:
    """How a rule was made and what it reached: recipe, data, seeds, device, baselines, curves."""
    recipe(name)
    try:
        return dict(json.loads(files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8")))
    except (OSError, TypeError, ValueError) as error:
        raise _damaged(name, "card") from error


def recipe(name: str) -> Recipe:
    """How an entry is made. Raises ValueError for an unknown name."""
    if name not in RECIPES:
        raise ValueError(f"the zoo has no rule named {name!r}; it has {', '.join(names())}")
    return RECIPES[name]


def _damaged(name: str, what: str) -> ValueError:
    return ValueError(
        f"the {what} of {name!r} in the zoo is missing or damaged; "
        f"install l2l_lite again, or train the rule with: l2l train {name}"
    )
