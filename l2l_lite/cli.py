"""Train and test the learned optimizers of l2l_lite, and time the code."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

import l2l_lite as l2l
from l2l_lite import artefacts, distributed, studies
from l2l_lite import bench as benchmark
from l2l_lite.artefacts import held
from l2l_lite.console import OneSentence, choose_device, make_folder, refuse_existing
from l2l_lite.evaluation import CRITERIA
from l2l_lite.hardware import cores, device_name, keep_freed_memory
from l2l_lite.history import History
from l2l_lite.jobs import train_apart
from l2l_lite.problems import FAMILIES, Family
from l2l_lite.rules import UpdateRule
from l2l_lite.seeds import Role, task_seed
from l2l_lite.suite.command import suite
from l2l_lite.suite.contest import HORIZONS
from l2l_lite.suite.record import recorded
from l2l_lite.suite.report import over_adam
from l2l_lite.zoo.cards import Card, make_card, write_entry
from l2l_lite.zoo.testing import run_test
from l2l_lite.zoo.training import stage_files, train_recipe

app = typer.Typer(cls=OneSentence, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

Out = Annotated[Path, typer.Option(help="Folder for checkpoints, weights and cards.")]
Name = Annotated[str, typer.Argument(help="An entry of the zoo; `l2l zoo` lists them.")]
Device = Annotated[str, typer.Option(help="cpu, cuda or cuda:1; auto takes a GPU if there is one.")]
Steps = Annotated[int, typer.Option(min=1, help="Updates of each task.")]


def main() -> None:
    """The command line."""
    try:
        app()
    except KeyboardInterrupt:  # before a command has begun
        raise SystemExit(130) from None


@app.callback(help=__doc__)
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
) -> None:
    """What stands before the command; `OneSentence` reads it."""


@app.command()
def train(
    names: Annotated[list[str], typer.Argument(help="Entries of the zoo; `l2l zoo` lists them.")],
    out: Out = Path("runs"),
    seed: Annotated[list[int] | None, typer.Option(help="Only this meta-seed, without a card.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoints.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Meta-seeds at once, each in a process.")] = 1,
    device: Device = "auto",
) -> None:
    """Meta-train entries of the zoo by their recipes, and write their weights and their cards.

    Entries that are tested on the same tasks, such as the three of CIFAR-10, share the tuned baselines.
    With several jobs the progress of each meta-seed stands in a file beside its checkpoint.
    Processes that `torchrun` starts with this command share the tasks of each trajectory; one of them says
    how far they are, writes all files, and tests.
    """
    recipes, where = {name: l2l.zoo.recipe(name) for name in names}, choose_device(device)
    ranks, where = distributed.join(where)
    if jobs > 1 and ranks.size > 1:
        raise ValueError("processes that share tasks take one meta-seed at a time; leave out --jobs")
    keep_freed_memory()
    checkpoints = {(name, s): out / f"{name}-{s}.ckpt" for name in names for s in seed or recipes[name].seeds}
    for _, s in checkpoints:
        task_seed(Role.TRAINING, meta_seed=s)  # refuses a seed out of range
    if ranks.rank == 0:
        if not resume and not distributed.restarted():
            refuse_existing(
                file for (name, _), path in checkpoints.items() for file in stage_files(recipes[name], path)
            )
        make_folder(out)
    try:
        for name in names if jobs > 1 else []:
            train_apart(name, [s for one, s in checkpoints if one == name], jobs, out, device)
        trained: dict[str, dict[int, tuple[UpdateRule, History]]] = {name: {} for name in names}
        for (name, s), path in checkpoints.items():
            if ranks.rank == 0:
                shared = f", shared by {ranks.size} processes" if ranks.size > 1 else ""
                typer.echo(f"{name}, meta-seed {s}, on {where}{shared}")
            trained[name][s] = train_recipe(
                recipes[name], s, device=where, checkpoint=path, progress=True, ranks=ranks
            )
        ranks.leave()
        for name in names if seed is None and ranks.rank == 0 else []:
            with held(out / f"{name}.json"):
                typer.echo(f"testing {name} against tuned baselines, which takes a while")
                card = make_card(name, recipes[name], trained[name], where)
                write_entry(card, trained[name][card.shipped_seed][0], out)
                typer.echo(f"wrote {out / name}.safetensors and {out / name}.json")
    except KeyboardInterrupt:
        if not any(path.exists() for path in checkpoints.values()):
            raise
        raise KeyboardInterrupt(
            f"{out} holds the checkpoint; go on with the same command and --resume"
        ) from None


@app.command()
def features(out: Out = Path("runs"), device: Device = "auto") -> None:
    """Train the small network whose layers neural art can use, on CIFAR-10, and write it with its card."""
    where = choose_device(device)
    make_folder(out)
    data = l2l.data.cifar10().to(where)
    begin = time.perf_counter()
    model = l2l.features.train(data)
    card = {
        "command": l2l.features.COMMAND,
        "data": l2l.data.origin("CIFAR10"),
        "accuracy": l2l.features.accuracy(model, data.test),
        "seconds": round(time.perf_counter() - begin),
        "device": device_name(where),
        "versions": artefacts.versions(),
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
    where, rule = choose_device(device), l2l.zoo.load(name)
    recipe = l2l.zoo.recipe(name)
    make_family = _family(family) if family else recipe.make_family
    if family:
        _check_fit(name, rule, family)
    like = next(iter(recipe.tests.values()))  # tune baselines as for the card
    test = replace(like, make_family=make_family, steps=steps, tasks=tasks)
    result = run_test(test, {0: rule.to(where)}, 0, where)
    for line in _table(result):
        typer.echo(line)


@app.command()
def zoo() -> None:
    """List the meta-trained rules and what they reached."""
    for name in l2l.zoo.names():
        card = l2l.zoo.card(name)
        typer.echo(f"{name:18}{card.summary}; {_reached(card)}")


app.command()(suite)


@app.command()
def study(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(studies.NAMES)}.")],
    out: Annotated[Path, typer.Option(help="Folder for the record.")] = Path("runs"),
) -> None:
    """Measure again what a chapter shows and has no time to run, on one core."""
    make_folder(out)
    typer.echo(f"wrote {studies.record(name, out)}")


@app.command()
def bench(
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each contestant.")] = 7,
    threads: Annotated[int, typer.Option(min=0, help="Of a CPU; 0 takes all cores.")] = 0,
    compiled: Annotated[
        bool, typer.Option("--compile", help="torch.compile the rule's step as well.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    device: Device = "auto",
) -> None:
    """Time meta-training and deployed rules, in milliseconds a task-step, in one interleaved run.

    M is the MNIST network with one task, Q are quadratics; both with windows of 20 steps. Compared are
    meta-gradients from a sample of coordinates, by the identity and by plain unrolling, the rule deployed,
    Adam, and the floor: the rule's matrix products and nonlinearities alone. On a GPU also M with 64 tasks,
    windows that are replayed, and copies of what must be moved.
    """
    where = choose_device(device)
    torch.set_num_threads(threads or cores())
    found = benchmark.measure(where, rounds, compiled=compiled)
    typer.echo(json.dumps(found, ensure_ascii=False) if as_json else "\n".join(benchmark.table(found)))


def _reached(card: Card) -> str:
    if card.suite:
        tasks, rivals = card.suite[str(card.shipped_seed)]["tasks"], recorded()["tasks"]
        means = (f"{over_adam(tasks, rivals, h).value:.2f} after {h:,} steps" for h in HORIZONS)
        return f"suite, final loss over the tuned Adam's: {', '.join(means)}"
    label, test = next(iter(card.tests.items()))
    ratios = ", ".join(f"{test[c]['median_ratio']:.2f} in {c} loss" for c in CRITERIA)
    return f"{label}, over the best tuned baseline: {ratios}"


def _table(result: dict[str, Any]) -> list[str]:
    lines = [f"{'':10}" + "".join(f"{name + ' loss':>14}{'rate':>10}" for name in CRITERIA)]
    for label in result["final"]["tuned"]:
        row = [(result[name]["baselines"][label], result[name]["tuned"][label]["lr"]) for name in CRITERIA]
        lines.append(f"{label:10}" + "".join(f"{loss:14.4g}{rate:10.2g}" for loss, rate in row))
    learned = [result[name]["learned"]["0"] for name in CRITERIA]
    lines.append(f"{'learned':10}" + "".join(f"{loss:14.4g}{'':10}" for loss in learned))
    for name in CRITERIA:
        (value, low, high), best = result[name]["ratio"]["0"], result[name]["best_baseline"]
        lines.append(f"learned / {best}, {name} loss: {value:.3f} [{low:.3f}, {high:.3f}]")
    return lines


def _family(name: str) -> Callable[[], Family]:
    if name not in FAMILIES:
        raise ValueError(f"there is no family named {name!r}; choose one of {', '.join(FAMILIES)}")
    return FAMILIES[name]


def _check_fit(name: str, rule: UpdateRule, family: str) -> None:
    try:
        rule.on(FAMILIES[family]().groups)
    except ValueError as error:
        made_for = l2l.zoo.recipe(name).summary
        raise ValueError(f"{name} was made for other tasks than {family}: {made_for}") from error
