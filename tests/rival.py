"""A rival in plain JAX for `l2l bench`: `python tests/rival.py` times both in turns, and no test needs it.

Windows are one compiled scan, the cell of the rule is computed again in the backward pass, and no loss is
differentiated twice, which is the fastest that we know how to write there.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from l2l_lite import bench
from l2l_lite.data import mnist
from l2l_lite.hardware import cores
from l2l_lite.learned import LSTMRule
from l2l_lite.problems import FAMILIES

try:
    import jax
    import jax.numpy as jnp
except ModuleNotFoundError:
    sys.exit("tests/rival.py needs JAX, which the package does not: pip install jax")

CPU = torch.device("cpu")
UNITS, BATCH = 20, 128
Array = Any


def log_and_sign(grad: Array, p: float = 10.0) -> Array:
    size = jnp.log(jnp.maximum(jnp.abs(grad), math.exp(-p))) / p
    return jnp.stack([size, jnp.clip(grad * math.exp(p), -1, 1)])


def lstm(phi: Array, grad: Array, state: Array, see: Callable[[Array], Array]) -> tuple[Array, Array]:
    """The step [n] and the next state of the paper's rule for gradients [n]."""
    x, after = see(grad), []
    for (weight, bias), (h, c) in zip(phi["cells"], state, strict=True):
        gates = weight @ jnp.concatenate([x, h]) + bias[:, None]
        i, f, g, o = jnp.split(gates, 4)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        x = jax.nn.sigmoid(o) * jnp.tanh(c)
        after.append((x, c))
    return 0.1 * (phi["output"] @ x + phi["bias"]), tuple(after)


def adam(phi: Array, grad: Array, state: Array) -> tuple[Array, Array]:
    mean, square, count = state
    count = count + 1
    mean, square = 0.9 * mean + 0.1 * grad, 0.999 * square + 0.001 * grad**2
    size = jnp.sqrt(square / (1 - 0.999**count)) + 1e-8
    return -phi * mean / (1 - 0.9**count) / size, (mean, square, count)


def weights(rule: LSTMRule) -> Array:
    """The weights of a rule of ours."""
    cells = [
        (torch.cat([cell.weight_ih, cell.weight_hh], 1), cell.bias_ih + cell.bias_hh) for cell in rule.cells
    ]
    phi = {"cells": cells, "output": rule.output.weight[0], "bias": rule.output.bias[0]}
    return jax.tree.map(numbers, phi)


def network(theta: Array, key: Array, images: Array, labels: Array) -> Array:
    """The loss of the MNIST network on a minibatch that is drawn by the key."""
    index = jax.random.randint(key, (BATCH,), 0, len(labels))
    first, a, second, b = jnp.split(theta, [15_680, 15_700, 15_900])
    hidden = jax.nn.sigmoid(images[index] @ first.reshape(20, 784).T + a)
    outputs = jax.nn.log_softmax(hidden @ second.reshape(10, 20).T + b)
    return -jnp.take_along_axis(outputs, labels[index][:, None], 1).mean()


def quadratic(theta: Array, key: Array, W: Array, y: Array) -> Array:
    """The summed loss of quadratics, whose θ stand in a row."""
    residual = jnp.einsum("tij,tj->ti", W, theta.reshape(y.shape)) - y
    return jnp.square(residual).sum()


def window(rule: Any, loss: Any, phi: Array, at: Array) -> tuple[Array, Array]:
    """The summed loss of a window, and where it ends."""

    def step(at: Array, _: None) -> tuple[Array, Array]:
        theta, state, grad, key = at
        move, state = rule(phi, grad, state)
        theta, key = theta + move, jax.random.split(key)[0]
        fixed = jax.lax.stop_gradient(theta)
        value, grad = jax.value_and_grad(loss)(fixed, key)
        # The loss, and its derivative by theta without a second pass through f.
        return (theta, state, grad, key), value + grad @ (theta - fixed)

    at, losses = jax.lax.scan(step, at, length=bench.WINDOW)
    return losses.sum(), at


def contestants(workload: bench.Workload) -> dict[str, Callable[[], object]]:
    """What is timed beside `bench.contestants`: each call takes one window of steps."""
    problem, rule = FAMILIES[workload.family]().sample(workload.tasks, 0), workload.rule()
    if workload.family == "mnist":
        images, labels = (numbers(part) for part in mnist().train)
        loss = partial(network, images=images.reshape(len(labels), -1), labels=labels)
        see = log_and_sign
    else:
        loss = partial(quadratic, W=numbers(problem.W), y=numbers(problem.y))
        see = lambda grad: grad[None]  # noqa: E731
    phi, theta, key = weights(rule), numbers(problem.theta0).reshape(-1), jax.random.key(0)
    zero, grad = jnp.zeros_like(theta), jax.grad(loss)(theta, key)
    memory = ((jnp.zeros((UNITS, len(theta))),) * 2,) * 2
    learned = partial(lstm, see=see)
    meta = jax.jit(jax.grad(partial(window, jax.checkpoint(learned), loss), has_aux=True))
    deployed, hand_made = (jax.jit(partial(window, rule, loss)) for rule in (learned, adam))
    at, adam_at = (theta, memory, grad, key), (theta, (zero, zero, jnp.zeros(())), grad, key)
    return {
        "JAX meta": lambda: jax.block_until_ready(meta(phi, at)),
        "JAX deployed": lambda: jax.block_until_ready(deployed(phi, at)),
        "JAX Adam": lambda: jax.block_until_ready(hand_made(1e-3, adam_at)),
    }


def numbers(tensor: torch.Tensor) -> Array:
    return jnp.asarray(tensor.detach().numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    # JAX takes as many threads as the process has cores, when it first computes.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    torch.set_num_threads(options.threads)
    found = bench.measure(CPU, options.rounds, compiled=True, rivals=contestants)
    found |= {"command": f"python tests/rival.py --threads {options.threads} --json"}
    found["versions"]["jax"] = jax.__version__
    print(json.dumps(found, ensure_ascii=False) if options.json else "\n".join(bench.table(found)))


if __name__ == "__main__":
    main()
