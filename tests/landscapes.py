"""The landscapes of the demos as problems of the package, to hold `core.js` to."""

import math
from collections.abc import Iterator, Mapping
from itertools import islice

from torch import Tensor


class Landscape:
    """A function of two parameters whose shape one number changes; θ0 [tasks, 2] has a row for each start."""

    def __init__(self, theta0: Tensor, amount: float):
        self.theta0, self.amount = theta0, amount

    def loss(self, theta: Tensor, t: int = 0) -> Tensor:
        """The loss that step t sees, [tasks]."""
        return self.evaluate(theta)

    def evaluate(self, theta: Tensor) -> Tensor:
        """The loss without noise, [tasks]."""
        raise NotImplementedError


class Bowl(Landscape):
    """½ (u² + amount v²), where u and v are the coordinates, turned by some degrees."""

    degrees = 30.0

    def evaluate(self, theta: Tensor) -> Tensor:
        x, y = theta.unbind(dim=-1)
        cos, sin = math.cos(math.radians(self.degrees)), math.sin(math.radians(self.degrees))
        return 0.5 * ((cos * x + sin * y) ** 2 + self.amount * (cos * y - sin * x) ** 2)


class Aligned(Bowl):
    """½ (θ₁² + amount θ₂²), the bowl of the chapter on gradient descent."""

    degrees = 0.0


class Rosenbrock(Landscape):
    """¼ (1 - θ₁)² + amount (θ₂ - θ₁²)²: a curved valley down to (1, 1), after Rosenbrock (1960)."""

    def evaluate(self, theta: Tensor) -> Tensor:
        x, y = theta.unbind(dim=-1)
        return (1 - x) ** 2 / 4 + self.amount * (y - x**2) ** 2


class Saddle(Landscape):
    """½ (amount θ₁² - θ₂²) + θ₂⁴ / 8 + ½: a saddle at 0 between minima at (0, ±√2), where the loss is 0."""

    def evaluate(self, theta: Tensor) -> Tensor:
        x, y = theta.unbind(dim=-1)
        return (self.amount * x**2 - y**2) / 2 + y**4 / 8 + 0.5


class NoisyBowl(Landscape):
    """A `Bowl` of curvatures 1 and 5 whose centre every minibatch moves, by `amount` standard deviations."""

    def __init__(self, theta0: Tensor, amount: float):
        super().__init__(theta0, amount)
        self.bowl = Bowl(theta0, 5)

    def loss(self, theta: Tensor, t: int = 0) -> Tensor:
        return self.bowl.evaluate(theta - self.amount * theta.new_tensor(normals(t)))

    def evaluate(self, theta: Tensor) -> Tensor:
        return self.bowl.evaluate(theta)


LANDSCAPES: Mapping[str, type[Landscape]] = {
    "rosenbrock": Rosenbrock,
    "quadratic": Bowl,
    "saddle": Saddle,
    "noisy": NoisyBowl,
    "aligned": Aligned,
}


def uniforms(seed: int) -> Iterator[float]:
    """Numbers between 0 and 1, the same in a page's script: a congruential generator is short anywhere."""
    state = seed
    while True:
        state = (1664525 * state + 1013904223) % 2**32
        yield (state + 0.5) / 2**32


def normals(t: int, seed: int = 2016) -> tuple[float, float]:
    """Two normal numbers for step t, by Box and Muller's transform."""
    first, second = islice(uniforms(seed), 2 * t, 2 * t + 2)
    radius, angle = math.sqrt(-2 * math.log(first)), 2 * math.pi * second
    return radius * math.cos(angle), radius * math.sin(angle)
