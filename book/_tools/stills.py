"""Draw the demos' still pictures, which stand where no script runs: a demo's map or chart at first sight."""

from io import BytesIO
from pathlib import Path

import chromium
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from l2l_lite import demos

FOLDER = Path(demos.__file__).parent
WIDTH, QUALITY = 300, 25  # every demo carries its picture along: it has to be small
# Without what costs bytes and says little at this size.
BARE = ":is(canvas, .hint, .casing, .dots, .contours path:nth-child(even)) { display: none !important }"


def still(page: Page, demo: demos.Demo) -> bytes:
    """The map or the last chart of a demo, as WebP."""
    page.set_content(f"<html data-theme='light'>{demo._repr_html_()}</html>")
    page.add_style_tag(content=BARE)
    file = BytesIO()
    shot = Image.open(BytesIO(page.locator(".l2l-demo :is(.map, .plot, .graph)").last.screenshot()))
    shot.convert("RGB").save(file, "WEBP", quality=QUALITY, method=6)
    return file.getvalue()


def main() -> None:
    """Write a picture for each demo into the package."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": 900})
        for demo in (demos.race(), demos.descent(), demos.response(), demos.messages(), demos.price()):
            (FOLDER / f"{demo.name}.webp").write_bytes(still(page, demo))
        browser.close()


if __name__ == "__main__":
    main()
