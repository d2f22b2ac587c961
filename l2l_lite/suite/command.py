"""`l2l suite`: a rule of the zoo, as it is, on small models that no rule was meta-trained on."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from string import ascii_lowercase
from typing import Annotated, Any

import typer

import l2l_lite as l2l
from l2l_lite.console import make_folder
from l2l_lite.suite import record, report
from l2l_lite.suite.contest import HORIZONS


def suite(
    name: Annotated[str, typer.Argument(help="An entry of the zoo; `l2l zoo` lists them.")] = "general",
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Tune the hand-made optimizers again instead, in an hour.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for what --baselines measures.")] = Path("runs/suite"),
    jobs: Annotated[int, typer.Option(min=1, help="Tasks at once, each on a core.")] = record.JOBS,
) -> None:
    """Train twenty small models with a rule of the zoo, as it is, and compare with tuned optimizers.

    Those are recorded, for 200 and 1,000 steps and three seeds, with rates in half-decades.
    """
    if baselines:
        make_folder(out)
        typer.echo(f"wrote {record.measure_baselines(out, jobs)}")
        return
    measured = record.measure_rule(l2l.zoo.load(name), jobs)
    for line in table(name, measured, record.recorded()["tasks"]):
        typer.echo(line)


def table(name: str, measured: Mapping[str, Any], baselines: Mapping[str, Any]) -> Iterator[str]:
    """Final loss over that of the tuned Adam, for every task and over all."""
    labels = next(iter(baselines.values()))
    rivals = {label: {task: baselines[task][label] for task in baselines} for label in labels}
    everyone = {name: measured["tasks"]} | rivals
    for h in HORIZONS:
        columns = {label: report.ratios(one, rivals[report.RIVAL], h) for label, one in everyone.items()}
        yield f"{h} steps: final loss over that of {report.RIVAL}, at its best rate, by the letters below"
        yield f"  {'':20}" + "".join(f"{letter:>8}" for letter in ascii_lowercase[: len(columns)])
        for task in measured["tasks"]:
            yield f"  {task:20}" + "".join(f"{column[task]:8.3g}" for column in columns.values())
        for letter, (label, column) in zip(ascii_lowercase, columns.items(), strict=False):
            value, low, high = report.geometric_mean(column.values())
            there = report.within(report.profile(everyone[label], rivals["AdamW"], h), 1)
            yield (
                f"  {letter} {label:20} geometric mean {value:.3f} [{low:.3f}, {high:.3f}], "
                f"{report.diverged(everyone[label])} diverged, "
                f"{there:.0%} reach the tuned AdamW's loss in its steps"
            )
        timed = report.profile(measured["tasks"], rivals["AdamW"], h, measured["pace"])
        yield f"  {report.within(timed, 1):.0%} of the runs of {name} reach it in its seconds"
