"""Photographs load and are licensed, any file becomes a picture or one sentence, crops do not overlap."""

import socket

import numpy as np
import pytest
import torch
from PIL import Image

from l2l_lite import pictures
from l2l_lite.pictures import PHOTOS, picture, resize, square


def refused(match, call, *arguments, error=ValueError):
    with pytest.raises(error, match=match) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def colours(height=47, width=65, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


# Photographs


@pytest.mark.parametrize("name", PHOTOS)
def test_every_photograph_loads_without_a_network(name, monkeypatch):
    monkeypatch.setattr(socket.socket, "connect", lambda *args: pytest.fail("asked the network"))
    image = pictures.photo.__wrapped__(name)
    assert image.shape[0] == 3
    assert min(image.shape[1:]) >= 300
    assert image.dtype == torch.float32
    assert 0 <= image.min() < 0.1
    assert 0.8 < image.max() <= 1
    assert image.std(dim=(1, 2)).min() > 0.05


def test_every_photograph_names_its_maker_and_a_licence():
    licences = ("CC0", "CC BY 2.0", "public domain", "no known copyright restrictions")
    for credit in PHOTOS.values():
        maker, _, licence = credit.rpartition(", ")
        assert maker
        assert licence in licences


def test_an_unknown_photograph_names_the_known_ones():
    refused("no photograph 'mona lisa'; choose one of astronaut.*flower", pictures.photo, "mona lisa")


# Arrays and tensors


def test_bytes_values_and_tensors_are_the_same_picture():
    pixels = colours()
    expected = torch.tensor(pixels / 255, dtype=torch.float32).movedim(-1, 0)
    sources = [pixels, pixels / 255, (pixels / 255).astype(np.float32), expected, expected.double()]
    sources += [torch.tensor(pixels).movedim(-1, 0), expected.clone().requires_grad_()]
    for source in sources:
        image = picture(source)
        assert image.shape == (3, 47, 65)
        assert image.dtype == torch.float32
        assert not image.requires_grad
        torch.testing.assert_close(image, expected, rtol=0, atol=1e-6)


def test_grey_becomes_colour():
    grey = colours(5, 9, 1)
    expected = torch.tensor(grey[..., 0] / 255, dtype=torch.float32).expand(3, 5, 9)
    tensor = torch.tensor(grey[..., 0])
    for source in (grey, grey[..., 0], tensor, tensor[None], tensor.div(255).requires_grad_()):
        torch.testing.assert_close(picture(source), expected)


def test_what_is_transparent_becomes_white():
    # Opacity 1, 0 and 0.6 = 153 / 255 of the colour (1, 0.2, 0).
    pixels = np.array([[[255, 51, 0, 255], [255, 51, 0, 0], [255, 51, 0, 153]]], dtype=np.uint8)
    expected = torch.tensor([[1.0, 0.2, 0.0], [1.0, 1.0, 1.0], [1.0, 0.52, 0.4]]).T[:, None]
    for source in (pixels, pixels / 255, torch.tensor(pixels).movedim(-1, 0)):
        torch.testing.assert_close(picture(source), expected)


def test_a_picture_is_a_copy():
    pixels = torch.rand(3, 4, 5)
    picture(pixels).zero_()
    picture(pixels[:1])[0].zero_()
    assert pixels.min() > 0


@pytest.mark.parametrize("shape", [(), (4,), (5, 6, 2), (5, 6, 5), (1, 5, 6, 3), (0, 6, 3), (5, 0)])
def test_other_shapes_are_refused(shape):
    refused("a picture is .height, width. or has 1, 3 or 4 channels", picture, np.zeros(shape))


BAD_VALUES = {
    "16 bits": np.full((4, 4), 40_000, dtype=np.uint16),
    "integers": np.full((4, 4), 200),
    "above": np.full((4, 4, 3), 1.01),
    "below": np.full((4, 4, 3), -0.01),
    "not a number": np.full((4, 4), np.nan),
    "infinite": np.full((4, 4), np.inf),
}


@pytest.mark.parametrize("values", BAD_VALUES.values(), ids=BAD_VALUES)
def test_values_that_are_no_picture_are_refused(values):
    refused("holds bytes, or values between 0 and 1", picture, values)
    if values.dtype != np.uint16:
        refused("holds bytes, or values between 0 and 1", picture, torch.tensor(values.astype(np.float32)))


@pytest.mark.parametrize("thing", [None, 3, [[0.5]], Image.new("RGB", (4, 4))])
def test_other_things_are_refused(thing):
    refused("a picture is a file, an array or a tensor, not", picture, thing)


# Files


def test_a_file_is_the_array_in_it(tmp_path):
    for name in ("photo.png", "photo.bmp"):
        Image.fromarray(colours()).save(tmp_path / name)
        for source in (tmp_path / name, str(tmp_path / name)):
            assert torch.equal(picture(source), picture(colours()))


def test_grey_and_transparent_files(tmp_path):
    for k, pixels in enumerate((colours(5, 7, 1)[..., 0], colours(5, 7, 4))):
        Image.fromarray(pixels).save(tmp_path / f"{k}.png")
        torch.testing.assert_close(picture(tmp_path / f"{k}.png"), picture(pixels))


def test_a_palette_with_a_transparent_colour(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "palette.png", transparency=0)
    expected = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]], [[1.0, 1.0]]])  # white, blue
    assert torch.equal(picture(tmp_path / "palette.png"), expected)


def test_grey_with_an_alpha_channel(tmp_path):
    Image.new("LA", (2, 3), (0, 51)).save(tmp_path / "la.png")
    torch.testing.assert_close(picture(tmp_path / "la.png"), torch.full((3, 3, 2), 0.8))


def test_sixteen_bits_and_floats_keep_their_range(tmp_path):
    ramp = np.linspace(0, 65535, 24).round().astype(np.uint16).reshape(4, 6)
    Image.fromarray(ramp).save(tmp_path / "16.png")
    Image.fromarray(ramp.astype(np.float32) / 65535).save(tmp_path / "float.tiff")
    expected = torch.tensor(ramp / 65535, dtype=torch.float32).expand(3, 4, 6)
    for name in ("16.png", "float.tiff"):
        torch.testing.assert_close(picture(tmp_path / name), expected)


def test_a_jpeg_in_the_colours_of_print(tmp_path):
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "print.jpg")
    image = picture(tmp_path / "print.jpg")
    assert image.shape == (3, 16, 16)
    torch.testing.assert_close(image.mean(dim=(1, 2)), torch.tensor([1.0, 0, 0]), rtol=0, atol=0.02)


@pytest.mark.parametrize("part", [0.0, 0.002, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_truncated_file_says_so(tmp_path, suffix, part):
    path = tmp_path / f"photo.{suffix}"
    Image.fromarray(colours()).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    refused(rf"photo.{suffix} is not a picture, or a damaged one", picture, path)


def test_what_is_no_file_of_a_picture_says_so(tmp_path):
    (tmp_path / "notes.png").write_text("a picture of a cat")
    refused("notes.png is not a picture", picture, tmp_path / "notes.png")
    refused("is not a picture", picture, tmp_path)
    refused(r"there is no file .*missing.png", picture, tmp_path / "missing.png", error=FileNotFoundError)


# Sizes


def test_a_square_is_the_middle():
    image = picture(colours())
    assert torch.equal(square(image, 47), image[:, :, 9 : 9 + 47])
    assert torch.equal(square(image.mT, 47), image.mT[:, 9 : 9 + 47])
    assert square(image, 16).shape == (3, 16, 16)


@pytest.mark.parametrize("shape", [(47, 65), (65, 47)])
def test_a_picture_that_is_too_small_says_so(shape):
    sentence = f"the picture has {shape[0]}×{shape[1]} pixels, but at least 48×48 are needed"
    refused(sentence, square, torch.rand(3, *shape), 48)
    refused(sentence, pictures.random_crops, torch.rand(3, *shape), 1, 48, 0)
    refused(sentence, pictures.check_size, torch.rand(3, *shape), 48)


def test_resize_keeps_flat_areas_and_averages_fine_ones():
    flat = torch.tensor([0.2, 0.5, 1.0])[:, None, None].expand(3, 65, 47)
    for height, width in ((16, 16), (30, 90), (65, 47)):
        resized = resize(flat, height, width)
        torch.testing.assert_close(resized, flat[:, :1, :1].expand(3, height, width))
    checkerboard = (torch.arange(64)[:, None] + torch.arange(64)) % 2.0
    grey = resize(checkerboard.expand(3, 64, 64), 8, 8)
    assert (grey - 0.5).abs().max() < 0.06  # without antialiasing it would be near 0 or 1


# Crops


def test_random_crops_lie_in_the_picture_anywhere_and_come_from_the_seed():
    image = torch.arange(3 * 9 * 12.0).reshape(3, 9, 12)
    crops, again = (pictures.random_crops(image, 200, 4, seed=3) for _ in range(2))
    assert torch.equal(crops, again)
    assert not torch.equal(crops, pictures.random_crops(image, 200, 4, seed=4))
    places = {divmod(int(crop[0, 0, 0]), 12) for crop in crops}
    for top, left in places:
        crop = next(c for c in crops if c[0, 0, 0] == 12 * top + left)
        assert torch.equal(crop, image[:, top : top + 4, left : left + 4])
    assert {top for top, _ in places} == set(range(6))
    assert {left for _, left in places} == set(range(9))


@pytest.mark.parametrize(("height", "width"), [(32, 48), (48, 32), (100, 130)])
def test_held_out_crops_lie_right_of_all_training_crops(monkeypatch, height, width):
    ramp = torch.linspace(0, 1, width).expand(3, height, width)  # the brightness is the place
    monkeypatch.setattr(pictures, "photo", lambda name: ramp)
    (train, _), (test, _) = pictures.crops.__wrapped__(("ramp",), train=300, test=100, size=4)
    assert train.max() < test.min()
    if min(height, width) == 32:  # as large as it is: held out is exactly the right quarter
        assert train.min() == 0
        assert test.max() == 1
        assert test.min() == ramp[0, 0, 3 * width // 4]
        assert train.max() == ramp[0, 0, 3 * width // 4 - 1]


def test_each_photograph_has_its_label(monkeypatch):
    brightness = {"a": 0.25, "b": 0.5, "c": 0.75}
    monkeypatch.setattr(pictures, "photo", lambda name: torch.full((3, 40, 33), brightness[name]))
    for part, count in zip(pictures.crops.__wrapped__(("c", "a", "b"), 5, 2, size=4), (5, 2), strict=True):
        assert part.images.shape == (3 * count, 3, 4, 4)
        assert part.labels.tolist() == [0] * count + [1] * count + [2] * count
        expected = torch.tensor([0.75, 0.25, 0.5])[part.labels]
        torch.testing.assert_close(part.images.mean(dim=(1, 2, 3)), expected)


def test_the_crops_of_all_photographs():
    train, test = pictures.crops()
    for part, count in ((train, 500), (test, 100)):
        assert part.images.shape == (10 * count, 3, 32, 32)
        assert part.labels.bincount().tolist() == [count] * 10
        assert part.labels.dtype == torch.int64
        assert part.images.min() >= 0
        assert part.images.max() <= 1
    again = pictures.crops.__wrapped__(("astronaut",))
    assert torch.equal(again.train.images, train.images[:500])
    assert torch.equal(again.test.images, test.images[:100])
