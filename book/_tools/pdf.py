"""Print the whole book, through the browser, into _build/book.pdf: run `make book` first."""

import sys
from pathlib import Path
from urllib.parse import urlsplit

import chromium
import yaml
from bs4 import BeautifulSoup, Tag
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
FOOTER = (
    '<p style="width: 100%; text-align: center; font: 8pt sans-serif; color: #555">'
    '<span class="pageNumber"></span></p>'
)
FRAME = """\
<!DOCTYPE html>
<html lang="en" data-theme="light">{head}
<body><main class="bd-main"><div class="bd-content"><div class="bd-article-container">
{articles}
</div></div></main></body></html>
"""


def pages() -> list[str]:
    """The book's pages in order."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [toc["root"], *(entry["file"] for part in toc.get("parts", []) for entry in part["chapters"])]


def inward(link: str, page: str, pages: list[str]) -> str:
    """The link of a page as the joined page needs it: to an article in it, or from the folder above."""
    url = urlsplit(link)
    if url.scheme or url.netloc or not (url.path or url.fragment):
        return link
    path = (HTML / page).parent / url.path if url.path else HTML / f"{page}.html"
    target = path.resolve().relative_to(HTML.resolve())
    other = str(target.with_suffix(""))
    if target.suffix == ".html" and other in pages:
        return f"#{url.fragment}--{other}"
    return str(target)


def article(page: str, pages: list[str]) -> tuple[Tag, Tag]:
    """Head and article of a page, with names that no other page has."""
    soup = BeautifulSoup((HTML / f"{page}.html").read_text(encoding="utf-8"), "html.parser")
    for tag in soup.select("[href], [src]"):
        name = "href" if tag.has_attr("href") else "src"
        tag[name] = inward(str(tag[name]), page, pages)
    found, head = soup.select_one("article.bd-article"), soup.head
    if found is None or head is None:
        sys.exit(f"{page} has no article")
    for link in found.select("a[href]"):
        if not str(link["href"]).startswith(("#", "http:", "https:", "mailto:")):
            link.unwrap()  # on paper a link to a file would name a folder of this machine
    for tag in found.select("[id]"):
        tag["id"] = f"{tag['id']}--{page}"
    found["id"] = f"--{page}"
    return head, found


def joined(pages: list[str]) -> str:
    """One page of all articles, with links between them."""
    both = [article(page, pages) for page in pages]
    # A page without formulas has not asked for MathJax.
    head = next((head for head, _ in both if "mathjax" in str(head).lower()), both[0][0])
    if head.title and both[0][0].title:
        head.title.string = both[0][0].title.get_text()
    for script in head.select("script"):
        if "mathjax" not in str(script).lower():
            script.decompose()  # the theme's scripts want its side bars, and choose a colour mode
    articles = "".join(str(found) for _, found in both)
    return FRAME.format(head=head, articles=articles)


def print_page(view: Page, source: Path, target: Path) -> None:
    """Print a file with its maths set and its folded parts open."""
    view.goto(source.as_uri())
    view.evaluate("async () => window.MathJax && await MathJax.startup.promise")
    view.evaluate("document.querySelectorAll('details').forEach(part => (part.open = true))")
    view.pdf(
        path=target,
        prefer_css_page_size=True,
        print_background=True,
        display_header_footer=True,
        header_template="<p></p>",
        footer_template=FOOTER,
        outline=True,
        tagged=True,
    )


def main() -> None:
    """Join, print, and leave only the PDF."""
    source, target = HTML / "_print.html", ROOT / "_build" / "book.pdf"
    source.write_text(joined(pages()), encoding="utf-8")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium.find(), args=["--no-sandbox"])
            view = browser.new_page(color_scheme="light")
            view.set_default_timeout(600_000)
            print_page(view, source, target)
    finally:
        source.unlink()
    print(f"The book on paper: {target}")


if __name__ == "__main__":
    main()
