"""What a public version needs: python book/_tools/release.py check, or build, into _build/release."""

import os
import re
import shutil
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import address
import alone
import compatibility
import student
import yaml
from packaging.requirements import Requirement

from l2l_lite.pictures import PHOTOS

ROOT = Path(__file__).resolve().parents[2]
RELEASE = ROOT / "_build" / "release"
LARGEST = 5_000_000  # bytes of a wheel
OPEN = re.compile(r"CC0|CC BY|public domain|no known copyright")
CITED = ("title", "authors", "license", "version", "date-released", "repository-code")


def faults(root: Path = ROOT) -> Iterator[str]:
    """What is missing, a sentence each."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    owner = address.current(root)
    if owner.startswith("YOUR_ORG/"):
        yield "the repository has no address: `make address TO=owner/name` puts it wherever it stands"
    yield from version_faults(root, project["version"])
    yield from citation_faults(root, project["version"], owner)
    yield from licence_faults(root, PHOTOS)
    yield from colab_faults(root, project["dependencies"])


def version_faults(root: Path, version: str) -> Iterator[str]:
    """Whether the version is the same everywhere, and the changelog tells of it."""
    if f'__version__ = "{version}"' not in (root / "l2l_lite/__init__.py").read_text(encoding="utf-8"):
        yield f"l2l_lite/__init__.py has another __version__ than pyproject.toml, which has {version}"
    changes = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    if not re.search(rf"^## {re.escape(version)}, \d{{4}}-\d\d-\d\d$", changes, re.MULTILINE):
        yield f"CHANGELOG.md has no heading '## {version}, YEAR-MONTH-DAY'"
    if re.search("^## unreleased", changes, re.MULTILINE | re.IGNORECASE):
        yield "CHANGELOG.md has changes that belong to no version: put them under one, with its date"


def citation_faults(root: Path, version: str, owner: str) -> Iterator[str]:
    """Whether the project can be cited."""
    cited = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    for name in CITED:
        if not cited.get(name):
            yield f"CITATION.cff has no {name}"
    if cited.get("version") != version:
        yield f"CITATION.cff has version {cited.get('version')}, and pyproject.toml {version}"
    if not str(cited.get("repository-code")).endswith(f"/{owner}"):
        yield f"CITATION.cff has the address {cited.get('repository-code')}, and _config.yml {owner}"


def licence_faults(root: Path, photos: dict[str, str]) -> Iterator[str]:
    """Whether code, text and every picture and set of data say what one may do with them."""
    licence = (root / "LICENSE").read_text(encoding="utf-8")
    for words in ("MIT", "CC BY 4.0", "MNIST", "digits of scikit-learn", "CIFAR-10", "photographs"):
        if words not in licence:
            yield f"LICENSE does not speak of {words}"
    for name, origin in photos.items():
        if not OPEN.search(origin):
            yield f"the photograph {name!r} has no open licence in l2l_lite.pictures: {origin!r}"


def colab_faults(root: Path, needs: list[str]) -> Iterator[str]:
    """Whether what Colab has installed is enough, so that nothing there is replaced."""
    has = compatibility.pinned(root / ".github" / "colab.txt")
    for need in map(Requirement, needs):
        if need.name in has and not need.specifier.contains(has[need.name]):
            yield f"the package needs {need}, and Colab has {need.name} {has[need.name]}"


def wheel_faults(wheel: Path, root: Path = ROOT) -> Iterator[str]:
    """Whether a wheel holds the package, all of it and nothing else, and is small."""
    if wheel.stat().st_size > LARGEST:
        yield f"the wheel has {wheel.stat().st_size:,} bytes, more than {LARGEST:,}"
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = (path for path in (root / "l2l_lite").rglob("*") if path.is_file())
    ours = {path.relative_to(root).as_posix() for path in files if path.suffix != ".pyc"}
    for name in sorted(ours - held):
        yield f"the wheel lacks {name}"
    for name in sorted(held - ours):
        yield f"the wheel holds {name}, which is none of the package's files"


def stop_at(found: Iterator[str]) -> None:
    """End the program with the faults, if there are any."""
    if sentences := list(found):
        sys.exit("\n".join(["Not ready for a release:", *(f"* {sentence}" for sentence in sentences)]))


def build() -> None:
    """Wheel, student zip and pages, put in place when all of them are whole."""
    RELEASE.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=RELEASE.parent, prefix="release-") as there:
        folder = Path(there, "release")
        folder.mkdir()
        stop_at(wheel_faults(alone.wheel(folder)))
        student.main()
        shutil.copy2(student.EDITION.with_suffix(".zip"), folder)
        student.pack(ROOT / "_build" / "html", folder / "pages.zip")
        shutil.rmtree(RELEASE, ignore_errors=True)
        os.replace(folder, RELEASE)
    for path in sorted(RELEASE.iterdir()):
        print(f"{path.stat().st_size / 1e6:6.2f} MB  {path}")


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        stop_at(faults())
    elif sys.argv[1:] == ["build"]:
        build()
    else:
        sys.exit(__doc__)
