"""Opens a view in a browser, brings it to its stage, takes its pictures and collects what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Error, Page

from bnviz.tools.look.faults import (
    MAIN,
    accessibility_faults,
    first_screen_faults,
    layout_faults,
    table_faults,
    text_faults,
)
from bnviz.tools.look.keyboard import keyboard_faults
from bnviz.tools.look.views import Size, View, address

OPEN_MILLISECONDS = 90_000
VERDICT_MILLISECONDS = 300_000
SETTLE_MILLISECONDS = 2500
"""In which a page that was opened, or made taller, draws all its figures."""

MOST_PIXELS = 9000
"""The tallest page that is taken whole."""


@dataclass(frozen=True)
class Visit:
    """A view as it was found. picture: its first screen."""

    view: View
    size: Size
    faults: tuple[str, ...]
    picture: Path


def visit(
    browser: Browser, base: str, view: View, size: Size, folder: Path, audit: Any, play_seconds: float
) -> Visit:
    """Look at one view at one size. Every fault is named once, with the view and the size."""
    context = browser.new_context(
        viewport={"width": size.width, "height": size.height},
        device_scale_factor=size.zoom,
        color_scheme=size.theme,
        has_touch=size.touch,
    )
    page = context.new_page()
    said: list[str] = []
    page.on(
        "console",
        lambda message: said.append(f"console: {message.text[:140]}") if _is_error(message) else None,
    )
    page.on("pageerror", lambda error: said.append(f"a script failed: {error}"))
    picture = folder / f"{view.name}-{size.name}.png"
    found: list[str] = []
    try:
        page.goto(address(base, view, size))
        page.wait_for_selector(view.ready, timeout=OPEN_MILLISECONDS)
        page.wait_for_timeout(SETTLE_MILLISECONDS)
        found += _bring_to_stage(page, view, size, play_seconds)
        page.screenshot(path=picture)
        found += text_faults(page)
        if view.stage == "opened":
            found += keyboard_faults(page)
        found += table_faults(page, audit)
        _make_whole(page, size)
        page.screenshot(path=folder / f"{view.name}-{size.name}-whole.png")
        found += layout_faults(page) + accessibility_faults(page, audit)
    except Error as error:
        found.append(str(error).splitlines()[0][:160])
        page.screenshot(path=picture)
    finally:
        context.close()
    found += said
    return Visit(view, size, tuple(dict.fromkeys(" ".join(item.split()) for item in found)), picture)


def _is_error(message: ConsoleMessage) -> bool:
    return message.type == "error"


def _bring_to_stage(page: Page, view: View, size: Size, play_seconds: float) -> list[str]:
    """Press what the view's stage asks for; returns what its first screen lacks."""
    if view.stage == "playing":
        _play(page)
        page.wait_for_timeout(int(1000 * play_seconds))
    elif view.stage == "done":
        return [*text_faults(page), *_to_the_verdict(page, lambda: _first_screen(page, view, size))]
    return _first_screen(page, view, size)


def _first_screen(page: Page, view: View, size: Size) -> list[str]:
    return first_screen_faults(page, *view.first_screen(size))


def _play(page: Page) -> None:
    button = page.get_by_role("button", name=re.compile("^Play")).first
    button.wait_for(timeout=OPEN_MILLISECONDS)
    if button.is_enabled():
        button.click()


def _to_the_verdict(page: Page, look: Callable[[], list[str]]) -> list[str]:
    """Answer a lab's question with the first option, or as its slider stands, and play it to the verdict."""
    answer = page.locator('button[kind="primary"]').first
    answer.wait_for(timeout=OPEN_MILLISECONDS)
    options = page.locator('[data-testid="stRadio"] [role="radiogroup"] label')
    if options.count():
        options.first.click()
        page.wait_for_timeout(1000)
    answer.click()
    _play(page)
    page.wait_for_timeout(SETTLE_MILLISECONDS)
    found = look()
    page.get_by_text("The rule", exact=False).first.wait_for(timeout=VERDICT_MILLISECONDS)
    page.wait_for_timeout(SETTLE_MILLISECONDS)
    return found


def _make_whole(page: Page, size: Size) -> None:
    """Make the window as tall as the page, so that every figure is drawn and seen."""
    tall: int = page.evaluate("(main) => document.querySelector(main)?.scrollHeight ?? 0", MAIN)
    page.set_viewport_size({"width": size.width, "height": max(size.height, min(tall + 20, MOST_PIXELS))})
    page.wait_for_timeout(SETTLE_MILLISECONDS)
