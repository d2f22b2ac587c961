"""Every check of the chapter accepts the solution, waits for an answer, and explains a wrong one."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import l2l_lite as l2l
from l2l_lite.checks import learning_to_learn as check


def suffix_sums(grads: Tensor, w: Tensor) -> Tensor:
    return (w[:, None] * grads).flip(0).cumsum(0).flip(0)


class Schedule(l2l.UpdateRule):
    def __init__(self, *rates: float):
        super().__init__()
        self.rates = nn.Parameter(torch.tensor(rates))

    def init(self, theta: Tensor) -> Any:
        return (torch.zeros((), dtype=torch.long),)

    def forward(self, grad: Tensor, state: Any) -> tuple[Tensor, Any]:
        return -self.rates[state[0]] * grad, (state[0] + 1,)


class Counting:
    def __init__(self, problem: Any):
        self.problem, self.theta0, self.calls = problem, problem.theta0, 0

    def loss(self, theta: Tensor, t: int) -> Tensor:
        self.calls += 1
        return self.problem.loss(theta, t)


CASES: list[tuple[Callable[[Any], None], Any, Any, list[tuple[Any, str]]]] = [
    (check.forward_passes, None, 101, [(105, "share"), (100, "one more"), (7, "too small")]),
    (
        check.messages,
        lambda grads, w: None,
        suffix_sums,
        [
            (lambda grads, w: (w[:, None] * grads).cumsum(0), "from the start"),
            (lambda grads, w: suffix_sums(grads, w) - w[:, None] * grads, "begins with"),
            (lambda grads, w: suffix_sums(grads, torch.ones(3)), "its own weight"),
            (lambda grads, w: suffix_sums(grads, w).flip(0), "reversed"),
            (lambda grads, w: w * grads, "fails with RuntimeError"),
            (lambda grads, w: grads.sum(), "tensor [3, 2]"),
        ],
    ),
    (check.bias, None, 1.149, [(1 / 1.149, "turn"), (0.1485, "excess"), (1.1076, "chapter's bowl")]),
    (
        check.schedule,
        None,
        Schedule(1.0, 10.0, *[1.0] * 18),
        [
            (Schedule(*[1.0] * 20), "meta-trained"),
            (Schedule(1.0, 3.0, *[1.0] * 18), "on the way"),
            (Schedule(1.0), "fails"),
            (Schedule, "instance"),
        ],
    ),
    (
        check.objective,
        lambda window, so_far: None,
        l2l.objectives.increasing,
        [
            (lambda window, so_far: window.sum(dim=0), "mean over tasks"),
            (lambda window, so_far: -window.mean(), "negative"),
            (lambda window, so_far: window[0].mean(), "only the first"),
            (lambda window, so_far: so_far.mean(), "does not depend"),
            (lambda window, so_far: window[40].mean(), "fails with IndexError"),
        ],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("function", "stub", "solution", "wrongs"), CASES)
def test_check(
    function: Callable[[Any], None],
    stub: Any,
    solution: Any,
    wrongs: list[tuple[Any, str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    function(stub)
    assert capsys.readouterr().out.startswith("not answered yet: ")
    function(solution)
    assert capsys.readouterr().out.startswith("✓ ")
    for answer, hint in wrongs:
        function(answer)
        said = capsys.readouterr().out
        assert said.startswith("✗ ")
        assert hint in said


def test_answer_is_what_the_package_counts() -> None:
    rule, problem = l2l.LSTMRule(hidden=(2,)), Counting(l2l.Quadratic().sample(tasks=1, seed=0))
    at = l2l.start(rule, problem)
    for _ in range(5):
        at = l2l.meta_gradient(rule, problem, 20, at)
    assert problem.calls == 101


def test_bias_is_what_the_unroll_gives(capsys: pytest.CaptureFixture[str]) -> None:
    class Bowl:
        h = torch.tensor([0.01, 0.1, 1.0], dtype=torch.float64)
        theta0 = torch.ones(1, 3, dtype=torch.float64)

        def loss(self, theta: Tensor, t: int) -> Tensor:
            return 0.5 * (self.h * theta**2).sum(dim=-1)

    for second_derivatives, stationary in ((True, 1.2450), (False, 1.4299)):
        slopes = []
        for rate in (stationary - 0.002, stationary + 0.002):
            lr = nn.Parameter(torch.tensor(rate, dtype=torch.float64))
            run = l2l.unroll(l2l.GradientDescent(lr), Bowl(), 100, second_derivatives=second_derivatives)
            slopes += torch.autograd.grad(run.losses.sum(), lr)
        assert slopes[0] < 0 < slopes[1]
