"""A directive that puts a demo of the package on a page: ```{demo} race```."""

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from l2l_lite import demos

DEMOS = {demo.__name__: demo for demo in (demos.race, demos.descent, demos.response, demos.price)}


class ShowDemo(SphinxDirective):
    """The HTML that a notebook would show for `l2l.demos.<name>()`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        if name not in DEMOS:
            raise self.error(f"there is no demo {name!r}; there are {', '.join(DEMOS)}")
        for file in Path(demos.__file__).parent.glob("*.*"):
            self.env.note_dependency(str(file))  # a page is built anew when the demo changes
        return [nodes.raw("", DEMOS[name]()._repr_html_(), format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive with Sphinx."""
    app.add_directive("demo", ShowDemo)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
