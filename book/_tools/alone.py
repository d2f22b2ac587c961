"""Lay every notebook alone beside the package's wheel, as on Colab, and print where they are."""

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import record

ROOT = Path(__file__).resolve().parents[2]
ALONE = ROOT / "_build" / "alone"
SITE = ALONE / "site"


def wheel(folder: Path) -> Path:
    """Build the package as a user gets it, without the working tree, into `folder`."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "wheel"]
    how = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([*pip, *how, str(ROOT)], check=True)
    return next(folder.glob("l2l_lite-*.whl"))


def install_wheel() -> None:
    """Put the built package into SITE."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    subprocess.run([*pip, "--no-deps", "--target", str(SITE), str(wheel(ALONE))], check=True)


def lay(path: Path) -> Path:
    """A copy in an empty folder, with a last cell that makes sure of the wheel."""
    there = ALONE / path.relative_to(record.BOOK).with_suffix("") / path.name
    there.parent.mkdir(parents=True)
    notebook = nbformat.read(path, as_version=4)
    check = f"assert l2l.__file__.startswith({str(SITE)!r}), l2l.__file__"
    notebook.cells.append(nbformat.v4.new_code_cell(check))
    nbformat.write(notebook, there)
    return there


def main() -> None:
    """Start afresh: a notebook must not find what another run left."""
    shutil.rmtree(ALONE, ignore_errors=True)
    ALONE.mkdir(parents=True)
    install_wheel()
    for path in record.notebooks():
        print(lay(path).relative_to(ROOT))
    for chapter in record.BOOK.glob("[0-9]*.ipynb"):
        shutil.copy(chapter, ALONE / "claims")  # the page that quotes what chapters printed


if __name__ == "__main__":
    main()
