"""A lesson in a real browser: it asks, pauses, tells what is measured; and the same as files without a server."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from bnviz.experiment.job import Job
from bnviz.runs.pool import run_job
from bnviz.site.build import build
from bnviz.site.twins import Twin
from tests.in_browser.conftest import MOST_MILLISECONDS, Opener

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

PLOT = ".bnviz-figure .main-svg"


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    return page.evaluate(
        "() => [document.documentElement, document.querySelector('[data-testid=stMain]')]"
        ".reduce((most, part) => Math.max(most, part.scrollWidth - part.clientWidth), 0)"
    )


def test_the_lesson_pauses_where_it_says_and_the_run_answers_its_question(open_page: Opener) -> None:
    page = open_page("class?lesson=the-paper&part=6", width=1366, height=768)
    page.get_by_text("Less than half", exact=True).click()
    page.get_by_role("button", name="Lock in my answer").click()
    told = page.locator(".bnviz-told").last  # Streamlit keeps what it replaces until the script ends
    expect(told).to_contain_text("You said “Less than half”")
    text, picture = page.locator(".st-key-lesson").bounding_box(), page.locator(PLOT).first.bounding_box()
    assert text["x"] + text["width"] <= picture["x"]  # beside it, and both on the first screen
    assert picture["y"] < 400
    page.get_by_role("button", name="Play", exact=True).click()
    expect(page.locator(".bnviz-where")).to_contain_text("step 400")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    expect(told).to_contain_text("By step")
    expect(told).to_contain_text("✓ Right.")
    page.get_by_role("button", name="Smaller initial weights").click()
    expect(page.locator(".bnviz-where")).to_contain_text("step 400")  # trained without another press of Play
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("part 7 of 13")).to_be_visible()
    page.goto(page.url.partition("/labs")[0] + "/start")
    expect(page.get_by_role("button", name="Go on at part 7")).to_be_visible()


def test_on_a_phone_the_text_stands_above_and_nothing_is_wider_than_the_screen(open_page: Opener) -> None:
    page = open_page("class?lesson=the-paper&part=3", width=390, height=844)
    page.locator(PLOT).first.wait_for()
    text, picture = page.locator(".st-key-lesson").bounding_box(), page.locator(PLOT).first.bounding_box()
    assert text["y"] + text["height"] <= picture["y"]
    assert overflow(page) <= 0
    term = page.locator(".bnviz-term").first
    term.focus()
    expect(term.get_by_role("tooltip")).to_be_visible()
    page.get_by_role("button", name="Play", exact=True).click()
    expect(page.locator(PLOT).first).to_be_in_viewport(ratio=0.7)  # the text fills the first screen


def test_a_first_visitor_is_invited_once(open_page: Opener) -> None:
    page = open_page()
    line = page.locator(".bnviz-invitation")
    expect(line).to_be_visible()
    line.get_by_role("button").click()
    expect(line).to_be_hidden()
    page.reload()
    page.locator(PLOT).first.wait_for()
    expect(line).to_be_hidden()


def test_a_lesson_that_is_written_survives_the_tab(open_page: Opener) -> None:
    page = open_page("inside?step=20")
    page.get_by_role("button", name="Add to my lesson").click()
    page.get_by_text("Added to your lesson").wait_for()
    page.get_by_text("Class", exact=True).click()
    page.get_by_role("button", name="Write a lesson").click()
    expect(page.get_by_label("Opens the page")).to_have_value("inside?step=20")
    title = page.get_by_label("Title of the lesson")
    title.fill("Mine")
    title.press("Enter")
    expect(page.get_by_text("/class?lesson=mine")).to_be_visible()
    page.wait_for_function("() => (localStorage.getItem('bnviz.lesson-draft') ?? '').includes('Mine')")
    page.reload()
    expect(page.get_by_label("Title of the lesson")).to_have_value("Mine")
    expect(page.get_by_label("Opens the page")).to_have_value("inside?step=20")


def test_the_site_works_from_the_disk(chromium: Browser, tmp_path: Path) -> None:
    def train(jobs):  # type: ignore[no-untyped-def]
        return [run_job(Job(job.experiment.replace(steps=60))) for job in jobs]

    twins = [Twin(), Twin(rate=1.0)]
    build(tmp_path, train, lambda said: None, twins=twins, labs=[], lessons=["first-look"])
    page = chromium.new_context(viewport={"width": 1366, "height": 768}).new_page()
    page.set_default_timeout(MOST_MILLISECONDS)
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("console", lambda told: trouble.append(told.text) if told.type in ("error", "warning") else None)
    page.on("request", lambda asked: trouble.append(asked.url) if not asked.url.startswith("file:") else None)
    page.goto((tmp_path / "index.html").as_uri())
    page.get_by_role("link", name="Open the Playground").click()
    page.locator(".js-plotly-plot .main-svg").first.wait_for()
    page.get_by_role("link", name="1", exact=True).first.click()
    expect(page.locator("h1")).to_contain_text("learning rate 1,")
    page.locator(".js-plotly-plot .main-svg").first.wait_for()
    page.get_by_role("link", name="Contents").click()
    page.get_by_role("link", name="Two networks").click()
    page.frame_locator("iframe").locator(".js-plotly-plot .main-svg").first.wait_for()
    assert [item for item in trouble if not item.startswith(("data:", "blob:"))] == []
    page.context.close()
