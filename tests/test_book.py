"""The built book is whole, offline and accessible; its notebooks are clean."""

import copy
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from functools import cache, lru_cache, partial
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote, urlsplit

import address
import alone
import nbformat
import pdf
import pytest
import record
import student
import yaml
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from nbformat import NotebookNode
from PIL import Image
from playwright.sync_api import Browser, Page, Route

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
CHAPTERS_AND_PAGES = [chapter["file"] for part in TOC["parts"] for chapter in part["chapters"]]
PAGES = [TOC["root"], *CHAPTERS_AND_PAGES, "genindex", "search"]
NOTEBOOKS = [name for name in CHAPTERS_AND_PAGES if (ROOT / f"{name}.ipynb").exists()]
CHAPTERS = [name for name in NOTEBOOKS if re.match(r"book/\d\d_", name)]

each_page = pytest.mark.parametrize("page", PAGES)
each_notebook = pytest.mark.parametrize("name", NOTEBOOKS)
each_chapter = pytest.mark.parametrize("name", CHAPTERS)


# The pages, as files


@lru_cache
def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def html(page: str) -> Path:
    path = HTML / f"{page}.html"
    assert path.exists(), f"{path} is missing: run `make book` first"
    return path


def fault_of_link(path: Path, link: str) -> str | None:
    """What is wrong with a link from the file `path`; None if it leads somewhere."""
    url = urlsplit(link)
    if url.scheme or link in ("", "#"):
        return None
    target = (path.parent / unquote(url.path)).resolve() if url.path else path
    if not target.is_file():
        return f"{link}: no such file"
    anchor = unquote(url.fragment)
    if anchor and target.suffix == ".html" and not soup(target).find(id=anchor):
        return f"{link}: no such anchor"
    return None


@each_page
def test_links_and_anchors_lead_somewhere(page: str) -> None:
    path = html(page)
    links = [tag.get("href") or tag.get("src") or "" for tag in soup(path).select("[href], [src]")]
    assert not list(filter(None, (fault_of_link(path, link) for link in links)))


@each_page
def test_assets_are_local(page: str) -> None:
    assets = soup(html(page)).select("link[rel=stylesheet], link[rel=preload], script[src], img")
    urls = [tag.get("href") or tag.get("src") for tag in assets]
    assert not [url for url in urls if urlsplit(url).scheme not in ("", "data")]


@each_page
def test_only_formulas_load_mathjax(page: str) -> None:
    loaded = bool(soup(html(page)).select("script[src*=mathjax]"))
    assert loaded == bool(soup(html(page)).select(".math"))


@each_page
def test_images_say_what_is_seen(page: str) -> None:
    alts = [image.get("alt", "").strip() for image in soup(html(page)).find_all("img")]
    assert not [alt for alt in alts if not alt or re.search(r"\.(png|svg|jpe?g)$|_images/", alt)]


@each_page
def test_tables_are_set_as_tables(page: str) -> None:
    texts = [paragraph.get_text() for paragraph in soup(html(page)).find_all("p")]
    assert not [text for text in texts if text.startswith("| ")]


@each_page
def test_page_is_light(page: str) -> None:
    images = [image["src"] for image in soup(html(page)).find_all("img")]
    files = [html(page).parent / src for src in images if not urlsplit(src).scheme]
    assert not [file for file in [html(page), *files] if file.stat().st_size > 400_000]


def test_book_is_light() -> None:
    files = [file for file in HTML.rglob("*") if file.is_file() and "_sources" not in file.parts]
    assert sum(file.stat().st_size for file in files) <= 20_000_000


# The pages, in a browser


class View:
    """A page of the browser, what it complained about, and what it asked of the network."""

    def __init__(self, browser: Browser, width: int, theme: str):
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
        self.page.set_default_timeout(300_000)  # milliseconds, for a busy machine
        self.faults: list[str] = []
        self.page.route(re.compile("^(?!file:|data:|blob:)"), self._refuse)
        self.page.on("console", lambda message: message.type == "error" and self.faults.append(message.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))

    def _refuse(self, route: Route) -> None:
        self.faults.append(route.request.url)
        route.abort()

    def show(self, page: str) -> Page:
        """A page of the book with its maths set."""
        self.faults.clear()
        self.page.goto(html(page).as_uri())
        self.page.evaluate("async () => window.MathJax && await MathJax.startup.promise")
        return self.page


@pytest.fixture(scope="module")
def views(browser: Browser) -> Callable[[int, str], View]:
    """One view for each width and theme: a new one for each page would read MathJax anew each time."""
    return cache(partial(View, browser))


# Code, what it prints, and tables that do not fit on the page.
CLIPPED = """[...document.querySelectorAll(".bd-article pre")]
    .filter(block => block.scrollWidth > block.clientWidth + 1).map(block => block.textContent)"""


WCAG = {"wcag2a", "wcag2aa", "wcag21a", "wcag21aa"}  # what axe calls the rules that a page must keep


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@each_page
def test_page_in_a_browser(views: Callable[[int, str], View], page: str, width: int, theme: str) -> None:
    shown = views(width, theme)
    view = shown.show(page)
    assert view.locator("html").get_attribute("data-theme") == theme
    view.evaluate("document.querySelectorAll('details').forEach(part => (part.open = true))")
    # What opens fades in, and half faded its contrast is low.
    view.evaluate("document.getAnimations().forEach(one => one.finish())")
    assert view.evaluate("document.documentElement.scrollWidth") <= width
    assert not view.evaluate(CLIPPED)
    assert view.locator(".math:not(:has(mjx-container)), mjx-merror").count() == 0
    assert not shown.faults  # before axe, which asks for style sheets once more
    if with_axe(page, width, theme):
        found = Axe().run(view).response["violations"]
        faults = [
            rule for rule in found if rule["impact"] in ("serious", "critical") or WCAG & {*rule["tags"]}
        ]
        assert not {rule["id"]: [node["html"] for node in rule["nodes"]] for rule in faults}


def with_axe(page: str, width: int, theme: str) -> bool:
    """Whether axe reads the page in this form: both themes and both widths, crossed on every other page.

    It takes most of the time, nearly all of it for contrast, and a page shares its colours with the others.
    """
    return (PAGES.index(page) + (width == 390) + (theme == "dark")) % 2 == 0


def test_chapter_prints(browser: Browser, tmp_path: Path) -> None:
    view = View(browser, 665, "dark").show(CHAPTERS[0])  # the width of A4 between its margins
    view.emulate_media(media="print")
    shown = ".bd-sidebar-primary, .bd-sidebar-secondary, .bd-header-article, .prev-next-footer, .l2l-twin"
    assert not [part for part in view.locator(shown).all() if part.is_visible()]
    assert view.locator(".bd-article h1").is_visible()
    assert view.evaluate("document.documentElement.scrollWidth") <= 665
    assert not view.evaluate(CLIPPED)
    view.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert view.locator("html").get_attribute("data-theme") == "light"
    view.evaluate("dispatchEvent(new Event('afterprint'))")
    assert view.locator("html").get_attribute("data-theme") == "dark"
    pdf.print_page(view, html(CHAPTERS[0]), tmp_path / "chapter.pdf")
    printed = (tmp_path / "chapter.pdf").read_bytes()
    assert printed.startswith(b"%PDF")
    assert len(re.findall(rb"/Type /Page\b", printed)) >= 5
    view.close()


def test_joined_pages_link_to_each_other() -> None:
    pages = [TOC["root"], *CHAPTERS[:2]]
    whole = BeautifulSoup(pdf.joined(pages), "html.parser")
    assert len(whole.select("article")) == len(pages)
    assert not [script for script in whole.select("head script") if "mathjax" not in str(script).lower()]
    ids = [tag["id"] for tag in whole.select("[id]")]
    assert len(set(ids)) == len(ids)
    links = [str(tag["href"]) for tag in whole.select("article [href]")]
    inward = [link for link in links if link.startswith("#")]
    assert f"#--{CHAPTERS[0]}" in inward
    assert not [link for link in inward if link[1:] not in ids]
    assert not [link for link in links if not urlsplit(link).scheme and link not in inward]
    assert whole.title is not None
    assert whole.title.get_text() == soup(html(TOC["root"])).title.get_text()


# The notebooks, as files

SETUP = f"""\
try:
    import l2l_lite as l2l
except ModuleNotFoundError:  # on Colab
    %pip install -q "l2l_lite @ git+https://github.com/{address.current()}"
    import l2l_lite as l2l
"""
SECTIONS = ["What you will do", "In the package", "Summary", "Exercises", "Further reading"]
# A reader on Colab or JupyterLab sees these as raw text.
MYST = re.compile(r"^(:::|```\{|\([\w-]+\)=)|\{(ref|numref|eq|doc|term|cite\S*)\}`", re.MULTILINE)
UNSTABLE = re.compile(r"(?<!\w)/(home|root|tmp|work|Users)/|0x[0-9a-f]{6,}|it/s\b|s/it\b|\d%\|")
BAD_HABITS = re.compile(
    r"torch\.manual_seed|random\.seed|\.cuda\(|from l2l_lite import|;[ \t]*$", re.MULTILINE
)


@lru_cache
def notebook(name: str) -> NotebookNode:
    return nbformat.read(ROOT / f"{name}.ipynb", as_version=4)


def cells(name: str, kind: str) -> list[NotebookNode]:
    return [cell for cell in notebook(name).cells if cell.cell_type == kind]


def headings(name: str) -> list[str]:
    text = "\n".join(cell.source for cell in cells(name, "markdown"))
    return re.findall(r"^##+ (.+?)\s*$", text, re.MULTILINE)


def lines(cell: NotebookNode) -> list[str]:
    """What a page shows of the cell in a fixed pitch: code, and what it printed."""
    shown = [out.get("text", "") for out in cell.outputs]
    for data in (out.get("data", {}) for out in cell.outputs):
        rich = [kind for kind in data if kind != "text/plain"]
        shown += [] if rich else [data.get("text/plain", "")]
    return [line for text in (cell.source, *map("".join, shown)) for line in text.splitlines()]


def texts(cell: NotebookNode) -> str:
    """What the cell printed or showed, pictures aside."""
    shown = [out.get("data", {}) for out in cell.outputs]
    plain = ["".join(data.get(kind, "")) for data in shown for kind in ("text/plain", "text/html")]
    return "\n".join(plain + [out.get("text", "") for out in cell.outputs])


@each_notebook
def test_notebook_is_recorded(name: str) -> None:
    """As `make notebooks` leaves it: every cell executed in order, no widget state, no errors."""
    canonical = copy.deepcopy(notebook(name))
    record.normalise(canonical)
    assert notebook(name) == canonical
    code = cells(name, "code")
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not [out for cell in code for out in cell.outputs if out.output_type == "error"]
    assert (ROOT / f"{name}.ipynb").stat().st_size <= 400_000


def encoded(picture: Image.Image) -> str:
    file = BytesIO()
    picture.save(file, "png")
    return b64encode(file.getvalue()).decode()


def test_a_picture_is_recorded_in_its_lightest_form() -> None:
    """A plot as PNG with few colours, a photograph as JPEG, and neither changed by a second recording."""
    plot = Image.new("RGB", (200, 200), "white")
    plot.paste("blue", (50, 50, 90, 90))
    kind, picture = record.lightest(encoded(plot))
    assert kind == "image/png"
    assert record.lightest(picture) == (kind, picture)
    shades = Image.effect_noise((200, 200), 40).resize((400, 400), Image.Resampling.BICUBIC)
    photo = Image.merge("RGB", [shades, shades.rotate(90), shades.rotate(180)])
    kind, picture = record.lightest(encoded(photo))
    assert kind == "image/jpeg"
    back = Image.open(BytesIO(b64decode(picture)))
    assert back.format == "JPEG"
    assert back.size == photo.size


@each_notebook
def test_notebook_is_clean(name: str) -> None:
    for cell in cells(name, "code"):
        assert len(cell.source.splitlines()) <= 25, cell.source
        assert not BAD_HABITS.search(cell.source), cell.source
        assert not UNSTABLE.search(cell.source + texts(cell)), cell.source
        if any({"image/png", "image/jpeg"} & set(out.get("data", {})) for out in cell.outputs):
            assert cell.metadata.get("mystnb", {}).get("image", {}).get("alt"), cell.source
    for cell in cells(name, "markdown"):
        assert not MYST.search(cell.source), cell.source


@each_notebook
def test_lines_fit_on_the_page(name: str) -> None:
    """76 characters are what a page shows at 1280 pixels, and what an exercise's frame leaves."""
    assert not [line for cell in cells(name, "code") for line in lines(cell) if len(line) > 76]


@each_notebook
def test_notebook_begins_with_the_setup_cell(name: str) -> None:
    assert f"{cells(name, 'code')[0].source}\n".startswith(SETUP)


@each_chapter
def test_chapter_has_its_parts(name: str) -> None:
    found = headings(name)
    assert [title for title in found if title in SECTIONS] == SECTIONS
    exercises = [title for title in found if title.startswith("Exercise ")]
    assert len(exercises) >= 4
    solved = headings(name.replace("book/", "book/solutions/"))
    assert [title for title in solved if title.startswith("Exercise ")] == exercises


def rows(name: str) -> list[str]:
    """The exercises of a chapter in the tables for teachers, as "1 Title"."""
    text = (ROOT / "book" / "teaching.md").read_text(encoding="utf-8")
    _, _, below = text.partition(f"]({Path(name).name}.ipynb)\n\n| Exercise |")
    return re.findall(r"^\| (\d+ .+?) \|", below.partition("\n#")[0], re.MULTILINE)


@each_chapter
def test_teachers_find_every_exercise(name: str) -> None:
    if not rows(name):
        pytest.skip("book/teaching.md has no table for this chapter yet")
    asked = [title.removeprefix("Exercise ") for title in headings(name) if title.startswith("Exercise ")]
    assert rows(name) == [re.sub(r"^(\d+): ", r"\1 ", title) for title in asked]


@pytest.mark.parametrize("name", [name for name in NOTEBOOKS if "/solutions/" in name])
def test_solutions_can_be_left_out(name: str) -> None:
    assert any("### BEGIN SOLUTION" in cell.source for cell in cells(name, "code"))
    stripped = student.without_solutions(copy.deepcopy(notebook(name)))
    assert not [cell for cell in stripped.cells if re.search("(BEGIN|END) SOLUTION", cell.source)]


@each_chapter
def test_the_student_edition_does_not_speak_of_solutions(name: str) -> None:
    assert "solutions/" in str(notebook(name))
    stripped = student.without_solutions(copy.deepcopy(notebook(name)))
    texts = [cell.source for cell in stripped.cells if cell.cell_type == "markdown"]
    assert not [text for text in texts if re.search(r"[Ss]olutions\b.* (are|stand)\b|solutions/", text)]


@each_chapter
def test_links_of_a_class_lead_to_pages(name: str) -> None:
    """The notebooks of the edition lie beside `pages`, which has what the book has, solutions aside."""
    stems = {Path(chapter).name for chapter in CHAPTERS}
    laid = student.to_work_in(student.without_solutions(copy.deepcopy(notebook(name))), stems)
    text = "\n".join(cell.source for cell in laid.cells if cell.cell_type == "markdown")
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not urlsplit(link).scheme]
    others = [link for link in links if not link.startswith("#") and urlsplit(link).path[:-6] not in stems]
    assert not [link for link in others if not link.startswith("pages/book/")]
    inside = [link.removeprefix("pages/book/") for link in others]
    assert not list(filter(None, (fault_of_link(html(name), link) for link in inside)))


@each_notebook
def test_notebook_is_run_alone(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nbval executes: only the notebook, in an empty folder, and a cell that insists on the wheel."""
    monkeypatch.setattr(alone, "ALONE", tmp_path)
    laid = alone.lay(ROOT / f"{name}.ipynb")
    assert list(laid.parent.iterdir()) == [laid]
    *copied, check = nbformat.read(laid, as_version=4).cells
    assert copied == notebook(name).cells
    assert check.source == f"assert l2l.__file__.startswith({str(alone.SITE)!r}), l2l.__file__"
