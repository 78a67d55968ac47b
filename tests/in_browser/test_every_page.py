"""Every page and every lab's text as it is shown: the fast part of `make look`; the whole is slow."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

from bnviz.tools.load.server import Server
from bnviz.tools.look import faults
from bnviz.tools.look.keyboard import keyboard_faults
from bnviz.tools.look.views import PAGES, PLAY, SIZES, View, address
from bnviz.tools.look.visit import visit
from bnviz.web import assets

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


BY_NAME = {size.name: size for size in SIZES}
SETTLE_MILLISECONDS = 2500
IN_USE = [
    (view, BY_NAME[name])
    for view in PAGES
    for name in ("laptop-dark", "projector", *(("laptop", "phone") if view.stage == "playing" else ()))
]
"""The views in which something moves at every kind of screen; the others where they were not seen as they opened."""


def test_every_text_of_every_lab_and_lesson_is_set(chromium, tmp_path):
    with Server(tmp_path / "log", ("tests/in_browser/every_text.py",), "/_stcore/health") as server:
        page = chromium.new_page()
        page.goto(server.target.url)
        page.get_by_text("All texts are above.").wait_for(timeout=90_000)
        page.wait_for_timeout(SETTLE_MILLISECONDS)
        assert faults.text_faults(page) == []
        assert page.locator(".katex").count() > 20
        page.close()


ALIKE = ("playground-points", "inside-scale", "landscape-surface")
"""Views that are much like others of their page."""


def test_a_formula_over_two_lines_and_markup_are_noticed(chromium):
    page = chromium.new_page()
    page.set_content(
        '<div data-testid="stMain">$$ a = b<p>\\frac{1}{2}</p><p>**bold**</p><p>&lt;b&gt;</p>'
        '<span class="katex-error">\\bad</span><p>ValueError: no</p></div>'
    )
    assert len(faults.text_faults(page)) == 6
    page.close()


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(view, marks=pytest.mark.slow if view.name in ALIKE else (), id=view.name)
        for view in PAGES
    ],
)
@pytest.mark.parametrize(
    "size", ["laptop", *(pytest.param(name, marks=pytest.mark.slow) for name in ("phone", "zoomed"))]
)
def test_a_page_as_it_opens_has_no_fault(open_page, view, size):
    looks = BY_NAME[size]
    page = open_page(address("", view, looks).removeprefix("/"), looks.width, looks.height, looks.theme)
    for selector in (view.ready, *view.first):  # a busy machine takes its time
        page.wait_for_selector(selector)
    page.wait_for_timeout(SETTLE_MILLISECONDS)
    assert faults.text_faults(page) == []
    assert faults.layout_faults(page) == []
    assert faults.accessibility_faults(page, Axe()) == []
    assert faults.first_screen_faults(page, *view.first_screen(looks)) == []
    assert keyboard_faults(page) == []
    assert faults.table_faults(page, Axe()) == []


@pytest.mark.slow
@pytest.mark.parametrize(("view", "size"), IN_USE, ids=[f"{view.name}-{size.name}" for view, size in IN_USE])
def test_a_page_in_use_has_no_fault(chromium, server, tmp_path, view: View, size):
    assert visit(chromium, server.url, view, size, tmp_path, Axe(), play_seconds=6.0).faults == ()


FOCUS = """() => {
  const rgb = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = (colour) => {
    const [red, green, blue] = rgb(colour).map((part) => part / 255)
        .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const paper = light(getComputedStyle(document.querySelector('.stApp')).backgroundColor);
  let node = document.activeElement;
  const name = `${node.tagName} ${node.getAttribute('aria-label') ?? node.textContent.slice(0, 30)}`;
  for (let up = 0; node && up < 4; up += 1, node = node.parentElement) {
    const style = getComputedStyle(node), box = node.getBoundingClientRect();
    if (style.outlineStyle === 'solid' && parseFloat(style.outlineWidth) >= 2 && box.width > 4) {
      const line = light(style.outlineColor);
      return [name, (Math.max(line, paper) + 0.05) / (Math.min(line, paper) + 0.05)];
    }
  }
  return [name, 0];
}"""
"""What has the focus, and the contrast of the line around it to the page, 0 where there is none."""


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_play_is_the_first_stop_of_the_tab_key_and_each_stop_has_a_clear_outline(open_page, theme):
    page = open_page("", 1366, 768, theme)
    page.locator(".bnviz-play").wait_for()
    page.wait_for_timeout(SETTLE_MILLISECONDS)
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "Skip to Play"
    page.keyboard.press("Enter")
    assert page.evaluate("() => document.activeElement.getAttribute('aria-label')") == "Play"
    faint = []
    for _ in range(12):
        page.keyboard.press("Tab")
        name, contrast = page.evaluate(FOCUS)
        if contrast < 3:
            faint.append((name, contrast))
    page.evaluate("() => document.querySelector('.bnviz-skip').focus()")
    for _ in range(8):  # of the sidebar
        page.keyboard.press("Tab")
        name, contrast = page.evaluate(FOCUS)
        if contrast < 3:
            faint.append((name, contrast))
    assert faint == []


TALLER = """async (url) => {
  const { legendKept } = await import(url);
  const low = { height: 400, margin: { t: 130, b: 50 }, legend: { y: 1.25, x: 0 } };
  const above = ({ height, margin, legend }) => (legend.y - 1) * (height - margin.t - margin.b);
  return [low, legendKept({ ...low, height: 700 }, low)].map(above);
}"""
"""Pixels from the panels up to the legend of a figure, and of the same made taller."""


@pytest.mark.slow
def test_the_legend_of_a_figure_that_fills_the_screen_stays_between_its_heading_and_its_panels(open_page):
    page = open_page("about")
    page.get_by_role("heading", name="Glossary").wait_for()
    assert page.evaluate(TALLER, assets.url("/bnviz", "fitting.js")) == pytest.approx([55, 55])


@pytest.mark.slow
def test_on_a_phone_the_menu_closes_once_a_page_was_chosen_in_it(open_page):
    page = open_page("playground", 390, 844)
    menu = page.get_by_test_id("stSidebar")
    page.get_by_test_id("stExpandSidebarButton").click()
    page.wait_for_selector('[data-testid="stSidebar"][data-collapsed="false"]')
    menu.get_by_role("link", name="Labs").click()
    page.get_by_role("button", name="Figure 1").wait_for()
    page.wait_for_selector('[data-testid="stSidebar"][data-collapsed="true"]', state="attached")


@pytest.mark.slow
def test_nothing_moves_by_itself_for_those_who_asked_for_less_motion(open_page):
    page = open_page("")
    page.emulate_media(reduced_motion="reduce")
    page.locator(".bnviz-play").wait_for()
    durations = page.evaluate(
        "() => [...document.querySelectorAll('*')].map((node) => getComputedStyle(node))"
        ".flatMap((style) => [style.transitionDuration, style.animationDuration])"
    )
    assert max(float(text.removesuffix("s")) for item in durations for text in item.split(", ")) <= 0.001


@pytest.mark.slow
def test_at_twice_the_size_the_playground_has_its_bar_and_room_to_drag(open_page):
    page = open_page("", 683, 384)
    page.locator(".bnviz-play").wait_for()
    page.wait_for_timeout(SETTLE_MILLISECONDS)
    assert faults.layout_faults(page) == []
    assert faults.first_screen_faults(page, (PLAY, ".bnviz-scrubber", ".bnviz-where"), 0.0) == []
    assert page.evaluate("() => document.querySelector('.bnviz-scrubber').offsetWidth") >= 90
