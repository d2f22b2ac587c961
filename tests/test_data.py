"""Data come from installed packages, a folder or the net; where they do not, one sentence says so."""

import gzip
import hashlib
import shutil
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from l2l_lite import data, torchvision_shim
from l2l_lite.torchvision_shim import import_torchvision

PARTS = {"train": 12, "t10k": 4}  # images


def full_mnist():
    data.full_set.cache_clear()
    return data.mnist(full=True)


def cifar10():
    data.full_set.cache_clear()
    return data.cifar10()


def one_sentence(error):
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 500
    return text


# From installed packages


@pytest.mark.parametrize(
    ("load", "train", "test", "side"), [(data.digits8, 1437, 360, 8), (data.mnist, 4000, 1000, 28)]
)
def test_sizes_ranges_and_labels(load, train, test, side):
    for part, n in zip(load(), (train, test), strict=True):
        assert part.images.shape == (n, 1, side, side)
        assert part.images.dtype == torch.float32
        assert (part.images.min(), part.images.max()) == (0, 1)
        assert part.labels.dtype == torch.int64
        assert part.labels.unique().tolist() == list(range(10))


def rows(*parts):
    """The images and labels of some parts, as sorted bytes."""
    return sorted(
        image.numpy().tobytes() + bytes([label])
        for part in parts
        for image, label in zip(part.images, part.labels.tolist(), strict=True)
    )


@pytest.mark.parametrize("load", [data.digits8, data.mnist])
def test_training_and_held_out_examples_are_disjoint(load):
    train, test = load()
    assert not set(rows(train)) & set(rows(test))


def test_no_digit_is_lost_in_the_split():
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = torch.tensor(digits.images[:, None] / 16, dtype=torch.float32)
    assert rows(*data.digits8()) == rows(data.Examples(images, torch.tensor(digits.target)))


def test_the_split_is_the_same_every_time():
    first, again = data.digits8.__wrapped__(), data.digits8.__wrapped__()
    assert all(map(torch.equal, (*first.train, *first.test), (*again.train, *again.test)))


def some(labels, start=0):
    """Examples whose images are numbered from `start`."""
    images = start + torch.arange(len(labels))[:, None, None, None]
    return data.Examples(images, torch.tensor(labels))


NUMBERED = data.Data(some([3, 0, 7, 3, 5, 0]), some([0, 3, 3, 7], start=100))


def test_only_some_labels_in_a_new_order():
    for labels in ([3, 0], (3, 0)):
        train, test = NUMBERED.only(labels)
        assert train.images.flatten().tolist() == [0, 1, 3, 5]
        assert train.labels.tolist() == [0, 1, 0, 1]
        assert test.images.flatten().tolist() == [100, 101, 102]
        assert test.labels.tolist() == [1, 0, 0]
    assert NUMBERED.train.labels.tolist() == [3, 0, 7, 3, 5, 0]


def test_only_one_label_and_all_labels():
    assert NUMBERED.only([7]).train.labels.tolist() == [0]
    digits = data.digits8()
    everything = digits.only(range(10))
    assert all(map(torch.equal, (*digits.train, *digits.test), (*everything.train, *everything.test)))
    backwards = digits.only(range(9, -1, -1))
    assert torch.equal(backwards.train.labels, 9 - digits.train.labels)


@pytest.mark.parametrize("labels", [[], [3, 3], [3, 1], [-1], [5], ()])  # 5 has no held-out examples
def test_labels_that_cannot_be_chosen(labels):
    with pytest.raises(ValueError, match=r"choose different labels among .0, 3, 7., at") as error:
        NUMBERED.only(labels)
    assert one_sentence(error).endswith(str(list(labels)))


def test_swapped_and_moved():
    train, test = data.digits8()
    swapped = data.digits8().swapped()
    assert swapped.train is test
    assert swapped.test is train
    assert data.digits8().to("meta").train.images.device.type == "meta"


def test_data_say_their_sizes_and_a_fingerprint_of_what_they_hold():
    digits = data.digits8()
    assert repr(digits).startswith("Data(1,437 + 360 examples [1, 8, 8], ")
    assert repr(digits) == repr(data.Data(*(data.Examples(*part) for part in digits)))
    shuffled = [data.Examples(part.images.flip(0), part.labels.flip(0)) for part in digits]
    brighter = data.Examples((digits.train.images + 0.1).clamp(max=1), digits.train.labels)
    relabelled = data.Examples(digits.test.images, 9 - digits.test.labels)
    others = [digits.swapped(), digits.only(range(9, -1, -1)), data.Data(*shuffled)]
    others += [digits._replace(train=brighter), digits._replace(test=relabelled)]
    assert len({repr(one) for one in (digits, *others)}) == 6


def test_a_repr_does_not_depend_on_how_images_lie_in_memory():
    images = torch.rand(5, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    one, other = (
        data.Examples(x, torch.arange(5)) for x in (images, images.to(memory_format=torch.channels_last))
    )
    assert repr(data.Data(one, one)) == repr(data.Data(other, other))


# Through torchvision


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty home, no L2L_DATA and no proxy."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("L2L_DATA", raising=False)
    return tmp_path / "home" / ".cache" / "l2l_lite"


def idx(array):
    """An array of bytes in the format of MNIST's files."""
    return struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def files():
    """Random digits in MNIST's four files, by name."""
    rng, contents = np.random.default_rng(0), {}
    for part, n in PARTS.items():
        images = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        contents[f"{part}-images-idx3-ubyte"] = idx(images)
        contents[f"{part}-labels-idx1-ubyte"] = idx(rng.integers(0, 10, n, dtype=np.uint8))
    return contents


def write(folder: Path, files):
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in files.items():
        (raw / name).write_bytes(content)


def assert_read(digits, files):
    """That the digits are those of the files."""
    for part, examples in zip(PARTS, digits, strict=True):
        assert examples.images.shape == (PARTS[part], 1, 28, 28)
        pixels = (255 * examples.images).round().to(torch.uint8).numpy()
        assert files[f"{part}-images-idx3-ubyte"].endswith(pixels.tobytes())
        labels = examples.labels.to(torch.uint8).numpy()
        assert files[f"{part}-labels-idx1-ubyte"].endswith(labels.tobytes())


def test_torchvision_can_be_imported_beside_any_build_of_torch():
    for _ in range(2):
        assert import_torchvision("torchvision.datasets").MNIST
        assert import_torchvision("torchvision.transforms").ToTensor()
        assert import_torchvision("torchvision.models").vgg19


def test_other_faults_of_an_import_are_not_hidden(monkeypatch):
    def broken(name):
        raise RuntimeError("something else")

    monkeypatch.setattr(torchvision_shim, "import_module", broken)
    with pytest.raises(RuntimeError, match="something else"):
        import_torchvision("torchvision")


def test_a_local_folder_in_torchvisions_layout(tmp_path, monkeypatch, files):
    write(tmp_path, files)
    monkeypatch.setenv("L2L_DATA", str(tmp_path))
    assert_read(full_mnist(), files)


def image_folder(root, parts=("train", "test"), mode="RGB", side=32, classes="ab", each=2):
    """Images of one colour: the class a is 0.2 bright, the class b 0.4 and so on."""
    for part in parts:
        for k, name in enumerate(classes):
            (root / part / name).mkdir(parents=True)
            for i in range(each):
                colour = 51 * (k + 1)
                image = Image.new(mode, (side, side), colour if mode == "L" else (colour, 0, 255))
                image.save(root / part / name / f"{i}.png")


def test_a_local_folder_of_images(tmp_path, monkeypatch):
    image_folder(tmp_path)
    monkeypatch.setenv("L2L_DATA", str(tmp_path))
    for part in cifar10():
        assert part.images.shape == (4, 3, 32, 32)
        assert part.labels.sort().values.tolist() == [0, 0, 1, 1]
        for image, label in zip(part.images, part.labels, strict=True):
            torch.testing.assert_close(image[:, 5, 6], torch.tensor([0.2 * (label + 1), 0.0, 1.0]))


def test_a_folder_is_shuffled_by_a_fixed_seed(tmp_path, monkeypatch):
    image_folder(tmp_path, classes="abcd", each=8)
    monkeypatch.setenv("L2L_DATA", str(tmp_path))
    first, again = cifar10(), cifar10()
    assert repr(first) == repr(again)
    for part in first:
        assert part.labels.bincount().tolist() == [8] * 4
        assert all(len(half.unique()) > 2 for half in part.labels.split(16))  # no class after another
        torch.testing.assert_close(part.images[:, 0, 0, 0], 0.2 * (part.labels + 1))
    assert first.train.labels.tolist() != first.test.labels.tolist()


def test_a_local_folder_of_grey_images(tmp_path, monkeypatch):
    image_folder(tmp_path, mode="L", side=28)
    monkeypatch.setenv("L2L_DATA", str(tmp_path))
    assert full_mnist().train.images.shape == (4, 1, 28, 28)
    pixels = full_mnist().train.images[:, 0, 5, 6]
    torch.testing.assert_close(pixels.sort().values, torch.tensor([0.2, 0.2, 0.4, 0.4]))


def test_a_folder_may_hold_both_layouts(tmp_path, monkeypatch, files):
    image_folder(tmp_path)
    write(tmp_path, files)
    monkeypatch.setenv("L2L_DATA", str(tmp_path))
    assert_read(full_mnist(), files)
    assert cifar10().train.images.shape == (4, 3, 32, 32)


def test_images_of_another_set_are_no_silent_substitute(tmp_path, monkeypatch):
    image_folder(tmp_path)
    monkeypatch.setenv("L2L_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="is not MNIST") as error:
        full_mnist()
    one_sentence(error)


def test_classes_must_be_the_same_in_both_parts(tmp_path, monkeypatch):
    image_folder(tmp_path, parts=["train"], classes="abc")
    image_folder(tmp_path, parts=["test"], classes="ac")
    monkeypatch.setenv("L2L_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="must hold the same classes") as error:
        cifar10()
    one_sentence(error)


@pytest.mark.parametrize("load", [full_mnist, cifar10])
@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_without_the_data_says_what_to_do(tmp_path, monkeypatch, load, exists):
    folder = tmp_path / "folder"
    if exists:
        folder.mkdir()
    monkeypatch.setenv("L2L_DATA", str(folder))
    with pytest.raises(FileNotFoundError, match="put it there, or unset L2L_DATA") as error:
        load()
    assert str(folder) in one_sentence(error)
    assert folder.exists() == exists


def test_a_folder_with_train_but_without_test_says_so(tmp_path, monkeypatch):
    image_folder(tmp_path, parts=["train"])
    monkeypatch.setenv("L2L_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*test") as error:
        cifar10()
    one_sentence(error)


def test_a_folder_with_test_but_without_train_says_so(tmp_path, monkeypatch):
    image_folder(tmp_path, parts=["test"])
    monkeypatch.setenv("L2L_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="holds neither a whole CIFAR10") as error:
        cifar10()
    one_sentence(error)


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("whole", [True, False])
def test_a_class_without_images_says_so(tmp_path, monkeypatch, part, whole):
    image_folder(tmp_path)
    for path in (tmp_path / part / "b").iterdir():
        path.unlink()
    if not whole:
        shutil.rmtree(tmp_path / part)
        (tmp_path / part).mkdir()
    monkeypatch.setenv("L2L_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="each class must have a folder of images in") as error:
        cifar10()
    assert str(tmp_path) in one_sentence(error)


BROKEN = {
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "a text": lambda content: b"no picture",
}


@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN)
def test_a_broken_image_is_named(tmp_path, monkeypatch, damage):
    image_folder(tmp_path)
    path = tmp_path / "test" / "b" / "1.png"
    path.write_bytes(damage(path.read_bytes()))
    monkeypatch.setenv("L2L_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="is not a picture, or a damaged one") as error:
        cifar10()
    assert one_sentence(error).startswith(str(path))


def test_an_image_of_another_size_is_named(tmp_path, monkeypatch):
    image_folder(tmp_path)
    path = tmp_path / "train" / "b" / "0.png"
    Image.new("RGB", (32, 31)).save(path)
    monkeypatch.setenv("L2L_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="is not CIFAR10: it has 32×31 pixels") as error:
        cifar10()
    assert one_sentence(error).startswith(str(path))


def test_images_with_alpha_grey_and_palette_are_read_as_colours(tmp_path, monkeypatch):
    image_folder(tmp_path)
    for k, mode in enumerate(("RGBA", "L")):
        Image.new("RGB", (32, 32), (51, 51, 51)).convert(mode).save(tmp_path / "train" / "a" / f"{k}.png")
    Image.new("RGB", (32, 32), (51, 51, 51)).convert("P").save(tmp_path / "train" / "b" / "0.png")
    monkeypatch.setenv("L2L_DATA", str(tmp_path))
    Image.new("RGB", (32, 32), (51, 51, 51)).save(tmp_path / "train" / "b" / "1.png")
    images = cifar10().train.images
    torch.testing.assert_close(images, torch.full((4, 3, 32, 32), 0.2))


def origin(name):
    data.full_set.cache_clear()
    return data.origin(name)


def test_origin_tells_the_copies_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("L2L_DATA", str(tmp_path))
    image_folder(tmp_path)
    assert origin("CIFAR10") == "CIFAR10, a folder of .png files"
    Image.new("RGB", (32, 32)).save(tmp_path / "train" / "a" / "9.jpg")
    assert origin("CIFAR10") == "CIFAR10, a folder of .jpg, .png files"


def test_origin_is_what_was_loaded(tmp_path, monkeypatch, files):
    image_folder(tmp_path, mode="L", side=28)
    write(tmp_path, files)
    monkeypatch.setenv("L2L_DATA", str(tmp_path))
    assert_read(full_mnist(), files)
    assert origin("MNIST") == "MNIST, torchvision's files"
    shutil.rmtree(tmp_path / "MNIST")
    assert data.origin("MNIST") == "MNIST, torchvision's files"  # still the one that was loaded
    assert origin("MNIST") == "MNIST, a folder of .png files"


def test_what_cannot_be_loaded_has_no_origin(tmp_path, monkeypatch):
    monkeypatch.setenv("L2L_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="holds neither a whole CIFAR10"):
        origin("CIFAR10")


def test_another_folder_is_another_set(tmp_path, monkeypatch):
    for name, classes in (("few", "a"), ("more", "abc")):
        image_folder(tmp_path / name, classes=classes)
        monkeypatch.setenv("L2L_DATA", str(tmp_path / name))
        assert len(data.cifar10().train.labels) == 2 * len(classes)
    assert data.cifar10() is data.cifar10()


def test_images_lie_in_memory_with_channels_last(tmp_path, monkeypatch):
    image_folder(tmp_path)
    monkeypatch.setenv("L2L_DATA", str(tmp_path))
    images = cifar10().train.images
    assert images.dtype == torch.float32
    assert images.is_contiguous(memory_format=torch.channels_last)


def damaged(files):
    """The files with one of them missing, cut, empty or something else."""
    name = "t10k-images-idx3-ubyte"
    without = {key: value for key, value in files.items() if key != name}
    yield without
    for content in (files[name][:-100], files[name][:10], b"", b"<html>Not found</html>"):
        yield without | {name: content}


@pytest.mark.parametrize("k", range(5))
def test_a_folder_with_damaged_files_says_so(tmp_path, monkeypatch, files, k):
    write(tmp_path, list(damaged(files))[k])
    monkeypatch.setenv("L2L_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="neither a whole MNIST") as error:
        full_mnist()
    one_sentence(error)


# From the net


class Server(ThreadingHTTPServer):
    """A mirror on the loopback interface that answers in one of several ways."""

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {f"/{name}.gz": gzip.compress(content) for name, content in files.items()}
        self.answer, self.requests = "whole", 0
        self.url = f"http://127.0.0.1:{self.server_port}/"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests += 1
        content, answer = self.server.files[self.path], self.server.answer
        if answer == "nonsense":
            self.wfile.write(b"nonsense\r\n\r\n")
            return
        self.send_response(404 if answer == "missing" else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if answer == "broken":
            content = bytes(len(content))
        elif answer == "truncated" or (answer == "last truncated" and "t10k-labels" in self.path):
            content = content[: len(content) // 2]
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(files, monkeypatch):
    server = Server(files)
    mnist = import_torchvision("torchvision.datasets").MNIST
    checksums = [(name[1:], hashlib.md5(content).hexdigest()) for name, content in server.files.items()]
    monkeypatch.setattr(mnist, "resources", checksums)
    monkeypatch.setattr(mnist, "mirrors", [server.url])
    yield server
    server.shutdown()
    server.server_close()


def left_behind(folder):
    return list(folder.rglob("*"))


def test_a_download_is_kept(server, files, home):
    assert_read(full_mnist(), files)
    asked = server.requests
    assert_read(full_mnist(), files)
    assert server.requests == asked > 0
    assert [path.name for path in home.iterdir()] == ["MNIST"]


@pytest.mark.parametrize("answer", ["broken", "truncated", "last truncated", "missing", "nonsense"])
def test_a_download_that_fails_leaves_nothing_and_can_be_repeated(server, files, home, answer):
    server.answer = answer
    with pytest.raises(FileNotFoundError, match=r"MNIST could not be downloaded .*connect to") as error:
        full_mnist()
    assert "L2L_DATA" in one_sentence(error)
    assert not left_behind(home)
    server.answer = "whole"
    assert_read(full_mnist(), files)


def test_without_a_network_one_sentence_says_what_to_do(monkeypatch, home):
    datasets = import_torchvision("torchvision.datasets")
    with socket.socket() as deaf:  # it holds its port, and does not listen
        deaf.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        monkeypatch.setattr(datasets.MNIST, "mirrors", [url, url])
        monkeypatch.setattr(datasets.CIFAR10, "url", f"{url}cifar.tar.gz")
        for load in (full_mnist, cifar10):
            with pytest.raises(FileNotFoundError, match=r"could not be downloaded .*connect to") as error:
                load()
            one_sentence(error)
    assert not left_behind(home)


@pytest.mark.parametrize("k", range(5))
def test_a_damaged_download_is_replaced(server, files, home, k):
    write(home, list(damaged(files))[k])
    assert_read(full_mnist(), files)


def test_a_named_folder_is_never_downloaded_into(server, tmp_path, monkeypatch):
    monkeypatch.setenv("L2L_DATA", str(tmp_path / "mine"))
    with pytest.raises(FileNotFoundError):
        full_mnist()
    assert server.requests == 0
    assert not left_behind(tmp_path / "mine")
