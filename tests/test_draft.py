"""A lesson as a teacher writes it on the page: nothing is lost on the way to the file, in the browser, or in a copy."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from bnviz.classroom.draft import Draft, DraftPart, keep
from bnviz.classroom.lesson_plans import SHIPPED, LessonPlanError, all_plans, find_plan, read_plan
from bnviz.classroom.teachers_link import teachers_key

PLANS = [plan.name for plan in all_plans([SHIPPED])[0]]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("BNVIZ_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", PLANS)
def test_a_copy_says_all_that_the_lesson_says(name, tmp_path):
    draft = Draft.copy_of(name)
    assert Draft.of_json(draft.to_json()) == draft
    (tmp_path / "copy.toml").write_text(draft.to_toml())
    copied, plan = read_plan(tmp_path / "copy.toml"), find_plan(name)
    for mine, theirs in zip(copied.parts, plan.parts, strict=True):
        same = {"playground", "lab", "link", "text", "measured", "notes"}
        assert mine.model_dump(exclude=same) == theirs.model_dump(exclude=same)
        assert (mine.place, mine.settings) == (theirs.place, theirs.settings)
        for field in ("text", "measured", "notes"):
            assert getattr(mine, field) == getattr(theirs, field).strip()


def test_a_copy_keeps_the_size_of_a_lab_and_whether_students_read_ahead(tmp_path):
    (tmp_path / "lessons").mkdir()
    (tmp_path / "lessons" / "mine.toml").write_text(
        'title = "Mine"\nahead = true\n[[part]]\ntitle = "Full"\nlab = "figure-1"\nfull = true\nminutes = 8\n'
    )
    draft = Draft.copy_of("mine")
    assert Draft.of_json(draft.to_json()) == draft
    plan = keep(draft, "copy")
    assert (plan.ahead, plan.parts[0].lab_setting.quick, plan.parts[0].minutes) == (True, False, 8)
    earlier = '{"title": "", "about": "", "parts": []}'
    assert Draft.of_json(earlier) == Draft()


def test_parts_are_added_moved_and_removed():
    draft = Draft(title="Mine")
    for name in "abc":
        draft = draft.with_added(DraftPart(title=name))

    def order(made):
        return "".join(part.title for part in made.parts)

    assert order(draft) == "abc"  # the empty part at the start gave way
    assert order(draft.with_moved(0, 1)) == "bac"
    assert order(draft.with_moved(0, -1)) == "abc"
    assert order(draft.with_moved(2, -5)) == "cab"
    assert order(draft.without(1)) == "ac"
    assert Draft().without(0) == Draft()


@pytest.mark.parametrize(
    "text", ["", "no json", "[]", "{}", '{"title": "", "about": "", "parts": [{"titel": ""}]}', "null"]
)
def test_what_somebody_else_wrote_into_the_browser_is_no_draft(text):
    assert Draft.of_json(text) is None


def test_a_lesson_is_kept_whole_or_not_at_all(tmp_path):
    part = DraftPart(title="One", link="inside?step=5", question="Which?", options="this\nthat", answer=2)
    good = Draft("Mine", "", (part,))
    plan = keep(good, "mine")
    assert (plan.parts[0].place, plan.parts[0].ask.answer) == ("inside", 2)
    with pytest.raises(LessonPlanError, match="link"):
        keep(Draft("Mine", "", (DraftPart(title="One", link="nowhere"),)), "mine")
    assert find_plan("mine") == plan
    with pytest.raises(LessonPlanError, match="name"):
        keep(good, "../mine")
    assert [item.name for item in (tmp_path / "lessons").iterdir()] == ["mine.toml"]


def test_a_lesson_is_written_on_the_page():
    app = AppTest.from_string("from bnviz.ui.pages import compose\ncompose.show()", default_timeout=60).run()
    assert not app.exception
    assert "compose.keep" not in {button.key for button in app.button}
    app.query_params["teacher"] = teachers_key()
    app.run()
    app.text_input(key="compose.title").set_value("My lesson").run()
    app.text_input(key="compose.part.title").set_value("Look").run()
    app.text_area(key="compose.part.text").set_value("A **layer**.").run()
    app.button(key="compose.Add a part").click().run()
    app.text_input(key="compose.part.link").set_value("nowhere").run()
    assert "link" in app.error[0].value
    app.text_input(key="compose.part.link").set_value("http://localhost:8501/?learning_rate=0.5").run()
    assert not app.error
    app.button(key="compose.keep").click().run()
    plan = find_plan("my-lesson")
    assert [(part.title, part.place) for part in plan.parts] == [
        ("Look", "class"),
        ("New part", "playground"),
    ]
    app.button(key="compose.Move up").click().run()
    app.button(key="compose.keep").click().run()
    assert [part.title for part in find_plan("my-lesson").parts] == ["New part", "Look"]
