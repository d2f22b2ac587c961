"""Every meta-trained rule loads, is what its card says, and beats the card's best baseline on fresh tasks."""

import hashlib
import json
import math
import os
from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import kept

import l2l_lite as l2l
from l2l_lite import artefacts
from l2l_lite.evaluation import BASELINES, CRITERIA, MOMENTA
from l2l_lite.history import History
from l2l_lite.seeds import Role, task_seed
from l2l_lite.suite import contest, record, report, runs
from l2l_lite.suite.tasks import TASKS
from l2l_lite.zoo.cards import Card, _plain, make_card, write_entry
from l2l_lite.zoo.recipes import RECIPES, Recipe, Test, cifar10
from l2l_lite.zoo.recipes.cifar10 import RATIOS
from l2l_lite.zoo.testing import run_test
from l2l_lite.zoo.training import stage_files, train_recipe

Test.__test__ = False  # not a test of pytest's

# Entries whose images may not be here, and what their cards say of them.
DATA = {"cifar10": "CIFAR10, ", "mnist-refined": "MNIST (restored from PNG)"}
ELSEWHERE = tuple(DATA)
FRESH = 4242  # a seed that neither training nor tuning nor the card's tests have seen


def content(name, suffix):
    path = artefacts.FOLDER.joinpath(f"{name}.{suffix}")
    if not path.is_file():
        pytest.skip(f"{name}.{suffix} has not been made yet: l2l train {name}")
    return path.read_bytes()


@pytest.fixture(params=l2l.zoo.names())
def name(request):
    content(request.param, "safetensors")
    content(request.param, "json")
    return request.param


def as_on_a_card(recipe):
    """The stages of a recipe as JSON brings them back."""
    stages = [{key: _plain(value) for key, value in stage.items()} for stage in recipe.stages]
    return json.loads(json.dumps(stages))


def test_loads_and_is_the_rule_of_its_recipe(name):
    rule, fresh = l2l.zoo.load(name), RECIPES[name].make_rule(0)
    assert repr(rule) == repr(fresh)
    for key, weight in rule.state_dict().items():
        assert weight.shape == fresh.state_dict()[key].shape
        assert weight.isfinite().all()
        assert not torch.equal(weight, fresh.state_dict()[key])


def test_loading_and_recipes_leave_the_global_generators_alone(name):
    state = torch.get_rng_state()
    l2l.zoo.load(name)
    RECIPES[name].make_rule(0)
    if not name.startswith(ELSEWHERE):
        RECIPES[name].make_family()
    l2l.features.trained()
    assert torch.equal(torch.get_rng_state(), state)


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
    assert card.name == name
    assert card.command == f"l2l train {name}"
    assert card.rule == repr(recipe.make_rule(card.shipped_seed))
    assert card.stages == as_on_a_card(recipe)
    assert list(card.validation) == list(card.seconds) == [str(seed) for seed in recipe.seeds]
    assert card.validation[str(card.shipped_seed)] == min(card.validation.values())
    assert list(card.tests) == list(recipe.tests)
    for label, test in card.tests.items():
        tested = card.validation if recipe.tests[label].every_seed else [str(card.shipped_seed)]
        assert (test["steps"], test["tasks"]) == (recipe.tests[label].steps, recipe.tests[label].tasks)
        assert all(set(test[criterion]["ratio"]) == set(tested) for criterion in CRITERIA)


def test_the_card_names_its_data(name):
    said = [origin for start, origin in DATA.items() if name.startswith(start)]
    expected = said[0] if said else RECIPES[name].data()
    assert l2l.zoo.card(name).data.startswith(expected)


def test_chapters_read_a_card_by_names(name):
    card = l2l.zoo.card(name)
    assert card["tests"] is card.tests
    assert card["training"] == as_on_a_card(RECIPES[name])[0]


# The cards' momenta were 0.9, 0.95 and 0.99. Where the best baseline chose the first or the last, a wider
# grid may make it better; the cards that are made again have one. Criteria of each test:
EDGE_OF_GRID = {
    "mnist": {
        "same digits": "final summed",
        "200 steps": "final summed",
        "40 units": "final",
        "two layers": "final",
        "ReLU": "final",
        "1 × 5": "final summed",
        "1 × 20": "final summed",
        "1 × 35": "final summed",
        "2 × 5": "summed",
        "2 × 20": "final",
    },
    "quadratic": {"200 steps": "final"},
    # Of the ratio of two rates: a wider grid may make that baseline better.
    "cifar10": {"CIFAR-10": "summed"},
    "cifar10-single": {"CIFAR-10": "summed"},
}


def at_an_edge(tuned, test):
    """Of the grid that a card was made with: the wider one of momenta came with `reach`."""
    momenta = (min(MOMENTA), max(MOMENTA)) if "reach" in test else (0.9, 0.99)
    ratios = [float(f"{ratio:.4g}") for ratio in (min(RATIOS), max(RATIOS))]
    return tuned.get("momentum") in momenta or tuned.get("ratio") in ratios


@pytest.mark.parametrize("criterion", CRITERIA)
def test_the_cards_best_baselines_were_tuned_inside_the_grid(name, criterion):
    for label, test in l2l.zoo.card(name).tests.items():
        result, rates = test[criterion], RECIPES[name].tests[label].rates
        best = result["tuned"][result["best_baseline"]]
        assert result["baselines"][result["best_baseline"]] == min(result["baselines"].values())
        assert min(rates) < best["lr"] < max(rates)
        at_the_edge = criterion in EDGE_OF_GRID.get(name, {}).get(label, "").split()
        assert best["inside_grid"] is not at_the_edge
        assert at_the_edge == at_an_edge(best, test)


def test_a_card_does_not_call_the_edge_of_its_grid_inside(name):
    for label, test in l2l.zoo.card(name).tests.items():
        rates = RECIPES[name].tests[label].rates
        for tuned in (one for criterion in CRITERIA for one in test[criterion]["tuned"].values()):
            rate_inside = float(f"{min(rates):.4g}") < tuned["lr"] < float(f"{max(rates):.4g}")
            assert tuned["inside_grid"] == (rate_inside and not at_an_edge(tuned, test))


# Written before cards had the loss of every task.
WITHOUT_VALUES = ("mnist", "quadratic")


def test_the_cards_values_are_those_behind_its_mean(name):
    card = l2l.zoo.card(name)
    results = [(test, test[criterion]) for test in card.tests.values() for criterion in CRITERIA]
    if name in WITHOUT_VALUES:
        assert not any("values" in result for _, result in results)
        pytest.skip(f"the card of {name} is older than `values`; it gets them when it is made again")
    for test, result in results:
        assert len(result["values"]) == test["tasks"]
        learned = result["learned"][str(card.shipped_seed)]
        assert sum(result["values"]) / test["tasks"] == pytest.approx(learned, rel=1e-3)
        rival = result.get("rival_values", ())  # older cards have none
        if rival:
            best = result["baselines"][result["best_baseline"]]
            assert sum(rival) / test["tasks"] == pytest.approx(best, rel=1e-3)
            ratio = result["ratio"][str(card.shipped_seed)][0]
            assert sum(result["values"]) / sum(rival) == pytest.approx(ratio, rel=1e-3)


def test_held_out_losses_are_measured(name):
    for label, test in l2l.zoo.card(name).tests.items():
        assert set(test["held_out"]) == {"learned", *l2l.BASELINES, *RECIPES[name].tests[label].make_rivals()}


# θ after five steps on `gradients`, at every sixth coordinate: what the first version of the engine did, and
# what `general` and the rules of CIFAR-10 did when they were made.
MOVED = {
    "cifar10 conv": (-0.001413591, -0.0003795377, -0.0005902432, -0.0003261371, -0.000544449),
    "cifar10 dense": (0.008752059, 0.02126044, 0.01570181, 0.01701062, 0.01436156),
    "cifar10-held-out conv": (0.009504657, 0.0111845, 0.01120664, 0.01233161, 0.01255216),
    "cifar10-held-out dense": (-0.0003694564, 0.005305133, 0.00363701, 0.00570071, 0.00574145),
    "cifar10-single": (0.006136439, 0.01037997, 0.008457079, 0.009535499, 0.008785944),
    "general": (0.0003837961, 0.0008234624, 0.000845605, 0.0008341309, 0.0008127608),
    "mnist": (0.02654845, 0.04830179, 0.06653357, 0.04237881, -0.5432218),
    "mnist-refined": (-0.03869412, -0.02823785, -0.03465149, -0.06110734, -0.4598034),
    "neural-art": (-0.06738393, -0.05048671, 0.003671783, 0.1426203, 0.3316007),
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


def test_the_steps_are_those_that_were_recorded(name):
    rule = l2l.zoo.load(name)
    parts = rule.rules if isinstance(rule, l2l.Partitioned) else {"": rule}
    for part, one in parts.items():
        expected = MOVED[f"{name} {part}".strip()]
        assert moved(one) == pytest.approx(expected, rel=1e-6, abs=1e-9)


CLASSES = {"SGD": l2l.GradientDescent, "Nesterov": l2l.Nesterov, "RMSProp": l2l.RMSProp, "Adam": l2l.Adam}


def test_beats_its_cards_best_baseline_on_fresh_tasks(name):
    if RECIPES[name].suite:
        pytest.skip("is for networks that it has not seen: see the tests of its suite")
    if name.startswith(ELSEWHERE) and not os.environ.get("L2L_DATA"):
        pytest.skip("needs a full set of images: set L2L_DATA to a folder that holds it")
    label, test = next(iter(RECIPES[name].tests.items()))
    recorded = l2l.zoo.card(name).tests[label]["summed"]
    best = recorded["best_baseline"]
    hyper = {key: value for key, value in recorded["tuned"][best].items() if key != "inside_grid"}
    rules = {"learned": l2l.zoo.load(name), best: CLASSES[best](**hyper)}
    fresh = test.make_family().sample(tasks=max(2, test.tasks // 32), seed=FRESH)
    losses = l2l.compare(rules, fresh, test.steps)
    summed = {key: l2l.summed_loss(value).mean() for key, value in losses.items()}
    assert summed["learned"] < summed[best]


def test_the_refined_rule_is_ahead_of_the_one_it_began_as():
    rules = {name: l2l.zoo.load(name) for name in ("mnist", "mnist-refined")}
    fresh = l2l.Classifier(l2l.mlp, l2l.data.mnist()).sample(tasks=2, seed=FRESH)
    before, after = (l2l.summed_loss(losses).mean() for losses in l2l.compare(rules, fresh).values())
    assert after < before


def test_the_general_rule_is_chosen_by_networks_that_it_is_not_trained_on():
    recipe = RECIPES["general"]
    trained, chosen_by = recipe.make_family().family.families, recipe.make_validation()
    assert len({repr(family) for family in trained}) == 40
    assert not {repr(family) for family in trained} & {repr(family) for family in chosen_by}
    for family in [*trained, *chosen_by]:
        problem = family.sample(1, 0)
        loss, grad = l2l.value_and_grad(problem, problem.theta0, 0)
        assert loss > 0
        assert grad.isfinite().all()
        assert grad.any()


@pytest.fixture
def measured_suite(name):
    card = l2l.zoo.card(name)
    if not RECIPES[name].suite:
        assert not card.suite
        pytest.skip(f"{name} is for networks of the kind that it was meta-trained on")
    assert set(card.suite) == set(card.validation)
    return card.suite[str(card.shipped_seed)]


def test_the_suite_on_its_card_is_what_the_book_says(measured_suite):
    tasks, rivals = measured_suite["tasks"], record.recorded()["tasks"]
    assert set(tasks) == set(measured_suite["pace"]) == set(rivals)
    assert report.diverged(tasks) == 0
    by_default = {task: rivals[task][contest.DEFAULT] for task in rivals}
    assert report.over_adam(tasks, rivals, 200).value < 1
    for horizon, share in zip(contest.HORIZONS, (0.9, 0.7), strict=True):
        better = [ratio < 1 for ratio in report.ratios(tasks, by_default, horizon).values()]
        assert sum(better) >= share * len(better)


@pytest.mark.parametrize("task", ["breast-cancer", "diabetes"])
def test_it_reaches_again_what_its_card_says(name, measured_suite, task):
    losses = runs.train(TASKS[task], contest.learner(l2l.zoo.load(name).lasting(200)), 200, seed=0)
    assert runs.end(losses, 200) == pytest.approx(measured_suite["tasks"][task]["200"]["final"][0], rel=0.1)


# What can be damaged says so


def card_of(recipe, name="quadratic", validations=None):
    """A card of rules that were not trained, from the validation of each meta-seed."""
    validations = validations or {3: 1.0}
    trained = {
        seed: (recipe.make_rule(seed), History(validation=[3.0, v])) for seed, v in validations.items()
    }
    return make_card(name, recipe, trained, torch.device("cpu"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with an entry of the zoo, made without training."""
    folder, recipe = tmp_path_factory.mktemp("zoo"), replace(RECIPES["quadratic"], tests={})
    write_entry(card_of(recipe), recipe.make_rule(3), str(folder))
    return folder


@pytest.fixture
def entry(folder, monkeypatch):
    """Loads the entry of that folder, with one of its files replaced."""
    originals = {path: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(artefacts, "FOLDER", folder)
    yield folder
    for path, original in originals.items():
        path.write_bytes(original)


def test_an_entry_comes_back_as_it_was_written(entry):
    expected = RECIPES["quadratic"].make_rule(3).state_dict()
    torch.testing.assert_close(dict(l2l.zoo.load("quadratic").state_dict()), dict(expected), rtol=0, atol=0)
    assert sorted(path.name for path in entry.iterdir()) == ["quadratic.json", "quadratic.safetensors"]
    card = l2l.zoo.card("quadratic")
    assert replace(card, sha256="") == card_of(replace(RECIPES["quadratic"], tests={}))


def test_a_kill_between_the_two_files_is_found(entry):
    weights = {key: 2 * weight for key, weight in l2l.zoo.load("quadratic").state_dict().items()}
    (entry / "quadratic.json.partial").mkdir()  # the card cannot be written
    with pytest.raises(OSError, match=r"quadratic\.json could not be written"):
        artefacts.write("quadratic", weights, {}, entry)
    (entry / "quadratic.json.partial").rmdir()
    assert l2l.zoo.card("quadratic").name == "quadratic"  # still whole
    with pytest.raises(
        ValueError, match="the file of weights of 'quadratic' in the zoo is missing or damaged"
    ):
        l2l.zoo.load("quadratic")


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


@pytest.mark.parametrize("fields", [{}, {"name": "quadratic"}, {"speed": 3}])
def test_a_card_with_other_fields(entry, fields):
    whole = json.loads((entry / "quadratic.json").read_bytes())
    other = whole | fields if "speed" in fields else fields
    (entry / "quadratic.json").write_text(json.dumps(other))
    with pytest.raises(ValueError, match="the card of 'quadratic' in the zoo is missing or damaged"):
        l2l.zoo.card("quadratic")


def test_any_altered_byte_is_found(entry):
    original = (entry / "quadratic.safetensors").read_bytes()

    @settings(max_examples=20)
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


def test_the_seed_with_the_best_validation_is_shipped():
    recipe = replace(RECIPES["quadratic"], tests={})
    card = card_of(recipe, validations={0: 2.0, 1: 1.0})
    assert isinstance(card, Card)
    assert card.shipped_seed == 1
    assert card.validation == {"0": 2.0, "1": 1.0}
    assert card.data == recipe.data() == "drawn from a normal distribution"


def test_what_json_does_not_know_is_named_on_the_card(entry):
    stages = ({"trajectories": 5, "objective": l2l.objectives.last},)
    recipe = replace(RECIPES["quadratic"], tests={}, stages=stages)
    write_entry(card_of(recipe), recipe.make_rule(3), entry)
    assert l2l.zoo.card("quadratic").stages == [{"trajectories": 5, "objective": "last"}]


# Stages


SMALL = Recipe(
    summary="a small rule",
    data=lambda: "drawn for a test",
    make_family=partial(l2l.Quadratic, 3),
    make_rule=lambda seed: l2l.LSTMRule((3,), l2l.identity, seed=seed),
    stages=(
        {"trajectories": 4, "steps": 5, "validate_every": 2, "validation_tasks": 2},
        {"trajectories": 2, "lr": 1e-3},
    ),
    seeds=(0,),
)


class Recorded(l2l.Quadratic):
    """A family that tells with which seeds it was asked for tasks."""

    def sample(self, tasks, seed, device="cpu"):
        self.__dict__.setdefault("seeds", []).append(seed)
        return super().sample(tasks, seed, device)


def test_a_stage_changes_only_what_it_names():
    assert SMALL.settings(0) == dict(SMALL.stages[0])
    assert SMALL.settings(1) == {**SMALL.stages[0], "trajectories": 2, "lr": 1e-3}


def test_every_stage_trains_on_other_tasks():
    family = Recorded(3)
    train_recipe(replace(SMALL, make_family=lambda: family), 1)
    validation = task_seed(Role.VALIDATION)
    asked = [[seed for seed in family.seeds if seed != validation]]
    first = [task_seed(Role.TRAINING, meta_seed=1, trajectory=k) for k in range(4)]
    second = [task_seed(Role.TRAINING, meta_seed=1, stage=1, trajectory=k) for k in range(2)]
    assert asked == [first + second]


def test_stages_go_on_from_the_best_and_the_best_of_all_is_kept(tmp_path):
    file = tmp_path / "small-0.ckpt"
    rule, history = train_recipe(SMALL, 0, checkpoint=str(file))
    first, second = stages = [kept(path) for path in stage_files(SMALL, file)]
    assert (second["about"]["trajectories"], second["about"]["lr"]) == ("2", "0.001")
    assert second["about"]["steps"] == first["about"]["steps"]
    best = min(stages, key=lambda one: min(one["history"]["validation"]))
    torch.testing.assert_close(dict(rule.state_dict()), best["best"], rtol=0, atol=0)
    assert history.validation == best["history"]["validation"].tolist()
    assert history.seconds >= sum(one["history"]["seconds"].item() for one in stages) > 0


def test_a_later_stage_starts_from_the_best_weights_of_the_first(tmp_path):
    frozen = {"trajectories": 1, "lr": 1e-12, "final_lr": 1e-12}  # leaves φ where it starts
    recipe = replace(SMALL, stages=(SMALL.stages[0], frozen))
    train_recipe(recipe, 0, checkpoint=tmp_path / "small.ckpt")
    first, second = (kept(path) for path in stage_files(recipe, tmp_path / "small.ckpt"))
    torch.testing.assert_close(second["rule"], first["best"], rtol=0, atol=1e-9)


def test_a_stage_that_makes_it_worse_is_not_kept():
    recipe = replace(SMALL, stages=(SMALL.stages[0], {"lr": 10.0, "final_lr": 10.0}))
    one, _ = train_recipe(replace(SMALL, stages=SMALL.stages[:1]), 0)
    rule, _ = train_recipe(recipe, 0)
    torch.testing.assert_close(dict(rule.state_dict()), dict(one.state_dict()), rtol=0, atol=0)


def test_stopped_and_resumed_stages_end_with_the_same_rule(tmp_path):
    file, whole = tmp_path / "small.ckpt", train_recipe(SMALL, 0)[0]
    train_recipe(replace(SMALL, stages=SMALL.stages[:1]), 0, checkpoint=file)
    resumed, _ = train_recipe(SMALL, 0, checkpoint=file)
    torch.testing.assert_close(dict(resumed.state_dict()), dict(whole.state_dict()), rtol=0, atol=0)


def test_later_stages_cannot_change_what_validation_measures():
    with pytest.raises(ValueError, match=r"a later one cannot change steps, validation_tasks; set") as error:
        replace(SMALL, stages=(*SMALL.stages, {"validation_tasks": 3, "steps": 4}))
    assert "\n" not in str(error.value)


# What is measured on the same tasks


def tiny(**changes):
    settings = {"make_family": partial(l2l.Quadratic, 3), "steps": 12, "tasks": 5, "tuning_tasks": 2}
    return Test(**settings | changes)


def measured(test, rules=None, shipped=0):
    return run_test(test, rules or {0: l2l.LSTMRule((3,))}, shipped, torch.device("cpu"))


def test_values_reproduce_the_mean_and_let_cards_be_compared():
    rules = {seed: l2l.LSTMRule((3,), seed=seed) for seed in (0, 1)}
    test = tiny(rates=(0.03, 0.1), every_seed=True)
    first, second = (measured(test, rules, shipped) for shipped in (0, 1))
    fresh = l2l.Quadratic(3).sample(5, task_seed(Role.TEST))
    for criterion, measure in CRITERIA.items():
        ours, theirs = (torch.tensor(card[criterion]["values"]) for card in (first, second))
        means = first[criterion]["learned"]
        assert ours.mean().item() == pytest.approx(means["0"], rel=1e-3)
        assert theirs.mean().item() == pytest.approx(means["1"], rel=1e-3)
        losses = l2l.compare(rules, fresh, 12)
        torch.testing.assert_close(ours, measure(losses[0]), rtol=1e-3, atol=0)
        expected = l2l.ratio(measure(losses[0]), measure(losses[1]))
        assert l2l.ratio(ours, theirs) == pytest.approx(expected, rel=2e-3)


def test_baselines_are_tuned_once_for_the_same_test():
    family = Recorded(3)
    test = tiny(rates=(0.03, 0.1, 0.3), make_family=lambda: family)
    first, again = measured(test), measured(test)
    assert sorted(family.seeds) == [task_seed(Role.TEST)] * 2 + [task_seed(Role.TUNING)]
    fresh = measured(replace(test, make_family=lambda: Recorded(3)))
    for result in (first, again, fresh):  # a fresh family is no other, and times are never the same
        assert set(result.pop("milliseconds")) == {"learned", *BASELINES}
    assert first == again == fresh
    other = measured(replace(test, steps=13))
    assert len(family.seeds) == 6
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


class Diverges(l2l.Quadratic):
    """Quadratics that no rule can stay on, where they are not those to tune on."""

    def sample(self, tasks, seed, device="cpu"):
        problem = super().sample(tasks, seed, device)
        steep = 1e20 if seed == task_seed(Role.TEST) else 1.0
        return replace(problem, W=steep * problem.W)


@pytest.fixture
def rivals(monkeypatch):
    """Replaces the baselines."""
    return lambda **makers: monkeypatch.setattr("l2l_lite.zoo.testing.BASELINES", makers)


def test_a_baseline_that_diverges_on_fresh_tasks_is_never_the_best(rivals):
    sgd, still = l2l.GradientDescent, lambda lr: l2l.GradientDescent(0.0)
    for baselines in ({"SGD": sgd, "still": still}, {"still": still, "SGD": sgd}):
        rivals(**baselines)
        result = measured(tiny(make_family=partial(Diverges, 3, 0.0), rates=(0.01, 0.02)))
        for criterion in CRITERIA:
            assert result[criterion]["best_baseline"] == "still"
            assert not math.isfinite(result[criterion]["baselines"]["SGD"])


def test_where_every_baseline_diverges_one_sentence_says_so(rivals):
    rivals(SGD=l2l.GradientDescent)
    with pytest.raises(FloatingPointError, match="every tuned baseline diverged on the fresh tasks"):
        measured(tiny(make_family=partial(Diverges, 3), rates=(0.01, 0.02)))


class Still(l2l.UpdateRule):
    """Leaves a network where it starts."""

    def forward(self, grad, state, theta=None):
        return torch.zeros_like(grad), state


@pytest.mark.parametrize("classes", [2, 5, 10])
@pytest.mark.parametrize(("rule", "steps", "stuck"), [(Still(), 3, 1.0), (l2l.Adam(0.1), 100, 0.0)])
def test_a_network_is_stuck_on_the_plateau_of_its_own_classes(rivals, classes, rule, steps, stuck):
    rivals(SGD=l2l.GradientDescent)
    digits = l2l.data.digits8().only(range(classes))
    make_model = partial(l2l.mlp, 64, hidden=5, classes=classes)
    family = l2l.Classifier(make_model, digits, batch=256, theta0_std=1e-4)  # all answers alike
    test = tiny(make_family=lambda: family, steps=steps, tasks=2, tuning_tasks=1, rates=(0.1,))
    assert measured(test, {0: rule})["stuck"] == {"0": stuck}


def test_a_pair_is_tested_on_networks_of_other_sizes():
    images = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    examples = l2l.data.Examples(images, torch.arange(8) % 5)
    data = l2l.data.Data(examples, examples)
    make_family = lambda: l2l.Classifier(partial(l2l.conv_net, 5), data, 4, theta0_std=None)  # noqa: E731
    pair = RECIPES["cifar10"].make_rule(0)
    test = tiny(make_family=make_family, steps=2, tasks=2, tuning_tasks=1, rates=(0.01,))
    result = measured(test, {0: pair})
    fresh = make_family().sample(2, task_seed(Role.TEST))
    losses = l2l.optimize(pair.on(make_family().groups), fresh, 2).losses
    torch.testing.assert_close(
        torch.tensor(result["summed"]["values"]), l2l.summed_loss(losses), rtol=1e-3, atol=0
    )
    assert len(result["summed"]["rival_values"]) == 2
    assert set(result["stuck"]) == {"0"}
    assert result["final"]["learned"]["0"] > 0


def test_every_recipe_says_where_its_data_come_from(name):
    if name.startswith(ELSEWHERE):
        pytest.skip("says it of the copy that it has loaded: see test_data.py")
    assert RECIPES[name].data().strip()


def test_the_held_out_labels_are_those_of_no_other_set():
    labels = {*cifar10.CIFAR_5, *cifar10.CIFAR_2}
    assert labels | set(cifar10.HELD_OUT) == set(range(10))
    assert not labels & set(cifar10.HELD_OUT)


def test_the_card_tells_steps_and_milliseconds_and_the_papers_protocol():
    strong, weak = l2l.Adam(0.1), l2l.GradientDescent(1e-6)
    result = measured(tiny(steps=40, rates=(1e-5, 1e-4), every_seed=True), {0: strong, 1: weak})
    best, reach = result["final"]["best_baseline"], result["reach"]
    assert reach["loss"] == result["final"]["baselines"][best]
    assert reach["learned"]["0"] < reach[best] <= 40
    assert reach["learned"]["1"] is None
    assert set(result["paper"]["baselines"]) == {"SGD", "RMSProp", "Adam", "Nesterov 0.9"}
    assert set(result["final"]["baselines"]) == set(BASELINES)
    assert all(time > 0 for time in result["milliseconds"].values())


def test_a_task_that_is_no_classification_is_on_no_plateau(rivals):
    rivals(SGD=l2l.GradientDescent)
    digits = l2l.data.digits8()
    to_themselves = l2l.data.Data(*(part._replace(labels=part.images.flatten(1)) for part in digits))
    network = partial(l2l.mlp, 64, hidden=5, classes=64)
    family = l2l.Classifier(network, to_themselves, criterion=torch.nn.functional.mse_loss)
    result = measured(tiny(make_family=lambda: family, steps=2, tasks=2, tuning_tasks=1, rates=(0.1,)))
    assert "stuck" not in result
    assert result["held_out"]["learned"] > 0


def test_a_recipe_can_begin_as_another_entry(monkeypatch, tmp_path):
    stage = {"trajectories": 1, "steps": 5, "lr": 1e-9, "final_lr": 1e-9}
    still = replace(RECIPES["quadratic"], make_family=partial(l2l.Quadratic, 3), stages=(stage,))
    recipe = replace(still, begins_as="quadratic")
    shipped = l2l.zoo.card("quadratic").shipped_seed
    rule, _ = train_recipe(recipe, shipped)
    weights = dict(l2l.zoo.load("quadratic").state_dict())
    torch.testing.assert_close(dict(rule.state_dict()), weights, rtol=0, atol=1e-7)
    # Another meta-seed of that entry does not ship: it is made first, and its checkpoint is kept.
    first = replace(still, stages=(stage | {"lr": 1e-2},))
    monkeypatch.setitem(RECIPES, "quadratic", first)
    began, _ = train_recipe(first, shipped + 1)
    rule, _ = train_recipe(recipe, shipped + 1, checkpoint=tmp_path / "on.ckpt")
    torch.testing.assert_close(dict(rule.state_dict()), dict(began.state_dict()), rtol=0, atol=1e-7)
    assert (tmp_path / f"quadratic-{shipped + 1}.ckpt").exists()


def test_a_recipe_chooses_by_its_validation_families_and_runs_the_suite(monkeypatch):
    asked = []
    other = Recorded(5)
    recipe = replace(RECIPES["quadratic"], make_family=partial(l2l.Quadratic, 3), tests={}, suite=True)
    recipe = replace(recipe, stages=({"trajectories": 1, "steps": 5, "validation_tasks": 2},))
    recipe = replace(recipe, make_validation=lambda: [other])
    rule, history = train_recipe(recipe, 0)
    assert other.seeds == [task_seed(Role.VALIDATION)]
    problem = other.sample(2, task_seed(Role.VALIDATION))
    assert history.validation == [pytest.approx(l2l.score(rule, problem, 5))]
    monkeypatch.setattr("l2l_lite.zoo.cards.measure_rule", lambda rule: asked.append(rule) or {"tasks": {}})
    card = make_card("tiny", recipe, {0: (rule, history), 3: (rule, history)}, torch.device("cpu"))
    assert card.suite == {"0": {"tasks": {}}, "3": {"tasks": {}}}
    assert asked == [rule, rule]
