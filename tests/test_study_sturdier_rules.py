"""The study of sturdy rules: every variant trains, is measured and resumed, and sums are what they say."""

import json

import pytest
import torch

import l2l_lite as l2l
from l2l_lite.problems import check_family
from l2l_lite.studies import sturdier_rules as study
from l2l_lite.suite import contest, record, runs

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
    monkeypatch.setattr(study, "wider", lambda: [study.plain()])


@pytest.mark.parametrize("name", study.VARIANTS)
def test_a_variant_is_trained_and_measured(tiny, tmp_path, name):
    path = study.run(name, 1, tmp_path, TINY)
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["variant"] == name
    assert found["seed"] == 1
    assert len(found["scores"]) == 2
    ways = {"", "fading"} if study.VARIANTS[name].fade else {""}
    assert set(found["suite"]) == ways
    for way in ways:
        assert set(found["suite"][way]["diabetes"]) == {"10", "20"}
        assert set(found["suite"][way]["transformer"]) == {"10"}  # too slow to be trained for long


def test_a_run_that_is_there_is_not_made_again(tiny, tmp_path):
    path = tmp_path / "as-it-is-0.json"
    path.write_text("{}")
    assert study.run("as-it-is", 0, tmp_path) == path
    assert path.read_text() == "{}"
    assert not (tmp_path / "as-it-is-0.pt").exists()


def test_a_run_goes_on_where_it_was_stopped(tiny, tmp_path, monkeypatch):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir(), parts.mkdir()
    study.run("fading", 0, whole, TINY)

    def stop(*args, **settings):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(study, "on_suite", stop)
        with pytest.raises(KeyboardInterrupt):
            study.run("fading", 0, parts, TINY)
    monkeypatch.setattr(l2l.training, "_descend", stop)  # training is over
    study.run("fading", 0, parts, TINY)
    one, two = (json.loads((folder / "fading-0.json").read_text()) for folder in (whole, parts))
    assert one["suite"] == two["suite"]


def test_the_families_are_families():
    check_family(study.plain())


def test_more_kinds_of_networks_and_wider_ones_can_be_trained():
    kinds, wider = study.forty_kinds().family.families, study.wider()
    assert len({repr(family) for family in kinds}) == 40
    assert not {repr(family) for family in kinds} & {repr(family) for family in wider}
    for family in [*kinds[30:], *wider]:
        problem = family.sample(2, 0)
        loss, grad = l2l.value_and_grad(problem, problem.theta0, 0)
        assert (loss > 0).all()
        assert grad.isfinite().all()
        assert grad.any()


def test_steps_in_units_of_the_start_grow_with_the_root_of_the_parameters():
    rule, grads = study.StartUnits(), torch.randn(6, 1, 50, generator=torch.Generator().manual_seed(0))

    def steps(start, factor=1.0):
        state, found = rule.init(torch.full((1, 50), start)), []
        for grad in grads:
            step, state = rule(factor * grad, state)
            found.append(step)
        return torch.stack(found)

    torch.testing.assert_close(steps(50.0, 1e-3), 10 * steps(0.5), rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(steps(0.0), 0.1 * steps(0.1))  # and a network that starts at zero moves


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
                else factor * rivals[name]["Adam"][str(steps)]["final"][seed]
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


def test_the_summary_has_a_row_for_each_way_a_rule_is_used():
    runs = [
        {
            "variant": name, "seed": seed, "suite": dict.fromkeys(ways, figures), "scores": [[1.0, 2.0]],
            "seconds": 3.0, "trajectories": 4, "weights": 5,
        }
        for name, ways in (("as-it-is", ("", "fading")), ("uniform", ("",)))
        for seed, figures in runs_of(1.0).items()
    ]  # fmt: skip
    found = study.summary(runs)
    assert set(found["suite"]) == {"as-it-is", "as-it-is, fading", "uniform"}
    assert set(found["suite"]["uniform"]) == {"200", "1000"}
    assert found["scores"]["uniform 2"] == [[1.0, 2.0]]


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
