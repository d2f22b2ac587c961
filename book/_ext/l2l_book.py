"""Mends the theme and takes MathJax from an installed package: the book needs no network."""

import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

MATHJAX = "mathjax/tex-chtml-full.js"
FONTS = "mathjax/output/chtml/fonts/woff-v2"
SIGNATURE = re.compile(r'<dl>\n<dd><em class="sig-param">.*?</dl>', re.DOTALL)


def configure(app: Sphinx, config: Config) -> None:
    """Load MathJax from the book itself; mend the colour mode and the empty second header."""
    config.mathjax_path = MATHJAX
    config.html_context["default_mode"] = "auto"  # the theme leaves it empty and then complains
    # Set here, because html_theme_options in _config.yml would delete the launch buttons.
    config.html_theme_options["navbar_persistent"] = []


def mend_page(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Drop the live-code scripts, declared twice and never used; mend what is not accessible."""
    context["script_files"] = [
        script
        for script in context["script_files"]
        if "thebe" not in f"{script} {getattr(script, 'attributes', {}).get('body', '')}".lower()
    ]
    body = context.get("body", "")
    # Screen readers stumble over lists whose children are no list items ...
    body = body.replace('role="list" class="citation-list"', 'class="citation-list"')
    # ... and over signatures of several lines, written as definitions without terms.
    context["body"] = SIGNATURE.sub(lambda dl: re.sub(r"<(/?)d[ld]>", r"<\1div>", dl[0]), body)


def copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    """Copy one script and one set of fonts, 1.7 MB of the package's 24 MB."""
    if error or app.builder.format != "html":
        return
    package = find_spec("sphinx-mathjax-offline")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("the book needs sphinx-mathjax-offline: pip install '.[book]'")
    source, target = Path(package.origin).parent / "static", Path(app.outdir) / "_static"
    shutil.copytree(source / FONTS, target / FONTS, dirs_exist_ok=True)
    shutil.copy2(source / MATHJAX, target / MATHJAX)


def plain_prose(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are prose with `code`: escape what reStructuredText would take for markup."""
    for i, line in enumerate(lines):
        parts = re.split(r"(`[^`]+`)", line)  # odd parts are code
        parts[::2] = [re.sub(r"([*|_])", r"\\\1", part) for part in parts[::2]]
        parts[1::2] = [f"`{part}`" for part in parts[1::2]]
        lines[i] = "".join(parts)


def skip_fields(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leave out the fields of named tuples: the signature names them."""
    return True if (getattr(obj, "__doc__", None) or "").startswith("Alias for field") else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the repairs with Sphinx."""
    app.connect("config-inited", configure)
    app.connect("html-page-context", mend_page, priority=900)
    app.connect("build-finished", copy_mathjax)
    app.connect("autodoc-process-docstring", plain_prose, priority=100)
    app.connect("autodoc-skip-member", skip_fields)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
