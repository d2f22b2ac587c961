"""Photographs from installed packages, and any picture as a tensor."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from l2l_lite.data import Data, Examples
from l2l_lite.image_files import opened
from l2l_lite.seeds import generator

# Each with who made it and its licence; the first eight come with scikit-image, the others with scikit-learn.
PHOTOS = {
    "astronaut": "NASA, public domain",
    "chelsea": "Stefan van der Walt, CC0",
    "coffee": "Rachel Michetti, CC0",
    "rocket": "SpaceX, CC0",
    "motorcycle": "Daniel Scharstein (Middlebury stereo benchmark), CC0",
    "hubble": "NASA and ESA, public domain",
    "tissue": "Center for Microscopy and Molecular Imaging, no known copyright restrictions",
    "retina": "Häggström (2014), CC0",
    "temple": "danielbuechele, CC BY 2.0",
    "flower": "vultilion, CC BY 2.0",
}


@cache
def photo(name: str) -> Tensor:
    """A photograph of `PHOTOS`, [3, height, width] in [0, 1]. Raises ValueError for an unknown name."""
    if name not in PHOTOS:
        raise ValueError(f"there is no photograph {name!r}; choose one of {', '.join(PHOTOS)}")
    if name in ("temple", "flower"):
        from sklearn.datasets import load_sample_image

        return picture(load_sample_image({"temple": "china.jpg", "flower": "flower.jpg"}[name]))
    from skimage import data

    if name == "motorcycle":
        return picture(data.stereo_motorcycle()[0])
    others = {"hubble": "hubble_deep_field", "tissue": "immunohistochemistry"}
    return picture(getattr(data, others.get(name, name))())


def picture(source: str | Path | np.ndarray | Tensor) -> Tensor:
    """A picture as a tensor [3, height, width] in [0, 1].

    From a file, or from an array [height, width], or with 1, 3 or 4 channels last, of bytes or of values in
    [0, 1]; or a tensor with channels first. Grey becomes colour, and what is transparent becomes white.
    Raises ValueError for anything else.
    """
    if isinstance(source, str | Path):
        source = _read(Path(source))
    if isinstance(source, Tensor):
        values = source.detach().cpu()
        values = values if values.dtype == torch.uint8 else values.float()
        source = (values.movedim(0, -1) if values.dim() == 3 else values).numpy()
    if getattr(source, "dtype", None) is None:
        raise ValueError(f"a picture is a file, an array or a tensor, not {type(source).__name__}")
    pixels = source / 255 if source.dtype == np.uint8 else source.astype(np.float32)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or 0 in pixels.shape:
        raise ValueError(
            f"a picture is [height, width] or has 1, 3 or 4 channels, but this one is {list(source.shape)}"
        )
    if not (pixels.min() >= 0 and pixels.max() <= 1):
        raise ValueError("a picture holds bytes, or values between 0 and 1")
    if pixels.shape[2] == 4:
        opacity = pixels[..., 3:]
        pixels = opacity * pixels[..., :3] + 1 - opacity
    return torch.tensor(pixels, dtype=torch.float32).movedim(-1, 0).expand(3, -1, -1).contiguous()


def _read(path: Path) -> np.ndarray:
    from PIL import ImageOps

    with opened(path) as image:
        if image.mode[0] in "IF":  # grey in 16 bits or floats, which `convert` would clip to bytes
            return np.asarray(image) / (65535 if image.mode[0] == "I" else 1)
        upright = ImageOps.exif_transpose(image)
        return np.asarray(upright.convert("RGBA" if upright.has_transparency_data else "RGB"))


def resize(image: Tensor, height: int, width: int) -> Tensor:
    """A picture [3, height, width] at another size, without aliasing."""
    resized = interpolate(image[None], (height, width), mode="bilinear", antialias=True, align_corners=False)
    return resized[0].clamp(0, 1)


def square(image: Tensor, size: int) -> Tensor:
    """The middle of a picture, [3, size, size]. Raises ValueError for a picture that is smaller."""
    height, width = check_size(image, size)
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return resize(image[:, top : top + side, left : left + side], size, size)


def check_size(image: Tensor, size: int) -> tuple[int, int]:
    """Height and width of a picture; raises ValueError unless both are at least `size`."""
    height, width = image.shape[1:]
    if min(height, width) < size:
        raise ValueError(f"the picture has {height}×{width} pixels, but at least {size}×{size} are needed")
    return height, width


@cache
def crops(names: tuple[str, ...] = tuple(PHOTOS), train: int = 500, test: int = 100, size: int = 32) -> Data:
    """Labelled crops of photographs, size×size: the label says from which photograph.

    `train` and `test` of each photograph, whose smaller side is scaled to 8 crops. Held-out crops come
    from the right quarter, where no training crop reaches.
    """
    parts: tuple[list[Tensor], list[Tensor]] = ([], [])
    for label, name in enumerate(names):
        image = photo(name)
        height, width = image.shape[1:]
        scale = 8 * size / min(height, width)
        image = resize(image, round(scale * height), round(scale * width))
        border = 3 * image.shape[2] // 4
        regions = (image[:, :, :border], image[:, :, border:])
        for k, (region, count) in enumerate(zip(regions, (train, test), strict=True)):
            parts[k].append(random_crops(region, count, size, seed=2 * label + k))
    labels = torch.arange(len(names))
    return Data(
        Examples(torch.cat(parts[0]), labels.repeat_interleave(train)),
        Examples(torch.cat(parts[1]), labels.repeat_interleave(test)),
    )


def random_crops(image: Tensor, count: int, size: int, seed: int) -> Tensor:
    """Squares at random places of a picture, [count, 3, size, size]."""
    height, width = check_size(image, size)
    rng = generator(seed)
    tops = torch.randint(height - size + 1, (count,), generator=rng).tolist()
    lefts = torch.randint(width - size + 1, (count,), generator=rng).tolist()
    places = zip(tops, lefts, strict=True)
    return torch.stack([image[:, top : top + size, left : left + size] for top, left in places])
