"""Where every random number comes from: a key of integers, and nothing that the program did before."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import numpy as np
import torch


def generator(*key: int) -> torch.Generator:
    """A random generator that depends on `key` alone; it draws on the CPU, so devices agree."""
    if not key or min(key) < 0:
        raise ValueError(f"a seed is a whole number from 0 on, or several, but it is {key}")
    # `spawn_key` tells (5,) from (5, 0), which as plain entropy would be the same.
    (seed,) = np.random.SeedSequence(key[0], spawn_key=key[1:]).generate_state(1)
    return torch.Generator().manual_seed(int(seed))


@contextmanager
def global_draws(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Draw from PyTorch's global generators as after `torch.manual_seed(seed)`, and leave them as they were.

    Meant are the generator of the CPU, and that of `device` where it is a GPU. A key of several integers
    has the seed `generator(*key).initial_seed()`.
    """
    where = torch.device(device)
    recording = where.type == "cuda" and torch.cuda.is_current_stream_capturing()
    if where.type == "cuda" and not recording:  # a recorded draw would come out otherwise at each replay
        index = torch.cuda.current_device() if where.index is None else where.index
        generators = [torch.default_generator, torch.cuda.default_generators[index]]
    else:
        generators = [torch.default_generator]
    states = [one.get_state() for one in generators]
    try:
        for one in generators:
            one.manual_seed(seed)
        yield
    finally:
        for one, state in zip(generators, states, strict=True):
            one.set_state(state)


class Role(IntEnum):
    """What tasks are for; seeds that a reader chooses are small, and the last role's are the largest."""

    TEST = 1
    TUNING = 2
    VALIDATION = 999_999
    TRAINING = 1_000_000


def task_seed(role: Role, *, meta_seed: int = 0, stage: int = 0, trajectory: int = 0) -> int:
    """The seed of tasks for a role: here training, validation, tuning and tests are kept apart.

    Meta-seed, stage and trajectory tell the tasks of meta-training apart, and those only.
    Raises ValueError outside their ranges, where two seeds could meet.
    """
    for name, value, end in (
        ("seed", meta_seed, 1000),
        ("stage", stage, 1000),
        ("trajectory", trajectory, 1_000_000),
    ):
        if not 0 <= value < end:
            raise ValueError(f"{name} must be at least 0 and below {end:,}, but {name}={value}")
    if role is not Role.TRAINING:
        return int(role)
    return role * (1 + meta_seed + 1000 * stage) + trajectory
