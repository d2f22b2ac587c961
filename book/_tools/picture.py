"""Draw README's picture and the cover's map, and write README's numbers from the card of a rule."""

import re
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt

import l2l_lite as l2l
from l2l_lite import diagrams
from l2l_lite.suite import contest, record, report

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "book" / "images" / "learned_vs_tuned.png"
MAP = PICTURE.with_name("map.png")
README = ROOT / "README.md"
NUMBERS = re.compile(r"(<!-- numbers: .*? -->\n).*?(<!-- end of numbers -->)", re.DOTALL)


def sentences(card: dict[str, Any]) -> str:
    """What README says of the rule, every number from its card."""
    tests, seed = card["tests"], str(card["shipped_seed"])
    base, held_out, relu = tests["all digits"], tests["held-out digits"], tests["ReLU"]

    def ratio(test: dict[str, Any], criterion: str) -> str:
        return f"{test[criterion]['ratio'][seed][0]:.2f}"

    def spread(criterion: str) -> str:
        values = [value for value, _, _ in base[criterion]["ratio"].values()]
        return f"{min(values):.2f} to {max(values):.2f}"

    best, paper = base["final"]["best_baseline"], l2l.published.REPORTED["mnist"][0]
    return (
        f"The picture shows the training loss of {base['tasks']} fresh networks of the kind that the rule "
        f"was meta-trained on, on all digits of MNIST, each baseline with the best learning rate of a grid.\n"
        f"The rule ends at {ratio(base, 'final')} times the loss of the best of them, {best}, "
        f"and at {ratio(base, 'summed')} times the best summed loss; "
        f"over {len(base['final']['ratio'])} meta-seeds it is {spread('final')} and {spread('summed')}; "
        f"on digits that it has not seen, {ratio(held_out, 'final')} and {ratio(held_out, 'summed')}.\n"
        f"By the paper's protocol, with momentum 0.9, it is {ratio(base, 'paper')} for the final loss, "
        f"and {paper.learned / paper.loss:.2f} in the paper.\n"
        f"The held-out loss is {base['held_out']['learned']:.2f}, {best}'s {base['held_out'][best]:.2f}.\n"
        f"With ReLUs instead of sigmoids it loses: {ratio(relu, 'final')} and {ratio(relu, 'summed')}.\n"
    )


def over_adam(card: Any) -> str:
    """What README says of a rule that runs the suite, every number from its card."""
    rivals = record.recorded()["tasks"]
    seeds = {
        seed: [report.over_adam(one["tasks"], rivals, horizon).value for horizon in contest.HORIZONS]
        for seed, one in card.suite.items()
    }
    short, long = seeds[str(card.shipped_seed)]
    ranges = [f"{min(values):.2f} to {max(values):.2f}" for values in zip(*seeds.values(), strict=True)]
    return (
        f"A second rule, `{card.name}`, trains {len(rivals)} small networks that it has never seen, "
        f"with nothing to tune: after 200 steps its loss is {short:.2f} times that of an Adam "
        f"whose rate was tuned for each of them and falls to zero, after 1,000 steps {long:.2f} times "
        f"(geometric means; over {len(card.suite)} meta-seeds {ranges[0]} and {ranges[1]}).\n"
    )


def draw(card: dict[str, Any], path: Path) -> None:
    """Curves with their bands, each named at its end, on white: readable on light and on dark pages."""
    matplotlib.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
    curves = card["tests"]["all digits"]["curves"]
    figure, ax = plt.subplots(figsize=(8, 3.8), layout="constrained")
    ends = {}
    for label in ("learned", *l2l.BASELINES):
        curve, colour = curves[label], l2l.plots.colour(label)
        ax.plot(curves["steps"], curve["mean"], color=colour, lw=3 if label == "learned" else 1.5)
        ax.fill_between(curves["steps"], curve["low"], curve["high"], color=colour, alpha=0.15, lw=0)
        ends[label] = curve["mean"][-1]
    last, height = curves["steps"][-1], 0.0
    for label in sorted(ends, key=lambda label: ends[label]):
        height = max(ends[label], 1.15 * height)  # names must not overlap
        weight = "bold" if label == "learned" else "normal"
        name = label if label == "learned" else f"{label}, tuned"
        ax.text(1.02 * last, height, name, color=l2l.plots.colour(label), va="center", weight=weight)
    ax.set(xlabel="step", ylabel="training loss on MNIST", yscale="log", xlim=(0, last))
    ax.set_xticks(range(0, last + 1, 20))
    ax.set_yticks([0.2, 0.5, 1, 2], ["0.2", "0.5", "1", "2"])
    ax.minorticks_off()
    figure.savefig(path, dpi=140, facecolor="white", metadata={"Software": None})


def draw_map(path: Path) -> None:
    """The two loops of the method, with chapters in the place of their parts."""
    l2l.plots.style()
    diagrams.two_loops(diagrams.CHAPTERS).figure.savefig(
        path, dpi=140, facecolor="white", metadata={"Software": None}
    )


def main() -> None:
    """Write all, where anything changed."""
    card = l2l.zoo.card("mnist-refined")
    PICTURE.parent.mkdir(exist_ok=True)
    draw(card, PICTURE)
    draw_map(MAP)
    text = README.read_text(encoding="utf-8")
    README.write_text(
        NUMBERS.sub(lambda m: m[1] + sentences(card) + over_adam(l2l.zoo.card("general")) + m[2], text),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
