"""A verdict follows from a value and its bound, values are read as recorded, and the ledger is whole."""

import json
import math
import re
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
import torch

import l2l_lite as l2l
from l2l_lite import claims, measured
from l2l_lite.claims import EXACT, FAILS, HOLDS, SIGN, UNDECIDED
from l2l_lite.evaluation import Interval

ROOT = Path(__file__).resolve().parents[1]
RAW = tomllib.loads(files("l2l_lite").joinpath("claims.toml").read_text(encoding="utf-8"))
ENTRIES = [entry for section in RAW["claims"].values() for entry in section]
AWAITED = {"neural-art"}  # entries that the page asks for and that the zoo may not have yet

each_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"claim {entry['number']}")


def claim(**bounds):
    entry = {"number": 1, "statement": "It is so.", "source": "Somebody (1900)", "why": "Bad luck."}
    return claims._claim("Here", **(entry | bounds))


def around(value, width):
    return Interval(value, value - width, value + width)


# Verdicts


ONE_SEED, ONE_RUN = ", one seed", ", one run"


@pytest.mark.parametrize(
    ("bounds", "run", "verdict"),
    [
        ({"below": 0.9, "null": 1}, around(0.84, 0.05), HOLDS),
        ({"below": 0.9, "null": 1}, around(0.89, 0.05), SIGN),  # the threshold lies inside the interval
        ({"below": 0.9, "null": 1}, around(0.95, 0.04), SIGN),
        ({"below": 0.9, "null": 1}, around(0.95, 0.06), UNDECIDED),
        ({"below": 0.9, "null": 1}, around(1.2, 0.1), FAILS),
        ({"below": 1}, around(0.99, 0.02), UNDECIDED),
        ({"below": 1}, around(0.9, 0.02), HOLDS),
        ({"above": 1.5, "null": 1}, around(1.6, 0.05), HOLDS),
        ({"above": 1.5, "null": 1}, around(1.6, 0.5), SIGN),
        ({"above": 1.5, "null": 1}, around(1.6, 0.7), UNDECIDED),
        ({"above": 1.5, "null": 1}, around(0.8, 0.1), FAILS),
        ({"above": 1.5, "null": 1}, around(1.0, 0.1), FAILS),  # no effect or a small one, but not that
        ({"between": [1, 30]}, around(15, 14), HOLDS),
        ({"between": [1, 30]}, around(29, 3), UNDECIDED),
        ({"between": [1, 30]}, around(35, 3), FAILS),
        ({"predicted": 2, "tolerance": 0.01}, around(2, 0.015), HOLDS),
        ({"predicted": 2, "tolerance": 0.01}, around(2.5, 0.1), FAILS),
    ],
)
def test_all_of_an_interval_must_lie_where_the_claim_says(bounds, run, verdict):
    assert claim(kind="tasks", **bounds).verdict(run) == verdict
    assert claim(**bounds).verdict(run) == verdict + ONE_SEED
    assert claim(**bounds).verdict([run, run]) == verdict
    assert claim(**bounds).verdict([run, run, run]) == verdict


@pytest.mark.parametrize(
    ("bounds", "value", "verdict"),
    [
        ({"below": 0.9, "null": 1}, 0.89, HOLDS),
        ({"below": 0.9, "null": 1}, 0.95, SIGN),
        ({"below": 0.9, "null": 1}, 1.0, FAILS),
        ({"below": 1}, math.inf, FAILS),
        ({"above": 0}, 0.0, FAILS),
        ({"above": 1}, math.inf, HOLDS),
        ({"between": [1, 30]}, 1, HOLDS),
        ({"between": [1, 30]}, 0.9, FAILS),
    ],
)
def test_a_value_without_an_interval_is_one_run(bounds, value, verdict):
    for kind in ("tasks", "rule"):
        assert claim(kind=kind, **bounds).verdict(value) == verdict + ONE_RUN


@pytest.mark.parametrize(
    ("bounds", "value", "verdict"),
    [
        ({"exactly": 5301}, 5301, EXACT),
        ({"exactly": 5301}, 5302, FAILS),
        ({"below": 1e-6}, 0, EXACT),
        ({"predicted": 1.107, "tolerance": 0.01}, 1.117, EXACT),
        ({"predicted": 1.107, "tolerance": 0.01}, 1.119, FAILS),
        ({"predicted": 1.107, "tolerance": 0.01}, 1.095, FAILS),
    ],
)
def test_what_holds_by_arithmetic_is_no_finding(bounds, value, verdict):
    assert claim(kind="exact", **bounds).verdict(value) == verdict


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.8, 0.8, 0.8], HOLDS),
        ([0.8, 0.8, 1.2], UNDECIDED),  # two thirds, but the interval of their mean contains 1
        ([0.88, 0.88, 0.91], SIGN),  # that interval reaches past the threshold, and not to 1
        ([0.95, 0.95, 0.94], SIGN),
        ([0.8, 1.2, 1.2], UNDECIDED),
        ([1.2, 1.2, 1.3], FAILS),
        ([0.8, 0.8], HOLDS),
        ([0.8, 1.2], UNDECIDED),
        ([1.2, 1.3], FAILS),
        ([0.5, 0.5, 0.5, 0.5, 0.95], HOLDS),
        ([0.5, 0.5, 0.5, math.inf], UNDECIDED),
    ],
)
def test_a_verdict_needs_two_thirds_of_the_meta_seeds_and_the_interval_of_their_mean(values, verdict):
    assert claim(below=0.9, null=1).verdict([around(value, 0.01) for value in values]) == verdict


def test_the_interval_over_meta_seeds_is_students():
    mean, low, high = claims.over_seeds([around(value, 9) for value in (1.0, 2.0, 3.0)])
    assert (mean, low, high) == pytest.approx((2, 2 - 4.30 / 3**0.5, 2 + 4.30 / 3**0.5))
    mean, low, high = claims.over_seeds([around(value, 9) for value in range(20)])
    assert 19 / 2 - low == high - 19 / 2 == pytest.approx(2.31 * 5.916 / 20**0.5, rel=1e-3)


def test_the_median_meta_seed_is_shown_with_how_many_agree_and_with_their_mean():
    seeds = [around(value, 0.25) for value in (0.5, 2.0, 0.25)]
    shown = claim(below=1).result(seeds)
    assert shown.startswith("? **undecided**<br>0.5 [0.25, 0.75], reached by 2 of 3 meta-seeds; their mean ")
    assert "0.9167 [-1.433, 3.266] (claim: below 1)<br>Bad luck." in shown
    assert claim(below=1).result(around(0.5, 0.1)).startswith("(✓) **holds, one seed**<br>0.5 [0.4, 0.6] (")


def test_a_failure_comes_with_its_reason():
    failed = claim(below=1).result(2.0)
    assert failed == "(✗) **does not hold here, one run**<br>2 (claim: below 1)<br>Bad luck."
    assert claim(below=1).result(around(0.9, 0.5)).endswith("<br>Bad luck.")
    assert "Bad luck" not in claim(below=1).result(0.5)
    with pytest.raises(ValueError, match="claim 1 does not hold, and the ledger does not say why"):
        claim(below=1, why="").result(2.0)


def test_what_is_not_measured_says_so_and_what_is_not_a_number_is_refused():
    assert claim(below=1).result(None) == "○ not yet measured"
    with pytest.raises(ValueError, match="not a number"):
        claim(below=1).verdict(math.nan)
    with pytest.raises(ValueError, match="not a number"):
        claim(below=1).verdict([around(0.5, 0.1), Interval(0.5, math.nan, 1.0)])


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ({"below": 1e-6}, "below 1e-06"),
        ({"above": 1.5}, "above 1.5"),
        ({"between": [1.096, 1.118]}, "between 1.096 and 1.118"),
        ({"predicted": 1660, "tolerance": 0.05}, "1,660 ± 5 %"),
        ({"exactly": 5301}, "exactly 5,301"),
    ],
)
def test_criterion_in_words(bounds, words):
    assert claim(**bounds).criterion() == words


# Values


def test_entries_cards_and_tests_that_do_not_exist_are_not_measured(monkeypatch):
    assert measured.from_card("no such rule", "same digits", "final") is None
    assert measured.from_card("mnist", "no such test", "final") is None
    assert measured.card_test("mnist", "no such test") is None
    assert measured.from_card("mnist", "same digits", "final", against="no such rule") is None
    monkeypatch.setattr(l2l.zoo, "names", lambda: ["mnist", "has no card yet"])
    assert measured.from_card("has no card yet", "same digits", "final") is None


def test_ratios_are_those_of_the_card():
    recorded = l2l.zoo.card("quadratic")["tests"]["same family"]["summed"]["ratio"]
    assert [list(seed) for seed in measured.from_card("quadratic", "same family", "summed")] == [
        *recorded.values()
    ]


def test_a_value_that_a_recorded_test_lacks_is_a_fault(monkeypatch):
    with pytest.raises(ValueError, match="card of 'mnist' lacks 'speed' in its test 'same digits'"):
        measured.from_card("mnist", "same digits", "speed")
    card = {"tests": {"same digits": {"final": {"ratio": {}}, "summed": {}}}}
    monkeypatch.setattr(l2l.zoo, "card", lambda name: card)
    with pytest.raises(ValueError, match="lacks 'ratio'"):
        measured.from_card("mnist", "same digits", "summed")
    with pytest.raises(ValueError, match="lacks 'values'"):
        measured.from_card("mnist", "same digits", "final", against="quadratic")


def test_two_cards_are_compared_task_by_task(monkeypatch):
    values = {"mnist": [1.0, 2.0, 3.0, 6.0], "quadratic": [2.0, 4.0, 6.0, 6.0]}

    def card(name):
        return {"tests": {"t": {"tasks": tasks, "final": {"ratio": {}, "values": values[name]}}}}

    monkeypatch.setattr(l2l.zoo, "card", card)
    tasks = 8
    (interval,) = measured.from_card("mnist", "t", "final", against="quadratic")
    assert interval == l2l.ratio(*(torch.tensor(values[name]) for name in values))
    assert interval.low < interval.high
    tasks = 7  # too few for an interval
    (alone,) = measured.from_card("mnist", "t", "final", against="quadratic")
    assert alone == (interval.value,) * 3


def test_a_recorded_interval_over_few_tasks_is_not_used(monkeypatch):
    test = {"tasks": 4, "final": {"ratio": {"0": [0.9, 0.8, 0.95]}}}
    monkeypatch.setattr(l2l.zoo, "card", lambda name: {"tests": {"t": test}})
    assert measured.from_card("mnist", "t", "final") == [(0.9, 0.9, 0.9)]
    assert claim(below=1).verdict(measured.from_card("mnist", "t", "final")) == HOLDS + ONE_RUN


def test_tasks_are_resampled_together():
    losses = torch.tensor([[1.0, 2.0, 4.0, 8.0], [2.0, 4.0, 8.0, 16.0]])  # [rules, tasks]
    ratio = measured.over_tasks(lambda i: losses[0, i].mean() / losses[1, i].mean(), 4)
    assert ratio == pytest.approx((0.5, 0.5, 0.5))
    mean = measured.over_tasks(lambda i: losses[0, i].mean(), 4)
    assert 1 <= mean.low < mean.value == 3.75 < mean.high <= 8
    assert mean == measured.over_tasks(lambda i: losses[0, i].mean(), 4)


def test_values_of_a_recorded_chapter(tmp_path, monkeypatch):
    lines = [
        "other: ratio = 9\n",
        "ratio = 0.97 [0.95, 1e-2] (claim: below 1) ✓\n",
        "loss × -3.5 (claim)\n",
        "none",
    ]
    cells = [
        {"source": "ratio = 5"},
        {"outputs": [{"text": lines[:1]}, {"data": {}}]},
        {"outputs": [{"text": lines[1:]}]},
    ]
    tmp_path.joinpath("chapter.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert measured.from_chapter("chapter", "ratio") == (0.97, 0.95, 0.01)
    assert measured.from_chapter("chapter", "loss ×") == (-3.5, -3.5, -3.5)
    assert measured.from_chapter("no such chapter", "ratio") is None
    for line in ("io =", "none"):
        with pytest.raises(ValueError, match=f"no output that begins with {line!r}"):
            measured.from_chapter("chapter", line)


# The ledger


def test_numbers_are_complete_and_unique():
    assert sorted(entry["number"] for entry in ENTRIES) == list(range(1, len(ENTRIES) + 1))
    assert list(claims.load().claims) == [entry["number"] for entry in ENTRIES]


@each_entry
def test_every_claim_has_a_statement_a_source_and_one_criterion(entry):
    loaded = claims.load().claims[entry["number"]]
    assert loaded.statement.endswith((".", ")"))
    assert loaded.source.strip()
    assert "|" not in loaded.statement + loaded.source + loaded.why
    assert len({"below", "above", "between", "exactly", "predicted"} & set(entry)) == 1
    assert loaded.kind in ("rule", "tasks", "exact")
    assert -math.inf < loaded.least <= loaded.most or loaded.least <= loaded.most < math.inf


@each_entry
def test_every_place_of_a_test_exists(entry):
    for name in entry.get("tested", ()):
        chapter = ROOT / "book" / f"{name}.ipynb"
        assert (chapter if name in RAW["chapters"] else ROOT / "tests" / f"{name}.py").is_file(), name


def test_showing_and_counting():
    ledger = claims.Ledger(
        {1: claim(below=1, tested=["a", "test_b"]), 2: claim(above=1, number=2)}, {"a": "A"}
    )
    with pytest.raises(ValueError, match=r"the claims \[1, 2\] have not been shown"):
        ledger.summary()
    with pytest.raises(ValueError, match=r"the section 'Here' has no claims \[3\]"):
        ledger.show("Here", {3: 1.0})
    table = ledger.show("Here", {1: 0.5})
    assert repr(table) == "Here: 2 rows"
    assert table._repr_markdown_().splitlines()[1:] == [
        "| --- | --- | --- |",
        "| 1 | It is so.<br>*Somebody (1900)*<br>[A](a.ipynb), `test_b` "
        "| (✓) **holds, one run**<br>0.5 (claim: below 1) |",
        "| 2 | It is so.<br>*Somebody (1900)*<br>no chapter yet | ○ not yet measured |",
    ]
    assert ledger.summary().rows[1:] == [
        ["(✓) holds, one run", "**0**", "**1**: 1"],
        ["○ not yet measured", "**0**", "**1**: 2"],
    ]


def test_what_the_figures_of_the_paper_show_is_counted_apart():
    sources = {
        1: "Andrychowicz et al. (2016), figure 4, left",
        2: "This book, after the paper's figure 4",
        3: "Andrychowicz et al. (2016), section 3.1",
        4: "Andrychowicz et al. (2016), figures 11 to 13 (appendix B)",
    }
    entries = {number: claim(number=number, source=source, below=1) for number, source in sources.items()}
    ledger = claims.Ledger(entries, {})
    seeds = [around(0.5, 0.1)] * 3
    ledger.show("Here", {1: seeds, 2: seeds, 3: around(0.5, 0.1), 4: 2.0})
    assert ledger.summary().rows[1:] == [
        ["✓ holds", "**1**: 1", "**1**: 2"],
        ["(✓) holds, one seed", "**0**", "**1**: 3"],
        ["(✗) does not hold here, one run", "**1**: 4", "**0**"],
    ]


# The page


@pytest.fixture(scope="module")
def page():
    return json.loads((ROOT / "book" / "claims.ipynb").read_text(encoding="utf-8"))["cells"]


def source(cell):
    return "".join(cell["source"])


def test_the_page_asks_for_entries_and_tests_that_exist(page):
    asked = re.findall(
        r'measured\.(?:from_card|card_test)\(\s*"([^"]+)",\s*"([^"]+)"', "\n".join(map(source, page))
    )
    assert len(asked) >= 14
    for entry, label in asked:
        if entry in l2l.zoo.names():
            assert label in l2l.zoo.recipe(entry).tests
        else:
            assert entry in AWAITED


def test_the_page_shows_every_claim_once(page):
    shown = [
        out["data"]
        for cell in page
        for out in cell.get("outputs", ())
        if "text/markdown" in out.get("data", {})
    ]
    rows = re.findall(
        r"^\| (\d+) \| .* \| (\(?[✓≈?✗=○]\)?) ",
        "\n".join("".join(d["text/markdown"]) for d in shown),
        re.MULTILINE,
    )
    assert sorted(int(number) for number, _ in rows) == sorted(entry["number"] for entry in ENTRIES)
    sections = [out for out in map(source, page) if "ledger.show(" in out]
    assert [re.search(r'ledger\.show\("([^"]+)"', cell)[1] for cell in sections] == list(RAW["claims"])


def test_links_of_the_page_work_in_the_book(page):
    for cell in page:
        if re.search(r"ledger\.(show|summary)\(", source(cell)):
            assert cell["metadata"]["mystnb"]["markdown_format"] == "myst"
