"""Random numbers depend on their keys alone, and the tasks of two roles never meet."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import l2l_lite as l2l
from l2l_lite.seeds import Role, generator, global_draws, task_seed

ENDS = {"meta_seed": 1000, "stage": 1000, "trajectory": 1_000_000}
training = st.fixed_dictionaries({name: st.integers(0, end - 1) for name, end in ENDS.items()})


def draw(*key):
    return torch.rand(3, generator=generator(*key))


def test_the_same_key_draws_the_same():
    assert torch.equal(draw(1, 2), draw(1, 2))


KEYS = [(5,), (5, 0), (5, 0, 0), (0, 5), (5, 1), (6,), (0,), (0, 0)]


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(KEYS, 2)))
def test_keys_that_differ_draw_differently(one, other):
    assert not torch.equal(draw(*one), draw(*other))


@given(training, training)
def test_two_trajectories_of_meta_training_never_meet(one, other):
    same = task_seed(Role.TRAINING, **one) == task_seed(Role.TRAINING, **other)
    assert same == (one == other)


@given(training)
def test_training_never_meets_another_role(where):
    others = [task_seed(role, **where) for role in Role if role is not Role.TRAINING]
    assert len(set(others)) == 3
    assert max(others) < task_seed(Role.TRAINING, **where)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("beyond", ["below", "above"])
def test_a_seed_out_of_its_range_is_refused(role, name, beyond):
    value = -1 if beyond == "below" else ENDS[name]
    with pytest.raises(ValueError, match=rf"must be at least 0 and below {ENDS[name]:,}, but .*={value}"):
        task_seed(role, **{name: value})


def test_global_draws_are_those_of_a_seed_and_leave_no_trace():
    torch.manual_seed(3)  # what a reader may have done
    before = torch.get_rng_state()
    with global_draws(7):
        inside = torch.rand(4)
    assert torch.equal(torch.get_rng_state(), before)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        assert torch.equal(torch.rand(4), inside)


def test_global_draws_leave_no_trace_after_an_error():
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), global_draws(7):
        torch.rand(1 // 0)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks what happens where there is no GPU")
@pytest.mark.parametrize("make", [l2l.LSTMRule, lambda: l2l.FAMILIES["crops"]().sample(2, 0)])
def test_a_gpu_is_not_asked_to_draw(monkeypatch, make):
    # PyTorch notes a seed for a GPU that is not yet awake; nothing of ours may do that.
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: pytest.fail("a GPU got a seed"))
    make()
