"""Make the edition for a class, without solutions: a folder to work in, and the same as a zip."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import alone
import nbformat
import yaml

ROOT = Path(__file__).resolve().parents[2]
EDITION = ROOT / "_build" / "student"
README = Path(__file__).with_name("student.md")

SOLUTION = re.compile(r"^([ \t]*)### BEGIN SOLUTION\n.*?^[ \t]*### END SOLUTION", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[([^\]]*)\]\((?:\./)?solutions/[^)]*\)")
WHERE = re.compile(r" ?The \[solutions\]\(solutions/[^)]*\) stand on a page of their own\.")
FOR_TEACHERS = re.compile(r"<!-- for teachers -->\n.*?<!-- for all -->\n", re.DOTALL)

INSTALL = re.compile(r"(except ModuleNotFoundError:).*\n( +%pip install -q) .*")
PAGE = re.compile(r"\]\((?:\./)?([\w/]+)\.(?:md|ipynb)(#[^)]*)?\)")
WHEN = (2016, 6, 14, 0, 0, 0)  # one date for every file, so that two zips of one book are equal


def without_solutions(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Empty the marked blocks, with the outputs they gave, and unlink the solutions."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(r"\1", WHERE.sub("", cell.source))
        elif SOLUTION.search(cell.source):
            cell.source = SOLUTION.sub(r"\1...  # your answer", cell.source)
            cell.outputs, cell.execution_count = [], None
    return notebook


def with_wheel(notebook: nbformat.NotebookNode, wheel: str) -> nbformat.NotebookNode:
    """Let the set-up cell install the wheel that lies beside the notebook."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = INSTALL.sub(rf"\1  # the wheel lies beside this notebook\n\2 {wheel}", cell.source)
    return notebook


def to_work_in(notebook: nbformat.NotebookNode, names: set[str]) -> nbformat.NotebookNode:
    """Leave out what was printed, and link to a built page what is none of the notebooks `names`."""

    def page(link: re.Match[str]) -> str:
        return link[0] if link[1] in names else f"](pages/book/{link[1]}.html{link[2] or ''})"

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = PAGE.sub(page, cell.source)
        elif cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def copy_sources(sources: Path, wheel: str) -> None:
    """Copy the book to an empty folder, without solutions and what only a teacher reads."""
    ignored = shutil.ignore_patterns("solutions", ".ipynb_checkpoints", "__pycache__", "_tools")
    shutil.copytree(ROOT / "book", sources / "book", ignore=ignored)
    shutil.copy2(ROOT / "_config.yml", sources)
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    toc["parts"] = [part for part in toc["parts"] if part["caption"] != "Solutions"]
    (sources / "_toc.yml").write_text(yaml.safe_dump(toc, sort_keys=False), encoding="utf-8")
    for path in sources.glob("book/*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        nbformat.write(with_wheel(without_solutions(notebook), wheel), path)
    for path in sources.glob("book/*.md"):
        text = FOR_TEACHERS.sub("", path.read_text(encoding="utf-8"))
        path.write_text(LINK.sub(r"\1", text), encoding="utf-8")


def lay(sources: Path, edition: Path) -> None:
    """Copy the book to `sources`, and lay notebooks, wheel and instructions into `edition`."""
    edition.mkdir()
    wheel = alone.wheel(edition).name
    copy_sources(sources, wheel)
    # A page without a number quotes what the chapters printed, and so needs their outputs.
    chapters = sorted(sources.glob("book/[0-9]*.ipynb"))
    names = {path.stem for path in chapters}
    for path in chapters:
        nbformat.write(to_work_in(nbformat.read(path, as_version=4), names), edition / path.name)
    text = README.read_text(encoding="utf-8").replace("WHEEL", wheel)
    (edition / "README.md").write_text(text, encoding="utf-8")


def build(sources: Path, pages: Path) -> None:
    """Build the pages strictly, and move them to `pages`."""
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [jupyter_book, "build", sources, "-W", "-n", "--keep-going"]
    if subprocess.run(command, check=False).returncode:
        sys.exit("The student edition does not build: see the warnings above.")
    shutil.move(sources / "_build" / "html", pages)
    (pages / ".buildinfo").unlink(missing_ok=True)


def pack(edition: Path, target: Path) -> None:
    """Write the folder as a zip, at once or not at all; the same files give the same bytes."""
    part = target.with_name(f"{target.name}.part")
    with zipfile.ZipFile(part, "w") as archive:
        for path in sorted(path for path in edition.rglob("*") if path.is_file()):
            name = Path("learning-to-learn", path.relative_to(edition)).as_posix()
            entry = zipfile.ZipInfo(name, WHEN)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, 9)
    os.replace(part, target)


def main() -> None:
    """Make folder and zip elsewhere, and put them in place when both are whole."""
    EDITION.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=EDITION.parent, prefix="student-") as there:
        sources, edition = Path(there, "sources"), Path(there, "edition")
        lay(sources, edition)
        build(sources, edition / "pages")
        pack(edition, EDITION.with_suffix(".zip"))
        shutil.rmtree(EDITION, ignore_errors=True)
        edition.rename(EDITION)
    print(f"Folder: {EDITION}\nZip:    {EDITION.with_suffix('.zip')}")


if __name__ == "__main__":
    main()
