"""Every family of the package passes `check_family`, and a family that breaks one promise is told which."""

import copy
import re
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

import l2l_lite as l2l
from l2l_lite.problems import FAMILIES, check_family


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_passes(name: str) -> None:
    check_family(FAMILIES[name]())


class Wells:
    """A sound family: θ is drawn to a random point, with a little noise in each step's loss."""

    groups: ClassVar = {"first": torch.tensor([0]), "rest": torch.tensor([2, 1])}

    def sample(self, tasks: int, seed: int, device: torch.device | str = "cpu") -> Any:
        problem = copy.copy(self)
        problem.seed = seed
        problem.theta0, problem.centre = self.draw(tasks, seed).to(device)
        return problem

    def draw(self, tasks: int, seed: int) -> Tensor:
        return torch.randn(2, tasks, 3, generator=l2l.generator(seed, 0))

    def noise(self, t: int) -> Tensor:
        return 0.1 * torch.randn(3, generator=l2l.generator(self.seed, t + 1))

    def loss(self, theta: Tensor, t: int = 0) -> Tensor:
        return (theta - self.centre).square().sum(dim=1) + self.noise(t)

    def evaluate(self, theta: Tensor) -> Tensor:
        return (theta - self.centre).square().sum(dim=1)


def changed(changes: dict[str, Any]) -> Wells:
    return type("Changed", (Wells,), changes)()


def start(change: Any) -> Any:
    """`sample` with another theta0."""

    def sample(self: Wells, tasks: int, seed: int, device: str = "cpu") -> Any:
        problem = Wells.sample(self, tasks, seed, device)
        problem.theta0 = change(problem.theta0)
        return problem

    return sample


def loss(change: Any) -> Any:
    """`loss` with a change that sees θ and the losses."""
    return lambda self, theta, t=0: change(theta, Wells.loss(self, theta, t))


def seeded_globally(self: Wells, tasks: int, seed: int) -> Tensor:
    torch.manual_seed(seed)
    return torch.randn(2, tasks, 3)


def with_a_new_seed(self: Wells, tasks: int, seed: int, device: str = "cpu") -> Any:
    problem = Wells.sample(self, tasks, seed, device)
    problem.seed = torch.seed()
    return problem


def counted(self: Wells, t: int) -> Tensor:
    self.calls = getattr(self, "calls", 0) + 1
    return 0.1 * torch.randn(3, generator=l2l.generator(self.seed, self.calls))


def without_the_seed(self: Wells, tasks: int, seed: int, device: str = "cpu") -> Any:
    return Wells.sample(self, tasks, 0, device)


def stays(self: Wells, tasks: int, seed: int, device: str = "cpu") -> Any:
    return Wells.sample(self, tasks, seed)


SHARED = torch.ones(3, 3)
BROKEN = {
    "sample takes (tasks, seed)": {"sample": lambda self, tasks, seed: None},
    "no evaluate": {"evaluate": property()},
    "theta0 has the shape [9]": {"sample": start(torch.flatten)},
    "theta0 has the shape [3, 1, 3]": {"sample": start(lambda theta: theta[:, None])},
    "theta0 has the shape [2, 3]": {"sample": start(lambda theta: theta[:2])},
    "theta0 is torch.int64": {"sample": start(Tensor.long)},
    "requires a gradient": {"sample": start(Tensor.requires_grad_)},
    "share the memory": {"sample": start(lambda theta: SHARED)},
    "loss gives the shape []": {"loss": loss(lambda theta, losses: losses.mean())},
    "loss is NaN or Inf": {"loss": loss(lambda theta, losses: losses / 0)},
    "loss is on meta": {"loss": loss(lambda theta, losses: losses.to("meta"))},
    "evaluate gives the shape []": {"evaluate": lambda self, theta: theta.mean()},
    "evaluate is NaN or Inf": {"evaluate": lambda self, theta: theta.sum(dim=1).log() * torch.nan},
    "the same seed gives other tasks": {"draw": lambda self, tasks, seed: torch.randn(2, tasks, 3)},
    "the same seed gives other": {"sample": start(lambda theta: theta + torch.rand(1))},
    "other tasks or minibatches": {"sample": with_a_new_seed},
    "differs from call to call": {"noise": counted},
    "loss(theta, 1) differs": {"noise": lambda self, t: torch.randn(3)},
    "another seed gives the same tasks": {"sample": without_the_seed},
    "no gradient by theta": {"loss": loss(lambda theta, losses: losses.detach())},
    "no gradient": {"loss": lambda self, theta, t=0: self.noise(t).requires_grad_()},
    "gradient at theta0 has NaN": {"loss": loss(lambda theta, losses: losses + (0 * theta[:, 0]).sqrt())},
    "the loss of task 0 depends on other": {"loss": loss(lambda theta, losses: losses + losses.mean())},
    "the loss of task 1 depends on other": {"loss": loss(lambda theta, losses: losses.cumsum(0))},
    "moves PyTorch's global random state": {"draw": seeded_globally},
    "groups hold 2 indices": {"groups": {"all": torch.tensor([0, 1])}},
    "groups hold 4 indices": {"groups": {"all": torch.arange(3), "rest": torch.tensor([2])}},
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"groups": None},
        {"sample": start(torch.zeros_like)},  # other seeds differ in the loss alone
        {
            "evaluate": loss(lambda theta, losses: losses),
            "loss": lambda self, theta, t=0: theta.square().sum(1),
        },
    ],
)
def test_a_sound_family_passes(changes: dict[str, Any]) -> None:
    check_family(changed(changes))


@pytest.mark.parametrize("says", BROKEN)
def test_a_broken_promise_is_named(says: str) -> None:
    before = torch.get_rng_state()
    with pytest.raises(ValueError, match=re.escape(says)):
        check_family(changed(BROKEN[says]))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_family_that_ignores_the_device_is_told() -> None:
    with pytest.raises(ValueError, match="theta0 is on cpu, not on meta"):
        check_family(changed({"sample": stays}), device="meta")
