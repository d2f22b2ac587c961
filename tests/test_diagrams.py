"""The drawings: nothing overlaps, nothing is cut off, and what they say is what cards and references say."""

import re
from itertools import combinations
from pathlib import Path

import nbformat
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.text import Text

import l2l_lite as l2l
from l2l_lite import diagrams

BIB = (Path(__file__).resolve().parents[1] / "book" / "references.bib").read_text(encoding="utf-8")
RACE = l2l.zoo.card("mnist-refined").tests["all digits"]


pytestmark = pytest.mark.usefixtures("drawing")


def words(ax: Axes) -> list[Text]:
    """Every text that is drawn, ticks aside."""
    return [text for text in ax.texts if text.get_text()]


@pytest.mark.parametrize("draw", [lambda: diagrams.race(RACE), diagrams.two_loops, diagrams.history])
def test_words_neither_overlap_nor_are_cut_off(draw) -> None:
    l2l.plots.style()
    ax = draw()
    ax.figure.draw_without_rendering()
    boxes = {text.get_text(): text.get_window_extent() for text in words(ax)}
    page = ax.figure.bbox
    assert all(page.x0 <= box.x0 and box.x1 <= page.x1 for box in boxes.values())
    assert all(page.y0 <= box.y0 and box.y1 <= page.y1 for box in boxes.values())
    overlapping = [(a, b) for a, b in combinations(boxes, 2) if boxes[a].overlaps(boxes[b])]
    assert not overlapping


@pytest.mark.parametrize("key", ["cauchy1847", *diagrams.WRITTEN, *diagrams.LEARNT])
def test_history_is_that_of_the_references(key: str) -> None:
    entry = re.search(rf"@\w+\{{{key},\n(.*?)\n\}}", BIB, re.DOTALL)
    assert entry
    assert re.search(r"year\s*= \{(\d+)\}", entry[1])[1] == str(diagrams.year_of(key))
    works = {"cauchy1847": "Cauchy"} | diagrams.WRITTEN | diagrams.LEARNT
    first = re.search(r"author\s*= \{([^,]+),", entry[1])[1]
    assert first in works[key]


def test_history_shows_every_work_once() -> None:
    shown = " ".join(text.get_text() for text in words(diagrams.history()))
    years = [diagrams.year_of(key) for key in (*diagrams.WRITTEN, *diagrams.LEARNT, "cauchy1847")]
    assert sorted(map(int, re.findall(r"\d{4}", shown))) == sorted(years)


def test_race_says_what_the_card_says() -> None:
    ax = diagrams.race(RACE)
    shown = {text.get_text() for text in words(ax)}
    assert {"learned", *l2l.BASELINES} < shown
    steps = RACE["reach"]["learned"]["0"]
    assert f"learned: there\nafter {steps} steps" in shown


def test_a_map_has_its_own_labels() -> None:
    chapters = {"rule": "Update rules", "losses": ""}
    shown = {text.get_text() for text in diagrams.two_loops(chapters).texts}
    assert "Update rules" in shown
    assert diagrams.WORDS["losses"] not in shown
    assert diagrams.WORDS["sum"] in shown  # what is not named stays


def test_the_map_has_every_chapter() -> None:
    book = Path(__file__).resolve().parents[1] / "book"
    chapters = [nbformat.read(path, as_version=4) for path in sorted(book.glob("[0-9]*.ipynb"))[1:]]
    titles = {chapter.cells[0].source.splitlines()[0].removeprefix("# ") for chapter in chapters}
    shown = " ".join(" ".join(diagrams.CHAPTERS.values()).split())
    assert not [title for title in titles if title not in shown]


def test_ratios_have_one_row_each_and_a_line_at_one() -> None:
    ax = diagrams.ratios({"near": (0.8, 0.7, 0.9), "general, far": (1.4, 1.2, 1.7)})
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["near", "general, far"]
    assert any(list(line.get_xdata()) == [1, 1] for line in ax.lines)
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in dots] == [0.8, 1.4]
    assert dots[0].get_color() != dots[1].get_color()


def test_strokes_count_the_tasks_on_which_the_learned_rule_is_ahead() -> None:
    ax = diagrams.strokes({"Adam": torch.tensor([0.5, 0.9, 1.1]), "SGD": torch.tensor([0.3, 0.4, 0.8])})
    assert [text.get_text() for text in words(ax)] == ["2 of 3", "3 of 3"]
    drawn = [line.get_color() for line in ax.lines if line.get_marker() == "|"]
    assert drawn == [l2l.plots.colour("Adam"), l2l.plots.colour("SGD")]


def test_spread_keeps_words_apart() -> None:
    assert diagrams.spread([1, 2, 9], [2, 2, 4]) == [1, 3, 9]
    assert diagrams.spread([1, 1, 1], [1, 3, 1]) == [1, 3, 5]
    assert diagrams.spread([], []) == []
