"""The Playground as a user uses it, in a real browser."""

import io
import json
import re
from pathlib import Path
from urllib.parse import parse_qsl
from xml.etree import ElementTree

import pytest
from PIL import Image
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from playwright.sync_api import expect

from bnviz import train
from bnviz.experiment.comparison import Comparison
from bnviz.figures.story import readouts
from tests.in_browser.conftest import button

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
SCREENSHOTS = Path(__file__).parents[1] / "screenshots"
SHORT = "?hidden=16-16&steps=300&batch_size=20"
LONG = "?hidden=16-16&steps=20000&batch_size=20"
TALL = 3000
"""Pixels in which the whole page is in sight: figures out of sight are not drawn."""


@pytest.fixture
def playground(open_page):
    """Opens a link to the Playground."""

    def opener(query="", **looks):
        page = open_page(query, **looks)
        expect(button(page, "Play")).to_be_enabled()
        return page

    return opener


def step_shown(page):
    """The step that the bar names."""
    text = page.locator(".bnviz-bar").inner_text()
    return int(re.search(r"step ([\d,]+)", text)[1].replace(",", ""))


def set_speed(page, label):
    page.locator(".bnviz-bar").get_by_role("combobox", name="Speed").select_option(label=label)


def choose(page, box, label):
    """An option of a Streamlit list, which closes when the page is drawn again meanwhile; a person opens it again."""
    option = page.get_by_role("option", name=label, exact=True)
    for _ in range(20):
        box.click()
        box.fill(label)  # a long list holds only the options in view
        try:
            option.click(timeout=5_000)
        except PlaywrightTimeout:
            continue
        return
    pytest.fail(f"The list never offered {label}")


LONGEST = """() => Math.max(0, ...[...document.querySelectorAll('.bnviz-figure .js-plotly-plot')]
    .flatMap((plot) => (plot._fullData ?? []).map((trace) => trace.x?.length ?? 0)))"""
"""How many points the longest curve of the live figures has."""


def wait_for_longer(page, points):
    """A figure follows the step by a fraction of a second."""
    page.wait_for_function(f"(points) => ({LONGEST})() > points", arg=points)


def wait_for_step(page, step):
    page.wait_for_function(
        """(step) => { const bar = document.querySelector('.bnviz-bar');
            const found = bar && bar.innerText.match(/step ([0-9,]+)/);
            return found && Number(found[1].replaceAll(',', '')) >= step; }""",
        arg=step,
    )


def wait_for_end(page):
    expect(button(page, "Play")).to_be_disabled()


def test_it_plays_pauses_steps_takes_another_learning_rate_and_starts_again(playground):
    page = playground(LONG)
    button(page, "Play").click()
    wait_for_step(page, 60)
    wait_for_longer(page, 0)
    early = page.evaluate(LONGEST)
    wait_for_longer(page, early)
    readouts = page.locator(".bnviz-readouts").text_content()
    assert "no normalization" in readouts
    assert "batch norm" in readouts
    button(page, "Pause").click()
    expect(button(page, "Play")).to_be_enabled()
    held = step_shown(page)
    page.wait_for_timeout(700)
    assert step_shown(page) == held < 20_000
    for taken in (1, 2):
        page.get_by_role("button", name="Train a single step").click()
        wait_for_step(page, held + taken)
        assert step_shown(page) == held + taken
    button(page, "Change the learning rate").click()
    page.locator(".bnviz-bar").get_by_role("spinbutton").fill("0.05")
    button(page, "Apply").click()
    page.wait_for_url(re.compile(rf"changes={held + 2}(%3A|:)learning_rate(%3A|:)0\.05"))
    page.get_by_role("button", name="Start again from step 0").click()
    expect(page.locator(".bnviz-bar")).to_contain_text("step 0")


@pytest.mark.slow
def test_looking_back_moves_every_figure_and_goes_into_the_link(playground):
    page = playground(SHORT + "&seed=2")
    set_speed(page, "full speed")
    button(page, "Play").click()
    wait_for_end(page)
    slider = page.get_by_role("slider")
    slider.focus()
    for _ in range(30):
        page.keyboard.press("ArrowLeft")
    bar = page.locator(".bnviz-bar")
    expect(bar).to_contain_text("training is at")
    at = int(re.search(r"step ([\d,]+), training", bar.inner_text())[1].replace(",", ""))
    assert 0 < at < 300
    page.wait_for_url(re.compile(rf"at={at}\b"))
    expect(page.locator(".bnviz-readouts")).to_contain_text(f"step {at:,}")
    page.get_by_role("button", name="Live").click()
    page.wait_for_url(lambda url: "at=" not in url)


def numbers_trained_here(query):
    """What the readouts must say at the end, from the same two networks trained in this process."""
    comparison, _ = Comparison.salvage(dict(parse_qsl(query.lstrip("?"))))
    told = readouts([train(arm) for arm in comparison.arms])
    return [text for item in told for text in (f"{100 * item.accuracy:.1f} %", f"{item.loss:.3g}")]


def expect_numbers(page, numbers):
    """The last of them come with the next question to the server."""
    expect(page.locator(".bnviz-number")).to_have_text(numbers)


@pytest.mark.slow
def test_a_link_gives_the_same_arms_and_the_numbers_that_a_script_gets(playground):
    query = SHORT + "&activation=tanh&vary=learning_rate&a=0.1&b=1&seed=4"
    page = playground(query + "&layer=2&unit=3&speed=75")
    expect(page.locator(".bnviz-bar option:checked", has_text="75 steps/s")).to_have_count(1)
    set_speed(page, "full speed")
    button(page, "Play").click()
    wait_for_end(page)
    assert "learning rate 0.1" in page.locator(".bnviz-readouts").text_content()
    numbers = numbers_trained_here(query)
    expect_numbers(page, numbers)
    again = playground(page.url.removeprefix(page.url.partition("?")[0]))
    assert again.get_by_role("spinbutton", name="Unit").input_value() == "3"
    button(again, "Play").click()
    expect(again.locator(".bnviz-bar")).to_contain_text("trained earlier")
    wait_for_end(again)
    expect_numbers(again, numbers)


@pytest.mark.slow
def test_at_200_percent_the_picture_stands_beside_the_open_sidebar(playground):
    page = playground(width=683, height=384)
    page.get_by_test_id("stExpandSidebarButton").click()
    button(page, "Add C").click()
    expect(button(page, "Remove C")).to_be_visible()
    sidebar = page.get_by_test_id("stSidebar").bounding_box()
    edge = sidebar["x"] + sidebar["width"]
    assert edge > 250
    for part in (button(page, "Play"), page.locator(".js-plotly-plot").first):
        expect(part).to_be_visible()
        box = part.bounding_box()
        assert box["x"] >= edge
        assert box["x"] + box["width"] <= 683
    expect(page.locator(".bnviz-where")).to_be_in_viewport(ratio=1)


@pytest.mark.slow
def test_zoom_and_a_hidden_legend_entry_survive_updates(playground):
    page = playground(LONG + "&seed=5", height=TALL)
    set_speed(page, "50 steps/s")
    button(page, "Play").click()
    wait_for_step(page, 20)
    wait_for_longer(page, 0)
    page.get_by_role("tab", name="Accuracy").click()
    plot = page.locator(".js-plotly-plot", has=page.locator(".legendtoggle")).filter(visible=True).first
    expect(plot).to_be_visible()
    plot.evaluate("(plot) => { window.plot = plot; }")
    area = plot.locator(".nsewdrag").first.bounding_box()
    page.mouse.move(area["x"] + 0.1 * area["width"], area["y"] + 0.2 * area["height"])
    page.mouse.down()
    page.mouse.move(area["x"] + 0.5 * area["width"], area["y"] + 0.8 * area["height"], steps=6)
    page.mouse.up()
    zoomed = page.evaluate("() => window.plot.layout.xaxis.range.map(Number)")
    assert 0 < zoomed[0] < zoomed[1] < 20_000
    plot.locator(".legendtoggle").first.click()
    page.wait_for_function("() => window.plot._fullData.some((trace) => trace.visible === 'legendonly')")
    wait_for_longer(page, page.evaluate(LONGEST))
    assert page.evaluate("() => window.plot.isConnected")
    # The axis may have grown while the mouse moved: then the right end was its own and grows on.
    assert page.evaluate("() => Number(window.plot.layout.xaxis.range[0])") == zoomed[0]
    assert page.evaluate("() => window.plot._fullData.some((trace) => trace.visible === 'legendonly')")
    button(page, "Pause").click()


@pytest.mark.slow
def test_nonsense_in_a_link_or_typed_is_said_in_one_line_and_defaults_stand_in(playground):
    page = playground("?learning_rate=banana&colour=blue")
    notice = page.locator(".st-key-ignored")
    expect(notice).to_contain_text("banana")
    expect(notice).to_contain_text("colour")
    assert "banana" not in page.url
    box = page.get_by_role("combobox", name=re.compile("Learning rate(?! over time)"))
    box.fill("fast")
    box.press("Enter")
    expect(notice).to_contain_text("fast")
    expect(button(page, "Play")).to_be_enabled()


PRESETS = {
    "Deep, with ReLU": "activation=relu",
    "A careless start": "init_scale=0.01",
    "Two spirals": "dataset=spirals",
    "Deep, with ReLU again": "activation=relu",
}


@pytest.mark.parametrize(
    "between",
    [pytest.param(name, marks=pytest.mark.slow) for name in ("speed", "layer", "step", "looking back")],
)
def test_every_preset_chosen_is_the_one_that_trains_whatever_was_touched_before(playground, between):
    page = playground("?speed=max")
    box = page.get_by_role("combobox", name=re.compile("Start from"))
    for number, (label, parameter) in enumerate(PRESETS.items()):
        label = label.removesuffix(" again")
        choose(page, box, label)
        page.wait_for_url(lambda url, parameter=parameter: parameter in url and "at=" not in url)
        expect(box).to_have_value(label)
        expect(button(page, "Play")).to_be_enabled()
        if between == "speed":
            set_speed(page, ["10 steps/s", "50 steps/s"][number % 2])
            page.wait_for_url(re.compile(f"speed={[10, 50][number % 2]}"))
        elif between == "layer":
            layers = page.get_by_role("combobox", name="Layer", exact=True)
            choose(page, layers, f"layer {1 + number % 2}")
            page.wait_for_url(re.compile(f"layer={1 + number % 2}"))
        else:
            for step in (1, 2):
                page.get_by_role("button", name="Train a single step").click()
                wait_for_step(page, step)
        if between == "looking back":
            page.get_by_role("slider").focus()
            page.keyboard.press("ArrowLeft")
            page.wait_for_url(re.compile(r"at=\d"))
        expect(box).to_have_value(label)


@pytest.mark.slow
def test_a_field_varied_for_a_while_keeps_its_value_and_its_control(playground):
    page = playground("?learning_rate=0.03")
    vary = page.get_by_role("combobox", name=re.compile("A and B differ in"))
    rate = page.get_by_role("combobox", name=re.compile("Learning rate"))
    for label in ("Learning rate", "Normalization"):
        choose(page, vary, label)
        page.wait_for_url(lambda url, label=label: ("vary=" in url) == (label == "Learning rate"))
    expect(rate).to_have_value("0.03")
    assert "learning_rate=0.03" in page.url


@pytest.mark.slow
def test_a_killed_trainer_costs_a_pause_and_no_number(playground, server):
    query = "?hidden=16-16&steps=600&batch_size=20&seed=6&dropout=0.1"
    page = playground(query)
    button(page, "Play").click()
    wait_for_step(page, 100)
    server.trainers()[0].kill()
    wait_for_end(page)
    expect_numbers(page, numbers_trained_here(query))


@pytest.mark.slow
def test_the_decision_boundary_of_two_dimensional_data_is_drawn(playground):
    page = playground("?dataset=circles&hidden=8-8&steps=100&speed=max", height=TALL)
    button(page, "Play").click()
    wait_for_end(page)
    page.wait_for_function(
        """() => [...document.querySelectorAll('.js-plotly-plot')]
            .some((plot) => plot.data.some((trace) => trace.type === 'heatmap'))"""
    )


@pytest.mark.slow
def test_a_lab_is_predicted_run_and_scored(open_page):
    page = open_page("labs?lab=figure-1&steps=1500")
    page.get_by_text("with batch norm", exact=True).first.click()
    page.get_by_role("button", name="Lock in my answer").click()
    button(page, "Play").click()
    expect(page.locator(".st-key-labs-verdict")).to_contain_text("Not so. You said “with batch norm”")


@pytest.mark.slow
@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_the_page_fits_its_width_and_has_described_figures(playground, width, theme):
    page = playground(SHORT + "&seed=7&speed=max", width=width, height=TALL, theme=theme)
    button(page, "Play").click()
    wait_for_end(page)
    page.wait_for_function("() => document.querySelectorAll('.js-plotly-plot').length >= 2")
    wait_for_longer(page, 0)
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"playground-{width}-{theme}.png")
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth + 1")
    labels = page.evaluate(
        """() => [...document.querySelectorAll('.bnviz-figure')]
            .filter((node) => node.querySelector('.js-plotly-plot') || node.classList.contains('js-plotly-plot'))
            .map((node) => node.closest('[role=figure]') || node.querySelector('[role=figure]'))
            .map((node) => node?.getAttribute('aria-label'))"""
    )
    assert labels
    assert all(label and len(label) > 40 for label in labels)


def exported(page, name):
    """The content of the file that the open Export menu gives for the button `name`, and the file's name."""
    with page.expect_download() as download:
        page.locator(".bnviz-files:visible").get_by_role("button", name=name).click()
    expect(page.locator(".bnviz-files:visible").get_by_role("status")).to_contain_text("Saved as")
    return Path(download.value.path()).read_bytes(), download.value.suggested_filename


@pytest.mark.slow
def test_a_figure_is_exported_by_keyboard_as_it_is_shown(playground):
    page = playground(SHORT + "&seed=9&speed=max&layer=2")
    button(page, "Play").click()
    wait_for_end(page)
    menu = page.get_by_role("button", name="Export: Overview")
    menu.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="PNG, For slides")).to_be_focused()
    content, name = exported(page, "PNG, For slides")
    assert name == "bnviz-overview-layer2.png"
    with Image.open(io.BytesIO(content)) as picture:
        told = json.loads(picture.info["bnviz"])
    assert told["step"] == 300
    assert told["link"].startswith(page.url.partition("?")[0])
    assert dict(parse_qsl(told["link"].partition("?")[2]))["layer"] == "2"
    page.keyboard.press("Escape")
    expect(menu).to_be_focused()
    expect(page.locator(".bnviz-files:visible")).to_have_count(0)


@pytest.mark.slow
def test_where_the_server_cannot_draw_the_reader_s_browser_does(playground):
    page = playground(SHORT + "&seed=9&speed=max")
    page.route("**/exports/formats", _without_chrome)
    button(page, "Play").click()
    wait_for_end(page)
    page.get_by_role("tab", name="Accuracy").click()
    page.get_by_role("button", name="Export: Accuracy").click()
    svg, _ = exported(page, "SVG, For print, 8.5 cm wide")
    words = "".join(ElementTree.fromstring(svg).itertext())
    assert "@font-face" in words
    assert "seed 9" in words
    content, name = exported(page, "PNG, For print, 8.5 cm wide")
    assert name == "bnviz-accuracy-column.png"
    with Image.open(io.BytesIO(content)) as picture:
        picture.load()  # checks every chunk's sum
        assert picture.width == 1004
        assert json.loads(picture.info["bnviz"])["arms"][0]["seed"] == 9
    page.get_by_role("button", name="PDF, For print").click(force=True)
    expect(page.locator(".bnviz-files:visible").get_by_role("status")).to_contain_text("No PDF")


def _without_chrome(route):
    answer = route.fetch()
    kinds = answer.json()["kinds"]
    for kind in kinds:
        if kind["label"] in ("PNG", "SVG"):
            kind["by"] = "browser"
        elif kind["label"] == "PDF":
            kind |= {"by": "", "sentence": "No PDF: here is no Chrome."}
    route.fulfill(json={"kinds": kinds})
