"""Labs, answered and played to their verdicts, as they are shown on a phone and on a projector."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

from bnviz.tools.look import faults
from bnviz.tools.look.views import SIZES, View, address, lab_views
from bnviz.tools.look.visit import visit

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PHONE, PROJECTOR = (next(size for size in SIZES if size.name == name) for name in ("phone", "projector"))
LABS = tuple(
    (view, size)
    for size, names in (
        (PHONE, ["fewer-steps", "regularizer"]),
        (PROJECTOR, ["figure-1", "saturation", "mechanism"]),
    )
    for view in lab_views(names)
)
"""Labs whose first figures are of different kinds; `make look` opens every lab at every size."""


@pytest.mark.slow
@pytest.mark.parametrize(("view", "size"), LABS, ids=[f"{view.name}-{size.name}" for view, size in LABS])
def test_a_lab_to_its_verdict_has_no_fault(chromium, server, tmp_path, view: View, size):
    assert visit(chromium, server.url, view, size, tmp_path, Axe(), play_seconds=6.0).faults == ()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), [("initialization", PHONE), ("figure-1", PROJECTOR)])
def test_the_texts_of_a_figure_fit_the_width_that_it_is_given(open_page, name, size):
    [view] = lab_views([name])
    page = open_page(address("", view, size).removeprefix("/"), size.width, size.height, size.theme)
    page.wait_for_selector(".js-plotly-plot .gtitle")
    page.wait_for_timeout(2500)
    assert faults.layout_faults(page) == []
