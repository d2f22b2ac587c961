"""Write the page of what the package is tested with: python book/_tools/compatibility.py [--oldest].

With --oldest print instead, as constraints for pip, the lowest versions that pyproject.toml allows.
"""

import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "book" / "compatibility.md"
TEMPLATE = Path(__file__).with_name("compatibility.md")
COLAB = ROOT / ".github" / "colab.txt"
PYTHONS = ("3.11", "3.12", "3.13")


def pinned(path: Path) -> dict[str, str]:
    """The version of each package in a file of constraints."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)$", path.read_text(encoding="utf-8"), re.MULTILINE))


def lowest() -> dict[str, str]:
    """The lowest versions that pyproject.toml allows, of what the package needs and of torchvision."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    vision = [one for one in project["optional-dependencies"]["book"] if one.startswith("torchvision")]
    return dict(
        re.findall(r"^([\w-]+)>=([\d.]+)$", "\n".join(project["dependencies"] + vision), re.MULTILINE)
    )


@dataclass(frozen=True)
class Row:
    """What is tested, by which tests, and in which job of the weekly run if not always."""

    what: str
    tests: tuple[str, ...] = ()
    job: str = ""

    def line(self) -> str:
        """A row of the table."""
        run = f"weekly, `{self.job}`" if self.job else "every commit"
        return f"| {self.what} | {'; '.join(self.tests) or 'all'} | {run} |"


def environments() -> list[Row]:
    """Versions, as the project's own files have them."""
    ours, low, colab = pinned(ROOT / "constraints.txt"), lowest(), pinned(COLAB)
    listed = ", ".join(f"{name} {version}" for name, version in colab.items())
    return [
        Row(f"Python {PYTHONS[0]}, `constraints.txt`: PyTorch {ours['torch']}, NumPy {ours['numpy']}"),
        Row(f"Python {', '.join(PYTHONS)} with the newest version of every package", job="newest"),
        Row(
            f"Python {PYTHONS[0]} with the oldest: PyTorch {low['torch']}, NumPy {low['numpy']}", job="oldest"
        ),
        Row(f"Colab's list: Python {PYTHONS[-1]}, {listed}; every notebook with only the wheel", job="colab"),
    ]


FEATURES = [
    Row(
        "`state_dict`, saved and resumed",
        (
            "saved and resumed bit for bit",
            "a state that is loaded is the state that was saved",
            "a state that does not fit is refused and nothing is loaded",
        ),
    ),
    Row(
        "`copy.deepcopy`, `pickle`",
        ("a copy goes on like the original", "a pickled optimizer goes on"),
    ),
    Row("Closures", ("a closure is evaluated once before the step and its loss returned",)),
    Row(
        "Parameter groups with an `lr` or a rule of their own",
        (
            "lr multiplies the steps of its group",
            "a group may have a rule of its own",
            "rules of groups are copied and kept but not saved",
        ),
    ),
    Row("`add_param_group`", ("a group can be added later",)),
    Row(
        "`zero_grad`, to None or in place",
        ("gradients that are zeroed in place are gradients",),
    ),
    Row("Hooks", ("hooks are called",)),
    Row("Learning-rate schedulers", ("schedulers change the steps as those of torch optim",)),
    Row("Accumulated gradients", ("gradients can be accumulated",)),
    Row(
        "`torch.autocast` in bfloat16, around the model or around the step",
        ("a model may compute in bfloat16", "a rule is as exact inside of autocast"),
    ),
    Row("`GradScaler` of AMP", ("a gradient scaler works and skips steps that overflow",)),
    Row(
        "`torch.compile` of the model, to the graph",
        ("a compiled model is trained as a plain one",),
    ),
    Row(
        "`torch.compile` of the model, to machine code",
        ("a model that is compiled to machine code is trained as a plain one",),
        "newest",
    ),
    Row(
        "`rule.compile()`, to the graph, in meta-training and in use",
        ("a compiled rule is trained and used as a plain one",),
    ),
    Row(
        "`rule.compile()`, to machine code",
        ("a rule that is compiled to machine code is trained and used as a plain one",),
        "newest",
    ),
    Row(
        "DDP, two processes on gloo",
        ("copies of a model are trained as one",),
    ),
    Row(
        "FSDP2 (`fully_shard`), two processes on gloo, coordinatewise rules",
        ("a sharded model is trained as a whole one by coordinatewise rules",),
    ),
    Row(
        "Frozen, shared, empty and 0-dimensional parameters, any memory layout",
        (
            "parameters of any form take the steps of the row that they make",
            "a shared parameter is one parameter for the optimizer and in a problem",
        ),
    ),
    Row(
        "Gradients that are not finite are refused",
        ("a gradient that is not finite is refused and leaves no trace",),
    ),
    Row(
        "Half-precision, complex and integer parameters are refused",
        ("parameters of other numbers are refused",),
    ),
]
ROWS = environments() + FEATURES


def table(rows: list[Row]) -> str:
    """The rows as a table of Markdown."""
    return "\n".join(["| What | Tests | Run |", "|---|---|---|", *(row.line() for row in rows)])


def page() -> str:
    """The page of the book."""
    text = TEMPLATE.read_text(encoding="utf-8").replace("ENVIRONMENTS", table(environments()))
    return text.replace("FEATURES", table(FEATURES))


if __name__ == "__main__":
    if sys.argv[1:] == ["--oldest"]:
        print(*(f"{name}=={version}.*" for name, version in lowest().items()), sep="\n")
    else:
        PAGE.write_text(page(), encoding="utf-8")
