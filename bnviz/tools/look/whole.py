"""Look at everything, one view after the other, and tell what is wrong."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, sync_playwright

from bnviz.tools.load.server import Server
from bnviz.tools.look.film import film
from bnviz.tools.look.sheet import contact_sheet
from bnviz.tools.look.views import Size, View
from bnviz.tools.look.visit import Visit, visit

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser with an empty profile. Raises RuntimeError where there is no Chromium or Chrome."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        raise RuntimeError(f"no browser was found; any of {', '.join(BROWSERS)} will do")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def served() -> Iterator[str]:
    """The address of a server of our own, with nothing kept yet."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with Server(home / "log", environment={"BNVIZ_HOME": str(home / "home")}) as server:
            yield server.target.url


def look(
    views: Sequence[View], sizes: Sequence[Size], out: Path, base: str = "", play_seconds: float = 8.0
) -> Iterator[Visit]:
    """Look at each view at each size; the pictures and a contact sheet, sheet.png, are written to `out`.

    base: the address of a running server; "" starts one.
    """
    out.mkdir(parents=True, exist_ok=True)
    pictures: list[Path] = []
    audit = Axe()
    with _at(base) as url, chromium() as browser:
        for size in sizes:
            for view in views:
                found = visit(browser, url, view, size, out, audit, play_seconds)
                pictures.append(found.picture)
                yield found
    contact_sheet(pictures, out / "sheet.png")


def record(out: Path, base: str = "") -> None:
    """Write the README's moving picture. base: the address of a running server; "" starts one."""
    with _at(base) as url, chromium() as browser:
        film(browser, url, out)


@contextmanager
def _at(base: str) -> Iterator[str]:
    if base:
        yield base
    else:
        with served() as url:
            yield url
