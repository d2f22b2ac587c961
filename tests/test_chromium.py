"""Chromium for the tests of the pages: what is there is used, else apt-get, else Playwright's download."""

import stat
from pathlib import Path

import chromium
import pytest
from playwright.sync_api import sync_playwright

RUNS, ASKS_FOR_A_SNAP = "exit 0", "exit 1"


def program(path: Path, does: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{does}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def installs(path: Path, *, log: Path) -> str:
    """What a stub does that only makes `path` a browser that runs."""
    return f'echo "$@" >> {log}; /bin/mkdir -p {path.parent}; echo "#!/bin/sh" > {path}; /bin/chmod +x {path}'


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH, with nothing but `env` in it; no root, no download, Playwright fails."""
    program(tmp_path / "bin" / "env", 'shift; exec "$@"')
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "downloads"))
    monkeypatch.setattr(chromium, "as_root", lambda: None)
    monkeypatch.setattr(chromium.sys, "executable", str(program(tmp_path / "python", "exit 1")))
    return tmp_path


def downloaded() -> Path:
    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path)


@pytest.mark.parametrize("name", chromium.NAMES)
def test_a_browser_on_path_is_used(bare: Path, name: str) -> None:
    path = program(bare / "bin" / name, RUNS)
    assert chromium.find() == str(path)
    chromium.main()


def test_a_browser_that_does_not_start_is_none(bare: Path) -> None:
    program(bare / "bin" / "chromium-browser", ASKS_FOR_A_SNAP)
    assert chromium.find() is None


def test_root_installs_the_package_after_an_update(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chromium, "as_root", list)
    install = installs(bare / "bin" / "chromium", log=bare / "log")
    program(bare / "bin" / "apt-get", f'[ "$2" = install ] || exit 0; {install}')
    assert [command[-1] for command in chromium.ways()] == ["update", "chromium", "chromium", "chromium"]
    chromium.main()
    assert (bare / "log").read_text() == "-qq install --no-install-recommends chromium\n"
    assert chromium.find() == str(bare / "bin" / "chromium")


@pytest.mark.parametrize("root", [None, []])
def test_without_the_package_playwright_downloads_one(
    bare: Path, monkeypatch: pytest.MonkeyPatch, root: list[str] | None
) -> None:
    monkeypatch.setattr(chromium, "as_root", lambda: root)
    path = downloaded()
    program(bare / "python", installs(path, log=bare / "log"))
    if root is not None:
        program(bare / "bin" / "apt-get", "exit 100")  # as where no such package exists
    chromium.main()
    assert (bare / "log").read_text() == "-m playwright install chromium\n"
    assert chromium.find() == str(path)


def test_where_nothing_helps_one_sentence_says_what_to_do(bare: Path) -> None:
    with pytest.raises(SystemExit, match="install the package `chromium`"):
        chromium.main()
