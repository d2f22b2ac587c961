"""Kills, Ctrl-C, full disks, damaged and crafted checkpoints, too little memory, two runs at once."""

import errno
import json
import os
import random
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from kills import TINY
from safetensors.torch import load, save
from samples import kept
from test_cli import run

import l2l_lite as l2l
from l2l_lite import artefacts, checkpoints, cli, jobs, studies
from l2l_lite.history import History
from l2l_lite.seeds import Role, task_seed
from l2l_lite.suite import record
from l2l_lite.zoo.recipes import RECIPES

ARGUMENTS = ("train", "tiny", "--out", ".", "--device", "cpu")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder, and the tiny recipe."""
    monkeypatch.setitem(RECIPES, "tiny", TINY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def one_sentence(text):
    return text.count("\n") <= 1 and len(text) < 300


# Kills and Ctrl-C at any moment, and two runs at once


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory):
    """A folder of runs that were disturbed and resumed, and how their processes ended."""
    if not hasattr(os, "fork"):
        pytest.skip("needs os.fork")
    folder = tmp_path_factory.mktemp("disturbed")
    program = [sys.executable, str(Path(__file__).with_name("kills.py")), str(folder)]
    quiet = {"TQDM_MININTERVAL": "1e9"}  # calls do not depend on the time
    with (folder / "said").open("w") as said:
        subprocess.run(program, env=os.environ | quiet, stdout=said, stderr=said, check=True)
    return folder, json.loads((folder / "ends.json").read_text())


def assert_as_if_undisturbed(folder, run):
    """That a run left what the undisturbed one did, bit for bit, but for its seconds."""
    assert names(folder / run) == names(folder / "whole") == ["tiny-0.ckpt", "tiny-0.stage1.ckpt"]
    for name in names(folder / "whole"):
        found, expected = (kept(folder / one / name) for one in (run, "whole"))
        for parts in (found, expected):
            assert parts["history"].pop("seconds") > 0
            parts["about"].pop("sha256")
        assert found.pop("about") == expected.pop("about")
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("when", ["killed", "killed writing"])
def test_killed_at_twenty_moments_and_resumed_gives_the_same_rule(disturbed, when):
    folder, ends = disturbed
    assert ends["whole"] == 0
    assert ends[when] == [[-9, 0]] * 10
    for k in range(10):
        assert_as_if_undisturbed(folder, f"{when}{k}")


def test_ctrl_c_at_any_moment_and_resumed_gives_the_same_rule(disturbed):
    folder, ends = disturbed
    assert ends["stopped"] == [[130, 0]] * 5
    for k in range(5):
        assert_as_if_undisturbed(folder, f"stopped{k}")


def test_a_second_run_into_the_same_folder_is_refused_and_the_first_goes_on(disturbed):
    folder, ends = disturbed
    assert ends["rival"] == [0, 2]
    assert_as_if_undisturbed(folder, "rival")
    said = (
        f"l2l: another run writes {folder}/rival/tiny-0.ckpt; wait until it is done, or name another folder"
    )
    assert (folder / "said").read_text().splitlines().count(said) == 1
    assert "Traceback" not in (folder / "said").read_text()


def test_nobody_else_gets_a_file_that_is_held_until_it_is_let_go(tmp_path):
    for _ in range(2):
        with artefacts.held(tmp_path / "file"):
            with (
                pytest.raises(ValueError, match="another run writes") as error,
                artefacts.held(tmp_path / "file"),
            ):
                pass
            with artefacts.held(tmp_path / "other"):
                pass
        assert one_sentence(str(error.value))
        assert names(tmp_path) == []


class Stops(l2l.Quadratic):
    """Ctrl-C when tasks of one seed are drawn."""

    at: int

    def sample(self, tasks, seed, device="cpu"):
        if seed == self.at:
            raise KeyboardInterrupt
        return super().sample(tasks, seed, device)


def stopping(at):
    family = Stops(3)
    family.at = at
    return lambda: family


def no_data():
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"make_family": no_data}, []),
        ({"make_family": stopping(task_seed(Role.TRAINING))}, []),
        ({"make_family": stopping(task_seed(Role.TRAINING, trajectory=2))}, ["tiny-0.ckpt"]),
        (
            {"tests": {"same": replace(TINY.tests["same family"], make_family=stopping(Role.TEST))}},
            ["tiny-0.ckpt", "tiny-0.stage1.ckpt"],
        ),
    ],
    ids=["data", "the first trajectory", "a later one", "tests"],
)
def test_ctrl_c_is_one_sentence_wherever_it_comes(folder, capsys, monkeypatch, changes, left):
    monkeypatch.setitem(RECIPES, "tiny", replace(TINY, **changes))
    code, _, err = run(capsys, *ARGUMENTS)
    advice = "; . holds the checkpoint; go on with the same command and --resume" if left else ""
    assert (code, err.splitlines()[-1]) == (130, f"l2l: stopped{advice}")
    assert names(folder) == left


def test_ctrl_c_stops_other_commands_in_one_sentence_too(capsys, monkeypatch):
    monkeypatch.setattr(cli.benchmark, "keep_freed_memory", no_data)
    assert run(capsys, "bench", "--device", "cpu", "--threads", "1")[::2] == (130, "\nl2l: stopped\n")


# A full disk


def interrupted(monkeypatch, capsys):
    """A run that was stopped at its third trajectory, and that nothing stops any more."""
    monkeypatch.setitem(
        RECIPES, "tiny", replace(TINY, make_family=stopping(task_seed(Role.TRAINING, trajectory=2)))
    )
    assert run(capsys, *ARGUMENTS)[0] == 130
    monkeypatch.setitem(RECIPES, "tiny", replace(TINY, make_family=stopping(-1)))


def full(*arguments):
    raise OSError(errno.ENOSPC, "No space left on device")


def assert_refused_and_kept(folder, capsys, reason):
    before = (folder / "tiny-0.ckpt").read_bytes()
    code, _, err = run(capsys, *ARGUMENTS, "--resume")
    assert code == 2
    assert err.splitlines()[-1] == (
        f"l2l: tiny-0.ckpt could not be written ({reason}) and is as it was; "
        "make room, or name another folder"
    )
    assert names(folder) == ["tiny-0.ckpt"]
    assert (folder / "tiny-0.ckpt").read_bytes() == before


def test_a_full_disk_leaves_the_checkpoint_as_it_was(folder, capsys, monkeypatch):
    interrupted(monkeypatch, capsys)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert_refused_and_kept(folder, capsys, "No space left on device")
    assert run(capsys, *ARGUMENTS, "--seed", "0", "--resume")[0] == 0


def test_a_limit_on_the_size_of_files_leaves_the_checkpoint_as_it_was(folder, capsys, monkeypatch):
    resource = pytest.importorskip("resource")
    interrupted(monkeypatch, capsys)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        assert_refused_and_kept(folder, capsys, "File too large")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


WRITERS = {
    "one.safetensors": lambda folder: artefacts.write("one", {"weight": torch.ones(2)}, {}, folder),
    "one.json": lambda folder: record._write(folder / "one.json", {"a": 1}),
    "price.json": lambda folder: studies.record("price", folder),
}


@pytest.mark.parametrize("fault", [full, lambda *_: no_data()], ids=["full disk", "Ctrl-C"])
@pytest.mark.parametrize("name", WRITERS)
def test_nothing_is_written_in_place(tmp_path, monkeypatch, name, fault):
    (tmp_path / name).write_text("the old one")
    monkeypatch.setattr(studies, "import_module", lambda name: studies)
    monkeypatch.setattr(studies, "measure", dict, raising=False)
    monkeypatch.setattr(os, "fsync", fault)
    with pytest.raises((OSError, KeyboardInterrupt)):
        WRITERS[name](tmp_path)
    assert names(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "the old one"


# Checkpoints that are not what they seem


IDENTITY = {"family": "Quadratic(3)", "lr": 0.01, "trajectories": 4}


def fresh():
    """A rule and its optimizer, before meta-training."""
    rule = l2l.LSTMRule((3,), l2l.identity)
    return rule, torch.optim.Adam(rule.parameters())


def written(path):
    """A checkpoint, and what was kept in it."""
    rule, optimizer = fresh()
    for weight in rule.parameters():
        weight.grad = torch.rand_like(weight)
    optimizer.step()
    history = History([0.1, float("nan"), float("inf"), 5e-324], [1 / 3, -2.0], seconds=1e9 + 1e-7)
    for part in (history.best, history.average):
        part |= {name: torch.rand_like(weight) for name, weight in rule.state_dict().items()}
    checkpoints.save(path, IDENTITY, rule, optimizer, history)
    return rule, optimizer, history


def refused(path, sentence, identity=IDENTITY):
    """Refuse in one sentence, and leave rule and optimizer as they are."""
    rule, optimizer = fresh()
    with pytest.raises(ValueError, match=sentence) as error:
        checkpoints.load(path, identity, rule, optimizer)
    assert str(error.value).startswith(str(path))
    assert one_sentence(str(error.value).replace(str(path), ""))
    torch.testing.assert_close(rule.state_dict(), fresh()[0].state_dict(), rtol=0, atol=0)
    assert not optimizer.state_dict()["state"]


def test_a_checkpoint_comes_back_bit_for_bit(tmp_path):
    rule, optimizer, history = written(tmp_path / "run.ckpt")
    again, optimizer_again = fresh()
    found = checkpoints.load(tmp_path / "run.ckpt", IDENTITY, again, optimizer_again)
    same = {"rtol": 0, "atol": 0, "equal_nan": True}
    torch.testing.assert_close(vars(found), vars(history), **same)
    torch.testing.assert_close(again.state_dict(), rule.state_dict(), **same)
    torch.testing.assert_close(optimizer_again.state_dict()["state"], optimizer.state_dict()["state"], **same)


class Tied(l2l.UpdateRule):
    """A rule with one weight by two names, which does not lie in memory as it is read."""

    def __init__(self):
        super().__init__()
        self.one = self.other = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3).T)


def test_weights_by_two_names_come_back(tmp_path):
    rule, again = Tied(), Tied()
    checkpoints.save(tmp_path / "run.ckpt", IDENTITY, rule, torch.optim.Adam(rule.parameters()), History())
    with torch.no_grad():
        again.one.zero_()
    checkpoints.load(tmp_path / "run.ckpt", IDENTITY, again, torch.optim.Adam(again.parameters()))
    torch.testing.assert_close(again.state_dict(), rule.state_dict(), rtol=0, atol=0)


def test_every_flipped_bit_is_found(tmp_path):
    path = tmp_path / "run.ckpt"
    written(path)
    content = path.read_bytes()
    length = range(64)  # of the header, which says how all else is read
    for bit in [*length, *random.Random(0).sample(range(8 * len(content)), 300)]:
        altered = bytearray(content)
        altered[bit // 8] ^= 1 << bit % 8
        path.write_bytes(altered)
        refused(path, "is not a whole checkpoint; delete it")


def test_every_missing_end_is_found(tmp_path):
    path = tmp_path / "run.ckpt"
    written(path)
    content = path.read_bytes()
    for end in [*range(12), *random.Random(0).sample(range(len(content)), 30), len(content) - 1]:
        path.write_bytes(content[:end])
        refused(path, "is not a whole checkpoint; delete it")
    path.write_bytes(content + b"\0")
    refused(path, "is not a whole checkpoint; delete it")


def crafted(path, changes, about=None):
    """A whole checkpoint of other content, with its checksum."""
    written(path)
    tensors, known = load(path.read_bytes()), kept(path)["about"]
    tensors = {name: tensor for name, tensor in (tensors | changes).items() if tensor is not None}
    path.write_bytes(checkpoints._sealed(save(tensors, known | (about or {}))))


@pytest.mark.parametrize(
    ("changes", "about", "sentence"),
    [
        (
            {},
            {"format": "l2l_lite checkpoint 0"},
            "was written by another version of l2l_lite; go on with that",
        ),
        ({}, {"lr": "0.02"}, r"belongs to another run \(other lr\)"),
        ({"rule/output.bias": torch.zeros(2)}, {}, "holds the weights of another rule"),
        ({"rule/output.bias": None}, {}, "holds the weights of another rule"),
        ({"best/output.bias": torch.zeros(1, 1)}, {}, "holds the weights of another rule"),
        ({"average/more": torch.zeros(1)}, {}, "holds the weights of another rule"),
        ({"adam0/exp_avg": torch.zeros(1)}, {}, "holds the weights of another rule"),
        ({"adam0/step": None}, {}, "holds the weights of another rule"),
        ({"history/losses": None}, {}, "is not a whole checkpoint"),
        ({"history/losses": torch.zeros(2, 2)}, {}, "is not a whole checkpoint"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, changes, about, sentence):
    crafted(tmp_path / "run.ckpt", changes, about)
    refused(tmp_path / "run.ckpt", sentence)


def header(text):
    return len(text).to_bytes(8, "little") + text


HUGE = b'{"__metadata__":{"sha256":"%064d"},"rule/x":{"dtype":"F32","shape":[%d],"data_offsets":[0,%d]}}'
BOMBS = {
    "a long header": (1 << 62).to_bytes(8, "little") + b'{"sha256":"',
    "a long array": header(HUGE % (0, 1 << 40, 1 << 42)),
    "a longer array": header(HUGE % (0, 1 << 62, 1 << 64)),
    "deep lists": header(b'{"sha256":"%064d","a":%s' % (0, 100_000 * b"[")),
    "many lists": header(b'{"sha256":"%064d","a":[%s[]]}' % (0, 300_000 * b"[],")),
    "more lists": header(b'{"sha256":"%064d","a":[%s[]]}' % (0, 3_000_000 * b"[],")),
}


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS)
def test_a_crafted_file_does_not_exhaust_memory(tmp_path, content):
    (tmp_path / "run.ckpt").write_bytes(checkpoints._sealed(content))
    tracemalloc.start()
    refused(tmp_path / "run.ckpt", "is not a whole checkpoint")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1e8


def test_no_more_is_read_than_a_checkpoint_can_hold(tmp_path):
    with (tmp_path / "run.ckpt").open("wb") as file:
        file.truncate(1 << 38)  # of holes
    refused(tmp_path / "run.ckpt", "is not a whole checkpoint")


# Too little memory


def of_a_processor():
    torch.empty(1 << 60)


def of_a_gpu():
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


def of_python():
    bytearray(1 << 62)


@pytest.mark.parametrize("fault", [of_a_processor, of_a_gpu, of_python])
def test_too_little_memory_says_what_to_do(folder, capsys, monkeypatch, fault):
    monkeypatch.setitem(RECIPES, "tiny", replace(TINY, make_family=fault))
    assert run(capsys, *ARGUMENTS)[::2] == (
        2,
        "l2l: the memory is not enough; take fewer tasks, shorter windows (unroll_length), "
        "or a sample of the coordinates, such as TruncatedBPTT(one_in=10)\n",
    )


def test_a_meta_seed_that_was_killed_beside_others_says_so(folder, capsys, monkeypatch):
    monkeypatch.setattr(jobs.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], -9))
    code, _, err = run(capsys, *ARGUMENTS, "--jobs", "2")
    assert code == 2
    assert err.startswith("l2l: meta-seed 0 of tiny was killed (signal 9), perhaps for want of memory; go on")
    assert one_sentence(err)
