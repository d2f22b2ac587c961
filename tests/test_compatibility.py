"""TorchOptimizer with what PyTorch offers: the habits of its optimizers; compiled, scaled, shared models."""

import copy
import os
import pickle
import re
import shutil
from pathlib import Path

import compatibility
import pytest
import ranks
import torch
import yaml
from samples import ALL_RULES
from torch import nn
from torch.optim import lr_scheduler
from torch.utils._pytree import tree_leaves

import l2l_lite as l2l
from l2l_lite import LSTMRule, TorchOptimizer, quasi_newton
from l2l_lite.learned import StartAt

ROOT = Path(__file__).resolve().parents[1]
RULES = {**ALL_RULES, "BFGS": quasi_newton.BFGS, "LBFGS": quasi_newton.LBFGS}
each_rule = pytest.mark.parametrize("make_rule", RULES.values(), ids=RULES)


def network(seed=0):
    with l2l.global_draws(seed):
        return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def inputs(count=8):
    return torch.randn(count, 3, generator=l2l.generator(1))


def train(model, optimizer, steps=3, x=None):
    for _ in range(steps):
        optimizer.zero_grad()
        model(inputs() if x is None else x).square().mean().backward()
        optimizer.step()


def weights(model):
    return [p.detach().clone() for p in model.parameters()]


def same(first, second):
    pairs = zip(tree_leaves(first), tree_leaves(second), strict=True)
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)


# The habits of torch.optim, with every rule


@each_rule
def test_a_state_that_is_loaded_is_the_state_that_was_saved(make_rule):
    model = network()
    optimizer = TorchOptimizer(model.parameters(), make_rule(), lr=0.5)
    train(model, optimizer)
    twin = copy.deepcopy(model)
    again = TorchOptimizer(twin.parameters(), make_rule())
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert same(again.state_dict(), optimizer.state_dict())
    assert again.param_groups[0]["lr"] == 0.5
    train(model, optimizer)
    train(twin, again)
    assert same(weights(twin), weights(model))


@each_rule
def test_a_pickled_optimizer_goes_on(make_rule):
    model = network()
    optimizer = TorchOptimizer(model.parameters(), make_rule())
    train(model, optimizer)
    twin, again = pickle.loads(pickle.dumps((model, optimizer)))
    train(model, optimizer)
    train(twin, again)
    assert same(weights(twin), weights(model))


@each_rule
def test_gradients_that_are_zeroed_in_place_are_gradients(make_rule):
    model = network()
    optimizer = TorchOptimizer(model.parameters(), make_rule())
    train(model, optimizer, 1)
    optimizer.zero_grad(set_to_none=False)
    assert not any(p.grad.any() for p in model.parameters())
    optimizer.step()
    assert all(p.isfinite().all() for p in model.parameters())
    optimizer.zero_grad()
    assert all(p.grad is None for p in model.parameters())


@each_rule
def test_gradients_can_be_accumulated(make_rule):
    models = network(), network()
    for model, pieces in zip(models, (1, 4), strict=True):
        optimizer = TorchOptimizer(model.parameters(), make_rule())
        for _ in range(2):
            optimizer.zero_grad()
            for part in inputs().chunk(pieces):
                (model(part).square().mean() / pieces).backward()
            optimizer.step()
    torch.testing.assert_close(*map(weights, models), rtol=1e-4, atol=1e-5)


@each_rule
def test_a_model_may_compute_in_bfloat16(make_rule):
    model = network()
    optimizer = TorchOptimizer(model.parameters(), make_rule())
    before = weights(model)
    for _ in range(2):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(inputs()).float().square().mean()
        loss.backward()
        optimizer.step()
    assert not same(weights(model), before)
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in model.parameters())


def test_hooks_are_called():
    model, called = network(), []
    optimizer = TorchOptimizer(model.parameters(), l2l.Adam())
    optimizer.register_step_pre_hook(lambda *_: called.append("before"))
    optimizer.register_step_post_hook(lambda *_: called.append("after"))
    optimizer.register_state_dict_post_hook(lambda _, content: called.append(len(content["state"])))
    optimizer.register_load_state_dict_pre_hook(lambda *_: called.append("load"))
    train(model, optimizer, 2)
    optimizer.load_state_dict(optimizer.state_dict())
    assert called == ["before", "after"] * 2 + [4, "load"]


def test_a_parameter_that_is_given_twice_is_warned_of_as_in_torch_optim():
    for make in (lambda params: TorchOptimizer(params, l2l.Adam()), torch.optim.Adam):
        p = nn.Parameter(torch.ones(2))
        with pytest.warns(UserWarning, match="duplicate parameters"):
            make([p, p])
        with pytest.raises(ValueError, match="some parameters appear in more than one parameter group"):
            make([{"params": [p]}, {"params": [p]}])


SCHEDULERS = {
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda t: 0.9**t),
    "StepLR": lambda o: lr_scheduler.StepLR(o, 2),
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [1, 3]),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o, total_iters=3),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.9),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 5),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 2),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 1.0, 5, cycle_momentum=False),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.1, 1.0, 2, cycle_momentum=False),
    "ReduceLROnPlateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.ConstantLR(o), lr_scheduler.ExponentialLR(o, 0.5)], [2]
    ),
}


@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step()")
@pytest.mark.parametrize("make", SCHEDULERS.values(), ids=SCHEDULERS)
def test_schedulers_change_the_steps_as_those_of_torch_optim(make):
    ours, theirs = network(), network()
    optimizers = (
        TorchOptimizer(ours.parameters(), l2l.GradientDescent(1.0)),
        torch.optim.SGD(theirs.parameters()),
    )
    for optimizer in optimizers:
        optimizer.param_groups[0]["lr"] = 0.1
    schedulers = [make(optimizer) for optimizer in optimizers]
    rates = []
    for _ in range(5):
        for model, optimizer, scheduler in zip((ours, theirs), optimizers, schedulers, strict=True):
            train(model, optimizer, 1)
            scheduler.step(*[1.0] * isinstance(scheduler, lr_scheduler.ReduceLROnPlateau))
        rates.append(optimizers[0].param_groups[0]["lr"])
    assert len(set(rates)) > 1
    torch.testing.assert_close(weights(ours), weights(theirs))


# Groups with rules of their own


def two_rules(model):
    groups = [{"params": model[0].parameters(), "rule": LSTMRule(seed=1), "lr": 0.5}]
    return TorchOptimizer([*groups, {"params": model[2].parameters()}], l2l.Adam(0.1))


def test_a_group_may_have_a_rule_of_its_own():
    model, twin = network(), network()
    train(model, two_rules(model))
    alone = [
        TorchOptimizer(twin[0].parameters(), LSTMRule(seed=1), lr=0.5),
        TorchOptimizer(twin[2].parameters(), l2l.Adam(0.1)),
    ]
    for _ in range(3):
        twin.zero_grad()
        twin(inputs()).square().mean().backward()
        for optimizer in alone:
            optimizer.step()
    assert same(weights(model), weights(twin))


def test_rules_of_groups_are_copied_and_kept_but_not_saved():
    model = network()
    optimizer = two_rules(model)
    train(model, optimizer)
    saved = optimizer.state_dict()
    assert not any("rule" in group for group in saved["param_groups"])
    twin, copied = copy.deepcopy((model, optimizer))
    other = copy.deepcopy(model)
    resumed = two_rules(other)
    resumed.load_state_dict(saved)
    for one, by in ((model, optimizer), (twin, copied), (other, resumed)):
        train(one, by)
    assert same(weights(model), weights(twin))
    assert same(weights(model), weights(other))


# States that do not fit


def stepped(optimizer):
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = torch.ones_like(p)
    optimizer.step()
    return optimizer


OTHERS = {
    "an optimizer of PyTorch": lambda p: torch.optim.Adam([p]),
    "another rule": lambda p: TorchOptimizer([p], l2l.RMSProp(0.1)),
    "a rule with more memory": lambda p: TorchOptimizer([p], l2l.Adam(0.1)),
    "another model": lambda p: TorchOptimizer([nn.Parameter(torch.ones(1))], l2l.Momentum(0.1)),
}


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_a_state_that_does_not_fit_is_refused_and_nothing_is_loaded(make):
    p = nn.Parameter(torch.ones(3))
    optimizer = stepped(TorchOptimizer([p], l2l.Momentum(0.1), lr=0.5))
    before = copy.deepcopy(optimizer.state_dict())
    with pytest.raises(ValueError, match=r"state of another optimizer|saved state is not one that") as error:
        optimizer.load_state_dict(stepped(make(nn.Parameter(torch.ones(3)))).state_dict())
    assert "\n" not in str(error.value)
    assert same(optimizer.state_dict(), before)
    stepped(optimizer)


def test_a_state_whose_form_changes_cannot_be_resumed_and_says_so():
    optimizers = [
        TorchOptimizer([nn.Parameter(torch.ones(3))], StartAt(l2l.Adam(), torch.zeros(3))) for _ in range(2)
    ]
    with pytest.raises(ValueError, match="is not one that StartAt begins with"):
        optimizers[1].load_state_dict(stepped(optimizers[0]).state_dict())


# Compiled, and in several processes


def compiled(backend):
    torch._dynamo.reset()
    model, plain = network(), network()
    train(torch.compile(model, backend=backend), TorchOptimizer(model.parameters(), LSTMRule()))
    train(plain, TorchOptimizer(plain.parameters(), LSTMRule()))
    torch.testing.assert_close(weights(model), weights(plain))


def test_a_compiled_model_is_trained_as_a_plain_one():
    compiled("aot_eager")


@pytest.mark.skipif("L2L_WEEKLY" not in os.environ, reason="takes a minute: for the weekly workflow")
@pytest.mark.skipif(not shutil.which("c++"), reason="torch.compile needs a C++ compiler on a CPU")
def test_a_model_that_is_compiled_to_machine_code_is_trained_as_a_plain_one():
    compiled("inductor")


def compiled_rule(backend):
    torch._dynamo.reset()
    plain, quick = LSTMRule(hidden=(4,)), LSTMRule(hidden=(4,))
    quick.compile(backend=backend, dynamic=False)
    phis, models = [], []
    for rule in (plain, quick):
        settings = {"steps": 4, "unroll_length": 2, "validation_tasks": 2}
        l2l.meta_train(rule, l2l.Quadratic(3), trajectories=2, **settings)
        phis.append(nn.utils.parameters_to_vector(rule.parameters()))
        models.append(network())
        train(models[-1], TorchOptimizer(models[-1].parameters(), rule))
    torch.testing.assert_close(phis[1], phis[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(weights(models[1]), weights(models[0]))


def test_a_compiled_rule_is_trained_and_used_as_a_plain_one():
    compiled_rule("aot_eager")


@pytest.mark.skipif("L2L_WEEKLY" not in os.environ, reason="takes a minute: for the weekly workflow")
@pytest.mark.skipif(not shutil.which("c++"), reason="torch.compile needs a C++ compiler on a CPU")
def test_a_rule_that_is_compiled_to_machine_code_is_trained_and_used_as_a_plain_one():
    compiled_rule("inductor")


def plainly(make_rule):
    model = network()
    train(model, TorchOptimizer(model.parameters(), make_rule()))
    return weights(model)


SHARED = {"LSTM": LSTMRule, "ScaleFree": l2l.learned.ScaleFree, "Adam": l2l.Adam}


@ranks.together
def test_copies_of_a_model_are_trained_as_one(tmp_path):
    def work(both):
        found = {}
        for name, make_rule in SHARED.items():
            model = nn.parallel.DistributedDataParallel(network())
            train(
                model, TorchOptimizer(model.parameters(), make_rule()), x=inputs()[both.rank :: ranks.RANKS]
            )
            found[name] = weights(model)
        return found

    first, second = ranks.run(work, tmp_path)
    assert same(first, second)
    for name, make_rule in SHARED.items():
        torch.testing.assert_close(first[name], plainly(make_rule), rtol=1e-4, atol=1e-5)


def sharded():
    from torch.distributed.fsdp import fully_shard

    model, mesh = network(), torch.distributed.init_device_mesh("cpu", (ranks.RANKS,))
    for layer in (model[0], model[2], model):
        fully_shard(layer, mesh=mesh)
    return model


@ranks.together
def test_a_sharded_model_is_trained_as_a_whole_one_by_coordinatewise_rules(tmp_path):
    def work(both):
        x, found = inputs()[both.rank :: ranks.RANKS], {}
        for name in ("LSTM", "Adam"):
            model = sharded()
            optimizer = TorchOptimizer(model.parameters(), SHARED[name]())
            train(model, optimizer, 1, x)
            saved = copy.deepcopy(optimizer.state_dict())
            optimizer = TorchOptimizer(model.parameters(), SHARED[name]())
            optimizer.load_state_dict(saved)
            train(model, optimizer, 2, x)
            found[name] = [p.full_tensor().detach() for p in model.parameters()]
        model = sharded()
        with pytest.raises(
            TypeError, match=r"ScaleFree looks at all coordinates together.* coordinatewise rule"
        ):
            train(model, TorchOptimizer(model.parameters(), l2l.learned.ScaleFree()), 1, x)
        return found

    first, second = ranks.run(work, tmp_path)
    assert same(first, second)
    for name in ("LSTM", "Adam"):
        torch.testing.assert_close(first[name], plainly(SHARED[name]), rtol=1e-4, atol=1e-5)


# The table of the book


def test_the_table_of_the_book_is_current():
    assert compatibility.PAGE.read_text(encoding="utf-8") == compatibility.page()


def test_the_table_names_tests_and_jobs_that_exist():
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("test_*.py"))
    written = {name.replace("_", " ") for name in re.findall(r"^def test_(\w+)\(", code, re.MULTILINE)}
    named = {name for row in compatibility.ROWS for name in row.tests}
    assert len(named) >= 20
    assert named <= written
    workflow = yaml.safe_load((ROOT / ".github/workflows/weekly.yml").read_text(encoding="utf-8"))
    jobs = {row.job for row in compatibility.ROWS if row.job}
    assert {"newest", "oldest", "colab"} <= jobs <= set(workflow["jobs"])
    matrix = workflow["jobs"]["newest"]["strategy"]["matrix"]
    assert matrix == {"python": list(compatibility.PYTHONS)}
