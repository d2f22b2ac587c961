"""Make the edition for a class: the book and its notebooks without solutions, in _build/student."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import yaml

ROOT = Path(__file__).resolve().parents[2]
EDITION = ROOT / "_build" / "student"
SOLUTION = re.compile(r"^([ \t]*)### BEGIN SOLUTION\n.*?^[ \t]*### END SOLUTION", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[([^\]]*)\]\((?:\./)?solutions/[^)]*\)")
WHERE = re.compile(r" ?The \[solutions\]\(solutions/[^)]*\) stand on a page of their own\.")


def without_solutions(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Empty the marked blocks, with the outputs they gave, and unlink the solutions."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(r"\1", WHERE.sub("", cell.source))
        elif SOLUTION.search(cell.source):
            cell.source = SOLUTION.sub(r"\1...  # your answer", cell.source)
            cell.outputs, cell.execution_count = [], None
    return notebook


def copy_sources() -> None:
    """Copy the book to the edition's folder without its last part."""
    shutil.rmtree(EDITION, ignore_errors=True)
    ignored = shutil.ignore_patterns("solutions", ".ipynb_checkpoints", "__pycache__")
    shutil.copytree(ROOT / "book", EDITION / "book", ignore=ignored)
    shutil.copy2(ROOT / "_config.yml", EDITION)
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    toc["parts"] = [part for part in toc["parts"] if part["caption"] != "Solutions"]
    (EDITION / "_toc.yml").write_text(yaml.safe_dump(toc, sort_keys=False), encoding="utf-8")


def main() -> None:
    """Copy, strip and build."""
    copy_sources()
    for path in EDITION.glob("book/*.ipynb"):
        nbformat.write(without_solutions(nbformat.read(path, as_version=4)), path)
    for path in EDITION.glob("book/*.md"):
        path.write_text(LINK.sub(r"\1", path.read_text(encoding="utf-8")), encoding="utf-8")
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    build = [jupyter_book, "build", EDITION, "-W", "-n", "--keep-going"]
    if subprocess.run(build, check=False).returncode:
        sys.exit("The student edition does not build: see the warnings above.")
    print(f"Pages:     {EDITION / '_build/html/index.html'}\nNotebooks: {EDITION / 'book'}")


if __name__ == "__main__":
    main()
