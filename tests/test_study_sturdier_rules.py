"""The study of sturdy rules: every variant trains, is measured and resumed, and sums are what they say."""

import json
from dataclasses import replace
from itertools import product

import pytest
import torch

import l2l_lite as l2l
from l2l_lite.studies import sturdier_rules as study
from l2l_lite.suite import contest, record, report, runs

TINY = {
    "trajectories": 2, "steps": (2, 4), "unroll_length": 2, "tasks": 1,
    "validate_every": 1, "validation_tasks": 1, "validation_steps": 1,
}  # fmt: skip


@pytest.fixture
def tiny(monkeypatch):
    """Runs of a few steps on two small tasks of the suite, chosen by one small family."""
    monkeypatch.setattr(study, "SHORT", 10)
    monkeypatch.setattr(study, "LONG", 20)
    monkeypatch.setattr(study, "TASKS", {name: study.TASKS[name] for name in ("diabetes", "transformer")})
    recipe = replace(study.RECIPES["general"], make_validation=lambda: [l2l.Quadratic(2)])
    monkeypatch.setitem(study.RECIPES, "general", recipe)


@pytest.mark.parametrize("name", study.VARIANTS)
def test_a_variant_is_trained_and_measured(tiny, tmp_path, name):
    path = study.run(name, 1, tmp_path, TINY)
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["variant"] == name
    assert found["seed"] == 1
    assert set(found["suite"]["diabetes"]) == {"10", "20"}
    assert set(found["suite"]["transformer"]) == {"10"}  # too slow to be trained for long


def test_a_run_that_is_there_is_not_made_again(tiny, tmp_path):
    path = tmp_path / "as-it-is-0.json"
    path.write_text("{}")
    assert study.run("as-it-is", 0, tmp_path) == path
    assert path.read_text() == "{}"
    assert not (tmp_path / "as-it-is-0.pt").exists()


def test_runs_that_are_there_are_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "RUNS", tmp_path)
    monkeypatch.setattr(study, "pace", dict)
    every = list(product(study.VARIANTS, study.SEEDS))
    for name, seed in every:
        (tmp_path / f"{name}-{seed}.json").write_text(json.dumps([name, seed]))
    found = study.measure()
    assert sorted(map(tuple, found["runs"])) == sorted(every)


def test_a_run_goes_on_where_it_was_stopped(tiny, tmp_path, monkeypatch):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir(), parts.mkdir()
    study.run("no-hold", 0, whole, TINY)

    def stop(*args, **settings):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(study, "on_suite", stop)
        with pytest.raises(KeyboardInterrupt):
            study.run("no-hold", 0, parts, TINY)
    monkeypatch.setattr(l2l.training, "_descend", stop)  # training is over
    study.run("no-hold", 0, parts, TINY)
    one, two = (json.loads((folder / "no-hold-0.json").read_text()) for folder in (whole, parts))
    assert one["suite"] == two["suite"]


def test_a_variant_changes_one_thing():
    usual = study.VARIANTS["as-it-is"]
    for name, variant in study.VARIANTS.items():
        changed = [
            variant.make_rule is not usual.make_rule,
            bool(variant.settings),
            variant.make_family is not usual.make_family,
        ]
        assert sum(changed) == {"as-it-is": 0, "cheap-pes": 2}.get(name, 1)
    assert len(study.trained_on(6).family.families) == 6


def test_one_unit_and_ratios_of_any_size():
    grads, starts = torch.ones(1, 50), (torch.full((1, 50), start) for start in (0.01, 1.0))
    units = [study.OneUnit().unit(start) for start in starts]
    assert torch.equal(*units)
    rule = study.NotCutOff()
    seen = [
        one.see(grads, torch.full((3, 1, 50), 9.0), torch.ones(3, 1, 50), torch.ones(4, 1, 1)).max()
        for one in (rule, study.ScaleFree())
    ]
    assert seen == [9.0, 2.0]


def test_a_rule_that_is_told_its_steps_is_run_once_for_each_number(tiny):
    rule = study.Fading(l2l.Adam(0.05))
    found = study.on_task("diabetes", rule, 0)
    assert found["20"] != study.on_task("diabetes", l2l.Adam(0.05), 0)["20"]
    alone = runs.train(study.TASKS["diabetes"], contest.learner(rule.lasting(10)), 10, 0)
    assert found["10"] == pytest.approx(study.end(alone, 10), rel=1e-3)


def runs_of(factor, diverged=()):
    """Figures of three meta-seeds, as many times tuned Adam's losses; none at 1,000 where a run diverged."""
    rivals = record.recorded()["tasks"]
    return {
        seed: {
            name: {
                str(steps): None
                if (seed, name) in diverged
                else factor * rivals[name][report.RIVAL][str(steps)]["final"][seed]
                for steps in ((200, 1000) if name in study.TAKE_LONG else (200,))
            }
            for name in study.TASKS
        }
        for seed in study.SEEDS
    }


def test_ratios_are_paired_and_a_diverged_run_counts_as_the_most():
    rivals = record.recorded()["tasks"]
    found = study.compared(runs_of(0.5), runs_of(0.25), rivals, 200)
    assert found["adam"] == pytest.approx([0.5] * 3, rel=1e-3)
    assert found["as_it_is"] == pytest.approx([2.0] * 3, rel=1e-3)
    assert (found["diverged"], found["runs"], found["tasks"]) == (0, 60, 20)
    broken = study.compared(runs_of(0.5, {(1, "conv")}), runs_of(0.5), rivals, 1000)
    assert (broken["diverged"], broken["runs"], broken["tasks"]) == (1, 36, 12)
    assert broken["as_it_is"][0] == pytest.approx(study.MOST ** (1 / 36), rel=1e-3)
    assert broken["adam_by_seed"][0] == pytest.approx([0.5] * 3, rel=1e-3)
    assert [one[0] for one in broken["as_it_is_by_seed"]] == pytest.approx(
        [1.0, study.MOST ** (1 / 12), 1.0], rel=1e-3
    )


def test_the_summary_has_a_row_for_each_variant():
    runs = [
        {
            "variant": name, "seed": seed, "suite": figures, "wider": 0.1 * seed,
            "seconds": 3.0, "trajectories": 4, "weights": 5,
        }
        for name in ("as-it-is", "uniform")
        for seed, figures in runs_of(1.0).items()
    ]  # fmt: skip
    found = study.summary(runs)
    assert set(found["suite"]) == {"as-it-is", "uniform"}
    assert set(found["suite"]["uniform"]) == {"200", "1000"}
    assert found["wider"]["uniform"] == {"0": 0.0, "1": 0.1, "2": 0.2}
    assert found["trajectories"] == {"as-it-is": 4, "uniform": 4}


def test_an_interval_lies_over_seeds_and_tasks():
    logs = torch.tensor([[0.0, 1.0], [1.0, 2.0]])
    value, low, high = study.interval(logs)
    assert value == pytest.approx(2.718, rel=1e-3)
    assert (low, high) == pytest.approx((1.0, 7.389), rel=1e-3)


def test_meta_seeds_that_are_missing_are_left_out_and_told():
    rivals, some = record.recorded()["tasks"], runs_of(0.5)
    del some[1]
    found = study.compared(some, runs_of(0.25), rivals, 200)
    assert found["seeds"] == [0, 2]
    assert found["as_it_is"] == pytest.approx([2.0] * 3, rel=1e-3)
    assert len(found["as_it_is_by_seed"]) == 2
