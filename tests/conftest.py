"""What all tests share: one browser, and no test that fails because a machine was busy."""

from collections.abc import Iterator

import chromium
import pytest
from hypothesis import settings
from playwright.sync_api import Browser, sync_playwright

settings.register_profile("without a clock", deadline=None)
settings.load_profile("without a clock")

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = chromium.find()
    if executable is None:
        pytest.fail("Chromium is missing: `make chromium` gets it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS.split())
        yield browser
        browser.close()
