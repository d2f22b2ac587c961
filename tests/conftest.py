"""What all tests share: one browser, one seed, and no test that fails because a machine was busy."""

from collections.abc import Iterator

import chromium
import matplotlib.pyplot as plt
import pytest
import torch
from hypothesis import settings
from playwright.sync_api import Browser, sync_playwright

settings.register_profile("without a clock", deadline=None)
settings.load_profile("without a clock")

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


@pytest.fixture(autouse=True)
def seed() -> None:
    """What a test draws from the global generator does not depend on the tests before it."""
    torch.manual_seed(0)


@pytest.fixture
def drawing() -> Iterator[None]:
    """Figures without a window, whose style and memory end with the test."""
    plt.switch_backend("agg")
    with plt.rc_context():
        yield
    plt.close("all")


@pytest.fixture(scope="module")  # for Playwright begins no second time beside one that runs
def browser() -> Iterator[Browser]:
    executable = chromium.find()
    if executable is None:
        pytest.fail("Chromium is missing: `make chromium` gets it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS.split(), timeout=0)
        yield browser
        browser.close()
