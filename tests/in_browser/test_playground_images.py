"""The images below the Playground's figures, in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from tests.in_browser.conftest import button

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]
NETWORKS = (
    "?architecture=inception&hidden=8-12-16&steps=80&batch_size=20&activation=relu&init=kaiming&init_scale=1"
    "&learning_rate=0.02&seed=3"
)
TALL = 4500
"""Pixels in which the whole page is in sight: figures out of sight are not drawn."""
SQUARES = """(plot, first) => [...plot._fullData.slice(first, first + 8)]
    .map((trace) => Array.from(trace.z, (row) => Array.from(row)))"""


def figure(page, title):
    return page.locator(".js-plotly-plot").filter(has_text=title).filter(visible=True).first


@pytest.mark.parametrize("width", [1440, 390])
def test_filters_and_maps_follow_the_scrubber(open_page, width):
    page = open_page(NETWORKS + "&images=true&block=2&example=5&speed=max", width=width, height=TALL)
    expect(button(page, "Play")).to_be_enabled()
    button(page, "Play").click()
    expect(button(page, "Play")).to_be_disabled()
    button(page, "Show the latest step").click()
    filters, block = figure(page, "First filters"), figure(page, "Inside block 2")
    for shown in (filters, block):
        expect(shown).to_contain_text("step 80")
    last = filters.evaluate(SQUARES, 0)

    slider = page.get_by_role("slider")
    slider.focus()
    for _ in range(12):
        page.keyboard.press("ArrowLeft")
    bar = page.locator(".bnviz-bar")
    expect(bar).to_contain_text("training is at")
    at = int(re.search(r"step ([\d,]+), training", bar.inner_text())[1])
    assert 0 < at < 80
    page.wait_for_url(re.compile(rf"at={at}\b"))
    expect(figure(page, "Images as they enter")).to_contain_text(f"step {at}")
    for shown in (filters, block):
        expect(shown).to_contain_text(f"step {at}:")
    assert filters.evaluate(SQUARES, 0) != last
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
