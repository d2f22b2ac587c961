"""Every meta-trained rule loads, is what its card says, and beats the card's best baseline on fresh tasks."""

import hashlib
import json
import os
from functools import partial
from importlib.resources import files

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import l2l_lite as l2l
from l2l_lite.evaluation import CRITERIA
from l2l_lite.training import History
from l2l_lite.zoo import cards, recipes
from l2l_lite.zoo.recipes import RECIPES, Recipe, Test

Test.__test__ = False  # not a test of pytest's

FRESH = 4242  # a seed that neither training nor tuning nor the card's tests have seen


def content(name, suffix):
    path = files(l2l.zoo).joinpath(f"{name}.{suffix}")
    if not path.is_file():
        pytest.skip(f"{name}.{suffix} has not been made yet: l2l train {name}")
    return path.read_bytes()


@pytest.fixture(params=l2l.zoo.names())
def name(request):
    content(request.param, "safetensors")
    content(request.param, "json")
    return request.param


def test_loads_and_is_the_rule_of_its_recipe(name):
    rule, fresh = l2l.zoo.load(name), RECIPES[name].make_rule(0)
    assert repr(rule) == repr(fresh)
    for key, weight in rule.state_dict().items():
        assert weight.shape == fresh.state_dict()[key].shape
        assert weight.isfinite().all()
        assert not torch.equal(weight, fresh.state_dict()[key])


def test_loading_twice_gives_two_rules(name):
    first, second = l2l.zoo.load(name), l2l.zoo.load(name)
    with torch.no_grad():
        next(first.parameters()).add_(1)
    assert not torch.equal(next(first.parameters()), next(second.parameters()))


def test_the_file_holds_tensors_and_nothing_that_runs(name):
    weights = content(name, "safetensors")
    size = int.from_bytes(weights[:8], "little")
    header = json.loads(weights[8 : 8 + size])
    header.pop("__metadata__", None)
    assert set(header) == set(RECIPES[name].make_rule(0).state_dict())
    assert len(weights) == 8 + size + max(entry["data_offsets"][1] for entry in header.values())
    rule = RECIPES[name].make_rule(0)
    rules = len(rule.rules) if isinstance(rule, l2l.Partitioned) else 1
    assert len(weights) < 30_000 * rules


def test_the_checksum_holds(name):
    weights = content(name, "safetensors")
    assert hashlib.sha256(weights).hexdigest() == l2l.zoo.card(name)["sha256"]


def test_the_card_tells_how_it_was_made(name):
    card, recipe = l2l.zoo.card(name), RECIPES[name]
    assert card["command"] == f"l2l train {name}"
    assert card["training"] == dict(recipe.training)
    assert list(card["validation"]) == [str(seed) for seed in recipe.seeds]
    assert card["validation"][str(card["shipped_seed"])] == min(card["validation"].values())
    assert list(card["tests"]) == list(recipe.tests)
    for label, test in card["tests"].items():
        tested = card["validation"] if recipe.tests[label].every_seed else [str(card["shipped_seed"])]
        assert (test["steps"], test["tasks"]) == (recipe.tests[label].steps, recipe.tests[label].tasks)
        assert all(set(test[criterion]["ratio"]) == set(tested) for criterion in CRITERIA)


def test_the_cards_baselines_were_tuned_inside_the_grid(name):
    for test in l2l.zoo.card(name)["tests"].values():
        for criterion in CRITERIA:
            result = test[criterion]
            assert result["tuned"][result["best_baseline"]]["inside_grid"]
            assert result["baselines"][result["best_baseline"]] == min(result["baselines"].values())


FIRST = ("quadratic", "mnist")  # whose cards were written before cards had `data` and `values`


def test_the_card_names_its_data(name):
    card = l2l.zoo.card(name)
    if name not in FIRST or "data" in card:
        expected = "CIFAR10, " if name.startswith("cifar10") else RECIPES[name].data()
        assert card["data"].startswith(expected)


def test_the_cards_values_are_those_behind_its_mean(name):
    card = l2l.zoo.card(name)
    for test in card["tests"].values():
        for criterion in CRITERIA:
            if name in FIRST and "values" not in test[criterion]:
                continue
            values = test[criterion]["values"]
            assert len(values) == test["tasks"]
            learned = test[criterion]["learned"][str(card["shipped_seed"])]
            assert sum(values) / len(values) == pytest.approx(learned, rel=1e-3)


# θ after five steps on `gradients`, at every sixth coordinate: what the first version of the engine did.
MOVED = {
    "cifar10 conv": (0.0003409618, 0.0003903495, -0.0003573315, 0.0001051343, -0.0001517044),
    "cifar10 dense": (0.00492266, 0.005970975, 0.003459359, 0.004716164, 0.00261387),
    "cifar10-held-out conv": (0.002222833, 0.002057638, -0.001200928, 0.0004666657, -1.585556e-06),
    "cifar10-held-out dense": (-0.003602329, 0.004787782, 0.01531578, 0.0180018, 0.0137545),
    "cifar10-single": (0.004607244, 0.004425902, -0.001373754, 0.00467322, 0.003972747),
    "mnist": (0.02654845, 0.04830179, 0.06653357, 0.04237881, -0.5432218),
    "neural-art": (-0.04717456, -0.03370138, -0.02212796, 0.02230768, 0.05727568),
    "quadratic": (0.001244873, 0.00124699, 0.001307654, 0.002926086, 0.0412366),
}


def gradients():
    """Five of them, [5, 1, 30], from 1e-6 to 10 in size, the same on every machine."""
    sines = torch.arange(150.0, dtype=torch.float64).sin().reshape(5, 1, 30)
    return sines * torch.logspace(-6, 1, 30, dtype=torch.float64)


@torch.no_grad()
def moved(rule):
    theta = torch.zeros(1, 30, dtype=torch.float64)
    state = rule.double().init(theta)
    for grad in gradients():
        step, state = rule(grad, state)
        theta = theta + step
    return theta[0, ::6].tolist()


def test_the_steps_are_those_of_the_first_version(name):
    rule = l2l.zoo.load(name)
    parts = rule.rules if isinstance(rule, l2l.Partitioned) else {"": rule}
    for part, one in parts.items():
        expected = MOVED[f"{name} {part}".strip()]
        assert moved(one) == pytest.approx(expected, rel=1e-6, abs=1e-9)


CLASSES = {"SGD": l2l.GradientDescent, "Nesterov": l2l.Nesterov, "RMSProp": l2l.RMSProp, "Adam": l2l.Adam}


def test_beats_its_cards_best_baseline_on_fresh_tasks(name, monkeypatch):
    if not os.environ.get("L2L_DATA"):  # CIFAR-10 is not here: crops of photographs stand in
        monkeypatch.setattr(l2l.data, "cifar10", l2l.pictures.crops)
    label, test = next(iter(RECIPES[name].tests.items()))
    recorded = l2l.zoo.card(name)["tests"][label]["summed"]
    best = recorded["best_baseline"]
    hyper = {key: value for key, value in recorded["tuned"][best].items() if key != "inside_grid"}
    rules = {"learned": l2l.zoo.load(name), best: CLASSES[best](**hyper)}
    fresh = test.make_family().sample(tasks=max(2, test.tasks // 16), seed=FRESH)
    losses = l2l.compare(rules, fresh, test.steps)
    summed = {key: l2l.summed_loss(value).mean() for key, value in losses.items()}
    assert summed["learned"] < summed[best]


# What can be damaged says so


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with an entry of the zoo, made without training."""
    folder, rule = tmp_path_factory.mktemp("zoo"), RECIPES["quadratic"].make_rule(3)
    card = {"name": "quadratic", "shipped_seed": 3}
    cards.write_entry(card, rule, folder)
    return folder


@pytest.fixture
def entry(folder, monkeypatch):
    """Loads the entry of that folder, with one of its files replaced."""
    originals = {path: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(l2l.zoo, "files", lambda package: folder)
    yield folder
    for path, original in originals.items():
        path.write_bytes(original)


def test_an_entry_comes_back_as_it_was_written(entry):
    expected = RECIPES["quadratic"].make_rule(3).state_dict()
    torch.testing.assert_close(dict(l2l.zoo.load("quadratic").state_dict()), dict(expected), rtol=0, atol=0)
    assert sorted(path.name for path in entry.iterdir()) == ["quadratic.json", "quadratic.safetensors"]


def refused(entry, suffix, damaged, what):
    path = entry / f"quadratic.{suffix}"
    path.unlink() if damaged is None else path.write_bytes(damaged)
    with pytest.raises(
        ValueError, match=rf"the {what} of 'quadratic' in the zoo is missing or damaged; "
    ) as error:
        l2l.zoo.load("quadratic")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("damage", [lambda _: None, lambda c: b"", lambda c: c[:-1], lambda c: c[:100]])
def test_missing_or_truncated_weights(entry, damage):
    refused(entry, "safetensors", damage((entry / "quadratic.safetensors").read_bytes()), "file of weights")


@pytest.mark.parametrize(
    "damage", [lambda _: None, lambda c: b"", lambda c: c[:-1], lambda c: b"[1]", lambda c: b"5"]
)
def test_a_missing_or_truncated_card(entry, damage):
    refused(entry, "json", damage((entry / "quadratic.json").read_bytes()), "card")


def test_a_card_without_a_checksum(entry):
    refused(entry, "json", b"{}", "file of weights")


def test_any_altered_byte_is_found(entry):
    original = (entry / "quadratic.safetensors").read_bytes()

    @settings(max_examples=20, deadline=None)
    @given(st.integers(0, len(original) - 1), st.integers(1, 255))
    def check(position, change):
        altered = bytearray(original)
        altered[position] ^= change
        refused(entry, "safetensors", bytes(altered), "file of weights")

    check()


@pytest.mark.parametrize("ask", [l2l.zoo.load, l2l.zoo.card])
@pytest.mark.parametrize("name_", ["minst", "", "../quadratic"])
def test_an_unknown_name(ask, name_):
    with pytest.raises(ValueError, match="the zoo has no rule named") as error:
        ask(name_)
    assert "\n" not in str(error.value)
    assert all(known in str(error.value) for known in l2l.zoo.names())


def test_the_seed_with_the_best_validation_is_shipped(monkeypatch):
    monkeypatch.setattr(cards, "run_test", lambda *args: {})
    recipe = RECIPES["quadratic"]
    trained = {
        seed: (recipe.make_rule(seed), History(validation=[3.0, value]))
        for seed, value in ((0, 2.0), (1, 1.0))
    }
    card = cards.make_card("quadratic", recipe, trained, torch.device("cpu"))
    assert card["shipped_seed"] == 1
    assert card["validation"] == {0: 2.0, 1: 1.0}
    assert card["data"] == recipe.data() == "drawn from a normal distribution"


# What is measured on the same tasks


def tiny(**changes):
    settings = {"make_family": partial(l2l.Quadratic, 3), "steps": 12, "tasks": 5, "tuning_tasks": 2}
    return Test(**settings | changes)


def measured(test, rules=None, shipped=0):
    return cards.run_test(test, rules or {0: l2l.LSTMRule((3,))}, shipped, torch.device("cpu"))


def test_values_reproduce_the_mean_and_let_cards_be_compared():
    rules = {seed: l2l.LSTMRule((3,), seed=seed) for seed in (0, 1)}
    test = tiny(rates=(0.03, 0.1), every_seed=True)
    first, second = (measured(test, rules, shipped) for shipped in (0, 1))
    fresh = l2l.Quadratic(3).sample(5, cards.TEST_SEED)
    for criterion, measure in CRITERIA.items():
        ours, theirs = (torch.tensor(card[criterion]["values"]) for card in (first, second))
        means = first[criterion]["learned"]
        assert ours.mean().item() == pytest.approx(means[0], rel=1e-3)
        assert theirs.mean().item() == pytest.approx(means[1], rel=1e-3)
        losses = l2l.compare(rules, fresh, 12)
        torch.testing.assert_close(ours, measure(losses[0]), rtol=1e-3, atol=0)
        expected = l2l.ratio(measure(losses[0]), measure(losses[1]))
        assert l2l.ratio(ours, theirs) == pytest.approx(expected, rel=2e-3)


def test_baselines_are_tuned_once_for_the_same_test(monkeypatch):
    calls, tune = [], cards.tune
    monkeypatch.setattr(cards, "tune", lambda *args, **kwargs: calls.append(args) or tune(*args, **kwargs))
    test = tiny(rates=(0.03, 0.1, 0.3))
    first, again = measured(test), measured(test)
    assert len(calls) == len(l2l.BASELINES)
    assert first == again
    cards._baselines.cache_clear()
    assert measured(test) == first  # a fresh one is no other
    assert len(calls) == 2 * len(l2l.BASELINES)
    other = measured(tiny(rates=(0.03, 0.1, 0.3), steps=13, make_family=test.make_family))
    assert len(calls) == 3 * len(l2l.BASELINES)
    assert other["summed"]["baselines"] != first["summed"]["baselines"]


def test_another_rule_on_the_same_test_has_the_same_baselines():
    test = tiny(rates=(0.03, 0.1))
    first, other = (measured(test, {0: l2l.LSTMRule((3,), seed=seed)}) for seed in (0, 1))
    for criterion in CRITERIA:
        assert first[criterion]["baselines"] == other[criterion]["baselines"]
        assert first[criterion]["values"] != other[criterion]["values"]


def test_baselines_are_tuned_over_the_rates_of_the_test():
    result = measured(tiny(rates=(0.02, 0.05)))
    for criterion in CRITERIA:
        for tuned in result[criterion]["tuned"].values():
            assert tuned["lr"] in (0.02, 0.05)
            assert not tuned["inside_grid"]
    wide = measured(tiny(rates=(1e-6, 0.05, 1e3)))
    assert wide["final"]["tuned"]["Adam"] == {"lr": 0.05, "inside_grid": True}


def test_a_pair_is_tested_on_networks_of_other_sizes(monkeypatch):
    monkeypatch.setattr(cards, "BASELINES", {"Adam": l2l.BASELINES["Adam"]})
    images = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    examples = l2l.data.Examples(images, torch.arange(8) % 5)
    data = l2l.data.Data(examples, examples)
    make_family = lambda: l2l.Classifier(partial(l2l.conv_net, 5), data, 4, theta0_std=None)  # noqa: E731
    pair = RECIPES["cifar10"].make_rule(0)
    test = tiny(make_family=make_family, steps=2, tasks=2, tuning_tasks=1, rates=(0.01,))
    result = measured(test, {0: pair})
    losses = l2l.optimize(pair.on(make_family().groups), make_family().sample(2, cards.TEST_SEED), 2).losses
    torch.testing.assert_close(
        torch.tensor(result["summed"]["values"]), l2l.summed_loss(losses), rtol=1e-3, atol=0
    )
    assert set(result["stuck"]) == {0}
    assert result["final"]["learned"][0] > 0


def test_every_recipe_says_where_its_data_come_from():
    for recipe in RECIPES.values():
        assert isinstance(recipe, Recipe)
        assert recipe.data().strip()
    assert RECIPES["cifar10"].data().startswith("CIFAR10, ")


def test_the_held_out_labels_are_those_of_no_other_set():
    labels = {*recipes.CIFAR_5, *recipes.CIFAR_2}
    assert labels | set(recipes.HELD_OUT) == set(range(10))
    assert not labels & set(recipes.HELD_OUT)
