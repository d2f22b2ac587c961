"""The command line: train, evaluate, zoo and bench, stopped and resumed, with errors in one sentence."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

import l2l_lite as l2l
from l2l_lite import cli, training
from l2l_lite.zoo import cards
from l2l_lite.zoo.recipes import RECIPES, Recipe, Test

Test.__test__ = False  # not a test of pytest's


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A zoo in an empty folder, with one recipe that is trained in a second."""
    family = lambda: l2l.Quadratic(3)  # noqa: E731
    tiny = Recipe(
        summary="a tiny rule",
        data=lambda: "drawn for a test",
        make_family=family,
        make_rule=lambda seed: l2l.LSTMRule((3,), l2l.identity, seed=seed),
        training={"trajectories": 6, "steps": 5, "validate_every": 2, "validation_tasks": 2},
        seeds=(0, 1),
        tests={"same family": Test(family, steps=12, tasks=4, tuning_tasks=2)},
    )
    monkeypatch.setitem(RECIPES, "tiny", tiny)
    monkeypatch.setattr(l2l.zoo, "names", lambda: ["tiny"])
    monkeypatch.setattr(l2l.zoo, "files", lambda package: tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *arguments):
    """Exit code, output and errors of `l2l` with these arguments."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["l2l", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
    printed = capsys.readouterr()
    return end.value.code or 0, printed.out, printed.err


def weights(path):
    return torch.load(path, weights_only=True)["history"]["best"]


def test_train_evaluate_and_list_an_entry(capsys, folder):
    code, out, err = run(capsys, "train", "tiny", "--out", ".", "--device", "cpu")
    assert code == 0
    assert "meta-seed 1" in out
    assert "6/6" in err  # the progress bar
    assert "loss=" in err
    assert sorted(path.name for path in folder.iterdir()) == [
        *("tiny-0.pt", "tiny-1.pt", "tiny.json", "tiny.safetensors")
    ]
    assert l2l.zoo.card("tiny")["data"] == "drawn for a test"
    shipped = l2l.zoo.card("tiny")["shipped_seed"]
    expected = weights(f"tiny-{shipped}.pt")
    torch.testing.assert_close(dict(l2l.zoo.load("tiny").state_dict()), expected, rtol=0, atol=0)

    code, out, _ = run(capsys, "zoo")
    assert code == 0
    assert "tiny" in out
    assert "a tiny rule" in out

    code, out, _ = run(capsys, "evaluate", "tiny", "--steps", "12", "--tasks", "3", "--device", "cpu")
    assert code == 0
    assert all(label in out for label in [*l2l.BASELINES, "learned"])


def test_the_card_says_what_the_rule_reaches(capsys):
    run(capsys, "train", "tiny", "--out", ".", "--device", "cpu")
    test = l2l.zoo.card("tiny")["tests"]["same family"]
    rule, fresh = l2l.zoo.load("tiny"), l2l.Quadratic(3).sample(4, cards.TEST_SEED)
    losses = l2l.compare({"learned": rule}, fresh, 12)["learned"]
    shipped = str(l2l.zoo.card("tiny")["shipped_seed"])
    assert test["final"]["learned"][shipped] == pytest.approx(l2l.final_loss(losses).mean().item(), rel=1e-3)
    best = test["summed"]["baselines"][test["summed"]["best_baseline"]]
    ratio = l2l.summed_loss(losses).mean().item() / best
    assert test["summed"]["ratio"][shipped][0] == pytest.approx(ratio, rel=2e-3)


def test_one_seed_is_trained_without_a_card(capsys, folder):
    code, _, _ = run(capsys, "train", "tiny", "--seed", "1", "--out", "here", "--device", "cpu")
    assert code == 0
    assert [path.name for path in (folder / "here").iterdir()] == ["tiny-1.pt"]


def test_refining_starts_from_the_best_and_keeps_the_better(capsys, monkeypatch):
    refine = {"trajectories": 4, "lr": 1e-3}
    monkeypatch.setitem(RECIPES, "tiny", replace(RECIPES["tiny"], seeds=(0,), refine=refine))
    assert run(capsys, "train", "tiny", "--out", ".", "--device", "cpu")[0] == 0
    first, second = (torch.load(file, weights_only=True) for file in ("tiny-0.pt", "tiny-0.refined.pt"))
    assert (second["settings"]["trajectories"], second["settings"]["lr"]) == (4, 1e-3)
    assert second["settings"]["steps"] == first["settings"]["steps"]
    better = min(first["history"], second["history"], key=lambda history: min(history["validation"]))
    torch.testing.assert_close(dict(l2l.zoo.load("tiny").state_dict()), better["best"], rtol=0, atol=0)
    card = l2l.zoo.card("tiny")
    assert card["refine"] == refine
    assert card["validation"]["0"] == min(better["validation"])
    code, _, err = run(capsys, "train", "tiny", "--out", ".", "--device", "cpu")
    assert code == 2
    assert "tiny-0.refined.pt exists" in err


def test_ctrl_c_keeps_a_checkpoint_and_resume_goes_on(capsys, monkeypatch):
    trajectory, calls = training._trajectory, []

    def stopped(*args):
        calls.append(args)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return trajectory(*args)

    arguments = ("train", "tiny", "--seed", "0", "--out", ".", "--device", "cpu")
    monkeypatch.setattr(training, "_trajectory", stopped)
    code, out, _ = run(capsys, *arguments)
    assert code == 130
    assert "stopped; the checkpoint is tiny-0.pt; go on with the same command and --resume" in out
    assert len(torch.load("tiny-0.pt", weights_only=True)["history"]["losses"]) == 3

    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert err.strip() == "l2l: tiny-0.pt exists; add --resume to go on from there, or delete it"

    code, _, _ = run(capsys, *arguments, "--resume")
    assert code == 0
    assert len(calls) == 4 + 3
    run(capsys, *arguments, "--out", "uninterrupted")
    torch.testing.assert_close(weights("tiny-0.pt"), weights("uninterrupted/tiny-0.pt"), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "minst"], "l2l: the zoo has no rule named 'minst'; it has tiny"),
        (["evaluate", "minst"], "l2l: the zoo has no rule named 'minst'; it has tiny"),
        (["evaluate", "tiny"], "l2l: the card of 'tiny' in the zoo is missing or damaged"),
        (["zoo"], "l2l: the card of 'tiny' in the zoo is missing or damaged"),
        (["train", "tiny", "--device", "warp"], "l2l: "),
    ],
)
def test_a_fault_gives_one_sentence_and_exit_code_2(capsys, arguments, sentence):
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert err.startswith(sentence)
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in out + err


def test_an_unknown_family_names_the_known_ones(capsys):
    run(capsys, "train", "tiny", "--out", ".", "--device", "cpu")
    code, _, err = run(capsys, "evaluate", "tiny", "--family", "digits", "--device", "cpu")
    assert code == 2
    assert err == f"l2l: there is no family named 'digits'; choose one of {', '.join(l2l.FAMILIES)}\n"


@pytest.mark.parametrize("arguments", [["--steps", "0"], ["--tasks", "-1"], ["--colour", "red"]])
def test_options_that_cannot_be_meant(arguments):
    result = CliRunner().invoke(cli.app, ["evaluate", "tiny", *arguments])
    assert result.exit_code == 2
    assert "Traceback" not in result.output


@pytest.mark.parametrize("command", ["train", "evaluate", "zoo", "bench"])
def test_every_command_explains_itself(command):
    result = CliRunner().invoke(cli.app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_bench_prints_a_line_for_each_setting(capsys, monkeypatch):
    monkeypatch.setattr(cli.benchmark, "WINDOW", 2)
    code, out, _ = run(capsys, "bench", "--rounds", "1", "--device", "cpu")
    lines = [line.split() for line in out.splitlines()]
    assert code == 0
    assert [line[:2] for line in lines[2:6]] == [["M", "1"], ["Q", "1"], ["Q", "32"], ["Q", "128"]]
    assert all(float(number) > 0 for line in lines[2:6] for number in line[2:5])
    assert "GB" in lines[-1]


def test_python_m_is_the_same_command():
    command = [sys.executable, "-m", "l2l_lite", "evaluate", "minst"]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("l2l: the zoo has no rule named 'minst'")
    assert len(done.stderr.splitlines()) == 1
