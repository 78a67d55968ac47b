"""The Playground as a user uses it, in a real browser."""

import os
import re
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from playwright.sync_api import expect, sync_playwright

from bnviz import train
from bnviz.comparison import Comparison
from bnviz.figures.story import readouts
from tests.browser import CHROMIUM, FLAGS, Server

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
expect.set_options(timeout=180_000)

if CHROMIUM is None:
    if os.environ.get("BNVIZ_REQUIRE_BROWSER"):
        pytest.fail("no Chromium or Chrome found, and BNVIZ_REQUIRE_BROWSER is set", pytrace=False)
    pytest.skip("no Chromium or Chrome found: the browser tests are skipped", allow_module_level=True)

SCREENSHOTS = Path(__file__).parent / "screenshots"
SHORT = "?hidden=16-16&steps=1200&batch_size=20"


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
    """Opens a link in a fresh profile; at the end the page must have had no errors and no outside request."""
    contexts, problems = [], []

    def opener(query="", width=1440, height=1000, theme="light"):
        context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(180_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: _note_outside(request.url, server.url, problems))
        page.goto(f"{server.url}/{query}")
        expect(button(page, "Play")).to_be_enabled()
        return page

    yield opener
    for context in contexts:
        context.close()
    assert problems == []


def _note_outside(url, base, problems):
    if not url.startswith((base, base.replace("http", "ws"), "data:", "blob:")):
        problems.append(f"request outside the server: {url}")


def button(page, name):
    return page.get_by_role("button", name=re.compile(f"^{name}"))


def step_shown(page):
    """The step that the bar names."""
    text = page.locator(".bnviz-bar").inner_text()
    return int(re.search(r"step ([\d,]+)", text)[1].replace(",", ""))


def set_speed(page, label):
    page.locator(".bnviz-bar").get_by_role("combobox", name="Speed").select_option(label=label)


def points(page, figure="bands"):
    """How many points each trace of a live figure has, by its place on the page."""
    return page.evaluate(
        """() => [...document.querySelectorAll('.bnviz-figure .js-plotly-plot, .bnviz-figure.js-plotly-plot')]
            .map((plot) => (plot._fullData ?? []).map((trace) => trace.x?.length ?? 0))"""
    )


def longest(page):
    return max((count for plot in points(page) for count in plot), default=0)


def wait_for_step(page, step):
    page.wait_for_function(
        """(step) => { const bar = document.querySelector('.bnviz-bar');
            const found = bar && bar.innerText.match(/step ([0-9,]+)/);
            return found && Number(found[1].replaceAll(',', '')) >= step; }""",
        arg=step,
        timeout=180_000,
    )


def wait_for_end(page):
    expect(button(page, "Play")).to_be_disabled()


def test_play_makes_the_bands_of_both_arms_grow_and_pause_holds_them(open_page):
    page = open_page(SHORT)
    button(page, "Play").click()
    wait_for_step(page, 60)
    expect(button(page, "Pause")).to_be_visible()
    early = longest(page)
    wait_for_step(page, 300)
    page.wait_for_timeout(1000)  # a figure follows the step by a fraction of a second
    assert longest(page) > early > 0
    readouts = page.locator(".bnviz-readouts").inner_text()
    assert "no normalization" in readouts
    assert "batch norm" in readouts
    button(page, "Pause").click()
    expect(button(page, "Play")).to_be_enabled()
    held = step_shown(page)
    page.wait_for_timeout(700)
    assert step_shown(page) == held < 1200


def test_single_steps_are_taken_and_reset_goes_back_to_none(open_page):
    page = open_page(SHORT + "&seed=1")
    page.get_by_role("button", name="Train a single step").click()
    wait_for_step(page, 1)
    page.get_by_role("button", name="Train a single step").click()
    wait_for_step(page, 2)
    assert step_shown(page) == 2
    page.get_by_role("button", name="Start again from step 0").click()
    page.wait_for_function("() => document.querySelector('.bnviz-bar').innerText.includes('step 0')")


def test_looking_back_moves_every_figure_and_goes_into_the_link(open_page):
    page = open_page(SHORT + "&seed=2")
    set_speed(page, "as fast as possible")
    button(page, "Play").click()
    wait_for_end(page)
    slider = page.get_by_role("slider")
    slider.focus()
    for _ in range(30):
        page.keyboard.press("ArrowLeft")
    bar = page.locator(".bnviz-bar")
    expect(bar).to_contain_text("looking back")
    at = int(re.search(r"looking back at step ([\d,]+)", bar.inner_text())[1].replace(",", ""))
    assert 0 < at < 1200
    page.wait_for_url(re.compile(rf"at={at}\b"))
    expect(page.locator(".bnviz-readouts")).to_contain_text(f"step {at:,}")
    page.get_by_role("button", name="Live").click()
    page.wait_for_url(lambda url: "at=" not in url)


def test_a_learning_rate_changed_mid_run_is_in_the_record_and_in_the_link(open_page):
    page = open_page(SHORT + "&seed=3")
    page.get_by_role("button", name="Train a single step").click()
    wait_for_step(page, 1)
    box = page.locator(".bnviz-bar").get_by_role("spinbutton")
    box.fill("0.05")
    button(page, "Apply").click()
    page.wait_for_url(re.compile(r"changes=1(%3A|:)learning_rate(%3A|:)0\.05"))


def numbers_trained_here(query):
    """What the readouts must say at the end, from the same two networks trained in this process."""
    comparison, _ = Comparison.salvage(dict(parse_qsl(query.lstrip("?"))))
    told = readouts([train(arm) for arm in comparison.arms])
    return [text for item in told for text in (f"{item.loss:.3f}", f"{100 * item.accuracy:.1f} %")]


def numbers_on(page):
    page.wait_for_timeout(1500)  # the last numbers come with the next question to the server
    return page.locator(".bnviz-number").all_inner_texts()


def test_a_link_gives_the_same_arms_and_the_numbers_that_a_script_gets(open_page):
    query = SHORT + "&activation=tanh&vary=learning_rate&a=0.1&b=1&seed=4"
    page = open_page(query + "&layer=2&unit=3")
    set_speed(page, "as fast as possible")
    button(page, "Play").click()
    wait_for_end(page)
    assert "learning rate 0.1" in page.locator(".bnviz-readouts").inner_text()
    assert numbers_on(page) == numbers_trained_here(query)
    again = open_page(page.url.removeprefix(page.url.partition("?")[0]))
    assert again.get_by_role("spinbutton", name="Unit").input_value() == "3"
    button(again, "Play").click()
    expect(again.locator(".bnviz-bar")).to_contain_text("trained earlier")
    wait_for_end(again)
    assert numbers_on(again) == numbers_on(page)


def test_zoom_and_a_hidden_legend_entry_survive_updates(open_page):
    page = open_page(SHORT + "&seed=5")
    set_speed(page, "50 a second")
    button(page, "Play").click()
    wait_for_step(page, 20)
    plot = page.locator(".js-plotly-plot").first
    page.evaluate("() => { window.first = document.querySelector('.js-plotly-plot'); }")
    area = plot.locator(".nsewdrag").first.bounding_box()
    page.mouse.move(area["x"] + 0.1 * area["width"], area["y"] + 0.2 * area["height"])
    page.mouse.down()
    page.mouse.move(area["x"] + 0.5 * area["width"], area["y"] + 0.8 * area["height"], steps=6)
    page.mouse.up()
    zoomed = page.evaluate("() => window.first.layout.xaxis.range.map(Number)")
    assert 0 < zoomed[0] < zoomed[1] < 1200
    plot.locator(".legendtoggle").first.click()
    page.wait_for_function("() => window.first._fullData.some((trace) => trace.visible === 'legendonly')")
    before = longest(page)
    wait_for_step(page, step_shown(page) + 60)
    page.wait_for_timeout(1000)
    assert longest(page) > before
    assert page.evaluate("() => window.first.isConnected")
    assert page.evaluate("() => window.first.layout.xaxis.range.map(Number)") == zoomed
    assert page.evaluate("() => window.first._fullData.some((trace) => trace.visible === 'legendonly')")


def test_nonsense_in_a_link_is_said_in_one_line(open_page):
    page = open_page("?learning_rate=banana&colour=blue")
    notice = page.locator(".st-key-ignored")
    expect(notice).to_contain_text("banana")
    expect(notice).to_contain_text("colour")
    assert "banana" not in page.url


def test_a_killed_trainer_costs_a_pause_and_no_number(open_page, server):
    query = SHORT + "&seed=6&dropout=0.1"
    page = open_page(query)
    button(page, "Play").click()
    wait_for_step(page, 200)
    server.trainers()[0].kill()
    wait_for_end(page)
    assert numbers_on(page) == numbers_trained_here(query)


def test_the_decision_boundary_of_two_dimensional_data_is_drawn(open_page):
    page = open_page("?dataset=circles&hidden=8-8&steps=300")
    button(page, "Play").click()
    wait_for_end(page)
    page.wait_for_function(
        """() => [...document.querySelectorAll('.js-plotly-plot')]
            .some((plot) => plot.data.some((trace) => trace.type === 'heatmap'))"""
    )


def test_nonsense_typed_into_a_control_is_said_and_the_default_stands_in(open_page):
    page = open_page()
    box = page.get_by_role("combobox", name=re.compile("Learning rate"))
    box.fill("fast")
    box.press("Enter")
    expect(page.locator(".st-key-ignored")).to_contain_text("fast")
    expect(button(page, "Play")).to_be_enabled()


def test_a_lab_is_predicted_run_and_scored(chromium, server):
    page = chromium.new_page()
    page.set_default_timeout(180_000)
    page.goto(f"{server.url}/labs?lab=figure-1&steps=1500")
    page.get_by_text("with batch norm", exact=True).first.click()
    page.get_by_role("button", name="Commit to it").click()
    button(page, "Play").click()
    verdict = page.locator(".st-key-labs-verdict")
    expect(verdict).to_contain_text("Not so. You said “with batch norm”")
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_page_fits_its_width_and_has_described_figures(open_page, width, theme):
    page = open_page(SHORT + "&seed=7", width=width, theme=theme)
    button(page, "Play").click()
    wait_for_step(page, 200)
    page.wait_for_function("() => document.querySelectorAll('.js-plotly-plot').length >= 2")
    page.wait_for_timeout(800)
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"playground-{width}-{theme}.png")
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth + 1")
    labels = page.evaluate(
        """() => [...document.querySelectorAll('.bnviz-figure')]
            .filter((node) => node.querySelector('.js-plotly-plot') || node.classList.contains('js-plotly-plot'))
            .map((node) => node.closest('[role=img]') || node.querySelector('[role=img]'))
            .map((node) => node?.getAttribute('aria-label'))"""
    )
    assert labels
    assert all(label and len(label) > 40 for label in labels)
