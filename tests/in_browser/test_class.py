"""A class in a real browser: the Join form; the teacher's page, the wall and two phones before one lab."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from bnviz.tools.look import faults
from bnviz.tools.look.views import PLAY
from tests.in_browser.conftest import MOST_MILLISECONDS

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

LAB = "labs?lab=figure-1&steps=300"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def links(open_page, server):
    """A new class before a lab. path: of its page; key: the teacher's."""
    desk = open_page(LAB)
    desk.get_by_role("button", name="Share with the class").click()
    link = desk.get_by_role("link", name="Open your page").get_attribute("href")
    path, key = re.fullmatch(rf"{server.url}(/bnviz/c/\w+)#teacher=([\w-]+)", link).groups()
    assert key not in desk.locator("[data-testid=stCode]").first.inner_text()
    desk.close()
    return SimpleNamespace(path=path, key=key, code=path.rpartition("/")[2])


@pytest.fixture
def phone(chromium, server):
    """Opens a path on phones of their own: a vote belongs to a profile. Notes what they do on the network."""
    noted = SimpleNamespace(pages=[], problems=[], sockets=[], asked=set())

    def opener(path):
        page = chromium.new_context(**PHONE).new_page()
        noted.pages.append(page)
        page.set_default_timeout(MOST_MILLISECONDS)
        page.on("pageerror", lambda error: noted.problems.append(str(error)))
        page.on("websocket", lambda socket: noted.sockets.append(socket.url))
        page.on(
            "request", lambda request: noted.asked.add(request.url.removeprefix(server.url).split("/")[2])
        )
        page.goto(server.url + path)
        return page

    yield opener
    for page in noted.pages:
        page.context.close()
    assert noted.problems == []
    assert noted.sockets == []
    assert noted.asked <= {"c", "classes", "runs", "labs", "figures", "assets", "exports"}


def look(*pages, themes=("light", "dark")):
    """Nothing scrolls sideways, and the audit finds nothing, also with a figure's table open."""
    for page in pages:
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        for theme in themes:
            page.emulate_media(color_scheme=theme)
            page.wait_for_timeout(300)
            assert faults.accessibility_faults(page, Axe()) == []
        assert faults.table_faults(page, Axe()) == []


def answer(page, words):
    page.get_by_role("radio", name=words, exact=True).click()
    page.get_by_role("button", name="Lock in my answer").click()


def test_a_student_joins_with_enter_in_the_same_tab_and_is_told_what_a_code_looks_like(
    open_page, links, server
):
    page = open_page("class", 390, 844)
    code, join = page.get_by_label("The code on the wall"), page.get_by_role("button", name="Join")
    for typed, sentence in (
        ("", "Type the code"),
        ("k7qm", "This is no code"),
        ("k7qm-2xpd", "There is no class"),
    ):
        code.fill(typed)
        expect(join).to_be_enabled()
        join.click()
        expect(page.get_by_role("alert")).to_contain_text(sentence)
        assert page.url.endswith("/class")
    code.fill(f" {links.code[:4].upper()}-{links.code[4:]} ")
    code.press("Enter")
    page.wait_for_url(server.url + links.path)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Lab: Figure 1")
    assert len(page.context.pages) == 1


@pytest.mark.slow
def test_a_class_predicts_twice_and_sees_neither_round_before_the_second_is_closed(
    open_page, phone, links, server
):
    teacher = open_page(f"{links.path[1:]}#teacher={links.key}", 1366, 768)
    wall = open_page(f"{links.path[1:]}?view=projector#teacher={links.key}", 1280, 720)
    expect(teacher.get_by_role("button", name="Ask the class")).to_be_visible()
    assert links.key not in teacher.url + wall.url  # whoever looks over the shoulder, or at the wall
    phones = [phone(links.path) for _ in range(2)]
    everybody = (teacher, wall, *phones)
    expect(wall.get_by_text("2 phones have joined")).to_be_visible()
    expect(wall.locator(".bnviz-figure .js-plotly-plot").first).to_be_visible()
    assert faults.first_screen_faults(wall, (PLAY, ".bnviz-question", ".bnviz-join"), 0.95) == []
    look(teacher, wall, themes=("dark",))

    teacher.get_by_role("button", name="Ask the class").click()
    for page in phones:
        expect(page.get_by_role("radio").first).to_be_visible()
        expect(page.locator(".bnviz-figure")).to_have_count(3)  # there, but not shown
        assert not page.locator(".bnviz-figure").first.is_visible()
        assert page.get_by_role("radio").first.bounding_box()["height"] >= 44
    look(teacher, wall, phones[0])
    answer(phones[0], "with batch norm")
    for page in everybody:
        expect(page.get_by_text("1 of 2 answered")).to_be_visible()
    answer(phones[1], "without batch norm")
    expect(phones[1].get_by_text("Your answer is in")).to_be_visible()
    phones[1].reload()
    expect(phones[1].get_by_text("You said: without batch norm")).to_be_visible()
    expect(phones[1].get_by_role("radio")).to_have_count(0)
    expect(wall.get_by_text("2 of 2 answered")).to_be_visible()

    teacher.get_by_role("button", name="Close, don’t show").click()
    for page in phones:
        expect(page.get_by_text("The question is closed.")).to_be_visible()
    teacher.get_by_role("button", name="Ask again, after discussing").click()
    for page in phones:
        answer(page, "without batch norm")
    expect(wall.get_by_text("2 of 2 answered")).to_be_visible()
    for page in everybody:
        assert page.locator(".bnviz-many").count() == 0
    teacher.get_by_role("button", name="Close and show").click()
    for page in everybody:
        expect(page.locator(".bnviz-many").first).to_be_visible()
        assert [text[-1] for text in page.locator(".bnviz-many").all_inner_texts()] == list("121000")
    assert faults.first_screen_faults(wall, (PLAY, ".bnviz-results"), 0.95) == []
    look(teacher, wall, phones[0], themes=("light",))

    teacher.get_by_role("button", name="Play").click()
    for page in phones:
        expect(page.locator(".bnviz-figure .js-plotly-plot").first).to_be_visible()
        expect(page.get_by_role("button", name=re.compile("Play|Pause"))).to_have_count(0)
    expect(wall.locator("main[data-stage=playing], main[data-stage=measured]")).to_have_count(1)
    assert faults.first_screen_faults(wall, (PLAY, ".bnviz-where", ".bnviz-question"), 0.95) == []
    for page in everybody:
        expect(page.locator(".bnviz-verdict")).to_be_visible()
    for page in phones:
        expect(page.locator(".bnviz-fared")).to_have_count(2)
        expect(page.get_by_role("button", name="Save the answers (CSV)")).to_have_count(0)
    with teacher.expect_download() as saved:
        teacher.get_by_role("button", name="Save the answers (CSV)").click()
    lines = Path(saved.value.path()).read_text("utf-8-sig").splitlines()
    # The last column, which answers were right, is empty: in so few steps the networks learn nothing.
    assert [line.rsplit(",", 3)[1:] for line in lines[1:]].count(["plain", "without batch norm", ""]) == 3
    first = (PLAY, ".bnviz-legend", ".bnviz-bars")
    assert faults.first_screen_faults(wall, first, 0.95) == []
    look(teacher, wall, phones[0])


@pytest.mark.slow
@pytest.mark.parametrize("lab", ["input-only", "batch-size"])
def test_the_way_in_is_on_the_walls_first_screen_also_beside_a_long_question(open_page, server, lab):
    desk = open_page(f"labs?lab={lab}")
    desk.get_by_role("button", name="Share with the class").click()
    link = desk.get_by_role("link", name="Open the projector").get_attribute("href")
    wall = open_page(link.removeprefix(f"{server.url}/"), 1280, 720)
    expect(wall.get_by_role("button", name="Ask the class")).to_be_visible()
    first = (PLAY, ".bnviz-question", ".bnviz-join img")
    assert faults.first_screen_faults(wall, first, 0.95) == []


@pytest.mark.slow
def test_a_number_that_was_predicted_is_drawn_into_the_figure_once_it_is_measured(open_page, phone, server):
    """On the phone its own, on the wall the class's median."""
    desk = open_page("labs?lab=learning-rate")
    desk.get_by_role("button", name="Share with the class").click()
    link = desk.get_by_role("link", name="Open your page").get_attribute("href")
    path, key = re.fullmatch(rf"{server.url}(/bnviz/c/\w+)#teacher=([\w-]+)", link).groups()
    teacher = open_page(f"{path[1:]}#teacher={key}", 1366, 768)
    wall = open_page(f"{path[1:]}?view=projector", 1280, 720)
    phones = [phone(path) for _ in range(3)]
    teacher.get_by_role("button", name="Ask the class").click()
    for page, notch in zip(phones, (3, 6, 10), strict=True):
        page.get_by_role("slider").fill(str(notch))
        page.get_by_role("button", name="Lock in my answer").click()
        expect(page.get_by_text("Your answer is in")).to_be_visible()
    teacher.get_by_role("button", name="Close and show").click()
    assert all(page.get_by_text("predicted", exact=True).count() == 0 for page in (wall, *phones))
    teacher.get_by_role("button", name="Play").click()
    for page in (wall, teacher, *phones):
        expect(page.locator(".bnviz-verdict")).to_be_visible()
        expect(page.locator(".bnviz-figure").first.get_by_text("predicted", exact=True)).to_be_visible()
    places = [
        page.evaluate(
            "document.querySelector('.js-plotly-plot').layout.shapes.find((item) => item.line.dash === 'dash').x0"
        )
        for page in (wall, *phones)
    ]
    assert places[0] == places[2]
    assert places[1] < places[2] < places[3]


@pytest.mark.slow
def test_a_class_goes_through_a_lesson_and_a_phone_looks_back_at_what_was_shown(open_page, phone, server):
    desk = open_page("class")
    desk.get_by_role("combobox", name="The lesson that the class goes through").click()
    desk.get_by_role("option", name="Why does it work? A debate").click()
    desk.get_by_role("button", name="Open a class on it").click()
    link = desk.get_by_role("link", name="Open your page").get_attribute("href")
    path, key = re.fullmatch(rf"{server.url}(/bnviz/c/\w+)#teacher=([\w-]+)", link).groups()
    desk.close()
    teacher = open_page(f"{path[1:]}#teacher={key}", 1366, 768)
    wall = open_page(f"{path[1:]}?view=projector#teacher={key}", 1280, 720)
    phones = [phone(path) for _ in range(2)]
    everybody = (teacher, wall, *phones)
    for page in everybody:
        expect(page.get_by_role("heading", level=1)).to_have_text("Two explanations")
    expect(teacher.get_by_text("Write two columns on the board.")).to_have_count(1)
    for page in (wall, *phones):
        expect(page.get_by_text("Write two columns on the board.")).to_have_count(0)
    look(teacher, wall, phones[0])

    teacher.get_by_role("button", name="Next").click()
    for page in everybody:
        expect(page.get_by_role("heading", level=1)).to_contain_text("Evidence 1")
    teacher.get_by_role("button", name="Ask the class").click()
    expect(teacher.get_by_role("button", name="Next")).to_be_disabled()
    for page, words in zip(phones, ("Less than half", "More than twice"), strict=True):
        answer(page, words)
    expect(wall.get_by_text("2 of 2 answered")).to_be_visible()
    for page in everybody:
        assert page.locator(".bnviz-many, .bnviz-verdict").count() == 0
    look(teacher, wall, phones[0], themes=("dark",))
    teacher.get_by_role("button", name="Close, don’t show").click()
    teacher.get_by_role("button", name="Play").click()
    for page in everybody:
        expect(page.locator(".bnviz-verdict")).to_contain_text("Measured: ")
    for page in phones:
        expect(page.locator(".bnviz-fared")).to_have_count(1)
    assert faults.first_screen_faults(wall, (PLAY, ".bnviz-verdict", ".bnviz-bars"), 0.95) == []
    look(teacher, wall, phones[0], themes=("light",))
    with teacher.expect_download() as saved:
        teacher.get_by_role("button", name="Save the answers (figures)").click()
    assert "2 phones answered" in Path(saved.value.path()).read_text("utf-8")

    teacher.get_by_role("button", name="Next").click()
    expect(phones[0].get_by_role("heading", level=1)).to_contain_text("Evidence 2")
    phones[1].get_by_label("The part to look at").select_option("2")
    expect(phones[1].locator(".bnviz-fared")).to_be_visible()
    teacher.get_by_role("button", name="Ask the class").click()
    phones[1].get_by_role("button", name="The class votes: go there").click()
    expect(phones[1].get_by_role("heading", level=1)).to_contain_text("Evidence 2")
    expect(phones[1].get_by_role("radio").first).to_be_visible()
    teacher.get_by_role("button", name="End the class").click()
    teacher.get_by_role("button", name="Really end").click()
    phones[0].goto(f"{server.url}{path}?part=2")
    expect(phones[0].get_by_text("This class has ended.")).to_be_visible()
    expect(phones[0].locator(".bnviz-fared")).to_be_visible()
