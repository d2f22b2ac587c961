"""What the networks of the suite are trained on: data that installed packages carry."""

from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from l2l_lite import data, pictures
from l2l_lite.seeds import generator

Examples = tuple[Tensor, ...]  # of equal length


def mnist() -> Examples:
    """Digits of 28×28 pixels."""
    return tuple(data.mnist().train)


@cache
def small_mnist() -> Examples:
    """At half size, 14×14 pixels."""
    images, labels = mnist()
    return avg_pool2d(images, 2), labels


@cache
def crops() -> Examples:
    """Crops of 14×14 pixels of six photographs at a quarter of their size, labelled by the photograph."""
    names = ("astronaut", "chelsea", "coffee", "tissue", "temple", "flower")
    rng, images = generator(0), []
    for name in names:
        photo = avg_pool2d(pictures.photo(name), 4)
        for _ in range(300):
            top, left = (int(torch.randint(size - 14, (), generator=rng)) for size in photo.shape[1:])
            images.append(photo[:, top : top + 14, left : left + 14])
    return torch.stack(images), torch.arange(len(names)).repeat_interleave(300)


@cache
def table(name: str) -> Examples:
    """Standardised rows of a data set of scikit-learn, and what is asked of them."""
    from sklearn import datasets

    content = getattr(datasets, f"load_{name}")()
    inputs = torch.tensor(content.data, dtype=torch.float32)
    inputs = (inputs - inputs.mean(0)) / inputs.std(0)
    answers = torch.tensor(content.target, dtype=torch.float32)
    if name == "diabetes":
        return inputs, ((answers - answers.mean()) / answers.std())[:, None]
    return inputs, answers


@cache
def text() -> str:
    """What scikit-learn says of its data sets."""
    from sklearn import datasets

    names = ("iris", "wine", "breast_cancer", "diabetes", "digits", "linnerud")
    return "".join(getattr(datasets, f"load_{name}")().DESCR for name in names)


@cache
def characters(length: int = 17) -> Examples:
    """All pieces of the text, [pieces, length]."""
    alphabet = {letter: number for number, letter in enumerate(sorted(set(text())))}
    return (torch.tensor([alphabet[letter] for letter in text()]).unfold(0, length, 1),)


def alphabet() -> int:
    """How many characters there are."""
    return len(set(text()))


@cache
def words() -> tuple[Examples, int]:
    """Pairs of words at most three apart, and how many words there are."""
    spoken = text().lower().split()
    number = {word: k for k, word in enumerate(sorted(set(spoken)))}
    row = torch.tensor([number[word] for word in spoken])
    pairs = [torch.stack([row[:-gap], row[gap:]]) for gap in (1, 2, 3)]
    word, near = torch.cat(pairs, dim=1)
    return (word, near), len(number)


@cache
def pixels(size: int = 64) -> Examples:
    """Places [-1, 1]² and colours of a photograph."""
    colours = pictures.square(pictures.photo("chelsea"), size).flatten(1).T
    axis = torch.linspace(-1, 1, size)
    return torch.cartesian_prod(axis, axis), colours


@cache
def entries(size: int = 64) -> Examples:
    """Row, column and standardised grey value of each pixel of a photograph."""
    grey = pictures.square(pictures.photo("coffee"), size).mean(0)
    row, column = torch.cartesian_prod(torch.arange(size), torch.arange(size)).T
    return row, column, ((grey - grey.mean()) / grey.std()).flatten()


@cache
def labelled_points() -> Examples:
    """Digits as sets of the 32 places where there is most ink."""
    images, labels = mnist()
    places = images.flatten(1).topk(32).indices
    return torch.stack([places // 28, places % 28], dim=-1) / 14 - 1, labels
