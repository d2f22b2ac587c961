"""The workflows are valid, deploy what is tested, and do not fail in silence."""

from pathlib import Path

import pytest
import yaml
from check_jsonschema import main as check_jsonschema
from click.testing import CliRunner

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.yml")}
JOBS = [(name, job) for name, workflow in WORKFLOWS.items() for job in workflow["jobs"]]


def commands(name, job):
    return "\n".join(step.get("run", "") for step in WORKFLOWS[name]["jobs"][job].get("steps", []))


def valid(*files):
    arguments = ["--builtin-schema", "vendor.github-workflows", *map(str, files)]
    return CliRunner().invoke(check_jsonschema, arguments)


def test_workflows_follow_the_schema_of_github(tmp_path):
    assert set(WORKFLOWS) == {"pages", "tests", "weekly"}
    found = valid(*FOLDER.glob("*.yml"))
    assert found.exit_code == 0, found.output
    broken = tmp_path / "broken.yml"
    broken.write_text((FOLDER / "tests.yml").read_text(encoding="utf-8").replace("steps:", "step:"))
    assert valid(broken).exit_code == 1


def test_only_what_was_tested_is_deployed():
    assert WORKFLOWS["pages"]["jobs"]["deploy"]["needs"] == "tests"
    assert WORKFLOWS["pages"]["jobs"]["tests"] == {"uses": "./.github/workflows/tests.yml"}
    assert "make test" in commands("tests", "test")
    deploying = [(name, job) for name, job in JOBS if "deploy-pages" in str(WORKFLOWS[name]["jobs"][job])]
    assert deploying == [("pages", "deploy")]


def test_a_weekly_run_that_fails_opens_an_issue():
    jobs = dict(WORKFLOWS["weekly"]["jobs"])
    report = jobs.pop("report")
    assert set(report["needs"]) == set(jobs)
    assert report["if"] == "failure()"
    assert report["permissions"] == {"issues": "write"}
    assert "gh issue create" in commands("weekly", "report")


@pytest.mark.parametrize(("name", "job"), JOBS)
def test_a_job_calls_files_that_exist(name, job):
    words = commands(name, job).replace('"', " ").split()
    named = [word for word in words if "/" in word and word.endswith((".py", ".txt", ".cfg"))]
    assert not [word for word in named if not (ROOT / word).exists()]
