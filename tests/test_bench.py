"""What `l2l bench` times is what it says, and its record is whole."""

import math

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from l2l_lite import bench
from l2l_lite.learned import LSTMRule


def products(call) -> int:
    with FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())


@pytest.mark.parametrize("workload", bench.WORKLOADS, ids=lambda load: f"{load.name}{load.tasks}")
def test_the_floor_has_the_products_of_the_rule(workload):
    rule = workload.rule()
    theta = torch.zeros(workload.tasks, 7)
    with torch.no_grad():
        step = products(lambda: rule(theta, rule.init(theta), theta))
    assert products(bench.floor(rule, theta.numel())) == bench.WINDOW * step


def test_the_record_is_of_this_bench():
    found = bench.recorded()
    assert found["command"].startswith("python tests/rival.py")
    assert [load["name"] for load in found["workloads"]] == [load.name for load in bench.WORKLOADS]
    timed = {"sampled", "identity", "unroll", "deployed", "Adam", "floor"}
    for load in found["workloads"]:
        assert load["milliseconds"].keys() >= timed | {"JAX meta", "JAX deployed", "JAX Adam"}
        assert all(ms > 0 for ms in load["milliseconds"].values())
    assert any("JAX meta" in line for line in bench.table(found))


def test_the_record_of_a_gpu_is_of_this_bench():
    found = bench.recorded("bench-gpu")
    assert found["command"] == "l2l bench --compile --device cuda --json"
    names = [(load["name"], load["tasks"]) for load in found["workloads"]]
    assert names == [(load.name, load.tasks) for load in bench.FOR_A_GPU + bench.WORKLOADS]
    for load in found["workloads"]:
        ms = load["milliseconds"]
        assert ms.keys() >= {"sampled", "identity", "sampled, captured", "identity, captured", "traffic"}
        assert ms["identity, captured"] < ms["identity"]


def test_what_must_be_moved_is_three_times_the_numbers_of_the_cells(monkeypatch):
    rule, coordinates, moved = LSTMRule(), 7, []
    monkeypatch.setattr(torch.Tensor, "copy_", lambda self, source: moved.append(2 * source.numel()))
    bench.traffic(rule, coordinates)()
    # inputs 2 and 20; of each unit h before, four gates, c, tanh c, h
    assert sum(moved) == bench.WINDOW * 3 * (2 + 20 + 2 * 20 * 8) * coordinates


def test_many_small_blocks_are_measured_and_few_are_not():
    def held(count):
        return bench.added_gigabytes(lambda: torch.ones(count, 250_000).sum(), torch.device("cpu"))

    if math.isnan(held(1)):
        pytest.skip("needs Linux")
    assert held(200) == pytest.approx(0.2, rel=0.1)
    assert held(1) < 0.02
