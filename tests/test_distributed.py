"""Processes that share tasks learn what one process learns, agree on NaN, and end in one sentence."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from processes import RUNS, Quadratics, train
from samples import kept

import l2l_lite as l2l
from l2l_lite import distributed
from l2l_lite.distributed import Ranks
from l2l_lite.problems import FAMILIES, Mixture
from l2l_lite.problems.base import select
from l2l_lite.problems.mixture import Rescaled

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks processes")
CLOSE = {"rtol": 0, "atol": 1e-6}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What pairs of processes left behind; all of them are forks of one program."""
    where = tmp_path_factory.mktemp("processes")
    program = Path(__file__).with_name("processes.py")
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, program, where], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return where


@pytest.fixture(scope="module")
def codes(folder):
    return torch.load(folder / "codes.pt")


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_learn_what_one_learns(name, folder, codes):
    assert codes["runs"] == [0, 0]
    first, second = (torch.load(folder / f"runs-{rank}.pt")[name] for rank in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(first, train(name), **CLOSE, equal_nan=True)
    assert [loss != loss for loss in first["losses"]] == [
        name == "NaN" and k == 2 for k in range(len(first["losses"]))
    ]


MISSED = "another process of this run ended or did not answer in time; start all of them again, with --resume"


def test_a_process_that_says_no_more_ends_the_wait_of_the_others(folder, codes):
    assert codes["silence"] == [0, -signal.SIGKILL]
    assert (folder / "silence.txt").read_text(encoding="utf-8") == MISSED


def log(folder, name, rank):
    """The lines that a process printed, without the progress bar."""
    lines = (folder / f"{name}-{rank}.log").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and "/6 [" not in line]


def test_a_process_that_dies_ends_the_command_in_one_sentence(folder, codes):
    assert codes["killed"] == [2, -signal.SIGKILL]
    shared = "tiny, meta-seed 0, on cpu, shared by 2 processes"
    assert log(folder, "killed", 0) == [shared, f"l2l: {MISSED}"]
    assert log(folder, "killed", 1) == []


def test_started_again_they_end_with_the_same_phi(folder, codes):
    assert codes["restarted"] == [0, 0]
    assert log(folder, "restarted", 1) == []
    (checkpoint,) = (folder / "runs").iterdir()
    rule = l2l.LSTMRule((3,), l2l.identity)
    settings = {"steps": 5, "tasks": 3, "validate_every": 2, "validation_tasks": 2}
    history = l2l.meta_train(rule, Quadratics(), trajectories=6, **settings)
    found, losses = kept(checkpoint), torch.tensor(history.losses, dtype=torch.float64)
    torch.testing.assert_close(found["history"]["losses"], losses, **CLOSE)
    torch.testing.assert_close(found["best"], history.best, **CLOSE)


def test_jobs_have_no_ranks(folder, codes):
    assert codes["jobs"] == [2, 2]
    for rank in range(2):
        assert log(folder, "jobs", rank) == [
            "l2l: processes that share tasks take one meta-seed at a time; leave out --jobs"
        ]


@pytest.fixture
def third_of_three(monkeypatch):
    monkeypatch.setattr(distributed.dist, "get_rank", lambda: 2)
    monkeypatch.setattr(distributed.dist, "get_world_size", lambda: 3)
    return Ranks()


def test_every_task_has_one_process(third_of_three):
    problem, parts = l2l.Quadratic(3).sample(7, 0), []
    for third_of_three.rank in range(3):
        parts.append(third_of_three.share(problem))
    assert [len(part.theta0) for part in parts] == [2, 2, 3]
    for name in ("W", "y", "theta0"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(problem, name))


def test_fewer_tasks_than_processes_are_refused(third_of_three):
    with pytest.raises(
        ValueError, match=r"^3 processes cannot share 2 tasks: start no more processes"
    ) as error:
        third_of_three.share(l2l.Quadratic(3).sample(2, 0))
    assert "\n" not in str(error.value)


def test_a_problem_that_cannot_be_shared_is_refused(third_of_three):
    class Bare:
        theta0 = torch.zeros(3, 2)

    with pytest.raises(
        ValueError, match=r"^the tasks of Bare cannot be shared by processes: give it a method"
    ):
        third_of_three.share(Bare())


SHARED = {name: FAMILIES[name] for name in ("quadratic", "digits8", "crops", "neural-art")} | {
    "rescaled": lambda: Rescaled(Mixture([FAMILIES["digits8"](), l2l.Quadratic()]), 0.5, 0.5, 2.0),
}


@pytest.mark.parametrize("name", SHARED)
def test_a_part_of_a_problem_has_the_losses_of_the_whole(name):
    problem = SHARED[name]().sample(4, 3)
    theta, rows = problem.theta0, slice(1, 3)
    part = select(problem, rows)
    assert torch.equal(part.theta0, theta[rows])
    for t in (1, 40):
        torch.testing.assert_close(part.loss(theta[rows], t), problem.loss(theta, t)[rows])
    if hasattr(problem, "held_out"):
        judged, judge = part.held_out(), problem.held_out()
        torch.testing.assert_close(judged.loss(theta[rows], 1), judge.loss(theta, 1)[rows])


@pytest.mark.parametrize(
    ("device", "sentence"),
    [("cuda:0", "each process takes a GPU of its own"), ("cuda", "PyTorch sees 1 GPUs here")],
)
def test_each_process_takes_a_gpu_of_its_own(monkeypatch, device, sentence):
    for name, value in {
        "RANK": "1",
        "WORLD_SIZE": "2",
        "LOCAL_RANK": "1",
        "MASTER_ADDR": "",
        "MASTER_PORT": "0",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match=sentence):
        distributed.join(torch.device(device))


def test_a_process_that_nothing_started_with_others_is_alone():
    assert distributed.join(torch.device("cpu")) == (distributed.ALONE, torch.device("cpu"))
