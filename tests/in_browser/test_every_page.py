"""Every page and every lab's text as it is shown: the fast part of `make look`; the whole is slow."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

from bnviz.tools.load.server import Server
from bnviz.tools.look import faults
from bnviz.tools.look.views import PAGES, SIZES, View, address
from bnviz.tools.look.visit import visit

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

UNFINISHED = ("class",)
"""Pages in which `make look` still finds faults: contrasts."""

CLEAN = tuple(view for view in PAGES if view.name not in UNFINISHED)
BY_NAME = {size.name: size for size in SIZES}
SETTLE_MILLISECONDS = 2500


def test_every_text_of_every_lab_and_lesson_is_set(chromium, tmp_path):
    with Server(tmp_path / "log", ("tests/in_browser/every_text.py",), "/_stcore/health") as server:
        page = chromium.new_page()
        page.goto(server.target.url)
        page.get_by_text("All texts are above.").wait_for(timeout=90_000)
        page.wait_for_timeout(SETTLE_MILLISECONDS)
        assert faults.text_faults(page) == []
        assert page.locator(".katex").count() > 20
        page.close()


def test_a_formula_over_two_lines_and_markup_are_noticed(chromium):
    page = chromium.new_page()
    page.set_content(
        '<div data-testid="stMain">$$ a = b<p>\\frac{1}{2}</p><p>**bold**</p><p>&lt;b&gt;</p>'
        '<span class="katex-error">\\bad</span><p>ValueError: no</p></div>'
    )
    assert len(faults.text_faults(page)) == 6
    page.close()


@pytest.mark.parametrize("view", CLEAN, ids=lambda view: view.name)
@pytest.mark.parametrize("size", ["laptop", "phone"])
def test_a_page_as_it_opens_has_no_fault(open_page, view, size):
    looks = BY_NAME[size]
    page = open_page(address("", view, looks).removeprefix("/"), looks.width, looks.height, looks.theme)
    page.wait_for_selector(view.ready)
    page.wait_for_timeout(SETTLE_MILLISECONDS)
    picture = view.picture_on_phone if looks.touch else view.picture
    assert faults.text_faults(page) == []
    assert faults.layout_faults(page) == []
    assert faults.accessibility_faults(page, Axe()) == []
    assert faults.first_screen_faults(page, view.first, picture) == []


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
@pytest.mark.parametrize("view", CLEAN, ids=lambda view: view.name)
def test_a_page_in_use_has_no_fault(chromium, server, tmp_path, view: View, size):
    assert visit(chromium, server.url, view, size, tmp_path, Axe(), play_seconds=6.0).faults == ()
