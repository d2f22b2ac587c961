"""A directive that puts a demo of the package on a page, ```{demo} race```, and what brings demos to life."""

from hashlib import sha256
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from l2l_lite import demos

DEMOS = {
    demo.__name__: demo for demo in (demos.race, demos.descent, demos.response, demos.messages, demos.price)
}


class ShowDemo(SphinxDirective):
    """The HTML that a recorded notebook holds for `l2l.demos.<name>()`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        if name not in DEMOS:
            raise self.error(f"there is no demo {name!r}; there are {', '.join(DEMOS)}")
        return [nodes.raw("", demos.at_rest(DEMOS[name]()._repr_html_()), format="html")]


def enliven(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Give a page with demos their style and their scripts, once."""
    context["body"] = demos.alive(context.get("body", ""))


def edition() -> str:
    """Another word whenever a file of the demos has changed, for then all pages have to be built anew."""
    files = sorted(Path(demos.__file__).parent.glob("*.*"))
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive with Sphinx."""
    app.add_directive("demo", ShowDemo)
    app.add_config_value("demo_edition", edition(), "env")
    app.connect("html-page-context", enliven, priority=950)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
