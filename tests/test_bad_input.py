"""Whatever is put in, a sentence or the right numbers come out: properties of the public functions."""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import ALL_RULES, Changed
from torch import nn
from torch.nn.functional import cross_entropy

import l2l_lite as l2l
from l2l_lite import LSTMRule, TorchOptimizer, estimators, objectives, quasi_newton
from l2l_lite.data import Data, Examples

few = settings(max_examples=8, derandomize=True, database=None)
RULES = {**ALL_RULES, "BFGS": quasi_newton.BFGS, "LBFGS": quasi_newton.LBFGS}
each_rule = pytest.mark.parametrize("make_rule", RULES.values(), ids=RULES)


@contextmanager
def refused(kind, words):
    with pytest.raises(kind, match=words) as error:
        yield
    assert "\n" not in str(error.value)
    assert 20 < len(str(error.value)) < 250


# Parameters of a reader's model

shapes = st.sampled_from([(), (0,), (1,), (3,), (2, 3), (3, 1, 2), (2, 2, 1, 2)])
sizes = st.sampled_from([0.0, 1e-45, 1e-40, 1e-20, 1e-8, 1.0, 1e8, 1e18])
parts = st.lists(st.tuples(shapes, sizes, st.booleans(), st.booleans()), min_size=1, max_size=4)


def tensor(shape, seed, size, transposed):
    """Entries of a size; transposed, the neighbours in memory are those of the first axis."""
    drawn = size * torch.randn(shape[::-1] if transposed else shape, generator=l2l.generator(seed))
    return drawn.permute(tuple(reversed(range(len(shape))))) if transposed else drawn


def parameters(drawn):
    """Parameters of several forms, and those among them that are trained."""
    made = [nn.Parameter(tensor(shape, k, 1.0, flip)) for k, (shape, _, flip, _) in enumerate(drawn)]
    return made, [p for p, (*_, frozen) in zip(made, drawn, strict=True) if not frozen]


def give(made, drawn, seed):
    for k, (p, (shape, size, flip, frozen)) in enumerate(zip(made, drawn, strict=True)):
        p.requires_grad_(not frozen)
        p.grad = None if frozen else tensor(shape, 10 * seed + k, size, not flip)


def row(tensors):
    return torch.cat([one.detach().flatten() for one in tensors])[None]


@each_rule
@few
@given(drawn=parts)
def test_parameters_of_any_form_take_the_steps_of_the_row_that_they_make(make_rule, drawn):
    made, trained = parameters(drawn)
    optimizer, rule, state = TorchOptimizer(made, make_rule()), make_rule(), None
    before, frozen = (
        row(trained or made),
        [p.detach().clone() for p in made if all(p is not q for q in trained)],
    )
    theta = before
    for seed in range(1, 4):
        give(made, drawn, seed)
        optimizer.step()
        if trained:
            state = rule.init(theta) if state is None else state
            with torch.no_grad():
                step, state = rule(row([p.grad for p in trained]), state, theta)
            theta = theta + step
    assert torch.equal(row(trained or made), theta)
    assert theta.isfinite().all()
    assert [p.shape for p in made] == [torch.Size(shape) for shape, *_ in drawn]
    left = [p for p in made if all(p is not q for q in trained)]
    assert all(torch.equal(p, q) for p, q in zip(left, frozen, strict=True))


wrong = st.sampled_from([float("nan"), float("inf"), -float("inf"), 3e38, -1e20])


@each_rule
@few
@given(value=wrong, at=st.integers(0, 6))
def test_a_gradient_that_is_not_finite_is_refused_and_leaves_no_trace(make_rule, value, at):
    models = []
    for bad in (False, True):
        model = [nn.Parameter(torch.ones(4)), nn.Parameter(torch.ones(3))]
        optimizer = TorchOptimizer(model, make_rule())
        for seed in range(3):
            for p in model:
                p.grad = torch.randn(p.shape, generator=l2l.generator(seed, len(p)))
            if bad and seed == 1:
                good = model[at // 4].grad[at % 3].item()
                model[at // 4].grad[at % 3] = value
                with refused(
                    FloatingPointError, "a gradient is NaN, infinite or too large.*no parameter was"
                ):
                    optimizer.step()
                model[at // 4].grad[at % 3] = good
            optimizer.step()
        models.append(row(model))
    assert torch.equal(*models)


DTYPES = [torch.bfloat16, torch.float16, torch.complex64, torch.complex128, torch.int64]


@pytest.mark.parametrize("make_rule", [l2l.Adam, LSTMRule, None])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_parameters_of_other_numbers_are_refused(make_rule, dtype):
    p, q = nn.Parameter(torch.ones(3, dtype=dtype), requires_grad=False), nn.Parameter(torch.ones(3))
    optimizer = TorchOptimizer([q, p], make_rule() if make_rule else None)
    q.grad = torch.ones(3)
    optimizer.step()
    assert (p == 1).all()  # without a gradient it is none of the rule's
    before, p.grad = q.detach().clone(), torch.ones_like(p)
    with refused(TypeError, "cannot update .* parameters"):
        optimizer.step()
    assert torch.equal(q, before)


def test_a_rule_on_another_device_is_refused_with_a_way_out():
    p = nn.Parameter(torch.ones(3, device="meta"))
    p.grad = torch.ones_like(p)
    with refused(TypeError, 'weights are on cpu but the parameters on meta; use rule.to."meta"'):
        TorchOptimizer([p], LSTMRule()).step()


def test_the_rule_that_is_taken_by_default_has_the_numbers_of_the_model():
    p = nn.Parameter(torch.ones(3, dtype=torch.float64))
    optimizer = TorchOptimizer([{"params": []}, {"params": [p]}])
    p.grad = torch.ones_like(p)
    optimizer.step()
    assert (p < 1).all()
    assert p.dtype == next(optimizer.rule.parameters()).dtype == torch.float64


class Tied(nn.Module):
    """A network whose two layers are one."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.second(self.first(x).tanh())


def tied(theta0_std=0.1):
    return l2l.Classifier(Tied, examples(), batch=4, theta0_std=theta0_std)


def examples(count=8):
    part = Examples(torch.rand(count, 4, generator=l2l.generator(0)), torch.arange(count) % 3)
    return Data(part, part)


def test_a_shared_parameter_is_one_parameter_for_the_optimizer_and_in_a_problem():
    with l2l.global_draws(0):
        model = Tied()
    problem = tied(theta0_std=None).sample(2, seed=0)
    assert problem.theta0.shape[1] == sum(p.numel() for p in model.parameters()) == 24
    named = problem.parameters(problem.theta0[0])
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(named[name])
    x, y = (part[problem.minibatch(0, 2)[0]] for part in problem.data.train)
    loss = cross_entropy(model(x), y)
    torch.testing.assert_close(loss, problem.loss(problem.theta0, 0)[0])
    optimizer = TorchOptimizer(model.parameters(), l2l.GradientDescent(0.1))
    loss.backward()
    optimizer.step()
    moved = l2l.optimize(l2l.GradientDescent(0.1), problem, 1).theta[0]
    torch.testing.assert_close(row(model.parameters())[0], moved)


@pytest.mark.parametrize("lr", [-0.1, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused_for_every_group(lr):
    p, q = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    with refused(ValueError, f"lr must be finite and not negative, but lr={lr}"):
        TorchOptimizer([p], l2l.Adam(), lr=lr)
    optimizer = TorchOptimizer([p], l2l.Adam())
    with refused(ValueError, f"lr={lr}"):
        optimizer.add_param_group({"params": [q], "lr": lr})
    assert len(optimizer.param_groups) == 1


def test_a_rule_is_as_exact_inside_of_autocast():
    moved = []
    for enabled in (False, True):
        p = nn.Parameter(torch.ones(50))
        optimizer = TorchOptimizer([p], LSTMRule(seed=1))
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            for seed in range(3):
                p.grad = torch.randn(50, generator=l2l.generator(seed))
                optimizer.step()
        moved.append(p.detach())
    assert torch.equal(*moved)


# Rules

NO_RULES = {"a rate": 0.1, "a name": "mnist", "a class": l2l.Adam, "a network": nn.Linear(2, 3)}


@pytest.mark.parametrize("thing", NO_RULES.values(), ids=NO_RULES)
def test_what_is_no_rule_is_refused(thing):
    p, words = nn.Parameter(torch.ones(2)), "a rule is an object such as .* is (of type|the class)"
    with refused(TypeError, words):
        TorchOptimizer([p], thing)
    with refused(TypeError, words):
        TorchOptimizer([{"params": [p], "rule": thing}], l2l.Adam())
    with refused(TypeError, words):
        l2l.optimize(thing, l2l.Quadratic(3).sample(2, 0), 3)
    with refused(TypeError, words):
        l2l.meta_train(thing, l2l.Quadratic(3), trajectories=1)


class Told(l2l.UpdateRule):
    """Steps of a shape that it is told."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape

    def forward(self, grad, state, theta=None):
        return torch.full(self.shape, -0.1), state


@pytest.mark.parametrize("run", [l2l.optimize, l2l.unroll, l2l.meta_gradient])
@few
@given(shape=st.sampled_from([(), (1,), (3,), (1, 3), (2, 1), (3, 2), (1, 2, 3)]))
def test_steps_that_would_be_broadcast_are_refused(run, shape):
    rule, problem = Told(shape), l2l.Quadratic(3).sample(2, 0)
    with refused(ValueError, r"step has the shape .*, but theta \[2, 3\]"):
        run(rule, problem, 2, l2l.start(rule, problem))
    p = nn.Parameter(torch.ones(6))
    p.grad = torch.ones(6)
    with refused(ValueError, r"step has the shape .*, but theta \[1, 6\]"):
        TorchOptimizer([p], rule).step()
    assert (p == 1).all()


@pytest.mark.parametrize("hidden", [(), (0,), (3, -1), 20])
def test_layers_that_are_none_are_refused(hidden):
    with refused(ValueError, "hidden must hold the units of each layer"):
        LSTMRule(hidden)


def test_groups_of_a_pair_may_be_lists_but_not_missing():
    rule = l2l.Partitioned(
        {"a": l2l.GradientDescent(0.1), "b": l2l.GradientDescent(0.2)}, {"a": [1], "b": [0]}
    )
    step, _ = rule(torch.ones(1, 2), rule.init(torch.ones(1, 2)))
    torch.testing.assert_close(step, torch.tensor([[-0.2, -0.1]]))
    with refused(ValueError, "needs at least one group"):
        l2l.Partitioned({}, {})


# Trajectories


def bowl(theta0):
    """Losses of any θ0, and nothing else."""
    loss = lambda theta, t=0: theta.square().flatten(1).sum(dim=1)  # noqa: E731
    return Changed(None, {"theta0": theta0, "loss": loss, "evaluate": loss})


@each_rule
@few
@given(
    tasks=st.integers(1, 3),
    dim=st.integers(1, 4),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    size=st.sampled_from([0.0, 1e-40, 1e-8, 1.0, 1e8]),
    transposed=st.booleans(),
)
def test_runs_keep_shapes_and_numbers_and_stay_finite(make_rule, tasks, dim, dtype, size, transposed):
    theta0 = tensor((tasks, dim), 0, size, transposed).to(dtype)
    before = theta0.clone()
    run = l2l.optimize(make_rule(), bowl(theta0), 3)
    assert run.theta.shape == (tasks, dim)
    assert run.losses.shape == (4, tasks)
    assert run.theta.dtype == run.losses.dtype == dtype
    assert run.theta.isfinite().all()
    assert torch.equal(theta0, before)


@few
@given(st.sampled_from([(0, 3), (2, 0), (3,), (), (2, 3, 4)]))
def test_theta_of_another_shape_is_refused(shape):
    with refused(ValueError, r"theta0 must be \[tasks, dim\], at least one of each, but it is"):
        l2l.optimize(l2l.Adam(), bowl(torch.ones(shape)), 3)


@pytest.mark.parametrize("dtype", [*DTYPES, torch.bool], ids=str)
def test_theta_of_other_numbers_is_refused(dtype):
    with refused(TypeError, f"theta0 must be float32 or float64, but it is {dtype}"):
        l2l.optimize(l2l.Adam(), bowl(torch.ones(2, 3).to(dtype)), 3)


@few
@given(value=wrong, at=st.integers(0, 1))
def test_a_task_that_is_not_finite_shows_and_spares_the_others(value, at):
    rule, problem = LSTMRule((3,)), l2l.Quadratic(3).sample(2, 0)
    theta0 = problem.theta0.clone()
    theta0[at, 0] = value
    problem = replace(problem, theta0=theta0)
    losses, alone = (l2l.optimize(rule, one, 3).losses for one in (problem, l2l.Quadratic(3).sample(2, 0)))
    assert not losses[0, at].isfinite()
    assert torch.equal(losses[:, 1 - at], alone[:, 1 - at])


# Meta-training

ESTIMATORS = {
    "backpropagation": l2l.TruncatedBPTT(),
    "a sample": l2l.TruncatedBPTT(one_in=2),
    "second derivatives": l2l.TruncatedBPTT(second_derivatives=True),
    "clipped": l2l.TruncatedBPTT(second_derivatives=True, clip_each=1.0),
    "held out": estimators.HeldOutBPTT(),
    "ES": l2l.ES(),
    "PES": estimators.PES(),
}
each_estimator = pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)
OBJECTIVES = ["uniform", "last", "increasing", "squared", "log_relative", "best_so_far"]
SHORT = {"trajectories": 2, "steps": 4, "unroll_length": 2, "tasks": 2, "validation_tasks": 2}


@each_estimator
def test_frozen_weights_of_a_rule_stay_and_the_others_learn(estimator):
    rule = LSTMRule((2,))
    rule.output.bias.requires_grad_(False)
    before = {name: weight.detach().clone() for name, weight in rule.named_parameters()}
    l2l.meta_train(rule, l2l.Quadratic(3), estimator=estimator, **SHORT)
    moved = {name for name, weight in rule.named_parameters() if not torch.equal(weight, before[name])}
    assert moved == set(before) - {"output.bias"}


@each_estimator
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_window_of_no_steps_changes_nothing(estimator, objective):
    rule, problem = LSTMRule((2,)), l2l.Quadratic(3).sample(2, 0)
    at = estimator.start(rule, problem)
    end = estimator.window(rule, problem, 0, at, getattr(objectives, objective), l2l.generator(0))
    assert torch.equal(end.losses, at.losses)
    assert not any(weight.grad is not None and weight.grad.any() for weight in rule.parameters())


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_an_objective_does_not_hide_what_is_not_finite(objective):
    window = torch.ones(3, 2)
    window[2, 1] = float("nan")
    assert getattr(objectives, objective)(window, torch.ones(1, 2)).isnan()


def test_a_rule_that_has_nothing_to_learn_is_refused():
    with refused(ValueError, "has nothing to learn: take a rule of l2l.learned"):
        l2l.meta_train(l2l.Adam(0.1), l2l.Quadratic(3), **SHORT)
    with refused(ValueError, "has nothing to learn"):
        l2l.meta_train(LSTMRule((2,)).requires_grad_(False), l2l.Quadratic(3), **SHORT)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"steps": 4.0}, "steps must be a whole number or a range"),
        ({"steps": (2, 4.5)}, "steps must be a whole number or a range"),
        ({"tasks": 0}, "tasks must be positive, but tasks=0"),
        ({"lr": float("nan")}, "lr must be positive, but lr=nan"),
        ({"average": 1.0}, "average must be from 0 to below 1, but average=1.0"),
        ({"average": float("nan")}, "average must be from 0 to below 1"),
        ({"seed": -1}, "seed must be at least 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(setting, words):
    with refused(ValueError, words):
        l2l.meta_train(LSTMRule((2,)), l2l.Quadratic(3), **SHORT | setting)


def test_numbers_of_numpy_are_numbers():
    rules = LSTMRule((2,)), LSTMRule((2,))
    for rule, steps in zip(rules, (4, np.int64(4)), strict=True):
        l2l.meta_train(rule, l2l.Quadratic(3), **SHORT | {"steps": steps})
    assert all(torch.equal(*pair) for pair in zip(*(rule.parameters() for rule in rules), strict=True))


# Comparisons and problems


@few
@given(st.sampled_from([((3,), (5,)), ((5,), (3,)), ((4, 2), (4, 2)), ((0,), (0,)), ((), ())]))
def test_a_ratio_of_other_tasks_is_refused(pair):
    with refused(ValueError, r"ratio compares two rules on the same tasks"):
        l2l.ratio(*(torch.ones(shape) for shape in pair))


@few
@given(st.sampled_from([torch.float32, torch.float64]), st.integers(1, 5))
def test_the_ratio_of_a_rule_to_itself_is_one(dtype, tasks):
    losses = torch.rand(tasks, generator=l2l.generator(0), dtype=dtype) + 0.1
    assert l2l.ratio(losses, losses, resamples=20) == pytest.approx((1, 1, 1))


def test_what_tune_cannot_vary_is_refused():
    problem = l2l.Quadratic(3).sample(2, 0)
    with refused(TypeError, "give it a class such as l2l.Adam, not a rule"):
        l2l.tune(l2l.Adam(0.1), problem)
    with refused(ValueError, "needs a maker and a rate at least, but has 1 and 0"):
        l2l.tune(l2l.Adam, problem, rates=[])
    with refused(ValueError, "but has 0 and 19"):
        l2l.tune([], problem)


@few
@given(st.sampled_from([((5,), 3), ((0, 2), 3), ((5, 2), 0), ((5, 2), -1)]))
def test_steps_to_needs_losses_of_tasks_and_a_width(case):
    shape, width = case
    with refused(ValueError, r"losses must be \[steps \+ 1, tasks\] and width at least 1"):
        l2l.steps_to(torch.ones(shape), 0.5, width)


@pytest.mark.parametrize(
    ("family", "kind", "words"),
    [
        (lambda: l2l.Classifier(Tied(), examples()), TypeError, "must be a function that makes a network"),
        (lambda: l2l.Classifier(Tied, examples(), batch=0), ValueError, "at least one example, but batch=0"),
        (lambda: l2l.Classifier(Tied, examples(0)), ValueError, "there are no training examples"),
        (lambda: l2l.Classifier(nn.Flatten, examples()), ValueError, "has no parameters to train"),
        (
            lambda: l2l.Classifier(lambda: Tied().requires_grad_(False), examples()),
            ValueError,
            "all are frozen",
        ),
        (lambda: l2l.problems.Mixture([]), ValueError, "at least one family"),
    ],
)
def test_networks_and_data_that_cannot_be_trained_are_refused(family, kind, words):
    with refused(kind, words):
        family().sample(2, 0)


@pytest.mark.parametrize("make_family", [l2l.Quadratic, tied])
def test_seeds_and_numbers_of_tasks_below_their_range_are_refused(make_family):
    with refused(ValueError, "a seed is a whole number from 0 on"):
        make_family().sample(2, -1)
    with refused(ValueError, "a problem needs at least one task, but tasks=0"):
        make_family().sample(0, 0)
