"""Windows of truncated backpropagation as CUDA graphs: recorded once, and replayed without Python."""

import gc
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from l2l_lite.estimators.truncated_bptt import TruncatedBPTT
from l2l_lite.objectives import Objective
from l2l_lite.problems.base import Problem, drawn
from l2l_lite.rules import UpdateRule
from l2l_lite.trajectory import Trajectory


@dataclass
class Captured:
    """The windows of another estimator, which a GPU replays instead of being told every operation.

    Python tells a GPU about a hundred operations for each step, and it is done with them sooner than it is
    told unless there are many tasks. The second window of a kind is recorded as a CUDA graph, and each later
    one is a replay: other tasks, minibatches and φ, the same operations, and so the same numbers. A window's
    kind is its place in a trajectory and its length; so trajectories of one length are recorded best.
    On a CPU nothing is recorded. Raises ValueError for a problem without the method `drawn`, and for networks
    that draw random numbers, such as those with dropout.
    """

    estimator: TruncatedBPTT = field(default_factory=TruncatedBPTT)
    _recordings: dict[Hashable, "Recording"] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _memory: Any = field(default=None, init=False, repr=False, compare=False)  # that all recordings share

    def start(self, rule: UpdateRule, problem: Problem) -> Trajectory:
        return self.estimator.start(rule, problem)

    def window(
        self,
        rule: UpdateRule,
        problem: Problem,
        steps: int,
        at: Trajectory,
        objective: Objective,
        rng: torch.Generator,
    ) -> Trajectory:
        if at.theta.device.type != "cuda":
            return self.estimator.window(rule, problem, steps, at, objective, rng)
        parts = drawn(problem, len(at.losses), steps)
        inputs = at, parts.tensors, self.estimator.draw(at, rng)
        kind = rule, objective, steps, parts.kind, *((x.shape, x.dtype) for x in tree_flatten(inputs)[0])
        if kind not in self._recordings:

            def compute(at: Trajectory, tensors: Sequence[Tensor], sample: Any) -> Trajectory:
                return self.estimator.gradient(rule, parts.problem(*tensors), steps, at, objective, sample)

            self._memory = self._memory or torch.cuda.graph_pool_handle()
            self._recordings[kind] = Recording(rule, compute, inputs, self._memory)
        with torch.cuda.device(at.theta.device):
            return self._recordings[kind](inputs)


class Recording:
    """A window's operations on a GPU, and the tensors that they read and write."""

    def __init__(self, rule: UpdateRule, compute: Callable[..., Trajectory], inputs: Any, memory: Any):
        leaves, form = tree_flatten(inputs)
        self._inputs = [x.new_empty_strided(x.shape, x.stride()) for x in leaves]
        self._compute = partial(compute, *tree_unflatten(self._inputs, form))
        self._weights, self._memory = list(rule.parameters()), memory
        self._graph: torch.cuda.CUDAGraph | None = None
        self._calls = 0

    def __call__(self, inputs: Any) -> Trajectory:
        """The window for these inputs; what is returned holds until the next call."""
        for own, given in zip(self._inputs, tree_flatten(inputs)[0], strict=True):
            own.copy_(given)
        self._calls += 1
        if self._calls == 1:  # what is made at a first call, such as compiled code, cannot be recorded
            return self._compute()
        before = [weight.grad for weight in self._weights]
        if self._graph is None:
            self._graph = self._record()
        self._replay(self._graph)
        for weight, grad, earlier in zip(self._weights, self._grads, before, strict=True):
            weight.grad = grad if grad is None or earlier is None else earlier + grad
        return self._end

    def _record(self) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        for weight in self._weights:
            weight.grad = None
        gc.collect()  # another recording, dropped while this one is made, would spoil it
        with torch.cuda.graph(graph, pool=self._memory):
            self._end = self._compute()
        self._grads = [weight.grad for weight in self._weights]
        return graph

    def _replay(self, graph: torch.cuda.CUDAGraph) -> None:
        draws = torch.cuda.default_generators[torch.cuda.current_device()]
        drawn = draws.get_offset()
        graph.replay()
        if draws.get_offset() != drawn:
            raise ValueError("networks that draw random numbers, such as for dropout, cannot be recorded")
