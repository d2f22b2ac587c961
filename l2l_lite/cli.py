"""Train and test the learned optimizers of l2l_lite, and time the code."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

import l2l_lite as l2l
from l2l_lite import bench as benchmark
from l2l_lite.evaluation import CRITERIA
from l2l_lite.hardware import device_name
from l2l_lite.problems import FAMILIES, Family
from l2l_lite.rules import UpdateRule
from l2l_lite.training import History, meta_train
from l2l_lite.zoo import cards
from l2l_lite.zoo.recipes import Recipe

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)

Out = Annotated[Path, typer.Option(help="Folder for checkpoints, weights and cards.")]
Name = Annotated[str, typer.Argument(help="An entry of the zoo; `l2l zoo` lists them.")]
Device = Annotated[str, typer.Option(help="cpu or cuda; auto takes a GPU if there is one.")]
Steps = Annotated[int, typer.Option(min=1, help="Updates of each task.")]


def main() -> None:
    """The command line, with errors in one sentence."""
    try:
        app()
    except (ValueError, OSError, FloatingPointError, RuntimeError) as error:
        typer.echo(f"l2l: {error}", err=True)
        raise SystemExit(2) from None


@app.command()
def train(
    names: Annotated[list[str], typer.Argument(help="Entries of the zoo; `l2l zoo` lists them.")],
    out: Out = Path("runs"),
    seed: Annotated[list[int] | None, typer.Option(help="Only this meta-seed, without a card.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoints.")] = False,
    device: Device = "auto",
) -> None:
    """Meta-train entries of the zoo by their recipes, and write their weights and their cards.

    Entries that are tested on the same tasks, such as the three of CIFAR-10, share the tuned baselines.
    """
    recipes, where = {name: l2l.zoo.recipe(name) for name in names}, _device(device)
    checkpoints = {(name, s): out / f"{name}-{s}.pt" for name in names for s in seed or recipes[name].seeds}
    files = [file for path in checkpoints.values() for file in (path, _refined(path))]
    if not resume and (old := [str(file) for file in files if file.exists()]):
        raise ValueError(f"{', '.join(old)} exists; add --resume to go on from there, or delete it")
    out.mkdir(parents=True, exist_ok=True)
    trained: dict[str, dict[int, tuple[UpdateRule, History]]] = {name: {} for name in names}
    for (name, s), path in checkpoints.items():
        typer.echo(f"{name}, meta-seed {s}, on {where}")
        trained[name][s] = _meta_train(recipes[name], s, where, path)
    for name in names if seed is None else []:
        typer.echo(f"testing {name} against tuned baselines, which takes a while")
        card = cards.make_card(name, recipes[name], trained[name], where)
        cards.write_entry(card, trained[name][card["shipped_seed"]][0], out)
        typer.echo(f"wrote {out / name}.safetensors and {out / name}.json")


def _meta_train(recipe: Recipe, seed: int, device: torch.device, path: Path) -> tuple[UpdateRule, History]:
    rule, family = recipe.make_rule(seed), recipe.make_family()
    shared: dict[str, Any] = {"device": device, "progress": True}
    try:
        history = meta_train(rule, family, **recipe.training, seed=seed, checkpoint=path, **shared)
        if recipe.refine:
            settings = {**recipe.training, **recipe.refine}
            # Other tasks than in the first meta-training.
            second = meta_train(
                rule, family, **settings, seed=1000 + seed, checkpoint=_refined(path), **shared
            )
            better = min(second, history, key=lambda one: min(one.validation))
            history = replace(better, seconds=history.seconds + second.seconds)
            rule.load_state_dict(history.best)
    except KeyboardInterrupt:
        typer.echo(f"\nstopped; the checkpoint is {path}; go on with the same command and --resume")
        raise typer.Exit(130) from None
    return rule, history


def _refined(path: Path) -> Path:
    return path.with_suffix(".refined.pt")


@app.command()
def features(out: Out = Path("runs"), device: Device = "auto") -> None:
    """Train the small network whose layers neural art can use, on CIFAR-10, and write it with its card."""
    where = _device(device)
    data = l2l.data.cifar10().to(where)
    out.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    model = l2l.features.train(data)
    card = {
        "command": "l2l features",
        "data": l2l.data.origin("CIFAR10"),
        "accuracy": l2l.features.accuracy(model, data.test),
        "seconds": round(time.perf_counter() - begin),
        "device": device_name(where),
        "versions": cards.versions(),
    }
    l2l.features.write(model, card, out)
    typer.echo(
        f"{card['accuracy']:.1%} of the test set are right; wrote {out}/features.safetensors and .json"
    )


@app.command()
def evaluate(
    name: Name,
    family: Annotated[str, typer.Option(help="Tasks to test on.")] = "",
    steps: Steps = 100,
    tasks: Annotated[int, typer.Option(min=2, help="Fresh tasks.")] = 16,
    device: Device = "auto",
) -> None:
    """Compare a rule of the zoo with tuned baselines on fresh tasks."""
    where, rule = _device(device), l2l.zoo.load(name)
    recipe = l2l.zoo.recipe(name)
    make_family = _family(family) if family else recipe.make_family
    like = next(iter(recipe.tests.values()))  # tune baselines as for the card
    test = replace(like, make_family=make_family, steps=steps, tasks=tasks)
    result = cards.run_test(test, {0: rule.to(where)}, 0, where)
    for line in _table(result):
        typer.echo(line)


@app.command()
def zoo() -> None:
    """List the meta-trained rules and what they reached."""
    for name in l2l.zoo.names():
        card = l2l.zoo.card(name)
        label, test = next(iter(card["tests"].items()))
        ratios = ", ".join(f"{test[c]['median_ratio']:.2f} in {c} loss" for c in CRITERIA)
        typer.echo(f"{name:18}{card['summary']}; {label}, over the best tuned baseline: {ratios}")


@app.command()
def bench(
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each contestant.")] = 7,
    device: Device = "auto",
) -> None:
    """Time meta-training and deployed rules, in milliseconds a task-step, in one interleaved run.

    M is the MNIST network with one task, Q are quadratics; both with windows of 20 steps.
    """
    where = _device(device)
    typer.echo(f"{device_name(where)}, PyTorch {torch.__version__}, median of {rounds} turns, ms a task-step")
    for line in benchmark.rows(where, rounds):
        typer.echo(line)


def _table(result: dict[str, Any]) -> list[str]:
    lines = [f"{'':10}" + "".join(f"{name + ' loss':>14}{'rate':>10}" for name in CRITERIA)]
    for label in result["final"]["tuned"]:
        row = [(result[name]["baselines"][label], result[name]["tuned"][label]["lr"]) for name in CRITERIA]
        lines.append(f"{label:10}" + "".join(f"{loss:14.4g}{rate:10.2g}" for loss, rate in row))
    learned = [result[name]["learned"][0] for name in CRITERIA]
    lines.append(f"{'learned':10}" + "".join(f"{loss:14.4g}{'':10}" for loss in learned))
    for name in CRITERIA:
        (value, low, high), best = result[name]["ratio"][0], result[name]["best_baseline"]
        lines.append(f"learned / {best}, {name} loss: {value:.3f} [{low:.3f}, {high:.3f}]")
    return lines


def _family(name: str) -> Callable[[], Family]:
    if name not in FAMILIES:
        raise ValueError(f"there is no family named {name!r}; choose one of {', '.join(FAMILIES)}")
    return FAMILIES[name]


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("PyTorch sees no GPU here; use --device cpu")
    return l2l.device() if name == "auto" else torch.device(name)
