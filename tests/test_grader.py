"""The course for nbgrader: nbgrader takes it as it is, clears every answer, and grades by the checks."""

import os
import re
import sys
import sysconfig
from pathlib import Path
from typing import Any

import grader
import nbformat
import pytest
from nbformat import NotebookNode

BOOK = Path(__file__).resolve().parents[1] / "book"
NAMES = [path.name for path in sorted(BOOK.glob("solutions/*.ipynb"))]
each = pytest.mark.parametrize("name", NAMES)


def assignment(name: str) -> NotebookNode:
    chapter, solutions = (nbformat.read(path / name, as_version=4) for path in (BOOK, BOOK / "solutions"))
    return grader.source(chapter, solutions)


def roles(cell: NotebookNode) -> dict[str, Any]:
    return cell.metadata.get("nbgrader", {})


@each
def test_an_assignment_keeps_the_rules_of_nbgrader(name: str) -> None:
    """Answers in cells marked as solutions, each with a name of its own; points where it is graded."""
    cells = assignment(name).cells
    names = [roles(cell)["grade_id"] for cell in cells if roles(cell)]
    assert len(names) == len(set(names))
    for cell in cells:
        assert cell.source.count("### BEGIN SOLUTION") == cell.source.count("### END SOLUTION")
        assert ("### BEGIN SOLUTION" in cell.source) <= bool(roles(cell).get("solution"))
        assert bool(roles(cell).get("grade")) == ("points" in roles(cell))
    nbformat.validate(assignment(name))


@each
def test_every_exercise_is_asked_and_every_check_is_graded(name: str) -> None:
    whole = "\n".join(cell.source for cell in nbformat.read(BOOK / name, as_version=4).cells)
    asked = whole[whole.index("## Exercises") :]
    cells = assignment(name).cells
    questions = [cell.source.splitlines()[0] for cell in cells if cell.source.startswith("## ")]
    assert questions == [f"## {title}" for title in re.findall(r"^### (Exercise .+)$", asked, re.MULTILINE)]
    graded = "\n".join(cell.source for cell in cells if roles(cell).get("points"))
    tested = re.findall(r"^    check\.(\w+)\(", graded, re.MULTILINE)
    assert tested == re.findall(r"^check\.(\w+)\(", asked, re.MULTILINE)


@each
def test_nbgrader_clears_every_answer(name: str) -> None:
    preprocessors = pytest.importorskip("nbgrader.preprocessors")
    steps = ["LockCells", "ClearSolutions", "ClearOutput", "CheckCellMetadata", "ComputeChecksums"]
    released = assignment(name)
    for step in steps:
        released, _ = getattr(preprocessors, step)().preprocess(released, {})
    answered = {roles(cell)["grade_id"]: cell for cell in assignment(name).cells if roles(cell)}
    assert not [cell for cell in released.cells if "SOLUTION" in cell.source]
    for cell in released.cells:
        if roles(cell).get("solution"):
            assert re.search("YOUR (CODE|ANSWER) HERE", cell.source)
        elif roles(cell):
            assert cell.source == answered[roles(cell)["grade_id"]].source


def test_nbgrader_makes_and_grades_an_assignment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own converter and validator: a student has answered the first exercise, and not the second."""
    pytest.importorskip("nbgrader")
    from nbgrader.apps import NbGraderAPI
    from nbgrader.validator import Validator
    from traitlets.config import Config

    name = "04_learning_to_learn.ipynb"
    notebook = assignment(name)
    ends = next(at for at, cell in enumerate(notebook.cells) if cell.source.startswith("## Exercise 3"))
    notebook.cells = notebook.cells[:ends]
    path = tmp_path / "source" / "first" / name
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)
    config = Config({"CourseDirectory": {"root": str(tmp_path), "course_id": "book"}})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])  # it adds the course
    monkeypatch.setenv("PATH", sysconfig.get_path("scripts"), prepend=os.pathsep)  # it calls alembic
    made = NbGraderAPI(config=config).generate_assignment("first")
    assert made["success"], made
    released = tmp_path / "release" / "first" / name
    handed_in = nbformat.read(released, as_version=4)
    for blank, answered in zip(handed_in.cells, notebook.cells, strict=True):
        if roles(blank).get("grade_id", "").startswith("exercise-1"):
            blank.source = answered.source
    nbformat.write(handed_in, released)
    (failed,) = Validator().validate(str(released))["failed"]
    assert "check.messages(messages)" in failed["source"]
