"""Preprocessing, the coordinatewise LSTM, and a rule for each group of coordinates."""

import inspect
import math
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from samples import quadratics
from torch import nn

import l2l_lite as l2l
from l2l_lite import LSTMRule, Partitioned, identity, learned, log_and_sign
from l2l_lite.learned import NTMBFGS, AveragingLSTM, Fading, MLPRule, RNNProp, ScaleFree, StartAt
from l2l_lite.learned.averaging import average
from l2l_lite.learned.features import overshoot, steadiness
from l2l_lite.quasi_newton import BFGS, LBFGS, carriers, read, write
from l2l_lite.zoo.recipes import RECIPES


def run(rule, grads, theta=None):
    """The steps for a sequence of gradients [steps, ...], θ at first 1 in each coordinate."""
    state, steps = rule.init(torch.ones_like(grads[0]) if theta is None else theta), []
    for grad in grads:
        step, state = rule(grad, state)
        steps.append(step)
    return torch.stack(steps)


def gradients(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@given(
    st.floats(-1e8, 1e8, allow_subnormal=False),
    st.sampled_from([1.0, 5.0, 10.0]),
)
def test_log_and_sign_is_the_formula_of_the_appendix(grad, p):
    if abs(grad) >= math.exp(-p):
        expected = [math.log(abs(grad)) / p, math.copysign(1, grad)]
    else:
        expected = [-1, math.exp(p) * grad]
    features = log_and_sign(torch.tensor([grad], dtype=torch.float64), p)
    assert features[:, 0].tolist() == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_log_and_sign_at_named_values():
    features = log_and_sign(torch.tensor([1.0, -1.0, 0.0, math.e**10, math.e**-11]))
    assert features[0].tolist() == pytest.approx([0, 0, -1, 1, -1], abs=1e-6)
    assert features[1].tolist() == pytest.approx([1, -1, 0, 1, math.exp(-1)], rel=1e-5)


def test_the_papers_rule_has_5301_weights_and_5221_without_preprocessing():
    count = lambda rule: sum(weight.numel() for weight in rule.parameters())  # noqa: E731
    assert count(LSTMRule()) == 5301
    assert count(LSTMRule(preprocess=identity)) == 5221


@pytest.mark.parametrize("shape", [(), (6,), (2, 3), (3, 2, 1)])
def test_the_shape_of_theta_does_not_matter(shape):
    flat = gradients(4, max(1, math.prod(shape)))
    steps = run(LSTMRule(), flat.reshape(4, *shape))
    assert steps.shape == (4, *shape)
    torch.testing.assert_close(steps.reshape(flat.shape), run(LSTMRule(), flat))


@given(st.permutations(range(8)))
def test_permuted_coordinates_have_permuted_steps(order):
    grads, rule = gradients(5, 8), LSTMRule()
    torch.testing.assert_close(run(rule, grads[:, order]), run(rule, grads)[:, order])


@pytest.mark.parametrize("tasks", [1, 2, 5])
def test_every_coordinate_has_a_memory_of_its_own(tasks):
    grads, rule = gradients(5, tasks, 3), LSTMRule()
    alone = [run(rule, grads[:, i : i + 1, j : j + 1]) for i in range(tasks) for j in range(3)]
    torch.testing.assert_close(run(rule, grads).reshape(5, -1), torch.cat(alone, 1)[..., 0])


def test_the_step_depends_on_earlier_gradients():
    grads = gradients(2, 4)
    _, remembering = run(LSTMRule(), grads)
    (fresh,) = run(LSTMRule(), grads[1:])
    assert not torch.allclose(remembering, fresh)


def test_the_arithmetic_is_that_of_torchs_lstm():
    rule, grads = LSTMRule((5, 3), seed=3), gradients(6, 4)
    memories = [(torch.zeros(4, 5),) * 2, (torch.zeros(4, 3),) * 2]
    for grad, step in zip(grads, run(rule, grads), strict=True):
        x = log_and_sign(grad).T  # [coordinates, features]
        for layer, cell in enumerate(rule.cells):
            memories[layer] = cell(x, memories[layer])
            x = memories[layer][0]
        torch.testing.assert_close(step, 0.1 * rule.output(x)[:, 0])


def test_scale_multiplies_the_step():
    grads = gradients(3, 4)
    torch.testing.assert_close(run(LSTMRule(scale=0.3), grads), 3 * run(LSTMRule(), grads))


def test_weights_come_from_the_seed_alone():
    state = torch.get_rng_state()
    first, again, other = LSTMRule(seed=1), LSTMRule(seed=1), LSTMRule(seed=2)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.output.weight, again.output.weight)
    assert not torch.equal(first.output.weight, other.output.weight)


def test_gradients_of_another_size_are_refused():
    rule = LSTMRule()
    with pytest.raises(ValueError, match="state has 10 coordinates but it was given 12 gradients"):
        rule(torch.zeros(12), rule.init(torch.zeros(10)))


GROUPS = {"even": torch.tensor([0, 2, 4]), "odd": torch.tensor([3, 1])}


def test_partitioned_gives_each_group_to_its_rule():
    grads = gradients(4, 2, 5)
    rules = {"odd": LSTMRule(seed=1), "even": l2l.Adam(0.1)}
    steps = run(Partitioned(rules, GROUPS), grads)
    for name, index in GROUPS.items():
        torch.testing.assert_close(steps[..., index], run(rules[name], grads[..., index]))


def test_partitioned_trains_all_of_its_rules():
    rule = Partitioned({"even": LSTMRule((3,)), "odd": LSTMRule((2,))}, GROUPS)
    problem = l2l.Quadratic(5).sample(tasks=3, seed=0)
    l2l.meta_gradient(rule, problem, 4, l2l.start(rule, problem))
    assert all(weight.grad.abs().sum() > 0 for weight in rule.parameters())


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"even": GROUPS["even"]}, "there are rules for"),
        ({"even": GROUPS["even"], "odd": torch.tensor([1])}, "every coordinate of theta exactly"),
        ({"even": GROUPS["even"], "odd": torch.tensor([1, 2, 3])}, "every coordinate of theta ex"),
    ],
)
def test_groups_that_do_not_fit_are_refused(groups, message):
    with pytest.raises(ValueError, match=message):
        Partitioned({"even": nn.Identity(), "odd": nn.Identity()}, groups)


def test_theta_that_does_not_fit_the_groups_is_refused():
    rule = Partitioned({"even": l2l.Adam(), "odd": l2l.Adam()}, GROUPS)
    with pytest.raises(ValueError, match="theta has 7 columns but the groups hold 5"):
        rule.init(torch.zeros(2, 7))


# The same rules for another network

OTHER = {"even": torch.tensor([1]), "odd": torch.tensor([2, 0])}


def test_on_other_groups_the_rules_are_the_same():
    rule = Partitioned({"even": LSTMRule((3,), seed=1), "odd": LSTMRule((2,), seed=2)}, GROUPS)
    moved, grads = rule.on(OTHER), gradients(4, 2, 3)
    assert dict(moved.named_parameters()).keys() == dict(rule.named_parameters()).keys()
    assert all(weight is shared for weight, shared in zip(moved.parameters(), rule.parameters(), strict=True))
    steps = run(moved, grads)
    for name, index in OTHER.items():
        torch.testing.assert_close(steps[..., index], run(rule.rules[name], grads[..., index]))
    assert run(rule, gradients(4, 2, 5)).shape == (4, 2, 5)  # the original keeps its groups


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (OTHER | {"third": torch.tensor([3])}, "there are rules for .'even', 'odd'. but groups"),
        ({"even": torch.tensor([0, 1]), "odd": torch.tensor([1, 2])}, "every coordinate of theta exactly"),
        ({"even": torch.tensor([0]), "odd": torch.tensor([2])}, "every coordinate of theta exactly"),
    ],
)
def test_other_groups_that_do_not_fit_are_refused(groups, message):
    rule = Partitioned({"even": l2l.Adam(), "odd": l2l.Adam()}, GROUPS)
    with pytest.raises(ValueError, match=message) as error:
        rule.on(groups)
    assert "\n" not in str(error.value)


def test_a_group_that_a_network_does_not_have_is_empty():
    rule = Partitioned({"even": LSTMRule((3,)), "odd": LSTMRule((2,), seed=2)}, GROUPS)
    grads = gradients(4, 2, 3)
    moved = rule.on({"odd": torch.arange(3)})
    torch.testing.assert_close(run(moved, grads), run(rule.rules["odd"], grads))


def test_the_pair_of_the_zoo_trains_a_network_of_five_classes():
    pair = RECIPES["cifar10"].make_rule(0)
    images = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    examples = l2l.data.Examples(images, torch.arange(8) % 5)
    family = l2l.Classifier(partial(l2l.conv_net, 5), l2l.data.Data(examples, examples), 4, theta0_std=None)
    problem = family.sample(2, seed=0)
    with pytest.raises(ValueError, match="theta has 22517 columns but the groups hold 22682"):
        l2l.start(pair, problem)
    moved = pair.on(family.groups)
    at = l2l.optimize(moved, problem, 1)
    step = at.theta - problem.theta0
    assert (step != 0).float().mean() > 0.99
    _, grad = l2l.value_and_grad(problem, problem.theta0, 0)
    for name, index in family.groups.items():
        rule = pair.rules[name]
        expected, _ = rule(grad[:, index], rule.init(problem.theta0[:, index]))
        torch.testing.assert_close(step[:, index], expected, rtol=1e-3, atol=1e-6)
    same = RECIPES["cifar10-held-out"].make_rule(0)  # made for five classes
    assert all(torch.equal(same.groups[name], index) for name, index in moved.groups.items())


def test_the_seeds_of_a_pair_are_all_different():
    first, second = (RECIPES["cifar10"].make_rule(seed).rules.values() for seed in (0, 1))
    weights = [rule.output.weight for rule in (*first, *second)]
    assert len({weight.detach().numpy().tobytes() for weight in weights}) == 4


# A rule for networks that it has never seen


def test_gradients_of_any_size_look_alike_to_the_scale_free_rule():
    grads = gradients(6, 1, 50)
    torch.testing.assert_close(run(ScaleFree(), 1e4 * grads), run(ScaleFree(), grads), rtol=1e-3, atol=1e-6)


def test_features_of_the_gradient_as_it_is_tell_a_relative_rule_its_size():
    grads = gradients(4, 1, 50)
    for preprocess, alike in ((None, True), (log_and_sign, False)):
        rule = RNNProp(preprocess=preprocess)
        assert torch.allclose(run(rule, 10 * grads), run(rule, grads), rtol=1e-3, atol=1e-6) == alike


@pytest.mark.parametrize("make_rule", [RNNProp, partial(RNNProp, betas=(0.9, 0.99)), ScaleFree])
def test_a_step_has_a_finite_slope_where_the_gradient_is_zero(make_rule):
    rule, grad = make_rule(), torch.zeros(1, 4, requires_grad=True)
    step, _ = rule(grad, rule.init(grad.detach()))
    (slope,) = torch.autograd.grad(step.sum(), grad)
    assert slope.isfinite().all()


def test_its_steps_are_bounded_and_the_first_ones_are_held_back():
    rule = ScaleFree(scale=0.5)
    with torch.no_grad():
        rule.output.bias.fill_(100.0)  # a rule that always wants the longest step
    steps = run(rule, gradients(40, 1, 5), torch.full((1, 5), -0.08))[:, 0, 0]
    expected = 0.5 * 0.08 * (1 - 0.9 ** torch.arange(1, 41))
    torch.testing.assert_close(steps, expected)


def test_its_unit_grows_with_the_root_of_the_parameters_it_starts_from():
    rule, grads = ScaleFree(), gradients(6, 1, 50)
    small, large = (run(rule, grads, torch.full((1, 50), start)) for start in (0.5, 50.0))
    torch.testing.assert_close(large, 10 * small)
    still, tiny = (run(rule, grads, torch.full((1, 50), start)) for start in (0.0, 0.001))
    torch.testing.assert_close(still, tiny)  # a network that starts at zero moves


def test_a_ratio_is_cut_off_where_gradients_are_rare():
    rule, rare = ScaleFree(betas=(0.999,)), torch.zeros(100, 1, 2)
    rare[:, 0, 0], rare[-1, 0, 1] = 1.0, 1.0
    seen = []
    rule.see = lambda *args: seen.append(ScaleFree.see(rule, *args)) or seen[-1]
    run(rule, rare)
    assert seen[-1][1, 0].tolist() == pytest.approx([1.0, 2.0])


def test_its_first_step_does_not_depend_on_other_coordinates_and_the_later_ones_do():
    grads = gradients(2, 1, 50)
    other = torch.cat([grads[..., :1], gradients(2, 1, 49, seed=1)], dim=-1)
    one, two = run(ScaleFree(), grads)[..., 0], run(ScaleFree(), other)[..., 0]
    assert torch.equal(one[0], two[0])  # every ratio is a sign, and there was no step before
    assert not torch.allclose(one[1], two[1], rtol=1e-3)


def test_what_all_coordinates_are_told():
    still, flips = torch.ones(2, 4), torch.tensor([[1.0, -1.0, 1.0, -1.0]]) * 0.01
    assert steadiness(still).flatten().tolist() == pytest.approx([0.0, 0.0], abs=1e-4)
    assert float(steadiness(flips)) == pytest.approx(math.log(2e-4) / 3)
    downhill = overshoot(torch.tensor([[-1.0, -2.0]]), torch.tensor([[2.0, 4.0]]))
    assert float(downhill) == pytest.approx(-3, rel=1e-4)  # the gradient still points against the step
    assert float(overshoot(torch.zeros(1, 2), torch.ones(1, 2))) == 0


def test_tasks_share_nothing_with_each_other():
    grads = gradients(5, 3, 20)
    torch.testing.assert_close(run(ScaleFree(), grads)[:, 1:2], run(ScaleFree(), grads[:, 1:2]))


def test_its_coordinates_cannot_be_left_out():
    rule, problem = ScaleFree(), l2l.Quadratic(4).sample(2, 0)
    with pytest.raises(ValueError, match="ScaleFree shares information between coordinates"):
        l2l.sampled_meta_gradient(rule, problem, 2, l2l.start(rule, problem), one_in=2, rng=torch.Generator())


# Cells whose output is averaged over coordinates


def test_averaged_units_are_the_same_for_all_coordinates_and_the_others_stay():
    h = gradients(4, 3, 5)
    shared = average(h, 2)
    assert torch.equal(shared[2:], h[2:])
    torch.testing.assert_close(shared[:2], h[:2].mean(dim=-1, keepdim=True).expand(2, 3, 5))


def test_a_coordinate_hears_of_the_others_and_tasks_do_not():
    grads = gradients(3, 2, 6)
    other = grads.clone()
    other[:, 0, 5] *= 100
    for rule, hears in ((LSTMRule(), False), (AveragingLSTM(), True), (NTMBFGS(), True)):
        one, two = run(rule, grads), run(rule, other)
        assert torch.equal(one[:, 0, :5], two[:, 0, :5]) != hears
        torch.testing.assert_close(one[:, 1], two[:, 1])


def test_with_one_coordinate_averaging_changes_nothing():
    grads = gradients(4, 3, 1)
    torch.testing.assert_close(run(AveragingLSTM(seed=1), grads), run(LSTMRule(seed=1), grads))


@pytest.mark.parametrize("shared", [0, 21])
def test_the_number_of_averaged_units_must_fit(shared):
    with pytest.raises(
        ValueError, match=f"shared must be from 1 to 20, the units of a layer, but is {shared}"
    ):
        AveragingLSTM(shared=shared)


# A matrix that all coordinates write to


def steep(tasks=3, dim=6):
    """Quadratics in float64 with curvatures from 1 to 30."""
    rotation = torch.linalg.qr(gradients(tasks, dim, dim).double()).Q
    problem = quadratics(tasks, dim)
    problem.W = torch.linspace(1, 30, dim).double().sqrt().diag() @ rotation
    return problem


def textbook(matrix, s, y):
    """The next inverse Hessian of BFGS for one task (Nocedal and Wright, 2006, equation 6.17)."""
    rho, identity = 1 / (s @ y), torch.eye(len(s)).double()
    turn = identity - rho * torch.outer(s, y)
    return turn @ matrix @ turn.T + rho * torch.outer(s, s)


def test_two_outer_products_of_the_carriers_are_the_update_of_bfgs():
    matrix, s, y = torch.eye(5).double()[None], *gradients(2, 1, 5).double()
    y = y * (s * y).sum().sign()
    u, w = carriers(matrix, s, y)
    found = write(matrix, [u, w], [w, u])
    torch.testing.assert_close(found[0], textbook(matrix[0], s[0], y[0]))
    torch.testing.assert_close(read(found, y), s)  # the secant equation


def test_a_pair_that_shows_no_minimum_writes_nothing():
    s = gradients(1, 5)
    for y in (-s, torch.zeros_like(s)):
        assert not any(vector.any() for vector in carriers(torch.eye(5)[None], s, y))


def hand_set(start):
    """NTM-BFGS with the weights that make it BFGS."""
    rule = NTMBFGS(start=start).double()
    with torch.no_grad():
        rule.output.weight.zero_()
        rule.start.fill_(math.log(start))
    return rule


def test_with_weights_set_by_hand_it_is_bfgs_in_double_precision():
    problem = steep()
    ours = l2l.optimize(hand_set(0.02), problem, 12).losses
    theirs = l2l.optimize(BFGS(0.02), problem, 12).losses
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_fewer_heads_than_bfgs_needs_are_refused():
    with pytest.raises(ValueError, match="BFGS needs two heads, but heads=1"):
        NTMBFGS(heads=1)


@pytest.mark.parametrize("blank", [False, True])
def test_it_can_be_meta_trained_and_has_more_heads_if_one_wants(blank):
    rule, problem = NTMBFGS(heads=3, blank=blank), l2l.Quadratic(4).sample(tasks=3, seed=0)
    l2l.meta_gradient(rule, problem, 4, l2l.start(rule, problem))
    assert all(weight.grad.abs().sum() > 0 for weight in rule.parameters())


def test_bfgs_is_the_textbooks():
    problem, lr = steep(), 0.02
    theta, matrix = problem.theta0[0], lr * torch.eye(6).double()
    hessian = 2 * problem.W[0].T @ problem.W[0]
    grad = lambda theta: hessian @ theta - 2 * problem.W[0].T @ problem.y[0]  # noqa: E731
    for _ in range(10):
        step = -matrix @ grad(theta)
        matrix = textbook(matrix, step, hessian @ step)
        theta = theta + step
    torch.testing.assert_close(l2l.optimize(BFGS(lr), problem, 10).theta[0], theta)


def test_lbfgs_is_torchs_and_forgets_old_pairs():
    problem, steps = steep(tasks=1), 9
    theta = problem.theta0.clone().requires_grad_()
    first = min(1.0, 1.0 / float(l2l.value_and_grad(problem, problem.theta0, 0)[1].abs().sum()))
    theirs = torch.optim.LBFGS([theta], lr=1.0, max_iter=steps, history_size=4, tolerance_change=0)

    def closure():
        theirs.zero_grad()
        loss = problem.loss(theta).sum()
        loss.backward()
        return loss

    theirs.step(closure)
    ours = l2l.optimize(LBFGS(first, pairs=4), problem, steps).theta
    torch.testing.assert_close(ours, theta.detach(), rtol=1e-6, atol=1e-8)


def test_a_quasi_newton_rule_stays_where_the_gradient_is_zero():
    theta = torch.zeros(2, 4)
    for rule in (BFGS(0.1), LBFGS(0.1)):
        step, state = rule(theta, rule.init(theta))
        assert not step.any()
        assert not rule(theta, state)[0].any()


# Steps that fade, and a rule without an LSTM


def test_steps_fade_in_a_straight_line_and_are_over_at_its_end():
    steps = run(Fading(l2l.GradientDescent(1.0), 4), torch.ones(6, 1, 2))
    assert steps[:, 0, 0].tolist() == [-1.0, -0.75, -0.5, -0.25, 0.0, 0.0]


def test_steps_are_held_for_a_share_of_the_run_before_they_fade():
    steps = run(Fading(l2l.GradientDescent(1.0), hold=0.5).lasting(8), torch.ones(10, 1, 2))
    assert steps[:, 0, 0].tolist() == [-1.0, -1.0, -1.0, -1.0, -1.0, -0.75, -0.5, -0.25, 0.0, 0.0]
    assert Fading(Fading(hold=0.5), 8).hold == 0.5
    for share in (-0.1, 1):
        with pytest.raises(ValueError, match=f"from 0 to below 1, but hold={share}"):
            Fading(hold=share)


def test_longer_runs_have_shorter_steps():
    rule = Fading(l2l.GradientDescent(1.0), longest=100)
    first = [float(run(rule.lasting(steps), torch.ones(1, 1, 1))) for steps in (10, 100, 400)]
    assert first == [-1.0, -1.0, -0.25]
    assert Fading(rule, 400).longest == 100
    with pytest.raises(ValueError, match="at least one step, but longest=0"):
        Fading(longest=0)


def test_a_rule_that_is_not_told_how_long_it_lasts_does_not_fade():
    grads, rule = gradients(5, 1, 6), ScaleFree()
    assert torch.equal(run(Fading(rule), grads), run(rule, grads))
    assert rule.lasting(5) is rule


def test_a_fading_rule_shares_its_weights_and_fades_once():
    rule = Fading(ScaleFree())
    told = rule.lasting(10).lasting(20)
    assert told.steps == 20
    assert told.rule is rule.rule
    assert Fading(told, 5).rule is rule.rule
    with pytest.raises(ValueError, match="at least one step, but steps=0"):
        Fading(rule, 0)


class Told(l2l.GradientDescent):
    """Counts down the steps that it was told to last."""

    def lasting(self, steps):
        told = Told(self.lr)
        told.left = steps
        return told

    def forward(self, grad, state, theta=None):
        self.left -= 1
        return super().forward(grad, state, theta)


AROUND = {
    "Fading": Fading,
    "Partitioned": lambda rule: Partitioned({"all": rule}, {"all": torch.arange(3)}),
    "StartAt": lambda rule: StartAt(rule, torch.zeros(3)),
}


def test_every_rule_that_takes_another_is_known():
    takes = {
        name
        for name, rule in inspect.getmembers(learned, inspect.isclass)
        if "UpdateRule" in str(inspect.signature(rule)).partition(" -> ")[0]
    }
    assert takes == set(AROUND)


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
def test_a_rule_inside_of_another_is_told_how_many_steps_it_takes(around):
    rule = around(Told(nn.Parameter(torch.tensor(0.1))))
    told = rule.lasting(7)
    l2l.optimize(told, l2l.Quadratic(3).sample(2, seed=0), 7)
    assert [inside.left for inside in told.modules() if isinstance(inside, Told)] == [0]
    assert list(map(id, told.parameters())) == list(map(id, rule.parameters()))
    rule.lasting(1)


@pytest.mark.parametrize("around", ["Partitioned", "StartAt"])
def test_a_rule_around_one_that_makes_no_use_of_the_number_of_steps_makes_none(around):
    rule = AROUND[around](l2l.Adam())
    assert rule.lasting(5) is rule


def test_meta_training_tells_a_rule_the_length_of_each_run():
    lengths = []

    class Asked(LSTMRule):
        def lasting(self, steps):
            lengths.append(steps)
            return self

    l2l.meta_train(
        Asked((2,)), l2l.Quadratic(2), trajectories=3, steps=(2, 9), validate_every=3, validation_steps=12
    )
    assert lengths[3] == 12
    assert all(2 <= length <= 9 for length in lengths[:3])
    assert len(set(lengths[:3])) > 1


def test_gradients_of_any_size_look_alike_to_the_small_rule_too():
    grads = gradients(6, 1, 50)
    torch.testing.assert_close(run(MLPRule(), 1e4 * grads), run(MLPRule(), grads), rtol=1e-3, atol=1e-6)


def test_the_small_rule_begins_near_adam():
    grads, rule = gradients(20, 1, 50), MLPRule(scale=0.01)
    assert sum(weight.numel() for weight in rule.parameters()) == 242
    adam = run(l2l.Adam(0.01), grads)
    assert (run(rule, grads) - adam).norm() < 0.5 * adam.norm()
    with torch.no_grad():
        for weight in rule.output.parameters():
            weight.zero_()
    torch.testing.assert_close(run(rule, grads), adam, rtol=1e-4, atol=1e-6)
