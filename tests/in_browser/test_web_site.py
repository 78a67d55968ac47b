"""The web site opened from its folder, in a real browser: the step goes along, and what moves in the app moves here."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from bnviz.export.handouts.page import Around, shared_files
from bnviz.export.handouts.run_page import run_handout
from bnviz.runs.pool import run_job
from bnviz.site import pages
from bnviz.site.files import around_run
from bnviz.site.inside.looked import read
from bnviz.site.inside.page import inside_page
from bnviz.site.twins import Twin
from bnviz.tools.look.faults import accessibility_faults
from tests.in_browser.conftest import MOST_MILLISECONDS
from tests.recordings import pair, recording

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two places of the Playground, and two looks inside a layer."""
    root = tmp_path_factory.mktemp("site")
    for name, content in shared_files().items():
        (root / name).write_bytes(content)
    for folder in ("playground", "runs"):
        (root / folder).mkdir()
    places = [Twin(), Twin(rate=1.0)]
    for place, records in zip(places, (40, 25), strict=True):
        arms = [recording(item.experiment, records=records) for item in pair(hidden=(6, 5))]
        around = around_run(place.comparison, pages.playground_navigation(place, places))
        page = run_handout(arms, around=around)
        (root / "playground" / place.file).write_text(page, encoding="utf-8")
    for section in ("arithmetic", "sharing"):
        settings = {"section": section, "examples": "4", "step": "6", "hidden": "6-5"}
        found = read(settings)
        assert found is not None
        outcomes = {name: run_job(job) for name, job in found[0].jobs(found[1]).items()}
        page = inside_page(found[0], outcomes, settings, Around("../", pages.navigation("")))
        (root / "runs" / f"{section}.html").write_text(page, encoding="utf-8")
    return root


def opened(browser: Browser, file: Path, root: Path) -> Page:
    """A page of the site; errors, refusals and requests beyond its folder are noted in `page.trouble`."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(MOST_MILLISECONDS)
    trouble: list[str] = []
    page.trouble = trouble  # type: ignore[attr-defined]
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("console", lambda told: trouble.append(told.text) if told.type in ("error", "warning") else None)
    page.on(
        "request", lambda asked: None if asked.url.startswith(root.as_uri()) else trouble.append(asked.url)
    )
    page.goto(file.as_uri())
    return page


def test_the_step_is_in_the_address_and_goes_along_to_the_next_place(chromium: Browser, site: Path) -> None:
    page = opened(chromium, site / "playground" / Twin().file, site)
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    page.locator(".scrubber").focus()
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    told = page.locator(".step").inner_text()
    step = told.removeprefix("step ").split()[0].replace(",", "")
    page.wait_for_url(f"**#step={step}")
    page.locator(".choices dd").first.locator("a", has_text="1").last.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{Twin(rate=1.0).file}#step={step}")
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    shown = page.locator(".step").inner_text().removeprefix("step ").split()[0].replace(",", "")
    steps = page.evaluate("window.handout.data.steps")
    assert int(shown) == max(item for item in steps if item <= int(step))
    assert (
        page.locator(".choices dd").first.locator("a").first.evaluate("node => node.hash") == f"#step={step}"
    )
    assert page.trouble == []  # type: ignore[attr-defined]


def test_lines_turn_units_change_and_values_are_chosen_by_the_keyboard(chromium: Browser, site: Path) -> None:
    page = opened(chromium, site / "runs" / "arithmetic.html", site)
    expect(page.locator(".bnviz-turn [aria-current]")).to_contain_text("1")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".bnviz-turn [aria-current]")).to_contain_text("3")
    page.locator("[data-name='unit 4']").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-name='unit 4']")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".bnviz-turn [aria-current]")).to_contain_text("3")
    assert page.trouble == []  # type: ignore[attr-defined]
    assert accessibility_faults(page, Axe()) == []
    page = opened(chromium, site / "runs" / "sharing.html", site)
    expect(page.locator(".bnviz-block").first).to_contain_text("channel 1 of all 4 examples")
    page.locator(".bnviz-grid").first.focus()
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator(".bnviz-block").first).to_contain_text("channel 2 of all 4 examples")
    assert page.trouble == []  # type: ignore[attr-defined]
    assert accessibility_faults(page, Axe()) == []
