"""The ledger of claims: what was claimed, what was measured, and the verdict that follows from both."""

import json
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from l2l_lite import zoo
from l2l_lite.evaluation import Interval, ratio

HOLDS, SIGN, FAILS, OPEN = "holds", "holds in sign", "does not hold here", "not yet measured"
MARKS = {HOLDS: "✓", SIGN: "≈", FAILS: "✗", OPEN: "○"}

Measured = float | Interval | list[Interval] | None  # a list has one for each meta-seed


@dataclass(frozen=True)
class Claim:
    """A statement that a number decides: it must lie between `least` and `most`, on one side of `null`."""

    number: int
    section: str
    statement: str
    source: str
    tested: tuple[str, ...] = ()  # chapters, and files of tests
    least: float = -math.inf
    most: float = math.inf
    null: float | None = None  # the value of no effect
    why: str = ""  # the likely reason, should the claim fail

    def verdict(self, measured: Measured) -> str:
        """What at least two thirds of the meta-seeds reach."""
        runs = _runs(measured)
        for verdict in (HOLDS, SIGN):
            if runs and 3 * self._count(runs, verdict) >= 2 * len(runs):
                return verdict
        return FAILS if runs else OPEN

    def criterion(self) -> str:
        """The claim in numbers."""
        least, most = f"{self.least:,.6g}", f"{self.most:,.6g}"
        if least == most:
            return f"exactly {least}"
        if math.isinf(self.least):
            return f"below {most}"
        return f"above {least}" if math.isinf(self.most) else f"between {least} and {most}"

    def result(self, measured: Measured) -> str:
        """The verdict, the value with its interval, the criterion, and the reason of a failure."""
        verdict, runs = self.verdict(measured), sorted(_runs(measured))
        if not runs:
            return f"{MARKS[OPEN]} {OPEN}"
        middle = runs[(len(runs) - 1) // 2]
        shown = _text(middle.value)
        if middle.low < middle.high:
            shown += f" [{_text(middle.low)}, {_text(middle.high)}]"
        if len(runs) > 1:
            agree = self._count(runs, HOLDS if verdict == FAILS else verdict)
            shown += f", {agree} of {len(runs)} meta-seeds"
        reason = f"<br>{self._reason(middle)}" if verdict == FAILS else ""
        return f"{MARKS[verdict]} **{verdict}**<br>{shown} (claim: {self.criterion()}){reason}"

    def _reached(self, run: Interval) -> str:
        sure = self.null is None or (run.low > self.null if self.most == math.inf else run.high < self.null)
        if sure and self.least <= run.value <= self.most:
            return HOLDS
        return SIGN if sure and self.null is not None else FAILS

    def _count(self, runs: Sequence[Interval], verdict: str) -> int:
        return sum(self._reached(run) in (HOLDS, verdict) for run in runs)

    def _reason(self, run: Interval) -> str:
        if not self.why:
            raise ValueError(f"claim {self.number} fails, and the ledger does not say why")
        if self.null is None or not run.low <= self.null <= run.high or run.low == run.high:
            return self.why
        return f"Undecided, the interval contains {_text(self.null)}. {self.why}"


@dataclass
class Table:
    """Markdown that a notebook shows as a table."""

    title: str
    rows: list[list[str]]  # the first is the head

    def __repr__(self) -> str:
        return f"{self.title}: {len(self.rows) - 1} rows"

    def _repr_markdown_(self) -> str:
        head, *rows = self.rows
        return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


@dataclass
class Ledger:
    """All claims by number, titles of chapters by file, and the verdicts on the claims that were shown."""

    claims: Mapping[int, Claim]
    chapters: Mapping[str, str]
    verdicts: dict[int, str] = field(default_factory=dict)

    def show(self, section: str, found: Mapping[int, Measured]) -> Table:
        """The claims of a section with what was found for them; the others are not yet measured."""
        claims = {number: claim for number, claim in self.claims.items() if claim.section == section}
        if strangers := sorted(set(found) - set(claims)):
            raise ValueError(f"the section {section!r} has no claims {strangers}")
        self.verdicts |= {number: claim.verdict(found.get(number)) for number, claim in claims.items()}
        rows = [self._row(claim, found.get(number)) for number, claim in claims.items()]
        return Table(section, [["No.", "Claim", "Verdict"], *rows])

    def summary(self) -> Table:
        """How many claims have each verdict, and their numbers."""
        if unseen := sorted(set(self.claims) - set(self.verdicts)):
            raise ValueError(f"the claims {unseen} have not been shown")
        rows = []
        for verdict, mark in MARKS.items():
            numbers = sorted(number for number, reached in self.verdicts.items() if reached == verdict)
            rows.append([f"{mark} {verdict}", f"**{len(numbers)}**", ", ".join(map(str, numbers))])
        return Table("Verdicts", [["Verdict", "Claims", "Numbers"], *rows])

    def _row(self, claim: Claim, measured: Measured) -> list[str]:
        links = [f"[{self.chapters[n]}]({n}.ipynb)" if n in self.chapters else f"`{n}`" for n in claim.tested]
        places = ", ".join(links) or ("no chapter yet" if measured is None else "this page")
        statement = f"{claim.statement}<br>*{claim.source}*<br>{places}"
        return [str(claim.number), statement, claim.result(measured)]


def load() -> Ledger:
    """The ledger of `claims.toml`, with no verdicts yet."""
    content = tomllib.loads(files("l2l_lite").joinpath("claims.toml").read_text(encoding="utf-8"))
    claims = [_claim(section, **entry) for section, entries in content["claims"].items() for entry in entries]
    return Ledger({claim.number: claim for claim in claims}, content["chapters"])


def _claim(section: str, **entry: Any) -> Claim:
    below, above, exactly = (entry.pop(key, None) for key in ("below", "above", "exactly"))
    threshold = above if below is None else below
    if threshold is not None:
        entry.setdefault("null", threshold)
    least, most = entry.pop("between", (above, below) if exactly is None else (exactly, exactly))
    entry["tested"] = tuple(entry.get("tested", ()))
    least, most = -math.inf if least is None else least, math.inf if most is None else most
    return Claim(section=section, least=least, most=most, **entry)


def card_test(entry: str, test: str) -> dict[str, Any] | None:
    """What a card of the zoo recorded in a test; None if there is no such entry, card or test yet."""
    if entry not in zoo.names() or not files(zoo).joinpath(f"{entry}.json").is_file():
        return None
    return zoo.card(entry)["tests"].get(test)


def from_card(entry: str, test: str, criterion: str, against: str | None = None) -> list[Interval] | None:
    """Ratios to the best tuned baseline, one for each meta-seed; or to the rule of another card."""
    mine, other = card_test(entry, test), card_test(against or entry, test)
    if mine is None or other is None:
        return None
    try:
        if against:
            return [ratio(torch.tensor(mine[criterion]["values"]), torch.tensor(other[criterion]["values"]))]
        return [Interval(*interval) for interval in mine[criterion]["ratio"].values()]
    except KeyError as missing:
        raise ValueError(f"the card of {entry!r} lacks {missing} in its test {test!r}") from None


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


def _runs(measured: Measured) -> list[Interval]:
    if measured is None:
        return []
    if isinstance(measured, float | int):
        measured = Interval(measured, measured, measured)
    runs = [measured] if isinstance(measured, Interval) else measured
    if any(math.isnan(value) for run in runs for value in run):
        raise ValueError(f"a measured value is not a number: {measured}")
    return runs


def _text(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 or float(value).is_integer() else f"{value:.4g}"
