"""Give the book its repository's address: python book/_tools/address.py OWNER/NAME."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = ("_config.yml", "CITATION.cff", "*.md", "book/**/*.md", "book/**/*.ipynb")


def current(root: Path = ROOT) -> str:
    """OWNER/NAME as _config.yml has it."""
    config = (root / "_config.yml").read_text(encoding="utf-8")
    address = re.search(r"^  url: https://github\.com/(\S+)$", config, re.MULTILINE)
    if address is None:
        raise ValueError("_config.yml has no line '  url: https://github.com/OWNER/NAME'")
    return address[1]


def change(new: str, root: Path = ROOT) -> list[Path]:
    """Replace the address wherever it stands; return the files that changed."""
    old, changed = current(root), []
    for path in sorted(path for pattern in FILES for path in root.glob(pattern)):
        text = path.read_text(encoding="utf-8")
        if old in text:
            path.write_text(text.replace(old, new), encoding="utf-8")
            changed.append(path)
    return changed


if __name__ == "__main__":
    if len(sys.argv) != 2 or not re.fullmatch(r"[\w.-]+/[\w.-]+", sys.argv[1]):
        sys.exit(__doc__)
    for changed_file in change(sys.argv[1]):
        print(changed_file.relative_to(ROOT))
