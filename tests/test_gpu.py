"""A GPU gives what the CPU gives: the same problems, losses, gradients and training."""

import pytest
import torch
from torch import Tensor, nn

import l2l_lite as l2l
from l2l_lite.problems import FAMILIES

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

CLOSE = {"rtol": 1e-3, "atol": 1e-4}  # float32 sums in another order
each_family = pytest.mark.parametrize("name", FAMILIES)


@pytest.fixture(autouse=True)
def exact_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convolutions in float32: by default a GPU rounds their factors to ten bits."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def close(gpu: Tensor, cpu: Tensor) -> None:
    assert gpu.is_cuda
    torch.testing.assert_close(gpu.cpu(), cpu, **CLOSE)


@each_family
def test_losses_agree(name: str) -> None:
    family = FAMILIES[name]()
    cpu = family.sample(2, 0)
    theta0, loss, held_out = cpu.theta0, cpu.loss(cpu.theta0, 3), cpu.evaluate(cpu.theta0)
    gpu = family.sample(2, 0, "cuda")
    assert torch.equal(gpu.theta0.cpu(), theta0)
    close(gpu.loss(gpu.theta0, 3), loss)
    close(gpu.evaluate(gpu.theta0), held_out)


@each_family
def test_families_keep_their_promises(name: str) -> None:
    l2l.problems.check_family(FAMILIES[name](), device="cuda")


@each_family
def test_sampling_leaves_the_global_state(name: str) -> None:
    before = torch.cuda.get_rng_state()
    FAMILIES[name]().sample(2, 0, "cuda")
    assert torch.equal(torch.cuda.get_rng_state(), before)


def test_a_generator_draws_the_same_beside_a_gpu() -> None:
    before = torch.cuda.get_rng_state()
    first, again = (torch.randn(5, generator=l2l.generator(7, 1)) for _ in range(2))
    assert torch.equal(first, again)
    with l2l.global_draws(7, device="cuda"):
        first = torch.randn(5, device="cuda")
    with l2l.global_draws(7, device="cuda"):
        again = torch.randn(5, device="cuda")
    assert torch.equal(first, again)
    assert torch.equal(torch.cuda.get_rng_state(), before)


def meta_gradient(name: str, device: str) -> list[Tensor]:
    rule = l2l.LSTMRule().to(device)
    problem = FAMILIES[name]().sample(2, 0, device)
    l2l.meta_gradient(rule, problem, 5, l2l.start(rule, problem))
    return [weight.grad for weight in rule.parameters()]


@pytest.mark.parametrize("name", ["quadratic", "mnist"])
def test_meta_gradients_agree(name: str) -> None:
    for cpu, gpu in zip(meta_gradient(name, "cpu"), meta_gradient(name, "cuda"), strict=True):
        assert gpu.is_cuda
        assert (gpu.cpu() - cpu).norm() < 1e-2 * cpu.norm()


def trained(device: str) -> Tensor:
    """The parameters of a small model after ten steps of the learned rule."""
    inputs = torch.randn(8, 3, generator=l2l.generator(0)).to(device)
    model = nn.Linear(3, 2).to(device)
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.5)
    optimizer = l2l.TorchOptimizer(model.parameters(), l2l.LSTMRule().to(device))
    for _ in range(10):
        optimizer.zero_grad()
        model(inputs).square().sum().backward()
        optimizer.step()
    return nn.utils.parameters_to_vector(model.parameters()).detach()


def test_torch_optimizer_trains_a_model_on_the_gpu() -> None:
    close(trained("cuda"), trained("cpu"))


def test_meta_training_runs_on_the_gpu() -> None:
    rule = l2l.LSTMRule(hidden=(4,))
    before = [weight.detach().clone() for weight in rule.parameters()]
    history = l2l.meta_train(rule, l2l.Quadratic(), trajectories=2, steps=20, device="cuda")
    assert len(history.losses) == 2
    assert torch.tensor(history.losses).isfinite().all()
    assert all(weight.is_cuda for weight in rule.parameters())
    assert any(not torch.equal(old, new.cpu()) for old, new in zip(before, rule.parameters(), strict=True))
