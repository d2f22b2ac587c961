"""Execute notebooks and store them in one canonical form: two recordings give identical bytes."""

import argparse
import os
import sys
from base64 import b64decode, b64encode
from io import BytesIO
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, DeadKernelError
from nbformat import NotebookNode
from PIL import Image

from l2l_lite import demos

BOOK = Path(__file__).resolve().parents[1]
THREADS = "1"  # as in `make test`: float sums depend on the number of threads
WIDGET = "application/vnd.jupyter.widget-view+json"
NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
CELL_METADATA = ("mystnb", "tags")


def notebooks() -> list[Path]:
    """Every chapter and solution of the book, in the order of their names."""
    return sorted(BOOK.glob("*.ipynb")) + sorted(BOOK.glob("solutions/*.ipynb"))


def execute(notebook: NotebookNode, folder: Path) -> None:
    """Run every cell in `folder`; raise RuntimeError naming the cell that failed and its error."""
    running = {"cell": 0}
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=600,
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(folder)}},
        on_cell_start=lambda cell, cell_index: running.update(cell=cell_index + 1),
    )
    try:
        client.execute()
    except (CellControlSignal, DeadKernelError) as error:
        name = getattr(error, "ename", type(error).__name__)
        text = getattr(error, "evalue", str(error)).partition("\n")[0]
        raise RuntimeError(f"cell {running['cell']} fails with {name}: {text}") from None


def normalise(notebook: NotebookNode) -> None:
    """Keep what a reader sees; drop ids, timings and widget state that change from run to run."""
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata = nbformat.from_dict(NOTEBOOK_METADATA)
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number:02d}"
        cell.metadata = {key: cell.metadata[key] for key in CELL_METADATA if key in cell.metadata}
        if cell.cell_type == "code":
            # A widget without its live kernel is an empty box, and its id is random.
            cell.outputs = [out for out in cell.outputs if WIDGET not in out.get("data", {})]
            for data in (out.data for out in cell.outputs if "text/html" in out.get("data", {})):
                data["text/html"] = demos.at_rest(data["text/html"])  # a page brings it to life
            for data in (out.data for out in cell.outputs if "image/png" in out.get("data", {})):
                kind, picture = lightest(data.pop("image/png"))
                data[kind] = picture


def lightest(png: str) -> tuple[str, str]:
    """The picture (base64) and its type, in the form that takes least space and looks alike.

    128 colours suit plots, and take half the space of all; JPEG suits photographs, whose colours are many.
    """
    picture = Image.open(BytesIO(b64decode(png)))
    if picture.mode == "P":  # done before; once more would change it again
        return "image/png", png
    colours = picture.convert("RGB")
    few = _encoded(colours.quantize(128, kmeans=1, dither=Image.Dither.NONE), "png", optimize=True)
    photo = _encoded(colours, "jpeg", quality=80, optimize=True)
    if len(photo) < 0.85 * len(few):
        return "image/jpeg", photo
    return "image/png", few if len(few) < len(png) else png


def _encoded(picture: Image.Image, kind: str, **settings: Any) -> str:
    file = BytesIO()
    picture.save(file, kind, **settings)
    return b64encode(file.getvalue()).decode()


def record(path: Path) -> None:
    """Execute one notebook and replace its file; the file is untouched when a cell fails."""
    notebook = nbformat.read(path, as_version=4)
    execute(notebook, path.parent)
    normalise(notebook)
    unfinished = path.with_suffix(".ipynb.part")
    nbformat.write(notebook, unfinished)
    os.replace(unfinished, path)


def main() -> None:
    """Record the notebooks named on the command line, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: the whole book")
    os.environ["OMP_NUM_THREADS"] = THREADS
    for path in parser.parse_args().notebooks or notebooks():
        try:
            record(path.resolve())
        except (OSError, RuntimeError, ValueError) as error:
            sys.exit(f"{path}: {error}")
        print(f"recorded {path}", flush=True)


if __name__ == "__main__":
    main()
