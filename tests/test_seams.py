"""A rule, a problem, an estimator and an entry of the zoo enter with one file and one line each."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

FILES = {
    "learned/slope.py": '''
"""Gradient descent with a learned rate."""
import torch
from torch import nn

from l2l_lite.rules import UpdateRule


class Slope(UpdateRule):
    """θ ← θ - eᵃ ∇, with a learned."""

    def __init__(self):
        super().__init__()
        self.a = nn.Parameter(torch.tensor(-4.0))

    def forward(self, grad, state, theta=None):
        return -self.a.exp() * grad, state
''',
    "problems/bowl.py": '''
"""Bowls ½ h θ²."""
from dataclasses import dataclass

import torch

from l2l_lite.problems.base import check_tasks
from l2l_lite.seeds import generator


class BowlProblem:
    def __init__(self, h, theta0):
        self.h, self.theta0 = h, theta0

    def loss(self, theta, t=0):
        return 0.5 * (self.h * theta**2).sum(dim=1)

    evaluate = loss


@dataclass(frozen=True)
class Bowl:
    dim: int = 3

    @property
    def groups(self):
        return {"all": torch.arange(self.dim)}

    def sample(self, tasks, seed, device="cpu"):
        check_tasks(tasks)
        h, theta0 = torch.rand(2, tasks, self.dim, generator=generator(seed)).to(device)
        return BowlProblem(h, theta0)
''',
    "estimators/halved.py": '''
"""Backpropagation of half of the coordinates."""
from dataclasses import dataclass

from l2l_lite.estimators.truncated_bptt import TruncatedBPTT


@dataclass(frozen=True)
class Halved(TruncatedBPTT):
    one_in: int = 2
''',
    "zoo/recipes/bowl.py": '''
"""Bowls."""
from l2l_lite.estimators.halved import Halved
from l2l_lite.learned.slope import Slope
from l2l_lite.problems.bowl import Bowl
from l2l_lite.zoo.recipes.base import Recipe, Test

RECIPES = {
    "bowl": Recipe(
        summary="bowls",
        data=lambda: "drawn from a uniform distribution",
        make_family=Bowl,
        make_rule=lambda seed: Slope(),
        stages=({"trajectories": 4, "estimator": Halved(), "validate_every": 2},),
        seeds=(0,),
        tests={"bowls": Test(Bowl, steps=20, tasks=4, tuning_tasks=2, rates=(0.1, 1.0, 2.0))},
    ),
}
''',
}
LINES = {
    "learned": "from l2l_lite.learned.slope import Slope",
    "problems": 'from l2l_lite.problems.bowl import Bowl; FAMILIES["bowl"] = Bowl',
    "estimators": "from l2l_lite.estimators.halved import Halved",
    "zoo/recipes": "from l2l_lite.zoo.recipes import bowl; RECIPES.update(bowl.RECIPES)",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A copy of the package and of its tests, with one file and one line more of each kind."""
    site = tmp_path_factory.mktemp("site")
    for folder in ("l2l_lite", "tests", "book/_tools"):
        shutil.copytree(ROOT / folder, site / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in FILES.items():
        (site / "l2l_lite" / name).write_text(text.lstrip(), encoding="utf-8")
    for folder, line in LINES.items():
        with (site / "l2l_lite" / folder / "__init__.py").open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
    return site


CONFORMANCE = {
    "Slope": ("test_rules", "test_torch_optim", "test_trajectory"),
    "bowl": ("test_check_family", "test_problems"),
    "Halved": ("test_estimators",),
}
# One process for all of it: most of its time would go into importing PyTorch again.
PROGRAM = """
import shutil, sys
import pytest
from l2l_lite import cli

def l2l(*arguments):
    sys.argv = ["l2l", *arguments]
    try:
        cli.main()
    except SystemExit as end:
        assert not end.code

l2l("train", "bowl", "--out", "runs", "--device", "cpu")
for suffix in ("json", "safetensors"):
    shutil.copy(f"runs/bowl.{suffix}", "l2l_lite/zoo")
l2l("zoo")
sys.exit(pytest.main(%r))
"""


@pytest.fixture(scope="module")
def done(site):
    """A process that made the entry of the zoo, listed it, and tested all that has entered."""
    plugins = [f"-pno:{name}" for name in ("cacheprovider", "xdist", "nbval", "anyio")]
    files = [f"tests/{file}.py" for group in CONFORMANCE.values() for file in group]
    program = PROGRAM % ["-v", *plugins, *files, "-k", " or ".join(CONFORMANCE)]
    environment = os.environ | {"PYTHONPATH": f"{site}{os.pathsep}{site / 'book' / '_tools'}"}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=site, env=environment, capture_output=True, text=True)


def test_the_tests_know_what_has_entered(done):
    assert done.returncode == 0, done.stdout
    for name, group in CONFORMANCE.items():
        for file in group:
            assert re.search(rf"tests/{file}\.py::.*{name}.* PASSED", done.stdout), (file, name)


def test_an_entry_of_the_zoo_is_made_by_its_recipe(done):
    assert "bowls, over the best tuned baseline" in done.stdout, done.stderr
