"""A GPU gives what the CPU gives: the same problems, losses, gradients and training."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

import l2l_lite as l2l
from l2l_lite import objectives
from l2l_lite.estimators import Captured, Estimator, TruncatedBPTT
from l2l_lite.learned import RNNProp, ScaleFree
from l2l_lite.problems import FAMILIES, Family

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

CLOSE = {"rtol": 1e-3, "atol": 1e-4}  # float32 sums in another order
ESTIMATORS = (
    TruncatedBPTT(),
    TruncatedBPTT(one_in=2),
    TruncatedBPTT(second_derivatives=True),
    TruncatedBPTT(second_derivatives=True, clip_each=1.0),
)
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


def windows(estimator: Estimator, family: Family, rule: l2l.UpdateRule) -> Iterator[tuple[Tensor, Tensor]]:
    """Losses, and gradients of φ, of three windows for three seeds; φ is moved after each."""
    rng = l2l.generator(0)
    for seed in range(3):
        problem = family.sample(4, seed, "cuda")
        at = estimator.start(rule, problem)
        for steps in (5, 5, 3):
            rule.zero_grad()
            at = estimator.window(rule, problem, steps, at, objectives.log_relative, rng)
            yield at.losses.clone(), torch.cat([weight.grad.flatten() for weight in rule.parameters()])
            with torch.no_grad():
                for weight in rule.parameters():
                    weight.add_(weight.grad.sign(), alpha=-1e-3)


@pytest.mark.parametrize("name", ["quadratic", "mnist"])
@pytest.mark.parametrize("rule", [l2l.LSTMRule, RNNProp, ScaleFree])
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_captured_windows_are_the_windows(
    estimator: TruncatedBPTT, rule: Callable[[], l2l.UpdateRule], name: str
) -> None:
    if estimator.one_in > 1 and not rule().coordinatewise:
        pytest.skip("its coordinates cannot be sampled")
    plain, replayed = (
        list(windows(how, FAMILIES[name](), rule().to("cuda"))) for how in (estimator, Captured(estimator))
    )
    for (losses, grad), (same_losses, same_grad) in zip(plain, replayed, strict=True):
        torch.testing.assert_close(same_losses, losses, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(same_grad, grad, rtol=1e-5, atol=1e-5 * float(grad.abs().max()))


def test_a_captured_meta_training_is_the_meta_training() -> None:
    found = []
    for estimator in (TruncatedBPTT(), Captured()):
        rule = l2l.LSTMRule(hidden=(4,))
        history = l2l.meta_train(
            rule, FAMILIES["mnist"](), trajectories=6, steps=20, tasks=2, validate_every=3,
            validation_tasks=2, estimator=estimator, unroll_length=10, device="cuda",
        )  # fmt: skip
        found.append(torch.tensor([*history.losses, *history.validation]))
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-5)


def test_a_network_that_draws_cannot_be_captured() -> None:
    family = l2l.Classifier(lambda: nn.Sequential(l2l.mlp(), nn.Dropout()), l2l.data.mnist())
    with pytest.raises(ValueError, match="networks that draw random numbers"):
        list(windows(Captured(), family, l2l.LSTMRule().to("cuda")))


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
