"""What a browser keeps of the labs: their verdicts, until it is told to forget them."""

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.mark.slow
def test_a_lab_done_in_an_earlier_visit_says_so_until_it_is_forgotten(open_page):
    page = open_page("labs")
    expect(page.get_by_role("button", name="Figure 1")).to_be_visible()
    page.evaluate(
        """localStorage.setItem("bnviz.labs.done", '{"figure-1": "This run supports the claim"}')"""
    )
    page.reload()
    done = page.get_by_text("Done: This run supports the claim.")
    expect(done).to_be_visible()
    page.get_by_role("button", name="Forget which labs are done").click()
    expect(done).to_have_count(0)
    page.reload()
    expect(page.get_by_role("button", name="Figure 1")).to_be_visible()
    page.wait_for_timeout(2000)
    expect(done).to_have_count(0)
