"""One browser for all tests of this folder, started with the first and ended with the last."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from tests.browser import CHROMIUM, FLAGS, Server

MOST_MILLISECONDS = 300_000
"""A bound for what never comes; a busy machine takes its time."""

expect.set_options(timeout=MOST_MILLISECONDS)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("BNVIZ_REQUIRE_BROWSER"):
            pytest.fail("no Chromium or Chrome found, and BNVIZ_REQUIRE_BROWSER is set", pytrace=False)
        pytest.skip("no Chromium or Chrome found: the browser tests are skipped")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def profile(chromium: Browser) -> Iterator[BrowserContext]:
    """What all tests' pages are opened in: its cache spares all but the first to compile Streamlit and Plotly."""
    profile = chromium.new_context()
    profile.set_default_timeout(MOST_MILLISECONDS)
    yield profile
    profile.close()


Opener = Callable[..., Page]


@pytest.fixture
def open_page(profile: BrowserContext, server: Server) -> Iterator[Opener]:
    """Opens a path of the server as somebody new; at the end no page had an error or asked elsewhere."""
    pages: list[Page] = []
    problems: list[str] = []

    def note(url: str) -> None:
        if not url.startswith((server.url, server.url.replace("http", "ws"), "data:", "blob:")):
            problems.append(f"request outside the server: {url}")

    def opener(
        path: str = "", width: int = 1440, height: int = 1000, theme: Literal["light", "dark"] = "light"
    ) -> Page:
        page = profile.new_page()
        pages.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=theme)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(dialog.message))
        page.on("request", lambda request: note(request.url))
        page.goto(f"{server.url}/{path}")
        return page

    yield opener
    for page in pages:
        if not page.is_closed():
            page.evaluate("() => localStorage.clear()")
            page.close()
    profile.clear_cookies()
    assert problems == []


def button(page: Page, name: str) -> Locator:
    """The button whose name begins so."""
    return page.get_by_role("button", name=re.compile(f"^{name}"))
