"""Every meta-trained rule loads, is what its card says, and beats the card's best baseline on fresh tasks."""

import hashlib
import json
from importlib.resources import files

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import l2l_lite as l2l
from l2l_lite.evaluation import CRITERIA
from l2l_lite.training import History
from l2l_lite.zoo import cards
from l2l_lite.zoo.recipes import RECIPES

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
        first.output.bias += 1
    assert not torch.equal(first.output.bias, second.output.bias)


def test_the_file_holds_tensors_and_nothing_that_runs(name):
    weights = content(name, "safetensors")
    size = int.from_bytes(weights[:8], "little")
    header = json.loads(weights[8 : 8 + size])
    header.pop("__metadata__", None)
    assert set(header) == set(RECIPES[name].make_rule(0).state_dict())
    assert len(weights) == 8 + size + max(entry["data_offsets"][1] for entry in header.values())
    assert len(weights) < 30_000


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


CLASSES = {"SGD": l2l.GradientDescent, "Nesterov": l2l.Nesterov, "RMSProp": l2l.RMSProp, "Adam": l2l.Adam}


def test_beats_its_cards_best_baseline_on_fresh_tasks(name):
    label, test = next(iter(RECIPES[name].tests.items()))
    recorded = l2l.zoo.card(name)["tests"][label]["summed"]
    best = recorded["best_baseline"]
    hyper = {key: value for key, value in recorded["tuned"][best].items() if key != "inside_grid"}
    rules = {"learned": l2l.zoo.load(name), best: CLASSES[best](**hyper)}
    fresh = test.make_family().sample(tasks=test.tasks // 16, seed=FRESH)
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
