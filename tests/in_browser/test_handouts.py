"""A handout opened from a file, in a real browser: nothing is asked for, and the scrubber moves everything."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from bnviz.experiment import Experiment
from bnviz.export.browser import Chrome
from bnviz.export.handouts.lab_page import lab_handout
from bnviz.export.handouts.report import lab_report
from bnviz.export.handouts.run_page import run_handout
from bnviz.labs import find
from bnviz.labs.base import Setting, View
from bnviz.tools.look.faults import accessibility_faults
from tests.in_browser.conftest import MOST_MILLISECONDS
from tests.recordings import pair, recording
from tests.test_labs import as_claimed

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

MARKERS = """(name) => document.querySelector(`[data-name=${name}] .canvas`).layout.shapes
  .filter((shape) => shape.name === "scrubber").map((shape) => shape.x0)"""
DRAWN = ".js-plotly-plot .main-svg"


@pytest.fixture(scope="module")
def handout() -> str:
    return run_handout(pair(hidden=(6, 5)))


def opened(browser: Browser, text: str, path: Path, width: int = 1440, theme: str = "light") -> Page:
    """The page from its file; whatever it asks for, and every error and refusal, is noted in `page.trouble`."""
    path.write_text(text, encoding="utf-8")
    page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme).new_page()  # type: ignore[arg-type]
    page.set_default_timeout(MOST_MILLISECONDS)
    trouble: list[str] = []
    page.trouble = trouble  # type: ignore[attr-defined]
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("console", lambda told: trouble.append(told.text) if told.type in ("error", "warning") else None)
    page.on("request", lambda asked: trouble.append(asked.url) if asked.url != path.as_uri() else None)
    page.goto(path.as_uri())
    return page


def move(page: Page, step: int) -> None:
    """Move the scrubber to the frame of a step, as a hand does."""
    page.evaluate(
        """(frame) => {
          const scrubber = document.querySelector('.scrubber');
          scrubber.value = frame;
          scrubber.dispatchEvent(new Event('input'));
        }""",
        step,
    )


def until_marked(page: Page, name: str, steps: list[int]) -> None:
    """Wait until the lines in a figure stand at these steps; the page's policy forbids wait_for_function."""
    for _ in range(1000):
        if page.evaluate(MARKERS, name) == steps:
            return
        page.wait_for_timeout(50)
    assert page.evaluate(MARKERS, name) == steps


@pytest.mark.slow
def test_the_scrubber_moves_markers_numbers_and_distributions_and_nothing_is_fetched(
    chromium: Browser, handout: str, tmp_path: Path
) -> None:
    arms = pair(hidden=(6, 5))
    page = opened(chromium, handout, tmp_path / "run.html")
    for name in ("accuracy", "bands", "histogram", "saturation"):
        page.locator(f"[data-name={name}]").scroll_into_view_if_needed()
        expect(page.locator(f"[data-name={name}] {DRAWN}").first).to_be_visible()
    page.locator("[data-name=histogram]").scroll_into_view_if_needed()
    assert page.evaluate(MARKERS, "bands") == [1000] * 4
    accuracy = page.locator(".accuracy").first
    expect(accuracy).to_have_text("90.0 %")
    title = page.locator("[data-name=histogram] .gtitle")
    expect(title).to_contain_text("at step 1,000")

    move(page, 0)
    expect(page.locator(".step")).to_have_text("step 0 of 1,000")
    expect(accuracy).to_have_text("10.0 %")
    expect(title).to_contain_text("at step 0")
    page.locator("[data-name=bands]").scroll_into_view_if_needed()
    until_marked(page, "bands", [0] * 4)
    page.locator("[data-name=saturation]").scroll_into_view_if_needed()
    until_marked(page, "saturation", [0] * 2)

    page.locator(".scrubber").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".step")).to_have_text(f"step {arms[0].steps[1]:,} of 1,000")
    page.goto(f"{page.url}#step=500")
    expect(page.locator(".step")).to_have_text(f"step {arms[0].at(500).step:,} of 1,000")
    page.locator("[data-name=histogram]").scroll_into_view_if_needed()
    page.locator("[data-choice]").select_option("1")
    expect(title).to_contain_text("layer 1")
    page.get_by_role("button", name="Play").click()
    expect(page.locator(".step")).to_have_text("step 1,000 of 1,000")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    assert page.trouble == []  # type: ignore[attr-defined]
    page.context.close()


def test_on_a_dark_phone_nothing_is_wider_than_the_screen(chromium: Browser, tmp_path: Path) -> None:
    arms = [recording(Experiment(dataset="spirals", hidden=(3,), steps=300), records=5)]
    page = opened(chromium, run_handout(arms), tmp_path / "run.html", width=390, theme="dark")
    page.locator("[data-name=boundary]").scroll_into_view_if_needed()
    expect(page.locator(f"[data-name=boundary] {DRAWN}").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(14, 17, 23)"
    assert page.evaluate("handout.slides.every((it) => it.look === 'dark narrow')")
    assert page.trouble == []  # type: ignore[attr-defined]
    page.context.close()


def test_a_lab_asks_first_and_then_scores_and_shows(chromium: Browser, tmp_path: Path) -> None:
    lab = find("figure-1")
    result = as_claimed(lab, Setting(quick=True))
    page = opened(chromium, lab_handout(lab, result), tmp_path / "lab.html")
    expect(page.locator(".verdict")).to_be_hidden()
    expect(page.locator(".bar")).to_be_hidden()
    page.get_by_label("with batch norm", exact=True).check()
    page.get_by_role("button", name="Lock in my answer").click()
    expect(page.get_by_role("status").first).to_have_text(lab.score("bn", result).sentence)
    expect(page.locator(".verdict")).to_contain_text(lab.verdict(result).word)
    page.locator("[data-name=last-layer]").scroll_into_view_if_needed()
    expect(page.locator(f"[data-name=last-layer] {DRAWN}").first).to_be_visible()
    assert page.trouble == []  # type: ignore[attr-defined]
    page.context.close()


@pytest.mark.slow
def test_a_number_that_the_reader_predicts_is_drawn_into_the_figure(
    chromium: Browser, tmp_path: Path
) -> None:
    lab = find("learning-rate")
    text = lab_handout(lab, as_claimed(lab, Setting(quick=True)))
    mark = "predicted"
    for button, expected in (("Lock in my answer", 1), ("Show without a prediction", 0)):
        page = opened(chromium, text, tmp_path / "lab.html")
        page.get_by_role("slider").first.fill("16")
        page.get_by_role("button", name=button).click()
        expect(page.locator(DRAWN).first).to_be_visible()
        expect(page.locator(".canvas").first.get_by_text(mark, exact=True)).to_have_count(expected)
        assert page.trouble == []  # type: ignore[attr-defined]
        page.context.close()


@pytest.mark.slow
def test_a_report_has_a_table_of_each_figure(chromium: Browser, tmp_path: Path) -> None:
    lab = find("figure-1")
    result = as_claimed(lab, Setting(quick=True))
    with Chrome() as chrome:
        text = lab_report(lab, result, chrome=chrome)
    page = opened(chromium, text, tmp_path / "report.html")
    buttons = page.get_by_role("button", name="Table")
    expect(buttons).to_have_count(len(lab.figures(result, View())))
    for button in buttons.all():
        button.click()
        assert page.get_by_role("dialog").locator("tbody tr").count() >= 3
        page.get_by_role("button", name="Close").click()
    assert accessibility_faults(page, Axe()) == []
    assert page.trouble == []  # type: ignore[attr-defined]
    page.context.close()


@pytest.mark.slow
def test_it_prints_white_whole_and_with_its_figures(chromium: Browser, handout: str, tmp_path: Path) -> None:
    from pypdf import PdfReader

    page = opened(chromium, handout, tmp_path / "run.html", theme="dark")
    expect(page.locator(f"[data-name=accuracy] {DRAWN}").first).to_be_visible()
    page.pdf(path=tmp_path / "printed.pdf", prefer_css_page_size=True)
    text = " ".join(
        " ".join(item.extract_text() for item in PdfReader(tmp_path / "printed.pdf").pages).split()
    )
    assert "What batch normalization changes" in text
    assert "How many sigmoids are saturated" in text  # a figure that was never on the screen
    assert "Mini-batch 60" in text  # what was folded
    page.context.close()


@pytest.mark.slow
def test_a_handouts_figure_has_its_table_and_the_table_follows_the_scrubber(chromium, handout, tmp_path):
    page = opened(chromium, handout, tmp_path / "handout.html", theme="dark")
    page.locator(DRAWN).first.wait_for()
    page.locator("[data-name=overview], [data-name=bands]").first.get_by_role("button", name="Table").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("table").first).to_contain_text("median")
    marked = dialog.locator("tr[aria-current=step] th").first
    before = marked.inner_text()
    move(page, 3)
    expect(marked).not_to_have_text(before)
    step = page.evaluate("() => handout.step.toLocaleString('en-US')")
    expect(marked).to_have_text(step)
    assert accessibility_faults(page, Axe()) == []
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert page.trouble == []
    page.context.close()
