"""The suite is fair: same starts and minibatches for all, rates with the best inside, and honest sums."""

import json
import math

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import l2l_lite as l2l
from l2l_lite.cli import app
from l2l_lite.learned import Fading
from l2l_lite.suite import contest, record, report, runs
from l2l_lite.suite.tasks import TASKS, Task

BOWL = Task(
    "a bowl",
    lambda: nn.Linear(1, 1, bias=False),
    lambda: (torch.ones(8, 1),),
    lambda model, x: (model(x) ** 2).mean() + 0.01,
    batch=4,
)


def adam(model):
    return torch.optim.Adam(model.parameters(), 1e-2)


def test_there_are_enough_tasks_of_small_size():
    assert len(TASKS) >= 15
    sizes = [sum(p.numel() for p in task.start(0).parameters()) for task in TASKS.values()]
    assert max(sizes) < 50_000


@pytest.mark.parametrize("name", TASKS)
def test_a_task_depends_on_seed_and_step_alone_and_can_be_trained(name):
    task = TASKS[name]
    one, again, other = task.start(0), task.start(0), task.start(1)
    torch.randn(3)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), again.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    loss_at, later = task.losses(one, 0), task.losses(again, 0)
    expected = [loss_at(t).item() for t in (0, 1)]
    assert [later(t).item() for t in (1, 0)] == expected[::-1]
    loss_at(0).backward()
    used = [p for p in one.parameters() if p.requires_grad]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in used)
    losses = runs.train(task, adam, 60, seed=0)
    assert losses.isfinite().all()
    assert losses[-5:].mean() < losses[:5].mean()


class Refuses(torch.optim.SGD):
    """Does what TorchOptimizer does where a gradient is not finite."""

    def step(self, closure=None):
        raise FloatingPointError


def test_a_run_sees_the_loss_before_each_step_and_stops_where_it_diverges():
    losses = runs.train(BOWL, lambda model: torch.optim.SGD(model.parameters(), 0.25), 20, seed=0)
    above = losses - 0.01
    assert torch.allclose(above[1:10], above[:9] / 4, rtol=1e-3)
    broken = runs.train(BOWL, lambda model: torch.optim.SGD(model.parameters(), 1e20), 20, seed=0)
    assert broken[-1].isnan()
    assert runs.end(broken, 20) == math.inf
    refused = runs.train(BOWL, lambda model: Refuses(model.parameters()), 20, seed=0)
    assert refused.isfinite().sum() == 1


def test_with_a_cosine_the_rate_falls_to_nothing():
    moved = []

    class Watched(torch.optim.SGD):
        def step(self, closure=None):
            moved.append(self.param_groups[0]["lr"])
            return super().step(closure)

    runs.train(BOWL, lambda model: Watched(model.parameters(), 0.1), 10, seed=0, cosine=True)
    assert moved[0] == 0.1
    assert moved[5] == pytest.approx(0.05)
    assert 0 < moved[-1] < 0.01


def test_the_end_is_the_mean_of_the_last_tenth():
    assert runs.end(torch.arange(100.0), 50) == 47.0  # of 45 to 49


def test_the_target_is_reached_when_a_mean_is_down_to_it():
    losses = torch.cat([torch.full((50,), 2.0), torch.full((50,), 1.0)])
    assert runs.reach(losses, 100, 1.0) == 59
    assert runs.reach(losses, 100, 1.5) == 54
    assert runs.reach(losses, 100, 0.9) is None
    assert runs.reach(torch.full((30,), math.nan), 100, 1.0) is None


def test_rates_are_added_until_the_best_is_inside(monkeypatch):
    monkeypatch.setattr(contest, "HORIZONS", (10, 20))

    def train(task, make, steps, seed, cosine=False):
        lr = make(nn.Linear(1, 1)).param_groups[0]["lr"]
        best = 0.1 if steps == 20 else 1e-4
        return torch.full((steps,), 1 + abs(math.log10(lr / best)))

    monkeypatch.setattr(contest, "train", train)
    grid = contest._tune(BOWL, torch.optim.Adam, True, (0,))
    assert sorted(grid) == pytest.approx([10 ** (k / 2) for k in range(-9, 0)])
    assert contest._best(grid, 10) == pytest.approx(1e-4)
    assert contest._best(grid, 20) == pytest.approx(1e-1)


def test_a_constant_rate_is_run_once_for_all_horizons_and_a_falling_one_for_each(monkeypatch):
    lengths = []

    def train(task, make, steps, seed, cosine=False):
        lengths.append(steps)
        return torch.ones(steps)

    monkeypatch.setattr(contest, "train", train)
    contest._runs(BOWL, adam, False, (0,))
    assert lengths == [1000]
    contest._runs(BOWL, adam, True, (0,))
    assert lengths == [1000, 200, 1000]


def test_a_rule_is_told_the_number_of_steps_only_if_it_makes_use_of_it(monkeypatch):
    told = []

    def train(task, make, steps, seed, cosine=False):
        told.append((steps, getattr(make(nn.Linear(1, 1)).rule, "steps", None)))
        return torch.ones(steps)

    rivals = {"AdamW": {str(h): {"final": [1.0]} for h in contest.HORIZONS}}
    monkeypatch.setattr(contest, "train", train)
    contest.learned(BOWL, l2l.Adam(0.1), (0,), rivals)
    assert told == [(1000, None)]
    contest.learned(BOWL, Fading(l2l.Adam(0.1)), (0,), rivals)
    assert told[1:] == [(200, 200), (1000, 1000)]


@pytest.fixture(scope="module")
def figures():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contest, "HORIZONS", (20, 40))
        rivals = contest.baselines(BOWL, (0, 1))
        return rivals, contest.learned(BOWL, l2l.Adam(0.03), (0, 1), rivals)


def test_a_rule_is_measured_as_its_equal_of_pytorch_is(figures):
    rivals, learned = figures
    rate = rivals["AdamW"]["20"]["rate"]
    assert {"AdamW", "Adam", "Adam, cosine", contest.DEFAULT, *contest.FIXED} == set(rivals)
    assert rate > 1e-2  # a start near 1 and 20 steps
    by_hand = runs.train(BOWL, lambda model: torch.optim.Adam(model.parameters(), 0.03), 40, seed=1)
    assert learned["40"]["final"][1] == pytest.approx(runs.end(by_hand, 40), rel=1e-3)


def test_the_tuned_reach_their_own_loss_within_the_horizon(figures):
    rivals, _ = figures
    for h in ("20", "40"):
        assert all(steps <= int(h) for steps in rivals["AdamW"][h]["reach"])


def test_ratios_are_those_of_means_over_seeds():
    one = {"a": {"20": {"final": [1.0, 3.0]}}, "b": {"20": {"final": [1.0, math.inf]}}}
    other = {"a": {"20": {"final": [2.0, 2.0]}}, "b": {"20": {"final": [1.0, 1.0]}}}
    assert report.ratios(one, other, 20) == {"a": 1.0, "b": math.inf}
    assert report.diverged(one) == 1


def test_the_geometric_mean_has_an_interval_over_tasks():
    value, low, high = report.geometric_mean([0.5, 2.0] * 20)
    assert value == pytest.approx(1.0)
    assert 0.7 < low < 1 < high < 1.4
    assert report.geometric_mean([0.8] * 5) == pytest.approx((0.8, 0.8, 0.8))


def test_the_profile_counts_steps_or_seconds_to_the_same_loss():
    reference = {"a": {"20": {"reach": [10, 20]}}}
    one = {"a": {"20": {"reach": [5, None]}}}
    assert report.profile(one, reference, 20) == [0.5, math.inf]
    assert report.profile(one, reference, 20, {"a": 4.0}) == [2.0, math.inf]
    assert report.within([0.5, math.inf], 1) == 0.5


def test_baselines_are_kept_task_by_task_and_not_measured_twice(tmp_path, monkeypatch):
    asked = []

    def each(work, names, jobs):
        asked.extend(names)
        return [(name, {"of": name}) for name in names]

    monkeypatch.setattr(record, "_each", each)
    (tmp_path / "conv.json").write_text('{"of": "before"}')
    path = record.measure_baselines(tmp_path, 1, ["conv", "gelu"])
    content = json.loads(path.read_text())
    assert asked == ["gelu"]
    assert content["tasks"] == {"conv": {"of": "before"}, "gelu": {"of": "gelu"}}
    assert content["seeds"] == list(record.SEEDS)


def test_the_record_has_every_task_and_seed_and_the_tuned_are_no_worse_than_one_of_their_rates():
    content = record.recorded()
    assert set(content["tasks"]) == set(TASKS)
    for rivals in content["tasks"].values():
        assert set(rivals) == {*contest.TUNED, *contest.FIXED, contest.DEFAULT}
        for h in map(str, contest.HORIZONS):
            assert all(len(one[h]["final"]) == len(record.SEEDS) for one in rivals.values())
            assert all(rivals[label][h]["rate"] > 0 for label in contest.TUNED)
            assert sum(rivals["Adam"][h]["final"]) <= sum(rivals[contest.DEFAULT][h]["final"])
            assert all(steps < int(h) for steps in rivals["AdamW"][h]["reach"])


def test_a_rule_in_processes_reaches_again_what_is_recorded():
    task, rule = "breast-cancer", l2l.Adam(1e-3)
    measured = record.measure_rule(rule, 1, [task])
    recorded = record.recorded()["tasks"][task][contest.DEFAULT]
    for h in map(str, contest.HORIZONS):
        assert measured["tasks"][task][h]["final"] == pytest.approx(recorded[h]["final"], rel=0.02)
    assert 0.05 < measured["pace"][task] < 20


def test_the_command_prints_a_table(monkeypatch):
    rivals = record.recorded()["tasks"]
    slow = dict.fromkeys(rivals, 10.0)
    measured = {"tasks": {name: rivals[name]["Adam, cosine"] for name in rivals}, "pace": slow}
    monkeypatch.setattr(record, "measure_rule", lambda rule, jobs: measured)
    result = CliRunner().invoke(app, ["suite", "general"])
    assert result.exit_code == 0, result.output
    assert "200 steps: final loss over that of Adam" in result.output
    line = next(line for line in result.output.splitlines() if line.strip().startswith("a general"))
    assert "geometric mean 1.000 [1.000, 1.000], 0 diverged" in line
    assert "0% of the runs of general reach it in its seconds" in result.output
