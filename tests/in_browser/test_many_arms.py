"""Five networks at once on the Playground, in a real browser: all in view while they train, and told apart."""

import re

import pytest
from playwright.sync_api import expect

from bnviz.experiment.comparison import FAMILY
from tests.in_browser.conftest import button

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

FIVE = "&".join(f"{letter}={value}" for letter, value in zip("abcde", FAMILY, strict=True))
QUICK = f"?hidden=12-12-12&steps=200&batch_size=20&speed=max&vary=normalizer&{FIVE}"

HEADINGS = """() => [...document.querySelectorAll('.bnviz-fill .annotation-text-g')]
    .map((node) => [node.textContent, node.getBoundingClientRect()])
    .filter(([text]) => /^[A-E] · .*accuracy [0-9.]+%/.test(text))
    .map(([text, {left, right, top, bottom}]) => ({text, left, right, top, bottom}))"""

OVERLAPS = """() => {
    const boxes = [...document.querySelectorAll('.bnviz-fill :is(.annotation-text-g, .xtick, .ytick)')]
        .map((node) => [node.textContent, node.getBoundingClientRect()]).filter(([text, box]) => text && box.width);
    const over = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
        && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 0.3 * Math.min(a.height, b.height); // more than air
    return boxes.flatMap(([text, a], i) =>
        boxes.slice(i + 1).filter(([, b]) => over(a, b)).map(([other]) => [text, other]));
}"""

MEDIANS = """() => [...document.querySelectorAll('.bnviz-fill .js-plotly-plot')]
    .flatMap((plot) => plot._fullData).filter((trace) => (trace.name ?? '').endsWith('median'))
    .map((trace) => [trace.name[0], trace.line.dash, trace.x.length])"""


BOTTOMS = """() => [...document.querySelectorAll('.bnviz-fill .js-plotly-plot')].flatMap((plot) => plot._fullData
    .filter((trace) => (trace.name ?? '').endsWith('median'))
    .map((trace) => plot._fullLayout[`yaxis${trace.yaxis.slice(1)}`])
    .map((axis) => plot.getBoundingClientRect().top + axis._offset + axis._length))"""


@pytest.mark.parametrize(
    ("width", "height", "more"), [(1366, 768, ""), (1280, 720, "&view=projector"), (390, 844, "")]
)
def test_the_numbers_and_bands_of_five_networks_are_on_the_first_screen(open_page, width, height, more):
    page = open_page(QUICK + more, width=width, height=height)
    button(page, "Play").click()
    page.wait_for_function(f"() => ({HEADINGS})().length === 5")
    expect(button(page, "Play")).to_be_disabled()
    page.wait_for_function(f"() => ({MEDIANS})().length === 15")
    medians = page.evaluate(MEDIANS)
    assert len({dash for _, dash, _ in medians}) == 5
    assert len({(letter, dash) for letter, dash, _ in medians}) == 5
    headings = page.evaluate(HEADINGS)
    assert [item["text"][0] for item in headings] == list("ABCDE")
    bar = page.locator(".bnviz-bar").bounding_box()
    end = bar["y"] if bar["y"] > height / 2 else height
    assert max(page.evaluate(BOTTOMS)) <= end
    for item in headings:
        assert 0 <= item["left"] < item["right"] <= width
        assert 0 <= item["top"] < item["bottom"] <= end
    assert page.evaluate(OVERLAPS) == []


def test_a_value_that_is_too_long_for_its_box_stands_below_it(open_page):
    values = ("batch-no-affine", "ghost-batch", "weight-standardized", "batch-renorm", "rms")
    named = "&".join(f"{letter}={value}" for letter, value in zip("abcde", values, strict=True))
    page = open_page(f"?vary=normalizer&{named}", width=1366, height=768)
    for words in (
        "A: Batch normalization without γ, β",
        "C: Weight standardization with group normalization",
    ):
        expect(page.get_by_test_id("stSidebar").get_by_text(words)).to_be_visible()


def test_arms_are_added_and_removed_and_one_of_them_gets_another_learning_rate(open_page):
    page = open_page("?hidden=8-8&steps=20000&batch_size=20")
    for letter in "CDE":
        button(page, f"Add {letter}").click()
        page.wait_for_url(re.compile(f"[?&]{letter.lower()}="))
    expect(page.get_by_role("combobox", name="E", exact=True)).to_have_value("RMS normalization")
    button(page, "Remove E").click()
    page.wait_for_url(lambda url: "&d=" in url and "&e=" not in url)
    expect(button(page, "Play")).to_be_enabled()
    page.get_by_role("button", name="Train a single step").click()
    expect(page.locator(".bnviz-bar")).to_contain_text("step 1 ")
    button(page, "Change the learning rate").click()
    which = page.get_by_role("combobox", name="For which network")
    assert which.locator("option").all_text_contents()[0] == "for all"
    assert which.locator("option").count() == 5
    which.select_option(label="for C · layer norm")
    page.locator(".bnviz-bar").get_by_role("spinbutton").fill("0.05")
    button(page, "Apply").click()
    page.wait_for_url(re.compile(r"changes_c=1(%3A|:)learning_rate(%3A|:)0\.05"))
