"""Find a Chromium for the tests of the pages, and get one where there is none."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
HELP = (
    "make test opens the pages in Chromium and could not get it: install the package `chromium`, or Chrome, "
    "or run `sudo .venv/bin/python -m playwright install --with-deps chromium`"
)


def find() -> str | None:
    """The first browser that starts: one on PATH, else the one that Playwright has downloaded."""
    return next(filter(starts, candidates()), None)


def candidates() -> Iterator[str]:
    """Where a browser may be."""
    yield from filter(None, map(shutil.which, NAMES))
    with sync_playwright() as playwright:
        downloaded = playwright.chromium.executable_path
    yield downloaded


def starts(executable: str) -> bool:
    """Whether it runs at all: on Ubuntu the name may only ask for a snap, a download may lack libraries."""
    try:
        return subprocess.run([executable, "--version"], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def as_root() -> list[str] | None:
    """What to write before a command to run it as root without a password; None if that is impossible."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    asks = sudo is None or subprocess.run([sudo, "-n", "true"], capture_output=True).returncode
    return None if asks else ["sudo", "-n"]


def ways() -> Iterator[list[str]]:
    """Commands that may bring a browser, in the order in which to try them."""
    root, playwright = as_root(), [sys.executable, "-m", "playwright"]
    if root is not None and shutil.which("apt-get"):
        apt = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
        yield [*apt, "update"]
        yield [*apt, "install", "--no-install-recommends", "chromium"]
    yield [*playwright, "install", "chromium"]
    if root is not None:
        yield [*root, *playwright, "install-deps", "chromium"]  # libraries that the download may lack


def main() -> None:
    """Try every way until a browser starts."""
    attempts = ways()
    while not find():
        command = next(attempts, None)
        if command is None:
            sys.exit(HELP)
        print("Getting Chromium:", *command, flush=True)
        subprocess.run(command, stdout=subprocess.DEVNULL, check=False)


if __name__ == "__main__":
    main()
