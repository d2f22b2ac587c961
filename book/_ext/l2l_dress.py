"""What is done to the HTML of a page: marks in colour, figures that open large, no grader's comments."""

import re

MARKS = {"✓": "holds", "≈": "nearly", "✗": "fails", "?": "open", "○": "open", "=": "exact"}
MARKER = re.compile(
    r'(?:(?<=\n)|(?<=<span></span>))[ \t]*<span class="c1">### (?:BEGIN|END) SOLUTION</span>\n'
)
PRINTED = re.compile(
    r'(<div class="output [^>]*><div class="highlight"><pre>(?:<span></span>)?)(.*?)(?=</pre>)', re.DOTALL
)
VERDICT = re.compile(r"(?<=<p>)(\(?([✓≈✗?○=])\)?) <strong>(.*?)</strong>")
PICTURE = re.compile(r'<img [^>]*src="([^"]*_images/[^"]*)"[^>]*/?>')


def hide_markers(body: str) -> str:
    """Leave out the comments that tell nbgrader where a solution begins and ends."""
    return MARKER.sub("", body)


def colour_verdicts(body: str) -> str:
    """Colour the marks ✓ ≈ ✗ in what cells print, whole lines that begin with one, and verdicts in text."""
    body = PRINTED.sub(lambda printed: printed[1] + re.sub(r".+", _line, printed[2]), body)
    return VERDICT.sub(_verdict, body)


def _verdict(found: re.Match[str]) -> str:
    """A mark and its words."""
    marked, mark, words = found.groups()
    return f'<strong class="l2l-verdict l2l-{MARKS[mark]}">{marked} {words}</strong>'


def _line(line: re.Match[str]) -> str:
    """One printed line, with its mark in colour."""
    text = line[0]
    if text[0] in "✓≈✗" and "<" not in text:
        return f'<span class="l2l-{MARKS[text[0]]}">{text}</span>'
    return re.sub("[✓✗]", lambda mark: f'<span class="l2l-{MARKS[mark[0]]}">{mark[0]}</span>', text)


def enlarge_figures(body: str) -> str:
    """Make each figure a link to its picture, which a phone then shows as large as fingers want it."""
    link = r'<a class="l2l-figure" href="\1" title="Open the picture">\g<0></a>'
    return PICTURE.sub(link, body)


def dress(body: str) -> str:
    """All of it."""
    return enlarge_figures(colour_verdicts(hide_markers(body)))
