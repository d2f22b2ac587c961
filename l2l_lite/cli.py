"""Train and test the learned optimizers of l2l_lite, and time the code."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

import l2l_lite as l2l
from l2l_lite import bench as benchmark
from l2l_lite.evaluation import CRITERIA
from l2l_lite.problems import FAMILIES, Family
from l2l_lite.training import meta_train
from l2l_lite.zoo import cards
from l2l_lite.zoo.recipes import Test

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)

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
    name: Name,
    out: Annotated[Path, typer.Option(help="Folder for checkpoints, weights and card.")] = Path("runs"),
    seed: Annotated[list[int] | None, typer.Option(help="Only this meta-seed, without a card.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoints.")] = False,
    device: Device = "auto",
) -> None:
    """Meta-train an entry of the zoo by its recipe, and write its weights and its card."""
    recipe, where = l2l.zoo.recipe(name), _device(device)
    seeds = seed or recipe.seeds
    checkpoints = {s: out / f"{name}-{s}.pt" for s in seeds}
    if not resume and (old := [str(path) for path in checkpoints.values() if path.exists()]):
        raise ValueError(f"{', '.join(old)} exists; add --resume to go on from there, or delete it")
    out.mkdir(parents=True, exist_ok=True)
    trained = {}
    for s, path in checkpoints.items():
        typer.echo(f"{name}, meta-seed {s}, on {where}")
        rule, family = recipe.make_rule(s), recipe.make_family()
        try:
            history = meta_train(
                rule, family, **recipe.training, seed=s, device=where, checkpoint=path, progress=True
            )
        except KeyboardInterrupt:
            typer.echo(f"\nstopped; the checkpoint is {path}; go on with the same command and --resume")
            raise typer.Exit(130) from None
        trained[s] = (rule, history)
    if seed is None:
        typer.echo("testing against tuned baselines, which takes a while")
        card = cards.make_card(name, recipe, trained, where)
        cards.write_entry(card, trained[card["shipped_seed"]][0], out)
        typer.echo(f"wrote {out / name}.safetensors and {out / name}.json")


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
    make_family = _family(family) if family else l2l.zoo.recipe(name).make_family
    test = Test(make_family, steps=steps, tasks=tasks)
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
        typer.echo(f"{name:12}{card['summary']}; {label}, over the best tuned baseline: {ratios}")


@app.command()
def bench(
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each contestant.")] = 7,
    device: Device = "auto",
) -> None:
    """Time meta-training and deployed rules, in milliseconds a task-step, in one interleaved run.

    M is the MNIST network with one task, Q are quadratics; both with windows of 20 steps.
    """
    where = _device(device)
    typer.echo(
        f"{cards.device_name(where)}, PyTorch {torch.__version__}, median of {rounds} turns, ms a task-step"
    )
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
