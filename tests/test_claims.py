"""A verdict follows from a value and its bound, values are read as recorded, and the ledger is whole."""

import json
import math
import re
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

import l2l_lite as l2l
from l2l_lite import claims
from l2l_lite.claims import FAILS, HOLDS, OPEN, SIGN
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


@pytest.mark.parametrize(
    ("bounds", "measured", "verdict"),
    [
        ({"below": 0.9}, None, OPEN),
        ({"below": 0.9}, 0.89, HOLDS),
        ({"below": 0.9}, 0.91, FAILS),
        ({"below": 0.9, "null": 1}, 0.89, HOLDS),
        ({"below": 0.9, "null": 1}, 0.95, SIGN),
        ({"below": 0.9, "null": 1}, 1.0, FAILS),
        ({"below": 0.9, "null": 1}, around(0.89, 0.10), HOLDS),
        ({"below": 0.9, "null": 1}, around(0.89, 0.12), FAILS),
        ({"below": 0.9, "null": 1}, around(0.95, 0.04), SIGN),
        ({"below": 0.9, "null": 1}, around(0.95, 0.06), FAILS),
        ({"below": 1}, around(0.99, 0.02), FAILS),
        ({"below": 1}, math.inf, FAILS),
        ({"above": 1.5}, 1.51, HOLDS),
        ({"above": 1.5}, 1.49, FAILS),
        ({"above": 1.5, "null": 1}, 1.49, SIGN),
        ({"above": 1.5, "null": 1}, 0.99, FAILS),
        ({"above": 1.5, "null": 1}, around(1.6, 0.5), HOLDS),
        ({"above": 1.5, "null": 1}, around(1.6, 0.7), FAILS),
        ({"above": 0}, 0.0, FAILS),
        ({"above": 1}, math.inf, HOLDS),
        ({"between": [1, 30]}, 1, HOLDS),
        ({"between": [1, 30]}, 30, HOLDS),
        ({"between": [1, 30]}, 31, FAILS),
        ({"between": [1, 30]}, 0.9, FAILS),
        ({"between": [0.8, 1.25]}, around(1.2, 0.3), HOLDS),
        ({"exactly": 5301}, 5301, HOLDS),
        ({"exactly": 5301}, 5302, FAILS),
        ({"exactly": 0}, 0, HOLDS),
    ],
)
def test_verdict(bounds, measured, verdict):
    assert claim(**bounds).verdict(measured) == verdict


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.8, 0.8, 0.8], HOLDS),
        ([0.8, 0.8, 1.2], HOLDS),  # two thirds
        ([0.8, 0.95, 1.2], SIGN),
        ([0.95, 0.95, 0.8], SIGN),
        ([0.8, 1.2, 1.2], FAILS),
        ([0.8, 1.2], FAILS),
        ([0.8, 0.8, 0.8, 1.2, 1.2], FAILS),
        ([0.8, 0.8, 0.8, 0.8, 1.2], HOLDS),
    ],
)
def test_a_verdict_needs_two_thirds_of_the_meta_seeds(values, verdict):
    assert claim(below=0.9, null=1).verdict([around(value, 0.01) for value in values]) == verdict


def test_the_median_meta_seed_is_shown_with_how_many_agree():
    seeds = [around(value, 0.25) for value in (0.5, 2.0, 0.25)]
    assert (
        claim(below=1).result(seeds) == "✓ **holds**<br>0.5 [0.25, 0.75], 2 of 3 meta-seeds (claim: below 1)"
    )
    assert ", 1 of 3 meta-seeds" in claim(below=0.4, null=0.6).result(seeds)


def test_a_failure_comes_with_its_reason():
    assert claim(below=1).result(2.0) == "✗ **does not hold here**<br>2 (claim: below 1)<br>Bad luck."
    undecided = claim(below=1).result(around(0.9, 0.5))
    assert undecided.endswith("<br>Undecided, the interval contains 1. Bad luck.")
    assert "Bad luck" not in claim(below=1).result(0.5)
    with pytest.raises(ValueError, match="claim 1 fails, and the ledger does not say why"):
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
        ({"exactly": 5301}, "exactly 5,301"),
    ],
)
def test_criterion_in_words(bounds, words):
    assert claim(**bounds).criterion() == words


# Values


def test_entries_cards_and_tests_that_do_not_exist_are_not_measured(monkeypatch):
    assert claims.from_card("no such rule", "same digits", "final") is None
    assert claims.from_card("mnist", "no such test", "final") is None
    assert claims.card_test("mnist", "no such test") is None
    assert claims.from_card("mnist", "same digits", "final", against="no such rule") is None
    monkeypatch.setattr(l2l.zoo, "names", lambda: ["mnist", "has no card yet"])
    assert claims.from_card("has no card yet", "same digits", "final") is None


def test_ratios_are_those_of_the_card():
    recorded = l2l.zoo.card("quadratic")["tests"]["same family"]["summed"]["ratio"]
    assert [list(seed) for seed in claims.from_card("quadratic", "same family", "summed")] == [
        *recorded.values()
    ]


def test_a_value_that_a_recorded_test_lacks_is_a_fault(monkeypatch):
    with pytest.raises(ValueError, match="card of 'mnist' lacks 'speed' in its test 'same digits'"):
        claims.from_card("mnist", "same digits", "speed")
    card = {"tests": {"same digits": {"final": {}}}}
    monkeypatch.setattr(l2l.zoo, "card", lambda name: card)
    with pytest.raises(ValueError, match="lacks 'ratio'"):
        claims.from_card("mnist", "same digits", "final")
    with pytest.raises(ValueError, match="lacks 'values'"):
        claims.from_card("mnist", "same digits", "final", against="quadratic")


def test_two_cards_are_compared_task_by_task(monkeypatch):
    values = {"mnist": [1.0, 2.0, 3.0], "quadratic": [2.0, 4.0, 6.0]}
    monkeypatch.setattr(l2l.zoo, "card", lambda name: {"tests": {"t": {"final": {"values": values[name]}}}})
    (interval,) = claims.from_card("mnist", "t", "final", against="quadratic")
    assert interval == pytest.approx((0.5, 0.5, 0.5))


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
    assert claims.from_chapter("chapter", "ratio") == (0.97, 0.95, 0.01)
    assert claims.from_chapter("chapter", "loss ×") == (-3.5, -3.5, -3.5)
    assert claims.from_chapter("no such chapter", "ratio") is None
    for line in ("io =", "none"):
        with pytest.raises(ValueError, match=f"no output that begins with {line!r}"):
            claims.from_chapter("chapter", line)


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
    assert len({"below", "above", "between", "exactly"} & set(entry)) == 1
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
        "| ✓ **holds**<br>0.5 (claim: below 1) |",
        "| 2 | It is so.<br>*Somebody (1900)*<br>no chapter yet | ○ not yet measured |",
    ]
    counts = {verdict[2:]: (number, which) for verdict, number, which in ledger.summary().rows[1:]}
    assert counts == {HOLDS: ("**1**", "1"), SIGN: ("**0**", ""), FAILS: ("**0**", ""), OPEN: ("**1**", "2")}


# The page


@pytest.fixture(scope="module")
def page():
    return json.loads((ROOT / "book" / "claims.ipynb").read_text(encoding="utf-8"))["cells"]


def source(cell):
    return "".join(cell["source"])


def test_the_page_asks_for_entries_and_tests_that_exist(page):
    asked = re.findall(
        r'claims\.(?:from_card|card_test)\(\s*"([^"]+)", "([^"]+)"', "\n".join(map(source, page))
    )
    assert len(asked) > 20
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
        r"^\| (\d+) \| .* \| ([✓≈✗○]) ", "\n".join("".join(d["text/markdown"]) for d in shown), re.MULTILINE
    )
    assert sorted(int(number) for number, _ in rows) == sorted(entry["number"] for entry in ENTRIES)
    sections = [out for out in map(source, page) if "ledger.show(" in out]
    assert [re.search(r'ledger\.show\("([^"]+)"', cell)[1] for cell in sections] == list(RAW["claims"])


def test_links_of_the_page_work_in_the_book(page):
    for cell in page:
        if re.search(r"ledger\.(show|summary)\(", source(cell)):
            assert cell["metadata"]["mystnb"]["markdown_format"] == "myst"
