"""The book's extension: what it makes of names, of HTML, and of a small book built with it."""

import shutil
import subprocess
import sys
from pathlib import Path

import address
import l2l_dress
import l2l_order
import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup, Tag
from docutils import nodes
from docutils.utils import new_document
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[1]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2RgAAAABJRU5ErkJggg=="


# Order


@pytest.mark.parametrize(
    ("page", "number", "twin"),
    [
        ("book/04_learning_to_learn", 4, "book/solutions/04_learning_to_learn"),
        ("book/solutions/11_what_it_learned", 11, "book/11_what_it_learned"),
        ("book/claims", None, "book/solutions/claims"),
    ],
)
def test_number_comes_from_the_file(page: str, number: int | None, twin: str) -> None:
    assert l2l_order.number(page) == number
    assert l2l_order.twin(page) == twin


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("Time: about ten seconds on two CPU cores; a GPU makes no difference here.", "ten seconds"),
        (
            "It meta-trains for about a minute. On two CPU cores it takes about half a minute.",
            "half a minute",
        ),
        ("A rule that is meta-trained for about a minute.", None),
        ("Read on.\nimport l2l_lite\nThis takes about an hour on a CPU.", None),
    ],
)
def test_run_time_is_what_the_page_says(text: str, time: str | None) -> None:
    assert l2l_order.run_time(text) == time


def test_reading_time_counts_words_and_code_only() -> None:
    page = new_document("page")
    page += nodes.paragraph("", " ".join(["word"] * 1000))  # five minutes
    code = "\n".join(["x = 1"] * 250)  # five more
    page += nodes.container("", nodes.literal_block(code, code), classes=["cell_input"])
    printed = "\n".join(["1"] * 1000)
    page += nodes.container("", nodes.literal_block(printed, printed), classes=["cell_output"])
    page += nodes.section("", nodes.paragraph("", " ".join(["word"] * 1000)), ids=["exercises"])
    assert l2l_order.reading_minutes(page) == 10


# Dress


def test_grader_markers_are_hidden() -> None:
    marker = '<span class="c1">### {} SOLUTION</span>\n'
    code = f"<pre><span></span>{marker.format('BEGIN')}x\n    {marker.format('END')}</pre>"
    assert l2l_dress.hide_markers(code) == "<pre><span></span>x\n</pre>"


def test_marks_are_coloured_where_they_are_printed() -> None:
    printed = '<div class="output stream"><div class="highlight"><pre><span></span>{}\n</pre>'
    dressed = l2l_dress.colour_verdicts(printed.format("✗ too large\n0.7 (claim: below 0.9) ✓"))
    assert '<span class="l2l-fails">✗ too large</span>\n' in dressed
    assert '(claim: below 0.9) <span class="l2l-holds">✓</span>\n' in dressed
    source = '<div class="highlight-python"><div class="highlight"><pre>print("✓")</pre>'
    assert l2l_dress.colour_verdicts(source) == source


def test_verdict_in_a_table_is_coloured_with_its_words() -> None:
    cell = "<td><p>(✓) <strong>holds, one seed</strong><br>0.97</p></td>"
    strong = '<strong class="l2l-verdict l2l-holds">(✓) holds, one seed</strong>'
    assert l2l_dress.colour_verdicts(cell) == f"<td><p>{strong}<br>0.97</p></td>"


# A small book


def cell(source: str, **output: str) -> nbformat.NotebookNode:
    outputs = [new_output("display_data", {"image/png": PIXEL})] if output else []
    metadata = {"mystnb": {"image": {"alt": "A dot."}, "figure": output}} if output else {}
    return new_code_cell(source, outputs=outputs, metadata=metadata, execution_count=1)


def write(path: Path, *cells: nbformat.NotebookNode) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"language_info": {"name": "python", "pygments_lexer": "ipython3"}}
    nbformat.write(new_notebook(cells=list(cells), metadata=metadata), path)


def small_book(folder: Path, *, solutions: bool) -> None:
    """A cover, two chapters, another page, and perhaps solutions, under the book's own settings."""
    for part in ("book/_ext", "book/_static"):
        shutil.copytree(ROOT / part, folder / part)
    for file in ("_config.yml", "book/references.bib"):
        shutil.copy(ROOT / file, folder / file)
    only = ":::{only} placeholder\nno address yet\n:::\n"
    (folder / "book" / "index.md").write_text(f"# Cover\n\n{only}")
    write(folder / "book" / "01_one.ipynb", new_markdown_cell("# One"))
    write(
        folder / "book" / "03_two.ipynb",
        new_markdown_cell("# Two\n\nAbout ten seconds. It takes about a minute on a CPU."),
        cell("draw()", caption="A dot.", name="fig-dot"),
        new_markdown_cell("## Exercises\n\n### Exercise 1: a dot"),
    )
    write(
        folder / "book" / "more.ipynb",
        new_markdown_cell("# More"),
        cell("draw()", caption="A dot.", name="fig-more"),
    )
    names = ["book/01_one", "book/03_two", "book/more"]
    toc = {"format": "jb-book", "root": "book/index", "parts": [{"caption": "Dots", "chapters": names}]}
    if solutions:
        write(
            folder / "book" / "solutions" / "03_two.ipynb",
            new_markdown_cell("# Solutions: Two\n\n## Exercise 1: a dot"),
            cell("### BEGIN SOLUTION\nx = 1\n### END SOLUTION"),
        )
        toc["parts"] += [{"caption": "Solutions", "chapters": ["book/solutions/03_two"]}]
    for part in toc["parts"]:
        part["chapters"] = [{"file": name} for name in part["chapters"]]
    (folder / "_toc.yml").write_text(yaml.safe_dump(toc))


def build(folder: Path) -> dict[str, BeautifulSoup]:
    """The pages of the book in `folder`."""
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    run = subprocess.run([jupyter_book, "build", folder, "--quiet", "-W"], capture_output=True, text=True)
    assert not run.returncode, run.stderr
    html = folder / "_build" / "html" / "book"
    pages = {str(path.relative_to(html)): path.read_text(encoding="utf-8") for path in html.rglob("*.html")}
    return {name: BeautifulSoup(text, "html.parser") for name, text in pages.items()}


def text(page: Tag, where: str) -> str:
    found = page.select_one(where)
    return " ".join(found.get_text().split()) if found else ""


def hrefs(page: Tag, where: str = "") -> list[str]:
    return [str(link["href"]) for link in page.select(f"{where} a[href]")]


def test_small_book_without_an_address(tmp_path: Path) -> None:
    """Numbers, places, solutions, figures; and not one link to where nobody is."""
    small_book(tmp_path, solutions=True)
    pages = build(tmp_path)
    two, solved = pages["03_two.html"], pages["solutions/03_two.html"]
    assert text(two, ".l2l-line") == "Chapter 3 of 3 · 5 minutes to read, a minute to run"
    assert text(two, ".l2l-parts [aria-current]") == "Dots"
    assert [text(link, "a") for link in two.select(".bd-docs-nav li")] == ["1 One", "3 Two", "More", "3 Two"]
    assert text(pages["01_one.html"], ".right-next .prev-next-title") == "3 Two"
    assert text(two, "title").startswith("Two —")
    assert text(two, "figcaption") == "Figure 3.1 A dot.#"
    assert text(pages["more.html"], "figcaption") == "Figure 1 A dot.#"
    assert two.select_one("figure a.l2l-figure img[alt='A dot.']")
    assert hrefs(two, ".l2l-twin") == ["solutions/03_two.html", "solutions/03_two.html#exercise-1-a-dot"]
    assert hrefs(solved, ".l2l-twin") == ["../03_two.html#exercise-1-a-dot"]
    assert "SOLUTION" not in text(solved, "article")
    assert "x = 1" in text(solved, "article")
    assert text(pages["index.html"], "article").endswith("no address yet")
    assert not [link for page in pages.values() for link in hrefs(page) if address.current() in link]
    assert not two.select(".fa-rocket, .fa-github")


def test_small_book_with_an_address_and_without_solutions(tmp_path: Path) -> None:
    """`make address` turns the buttons on; the edition for a class has no link to a solution."""
    small_book(tmp_path, solutions=False)
    assert address.change("someone/else", tmp_path) == [tmp_path / "_config.yml"]
    pages = build(tmp_path)
    colab = "https://colab.research.google.com/github/someone/else/blob/main/book/03_two.ipynb"
    assert {colab, "https://github.com/someone/else"} <= set(hrefs(pages["03_two.html"]))
    assert "no address yet" not in text(pages["index.html"], "article")
    assert not [link for page in pages.values() for link in hrefs(page) if "solutions/" in link]
