"""Runs as a visitor uses it, in a real browser: files come and go, and a kept run stands beside a live one."""

import pytest
from playwright.sync_api import expect

from bnviz.experiment import Experiment
from bnviz.recording import Recording
from tests import recordings

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.mark.slow
def test_a_file_is_opened_kept_set_beside_a_live_run_and_comes_back_equal(open_page, tmp_path):
    mine = recordings.recording(Experiment(steps=2000, hidden=(30, 30), activation="tanh"))
    mine.save(tmp_path / "mine.bnviz")
    (tmp_path / "<img src=x onerror=alert(1)>.bnviz").write_bytes(b"no zip")
    page = open_page("runs")
    expect(page.get_by_text("Nothing is kept yet")).to_be_visible()
    page.get_by_role("button", name="Open files").click()
    page.locator("input[type=file]").set_input_files(sorted(tmp_path.glob("*.bnviz")))
    expect(page.get_by_text("is no recording of bnviz: it is no zip file")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    slider = page.get_by_role("slider", name="Look at an earlier step")
    expect(slider).to_have_attribute("aria-valuetext", "step 2,000 of 2,000")
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_text("1 of 1 kept runs")).to_be_visible()
    page.get_by_role("button", name="More").nth(1).click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    download.value.save_as(tmp_path / "back")
    assert Recording.load(tmp_path / "back") == mine
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Compare with a live run").click()
    page.get_by_role("button", name="Play").first.click()
    expect(page.locator(".bnviz-readouts")).to_contain_text("C ·")
    page.wait_for_function("() => /step [1-9]/.test(document.querySelector('.bnviz-bar').innerText)")
    assert "beside=file" in page.url
    page.get_by_role("button", name="Pause").click()
