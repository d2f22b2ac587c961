"""Neural art: the losses are what they claim, every photograph has its turn, bad pictures are refused."""

import pytest
import torch
from torch import nn

import l2l_lite as l2l
from l2l_lite.features import FilterBank
from l2l_lite.objectives import uniform
from l2l_lite.problems.neural_art import NeuralArtProblem, gram, roughness
from l2l_lite.zoo.recipes import RECIPES


def noise(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def family(**changes):
    """A photograph of 65×47 pixels, one of 24×28, and a style of yet another size."""
    contents = [noise(3, 65, 47), noise(3, 24, 28, seed=1)]
    settings = {"contents": contents, "style": noise(3, 33, 31, seed=2), "size": 24}
    settings |= {"features": FilterBank((3, 5), 4), "content_layers": (1, 2)}
    return l2l.NeuralArt(**settings | changes)


def theta_of(picture):
    """A θ whose picture it is."""
    return (2 * picture - 1).asin().flatten(-3) / 2


def in_float64(tasks=2):
    """Pictures of 24×24 pixels in float64, away from where they start."""
    art = family(features=FilterBank((3, 5), 4).double())
    content, theta0 = noise(tasks, 3, 24, 24, seed=3).double(), noise(tasks, 1728, seed=4).double() - 0.5
    return NeuralArtProblem(art, content, theta0)


# The losses


@pytest.mark.parametrize("weights", [(12.0, 80.0, 8.0), (1.0, 0.5, 0.25)])
@pytest.mark.parametrize("size", [24, 32])
def test_every_task_starts_at_the_sum_of_the_weights_for_its_pixels(weights, size):
    problem = family(weights=weights, size=size, contents=[noise(3, 65, 47)]).sample(3, seed=0)
    for name, part in problem.parts(problem.theta0).items():
        torch.testing.assert_close(part, torch.ones(3), msg=name)
    expected = torch.full((3,), sum(weights) * size**2 / 64**2)
    torch.testing.assert_close(problem.loss(problem.theta0), expected)


def test_the_gradient_of_a_pixel_does_not_depend_on_how_many_there_are():
    art = {size: l2l.NeuralArt([noise(3, 70, 70)], noise(3, 64, 64, seed=2), size) for size in (32, 64)}
    problems = [one.sample(2, seed=0) for one in art.values()]
    small, large = (l2l.value_and_grad(one, one.theta0, 0)[1].square().mean().sqrt() for one in problems)
    assert 0.8 < small / large < 1.25


def test_the_loss_is_the_weighted_sum_of_its_parts():
    problem = family(weights=(2.0, 3.0, 5.0)).sample(2, seed=0)
    theta = problem.theta0 + 0.1 * noise(2, 1728, seed=5)
    parts = problem.parts(theta)
    expected = (2 * parts["content"] + 3 * parts["style"] + 5 * parts["roughness"]) * 24**2 / 64**2
    torch.testing.assert_close(problem.loss(theta), expected)
    assert torch.equal(problem.loss(theta, 77), problem.evaluate(theta))
    assert len({round(float(part[0]), 3) for part in parts.values()}) == 3


def test_the_photograph_itself_has_the_content_and_not_the_style():
    problem = family().sample(2, seed=0)
    parts = problem.parts(theta_of(problem.content))
    assert parts["content"].max() < 1e-9
    assert parts["style"].min() > 1e-3
    assert parts["roughness"].min() > 0


def test_the_painting_itself_has_the_style_and_not_the_content():
    problem = family(style=noise(3, 24, 24, seed=2)).sample(2, seed=0)
    parts = problem.parts(theta_of(problem.family.style).expand(2, -1))
    assert parts["style"].max() < 1e-9
    assert parts["content"].min() > 1e-3


def test_a_flat_picture_is_not_rough():
    problem = family().sample(2, seed=0)
    assert problem.parts(torch.full((2, 1728), 0.3))["roughness"].max() == 0
    steps = torch.tensor([[0.0, 1.0, 3.0], [0.0, 1.0, 3.0]]).expand(1, 3, 2, 3)  # differences 1 and 2, and 0
    assert roughness(steps).item() == pytest.approx((1 + 4) / 2)


def test_a_gram_matrix_does_not_care_where_things_are():
    maps = noise(2, 5, 6, 7)
    shuffled = maps.flatten(2)[..., torch.randperm(42)].view_as(maps)
    torch.testing.assert_close(gram(shuffled), gram(maps))
    other = maps.clone()
    other[:, 0] = other[:, 0].flip(-1)  # one channel alone: they go together no longer
    assert not torch.allclose(gram(other), gram(maps), atol=1e-3)


def test_a_gram_matrix_is_the_mean_of_products_whatever_the_size():
    maps = noise(1, 2, 3, 4)
    expected = [[(maps[0, i] * maps[0, j]).mean() for j in range(2)] for i in range(2)]
    torch.testing.assert_close(gram(maps)[0], torch.tensor(expected))
    torch.testing.assert_close(gram(maps.repeat(1, 1, 5, 2)), gram(maps))


def test_gradients_are_those_of_finite_differences():
    problem = in_float64()
    theta = problem.theta0 + 0.1 * noise(2, 1728, seed=5)
    _, grad = l2l.value_and_grad(problem, theta, 0)
    for seed in range(3):
        direction = noise(2, 1728, seed=10 + seed).double() - 0.5
        above, below = (problem.loss(theta + size * direction) for size in (1e-6, -1e-6))
        torch.testing.assert_close((grad * direction).sum(1), (above - below) / 2e-6, rtol=1e-5, atol=1e-5)


def test_the_meta_gradient_is_that_of_the_unrolled_graph():
    problem, rule = in_float64(), l2l.LSTMRule((4,)).double()
    at = l2l.start(rule, problem)
    end = l2l.unroll(rule, problem, 3, at)
    expected = torch.autograd.grad(uniform(end.losses, at.losses), list(rule.parameters()))
    l2l.meta_gradient(rule, problem, 3, at)
    for weight, gradient in zip(rule.parameters(), expected, strict=True):
        assert gradient.norm() > 0
        torch.testing.assert_close(weight.grad, gradient, rtol=1e-6, atol=1e-9)


def test_pictures_can_be_painted():
    losses = l2l.optimize(l2l.Adam(0.03), family().sample(2, seed=0), 20).losses
    assert (losses[-1] < 0.75 * losses[0]).all()


# The tasks


def test_every_photograph_has_its_turn():
    flat = [torch.full((3, 24 + k, 30), k / 8) for k in range(4)]
    art = family()
    art.contents = flat
    firsts = set()
    for seed in range(8):
        content = art.sample(8, seed).content
        order = (8 * content.mean(dim=(1, 2, 3))).round().int().tolist()
        assert order == [(order[0] + k) % 4 for k in range(8)]
        firsts.add(order[0])
    assert len(firsts) > 1  # not always the same one first


def test_the_same_photograph_is_cut_in_several_ways():
    art = family()
    art.contents = art.contents[:1]
    content = art.sample(3, seed=0).content
    assert not torch.equal(content[0], content[1])
    assert not torch.equal(content[1], content[2])


def test_the_same_seed_gives_the_same_problem():
    first, again, other = (family().sample(3, seed) for seed in (0, 0, 1))
    assert torch.equal(first.content, again.content)
    assert torch.equal(first.theta0, again.theta0)
    assert not torch.equal(first.content, other.content)
    assert not torch.equal(first.theta0, other.theta0)
    theta = first.theta0 + 0.1
    assert torch.equal(first.loss(theta), again.loss(theta))


def test_the_start_is_grey_noise():
    theta0 = family().sample(4, seed=0).theta0
    assert theta0.shape == (4, 3 * 24 * 24)
    assert theta0.mean().item() == pytest.approx(0, abs=0.01)
    assert theta0.std().item() == pytest.approx(0.1, abs=0.01)
    grey = family().sample(4, seed=0).pictures(theta0)
    assert grey.mean().item() == pytest.approx(0.5, abs=0.01)
    assert grey.std().item() == pytest.approx(0.1, abs=0.01)


def test_theta_as_pictures():
    problem = family().sample(2, seed=0)
    torch.testing.assert_close(problem.pictures(theta_of(problem.content)), problem.content)
    anywhere = problem.pictures(100 * noise(2, 1728) - 50)
    assert 0 <= anywhere.min() < 0.01
    assert 0.99 < anywhere.max() <= 1
    assert problem.content.shape == (2, 3, 24, 24)
    assert problem.content.min() >= 0
    assert problem.content.max() <= 1


def test_twice_the_size_and_another_style():
    art = RECIPES["neural-art"].tests["128×128, another style"].make_family()
    problem = art.sample(1, seed=0)
    assert problem.theta0.shape == (1, 3 * 128 * 128)
    assert not torch.equal(art.style, RECIPES["neural-art"].make_family().style)
    loss, grad = l2l.value_and_grad(problem, problem.theta0, 0)
    assert loss.item() == pytest.approx(400, rel=1e-4)  # four times the pixels
    assert grad.isfinite().all()
    step, _ = l2l.LSTMRule()(grad, l2l.LSTMRule().init(problem.theta0))
    assert step.shape == problem.theta0.shape


def test_the_rule_is_tested_on_photographs_it_was_not_trained_on():
    recipe = RECIPES["neural-art"]
    trained_on = recipe.make_family().contents
    for test in recipe.tests.values():
        for content in test.make_family().contents:
            assert not any(content.shape == seen.shape and torch.equal(content, seen) for seen in trained_on)


def test_features_may_be_any_function():
    problem = family(features=lambda pictures: [pictures, -pictures, 2 * pictures]).sample(1, seed=0)
    assert problem.parts(theta_of(problem.content))["content"] < 1e-9
    assert problem.loss(problem.theta0).item() == pytest.approx(100 * 24**2 / 64**2)
    assert not isinstance(problem.family.features, nn.Module)


# Bad input


def refused(match, **changes):
    with pytest.raises(ValueError, match=match) as error:
        l2l.NeuralArt(**{"contents": [noise(3, 40, 30)], "style": noise(3, 25, 50), "size": 24} | changes)
    assert "\n" not in str(error.value)


def test_sizes_that_do_not_fit_are_refused():
    refused("size of at least 24 pixels", size=23)
    refused("the picture has 40×30 pixels, but at least 31×31 are needed", size=31)
    refused("the picture has 19×40 pixels", contents=[noise(3, 24, 24), noise(3, 19, 40)])
    refused("the picture has 23×50 pixels, but at least 24×24", style=noise(3, 23, 50))
    small = noise(3, 18, 18)
    refused("the picture has 18×18 pixels, but at least 24×24", contents=[small], style=small)


def test_no_photograph_is_refused():
    refused("needs a photograph", contents=[])


@pytest.mark.parametrize("shape", [(40, 40), (1, 40, 40), (4, 40, 40), (40, 40, 3), (1, 3, 40, 40)])
def test_shapes_that_are_no_colour_picture_are_refused(shape):
    refused("a picture is .3, height, width., not .*see pictures.picture", contents=[noise(*shape)])
    refused("a picture is .3, height, width., not .*see pictures.picture", style=noise(*shape))


def test_a_picture_that_is_not_in_a_list_is_refused():
    refused("a picture is .3, height, width., not", contents=noise(3, 40, 40))


@pytest.mark.parametrize("scale", [255.0, -1.0, float("nan")])
def test_values_that_are_no_picture_are_refused(scale):
    refused("values between 0 and 1", contents=[scale * noise(3, 40, 40)])
    refused("values between 0 and 1", style=scale * noise(3, 40, 40))


def test_bytes_are_refused():
    refused("values between 0 and 1", contents=[torch.zeros(3, 40, 40, dtype=torch.uint8)])
