"""Tables of what others reported and of what the cards recorded."""

import pytest

from l2l_lite import measured, published, zoo


def first_test(entry):
    return next(iter(zoo.card(entry)["tests"].values()))


def test_the_paper_stands_above_what_the_card_recorded():
    test = first_test("mnist")
    head, paper, *_, final, summed = published.beside("mnist", test).rows
    assert head == published.HEAD
    assert paper[2:5] == ["0.25", "0.31 (Nesterov 0.9)", "0.81"]
    for row, criterion in ((final, "final"), (summed, "summed")):
        middle = sorted(test[criterion]["learned"].values())[1]
        loss = test[criterion]["baselines"][test[criterion]["best_baseline"]]
        assert row[2] == f"{middle:.3g}"
        assert row[3].startswith(f"{loss:.3g} (")
        assert float(row[4]) == pytest.approx(middle / loss, abs=0.006)
        assert row[5] == "3"


def test_the_protocol_of_the_paper_is_shown_where_a_card_has_it():
    test = first_test("neural-art")
    sources = [row[0] for row in published.beside("neural-art", test).rows]
    assert "ours, the paper's protocol" in sources
    without = {name: value for name, value in test.items() if name != "paper"}
    assert len(published.beside("neural-art", without).rows) == len(sources) - 1


def test_every_rule_has_a_row_of_results_and_is_made_by_its_name():
    head, *rows = measured.results().rows
    assert [row[0] for row in rows] == zoo.names()
    for row in rows:
        card = zoo.card(row[0])
        assert len(row) == len(head)
        assert card.command == f"l2l train {row[0]}"  # as the page says above the table
        assert len(row[-1].split(", ")) == len(card.seconds)
    general = rows[zoo.names().index("general")]
    assert general[1] == "suite of 20 models, 200 steps"
    on_a_gpu = ["cifar10", "cifar10-held-out", "cifar10-single", "mnist-refined"]
    assert [row[0] for row in rows if row[-1].endswith(" on a GPU")] == on_a_gpu
    art = rows[zoo.names().index("neural-art")]
    test = first_test("neural-art")
    assert art[4] == ", ".join(map(str, test["reach"]["learned"].values())) + " for 64"
    assert art[2].startswith(f"**{test['final']['median_ratio']:.2f}** of Adam<br>")
