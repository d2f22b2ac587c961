"""Make a course for nbgrader of the exercises and their solutions, in _build/nbgrader."""

import os
import re
import shutil
from textwrap import indent
from typing import Any

import nbformat
import record
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

COURSE = record.BOOK.parent / "_build" / "nbgrader"
CONFIG = 'c = get_config()\nc.CourseDirectory.course_id = "learning-to-learn"\n'
HEADING = re.compile(r"^##+ (Exercise .+?|Further reading)\s*$", re.MULTILINE)
CHECK = re.compile(r"^check\.", re.MULTILINE)
BEGIN = "### BEGIN SOLUTION"
GRADED = """\
from contextlib import redirect_stdout
from io import StringIO

with redirect_stdout(StringIO()) as heard:
{check}
print(heard.getvalue())
assert "✓" in heard.getvalue(), heard.getvalue()"""


def sections(notebook: NotebookNode) -> dict[str, list[NotebookNode]]:
    """The cells below each heading of an exercise; those before the first have the key ""."""
    parts: dict[str, list[NotebookNode]] = {"": []}
    for cell in notebook.cells:
        titles = list(HEADING.finditer(cell.source)) if cell.cell_type == "markdown" else []
        for title in titles:
            parts[title[1]] = [new_markdown_cell(cell.source[title.end() :].strip())]
        if not titles:
            parts[list(parts)[-1]].append(cell)
    return parts


def marked(cell: NotebookNode, name: str, **roles: Any) -> NotebookNode:
    """The cell with what nbgrader wants to know of it."""
    known = {"grade": False, "solution": False, "locked": False, "task": False}
    about = {"schema_version": 3, "grade_id": name, "cell_type": cell.cell_type}
    cell.metadata = nbformat.from_dict({"nbgrader": known | about | roles})
    return cell


def code_cells(cell: NotebookNode, name: str) -> list[NotebookNode]:
    """A cell of a solution as cells of an assignment: what is given, what is answered, what is graded."""
    if "mystnb" in cell.metadata:  # it shows what came out
        return []
    found = CHECK.search(cell.source)
    written = cell.source[: found.start()] if found else cell.source
    cells = []
    if BEGIN in written:
        cells += [marked(new_code_cell(written.rstrip()), name, solution=True)]
    elif written.strip():
        cells += [new_code_cell(written.rstrip())]
    if found:
        test = new_code_cell(GRADED.format(check=indent(cell.source[found.start() :], "    ")))
        cells += [marked(test, f"{name}-check", grade=True, points=1, locked=True)]
    return cells


def exercise(
    title: str, asked: list[NotebookNode], solved: list[NotebookNode], name: str
) -> list[NotebookNode]:
    """Question, code and place for words; a model answer stands in that place until nbgrader clears it."""
    texts = [cell.source for cell in asked if cell.cell_type == "markdown"]
    question = [text for text in texts if not text.startswith("*Your answer")]
    cells = [new_markdown_cell("\n\n".join([f"## {title}", *question]))]
    code = (cell for cell in solved if cell.cell_type == "code")
    for number, cell in enumerate(code, start=1):
        cells += code_cells(cell, f"{name}-{number}")
    if len(question) < len(texts):
        words = "\n\n".join(cell.source for cell in solved if cell.cell_type == "markdown")
        roles = {"grade": True, "points": 1, "solution": True}
        cells += [marked(new_markdown_cell(words), f"{name}-words", **roles)]
    return cells


def source(chapter: NotebookNode, solutions: NotebookNode) -> NotebookNode:
    """The instructor's version of an assignment: the questions of a chapter, answered."""
    asked, solved = sections(chapter), sections(solutions)
    title = chapter.cells[0].source.partition("\n")[0]
    given = [new_code_cell(cell.source) for cell in solved.pop("") if cell.cell_type == "code"]
    cells = [new_markdown_cell(title), *given]
    for number, (name, answer) in enumerate(solved.items(), start=1):
        cells += exercise(name, asked[name], answer, f"exercise-{number}")
    assignment = new_notebook(cells=cells, metadata=record.NOTEBOOK_METADATA)
    for number, cell in enumerate(assignment.cells, start=1):
        cell.id = f"cell-{number:02d}"
    return assignment


def main() -> None:
    """Write the configuration, and an assignment for each chapter."""
    shutil.rmtree(COURSE, ignore_errors=True)
    for path in record.BOOK.glob("solutions/*.ipynb"):
        pair = (nbformat.read(one, as_version=4) for one in (record.BOOK / path.name, path))
        folder = COURSE / "source" / path.stem
        folder.mkdir(parents=True)
        nbformat.write(source(*pair), folder / path.name)
    (COURSE / "nbgrader_config.py").write_text(CONFIG, encoding="utf-8")
    print(f"A course for nbgrader: {os.path.relpath(COURSE)}")


if __name__ == "__main__":
    main()
