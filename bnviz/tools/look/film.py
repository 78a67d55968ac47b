"""The moving picture of the README: the Playground's first minute, recorded from a real run."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

SIZE = (1366, 768)
SHRUNK = (960, 540)
FRAMES = 48
SPEED = 200
"""Steps a second, the Playground's first speed: the frames are played at it, however fast this computer trained."""

OPENED_MILLISECONDS, STILL_MILLISECONDS = 1200, 2500
"""How long the first and the last frame stand."""
POLL_MILLISECONDS, MOST_POLLS = 50, 12_000

_STEP = "document.querySelector('.bnviz-scrubber').valueAsNumber"
_STEPS = "Number(document.querySelector('.bnviz-scrubber').max)"


def film(browser: Browser, base: str, out: Path) -> None:
    """Open the Playground, press Play, and write what is seen as an animated WebP of some hundred kilobytes.

    A frame is taken whenever so many steps more are trained, so that a busy computer makes the same picture.
    """
    page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]})
    page.goto(base)
    play = page.get_by_role("button", name="Play").first
    play.wait_for(timeout=90_000)
    page.locator(".js-plotly-plot").first.wait_for(timeout=90_000)
    page.wait_for_timeout(2500)
    frames, steps = [_frame(page.screenshot())], [0]
    play.click()
    page.mouse.move(5, 5)
    _wait(page, 1)
    last = int(page.evaluate(_STEPS))
    while steps[-1] < last:
        due = min(last, steps[-1] + last // FRAMES)
        steps.append(_wait(page, due))
        frames.append(_frame(page.screenshot()))
    page.close()
    durations = [1000 * (after - before) // SPEED for before, after in itertools.pairwise(steps)]
    durations[0] += OPENED_MILLISECONDS
    frames[0].save(
        out,
        save_all=True,
        append_images=frames[1:],
        duration=[*durations, STILL_MILLISECONDS],
        loop=0,
        quality=70,
        method=6,
    )


def _wait(page: Page, due: int) -> int:
    """The step that is shown once it is `due` or later. Raises RuntimeError where it does not come.

    The page's policy forbids Playwright's own waiting, which compiles a text.
    """
    for _ in range(MOST_POLLS):
        step = int(page.evaluate(_STEP))
        if step >= due:
            return step
        page.wait_for_timeout(POLL_MILLISECONDS)
    raise RuntimeError(f"step {due:,} was not reached: training stands still")


def _frame(png: bytes) -> Image.Image:
    with Image.open(io.BytesIO(png)) as picture:
        return picture.convert("RGB").resize(SHRUNK, Image.Resampling.LANCZOS)
