"""Every check of the chapter accepts the solution, waits for an answer, and explains a wrong one."""

from typing import Any

import torch
from answers import RIGHT, WAITING, stub, table
from torch import Tensor

from l2l_lite.checks import sharing_information as check
from l2l_lite.learned import AveragingLSTM
from l2l_lite.quasi_newton import carriers, read


def clip(grad: Tensor, most: float) -> Tensor:
    length = (grad.shape[-1] * grad.square().mean(dim=-1, keepdim=True)).sqrt()
    return grad * (most / length.clamp_min(1e-30)).clamp(max=1)


def scaled(n_inside: float, n_outside: float) -> Any:
    def wrong_clip(grad: Tensor, most: float) -> Tensor:
        length = n_outside * (n_inside * grad.square().mean(dim=-1, keepdim=True)).sqrt()
        return grad * (most / length.clamp_min(1e-30)).clamp(max=1)

    return wrong_clip


def divided(grad: Tensor, most: float) -> Tensor:
    length = grad.norm(dim=-1, keepdim=True)
    return grad / length * length.clamp(max=most)


def over(a: Tensor, b: Tensor) -> Tensor:
    return a / b.sum(dim=-1, keepdim=True)


def dfp(sign: float = -1.0, other: str = "yMy", size: float = 1.0) -> Any:
    def heads(matrix: Tensor, s: Tensor, y: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        moved = read(matrix, y)
        return [size * over(s, s * y), sign * over(moved, y * (moved if other == "yMy" else s))], [s, moved]

    return heads


def bfgs(matrix: Tensor, s: Tensor, y: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    u, w = carriers(matrix, s, y)
    return [u, w], [w, u]


def undivided(matrix: Tensor, s: Tensor, y: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    moved = read(matrix, y)
    return [s, -moved], [s, moved]


def first_alone(matrix: Tensor, s: Tensor, y: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    return [over(s, s * y)], [s]


def loudest(h: Tensor) -> Tensor:
    return torch.cat([h[:5].amax(dim=-1, keepdim=True).expand_as(h[:5]), h[5:]])


def over_axis(*dim: int) -> Any:
    return lambda h: torch.cat([h[:5].amax(dim=dim, keepdim=True).expand_as(h[:5]), h[5:]])


CASES = [
    (check.clip, clip, RIGHT),
    (check.clip, stub, WAITING),
    (check.clip, lambda grad, most: grad.clamp(-most, most), "each coordinate"),
    (check.clip, lambda grad, most: most * grad / grad.norm(dim=-1, keepdim=True), "short gradients"),
    (check.clip, lambda grad, most: grad * (most / grad.norm()).clamp(max=1), "norm of its own"),
    (check.clip, scaled(1.0, 1.0), "divided by √n"),
    (check.clip, scaled(1.0, 4.0), "under the root"),
    (check.clip, divided, "0 / 0"),
    (check.clip, lambda grad, most: grad, "(0.6, -0.8, 0, 0)"),
    (check.clip, lambda grad, most: grad @ grad, "fails with RuntimeError"),
    (check.one_layer, "b", RIGHT),
    (check.one_layer, None, WAITING),
    (check.one_layer, ..., WAITING),
    (check.one_layer, "a", "a sum over units"),
    (check.one_layer, "c", "by the same number"),
    (check.one_layer, "d", "choose one"),
    (check.dfp, dfp(), RIGHT),
    (check.dfp, stub, WAITING),
    (check.dfp, first_alone, "must go"),
    (check.dfp, dfp(sign=1.0), "wrong sign"),
    (check.dfp, dfp(sign=1.0, size=-1.0), "both heads"),
    (check.dfp, undivided, "divided by a number"),
    (check.dfp, dfp(other="sy"), "not sᵀy"),
    (check.dfp, bfgs, "that is BFGS"),
    (check.dfp, lambda matrix, s, y: ([s], [y]), "not that of DFP"),
    (check.dfp, lambda matrix, s, y: 3, "cannot use"),
    (check.dfp, lambda matrix, s, y: s @ y, "fails with RuntimeError"),
    (check.largest, 63_245, RIGHT),
    (check.largest, None, WAITING),
    (check.largest, 126_491, "four bytes"),
    (check.largest, 44_721, "double"),
    (check.largest, 4e9, "n²"),
    (check.largest, 65_536, "2³⁴"),
    (check.largest, 178_885, "divide by 4"),
    (check.largest, 10, "too small"),
    (check.loudest, loudest, RIGHT),
    (check.loudest, stub, WAITING),
    (check.loudest, lambda h: h.amax(dim=-1, keepdim=True).expand_as(h), "only the first"),
    (check.loudest, lambda h: h, "nothing"),
    (check.loudest, AveragingLSTM(shared=5).share, "the mean"),
    (check.loudest, over_axis(0), "over units"),
    (check.loudest, over_axis(1, 2), "mixes tasks"),
    (check.loudest, lambda h: h[:5], "expected [8, 2, 3]"),
    (check.loudest, lambda h: h[99], "fails with IndexError"),
]

test_answers = table(CASES)


def test_what_others_say_is_added_with_one_layer_and_more_than_that_with_two() -> None:
    one, two = (check.interaction(AveragingLSTM(hidden, scale=1.0)) for hidden in ((20,), (20, 20)))
    assert one < 1e-12
    assert two > 1e-7


def test_the_largest_memory_is_the_root_of_sixteen_gigabytes_in_fours() -> None:
    assert 63_245**2 * 4 <= 16e9 < 63_246**2 * 4
