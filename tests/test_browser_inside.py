"""The page "Inside" as a reader uses it, in a real browser."""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser import CHROMIUM, FLAGS, Server

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
expect.set_options(timeout=180_000)

if CHROMIUM is None:
    if os.environ.get("BNVIZ_REQUIRE_BROWSER"):
        pytest.fail("no Chromium or Chrome found, and BNVIZ_REQUIRE_BROWSER is set", pytrace=False)
    pytest.skip("no Chromium or Chrome found: the browser tests are skipped", allow_module_level=True)

SCREENSHOTS = Path(__file__).parent / "screenshots"
SMALL = "hidden=12-9&batch_size=20&step=10"
SECTIONS = ("arithmetic", "scale", "gradients", "companions", "inference", "maps")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server") / "log", BNVIZ_WORKERS="2")
    yield server
    assert server.stop() == []


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, server):
    """Opens a link to a section in a fresh profile; at the end the page must have had no errors."""
    contexts, problems = [], []

    def opener(query="", width=1440, height=1000, theme="light"):
        context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(180_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{server.url}/inside?{SMALL}&{query}")
        page.wait_for_selector(".bnviz-walk table, .bnviz-figure .main-svg")
        return page

    yield opener
    for context in contexts:
        context.close()
    assert problems == []


def current(page):
    return page.locator(".bnviz-turn [aria-current=step]")


def test_arrow_keys_and_buttons_turn_the_lines_and_the_link_follows(open_page):
    page = open_page()
    expect(current(page)).to_contain_text("1 the mini-batch")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(current(page)).to_contain_text("4 variance")
    page.wait_for_url(re.compile(r"line=4"))
    page.get_by_role("button", name="Forward").click()
    expect(current(page)).to_contain_text("5 ε")
    page.wait_for_url(re.compile(r"line=5"))
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Home")
    expect(current(page)).to_contain_text("1 the mini-batch")
    expect(page.get_by_role("button", name="Back")).to_be_disabled()


def test_the_page_keeps_its_height_from_line_to_line(open_page):
    page = open_page()
    heights = set()
    for _ in range(8):
        heights.add(page.evaluate("() => document.querySelector('.bnviz-walk').offsetHeight"))
        page.keyboard.press("ArrowRight")
    assert len(heights) == 1


def test_each_line_highlights_what_it_uses_and_what_it_computes(open_page):
    page = open_page("line=6")
    page.wait_for_selector("td.bnviz-made")
    parts = page.evaluate(
        """() => ['used', 'made'].map((kind) => {
            const marked = [...document.querySelectorAll(`.bnviz-walk .bnviz-${kind}[data-part]`)];
            return [...new Set(marked.map((node) => node.dataset.part))].sort();
        })"""
    )
    assert parts == [["deviation", "root"], ["x_hat"]]


def test_a_click_on_a_unit_follows_it_and_a_link_shows_the_same_numbers(open_page):
    page = open_page("line=8&layer=2")
    page.get_by_role("button", name="follow unit 5").click()
    page.wait_for_url(re.compile(r"unit=5"))
    expect(page.locator(".bnviz-sheet").nth(1)).to_contain_text("Unit 5")
    shown = page.locator(".bnviz-sheet").nth(1).inner_text()
    other = open_page(page.url.split("?")[1].replace(f"{SMALL}&", ""))
    expect(other.locator(".bnviz-sheet").nth(1)).to_contain_text("Unit 5")
    assert other.locator(".bnviz-sheet").nth(1).inner_text() == shown
    expect(current(other)).to_contain_text("8 plus β")


def test_the_switch_to_constant_statistics_shows_that_the_gradient_is_then_wrong(open_page):
    page = open_page("section=gradients")
    rows = page.locator(".bnviz-table").first.locator("tbody tr")
    expect(rows).to_have_count(6)
    expect(rows.nth(3).locator("td").nth(2)).to_contain_text("10⁻")
    page.get_by_text("As if the statistics were constants").click()
    page.wait_for_url(re.compile("constant=true"))
    expect(page.get_by_text("say otherwise")).to_be_visible()


def test_another_figure_is_drawn_into_the_same_place(open_page):
    page = open_page("section=inference")
    page.evaluate("() => { window.first = document.querySelector('.bnviz-figure .js-plotly-plot'); }")
    slider = page.get_by_role("slider", name=re.compile("Momentum"))
    slider.focus()
    slider.press("ArrowLeft")
    page.wait_for_url(re.compile(r"newest=0\.03"))
    page.wait_for_function("() => window.first.layout.title.text.includes('0.03')")
    assert page.evaluate("() => window.first.isConnected")


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_every_section_fits_its_width_and_describes_its_figures(open_page, section, width, theme):
    page = open_page(f"section={section}&line=4&examples=16", width=width, theme=theme)
    page.wait_for_timeout(1000)
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"inside-{section}-{width}-{theme}.png")
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth + 1")
    labels = page.evaluate(
        """() => [...document.querySelectorAll('.bnviz-figure [role=img]')]
            .map((node) => node.getAttribute('aria-label'))"""
    )
    assert all(label and len(label) > 60 for label in labels)
    assert labels or section == "arithmetic"
