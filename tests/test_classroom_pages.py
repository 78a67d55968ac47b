"""The pages as a class is shown them: shared, hidden and locked, as a lesson, on a projector."""

from __future__ import annotations

import pytest

from bnviz.classroom import rooms as rooms_module
from bnviz.experiment import Experiment
from bnviz.runs import RunManager
from bnviz.ui.parts import classroom_share
from bnviz.web import state
from tests.test_pages import page


@pytest.fixture(autouse=True)
def quiet(monkeypatch, tmp_path):
    """Runs that nothing trains, and a home of its own."""
    monkeypatch.setenv("BNVIZ_HOME", str(tmp_path))
    fresh = rooms_module._OpenRooms()
    monkeypatch.setattr(classroom_share, "open_rooms", fresh)
    manager = RunManager(workers=1)
    monkeypatch.setattr(state, "manager", lambda: manager)
    yield manager
    manager.close()


def asked(app, name):
    """What the link says of a parameter."""
    values = app.query_params.get(name)
    return values[-1] if isinstance(values, list) else values


def keys(app):
    return {item.key for item in app.selectbox}


def test_a_link_hides_and_locks_controls_and_their_values_count_all_the_same(quiet):
    app = page(hide="seed,vary", lock="dataset,learning_rate", learning_rate="0.25", seed="7")
    assert not app.exception
    assert keys(app) & {"seed", "vary"} == set()
    off = {name for name in keys(app) if app.selectbox(key=name).disabled}
    assert off - {*Experiment().without_effect} == {"dataset", "learning_rate"}
    app.selectbox(key="batch_size").select("30").run()
    (run,) = [item for item in quiet._runs.values() if item.arms[0].batch_size == 30]
    assert (run.arms[0].seed, run.arms[0].learning_rate) == (7, 0.25)
    assert asked(app, "hide") == "seed,vary"
    assert asked(app, "lock") == "dataset,learning_rate"
    assert not app.warning


def test_all_that_a_link_locks_is_grey_what_is_folded_away_and_the_examples_too():
    app = page(lock="all")
    assert not app.exception
    controls = keys(app) & {*Experiment.knobs(), "vary", "preset"}
    assert {"preset", "vary", "momentum", "steps"} <= controls
    assert [name for name in controls if not app.selectbox(key=name).disabled] == []


def test_a_lesson_shows_its_text_and_next_leads_on(tmp_path):
    folder = tmp_path / "lessons"
    folder.mkdir()
    (folder / "mine.toml").write_text(
        'title = "Mine <b>"\n[[part]]\ntitle = "First"\ntext = "<script>x</script> **Look.**"\n'
        'playground = { steps = 700 }\nhide = ["all"]\n[[part]]\ntitle = "Second"\nplayground = { steps = 900 }\n'
    )
    app = page(lesson="mine", part="1", steps="700", hide="all")
    assert not app.exception
    assert any("part 1 of 2" in item.value for item in app.caption)
    assert any(item.value == "<script>x</script> **Look.**" and not item.allow_html for item in app.markdown)
    assert keys(app) & set(Experiment.knobs()) == set()
    app.button(key="lesson.Next").click().run()
    assert any("part 2 of 2" in item.value for item in app.caption)
    assert asked(app, "steps") == "900"
    assert app.selectbox(key="steps").value == "900"
    assert asked(app, "hide") is None


def test_what_a_frame_does_not_know_is_said_once_and_harms_nothing():
    app = page(lesson="../../etc/passwd", hide="banana", view="cinema")
    assert not app.exception
    said = " ".join(item.value for item in app.warning)
    assert all(word in said for word in ("passwd", "banana", "cinema"))


def test_the_projector_is_entered_and_left_and_stays_in_the_link():
    app = page(view="projector")
    assert not app.exception
    assert asked(app, "view") == "projector"
    assert app.button(key="classroom.projector").label == "Leave projector mode"
    app.button(key="classroom.projector").click().run()
    assert asked(app, "view") is None
    app.button(key="classroom.projector").click().run()
    assert asked(app, "view") == "projector"


def test_sharing_starts_one_class_before_this_very_run(quiet):
    app = page()
    app.button(key="playground.share").click().run()
    assert not app.exception
    opened = app.session_state["classroom.mine"]
    room = classroom_share.open_rooms().find(opened.code)
    assert room.at.run in quiet._runs.values()
    assert room.at.run.held
    shown = [item.value for item in app.code]
    assert shown[0].endswith(f"/bnviz/c/{opened.code}")
    assert opened.key not in shown[0]
    app.button(key="playground.share").click().run()
    assert app.session_state["classroom.mine"] == opened


def test_the_address_box_of_a_class_always_says_what_the_students_link_says(quiet):
    app = page()
    share = "playground.share"  # AppTest draws the dialog only in the run in which its button is pressed
    app.button(key=share).click().run()
    room = classroom_share.open_rooms().find(app.session_state["classroom.mine"].code)
    for typed, refused in (("192.168.1.7:8501", False), ("javascript:alert(1)", True)):
        app.text_input(key="classroom.address").set_value(typed).run()
        app.button(key=share).click().run()
        assert not app.exception
        assert [typed in item.value for item in app.error] == [True] * refused
        assert room.row.address == app.text_input(key="classroom.address").value == "http://192.168.1.7:8501"
        assert app.code[0].value.startswith("http://192.168.1.7:8501/")
    app.button(key=share).click().run()
    assert not app.error
