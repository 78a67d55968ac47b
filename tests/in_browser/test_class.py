"""A class in a real browser: the teacher's page, the wall and two phones before one lab."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.in_browser.conftest import MOST_MILLISECONDS

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.mark.slow
def test_a_class_predicts_from_phones_that_open_no_websocket_and_cannot_vote_twice(
    open_page, chromium, server
):
    problems, sockets, asked = [], [], set()

    def phone_before(path):
        """A page in a browser profile of its own: a vote belongs to a profile."""
        phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
        page = chromium.new_context(**phone).new_page()
        page.set_default_timeout(MOST_MILLISECONDS)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("websocket", lambda socket: sockets.append(socket.url))
        page.on("request", lambda request: asked.add(request.url.removeprefix(server.url).split("/")[2]))
        page.goto(server.url + path)
        return page

    desk = open_page("labs?lab=figure-1")
    desk.get_by_role("button", name="Share with the class").click()
    link = desk.get_by_role("link", name="Open your page").get_attribute("href")
    path, key = re.fullmatch(rf"{server.url}(/bnviz/c/\w+)#teacher=([\w-]+)", link).groups()
    assert key not in desk.locator("[data-testid=stCode]").first.inner_text()
    desk.close()

    teacher = open_page(f"{path[1:]}#teacher={key}")
    wall = open_page(f"{path[1:]}?view=projector", 1280, 720, "dark")
    ask = teacher.get_by_role("button", name="Ask the class")
    expect(ask).to_be_visible()
    assert key not in teacher.url  # whoever looks over the shoulder, or at the wall
    ask.click()

    phones = [phone_before(path) for _ in range(2)]
    for phone, answer in zip(phones, ("with batch norm", "without batch norm"), strict=True):
        expect(phone.get_by_role("button", name="Play")).to_have_count(0)
        phone.get_by_role("radio", name=answer, exact=True).click()
        phone.get_by_role("button", name="Lock in my answer").click()
        expect(phone.get_by_text("Your answer is in")).to_be_visible()
        phone.reload()
        expect(phone.get_by_text(f"You said: {answer}")).to_be_visible()
        expect(phone.get_by_role("radio")).to_have_count(0)
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    expect(wall.get_by_text("2 answers so far")).to_be_visible()
    assert wall.locator(".bnviz-bars").count() == 0
    expect(wall.get_by_role("button")).to_have_count(0)

    teacher.get_by_role("button", name="Close it and show the answers").click()
    for page in (wall, *phones):
        expect(page.locator(".bnviz-many").first).to_be_visible()
        assert page.locator(".bnviz-many").all_inner_texts() == ["1", "1", "0"]
    assert wall.evaluate("document.documentElement.scrollHeight") <= 720
    teacher.get_by_role("button", name="Play").click()
    expect(phones[0].locator(".bnviz-figure .js-plotly-plot").first).to_be_visible()
    expect(phones[0].get_by_role("button", name="Pause")).to_have_count(0)
    teacher.get_by_role("button", name="Pause").click()
    for phone in phones:
        phone.context.close()
    assert problems == []
    assert sockets == []
    assert asked <= {"c", "classes", "runs", "labs", "assets", "exports"}
