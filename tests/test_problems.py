"""Every family: shapes, gradients, tasks of their own, and the same values from the same seed."""

from functools import cache, partial

import pytest
import torch
from torch import nn
from torch.func import vmap
from torch.nn.functional import cross_entropy
from torch.nn.utils import vector_to_parameters

import l2l_lite as l2l
from l2l_lite.data import Data, Examples
from l2l_lite.problems import FAMILIES
from l2l_lite.problems.base import drawn
from l2l_lite.seeds import generator

each_family = pytest.mark.parametrize("name", FAMILIES)


@cache
def sample(name, tasks=3, seed=0):
    return FAMILIES[name]().sample(tasks, seed)


def moved(problem):
    noise = torch.randn(problem.theta0.shape, generator=torch.Generator().manual_seed(1))
    return problem.theta0 + 0.1 * noise


@each_family
def test_shapes(name):
    problem = sample(name)
    theta = problem.theta0
    assert theta.shape == (3, theta.shape[1])
    assert not theta.requires_grad
    assert problem.loss(theta, 0).shape == problem.evaluate(theta).shape == (3,)
    assert not problem.evaluate(theta.clone().requires_grad_()).isnan().any()


@each_family
def test_losses_and_gradients_are_finite_and_not_zero(name):
    problem = sample(name)
    for t in (0, 1, 50):
        loss, grad = l2l.value_and_grad(problem, moved(problem), t)
        assert loss.isfinite().all()
        assert grad.isfinite().all()
        assert (grad.norm(dim=1) > 0).all()


@each_family
def test_tasks_do_not_leak_into_one_another(name):
    problem, theta = sample(name), moved(sample(name)).requires_grad_()
    loss = problem.loss(theta, 3)
    for task in range(3):
        (grad,) = torch.autograd.grad(loss[task], theta, retain_graph=True)
        others = torch.arange(3) != task
        assert grad[task].norm() > 0
        assert (grad[others] == 0).all()


@each_family
def test_the_same_seed_gives_the_same_tasks_and_minibatches(name):
    first, again, other = (FAMILIES[name]().sample(3, seed) for seed in (0, 0, 1))
    assert torch.equal(first.theta0, again.theta0)
    assert not torch.equal(first.theta0, other.theta0)
    for t in (0, 7):
        theta = moved(first)
        assert torch.equal(first.loss(theta, t), again.loss(theta, t))
        assert not torch.equal(first.loss(theta, t), other.loss(theta, t))


@each_family
def test_repeated_calls_give_the_same_value_whatever_was_drawn_between(name):
    problem, theta = sample(name), moved(sample(name))
    first = problem.loss(theta, 5)
    problem.loss(theta, 6)
    torch.randn(10)
    assert torch.equal(problem.loss(theta, 5), first)


@each_family
def test_tasks_differ(name):
    theta0 = sample(name).theta0
    assert not torch.equal(theta0[0], theta0[1])
    assert len(sample(name).loss(theta0[:1].expand(3, -1), 0).unique()) == 3


@each_family
def test_gradients_are_those_of_finite_differences(name):
    problem = sample(name)
    theta = moved(problem)
    _, grad = l2l.value_and_grad(problem, theta, 2)
    # Half along the gradient, for across it a network with many kinks is rough.
    direction = torch.nn.functional.normalize(grad) + torch.nn.functional.normalize(theta.sign())
    above, below = (problem.loss(theta + size * direction, 2) for size in (3e-3, -3e-3))
    torch.testing.assert_close((grad * direction).sum(1), (above - below) / 6e-3, rtol=0.02, atol=5e-3)


@each_family
def test_every_coordinate_is_in_one_group(name):
    index = torch.cat(list(FAMILIES[name]().groups.values()))
    assert torch.equal(index.sort().values, torch.arange(sample(name).theta0.shape[1]))


@each_family
@pytest.mark.parametrize("tasks", [0, -1])
def test_a_problem_has_at_least_one_task(name, tasks):
    with pytest.raises(ValueError, match=f"at least one task, but tasks={tasks}"):
        FAMILIES[name]().sample(tasks, seed=0)


def test_every_step_of_every_seed_has_a_generator_of_its_own():
    keys = [(seed, step) for seed in range(4) for step in range(4)]
    assert len({torch.randn(1, generator=generator(*key)).item() for key in keys}) == 16


def test_a_quadratic_is_the_formula():
    problem = sample("quadratic")
    theta = moved(problem)
    expected = [(W @ row - y).norm() ** 2 for W, row, y in zip(problem.W, theta, problem.y, strict=True)]
    torch.testing.assert_close(problem.loss(theta), torch.stack(expected))
    assert torch.equal(problem.loss(theta, 9), problem.loss(theta))


# Classifiers: a network in a batch of tasks is the network that a plain loop trains


def conv_net():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 10)
    )


def with_batch_norm():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 10))


NETWORKS = {
    "mlp": partial(l2l.mlp, 64),
    "deep mlp": partial(l2l.mlp, 64, hidden=7, layers=3, activation=nn.Tanh),
    "batch norm": with_batch_norm,
    "conv net": conv_net,
}
each_network = pytest.mark.parametrize("make_model", NETWORKS.values(), ids=NETWORKS)


def by_a_loop(make_model, theta, images, labels):
    """Loss of every task, one plain network at a time, with the statistics of its batch."""
    losses = []
    for row, x, y in zip(theta, images, labels, strict=True):
        model = make_model().train()
        vector_to_parameters(row, model.parameters())
        losses.append(cross_entropy(model(x), y))
    return torch.stack(losses)


@each_network
def test_a_batch_of_networks_is_a_loop_over_networks(make_model):
    problem = l2l.Classifier(make_model, l2l.data.digits8(), batch=32).sample(3, seed=0)
    images, labels = problem.data.train
    index = problem.minibatch(4, tasks=3)
    theta = moved(problem)
    expected = by_a_loop(make_model, theta, images[index], labels[index])
    torch.testing.assert_close(problem.loss(theta, 4), expected, rtol=1e-4, atol=1e-5)


@each_network
def test_held_out_loss_is_a_loop_over_networks(make_model):
    problem = l2l.Classifier(make_model, l2l.data.digits8()).sample(3, seed=0)
    theta, (images, labels) = moved(problem), problem.data.test
    expected = by_a_loop(make_model, theta, [images] * 3, [labels] * 3)
    torch.testing.assert_close(problem.evaluate(theta), expected.detach(), rtol=1e-4, atol=1e-5)


@each_network
def test_networks_can_be_trained(make_model):
    problem = l2l.Classifier(make_model, l2l.data.digits8(), batch=32).sample(2, seed=0)
    losses = l2l.optimize(l2l.Adam(0.03), problem, 40).losses
    assert (losses[-5:].mean(0) < 0.8 * losses[0]).all()


def test_tasks_have_minibatches_of_their_own():
    problem = sample("digits8")
    same = problem.theta0[:1].expand(3, -1)
    assert len(problem.loss(same, 0).unique()) == 3
    assert len({problem.loss(same, t)[0].item() for t in range(5)}) == 5


def test_theta0_is_normal_of_the_given_size():
    family = l2l.Classifier(partial(l2l.mlp, 64), l2l.data.digits8(), theta0_std=0.5)
    theta0 = family.sample(8, seed=0).theta0
    assert theta0.std().item() == pytest.approx(0.5, rel=0.03)
    assert theta0.mean().item() == pytest.approx(0, abs=0.02)


def test_theta0_can_be_what_the_network_itself_draws():
    family = l2l.Classifier(with_batch_norm, l2l.data.digits8(), theta0_std=None)
    theta0, again = (family.sample(4, seed=0).theta0 for _ in range(2))
    assert torch.equal(theta0, again)
    assert not torch.equal(theta0, family.sample(4, seed=1).theta0)
    assert not torch.equal(theta0[0], theta0[1])
    first_layer = theta0[:, : 64 * 8]
    assert 0.9 / 8 < first_layer.abs().max() <= 1 / 8  # uniform within 1 / √64, as nn.Linear draws it
    model = with_batch_norm()
    vector_to_parameters(theta0[0], model.parameters())
    assert (model[2].weight == 1).all()
    assert (model[2].bias == 0).all()


def test_groups_tell_convolutions_from_the_rest():
    groups = l2l.Classifier(conv_net, l2l.data.digits8()).groups
    assert groups["conv"].tolist() == list(range(4 * 1 * 3 * 3))
    assert len(groups["dense"]) == 4 + 4 + 4 + 36 * 10 + 10
    assert set(l2l.Classifier(with_batch_norm, l2l.data.digits8()).groups) == {"dense"}


def test_a_family_on_other_data():
    family = FAMILIES["digits8"]()
    swapped = family.on(family.data.swapped())
    first, other = family.sample(2, 0), swapped.sample(2, 0)
    assert torch.equal(first.theta0, other.theta0)
    assert torch.equal(other.data.train.images, first.data.test.images)


def test_the_default_network_is_the_papers():
    assert sum(p.numel() for p in l2l.mlp().parameters()) == 15_910
    assert sum(p.numel() for p in l2l.mlp(hidden=40).parameters()) == 31_810
    assert sum(p.numel() for p in l2l.mlp(layers=2).parameters()) == 16_330


# The paper's network for colour images


def random_data(n=40, shape=(3, 32, 32), classes=10):
    """Noise with random labels, the same to train on and held out."""
    rng = torch.Generator().manual_seed(0)
    examples = Examples(torch.rand(n, *shape, generator=rng), torch.randint(classes, (n,), generator=rng))
    return Data(examples, examples)


@cache
def convolutional(tasks=2, batch=6):
    return l2l.Classifier(l2l.conv_net, random_data(), batch, theta0_std=None).sample(tasks, seed=0)


@pytest.mark.parametrize(("classes", "weights"), [(10, 22_682), (5, 22_517), (2, 22_418)])
def test_the_convolutional_network_is_the_papers(classes, weights):
    model = l2l.conv_net(classes)
    assert sum(p.numel() for p in model.parameters()) == weights
    assert model(random_data(3).train.images).shape == (3, classes)
    convolutions = [p for p in model.parameters() if p.dim() == 4]
    assert [tuple(p.shape) for p in convolutions] == [(16, 3, 5, 5), (16, 16, 5, 5), (16, 16, 5, 5)]
    groups = l2l.problems.parameter_groups(model)
    assert len(groups["conv"]) == sum(p.numel() for p in convolutions) == 14_000
    assert len(groups["dense"]) == weights - 14_000


def test_every_parameter_of_the_convolutional_network_gets_a_gradient():
    problem = convolutional()
    _, grad = l2l.value_and_grad(problem, problem.theta0, 0)
    for row in grad:
        assert all(piece.abs().sum() > 0 for piece in problem.parameters(row).values())


def test_the_convolutional_network_is_a_plain_one_with_the_statistics_of_its_batch():
    problem = convolutional()
    images, labels = problem.data.train
    index = problem.minibatch(4, tasks=2)
    before = problem.loss(problem.theta0, 4)
    expected = by_a_loop(l2l.conv_net, problem.theta0, images[index], labels[index])
    torch.testing.assert_close(before, expected.detach(), rtol=1e-4, atol=1e-5)
    l2l.optimize(l2l.Adam(0.01), problem, 2)
    problem.evaluate(problem.theta0)
    assert torch.equal(problem.loss(problem.theta0, 4), before)  # no running statistics


def test_networks_one_after_another_are_networks_at_once():
    problem = convolutional(3)
    images, labels = problem.data.train
    index = problem.minibatch(2, tasks=3)
    theta = problem.theta0.clone().requires_grad_()
    at_once = vmap(problem._task_loss)(theta, images[index], labels[index])
    (expected,) = torch.autograd.grad(at_once.sum(), theta)
    loss, grad = l2l.value_and_grad(problem, problem.theta0, 2)
    torch.testing.assert_close(loss, at_once.detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(grad, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("count", [999, 1000, 2300])
def test_held_out_loss_in_parts_is_the_mean_over_all(count):
    problem = l2l.Classifier(partial(l2l.mlp, 64), random_data(count, (1, 8, 8))).sample(2, seed=0)
    theta, (images, labels) = moved(problem), problem.data.test
    expected = by_a_loop(partial(l2l.mlp, 64), theta, [images] * 2, [labels] * 2)
    torch.testing.assert_close(problem.evaluate(theta), expected.detach(), rtol=1e-5, atol=1e-6)


def test_theta0_of_the_convolutional_network_is_pytorchs():
    problem = convolutional()
    weights = problem.parameters(problem.theta0[0])
    assert (weights["2.weight"] == 1).all()
    assert (weights["2.bias"] == 0).all()
    bound = (16 * 25) ** -0.5
    assert 0.99 * bound < weights["4.weight"].abs().max() <= bound


# What a held-out loss, a minibatch and a start may depend on


@pytest.mark.parametrize("make_model", [NETWORKS["batch norm"], NETWORKS["conv net"]])
def test_held_out_loss_does_not_depend_on_the_order_of_the_examples(make_model):
    images, labels = random_data(2300, (1, 8, 8)).test
    images = images + labels[:, None, None, None] / 10  # so that a batch of one class is another batch
    orders = [labels.argsort(), torch.randperm(2300, generator=generator(1)), torch.arange(2300)]
    losses = []
    for order in orders:
        shuffled = Examples(images[order], labels[order])
        problem = l2l.Classifier(make_model, Data(shuffled, shuffled)).sample(2, seed=0)
        losses.append(problem.evaluate(problem.theta0 * 10))
    torch.testing.assert_close(losses[0], losses[2], rtol=1e-5, atol=0)
    torch.testing.assert_close(losses[1], losses[2], rtol=1e-5, atol=0)


def test_minibatches_do_not_depend_on_what_was_asked_before():
    problem, again = (l2l.Classifier(NETWORKS["mlp"], l2l.data.digits8(), 16).sample(2, 3) for _ in range(2))
    forward = [problem.minibatch(t, 2) for t in range(80)]
    backward = [again.minibatch(t, 2) for t in reversed(range(80))]
    assert torch.equal(torch.stack(forward), torch.stack(backward[::-1]))
    assert len({batch.numpy().tobytes() for batch in forward}) == 80
    assert len(torch.stack(forward).unique()) > 1100  # of 1,437 examples


class Random(nn.Module):
    """A layer that draws at random when it is made, and when it is used."""

    def __init__(self):
        super().__init__()
        self.register_buffer("shift", torch.randn(64))

    def forward(self, x):
        return nn.functional.dropout(x.flatten(1) + self.shift, 0.5, training=True)


def randomly():
    return nn.Sequential(Random(), nn.Linear(64, 10))


@pytest.mark.parametrize("theta0_std", [0.1, None])
@pytest.mark.parametrize("tasks", [1, 2])
def test_a_model_that_draws_at_random_depends_on_the_seed_alone(tasks, theta0_std):
    family = l2l.Classifier(randomly, l2l.data.digits8(), 16, theta0_std)
    losses = []
    for seed in (0, 0, 1):
        torch.rand(len(losses) + 1)  # what a reader's program draws meanwhile is no matter
        before = torch.get_rng_state()
        losses.append(l2l.optimize(l2l.Adam(0.01), family.sample(tasks, seed), 5).losses)
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(losses[0], losses[1])
    assert not torch.equal(losses[0], losses[2])
    problem = family.sample(tasks, 0)
    assert len({problem.loss(problem.theta0, t)[0].item() for t in range(5)}) == 5


@each_family
def test_sampling_leaves_the_global_generator_alone(name):
    before = torch.get_rng_state()
    problem = FAMILIES[name]().sample(2, seed=0)
    problem.loss(problem.theta0, 1)
    assert FAMILIES[name]().groups
    assert torch.equal(torch.get_rng_state(), before)


def half_frozen():
    model = l2l.mlp(64)
    model[1].requires_grad_(False)
    return model


def test_frozen_parameters_stay_as_they_are():
    family = l2l.Classifier(half_frozen, l2l.data.digits8(), 16)
    problem = family.sample(2, seed=0)
    assert problem.theta0.shape == (2, 20 * 10 + 10)
    assert sum(len(index) for index in family.groups.values()) == 210
    before = [p.clone() for p in problem.model.parameters()]
    losses = l2l.optimize(l2l.Adam(0.03), problem, 60).losses
    assert (losses[-10:].mean(0) < losses[0]).all()
    assert all(torch.equal(*pair) for pair in zip(before, problem.model.parameters(), strict=True))


@pytest.mark.parametrize("name", ["quadratic", "mnist"])
def test_drawn_tensors_are_all_that_tells_the_losses_of_tasks_apart(name):
    family, first, steps = FAMILIES[name](), 30, 5  # minibatches of two blocks
    one, other = (family.sample(3, seed) for seed in (0, 1))
    mine, theirs = (drawn(problem, first, steps) for problem in (one, other))
    assert mine.kind == theirs.kind
    own = [tensor.clone() for tensor in mine.tensors]
    problem, theta = mine.problem(*own), moved(one)
    for change in (False, True):
        for tensor, given in zip(own, theirs.tensors, strict=True):
            tensor.copy_(given if change else tensor)
        for t in range(first, first + steps):
            assert torch.equal(problem.loss(theta, t), (other if change else one).loss(theta, t))


def test_what_cannot_be_drawn_says_so():
    family = l2l.Classifier(half_frozen, l2l.data.digits8())
    with pytest.raises(ValueError, match="a network with buffers or frozen parameters cannot be recorded"):
        family.sample(1, 0).drawn(0, 2)
    with pytest.raises(ValueError, match="windows of NeuralArtProblem cannot be recorded: give it a method"):
        drawn(sample("neural-art"), 0, 2)


def test_data_are_moved_once_for_all_trajectories():
    family = l2l.Classifier(NETWORKS["mlp"], l2l.data.digits8())
    first, second = (family.sample(1, seed).data for seed in (0, 1))
    assert first.train.images is second.train.images


def test_a_family_of_networks_is_known_by_its_repr():
    def named(model=NETWORKS["mlp"], data=l2l.data.digits8(), **settings):  # noqa: B008
        return repr(l2l.Classifier(model, data, **settings))

    same, other = l2l.data.digits8(), random_data(40, (1, 8, 8))
    assert named() == named(partial(l2l.mlp, 64), l2l.data.Data(*same))
    different = [
        named(),
        named(data=same.swapped()),
        named(data=other),
        named(partial(l2l.mlp, 64, activation=nn.ReLU)),
        named(NETWORKS["deep mlp"]),
        named(batch=64),
        named(theta0_std=None),
    ]
    assert len(set(different)) == len(different)
    assert not any("\n" in text or " at 0x" in text for text in different)
