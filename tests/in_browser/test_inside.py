"""The page "Inside" as a reader uses it, in a real browser."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from bnviz.ui.inside.view import SECTIONS

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SCREENSHOTS = Path(__file__).parents[1] / "screenshots"
SMALL = "hidden=12-9&batch_size=20&step=10"
DRAWN = ".bnviz-walk table, .bnviz-figure .main-svg, .bnviz-sharing canvas"


@pytest.fixture
def inside(open_page):
    """Opens a link to a section of the page."""

    def opener(query="", **looks):
        page = open_page(f"inside?{SMALL}&{query}", **looks)
        page.wait_for_selector(DRAWN)
        return page

    return opener


def current(page):
    return page.locator(".bnviz-turn [aria-current=step]")


def parts(page):
    """What the shown line uses, and what it computes, as far as it is highlighted."""
    return page.evaluate(
        """() => ['used', 'made'].map((kind) => {
            const marked = [...document.querySelectorAll(`.bnviz-walk .bnviz-${kind}[data-part]`)];
            return [...new Set(marked.map((node) => node.dataset.part))].sort();
        })"""
    )


def test_keys_and_buttons_turn_the_lines_and_link_highlights_and_height_follow(inside):
    page = inside()
    expect(current(page)).to_contain_text("1 the mini-batch")
    expect(page.get_by_role("button", name="Back")).to_be_disabled()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(current(page)).to_contain_text("4 variance")
    page.wait_for_url(re.compile(r"line=4"))
    page.get_by_role("button", name="Forward").click()
    expect(current(page)).to_contain_text("5 ε")
    page.wait_for_url(re.compile(r"line=5"))
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("td.bnviz-made")
    assert parts(page) == [["deviation", "root"], ["x_hat"]]
    page.keyboard.press("Home")
    expect(current(page)).to_contain_text("1 the mini-batch")
    heights = set()
    for _ in range(8):
        heights.add(page.evaluate("() => document.querySelector('.bnviz-walk').offsetHeight"))
        page.keyboard.press("ArrowRight")
    assert len(heights) == 1


def test_a_click_on_a_unit_follows_it_and_a_link_shows_the_same_numbers(inside):
    page = inside("line=8&layer=2")
    page.get_by_role("button", name="follow unit 5").click()
    page.wait_for_url(re.compile(r"unit=5"))
    expect(page.locator(".bnviz-sheet").nth(1)).to_contain_text("Unit 5")
    shown = page.locator(".bnviz-sheet").nth(1).inner_text()
    other = inside(page.url.split("?")[1].replace(f"{SMALL}&", ""))
    expect(other.locator(".bnviz-sheet").nth(1)).to_contain_text("Unit 5")
    assert other.locator(".bnviz-sheet").nth(1).inner_text() == shown
    expect(current(other)).to_contain_text("8 plus β")


@pytest.mark.slow
def test_the_backward_pass_and_the_lines_of_a_relative_of_batch_normalization_are_set_in_full(inside):
    page = inside("section=gradients&backward_of=batch-renorm&step=150")
    rows = page.locator(".bnviz-table").first.locator("tbody tr")
    expect(rows).to_have_count(6)
    expect(page.get_by_text("r and d are constants to it")).to_be_visible()
    expect(page.locator(".bnviz-table").nth(1).locator("tbody math")).to_have_count(2)
    page.wait_for_selector(".bnviz-figure .main-svg")
    assert page.locator("merror, .katex-error").count() == 0
    assert "$$" not in page.locator("body").inner_text()
    page = inside("lines_of=batch-renorm&line=9&step=150")
    expect(page.locator(".bnviz-turn li")).to_have_count(11)
    expect(current(page)).to_contain_text("9 corrected x̂")
    assert parts(page) == [["d", "r", "x_hat"], ["corrected"]]


@pytest.mark.slow
def test_the_switch_to_constant_statistics_shows_that_the_gradient_is_then_wrong(inside):
    page = inside("section=gradients")
    rows = page.locator(".bnviz-table").first.locator("tbody tr")
    expect(rows).to_have_count(6)
    expect(rows.nth(3).locator("td").nth(2)).to_contain_text("10⁻")
    page.get_by_text("Treat μ and σ² as constants").click()
    page.wait_for_url(re.compile("constant=true"))
    expect(page.get_by_text("say otherwise")).to_be_visible()


@pytest.mark.slow
def test_another_figure_is_drawn_into_the_same_place(inside):
    page = inside("section=inference")
    page.evaluate("() => { window.first = document.querySelector('.bnviz-figure .js-plotly-plot'); }")
    slider = page.get_by_role("slider", name=re.compile("Momentum"))
    slider.focus()
    slider.press("ArrowLeft")
    page.wait_for_url(re.compile(r"newest=0\.03"))
    page.wait_for_function("() => window.first.layout.title.text.includes('0.03')")
    assert page.evaluate("() => window.first.isConnected")


SETTLED = """(least) => {
  const labels = [...document.querySelectorAll('.bnviz-figure [role=figure]')]
      .map((node) => node.getAttribute('aria-label'));
  return document.querySelector('[data-test-script-state=notRunning]')
      && labels.length >= least && labels.every((label) => label && label.length > 60);
}"""
"""Whether a page rests and describes its figures, at least so many."""


@pytest.mark.slow
@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_every_section_fits_its_width_and_describes_its_figures(inside, width, theme):
    page = inside("line=4&examples=16", width=width, theme=theme)
    SCREENSHOTS.mkdir(exist_ok=True)
    for section, name in SECTIONS.items():
        page.get_by_role("radio", name=name).click()
        page.wait_for_url(lambda url, section=section: ("section=" not in url) == (section == "arithmetic"))
        page.wait_for_function(SETTLED, arg=0 if section in ("arithmetic", "sharing") else 1)
        page.screenshot(path=SCREENSHOTS / f"inside-{section}-{width}-{theme}.png")
        assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth + 1")


@pytest.mark.slow
def test_a_value_that_is_pointed_at_shows_what_shares_with_it_and_keys_move_on(inside):
    page = inside("section=sharing&positions=false&second=layer")
    blocks = page.locator(".bnviz-block")
    expect(blocks.nth(0)).to_contain_text("8 values share: unit 1 of all 8 examples")
    expect(blocks.nth(1)).to_contain_text("12 values share: all 12 units of example 1")
    grid = blocks.nth(1).locator(".bnviz-grid")
    grid.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    expect(blocks.nth(0)).to_contain_text("unit 2 of all 8 examples")
    expect(blocks.nth(1)).to_contain_text("all 12 units of example 3")
    page.wait_for_url(re.compile(r"at=25"))
    expect(page.locator(".bnviz-sharing .bnviz-spoken")).to_contain_text("unit 2 of example 3")
    expect(grid).to_be_focused()
    shown = blocks.nth(0).inner_text()
    blocks.nth(0).locator("canvas").click(position={"x": 56, "y": 60})
    expect(blocks.nth(1)).to_contain_text("example 4")
    again = inside("section=sharing&positions=false&second=layer&at=25")
    expect(again.locator(".bnviz-block").nth(0)).to_contain_text("unit 2 of all 8 examples")
    assert again.locator(".bnviz-block").nth(0).inner_text() == shown
