"""Every study has a record that says how it was made, and one command makes it again."""

import json
from importlib import import_module

import pytest
import torch
from typer.testing import CliRunner

from l2l_lite import cli, studies
from l2l_lite.problems import Classifier, check_family
from l2l_lite.studies.trajectory_weights import few_digits

LONG = {"sturdier_rules": 3 * 3600}  # seconds of a core; its runs are made side by side


@pytest.mark.parametrize("name", studies.NAMES)
def test_a_study_is_recorded(name):
    record = studies.recorded(name)
    assert record["command"] == f"l2l study {name}"
    assert record["seconds"] <= LONG.get(name, 1800)
    assert set(record) == {"command", "seconds", "device", "versions", "result"}
    assert record["result"]
    module = import_module(f"l2l_lite.studies.{name}")
    assert module.__doc__
    assert callable(module.measure)


@pytest.fixture
def small_study(monkeypatch):
    """A study that takes no time."""

    class Small:
        @staticmethod
        def measure():
            return {"loss": 0.5}

    monkeypatch.setattr(studies, "NAMES", ("small",))
    monkeypatch.setattr(studies, "import_module", lambda name: Small)
    return "small"


def test_the_command_writes_a_record(small_study, tmp_path):
    result = CliRunner().invoke(cli.app, ["study", small_study, "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "small.json").read_text(encoding="utf-8"))
    assert record["result"] == {"loss": 0.5}
    assert record["command"] == "l2l study small"


def test_a_study_may_count_runs_that_were_made_apart(small_study, tmp_path, monkeypatch):
    small = studies.import_module(small_study)
    monkeypatch.setattr(small, "seconds", lambda result: 1000 * result["loss"], raising=False)
    record = json.loads(studies.record(small_study, tmp_path).read_text(encoding="utf-8"))
    assert record["seconds"] == 500


def test_a_missing_record_and_an_unknown_study_are_refused_in_a_sentence(small_study, tmp_path):
    with pytest.raises(
        ValueError, match=r"the record of 'small' in the studies is missing .* l2l study small$"
    ):
        studies.recorded(small_study)
    with pytest.raises(ValueError, match="there is no study 'large'; there are small"):
        studies.recorded("large")
    result = CliRunner().invoke(cli.app, ["study", "large", "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "there is no study" in result.output


def test_few_digits_learn_from_their_own_and_are_judged_by_others():
    family, other = few_digits()
    check_family(family)
    problem = family.sample(tasks=3, seed=0)
    seen = [problem.minibatch(t, 3) for t in range(64)]
    for task in range(3):
        drawn = set(torch.stack(seen)[:, task].flatten().tolist())
        assert drawn == set(problem.own[task].tolist())
        assert len(drawn) == 100
    assert len(problem.held_out().data.train.labels) == 400
    pools = [part.images for data in (family.data, other.data) for part in data]
    assert sum(len(pool) for pool in pools) == 1797
    assert repr(family) != repr(Classifier(family.make_model, family.data, batch=32))
