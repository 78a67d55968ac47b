"""The waiting times of one browser: the first paint of each page, the first band after a click, and updates."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bnviz.tools.bench.readings import Reading, Section, Setting
from bnviz.tools.load.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

NO_BROWSER = "What a browser sees was not measured: it needs Chromium or Chrome, and pip install playwright."
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
PAGES = ("", "labs", "inside", "class", "runs", "about")
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
WORDS = ".bnviz-intro, .stMain h1, .stMain h2, .stMain p"
BANDS = "[class*='overview'] .js-plotly-plot"
COUNT = """(selector) => {
    window.bnvizBands = 0;
    document.querySelector(selector).on('plotly_afterplot', () => { window.bnvizBands += 1; });
}"""
"""Counts how often the bands are drawn."""


class BrowserMissingError(Exception):
    """There is no browser, or no package to drive it."""


def in_browser(setting: Setting) -> Section:
    """Milliseconds and updates a second of one browser. Raises BrowserMissingError."""
    repeats = setting.repeats
    painted: dict[str, list[float]] = {name: [] for name in PAGES}
    drawn: dict[str, list[float]] = {name: [] for name in PAGES}
    clicks, updates = [], []
    with tempfile.TemporaryDirectory() as folder, _browser() as browser:
        home = {"BNVIZ_HOME": str(Path(folder) / "home")}
        with Server(Path(folder) / "log", environment=home) as server:
            for repeat in range(repeats + 1):
                for name in PAGES:
                    paint, whole = _open(browser, f"{server.target.url}/{name}")
                    if repeat:  # the first visit imports the modules of the page
                        painted[name].append(paint)
                        drawn[name].append(whole)
                first_band, rate = _play(browser, f"{server.target.url}/?seed={repeat}", setting.seconds)
                if repeat:
                    clicks.append(first_band)
                    updates.append(rate)
    readings = [
        Reading("ms from the click on Play to the first band that moves", tuple(clicks)),
        Reading("updates of the bands a second", tuple(updates)),
    ]
    for name in PAGES:
        title = name or "playground"
        readings.append(
            Reading(f"ms to the first paint of {title}, with an empty cache", tuple(painted[name]))
        )
        readings.append(Reading(f"ms until {title} says what it is about", tuple(drawn[name])))
    return Section("One browser", readings)


@contextmanager
def _browser() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise BrowserMissingError(NO_BROWSER) from error
    if program is None:
        raise BrowserMissingError(NO_BROWSER)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def _open(browser: Browser, url: str) -> tuple[float, float]:
    """Milliseconds to the first paint and to the page's first words, with an empty cache."""
    with _page(browser) as page:
        started = time.perf_counter()
        page.goto(url, wait_until="commit")
        page.wait_for_selector(WORDS, timeout=60_000)
        whole = 1000 * (time.perf_counter() - started)
        return float(page.evaluate(FIRST_PAINT)), whole


def _play(browser: Browser, url: str, seconds: float) -> tuple[float, float]:
    """Milliseconds from Play to a second drawing of the bands, and drawings a second in the `seconds` from then on."""
    with _page(browser) as page:
        page.goto(url)
        page.wait_for_selector(BANDS, timeout=60_000)
        page.evaluate(COUNT, BANDS)
        started = time.perf_counter()
        page.get_by_role("button", name="Play").first.click()
        page.wait_for_function("window.bnvizBands > 0", timeout=120_000)
        first = 1000 * (time.perf_counter() - started)
        before, began = page.evaluate("window.bnvizBands"), time.perf_counter()
        page.wait_for_timeout(1000 * seconds)
        return first, (page.evaluate("window.bnvizBands") - before) / (time.perf_counter() - began)


@contextmanager
def _page(browser: Browser) -> Iterator[Page]:
    # The pages' security policy forbids `eval`, by which Playwright waits for conditions.
    context = browser.new_context(viewport={"width": 1440, "height": 900}, bypass_csp=True)
    try:
        yield context.new_page()
    finally:
        context.close()
