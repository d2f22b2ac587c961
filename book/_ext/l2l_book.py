"""Mends the theme, dresses the pages, and takes fonts from installed packages: no network is needed."""

import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import matplotlib
from l2l_dress import dress
from l2l_order import link_twin, number_pages, place
from sphinx.application import Sphinx
from sphinx.config import Config

MATHJAX = "mathjax/tex-chtml-full.js"
FONTS = "mathjax/output/chtml/fonts/woff-v2"
PLACEHOLDER = "YOUR_ORG/"  # no name on GitHub may hold an underscore, so nothing is behind such a link
SERIF = {"STIXGeneral.ttf", "STIXGeneralItalic.ttf", "STIXGeneralBol.ttf", "STIXGeneralBolIta.ttf"}
# Paper is white, whatever the screen is.
PAPER = """\
{
  const root = document.documentElement.dataset;
  let theme;
  addEventListener("beforeprint", () => { theme = root.theme; root.theme = "light"; });
  addEventListener("afterprint", () => { root.theme = theme; });
}"""
SIGNATURE = re.compile(r'<dl>\n<dd><em class="sig-param">.*?</dl>', re.DOTALL)


def configure(app: Sphinx, config: Config) -> None:
    """Load MathJax from the book itself; mend the colour mode and the empty second header."""
    config.mathjax_path = MATHJAX
    config.html_context["default_mode"] = "auto"  # the theme leaves it empty and then complains
    # Set here, because html_theme_options in _config.yml would delete the launch buttons.
    options = config.html_theme_options
    options["navbar_persistent"] = options["primary_sidebar_end"] = []
    options["logo"] = {"text": config.html_title, "alt_text": "A small loop within a large one"}
    app.add_js_file(None, body=PAPER)
    if without_address(options):
        app.tags.add("placeholder")  # :::{only} placeholder, and :::{only} not placeholder, in a page
        options["launch_buttons"] = {}
        options["use_repository_button"] = options["use_issues_button"] = False


def without_address(options: dict[str, Any]) -> bool:
    """Whether nobody can follow a link to the repository: its address is still the placeholder."""
    return PLACEHOLDER in options.get("repository_url", "")


def has_formulas(app: Sphinx, pagename: str) -> bool:
    """Whether a formula stands on the page itself."""
    return bool(app.env.get_domain("math").data["has_equations"].get(pagename))


def mend_page(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Drop scripts that the page does not use; mend what is not accessible."""
    # The live-code scripts are declared twice and never used. MathJax is wanted by every page above one
    # with formulas, such as the cover, and holds up the page's own scripts.
    useless = ["thebe"] if has_formulas(app, pagename) else ["thebe", "mathjax"]
    context["script_files"] = [
        script
        for script in context["script_files"]
        if not any(
            name in f"{script} {getattr(script, 'attributes', {}).get('body', '')}".lower()
            for name in useless
        )
    ]
    body = context.get("body", "")
    # Screen readers stumble over lists whose children are no list items ...
    body = body.replace('role="list" class="citation-list"', 'class="citation-list"')
    body = body.replace(' role="doc-biblioentry"', "")  # which ARIA has given up
    # ... and over signatures of several lines, written as definitions without terms.
    body = SIGNATURE.sub(lambda dl: re.sub(r"<(/?)d[ld]>", r"<\1div>", dl[0]), body)
    if doctree:
        body = link_twin(app, pagename, dress(body))
        body = body.replace("<h1>", place(app, pagename, doctree) + "<h1>", 1)
    context["body"] = body


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


def copy_serif(app: Sphinx, error: Exception | None) -> None:
    """Copy the text face for machines without one; matplotlib carries it."""
    if error or app.builder.format != "html":
        return
    target = Path(app.outdir) / "_static" / "fonts"
    target.mkdir(exist_ok=True)
    for name in SERIF:
        shutil.copy2(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, target / name)


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
    app.connect("write-started", number_pages)
    app.connect("build-finished", copy_mathjax)
    app.connect("build-finished", copy_serif)
    app.connect("autodoc-process-docstring", plain_prose, priority=100)
    app.connect("autodoc-skip-member", skip_fields)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
