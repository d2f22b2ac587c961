"""The edition for a class: no answer in it, every stub runs, and its notebooks find the wheel beside them."""

import os
import re
import subprocess
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
import student
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = sorted((ROOT / "book").glob("[0-9]*.ipynb"))
SOLUTIONS = sorted((ROOT / "book" / "solutions").glob("*.ipynb"))
BLOCK = re.compile(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", re.DOTALL)
CHECK = re.compile(r"^check\.(\w+)\(", re.MULTILINE)

each_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def exercises(path: Path) -> list[NotebookNode]:
    """The cells from the heading of the exercises on."""
    cells = read(path).cells
    starts = (at for at, cell in enumerate(cells) if re.search("^## Exercises", cell.source, re.MULTILINE))
    return cells[next(starts) :]


def checked(cells: list[NotebookNode]) -> dict[str, str]:
    """What each check of the cells printed, together with its cell."""
    code = [cell for cell in cells if cell.cell_type == "code"]
    printed = [(cell, "".join(out.get("text", "") for out in cell.outputs)) for cell in code]
    return {name: text for cell, text in printed for name in CHECK.findall(cell.source)}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that pages and notebooks of the edition are made of."""
    there = tmp_path_factory.mktemp("class")
    student.lay(there / "sources", there / "edition")
    return there


@pytest.fixture(scope="module")
def edition(sources: Path) -> Path:
    return sources / "edition"


def test_a_class_gets_notebooks_wheel_and_instructions(edition: Path) -> None:
    wheel = next(edition.glob("l2l_lite-*.whl")).name
    names = {path.name for path in CHAPTERS} | {"README.md", wheel}
    assert {path.name for path in edition.iterdir()} == names
    readme = (edition / "README.md").read_text(encoding="utf-8")
    assert wheel in readme
    assert "WHEEL" not in readme
    for path in edition.glob("*.ipynb"):
        code = [cell for cell in read(path).cells if cell.cell_type == "code"]
        assert not [cell for cell in code if cell.outputs or cell.execution_count]
        assert f"%pip install -q {wheel}\n" in code[0].source
        assert "git+https" not in code[0].source


def squeezed(text: str) -> str:
    return "".join(text.split())


def answers() -> Iterator[str]:
    """Every block of a solution, and every line that explains one, without white space."""
    for path in SOLUTIONS:
        asked = squeezed(str([cell.source for cell in exercises(path.parents[1] / path.name)]))
        cells = read(path).cells
        yield from (squeezed(block) for cell in cells for block in BLOCK.findall(cell.source))
        lines = (line for cell in cells if cell.cell_type == "markdown" for line in cell.source.split("\n"))
        said = (squeezed(line) for line in lines if not line.startswith("#"))
        yield from (line for line in said if line not in asked)


def test_no_answer_stands_in_the_edition(sources: Path) -> None:
    wheel = zipfile.ZipFile(next(sources.glob("edition/*.whl")))
    texts = [wheel.read(name).decode() for name in wheel.namelist() if name.endswith((".py", ".md"))]
    for path in [*sources.rglob("*.md"), *sources.rglob("*.py")]:
        texts.append(path.read_text(encoding="utf-8"))
    cells = [cell.source for path in sources.rglob("*.ipynb") for cell in read(path).cells]
    whole = "\n".join(map(squeezed, [*texts, *cells]))
    telling = [answer for answer in answers() if len(answer) > 30]
    assert len(telling) > 20 * len(SOLUTIONS)
    assert not [answer for answer in telling if answer in whole]
    assert not [cell for cell in cells if re.search(r"(BEGIN|END) SOLUTION|\]\(solutions/", cell)]
    assert "<!--forteachers-->" not in whole
    assert not list(sources.rglob("solutions"))


@each_chapter
def test_a_check_waits_for_the_stub_and_accepts_the_solution(path: Path) -> None:
    """As recorded; nbval runs both notebooks, and compares what they print."""
    waits = checked(exercises(path))
    accepts = checked(read(path.parent / "solutions" / path.name).cells)
    assert len(waits) >= 4
    assert list(waits) == list(accepts)
    assert not {name: text for name, text in waits.items() if not text.startswith("not answered yet: ")}
    assert not {name: text for name, text in accepts.items() if not re.search("^✓ ", text, re.MULTILINE)}


def bare_python(folder: Path) -> Path:
    """A Python with what the package needs and without the package, as on Colab."""
    venv.create(folder, symlinks=os.name != "nt")
    bare = {"base": str(folder), "platbase": str(folder)}
    site = Path(sysconfig.get_path("purelib", vars=bare))
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if entry.suffix != ".pth" and "l2l_lite" not in entry.name:
            (site / entry.name).symlink_to(entry)
    return Path(sysconfig.get_path("scripts", vars=bare), "python")


RUN = "import sys, pathlib, nbformat, record; path = pathlib.Path(sys.argv[1]); \
record.execute(nbformat.read(path, as_version=4), path.parent)"


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need rights there")
def test_a_notebook_finds_the_wheel_beside_it(edition: Path, tmp_path: Path) -> None:
    """The set-up cell and the exercises of a chapter, in an empty folder, a Python without the package,
    and no network."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    wheel = next(edition.glob("*.whl"))
    (folder / wheel.name).write_bytes(wheel.read_bytes())
    path = edition / "04_learning_to_learn.ipynb"
    notebook = read(path)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    stubs = [cell for cell in exercises(path) if cell.cell_type == "code"]
    where = nbformat.v4.new_code_cell(f"assert l2l.__file__.startswith({str(tmp_path)!r}), l2l.__file__")
    notebook.cells = [code[0], *stubs, where]
    nbformat.write(notebook, folder / path.name)
    python = bare_python(tmp_path / "python")
    offline = {"PIP_NO_INDEX": "1", "PYTHONPATH": str(ROOT / "book" / "_tools")}
    command = [python, "-c", RUN, str(folder / path.name)]
    ran = subprocess.run(command, env=os.environ | offline, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_the_zip_is_whole_and_the_same_each_time(edition: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    student.pack(edition, first)
    student.pack(edition, second)
    assert first.read_bytes() == second.read_bytes()
    assert not list(tmp_path.glob("*.part"))
    names = {Path(name).relative_to("learning-to-learn").name for name in zipfile.ZipFile(first).namelist()}
    assert names == {path.name for path in edition.iterdir()}


def test_a_zip_that_breaks_off_leaves_the_old_one(
    edition: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left")

    target = tmp_path / "student.zip"
    target.write_bytes(b"the old one")
    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(OSError, match="no space"):
        student.pack(edition, target)
    assert target.read_bytes() == b"the old one"
