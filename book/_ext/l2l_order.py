"""Where a page stands in the book: its number, its part, its time, and its solutions."""

import re
from collections.abc import Iterator
from html import escape
from pathlib import PurePosixPath

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.builders import Builder
from sphinx.environment import BuildEnvironment

WORDS_A_MINUTE = 200
WORDS_A_LINE = 4  # a line of code takes as long as four words
HEADING = re.compile(
    r'<h[23]>(?P<name>[^<]*).*?<a class="headerlink" href="(?P<anchor>[^"]*)".*?</h[23]>', re.DOTALL
)
RUN = re.compile(r"\babout ((?:[\w-]+ ){1,3}?(?:second|minute|hour)s?)\b")


def number(page: str) -> int | None:
    """4 for book/04_learning_to_learn and for its solutions; None for a page without a number."""
    found = re.match(r"(\d\d)_", PurePosixPath(page).name)
    return int(found[1]) if found else None


def is_solution(page: str) -> bool:
    """Whether the page holds solutions."""
    return PurePosixPath(page).parent.name == "solutions"


def twin(page: str) -> str:
    """The page of a chapter's solutions, or the chapter of a page of solutions."""
    path = PurePosixPath(page)
    parent = path.parent.parent if is_solution(page) else path.parent / "solutions"
    return str(parent / path.name)


def last_number(env: BuildEnvironment) -> int:
    """The number of the last chapter; a book may still have gaps, so this is more than a count."""
    return max((number(page) or 0 for page in env.found_docs if not is_solution(page)), default=0)


def parts(env: BuildEnvironment) -> dict[str, list[str]]:
    """The pages of each part, by its caption."""
    trees = env.external_site_map.root.subtrees
    return {tree.caption: [str(item) for item in tree.items] for tree in trees}


# Numbers


def number_pages(app: Sphinx, builder: Builder) -> None:
    """Put numbers before titles and figures, after the environment is stored: they stay out of it."""
    env = app.env
    for page in filter(lambda page: number(page) is not None, env.found_docs):
        mark = nodes.inline("", f"{number(page)}", classes=["chapter-number"])
        entry = next(iter(env.tocs[page].findall(nodes.reference)))
        if is_solution(page):  # they stand below a caption that says what they are
            title = entry.astext().removeprefix("Solutions: ")
            entry.children = [nodes.Text(title)]
        else:
            env.titles[page] = env.titles[page].deepcopy()
            env.titles[page].insert(0, [mark.deepcopy(), nodes.Text(" ")])
        entry.insert(0, [mark, nodes.Text(" ")])
    for page in env.found_docs:
        number_figures(env, page)


def number_figures(env: BuildEnvironment, page: str) -> None:
    """Count figures, and whatever else has a number, by chapter, 4.1, 4.2, ..., or by page: 1, 2, ..."""
    chapter = () if number(page) is None else (number(page),)
    kinds = env.toc_fignumbers.get(page, {})
    for kind, numbers in kinds.items():
        kinds[kind] = {name: (*chapter, i) for i, name in enumerate(numbers, start=1)}


# Times


def _read(node: nodes.Node) -> Iterator[int]:
    """Words below the node; a line of code counts as several, what it printed and exercises as none."""
    if isinstance(node, nodes.Text):
        yield len(node.split())
    elif isinstance(node, nodes.literal_block):
        yield WORDS_A_LINE * len(node.astext().splitlines())
    elif isinstance(node, nodes.Element) and not _aside(node):
        for child in node.children:
            yield from _read(child)


def _aside(node: nodes.Element) -> bool:
    """Whether the time for the node is not the reader's of the page."""
    return "cell_output" in node.get("classes", ()) or "exercises" in node.get("ids", ())


def reading_minutes(doctree: nodes.document) -> int:
    """Minutes to read the page, to the next five."""
    return max(5, 5 * round(sum(_read(doctree)) / WORDS_A_MINUTE / 5))


def run_time(text: str) -> str | None:
    """What the sentence about CPUs at the top of a notebook says, such as "half a minute"."""
    for sentence in re.split(r"(?<=[.!?])\s", text.partition("import l2l_lite")[0]):
        found = RUN.search(sentence) if "CPU" in sentence else None
        if found:
            return found[1]
    return None


# Lines that are added to a page


def place(app: Sphinx, page: str, doctree: nodes.document) -> str:
    """HTML above the title: the parts of the method, and which chapter this is."""
    by_part = parts(app.env)
    here = next((caption for caption, pages in by_part.items() if page in pages), None)
    if here is None:
        return ""
    if is_solution(page):
        chapter = f"chapter {number(page)}"
        if twin(page) in app.env.found_docs:
            chapter = _link(app, page, twin(page), chapter)
        return f'<p class="l2l-line">Solutions to {chapter}</p>\n'
    if number(page) is None:
        return f'<p class="l2l-line">{escape(here)}</p>\n'
    crumbs = "".join(_crumb(app, page, caption, pages, here) for caption, pages in by_part.items())
    time = f"{reading_minutes(doctree)} minutes to read"
    run = run_time(doctree.astext())
    return (
        f'<nav class="l2l-parts" aria-label="Parts of the method"><ol>{crumbs}</ol></nav>\n'
        f'<p class="l2l-line"><strong>Chapter {number(page)} of {last_number(app.env)}</strong>'
        f" · {time}{f', {run} to run' if run else ''}</p>\n"
    )


def _crumb(app: Sphinx, page: str, caption: str, pages: list[str], here: str) -> str:
    """The item of one part of the method; nothing for parts without chapters."""
    if is_solution(pages[0]) or all(number(one) is None for one in pages):
        return ""
    current = ' aria-current="true"' if caption == here else ""
    return f"<li{current}>{_link(app, page, pages[0], escape(caption))}</li>"


def _link(app: Sphinx, page: str, target: str, text: str, anchor: str = "") -> str:
    """A link from one page to another, around a piece of HTML."""
    uri = app.builder.get_relative_uri(page, target)
    return f'<a href="{uri}{anchor}">{text}</a>'


def link_twin(app: Sphinx, page: str, body: str) -> str:
    """Link each exercise to its solution and back, where the book has both."""
    other = twin(page)
    if number(page) is None or other not in app.env.found_docs:
        return body
    anchors = {ref["anchorname"] for ref in app.env.tocs[other].findall(nodes.reference)}

    def add(heading: re.Match[str]) -> str:
        name, anchor = heading["name"], heading["anchor"]
        if name == "Exercises" and not is_solution(page):
            link = _link(app, page, other, "All solutions")
        elif (one := re.match(r"Exercise (\d+)", name)) and anchor in anchors:
            what = "Exercise" if is_solution(page) else "Solution"
            which = f'<span class="visually-hidden"> {one[1]}</span>'
            link = _link(app, page, other, what + which, anchor)
        else:
            return heading[0]
        return f'{heading[0]}\n<p class="l2l-twin">{link}</p>'

    return HEADING.sub(add, body)
