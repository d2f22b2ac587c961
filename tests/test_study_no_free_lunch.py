"""The classes and the special methods of the study on no free lunch are what they say."""

import pytest
import torch

import l2l_lite as l2l
from l2l_lite.problems import check_family
from l2l_lite.studies import no_free_lunch as study
from l2l_lite.studies import recorded


@pytest.mark.parametrize("name", study.CLASSES)
def test_a_class_is_a_family(name: str) -> None:
    check_family(study.CLASSES[name]())


def test_the_minimum_of_a_sparse_problem_is_known() -> None:
    problem = study.Sparse().sample(tasks=5, seed=0)
    for name in ("W", "y", "theta0", "least"):
        setattr(problem, name, getattr(problem, name).double())
    run = l2l.optimize(study.FISTA(0.003), problem, 3000)
    assert run.losses.min() > -1e-5
    assert run.losses[-1].max() < 1e-4
    assert ((run.theta != 0).sum(dim=1) <= 5).all()


def test_ista_reaches_the_minimiser_of_a_parabola_and_a_kink() -> None:
    class Corner:
        theta0 = torch.tensor([[5.0, -3.0, 0.2]])

        def loss(self, theta: torch.Tensor, t: int) -> torch.Tensor:
            return (theta - torch.tensor([2.0, -0.2, 0.3])).square().sum(-1) + theta.abs().sum(-1)

    for rule in (study.ISTA(0.2), study.FISTA(0.2)):
        assert torch.allclose(l2l.optimize(rule, Corner(), 100).theta, torch.tensor([[1.5, 0.0, 0.0]]))


def test_ista_must_see_theta() -> None:
    with pytest.raises(ValueError, match="must see it"):
        study.ISTA(0.1)(torch.ones(1, 2), ())


def test_conjugate_gradients_solve_a_quadratic_in_as_many_lines_as_it_has_coordinates() -> None:
    problem = l2l.Quadratic(dim=5).sample(tasks=20, seed=0)
    for name in ("W", "y", "theta0"):
        setattr(problem, name, getattr(problem, name).double())
    losses = l2l.optimize(study.ConjugateGradient(1e-4), problem, 10).losses
    assert (losses[-1] < 1e-10 * losses[0]).all()


def test_conjugate_gradients_go_on_where_there_is_nothing_left_to_do() -> None:
    rule = study.ConjugateGradient(0.1)
    state = rule.init(torch.zeros(1, 2))
    for _ in range(4):
        step, state = rule(torch.zeros(1, 2), state)
        assert torch.equal(step, torch.zeros(1, 2))


@pytest.mark.parametrize("name", study.CLASSES)
def test_the_best_rates_lie_within_their_grid(name: str) -> None:
    settings = recorded("no_free_lunch")["result"]["settings"][name]
    assert set(settings) == set(study.ORDINARY | study.SPECIAL)
    assert all(min(study.RATES) < each["lr"] < max(study.RATES) for each in settings.values())
    assert settings["Nesterov"]["momentum"] in (0.8, 0.9, 0.95, 0.99)
