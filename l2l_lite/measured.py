"""Where the ledger's numbers come from: cards of the zoo, recorded chapters, and tasks resampled."""

import json
import re
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from l2l_lite import zoo
from l2l_lite.claims import Table
from l2l_lite.evaluation import CRITERIA, Interval, ratio
from l2l_lite.seeds import generator
from l2l_lite.suite.contest import HORIZONS
from l2l_lite.suite.record import recorded
from l2l_lite.suite.report import over_adam

FEWEST = 8  # tasks that an interval needs


def card_test(entry: str, test: str) -> dict[str, Any] | None:
    """What a card of the zoo recorded in a test; None if there is no such entry, card or test yet."""
    if entry not in zoo.names() or not files(zoo).joinpath(f"{entry}.json").is_file():
        return None
    return zoo.card(entry)["tests"].get(test)


def from_card(entry: str, test: str, criterion: str, against: str | None = None) -> list[Interval] | None:
    """Ratios to the best tuned baseline, one for each meta-seed; or to the rule of another card.

    Without intervals where the test has too few tasks for them.
    """
    mine, other = card_test(entry, test), card_test(against or entry, test)
    if mine is None or other is None:
        return None
    try:
        runs = [Interval(*interval) for interval in mine[criterion]["ratio"].values()]
        if against:
            runs = [ratio(torch.tensor(mine[criterion]["values"]), torch.tensor(other[criterion]["values"]))]
        return runs if mine["tasks"] >= FEWEST else [Interval(*3 * [run.value]) for run in runs]
    except KeyError as missing:
        raise ValueError(f"the card of {entry!r} lacks {missing} in its test {test!r}") from None


def from_suite(entry: str, steps: int) -> list[Interval]:
    """Geometric means over the suite's models of the loss over tuned Adam's, one for each meta-seed."""
    return [over_adam(one["tasks"], recorded()["tasks"], steps) for one in zoo.card(entry).suite.values()]


def results() -> Table:
    """What each rule of the zoo reached in the first test of its card, and what it cost to make."""
    head = ["Rule", "Test", "Final loss", "Summed loss", "Steps to the rival's end", "Core-hours"]
    return Table("Results", [head, *(_result(zoo.card(name)) for name in zoo.names())])


def _result(card: zoo.Card) -> list[str]:
    label, test = next(iter(card.tests.items()))
    hours = ", ".join(f"{seconds / 3600:.1f}" for seconds in card.seconds.values())
    hours += " on a GPU" if card.device.startswith("NVIDIA") else ""
    shipped = list(card.seconds).index(str(card.shipped_seed))
    if card.suite:
        label, steps = f"suite of {len(recorded()['tasks'])} models, {HORIZONS[0]} steps", "–"
        ratios = [_ratios(from_suite(card.name, HORIZONS[0]), shipped, "tuned Adam"), "–"]
    else:
        label, steps = f"{label}, {test['tasks']} tasks", _reached(test)
        ratios = [
            _ratios([Interval(*run) for run in test[c]["ratio"].values()], shipped, test[c]["best_baseline"])
            for c in CRITERIA
        ]
    return [card.name, label, *ratios, steps, hours]


def _ratios(runs: Sequence[Interval], shipped: int, rival: str) -> str:
    """The median over meta-seeds, all of them, and the interval over tasks of the shipped one."""
    values, (_, low, high) = [run.value for run in runs], runs[shipped]
    listed = ", ".join(f"{value:.2f}" for value in values)
    return f"**{median(values):.2f}** of {rival}<br>{listed} [{low:.2f}, {high:.2f}]"


def _reached(test: dict[str, Any]) -> str:
    """Steps of every meta-seed to the best baseline's final loss, where the card has them."""
    if "reach" not in test:
        return "not recorded"
    steps = ", ".join(str(count) if count else "not reached" for count in test["reach"]["learned"].values())
    return f"{steps} for {test['steps']}"


def over_tasks(statistic: Callable[[Tensor], Any], tasks: int, resamples: int = 1000) -> Interval:
    """A statistic of tasks, given by their indices [tasks], with its 95 % interval over resampled tasks."""
    index = torch.randint(tasks, (resamples, tasks), generator=generator(0))
    values = torch.tensor([float(statistic(drawn)) for drawn in index])
    low, high = torch.quantile(values, torch.tensor([0.025, 0.975])).tolist()
    return Interval(float(statistic(torch.arange(tasks))), low, high)


def from_chapter(name: str, line: str) -> Interval | None:
    """The number, and its interval, in the first line that a recorded chapter printed with this beginning.

    None where the chapter does not lie beside the notebook that asks.
    """
    path = Path(f"{name}.ipynb")
    if not path.is_file():
        return None
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    texts = [output.get("text", "") for cell in cells for output in cell.get("outputs", ())]
    number = r"(-?\d+(?:\.\d+)?(?:e[-+]\d+)?)"
    pattern = rf"^{re.escape(line)}[^\d\n-]*{number}(?: \[{number}, {number}\])?"
    match = re.search(pattern, "\n".join("".join(text) for text in texts), re.MULTILINE)
    if not match:
        raise ValueError(f"{path} has no output that begins with {line!r}")
    return Interval(*(float(match[group] or match[1]) for group in (1, 2, 3)))
