"""Processes that share tasks learn what one process learns, agree on NaN, and end in one sentence."""

import os
import signal
import sys
from dataclasses import dataclass
from datetime import timedelta

import pytest
import ranks
import torch
import torch.distributed as dist
from samples import kept

import l2l_lite as l2l
from l2l_lite import cli, distributed
from l2l_lite.distributed import ALONE, Ranks
from l2l_lite.estimators import PES
from l2l_lite.problems import FAMILIES, Mixture
from l2l_lite.problems.base import select
from l2l_lite.problems.mixture import Rescaled
from l2l_lite.seeds import Role, task_seed
from l2l_lite.zoo.recipes import RECIPES, Recipe

CLOSE = {"rtol": 0, "atol": 1e-6}
FIRST = task_seed(Role.TRAINING)


@dataclass(frozen=True)
class Quadratics:
    """Quadratics; of one seed the last is NaN, and another kills the second process unless started again."""

    nan: int = 0
    deadly: int = 0

    def sample(self, tasks, seed, device="cpu"):
        if seed == self.deadly and os.environ.get("RANK") == "1" and not distributed.restarted():
            os.kill(os.getpid(), signal.SIGKILL)
        problem = l2l.Quadratic(3).sample(tasks, seed, device)
        if seed == self.nan:
            problem.y[-1] = torch.nan
        return problem


RUNS = {
    "backpropagation": {},
    "lengths drawn": {"steps": (4, 12)},
    "sampled coordinates": {"estimator": l2l.TruncatedBPTT(one_in=2)},
    "clipped tasks": {"estimator": l2l.TruncatedBPTT(second_derivatives=True, clip_each=0.1)},
    "ES": {"estimator": l2l.ES(pairs=2)},
    "PES": {"estimator": PES()},
    "NaN": {"family": Quadratics(nan=FIRST + 2)},
    "minibatches": {"family": l2l.FAMILIES["digits8"](), "tasks": 3, "trajectories": 2},
}


def train(name, ranks=ALONE):
    """φ and scores of a run whose tasks two processes cannot share evenly."""
    settings = {"trajectories": 6, "steps": 6, "unroll_length": 3, "tasks": 5, "family": l2l.Quadratic(3)}
    settings |= {"validate_every": 2, "validation_tasks": 3}
    rule = l2l.LSTMRule((4,), l2l.identity, seed=ranks.rank)
    history = l2l.meta_train(rule, **settings | RUNS[name], ranks=ranks)
    phi = torch.cat([weight.detach().flatten() for weight in rule.parameters()])
    return {"phi": phi, "losses": history.losses, "validation": history.validation}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """What each of two processes learned, by the name of the run."""
    return ranks.run(lambda both: {name: train(name, both) for name in RUNS}, tmp_path_factory.mktemp("runs"))


@ranks.together
@pytest.mark.parametrize("name", RUNS)
def test_two_processes_learn_what_one_learns(name, shared):
    first, second = (one[name] for one in shared)
    torch.testing.assert_close(first, second, rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(first, train(name), **CLOSE, equal_nan=True)
    assert [loss != loss for loss in first["losses"]] == [
        name == "NaN" and k == 2 for k in range(len(first["losses"]))
    ]


MISSED = "another process of this run ended or did not answer in time; start all of them again, with --resume"


@ranks.together
def test_a_process_that_says_no_more_ends_the_wait_of_the_others(tmp_path):
    def silence():
        both, _ = distributed.join(torch.device("cpu"))
        pids = [None, None]
        dist.all_gather_object(pids, os.getpid())
        if both.rank:
            signal.pause()
        dist.distributed_c10d._set_pg_timeout(timedelta(seconds=0.2))  # short, now that both are there
        try:
            train("backpropagation", both)
        except RuntimeError as error:
            (tmp_path / "said").write_text(str(error), encoding="utf-8")
        finally:
            os.kill(pids[1], signal.SIGKILL)

    assert ranks.forked(silence, ranks.new_store()) == [0, -signal.SIGKILL]
    assert (tmp_path / "said").read_text(encoding="utf-8") == MISSED


TINY = Recipe(
    summary="a tiny rule",
    data=lambda: "drawn for a test",
    make_family=lambda: Quadratics(deadly=FIRST + 4),
    make_rule=lambda seed: l2l.LSTMRule((3,), l2l.identity, seed=seed),
    stages=({"trajectories": 6, "steps": 5, "tasks": 3, "validate_every": 2, "validation_tasks": 2},),
    seeds=(0,),
)


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Lets two processes run `l2l train tiny`; their exit codes, and the lines of each but for progress."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(RECIPES, "tiny", TINY)

    def command(store, *options, attempt=0):
        def alone():
            log = os.open(os.environ["RANK"], os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
            os.dup2(log, 1)
            os.dup2(log, 2)
            sys.stdout, sys.stderr = open(1, "w"), open(2, "w")  # noqa: SIM115
            cli.main()

        monkeypatch.setattr(sys, "argv", ["l2l", "train", "tiny", "--seed", "0", "--device", "cpu", *options])
        codes = ranks.forked(alone, store, attempt)
        logs = [(tmp_path / f"{rank}").read_text(encoding="utf-8").splitlines() for rank in range(2)]
        return codes, [[line for line in log if line and "/6 [" not in line] for log in logs]

    return command


@ranks.together
def test_a_process_that_dies_ends_the_command_and_started_again_they_end_with_the_same_phi(command):
    store = ranks.new_store()
    codes, said = command(store)
    assert codes == [2, -signal.SIGKILL]
    assert said == [["tiny, meta-seed 0, on cpu, shared by 2 processes", f"l2l: {MISSED}"], []]
    codes, (_, said) = command(store, attempt=1)
    assert (codes, said) == ([0, 0], [])
    rule = l2l.LSTMRule((3,), l2l.identity)
    settings = {"steps": 5, "tasks": 3, "validate_every": 2, "validation_tasks": 2}
    history = l2l.meta_train(rule, Quadratics(), trajectories=6, **settings)
    found, losses = kept("runs/tiny-0.ckpt"), torch.tensor(history.losses, dtype=torch.float64)
    torch.testing.assert_close(found["history"]["losses"], losses, **CLOSE)
    torch.testing.assert_close(found["best"], history.best, **CLOSE)


@ranks.together
def test_jobs_have_no_ranks(command):
    sentence = "l2l: processes that share tasks take one meta-seed at a time; leave out --jobs"
    assert command(ranks.new_store(), "--jobs", "2") == ([2, 2], [[sentence]] * 2)


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
