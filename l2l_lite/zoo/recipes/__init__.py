"""How each rule of the zoo is meta-trained, and on what it is tested: one module for each experiment."""

from l2l_lite.zoo.recipes import cifar10, general, mnist, neural_art, quadratic
from l2l_lite.zoo.recipes.base import Recipe, Test

RECIPES: dict[str, Recipe] = {
    **quadratic.RECIPES,
    **mnist.RECIPES,
    **cifar10.RECIPES,
    **neural_art.RECIPES,
    **general.RECIPES,
}

__all__ = ["RECIPES", "Recipe", "Test"]
