"""Neural art: the optimizee is a picture, with content from a photograph and style from a painting."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from l2l_lite.features import Features, FilterBank
from l2l_lite.naming import describe, fingerprint
from l2l_lite.pictures import check_size, random_crops, resize
from l2l_lite.problems.base import check_tasks
from l2l_lite.seeds import generator


def gram(maps: Tensor) -> Tensor:
    """How the channels of a layer go together, wherever that is: [n, c, h, w] to [n, c, c]."""
    flat = maps.flatten(2)
    return flat @ flat.mT / flat.shape[2]


def roughness(pictures: Tensor) -> Tensor:
    """Mean squared difference of neighbouring pixels, [n]."""
    down, right = pictures.diff(dim=2), pictures.diff(dim=3)
    return down.square().mean(dim=(1, 2, 3)) + right.square().mean(dim=(1, 2, 3))


def distances(maps: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """Mean squared difference of each layer, [layers, n]."""
    return torch.stack([(a - b).square().flatten(1).mean(dim=1) for a, b in zip(maps, targets, strict=True)])


@dataclass
class NeuralArt:
    """f = α content + β style + γ roughness of a picture (Andrychowicz et al., 2016, section 3.4).

    A pixel is ½ + ½ sin 2θ, which stays between 0 and 1 without a gradient that fades there. A task is a
    random square of one of `contents`, scaled to `size`; `style` may have any size. Content is what the
    layers see, style how their channels go together (Gatys et al., 2016). Each layer counts relative to
    what it is at θ0, grey noise, so f(θ0) = α + β + γ at 64×64 pixels. In other sizes f is as many times
    larger as there are more pixels, so that the gradient of one of them stays as it is. These `weights`
    are large, for that gradient to stay above the e⁻¹⁰ of `log_and_sign`.
    """

    contents: Sequence[Tensor]  # pictures [3, height, width] in [0, 1], of any sizes
    style: Tensor
    size: int = 64
    features: Features = field(default_factory=FilterBank)
    content_layers: Sequence[int] = (3, 9)
    weights: tuple[float, float, float] = (16.0, 81.0, 3.0)

    def __post_init__(self) -> None:
        if self.size < 24 or len(self.contents) == 0:
            raise ValueError(
                "neural art needs a photograph for the content, and a size of at least 24 pixels"
            )
        for image in (*self.contents, self.style):
            if len(image.shape) != 3 or len(image) != 3:
                raise ValueError(
                    f"a picture is [3, height, width], not {list(image.shape)}: see pictures.picture"
                )
        for image, least in [(self.style, 24), *((content, self.size) for content in self.contents)]:
            check_size(image, least)
            if not (torch.is_floating_point(image) and image.min() >= 0 and image.max() <= 1):
                raise ValueError("a picture holds values between 0 and 1: see pictures.picture")

    def __repr__(self) -> str:
        seen = self.features.state_dict().values() if isinstance(self.features, nn.Module) else ()
        pictures = fingerprint(*self.contents, self.style, *seen)
        looks = f"{describe(self.features)}, content_layers={self.content_layers}, weights={self.weights}"
        return f"NeuralArt({len(self.contents)} contents and a style {pictures}, size={self.size}, {looks})"

    @property
    def groups(self) -> dict[str, Tensor]:
        return {"all": torch.arange(3 * self.size**2)}

    def sample(self, tasks: int, seed: int, device: torch.device | str = "cpu") -> "NeuralArtProblem":
        """`tasks` squares of photographs, each photograph in turn, and the noise they start from."""
        check_tasks(tasks)
        rng = generator(seed)
        first = int(torch.randint(len(self.contents), (), generator=rng))
        contents = [self._square((first + k) % len(self.contents), rng) for k in range(tasks)]
        theta0 = 0.1 * torch.randn(tasks, 3 * self.size**2, generator=rng)
        if isinstance(self.features, nn.Module):
            self.features.to(device)
        return NeuralArtProblem(self, torch.stack(contents).to(device), theta0.to(device))

    def _square(self, k: int, rng: torch.Generator) -> Tensor:
        side = int(torch.randint(self.size, min(self.contents[k].shape[1:]) + 1, (), generator=rng))
        seed = int(torch.randint(2**31, (), generator=rng))
        return resize(random_crops(self.contents[k], 1, side, seed)[0], self.size, self.size)


class NeuralArtProblem:
    """One picture a task: θ [tasks, 3 * size * size] holds its pixels, each ½ + ½ sin 2θ."""

    @torch.no_grad()
    def __init__(self, family: NeuralArt, content: Tensor, theta0: Tensor):
        self.family, self.content, self.theta0 = family, content, theta0
        self.content_target = self._content(family.features(content))
        self.style_target = [gram(maps) for maps in family.features(family.style[None].to(theta0))]
        self.start = self._distances(theta0)

    def pictures(self, theta: Tensor) -> Tensor:
        """½ + ½ sin 2θ, [tasks, 3, size, size]: whatever θ is, the values of a picture lie in [0, 1]."""
        return (0.5 + (2 * theta).sin() / 2).reshape(len(theta), 3, self.family.size, self.family.size)

    def parts(self, theta: Tensor) -> dict[str, Tensor]:
        """The three losses of every task, [tasks] each; all are 1 at θ0."""
        now = self._distances(theta)
        return {name: (now[name] / self.start[name]).mean(dim=0) for name in now}

    def loss(self, theta: Tensor, t: int = 0) -> Tensor:
        """The weighted sum of the three losses, [tasks], times pixels / 64²; the same at every step t."""
        parts = torch.stack(list(self.parts(theta).values()))
        share = theta.shape[1] / (3 * 64**2)
        return share * (theta.new_tensor(self.family.weights) @ parts)

    def evaluate(self, theta: Tensor) -> Tensor:
        """The loss itself: nothing is held out."""
        return self.loss(theta)

    def select(self, rows: slice) -> "NeuralArtProblem":
        """Some of the tasks."""
        return NeuralArtProblem(self.family, self.content[rows], self.theta0[rows])

    def _content(self, maps: list[Tensor]) -> list[Tensor]:
        return [maps[k] for k in self.family.content_layers]

    def _distances(self, theta: Tensor) -> dict[str, Tensor]:
        pictures = self.pictures(theta)
        maps = self.family.features(pictures)
        return {  # [layers, tasks] each
            "content": distances(self._content(maps), self.content_target),
            "style": distances([gram(layer) for layer in maps], self.style_target),
            "roughness": roughness(pictures)[None],
        }
