"""The command line: train, evaluate, zoo and bench, stopped and resumed, with errors in one sentence."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from samples import kept
from typer.testing import CliRunner

import l2l_lite as l2l
from l2l_lite import artefacts, cli
from l2l_lite.seeds import Role, task_seed
from l2l_lite.zoo.recipes import RECIPES, Recipe, Test

SHIPPED = artefacts.FOLDER
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
        stages=({"trajectories": 6, "steps": 5, "validate_every": 2, "validation_tasks": 2},),
        seeds=(0, 1),
        tests={"same family": Test(family, steps=12, tasks=4, tuning_tasks=2)},
    )
    monkeypatch.setitem(RECIPES, "tiny", tiny)
    monkeypatch.setattr(l2l.zoo, "names", lambda: ["tiny"])
    monkeypatch.setattr(artefacts, "FOLDER", tmp_path)
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
    return kept(path)["best"]


def test_train_evaluate_and_list_an_entry(capsys, folder):
    code, out, err = run(capsys, "train", "tiny", "--out", ".", "--device", "cpu")
    assert code == 0
    assert "meta-seed 1" in out
    assert "6/6" in err  # the progress bar
    assert "loss=" in err
    assert sorted(path.name for path in folder.iterdir()) == [
        *("tiny-0.ckpt", "tiny-1.ckpt", "tiny.json", "tiny.safetensors")
    ]
    assert l2l.zoo.card("tiny")["data"] == "drawn for a test"
    shipped = l2l.zoo.card("tiny")["shipped_seed"]
    expected = weights(f"tiny-{shipped}.ckpt")
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
    rule, fresh = l2l.zoo.load("tiny"), l2l.Quadratic(3).sample(4, task_seed(Role.TEST))
    losses = l2l.compare({"learned": rule}, fresh, 12)["learned"]
    shipped = str(l2l.zoo.card("tiny")["shipped_seed"])
    assert test["final"]["learned"][shipped] == pytest.approx(l2l.final_loss(losses).mean().item(), rel=1e-3)
    best = test["summed"]["baselines"][test["summed"]["best_baseline"]]
    ratio = l2l.summed_loss(losses).mean().item() / best
    assert test["summed"]["ratio"][shipped][0] == pytest.approx(ratio, rel=2e-3)


def test_one_seed_is_trained_without_a_card(capsys, folder):
    code, _, _ = run(capsys, "train", "tiny", "--seed", "1", "--out", "here", "--device", "cpu")
    assert code == 0
    assert [path.name for path in (folder / "here").iterdir()] == ["tiny-1.ckpt"]


def test_every_stage_has_a_checkpoint_that_is_not_written_over(capsys, monkeypatch):
    tiny = RECIPES["tiny"]
    stages = (*tiny.stages, {"trajectories": 4, "lr": 1e-3})
    monkeypatch.setitem(RECIPES, "tiny", replace(tiny, seeds=(0,), stages=stages))
    assert run(capsys, "train", "tiny", "--out", ".", "--device", "cpu")[0] == 0
    checkpoints = [kept(f"tiny-0{end}") for end in (".ckpt", ".stage1.ckpt")]
    better = min(checkpoints, key=lambda one: min(one["history"]["validation"]))
    torch.testing.assert_close(dict(l2l.zoo.load("tiny").state_dict()), better["best"], rtol=0, atol=0)
    card = l2l.zoo.card("tiny")
    assert card.stages == list(stages)
    assert card.validation["0"] == min(better["history"]["validation"])
    os.remove("tiny-0.ckpt")
    code, _, err = run(capsys, "train", "tiny", "--out", ".", "--device", "cpu")
    assert code == 2
    assert err == "l2l: tiny-0.stage1.ckpt exists; add --resume to go on from there, or delete it\n"


class Interrupted(l2l.Quadratic):
    """Ctrl-C when the tasks of the fourth trajectory are drawn, once."""

    def sample(self, tasks, seed, device="cpu"):
        fourth = task_seed(Role.TRAINING, trajectory=3)
        if seed == fourth and not vars(self).setdefault("done", []):
            self.done.append(seed)
            raise KeyboardInterrupt
        return super().sample(tasks, seed, device)


def test_ctrl_c_keeps_a_checkpoint_and_resume_goes_on(capsys, monkeypatch):
    family = Interrupted(3)
    monkeypatch.setitem(RECIPES, "tiny", replace(RECIPES["tiny"], make_family=lambda: family))
    arguments = ("train", "tiny", "--seed", "0", "--out", ".", "--device", "cpu")
    code, _, err = run(capsys, *arguments)
    assert code == 130
    assert "l2l: stopped; . holds the checkpoint; go on with the same command and --resume" in err
    assert len(kept("tiny-0.ckpt")["history"]["losses"]) == 3

    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert err.strip() == "l2l: tiny-0.ckpt exists; add --resume to go on from there, or delete it"

    code, _, _ = run(capsys, *arguments, "--resume")
    assert code == 0
    run(capsys, *arguments, "--out", "uninterrupted")
    torch.testing.assert_close(weights("tiny-0.ckpt"), weights("uninterrupted/tiny-0.ckpt"), rtol=0, atol=0)


@pytest.mark.parametrize("seed", ["-1", "1000"])
def test_a_seed_out_of_range_is_refused_before_anything_is_written(capsys, folder, seed):
    code, _, err = run(capsys, "train", "tiny", "--seed", seed, "--out", "new", "--device", "cpu")
    assert code == 2
    assert err == f"l2l: seed must be at least 0 and below 1,000, but seed={seed}\n"
    assert not list(folder.iterdir())


@pytest.mark.parametrize("command", [["train", "tiny"], ["features"]])
def test_a_folder_that_cannot_be_written_to_is_refused_at_once(capsys, folder, command):
    (folder / "file").write_text("not a folder")
    code, out, err = run(capsys, *command, "--out", "file/runs", "--device", "cpu")
    assert code == 2
    assert err.startswith("l2l: --out file/runs cannot be written to (Not a directory); name another")
    assert "meta-seed" not in out


NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without a GPU")


@pytest.mark.parametrize(
    ("device", "sentence"),
    [
        *(
            (name, f"l2l: there is no device {name!r}; choose")
            for name in ("warp", "cuda:", "cuda:x", "cpu:1")
        ),
        ("cuda:99", "l2l: PyTorch sees "),
        pytest.param("cuda", "l2l: PyTorch sees no GPU here, but not cuda; use", marks=NO_GPU),
        pytest.param("cuda:0", "l2l: PyTorch sees no GPU here, but not cuda:0; use", marks=NO_GPU),
    ],
)
def test_devices_that_are_not_there(capsys, device, sentence):
    code, _, err = run(capsys, "bench", "--device", device)
    assert code == 2
    assert err.startswith(sentence)
    assert len(err.splitlines()) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("device", ["auto", "cuda", "cuda:0"])
def test_a_gpu_by_its_names(capsys, device):
    code, out, _ = run(capsys, "train", "tiny", "--seed", "0", "--device", device)
    assert code == 0
    assert "on cuda" in out


def test_a_rule_for_kinds_of_weights_does_not_fit_other_tasks(capsys, monkeypatch):
    monkeypatch.setattr(artefacts, "FOLDER", SHIPPED)
    code, _, err = run(capsys, "evaluate", "cifar10", "--family", "quadratic", "--device", "cpu")
    assert code == 2
    assert err == f"l2l: cifar10 was made for other tasks than quadratic: {RECIPES['cifar10'].summary}\n"


def test_debug_keeps_the_traceback_and_python_m_is_the_same_command(capsys):
    assert run(capsys, "evaluate", "minst")[0] == 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["l2l", "--debug", "train", "minst"])
        with pytest.raises(ValueError, match="the zoo has no rule named 'minst'"):
            cli.main()
    command = [sys.executable, "-m", "l2l_lite", "--debug", "evaluate", "minst"]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.splitlines()[-1].startswith("ValueError: the zoo has no rule named 'minst'")


@pytest.mark.parametrize("kind", [ValueError, OSError, FloatingPointError, RuntimeError])
def test_errors_of_several_lines_become_one(capsys, monkeypatch, kind):
    def make_rule(seed):
        raise kind("sizes\n\tdiffer")

    monkeypatch.setitem(RECIPES, "tiny", replace(RECIPES["tiny"], make_rule=make_rule))
    code, _, err = run(capsys, "train", "tiny", "--device", "cpu")
    assert (code, err) == (2, "l2l: sizes differ\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "minst"], "l2l: the zoo has no rule named 'minst'; it has tiny"),
        (["evaluate", "minst"], "l2l: the zoo has no rule named 'minst'; it has tiny"),
        (["evaluate", "tiny"], "l2l: the card of 'tiny' in the zoo is missing or damaged"),
        (["zoo"], "l2l: the card of 'tiny' in the zoo is missing or damaged"),
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


@pytest.mark.parametrize("command", [command.callback.__name__ for command in cli.app.registered_commands])
def test_every_command_explains_itself(command):
    result = CliRunner().invoke(cli.app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


@pytest.fixture
def short(monkeypatch):
    """A bench of few steps; the number of threads is left as it was."""
    monkeypatch.setattr(cli.benchmark, "WINDOW", 2)
    threads = torch.get_num_threads()
    yield ["bench", "--rounds", "1", "--threads", "1", "--device", "cpu"]
    torch.set_num_threads(threads)


def test_bench_prints_a_line_for_each_contestant(capsys, short, monkeypatch):
    monkeypatch.setattr(cli.benchmark, "measure", lambda *_, compiled: cli.benchmark.recorded())
    code, out, _ = run(capsys, *short)
    lines = out.splitlines()
    assert code == 0
    assert "; PyTorch " in lines[0]
    assert lines[1].startswith("freed memory is ")
    assert lines[2].split() == ["ms", "a", "task-step", "M", "×1", "Q", "×1", "Q", "×32", "Q", "×128"]
    numbers = {line[:22].strip(): line[22:].split() for line in lines[3:] if "small tensors" not in line}
    assert list(numbers)[:6] == ["sampled", "identity", "unroll", "deployed", "Adam", "floor"]
    assert all(float(row[0]) > 0 for row in numbers.values() if len(row) == 4)
    assert [line.split()[-2:] for line in lines[-3:]] == [["small", "tensors"]] * 3


def test_bench_measures_what_is_recorded(capsys, short):
    code, out, _ = run(capsys, *short, "--json")
    found = json.loads(out)
    assert code == 0
    assert [(load["name"], load["tasks"]) for load in found["workloads"]] == [
        ("M", 1),
        ("Q", 1),
        ("Q", 32),
        ("Q", 128),
    ]
    for load in found["workloads"]:
        ms = load["milliseconds"]
        assert load["floor's share"] == pytest.approx(ms["floor"] / ms["deployed"], rel=1e-2)
        assert load["deployed over Adam"] == pytest.approx(ms["deployed"] / ms["Adam"], rel=1e-2)
    assert found.keys() == cli.benchmark.recorded().keys() - {"command"}


SITE = """
import l2l_lite as l2l
from l2l_lite.zoo.recipes import RECIPES, Recipe

RECIPES["tiny"] = Recipe(
    summary="a tiny rule",
    data=lambda: "drawn for a test",
    make_family=lambda: l2l.Quadratic(3),
    make_rule=lambda seed: l2l.LSTMRule((3,), l2l.identity, scale={scale}, seed=seed),
    stages=({{"trajectories": 6, "steps": 5, "validate_every": 2, "validation_tasks": 2}},),
    seeds=(0, 1),
)
"""


def children_know_tiny(folder, monkeypatch, scale=0.1):
    """Let a process that begins know the recipe too."""
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(SITE.format(scale=scale), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder / "site"), *sys.path]))


def test_meta_seeds_side_by_side_learn_what_they_learn_one_after_another(capsys, folder, monkeypatch):
    children_know_tiny(folder, monkeypatch)
    assert run(capsys, "train", "tiny", "--out", "one", "--device", "cpu")[0] == 0
    code, out, _ = run(capsys, "train", "tiny", "--out", "both", "--device", "cpu", "--jobs", "2")
    assert code == 0
    assert "wrote both/tiny.safetensors" in out
    for name in ("tiny-0.ckpt", "tiny-1.ckpt"):
        torch.testing.assert_close(weights(f"both/{name}"), weights(f"one/{name}"), rtol=0, atol=0)
    assert "6/6" in (folder / "both" / "tiny-1.log").read_text(encoding="utf-8")
    assert not (folder / "one" / "tiny-1.log").exists()


def test_a_meta_seed_that_fails_in_a_process_of_its_own_is_named(capsys, folder, monkeypatch):
    children_know_tiny(folder, monkeypatch, scale="1e38")
    arguments = ("train", "tiny", "--seed", "1", "--out", "here", "--device", "cpu", "--jobs", "2")
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert err.startswith("l2l: meta-seed 1 of tiny failed: l2l: meta-training stopped after")
    assert not (folder / "here" / "tiny.json").exists()
