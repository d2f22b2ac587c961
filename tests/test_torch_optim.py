"""Any rule as a real torch.optim.Optimizer, in the reader's own loop."""

import copy
import io

import pytest
import torch
from samples import ALL_RULES, COUNTERPARTS, HAND_MADE, Counting, Memory
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import parameters_to_vector

import l2l_lite as l2l
from l2l_lite import LSTMRule, TorchOptimizer, UpdateRule

each_rule = pytest.mark.parametrize("make_rule", ALL_RULES.values(), ids=ALL_RULES)


def network(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))


def loss_of(model):
    x = torch.randn(16, 4, generator=torch.Generator().manual_seed(1))
    return cross_entropy(model(x.to(model[0].weight.dtype)), torch.arange(16) % 3)


def train(model, optimizer, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(model).backward()
        optimizer.step()


def weights(model):
    return [parameter.detach().clone() for parameter in model.parameters()]


def assert_equal(first, second):
    torch.testing.assert_close(first, second, rtol=0, atol=0)


@each_rule
def test_same_trajectory_as_optimize(make_rule):
    rule = make_rule()
    tasks = 2 if rule.coordinatewise else 1  # both are one network to a rule that shares
    problem = l2l.Quadratic(4).sample(tasks, seed=0)
    theta = nn.Parameter(problem.theta0.clone())
    optimizer = TorchOptimizer([theta], rule)
    for t in range(10):
        optimizer.zero_grad()
        problem.loss(theta, t).sum().backward()
        optimizer.step()
    assert_equal(theta.detach(), l2l.optimize(rule, problem, 10).theta)


@pytest.mark.parametrize("name", HAND_MADE)
def test_equals_torch_optim_on_a_network(name):
    ours, theirs = network(), network()
    train(ours, TorchOptimizer(ours.parameters(), HAND_MADE[name](0.02)), 20)
    train(theirs, COUNTERPARTS[name](list(theirs.parameters()), 0.02), 20)
    torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-4, atol=1e-5)
    assert loss_of(ours) < loss_of(network())


@each_rule
def test_saved_and_resumed_bit_for_bit(make_rule, tmp_path):
    model = network()
    optimizer = TorchOptimizer(model.parameters(), make_rule())
    train(model, optimizer, 3)
    torch.save([model.state_dict(), optimizer.state_dict()], tmp_path / "saved.pt")
    train(model, optimizer, 3)
    again = network(seed=1)
    resumed = TorchOptimizer(again.parameters(), make_rule(), lr=9.0)
    saved = torch.load(tmp_path / "saved.pt", weights_only=True)
    again.load_state_dict(saved[0])
    resumed.load_state_dict(saved[1])
    train(again, resumed, 3)
    assert_equal(weights(again), weights(model))


@each_rule
def test_a_copy_goes_on_like_the_original(make_rule):
    model = network()
    optimizer = TorchOptimizer(model.parameters(), make_rule())
    train(model, optimizer, 2)
    twin, twin_optimizer = copy.deepcopy((model, optimizer))
    train(model, optimizer, 2)
    train(twin, twin_optimizer, 2)
    assert_equal(weights(twin), weights(model))


def test_a_closure_is_evaluated_once_before_the_step_and_its_loss_returned():
    model, plain = network(), network()
    optimizer, losses = TorchOptimizer(model.parameters(), l2l.Adam(0.1)), []

    def closure():
        optimizer.zero_grad()
        losses.append(loss_of(model))
        losses[-1].backward()
        return losses[-1]

    returned = optimizer.step(closure)
    assert losses == [returned]
    assert returned.item() == loss_of(plain).item()
    train(plain, TorchOptimizer(plain.parameters(), l2l.Adam(0.1)), 1)
    assert_equal(weights(model), weights(plain))
    assert optimizer.step() is None


@each_rule
def test_lr_multiplies_the_steps_of_its_group(make_rule):
    steps = []
    for lr in (1.0, 0.5, 0.0):
        model = network()
        before = weights(model)
        groups = [{"params": model[0].parameters(), "lr": lr}, {"params": model[2].parameters()}]
        train(model, TorchOptimizer(groups, make_rule(), lr=2.0), 1)
        steps.append([new - old for new, old in zip(weights(model), before, strict=True)])
    for layer, factors in ((0, (0.5, 0.0)), (2, (1.0, 1.0))):
        for other, factor in zip(steps[1:], factors, strict=True):
            torch.testing.assert_close(other[layer], factor * steps[0][layer], rtol=1e-3, atol=1e-6)
    assert steps[0][0].abs().max() > 1e-4


def test_a_group_can_be_added_later():
    model = network()
    optimizer = TorchOptimizer(model[0].parameters(), l2l.Adam(0.1))
    train(model, optimizer, 1)
    optimizer.add_param_group({"params": model[2].parameters()})
    before = weights(model)
    train(model, optimizer, 1)
    assert all((new != old).any() for new, old in zip(weights(model), before, strict=True))


@each_rule
def test_parameters_without_a_gradient_stay_as_they_are(make_rule):
    model = network()
    model[0].requires_grad_(False)
    before = weights(model)
    train(model, TorchOptimizer(model.parameters(), make_rule()), 2)
    assert_equal(weights(model)[:2], before[:2])
    assert all((new != old).any() for new, old in zip(weights(model)[2:], before[2:], strict=True))


def test_schedulers_change_the_steps():
    model = network()
    optimizer = TorchOptimizer(model.parameters(), l2l.GradientDescent(0.1))
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    theirs = network()
    sgd = torch.optim.SGD(theirs.parameters(), 0.1)
    other = torch.optim.lr_scheduler.StepLR(sgd, step_size=1, gamma=0.5)
    for _ in range(3):
        train(model, optimizer, 1)
        scheduler.step()
        train(theirs, sgd, 1)
        other.step()
    assert scheduler.get_last_lr() == [0.125]
    torch.testing.assert_close(weights(model), weights(theirs))


@each_rule
def test_a_gradient_scaler_works_and_skips_steps_that_overflow(make_rule):
    model, plain = network(), network()
    optimizer = TorchOptimizer(model.parameters(), make_rule())
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)  # a power of two loses nothing
    for _ in range(2):
        optimizer.zero_grad()
        scaler.scale(loss_of(model)).backward()
        scaler.step(optimizer)
        scaler.update()
    train(plain, TorchOptimizer(plain.parameters(), make_rule()), 2)
    torch.testing.assert_close(weights(model), weights(plain), rtol=1e-4, atol=1e-6)
    before = weights(model)
    scaler.scale(loss_of(model) * torch.inf).backward()
    scaler.step(optimizer)
    assert_equal(weights(model), before)


def test_a_rule_may_have_the_models_dtype():
    model = network().double()
    train(model, TorchOptimizer(model.parameters(), LSTMRule().double()), 2)
    assert model[0].weight.dtype == torch.float64


def test_a_rule_that_is_used_is_not_trained_and_holds_no_graph():
    model, rule = network(), LSTMRule()
    optimizer = TorchOptimizer(model.parameters(), rule)
    train(model, optimizer, 2)
    assert all(weight.grad is None for weight in rule.parameters())
    memory = optimizer.state[model[0].weight]["rule"]
    assert not any(tensor.requires_grad for layer in memory for tensor in layer)


# What it cannot do, it says


def refused(parameter, rule=None):
    before = parameter.detach().clone()
    with pytest.raises(TypeError) as error:
        TorchOptimizer([parameter], rule or l2l.Adam()).step()
    assert torch.equal(parameter.detach(), before)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_sparse_gradients_are_refused_by_name():
    table = nn.Embedding(5, 2, sparse=True)
    table(torch.tensor([1, 3])).sum().backward()
    assert "cannot update sparse parameters; give these to torch.optim.SGD" in refused(table.weight)


def test_complex_parameters_are_refused_by_name():
    parameter = nn.Parameter(torch.ones(3, dtype=torch.complex64))
    parameter.abs().sum().backward()
    assert "cannot update complex parameters; give these to torch.optim.SGD" in refused(parameter)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("make_rule", [l2l.Adam, LSTMRule])
def test_half_precision_is_refused_by_name(dtype, make_rule):
    parameter = nn.Parameter(torch.ones(3, dtype=dtype))
    parameter.sum().backward()
    assert f"cannot update {dtype} parameters; keep them in float32" in refused(parameter, make_rule())


def test_a_rule_of_another_dtype_is_refused_with_a_way_out():
    parameter = nn.Parameter(torch.ones(3, dtype=torch.float64))
    parameter.sum().backward()
    assert "use rule.to(torch.float64)" in refused(parameter, LSTMRule())


# A rule sees whole buckets


class Norm(l2l.GradientDescent):
    """Steps of one length, whatever the gradient: a rule that must see all of it."""

    coordinatewise = False

    def forward(self, grad, state, theta=None):
        return -self.lr * grad / grad.norm(dim=1, keepdim=True), state


def backward(model):
    model.zero_grad()
    loss_of(model).backward()


def test_a_rule_that_looks_at_its_whole_gradient_sees_all_parameters():
    model = network()
    before = parameters_to_vector(model.parameters()).detach()
    optimizer = TorchOptimizer(model.parameters(), Norm(0.1))
    backward(model)
    optimizer.step()
    moved = parameters_to_vector(model.parameters()).detach() - before
    assert moved.norm().item() == pytest.approx(0.1, rel=1e-5)


def test_parameters_whose_first_gradients_come_later_are_a_bucket_of_their_own():
    first, second = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(2))
    optimizer = TorchOptimizer([first, second], Norm(0.1))
    for _ in range(2):
        first.grad = torch.ones(3)
        optimizer.step()
        second.grad = torch.ones(2)
    optimizer.step()
    assert (1 - first).norm().item() == pytest.approx(0.3, rel=1e-5)
    assert (1 - second).norm().item() == pytest.approx(0.2, rel=1e-5)


def test_a_parameter_that_loses_its_gradient_is_refused_and_nothing_moves():
    model = network()
    optimizer = TorchOptimizer(model.parameters(), l2l.Adam(0.1))
    backward(model)
    optimizer.step()
    before = parameters_to_vector(model.parameters()).detach()
    model[-1].bias.grad = None
    with pytest.raises(ValueError, match=r"shape \[3\] had a gradient before and has none now") as error:
        optimizer.step()
    assert "\n" not in str(error.value)
    assert torch.equal(parameters_to_vector(model.parameters()), before)


class Fussy(l2l.GradientDescent):
    """A rule that refuses what is small."""

    def forward(self, grad, state, theta=None):
        if grad.numel() < 3:
            raise RuntimeError("too small")
        return super().forward(grad, state, theta)


def test_nothing_moves_when_a_later_bucket_is_refused():
    first, second = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(2))
    optimizer = TorchOptimizer([{"params": [first]}, {"params": [second]}], Fussy(0.1))
    first.grad, second.grad = torch.ones(3), torch.ones(2)
    with pytest.raises(RuntimeError, match="too small"):
        optimizer.step()
    assert (first == 1).all()
    third = nn.Parameter(torch.ones(2, dtype=torch.float16))
    third.grad = torch.ones_like(third)
    optimizer = TorchOptimizer([{"params": [first]}, {"params": [third]}], l2l.Adam(0.1))
    with pytest.raises(TypeError, match=r"cannot update torch\.float16"):
        optimizer.step()
    assert (first == 1).all()


class Home(UpdateRule):
    """Goes back to where it began, by a tenth of the way."""

    def init(self, theta):
        return (theta,)

    def forward(self, grad, state, theta=None):
        return 0.1 * (state[0] - theta) - grad, state


@pytest.mark.parametrize("lr", [1.0, 0.5])
def test_a_rule_that_remembers_theta0_and_looks_at_theta_is_given_both(lr):
    parameter = nn.Parameter(torch.tensor([2.0]))
    optimizer, theta = TorchOptimizer([parameter], Home(), lr), 2.0
    for _ in range(5):
        parameter.grad = torch.ones(1)
        optimizer.step()
        theta += lr * (0.1 * (2 - theta) - 1)
        assert parameter.item() == pytest.approx(theta)


def through_a_file(content):
    file = io.BytesIO()
    torch.save(content, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("load", [copy.copy, through_a_file])
def test_states_of_any_form_are_saved_and_resumed_to_the_bit(load):
    rules, runs = [Counting(0.01) for _ in range(2)], []
    for resumed in (False, True):
        model = network()
        optimizer = TorchOptimizer(model.parameters(), rules[0])
        for step in range(6):
            if resumed and step == 3:
                saved = load(optimizer.state_dict())
                optimizer = TorchOptimizer(model.parameters(), rules[1])
                optimizer.load_state_dict(saved)
            backward(model)
            optimizer.step()
        runs.append(parameters_to_vector(model.parameters()).detach())
    assert torch.equal(*runs)
    assert not torch.equal(runs[0], parameters_to_vector(network().parameters()))
    state = optimizer.state[next(model.parameters())]["rule"]
    assert isinstance(state, Memory)
    assert state.rest["seen"].dtype == torch.int64
    assert (state.rest["steps"], int(state.rest["seen"])) == (6, 6)


# A rule for each group of parameters


def pair():
    return l2l.Partitioned(
        {"conv": LSTMRule((3,), seed=1), "dense": LSTMRule((2,), seed=2)},
        {"conv": torch.arange(1), "dense": torch.arange(1, 2)},
    )


def conv_network():
    with l2l.global_draws(0):
        return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))


def steps_of(model, optimizer, count=3):
    """The steps of every parameter, one list for each update."""
    x, found = torch.randn(5, 1, 4, 4, generator=l2l.generator(0)), []
    for _ in range(count):
        before = [p.detach().clone() for p in model.parameters()]
        model.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()
        found.append([p.detach() - old for p, old in zip(model.parameters(), before, strict=True)])
    return found


def test_a_pair_gives_convolutions_and_dense_layers_to_their_rules():
    rule, model, twin = pair(), conv_network(), conv_network()
    found = steps_of(model, TorchOptimizer(model.parameters(), rule))
    conv, *dense = twin.parameters()
    alone = [TorchOptimizer([conv], rule.rules["conv"]), TorchOptimizer(dense, rule.rules["dense"])]
    both = type("Both", (), {"step": lambda self: [optimizer.step() for optimizer in alone]})()
    torch.testing.assert_close(found, steps_of(twin, both))


def test_groups_can_be_chosen_by_name():
    rule, model, twin = pair(), conv_network(), conv_network()
    by_name = lambda name, parameter: "conv" if name.startswith("3.") else "dense"  # noqa: E731
    found = steps_of(model, TorchOptimizer(model.named_parameters(), rule, groups=by_name))
    parts = [list(twin[3].parameters()), [*twin[0].parameters(), *twin[1].parameters()]]
    alone = [TorchOptimizer(part, r) for part, r in zip(parts, rule.rules.values(), strict=True)]
    both = type("Both", (), {"step": lambda self: [optimizer.step() for optimizer in alone]})()
    torch.testing.assert_close(found, steps_of(twin, both))


def test_a_pair_works_where_one_kind_is_missing_and_after_a_resume():
    model = network()
    optimizer = TorchOptimizer(model.parameters(), pair())
    backward(model)
    optimizer.step()
    again = TorchOptimizer(model.parameters(), pair())
    again.load_state_dict(optimizer.state_dict())
    twin = copy.deepcopy(model)
    backward(model)
    again.step()
    assert not torch.equal(parameters_to_vector(twin.parameters()), parameters_to_vector(model.parameters()))


def test_a_group_without_a_rule_is_refused_in_a_sentence():
    model = network()
    optimizer = TorchOptimizer(model.parameters(), pair(), groups=lambda name, p: "else")
    backward(model)
    with pytest.raises(ValueError, match=r"there are rules for .'conv', 'dense'. but groups") as error:
        optimizer.step()
    assert "\n" not in str(error.value)


def test_steps_that_it_is_told_fade_to_nothing():
    (told, weight), (plain, other) = (
        (l2l.TorchOptimizer([p], l2l.GradientDescent(1.0), steps=steps), p)
        for steps, p in ((2, nn.Parameter(torch.ones(3))), (None, nn.Parameter(torch.ones(3))))
    )
    moved = []
    for _ in range(3):
        for optimizer, p in ((told, weight), (plain, other)):
            before, p.grad = p.detach().clone(), torch.full((3,), 0.1)
            optimizer.step()
            moved.append(float((before - p.detach()).mean()))
    assert moved[::2] == pytest.approx([0.1, 0.05, 0.0])
    assert moved[1::2] == pytest.approx([0.1] * 3)
