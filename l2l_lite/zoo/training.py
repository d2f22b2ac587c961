"""Meta-train a rule by its recipe, stage after stage."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from l2l_lite import artefacts
from l2l_lite.distributed import ALONE, Alone
from l2l_lite.history import History
from l2l_lite.rules import UpdateRule
from l2l_lite.training import meta_train
from l2l_lite.zoo.cards import command, read_card
from l2l_lite.zoo.recipes import RECIPES, Recipe


def train_recipe(
    recipe: Recipe,
    seed: int,
    *,
    device: torch.device | str = "cpu",
    checkpoint: str | Path | None = None,
    progress: bool = False,
    ranks: Alone = ALONE,
) -> tuple[UpdateRule, History]:
    """The rule that a recipe makes from a meta-seed, and the history of its best stage.

    Each stage starts from the best φ so far, on tasks of its own, and has a checkpoint file of its own,
    see `stage_files`; the seconds are those of all stages.
    """
    rule, family = recipe.make_rule(seed), recipe.make_family()
    if recipe.begins_as:
        rule.load_state_dict(_beginning(recipe.begins_as, seed, device, checkpoint, progress, ranks))
    files = stage_files(recipe, checkpoint) if checkpoint else [None] * len(recipe.stages)
    histories: list[History] = []
    for stage, file in enumerate(files):
        settings = recipe.settings(stage)
        histories.append(
            meta_train(
                rule,
                family,
                **settings,
                validation=recipe.make_validation(),
                seed=seed,
                stage=stage,
                device=device,
                checkpoint=file,
                progress=progress,
                ranks=ranks,
            )
        )
        best = min(histories, key=lambda one: min(one.validation))
        rule.load_state_dict(best.best)
    return rule, replace(best, seconds=sum(one.seconds for one in histories))


def _beginning(
    name: str,
    seed: int,
    device: torch.device | str,
    checkpoint: str | Path | None,
    progress: bool,
    ranks: Alone,
) -> dict[str, Any]:
    """φ of an entry's meta-seed: the one that ships, or one that is made first, with checkpoints beside."""
    if seed == read_card(name).shipped_seed:
        return artefacts.read_weights(name, command(name))
    file = Path(checkpoint).with_name(f"{name}-{seed}.ckpt") if checkpoint else None
    rule, _ = train_recipe(
        RECIPES[name], seed, device=device, checkpoint=file, progress=progress, ranks=ranks
    )
    return rule.state_dict()


def stage_files(recipe: Recipe, checkpoint: str | Path) -> list[Path]:
    """The checkpoint files of all stages: `mnist-0.ckpt`, then `mnist-0.stage1.ckpt` and so on."""
    first = Path(checkpoint)
    return [first, *(first.with_suffix(f".stage{k}.ckpt") for k in range(1, len(recipe.stages)))]
