"""README: its numbers are the card's, its links lead somewhere, its commands exist."""

import re
import subprocess
from pathlib import Path

import address
import picture
import pytest
import yaml
from matplotlib.image import imread
from typer.testing import CliRunner

import l2l_lite as l2l
from l2l_lite.cli import app

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
CHAPTERS = [
    chapter["file"]
    for part in TOC["parts"]
    for chapter in part["chapters"]
    if re.match(r"book/\d\d_", chapter["file"])
]


def test_numbers_come_from_the_card() -> None:
    """A decimal number anywhere else in README would be typed from memory."""
    card = l2l.zoo.card("mnist-refined")
    block = picture.NUMBERS.search(README)
    assert block
    assert (
        block[0] == block[1] + picture.sentences(card) + picture.over_adam(l2l.zoo.card("general")) + block[2]
    )
    shown = re.search(r"its loss is (\S+ times that of an Adam)", block[0])[1]
    assert f"is {shown}" in (ROOT / "book/index.md").read_text(encoding="utf-8")
    rest = README.replace(block[0], "")
    assert re.findall(r"(?<![=\d])\d+\.\d+", rest) == ["3.11", "4.0", "4.0"]  # Python, CC BY, and its link
    assert f"about {(ROOT / 'l2l_lite/zoo/mnist.safetensors').stat().st_size / 1000:.0f} kB" in README


@pytest.mark.usefixtures("drawing")
def test_picture_is_light_and_described(tmp_path: Path) -> None:
    stored = ROOT / re.search(r"!\[[^\]]{40,}\]\(([^)]+)\)", README)[1]
    assert stored == picture.PICTURE
    assert stored.stat().st_size < 200_000
    picture.draw(l2l.zoo.card("mnist-refined"), tmp_path / "again.png")
    assert imread(stored).shape == imread(tmp_path / "again.png").shape


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_chapter_opens_in_colab(chapter: str) -> None:
    url = f"https://colab.research.google.com/github/{address.current()}/blob/main/{chapter}.ipynb"
    assert f"]({chapter}.ipynb)" in README
    assert f"]({url})" in README


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert not [link for link in links if not (ROOT / link.partition("#")[0]).exists()]


def helped() -> list[str]:
    """The targets that `make help` speaks of."""
    command = ["make", "--no-print-directory", "help"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert all(len(line) <= 110 for line in told.splitlines())
    return re.findall(r"^make (\w+) +\w", told, re.MULTILINE)


def test_commands_exist() -> None:
    """Every `make` target and `l2l` command that README names."""
    pages = [(ROOT / name).read_text(encoding="utf-8") for name in ("CONTRIBUTING.md", "book/teaching.md")]
    named = re.findall(r"(?:^|`)make (\w+)", "\n".join([README, *pages]), re.MULTILINE)
    assert set(named) <= set(helped())
    lines = re.findall(r"^l2l (\w+)(?: \w+)?((?: --\w+)?)", README, re.MULTILINE)
    assert len(lines) >= 4
    for command, option in lines:
        shown = CliRunner().invoke(app, [command, "--help"])
        assert shown.exit_code == 0
        assert option.strip() in shown.output


def test_the_address_is_in_one_place(tmp_path: Path) -> None:
    for name in ("_config.yml", "README.md", "CONTRIBUTING.md"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    assert len(address.change("someone/else", tmp_path)) == 3
    for name in ("README.md", "CONTRIBUTING.md"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "someone/else" in text
        assert address.current() not in text


def test_recipes_have_at_most_six_lines() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    recipes = re.findall(r"^## Add an? ([a-z ]+)\n\n((?:\d\. .*\n)+)", text, re.MULTILINE)
    assert [name for name, _ in recipes] == [
        "chapter",
        "problem",
        "rule",
        "estimator",
        "zoo entry",
        "suite task",
        "study",
        "claim",
    ]
    assert all(len(lines.splitlines()) <= 6 for _, lines in recipes)


def test_changelog_has_this_version() -> None:
    assert f"## {l2l.__version__}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
