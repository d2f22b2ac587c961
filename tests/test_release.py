"""What keeps a version from being public is said, a sentence each."""

import re
import shutil
import zipfile
from pathlib import Path

import address
import pytest
import release

ROOT = Path(__file__).resolve().parents[1]
FILES = ("pyproject.toml", "_config.yml", "CITATION.cff", "CHANGELOG.md", "LICENSE")
FILES += ("l2l_lite/__init__.py", ".github/colab.txt")


def edit(path, pattern, new):
    text, times = re.subn(pattern, new, path.read_text(encoding="utf-8"), count=1, flags=re.MULTILINE)
    assert times == 1
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def ready(tmp_path):
    """A copy of the files that are looked at, as they are on the day of a release."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    address.change("someone/else", tmp_path)
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M)[1]
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {version}, 2026-12-01\n", encoding="utf-8")
    citation = tmp_path / "CITATION.cff"
    if "date-released" not in citation.read_text(encoding="utf-8"):
        edit(citation, "^type:", "date-released: 2026-12-01\ntype:")
    return tmp_path


def test_nothing_is_missing_on_the_day(ready):
    assert list(release.faults(ready)) == []


CHANGES = [
    (
        "_config.yml",
        r"github\.com/someone/else",
        "github.com/YOUR_ORG/l2l-lite",
        "the repository has no address",
    ),
    ("l2l_lite/__init__.py", "^__version__ = .*", '__version__ = "9"', "has another __version__"),
    ("CHANGELOG.md", r", 2026-12-01$", "", "CHANGELOG.md has no heading"),
    ("CHANGELOG.md", "^## ", "## Unreleased\n\n* News\n\n## ", "changes that belong to no version"),
    ("CITATION.cff", "^version: .*", "version: 9", "CITATION.cff has version 9"),
    ("CITATION.cff", "^date-released: .*\n", "", "CITATION.cff has no date-released"),
    ("CITATION.cff", "someone/else", "another/one", "CITATION.cff has the address"),
    ("LICENSE", "MNIST", "digits", "LICENSE does not speak of MNIST"),
    (".github/colab.txt", "^torch==.*", "torch==2.0.0", "needs torch>=.*, and Colab has torch 2.0.0"),
]


@pytest.mark.parametrize(("name", "pattern", "new", "words"), CHANGES)
def test_what_is_missing_is_said_in_a_sentence(ready, name, pattern, new, words):
    edit(ready / name, pattern, new)
    found = list(release.faults(ready))
    assert [sentence for sentence in found if re.search(words, sentence)]
    assert not [sentence for sentence in found if "\n" in sentence]
    with pytest.raises(SystemExit, match="Not ready for a release"):
        release.stop_at(release.faults(ready))


def test_a_photograph_needs_an_open_licence():
    assert len(list(release.licence_faults(ROOT, {"mine": "found somewhere"}))) == 1


def packed(root, wheel, *more):
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in (root / "l2l_lite").rglob("*"):
            archive.write(path, path.relative_to(root))
        for name in ("l2l_lite-1.dist-info/METADATA", *more):
            archive.writestr(name, "")
    return wheel


def test_a_wheel_is_the_package_and_nothing_else(ready, monkeypatch):
    (ready / "l2l_lite" / "py.typed").write_text("", encoding="utf-8")
    wheel = packed(ready, ready / "one.whl")
    assert list(release.wheel_faults(wheel, ready)) == []
    (ready / "l2l_lite" / "weights.safetensors").write_text("", encoding="utf-8")
    assert list(release.wheel_faults(wheel, ready)) == ["the wheel lacks l2l_lite/weights.safetensors"]
    wheel = packed(ready, ready / "two.whl", "tests/test_all.py")
    assert len(list(release.wheel_faults(wheel, ready))) == 1
    monkeypatch.setattr(release, "LARGEST", 10)
    assert "bytes, more than 10" in next(release.wheel_faults(wheel, ready))
