"""The moving picture of the README: the Playground's first minute, recorded from a real run."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

SIZE = (1366, 768)
SHRUNK = (960, 540)
FRAMES = 48
EVERY_MILLISECONDS = 350
"""Between two frames while it trains; they are played at the same pace."""

STILL_MILLISECONDS = 2500
"""How long the last frame stands."""


def film(browser: Browser, base: str, out: Path) -> None:
    """Open the Playground, press Play, and write what is seen as an animated WebP of some hundred kilobytes."""
    page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]})
    page.goto(base)
    play = page.get_by_role("button", name="Play").first
    play.wait_for(timeout=90_000)
    page.wait_for_timeout(2500)
    frames = [_frame(page.screenshot())]
    play.click()
    page.mouse.move(5, 5)
    for _ in range(FRAMES):
        page.wait_for_timeout(EVERY_MILLISECONDS)
        frames.append(_frame(page.screenshot()))
    page.close()
    durations = [1200, *[EVERY_MILLISECONDS] * (FRAMES - 1), STILL_MILLISECONDS]
    frames[0].save(
        out, save_all=True, append_images=frames[1:], duration=durations, loop=0, quality=70, method=6
    )


def _frame(png: bytes) -> Image.Image:
    with Image.open(io.BytesIO(png)) as picture:
        return picture.convert("RGB").resize(SHRUNK, Image.Resampling.LANCZOS)
