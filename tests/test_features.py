"""What pictures look like to filters and networks: fixed, untrained, trained, written and read again."""

import hashlib
import json

import pytest
import torch
from torch import nn

import l2l_lite as l2l
from l2l_lite import artefacts, features
from l2l_lite.data import Data, Examples
from l2l_lite.features import FilterBank, Layers, small_network
from l2l_lite.torchvision_shim import import_torchvision


def noise(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


# Filters that nobody trained


def test_filters_have_zero_mean_and_unit_norm():
    banks = dict(FilterBank((3, 7, 11), filters=5).named_buffers())
    assert [bank.shape for bank in banks.values()] == [(5, 3, size, size) for size in (3, 7, 11)]
    for bank in banks.values():
        torch.testing.assert_close(bank.mean(dim=(1, 2, 3)), torch.zeros(5), rtol=0, atol=1e-6)
        torch.testing.assert_close(bank.flatten(1).norm(dim=1), torch.ones(5))


def test_a_flat_grey_picture_gives_nothing_but_its_colour():
    colour = torch.full((3, 1, 1), 0.7)
    *filtered, colours = FilterBank()(colour.expand(2, 3, 24, 28))
    assert len(filtered) == 9
    assert all(maps.abs().max() < 1e-5 for maps in filtered)
    torch.testing.assert_close(colours, colour.expand(2, 3, 6, 7))
    assert all(maps.max() > 0.01 for maps in FilterBank()(noise(1, 3, 24, 28))[:-1])


@pytest.mark.parametrize(("height", "width"), [(24, 24), (25, 33), (47, 65)])
def test_layers_at_full_half_and_quarter_resolution(height, width):
    maps = FilterBank((3, 11), filters=4)(noise(2, 3, height, width))
    half, quarter = ((height // k, width // k) for k in (2, 4))
    assert [m.shape[2:] for m in maps] == [(height, width)] * 2 + [half] * 2 + [quarter] * 3
    assert [m.shape[:2] for m in maps] == [(2, 4)] * 6 + [(2, 3)]


def test_filters_come_from_the_seed_alone():
    state = torch.get_rng_state()
    first, again, other = (FilterBank((3,), 4, seed)(noise(1, 3, 16, 16))[0] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)
    assert not list(FilterBank().parameters())


# Layers of a network


def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(4, 2, 3), nn.Tanh())


def test_the_chosen_layers_in_their_order_of_standardised_pictures():
    model, seen = network(), noise(2, 3, 12, 12)
    layers = Layers(model, (3, 1), mean=(0.1, 0.2, 0.3), std=(0.5, 1.0, 2.0))
    x = (seen - torch.tensor([0.1, 0.2, 0.3])[:, None, None]) / torch.tensor([0.5, 1.0, 2.0])[:, None, None]
    third, first = layers(seen)
    torch.testing.assert_close(third, model[:4](x))
    torch.testing.assert_close(first, model[:2](x))


def test_later_layers_are_left_out():
    model = network()
    model.append(nn.Linear(1, 1))  # would not run on these maps
    layers = Layers(model, (1, 4))
    assert len(layers.network) == 5
    assert len(layers(noise(1, 3, 12, 12))) == 2


def test_weights_are_frozen_and_pictures_are_not():
    layers, seen = Layers(network(), (3,)), noise(1, 3, 12, 12).requires_grad_()
    assert not any(weight.requires_grad for weight in layers.parameters())
    layers(seen)[0].square().sum().backward()
    assert seen.grad.abs().sum() > 0


@pytest.fixture(scope="module")
def vgg():
    """The first layers of torchvision's VGG-19, with random weights."""
    models = import_torchvision("torchvision.models")
    with torch.device("meta"):  # 140 million weights that nobody needs
        whole = models.vgg19(weights=None).features
    first = whole[:9].to_empty(device="cpu")
    rng = torch.Generator().manual_seed(0)
    for weight in first.parameters():
        nn.init.normal_(weight, std=0.1, generator=rng)
    return first


def test_torchvisions_vgg19(vgg):
    layers = Layers(vgg, (1, 6))
    first, second = layers(noise(2, 3, 16, 16))
    assert first.shape == (2, 64, 16, 16)
    assert second.shape == (2, 128, 8, 8)
    assert len(layers.network) == 7
    imagenet = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
    mean, std = imagenet[..., None, None]
    expected = vgg[0]((noise(2, 3, 16, 16) - mean) / std).relu()
    torch.testing.assert_close(first, expected)


def test_neural_art_sees_with_vgg19(vgg):
    family = l2l.NeuralArt([noise(3, 24, 28)], noise(3, 33, 26, seed=1), 24, Layers(vgg, (1, 6)), (1,))
    problem = family.sample(2, seed=0)
    torch.testing.assert_close(problem.loss(problem.theta0), torch.full((2,), 100 * 24**2 / 64**2))
    losses = l2l.optimize(l2l.Adam(0.03), problem, 4).losses
    assert (losses[-1] < 0.9 * losses[0]).all()


# Trained features


def red_or_blue(n, seed):
    """Noise that is more red (label 0) or more blue (label 1)."""
    images, labels = 0.7 * noise(n, 3, 12, 12, seed=seed), torch.arange(n) % 2
    images[labels == 0, 0] += 0.3
    images[labels == 1, 2] += 0.3
    return Examples(images, labels)


def test_the_small_network_has_as_many_weights_as_it_says():
    weights = sum(weight.numel() for weight in small_network().parameters())
    assert f"{weights:,} weights" in small_network.__doc__
    assert [tuple(maps.shape) for maps in features._layers(small_network())(noise(1, 3, 32, 32))] == [
        *((1, 24, 32, 32), (1, 24, 32, 32), (1, 48, 16, 16), (1, 48, 16, 16), (1, 96, 8, 8))
    ]


def test_training_learns_and_comes_from_its_seed_alone():
    data, state = Data(red_or_blue(64, seed=0), red_or_blue(40, seed=1)), torch.get_rng_state()
    short, again = (features.train(data, steps=2, batch=4) for _ in range(2))
    assert all(map(torch.equal, short.state_dict().values(), again.state_dict().values()))
    assert torch.equal(torch.get_rng_state(), state)
    model = features.train(data, steps=25, batch=16)
    assert model[-1].out_features == 2
    assert features.accuracy(model, data.test) > 0.9
    assert features.accuracy(short, data.test) < 0.9


def test_accuracy_is_the_share_of_right_labels():
    class Constant(nn.Module):
        def forward(self, images):
            return torch.tensor([0.0, 1.0, 0.5]).expand(len(images), 3)

    labels = torch.tensor([1] * 600 + [0] * 150 + [2] * 50)
    assert features.accuracy(Constant(), Examples(torch.zeros(800, 3, 1, 1), labels)) == 0.75


@pytest.fixture
def entry(tmp_path, monkeypatch):
    """A folder with the features of a network that was not trained."""
    torch.manual_seed(0)
    model = nn.Sequential(*small_network(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, 10))
    features.write(model, {"data": "nothing", "accuracy": 0.1}, tmp_path)
    monkeypatch.setattr(artefacts, "FOLDER", tmp_path)
    return model, tmp_path


def test_features_come_back_as_they_were_written(entry):
    model, folder = entry
    assert sorted(path.name for path in folder.iterdir()) == ["features.json", "features.safetensors"]
    layers, seen = features.trained(), noise(2, 3, 16, 16)
    for k, maps in zip((1, 3, 6, 8, 11), layers(seen), strict=True):
        torch.testing.assert_close(maps, model[: k + 1](seen - features.MEAN))
    assert not any(weight.requires_grad for weight in layers.parameters())
    content = (folder / "features.safetensors").read_bytes()
    expected = {"data": "nothing", "accuracy": 0.1, "sha256": hashlib.sha256(content).hexdigest()}
    assert features.card() == expected


DAMAGES = {
    "no weights": ("safetensors", lambda content: None),
    "cut weights": ("safetensors", lambda content: content[:-1]),
    "no bytes": ("safetensors", lambda content: b""),
    "another byte": ("safetensors", lambda content: content[:-1] + bytes([content[-1] ^ 1])),
    "no card": ("json", lambda content: None),
    "cut card": ("json", lambda content: content[:-1]),
    "no checksum": ("json", lambda content: b"{}"),
}


@pytest.mark.parametrize(("suffix", "damage"), DAMAGES.values(), ids=DAMAGES)
def test_missing_or_damaged_features_give_one_sentence(entry, suffix, damage):
    path = entry[1] / f"features.{suffix}"
    damaged = damage(path.read_bytes())
    path.unlink() if damaged is None else path.write_bytes(damaged)
    with pytest.raises(
        ValueError, match=r"the .* of 'features' in the zoo is missing or damaged; install"
    ) as error:
        features.trained()
    assert "\n" not in str(error.value)
    assert str(error.value).endswith("l2l features")


def test_the_shipped_features():
    card, path = features.card(), artefacts.FOLDER.joinpath("features.safetensors")
    assert len(path.read_bytes()) <= 1_000_000
    assert "CIFAR" in json.dumps(card["data"])
    *_, deepest = features.trained()(noise(1, 3, 32, 32))
    assert deepest.shape == (1, 96, 8, 8)
    assert deepest.isfinite().all()
    assert deepest.std() > 0
