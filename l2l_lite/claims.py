"""The ledger of claims: what was claimed, what was measured, and the verdict that follows from both."""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import torch

from l2l_lite.evaluation import Interval

HOLDS, SIGN, UNDECIDED, FAILS = "holds", "holds in sign", "undecided", "does not hold here"
EXACT, OPEN = "holds by arithmetic", "not yet measured"
MARKS = {HOLDS: "✓", SIGN: "≈", UNDECIDED: "?", FAILS: "✗", EXACT: "=", OPEN: "○"}
LIMITS = ("", ", one seed", ", one run")  # without other meta-seeds; without any interval
T95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36}  # Student's t for so many meta-seeds

Measured = float | Interval | list[Interval] | list[float] | None  # a list has one for each meta-seed


@dataclass(frozen=True)
class Claim:
    """A statement that a number decides: it must lie between `least` and `most`, on one side of `null`."""

    number: int
    section: str
    statement: str
    source: str
    tested: tuple[str, ...] = ()  # chapters, and files of tests
    kind: str = "rule"  # it speaks of a trained "rule", of "tasks" without one, or is "exact"
    least: float = -math.inf
    most: float = math.inf
    predicted: float | None = None  # the middle of least and most, where theory names a value
    null: float | None = None  # the value of no effect
    why: str = ""  # the likely reason, should the claim fail

    @property
    def figure(self) -> bool:
        """Whether it is what one of the paper's figures shows."""
        return self.source.startswith("Andrychowicz et al. (2016), figure")

    def verdict(self, measured: Measured) -> str:
        """What was reached, and what that rests on if not on several meta-seeds or on an interval."""
        runs = _runs(measured)
        if not runs:
            return OPEN
        if self.kind == "exact":
            return EXACT if self._reached(runs[0]) == HOLDS else FAILS
        if len(runs) == 1 and runs[0].low == runs[0].high:
            return self._agreed(runs) + ", one run"
        return self._agreed(runs) + (", one seed" if self.kind == "rule" and len(runs) == 1 else "")

    def criterion(self) -> str:
        """The claim in numbers."""
        least, most = f"{self.least:,.6g}", f"{self.most:,.6g}"
        if self.predicted is not None:
            return f"{self.predicted:,.6g} ± {100 * (self.most / self.predicted - 1):.2g} %"
        if least == most:
            return f"exactly {least}"
        if math.isinf(self.least):
            return f"below {most}"
        return f"above {least}" if math.isinf(self.most) else f"between {least} and {most}"

    def result(self, measured: Measured) -> str:
        """The verdict, the value with its interval, the criterion, and the reason if it does not hold."""
        verdict, runs = self.verdict(measured), sorted(_runs(measured))
        if not runs:
            return f"{mark(OPEN)} {OPEN}"
        shown = _shown(runs[(len(runs) - 1) // 2])
        if len(runs) > 1:
            holding = sum(self._reached(run) == HOLDS for run in runs)
            shown += (
                f", reached by {holding} of {len(runs)} meta-seeds; their mean {_shown(over_seeds(runs))}"
            )
        failed = verdict.startswith((FAILS, UNDECIDED))
        if failed and not self.why:
            raise ValueError(f"claim {self.number} does not hold, and the ledger does not say why")
        reason = f"<br>{self.why}" if failed else ""
        return f"{mark(verdict)} **{verdict}**<br>{shown} (claim: {self.criterion()}){reason}"

    def _reached(self, run: Interval) -> str:
        """What one interval says: all of it must lie where the claim says."""
        size = _inside(run, self.least, self.most)
        if self.null is None:
            return size
        up = math.isinf(self.most)
        beyond = math.nextafter(self.null, math.inf if up else -math.inf)
        direction = _inside(run, beyond, math.inf) if up else _inside(run, -math.inf, beyond)
        if direction == UNDECIDED and size == FAILS:
            return FAILS
        return SIGN if direction == HOLDS and size != HOLDS else direction

    def _agreed(self, runs: Sequence[Interval]) -> str:
        """What two thirds of the meta-seeds reach and, from three on, the interval of their mean too."""
        for verdict in (HOLDS, SIGN, FAILS):
            reached = (HOLDS, SIGN) if verdict == SIGN else (verdict,)
            enough = 3 * sum(self._reached(run) in reached for run in runs) >= 2 * len(runs)
            if enough and (len(runs) < 3 or self._reached(over_seeds(runs)) in reached):
                return verdict
        return UNDECIDED


def mark(verdict: str) -> str:
    """The sign of a verdict, in parentheses if it rests on one meta-seed or one run."""
    base, _, limit = verdict.partition(",")
    return f"({MARKS[base]})" if limit else MARKS[base]


def over_seeds(runs: Sequence[Interval]) -> Interval:
    """The mean over meta-seeds and its 95 % interval, as for normal values."""
    values = torch.tensor([run.value for run in runs], dtype=torch.float64)
    mean, width = float(values.mean()), T95.get(len(runs), 2.31) * float(values.std()) / len(runs) ** 0.5
    return Interval(mean, *((mean - width, mean + width) if math.isfinite(width) else (-math.inf, math.inf)))


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
        """How many claims have each verdict, and which; those on the paper's figures apart."""
        if unseen := sorted(set(self.claims) - set(self.verdicts)):
            raise ValueError(f"the claims {unseen} have not been shown")
        reached = set(self.verdicts.values())
        possible = [base + limit for base in MARKS for limit in LIMITS if base + limit in reached]
        rows = [[f"{mark(one)} {one}", *self._counts(one)] for one in possible]
        return Table("Verdicts", [["Verdict", "What the paper's figures show", "All else"], *rows])

    def _counts(self, verdict: str) -> list[str]:
        numbers = sorted(number for number, reached in self.verdicts.items() if reached == verdict)
        sides = [[n for n in numbers if self.claims[n].figure == figure] for figure in (True, False)]
        return [f"**{len(side)}**" + (f": {', '.join(map(str, side))}" if side else "") for side in sides]

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
    if "predicted" in entry:
        tolerance = entry.pop("tolerance")  # relative
        least, most = ((1 + sign * tolerance) * entry["predicted"] for sign in (-1, 1))
    entry["tested"] = tuple(entry.get("tested", ()))
    least, most = -math.inf if least is None else least, math.inf if most is None else most
    return Claim(section=section, least=least, most=most, **entry)


def _runs(measured: Measured) -> list[Interval]:
    values = [measured] if isinstance(measured, float | int | Interval) else measured or []
    runs = [one if isinstance(one, Interval) else Interval(one, one, one) for one in values]
    if any(math.isnan(value) for run in runs for value in run):
        raise ValueError(f"a measured value is not a number: {measured}")
    return runs


def _inside(run: Interval, least: float, most: float) -> str:
    """Whether all of an interval lies between two bounds, or none of it."""
    if least <= run.low and run.high <= most:
        return HOLDS
    return FAILS if run.high < least or run.low > most else UNDECIDED


def _shown(run: Interval) -> str:
    interval = f" [{_text(run.low)}, {_text(run.high)}]" if run.low < run.high else ""
    return _text(run.value) + interval


def _text(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 or float(value).is_integer() else f"{value:.4g}"
