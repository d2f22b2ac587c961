"""Meta-training is repeatable, keeps the best φ, survives being killed, and says what went wrong."""

import math
import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import Changed, kept

import l2l_lite as l2l
from l2l_lite.distributed import Alone
from l2l_lite.history import History, log_mean_and_last, mean_and_last, score
from l2l_lite.seeds import Role, task_seed

SHORT = {"trajectories": 6, "steps": 6, "unroll_length": 3, "tasks": 2, "validate_every": 2}


def make_rule() -> l2l.LSTMRule:
    return l2l.LSTMRule((4,), l2l.identity)


def phi(rule):
    return {name: weight.clone() for name, weight in rule.state_dict().items()}


def train(family=l2l.Quadratic(3), rule=None, **changes):  # noqa: B008
    rule = rule or make_rule()
    return rule, l2l.meta_train(rule, family, **SHORT | changes)


def assert_same(first, second):
    torch.testing.assert_close(first, second, rtol=0, atol=0, equal_nan=True)


def test_the_same_seed_gives_the_same_curve_and_the_same_rule():
    (rule, history), (again, history_again) = train(seed=3), train(seed=3)
    assert history.losses == history_again.losses
    assert history.validation == history_again.validation
    assert_same(phi(rule), phi(again))
    assert train(seed=4)[1].losses != history.losses


def test_a_running_mean_of_phi_is_kept_and_scored():
    rule, history, weights = make_rule(), History(), []
    for value in (1.0, 2.0, 4.0):
        with torch.no_grad():
            rule.output.bias.fill_(value)
        history.losses.append(0.0)
        history.follow(rule, 0.6)
        weights.append(history.average["output.bias"].item())
    assert weights == pytest.approx([1.0, 1.4, 2.44])  # 0.6 of what was before
    problem = l2l.Quadratic(3).sample(2, 0)
    history.validate(rule, [problem], (5,), mean_and_last)
    rule.load_state_dict(history.average)
    assert history.validation == [score(rule, problem, 5)]
    assert_same(history.best, phi(rule))


def test_without_an_average_the_weights_themselves_are_kept():
    plain, history = train(validate_every=6)
    assert_same(phi(plain), history.average)
    _, other = train(validate_every=6, average=0.9)
    assert history.losses == other.losses  # what is trained is the same
    assert history.validation != other.validation


def test_meta_training_improves_a_rule():
    rule, family = l2l.LSTMRule(preprocess=l2l.identity), l2l.Quadratic()
    fresh = family.sample(tasks=64, seed=5)
    before = score(rule, fresh, 40)
    l2l.meta_train(rule, family, trajectories=30, steps=40, tasks=16)
    assert score(rule, fresh, 40) < 0.1 * before


@dataclass
class Watched:
    """A family that notes the seeds it is asked for, and may change what it samples."""

    seeds: list[int]
    change: object = None

    def __repr__(self):
        return "Watched"  # whatever it saw, and did to its tasks

    def sample(self, tasks, seed, device="cpu"):
        self.seeds.append(seed)
        problem = l2l.Quadratic(3).sample(tasks, seed, device)
        return self.change(problem, seed) if self.change else problem


FIRST = task_seed(Role.TRAINING)
VALIDATION = task_seed(Role.VALIDATION)


@pytest.mark.parametrize(("seed", "stage"), [(0, 0), (1, 0), (7, 0), (0, 1)])
def test_tasks_come_from_the_seeds_of_their_roles(seed, stage):
    train(Watched(seeds := []), seed=seed, stage=stage)
    expected = [
        task_seed(Role.TRAINING, meta_seed=seed, stage=stage, trajectory=k)
        for k in range(SHORT["trajectories"])
    ]
    assert seeds == [VALIDATION, *expected]


@pytest.mark.parametrize(("name", "value"), [("seed", -1), ("seed", 1000), ("stage", -1)])
def test_seeds_out_of_their_range_are_refused_before_anything_is_done(name, value):
    with pytest.raises(ValueError, match=rf"{name} must be at least 0 and below 1,000, but {name}={value}"):
        train(Watched(seeds := []), **{name: value})
    assert not seeds


@dataclass(frozen=True)
class Noted(l2l.TruncatedBPTT):
    """Truncated backpropagation that notes the windows it is given, and draws that it could make."""

    notes: list = field(default_factory=list)

    def __repr__(self):
        return "Noted"

    def window(self, rule, problem, steps, at, objective, rng):
        self.notes.append((steps, torch.rand((), generator=rng).item()))
        return super().window(rule, problem, steps, at, objective, rng)


def test_the_rate_decays_and_windows_are_truncated(monkeypatch):
    rates, step = [], torch.optim.Adam.step
    monkeypatch.setattr(
        torch.optim.Adam, "step", lambda self: (rates.append(self.param_groups[0]["lr"]), step(self))
    )
    train(steps=7, lr=0.1, final_lr=0.001, estimator=(estimator := Noted()))
    assert [steps for steps, _ in estimator.notes] == [3, 3, 1] * 6
    assert len({draw for _, draw in estimator.notes}) == 18
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == 0.1
    assert 0.001 < rates[-1] < 0.003


def test_an_estimator_draws_the_same_after_a_resume(tmp_path):
    family = Watched([], stop_at(FIRST + 3))
    with pytest.raises(Interrupted):
        train(family, checkpoint=tmp_path / "run.ckpt", estimator=(first := Noted()))
    train(Watched([]), checkpoint=tmp_path / "run.ckpt", estimator=(second := Noted()))
    train(Watched([]), estimator=(whole := Noted()))
    assert first.notes + second.notes == whole.notes


@pytest.mark.parametrize("estimator", [l2l.TruncatedBPTT(one_in=2), l2l.ES(pairs=2)], ids=repr)
def test_every_estimator_trains_and_repeats_itself(estimator):
    (rule, history), (again, _) = train(estimator=estimator), train(estimator=estimator)
    assert_same(phi(rule), phi(again))
    assert history.losses != train()[1].losses


class Told(Alone):
    """A process that is told of NaN in one window, as by another one."""

    def __init__(self, window):
        self.windows, self.bad = 0, window

    def average(self, rule, losses):
        self.windows += 1
        return super().average(rule, losses) * (math.nan if self.windows == self.bad else 1)


def test_nan_that_another_process_met_ends_the_trajectory():
    ranks, windows = Told(window=3), SHORT["steps"] // SHORT["unroll_length"]
    _, history = train(ranks=ranks)
    assert [loss != loss for loss in history.losses] == [k == 1 for k in range(6)]
    assert ranks.windows == 6 * windows - 1


# The best φ is kept


def scripted(values):
    """A rule, a family in whose validation it gets these scores, and a list of the φ that got them."""
    rule, seen, remaining = make_rule(), [], iter(values)

    def change(problem, seed):
        def loss(theta, t):
            if t == 0:
                seen.append((next(remaining), phi(rule)))
            return seen[-1][0] + 0 * problem.loss(theta, t)

        return Changed(problem, {"loss": loss}) if seed == VALIDATION else problem

    return rule, Watched([], change), seen


@pytest.mark.parametrize(
    ("values", "best"), [((3, 1, 2), 1), ((1, 2, 3), 0), ((3, 2, 1), 2), ((-1, -3, -2), 1), ((1, -1, 0), 1)]
)
def test_the_best_weights_are_kept(values, best):
    rule, family, seen = scripted(values)
    history = train(family, rule)[1]
    assert history.validation == list(values)
    assert_same(phi(rule), seen[best][1])
    assert_same(history.best, seen[best][1])


@given(st.floats(-100, 100), st.floats(0.01, 100))
@settings(max_examples=20)
def test_a_score_keeps_its_order_when_losses_are_shifted_or_scaled(shift, size):
    problem, rules = l2l.Quadratic(3).sample(4, 0), [l2l.GradientDescent(lr) for lr in (0.1, 0.001)]
    other = Changed(problem, {"loss": lambda theta, t: size * problem.loss(theta, t) + shift})
    # The same steps: gradients are as large as the losses.
    scaled = [l2l.GradientDescent(rule.lr / size) for rule in rules]
    expected = [size * score(rule, problem, 20) + shift for rule in rules]
    assert [score(rule, other, 20) for rule in scaled] == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_training_stops_early_when_validation_no_longer_improves():
    rule, family, seen = scripted([3, 1, 2, 2, 0, 0])
    history = train(family, rule, trajectories=12, patience=2)[1]
    assert history.validation == [3, 1, 2, 2]
    assert len(history.losses) == 8
    assert_same(phi(rule), seen[1][1])


def test_the_last_trajectory_is_validated_too():
    assert len(train(trajectories=5)[1].validation) == 3
    assert len(train(trajectories=6)[1].validation) == 3


@given(st.lists(st.sampled_from([1.0, 2.0, 3.0, float("inf")]), max_size=6), st.integers(1, 4))
def test_stale_counts_scores_since_the_best(values, patience):
    since_best = len(values) - 1 - max((i for i, v in enumerate(values) if v == min(values)), default=-1)
    history = History(validation=values)
    assert history.stale(patience) == bool(values and since_best >= patience)
    assert not history.stale(None)


# Interrupted and resumed


class Interrupted(Exception):
    """Stands for a power cut."""


def stop_at(first):
    """Tasks until a seed, at which the power is cut."""

    def change(problem, seed):
        if seed >= first:
            raise Interrupted
        return problem

    return change


@pytest.mark.parametrize("done", [0, 1, 3, 5])
def test_interrupted_while_saving_and_resumed_gives_the_same_rule(tmp_path, monkeypatch, done):
    path, replace, saves = tmp_path / "run.ckpt", os.replace, []

    def cut(partial, target):
        if len(saves) == done:
            Path(partial).write_bytes(Path(partial).read_bytes()[:100])
            raise Interrupted
        saves.append(target)
        replace(partial, target)

    monkeypatch.setattr(os, "replace", cut)
    with pytest.raises(Interrupted):
        train(checkpoint=path)
    monkeypatch.undo()
    rule, history = train(checkpoint=path)
    expected, expected_history = train()
    assert history.losses == expected_history.losses
    assert_same(phi(rule), phi(expected))


@settings(max_examples=8)
@given(moment=st.integers(0, 62))
def test_interrupted_at_any_pass_and_resumed_gives_the_same_rule(tmp_path_factory, moment):
    path = tmp_path_factory.mktemp("run") / "run.ckpt"
    passes = iter(range(moment))

    def cut(problem, seed):
        def loss(theta, t):
            if next(passes, None) is None:
                raise Interrupted
            return problem.loss(theta, t)

        return Changed(problem, {"loss": loss})

    with pytest.raises(Interrupted):
        train(Watched([], cut), checkpoint=path, seed=1)
    rule, history = train(Watched([]), checkpoint=path, seed=1)
    expected, expected_history = train(Watched([]), seed=1)
    assert history.losses == expected_history.losses
    assert history.validation == expected_history.validation
    assert_same(phi(rule), phi(expected))


def test_a_finished_run_is_not_trained_again(tmp_path):
    rule, history = train(Watched([]), checkpoint=tmp_path / "run.ckpt")
    again, history_again = train(Watched(seeds := []), checkpoint=tmp_path / "run.ckpt")
    assert len(seeds) == 1  # for validation
    assert history_again.losses == history.losses
    assert_same(phi(again), phi(rule))


def test_nothing_but_the_checkpoint_is_left_behind(tmp_path):
    train(checkpoint=tmp_path / "run.ckpt")
    assert [path.name for path in tmp_path.iterdir()] == ["run.ckpt"]


def test_checkpoints_that_differ_in_their_ending_do_not_meet(tmp_path, monkeypatch):
    partials, replace = set(), os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (partials.add(a), replace(a, b)))
    for seed in (0, 1):
        train(seed=seed, checkpoint=tmp_path / f"run.{seed}")
    assert len(partials) == 2


def one_sentence(error) -> bool:
    text = str(error.value)
    return "\n" not in text and len(text) < 250


def weighted(window, so_far, weight=1.0):
    """An objective with an argument."""
    return weight * window.sum(dim=0).mean()


OTHERS = [
    *(("lr", 0.02), ("seed", 1), ("steps", 9), ("tasks", 3), ("stage", 1)),
    ("family", l2l.Quadratic(7)),
    ("family", l2l.Quadratic(3, theta0_std=0.5)),
    ("rule", l2l.LSTMRule((4,), l2l.identity, scale=0.5)),
    ("rule", l2l.LSTMRule((4,), partial(l2l.log_and_sign, p=5.0))),
    ("rule", l2l.LSTMRule((5,))),
    ("objective", l2l.objectives.last),
    ("objective", partial(weighted, weight=2.0)),
    ("estimator", l2l.TruncatedBPTT(one_in=2)),
    ("estimator", l2l.ES()),
]


@pytest.mark.parametrize(("name", "value"), OTHERS)
def test_a_checkpoint_of_other_settings_is_refused_and_kept(tmp_path, name, value):
    path = tmp_path / "run.ckpt"
    train(checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=rf"run.ckpt belongs to another run \(other {name}\)") as error:
        train(checkpoint=path, **{name: value})
    assert one_sentence(error)
    assert path.read_bytes() == before


def test_a_partial_objective_is_known_by_its_arguments(tmp_path):
    for weight in (1.0, 2.0):
        train(objective=partial(weighted, weight=weight), checkpoint=tmp_path / f"{weight}.ckpt")
    train(objective=partial(weighted, weight=1.0), checkpoint=tmp_path / "1.0.ckpt")  # is finished
    with pytest.raises(ValueError, match=r"other objective"):
        train(objective=partial(weighted, weight=2.0), checkpoint=tmp_path / "1.0.ckpt")


class Nameless:
    """A family without a repr of its own."""

    sample = l2l.Quadratic(3).sample


@pytest.mark.parametrize("part", [{"objective": lambda window, so_far: window.sum()}, {"family": Nameless()}])
def test_what_a_checkpoint_could_not_recognise_is_refused_at_once(tmp_path, part):
    (name,) = part
    with pytest.raises(ValueError, match=rf"a checkpoint cannot recognise the {name} ") as error:
        train(**part, checkpoint=tmp_path / "run.ckpt")
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_found_before_the_first_trajectory(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere for a checkpoint; make it"):
        train(Watched(seeds := []), checkpoint=tmp_path / "nowhere" / "run.ckpt")
    assert not seeds


def test_a_checkpoint_can_be_named_by_a_string(tmp_path):
    rule, _ = train(checkpoint=str(tmp_path / "run.ckpt"))
    assert_same(phi(train(checkpoint=tmp_path / "run.ckpt")[0]), phi(rule))


def broken_run(path):
    """A run that broke off in NaN after four trajectories."""
    with pytest.raises(FloatingPointError, match="lower lr or scale"):
        train(loss_turns(float("nan"), FIRST + 4), trajectories=40, checkpoint=path)


@pytest.mark.parametrize(
    "lower",
    [{"lr": 1e-3}, {"rule": l2l.LSTMRule((4,), l2l.identity, scale=0.01)}, {"lr": 1e-3, "final_lr": 1e-4}],
)
def test_a_run_that_broke_off_goes_on_with_a_lower_lr_or_scale(tmp_path, lower):
    broken_run(tmp_path / "run.ckpt")
    best = kept(tmp_path / "run.ckpt")["best"]
    noted = Watched(seeds := [])
    _, history = train(noted, trajectories=40, checkpoint=tmp_path / "run.ckpt", **lower)
    assert seeds[:2] == [VALIDATION, FIRST + 4]  # goes on where it broke
    assert len(history.losses) == 40
    assert not any(loss != loss for loss in history.losses)
    assert best.keys() == history.best.keys()


def test_a_short_run_that_broke_off_at_once_begins_again_with_a_lower_lr(tmp_path):
    with pytest.raises(FloatingPointError, match="lower lr or scale"):
        train(loss_turns(float("nan"), FIRST), trajectories=3, checkpoint=tmp_path / "run.ckpt")
    _, history = train(Watched([]), trajectories=3, lr=1e-3, checkpoint=tmp_path / "run.ckpt")
    assert len(history.losses) == 3
    assert not any(loss != loss for loss in history.losses)


def test_a_run_that_broke_off_goes_on_with_nothing_else(tmp_path):
    broken_run(tmp_path / "run.ckpt")
    with pytest.raises(ValueError, match=r"belongs to another run \(other lr, steps\)"):
        train(Watched([]), trajectories=40, lr=1e-3, steps=9, checkpoint=tmp_path / "run.ckpt")


DAMAGES = {
    "cut in half": lambda content: content[: len(content) // 2],
    "without its end": lambda content: content[:-1],
    "empty": lambda content: b"",
    "text": lambda content: b"hello",
    "altered": lambda content: content[:2000] + bytes(255 - b for b in content[2000:2500]) + content[2500:],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_is_refused_in_one_sentence(tmp_path, damage):
    path = tmp_path / "run.ckpt"
    train(checkpoint=path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"run.ckpt is not a whole checkpoint; delete it") as error:
        train(checkpoint=path)
    assert one_sentence(error)


@pytest.mark.parametrize("content", [{"weights": torch.zeros(3)}, [1, 2], {"settings": {}}])
def test_another_file_of_torch_is_no_checkpoint(tmp_path, content):
    torch.save(content, tmp_path / "run.ckpt")
    with pytest.raises(ValueError, match=r"run.ckpt is not a whole checkpoint") as error:
        train(checkpoint=tmp_path / "run.ckpt")
    assert one_sentence(error)


def test_a_checkpoint_runs_no_code_when_it_is_read(tmp_path):
    torch.save({"settings": make_rule()}, tmp_path / "run.ckpt")  # a pickled object
    with pytest.raises(ValueError, match="not a whole checkpoint"):
        train(checkpoint=tmp_path / "run.ckpt")


# NaN and Inf


def loss_turns(value, from_seed, to_seed=10**12):
    """Tasks whose loss is as it should be, but for those of some seeds."""

    def change(problem, seed):
        bad = value if from_seed <= seed < to_seed else 1.0
        return Changed(problem, {"loss": lambda theta, t: bad * problem.loss(theta, t)})

    return Watched([], change)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_training_that_turns_nan_says_so_and_keeps_the_best_rule(value):
    rule, family, seen = scripted([3, 1, 2, 4, 5, 6, 7])
    bad = loss_turns(value, FIRST + 4)
    both = Watched([], lambda problem, seed: family.change(bad.change(problem, seed), seed))
    with pytest.raises(FloatingPointError, match=r"after 14 trajectories: .* NaN or Inf") as error:
        l2l.meta_train(rule, both, **SHORT | {"trajectories": 40})
    assert one_sentence(error)
    assert len(seen) == 7
    assert_same(phi(rule), seen[1][1])
    assert all(weight.isfinite().all() for weight in rule.parameters())


def test_a_short_run_in_which_everything_broke_off_says_so_too():
    with pytest.raises(FloatingPointError, match="NaN or Inf"):
        train(loss_turns(float("nan"), FIRST), trajectories=3)


def nan_gradient(problem, seed):
    """Finite losses, but at the last step of one trajectory a gradient that is not."""
    if seed != FIRST + 2:
        return problem
    bend = lambda theta, t: 0 * (theta - theta).sqrt().sum(-1) if t == SHORT["steps"] else 0  # noqa: E731
    return Changed(problem, {"loss": lambda theta, t: problem.loss(theta, t) + bend(theta, t)})


@pytest.mark.parametrize(
    "family", [loss_turns(float("nan"), FIRST + 2, FIRST + 3), Watched([], nan_gradient)]
)
def test_a_trajectory_that_breaks_off_is_skipped(family):
    rule, validation, seen = scripted(range(6))
    both = Watched([], lambda problem, seed: validation.change(family.change(problem, seed), seed))
    history = train(both, rule, validate_every=1)[1]
    assert [loss != loss for loss in history.losses] == [False, False, True, False, False, False]
    assert all(weight.isfinite().all() for _, weights in seen for weight in weights.values())
    if family.change is not nan_gradient:
        assert_same(seen[2][1], seen[1][1])


def test_a_score_that_is_not_finite_is_the_worst():
    problem = l2l.Quadratic(3).sample(2, 0)
    assert score(l2l.GradientDescent(1e30), problem, 5) == float("inf")


# Settings that cannot be meant


@pytest.mark.parametrize(
    "name",
    [
        *("trajectories", "steps", "unroll_length", "tasks", "lr", "final_lr", "clip"),
        *("validate_every", "validation_tasks"),
    ],
)
@pytest.mark.parametrize("value", [0, -1])
def test_settings_that_are_not_positive_are_refused(name, value):
    rule = make_rule()
    before = phi(rule)
    with pytest.raises(ValueError, match=rf"{name.removeprefix('validation_')}\b.*{value}"):
        l2l.meta_train(rule, l2l.Quadratic(3), **SHORT | {name: value})
    assert_same(phi(rule), before)


def test_theta0_without_a_task_axis_is_refused():
    problem = Changed(l2l.Quadratic(3).sample(2, 0), {"theta0": torch.zeros(3)})
    with pytest.raises(ValueError, match=r"theta0 must be \[tasks, dim\]") as error:
        l2l.optimize(make_rule(), problem, 3)
    assert one_sentence(error)


def test_a_loss_that_is_not_one_value_a_task_is_refused():
    problem = l2l.Quadratic(3).sample(2, 0)
    mean = Changed(problem, {"loss": lambda theta, t: problem.loss(theta, t).mean()})
    with pytest.raises(ValueError, match=r"loss.*\[tasks\]") as error:
        l2l.optimize(make_rule(), mean, 3)
    assert one_sentence(error)


class Counted:
    """Quadratics that note the last step that each trajectory takes."""

    def __init__(self):
        self.groups, self.lengths = {}, []

    def sample(self, tasks, seed, device="cpu"):
        problem = l2l.Quadratic(2).sample(tasks, seed, device)
        family, loss = self, problem.loss
        family.lengths.append(0)
        here = len(family.lengths) - 1

        def counted(theta, t=0):
            family.lengths[here] = max(family.lengths[here], t)
            return loss(theta, t)

        problem.loss = counted
        return problem


def test_the_length_of_trajectories_is_drawn_from_a_range():
    family = Counted()
    settings = {"trajectories": 60, "unroll_length": 50, "validate_every": 60, "validation_tasks": 1}
    l2l.meta_train(make_rule(), family, steps=(5, 80), **settings)
    validation, *lengths = family.lengths
    assert validation == 80  # the longest
    assert min(lengths) >= 5
    assert max(lengths) <= 80
    below = sum(length < 20 for length in lengths)  # half of the range, for it is log-uniform
    assert 18 <= below <= 42
    again = Counted()
    l2l.meta_train(make_rule(), again, steps=(5, 80), **settings)
    assert again.lengths == family.lengths


def test_validation_has_its_own_length_families_and_criterion():
    one, other = Counted(), Counted()
    family = l2l.Quadratic(2)
    rule, criterion = make_rule(), log_mean_and_last
    history = l2l.meta_train(
        rule, family, validation=[one, other], validation_steps=7, criterion=criterion, **SHORT
    )
    assert one.lengths == other.lengths == [7]
    problem = family.sample(16, task_seed(Role.VALIDATION))
    assert min(history.validation) == pytest.approx(score(rule, problem, 7, criterion), abs=1e-6)


def test_scores_are_means_over_several_numbers_of_steps():
    family, rule = Counted(), make_rule()
    history = l2l.meta_train(rule, l2l.Quadratic(2), validation=[family], validation_steps=(3, 7), **SHORT)
    assert family.lengths == [7]  # the same tasks for both
    problem = family.sample(16, task_seed(Role.VALIDATION))
    expected = sum(score(rule, problem, steps) for steps in (3, 7)) / 2
    assert min(history.validation) == pytest.approx(expected, abs=1e-6)
    with pytest.raises(ValueError, match="validation_steps must be positive"):
        train(validation_steps=())


def test_the_logarithm_counts_tasks_of_any_size_alike():
    losses = torch.rand(31, 4, generator=l2l.generator(0)) + 0.1
    size = torch.tensor([1e-3, 1.0, 1.0, 1e3])
    assert log_mean_and_last(losses * size) == pytest.approx(log_mean_and_last(losses), abs=1e-5)
    assert log_mean_and_last(losses / 2) == pytest.approx(log_mean_and_last(losses) - math.log(2), abs=1e-5)
    assert log_mean_and_last(0 * losses, floor=1e-4) == pytest.approx(math.log(1e-4))  # not diverged


@pytest.mark.parametrize("steps", [(9, 3), (0, 5), 0])
def test_a_range_of_steps_goes_from_low_to_high(steps):
    with pytest.raises(ValueError, match="steps"):
        train(steps=steps)
