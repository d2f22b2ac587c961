"""What the paper and others reported of its experiments, to stand beside what a card recorded.

No code of others was run for these numbers; where each comes from stands in its row.
"""

from dataclasses import dataclass
from statistics import median
from typing import Any

from l2l_lite.claims import Table

PAPER = "the paper, read off its figure 4, ± 10 %"
PROGRAM = "the authors' program, as a reader reported it (issue 31)"
REPRODUCTION = "AdrienLE's PyTorch notebook (2018)"
HEAD = ["Source", "Loss", "Learned", "Best rival", "Ratio", "Meta-seeds"]


@dataclass(frozen=True)
class Reported:
    """A loss of a learned rule and that of the best hand-made rule beside it."""

    source: str
    criterion: str
    learned: float
    rival: str
    loss: float
    seeds: str = "not known"

    def row(self) -> list[str]:
        """The cells of a table with the columns `HEAD`."""
        losses = f"{self.learned:.3g}", f"{self.loss:.3g} ({self.rival})"
        return [self.source, self.criterion, *losses, f"{self.learned / self.loss:.2f}", self.seeds]


REPORTED = {
    "quadratic": [
        Reported(PAPER, "step 100", 0.039, "Adam", 0.052),
        Reported(PROGRAM, "step 100", 10**-0.70, "Adam, not tuned", 10**-0.06),
        Reported(REPRODUCTION, "sum of 100", 55.8, "Nesterov 0.9", 90.8),
    ],
    "mnist": [
        Reported(PAPER, "step 100", 0.25, "Nesterov 0.9", 0.31),
        Reported(PROGRAM, "step 100", 10**0.18, "Adam at 0.1", 10**-0.31),
        Reported(REPRODUCTION, "sum of 100", 47.0, "Adam", 77.5),
    ],
}


def beside(entry: str, test: dict[str, Any]) -> Table:
    """Reports on the experiment of an entry of the zoo, and what its card recorded in a test.

    Ours are medians over meta-seeds, beside the best rival of the paper's protocol, momentum 0.9 and rates
    tuned for the final loss, where the card has it; and beside the best one by each criterion.
    """
    criteria = {"final": f"last ten of {test['steps']}", "summed": f"sum of {test['steps']}"}
    ours = [("ours, momentum tuned too", test[name], label) for name, label in criteria.items()]
    if "paper" in test:
        ours.insert(0, ("ours, the paper's protocol", test["paper"], criteria["final"]))
    reports = REPORTED.get(entry, []) + [_measured(*one) for one in ours]
    return Table("Reported and measured", [HEAD, *(report.row() for report in reports)])


def _measured(source: str, result: dict[str, Any], criterion: str) -> Reported:
    best, learned = result["best_baseline"], list(result["learned"].values())
    return Reported(source, criterion, median(learned), best, result["baselines"][best], str(len(learned)))
