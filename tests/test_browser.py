"""The Playground as a user uses it, in a real browser."""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser import CHROMIUM, FLAGS, Server

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
expect.set_options(timeout=60_000)

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
        page.set_default_timeout(60_000)
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
    page.locator(".bnviz-bar").get_by_label(re.compile("Speed", re.I)).select_option(label=label)


def points(page, figure="bands"):
    """How many points each trace of a live figure has, by its place on the page."""
    return page.evaluate(
        """() => [...document.querySelectorAll('.bnviz-figure .js-plotly-plot, .bnviz-figure.js-plotly-plot')]
            .map((plot) => plot.data.map((trace) => trace.x ? trace.x.length : 0))"""
    )


def longest(page):
    return max((count for plot in points(page) for count in plot), default=0)


def wait_for_step(page, step):
    page.wait_for_function(
        """(step) => { const bar = document.querySelector('.bnviz-bar');
            const found = bar && bar.innerText.match(/step ([0-9,]+)/);
            return found && Number(found[1].replaceAll(',', '')) >= step; }""",
        arg=step,
        timeout=60_000,
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
    page.wait_for_function("(count) => 1", arg=early)
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
    button(page, "Step").click()
    wait_for_step(page, 1)
    button(page, "Step").click()
    wait_for_step(page, 2)
    assert step_shown(page) == 2
    button(page, "Reset").click()
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
    expect(page.locator(".bnviz-bar")).to_contain_text("looking back")
    page.wait_for_url(re.compile(r"at=\d+"))
    at = int(re.search(r"at=(\d+)", page.url)[1])
    assert 0 < at < 1200
    page.wait_for_function(
        """(at) => document.querySelector('.bnviz-readouts').innerText.replaceAll(',', '').includes(`step ${at}`)""",
        arg=at,
    )


def test_a_learning_rate_changed_mid_run_is_in_the_record_and_in_the_link(open_page):
    page = open_page(SHORT + "&seed=3")
    button(page, "Step").click()
    wait_for_step(page, 1)
    box = page.locator(".bnviz-bar").get_by_label(re.compile("learning rate", re.I)).first
    box.fill("0.05")
    button(page, "Apply").click()
    page.wait_for_url(re.compile(r"changes=1(%3A|:)learning_rate(%3A|:)0\.05"))


def test_a_link_gives_the_same_page_and_the_same_numbers_elsewhere(open_page):
    query = SHORT + "&activation=tanh&vary=learning_rate&a=0.1&b=1&layer=2&unit=3&seed=4"
    words = []
    for _ in range(2):
        page = open_page(query)
        set_speed(page, "as fast as possible")
        button(page, "Play").click()
        wait_for_end(page)
        page.wait_for_timeout(1500)
        words.append(page.locator(".bnviz-readouts").inner_text())
        assert "learning rate 0.1" in words[-1]
    assert words[0] == words[1]


def test_zoom_and_a_hidden_legend_entry_survive_updates(open_page):
    page = open_page(SHORT + "&seed=5")
    set_speed(page, "50 a second")
    button(page, "Play").click()
    wait_for_step(page, 20)
    page.evaluate(
        """() => { const plot = document.querySelector('.bnviz-figure .js-plotly-plot, .bnviz-figure.js-plotly-plot');
            window.first = plot;
            return Plotly.relayout(plot, {'xaxis.range[0]': 10, 'xaxis.range[1]': 90, 'yaxis.range[0]': 0.05,
                                          'yaxis.range[1]': 0.6}); }"""
    )
    before = longest(page)
    wait_for_step(page, step_shown(page) + 60)
    assert longest(page) > before
    assert page.evaluate("() => window.first.isConnected")
    assert page.evaluate("() => window.first.layout.xaxis.range") == [10, 90]


def test_nonsense_typed_into_a_control_is_said_in_one_line(open_page):
    page = open_page("?learning_rate=banana&colour=blue")
    notice = page.locator(".st-key-ignored")
    expect(notice).to_contain_text("banana")
    expect(notice).to_contain_text("colour")
    assert "banana" not in page.url


def test_a_killed_trainer_costs_a_pause_and_no_number(open_page, server):
    queries = [SHORT + f"&seed={seed}&dropout=0.1" for seed in (6, 6)]
    words = []
    for index, query in enumerate(queries):
        page = open_page(query + ("&weight_decay=0" if index else ""))
        set_speed(page, "200 a second")
        button(page, "Play").click()
        if not index:
            wait_for_step(page, 200)
            server.trainers()[0].kill()
        wait_for_end(page)
        page.wait_for_timeout(1500)
        words.append(page.locator(".bnviz-readouts").inner_text())
    assert words[0] == words[1]


def test_the_decision_boundary_of_two_dimensional_data_is_drawn(open_page):
    page = open_page("?dataset=circles&hidden=8-8&steps=300")
    button(page, "Play").click()
    wait_for_end(page)
    page.wait_for_function(
        """() => [...document.querySelectorAll('.js-plotly-plot')]
            .some((plot) => plot.data.some((trace) => trace.type === 'heatmap'))"""
    )


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
