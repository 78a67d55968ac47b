"""While a class votes, no route tells a phone what was measured: all routes of the server are asked."""

from __future__ import annotations

from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from starlette.routing import Mount, Route

from bnviz.classroom import rooms as rooms_module
from bnviz.classroom.codes import spaced
from bnviz.classroom.lesson_plans import find_plan
from bnviz.classroom.rooms import Rooms
from bnviz.classroom.store import Store
from bnviz.labs import find
from bnviz.labs.base import Setting
from bnviz.runs import RunManager
from bnviz.web import app, response_cache, state
from tests.recordings import recording
from tests.site import client_of

LAB = "figure-1"
LESSON, PART = "the-paper", 2
VOTER = "a" * 32
UNTOUCHED = {
    "/health",
    "/assets/{version}/{name}",
    "/exports/formats",
    "/exports/stills/{file}",
    "/exports/maps/{file}",
    "/exports/worksheets/{lab}.html",
    "/maps/{id}",
    "/maps/{id}/figure",
    "/maps/{id}/open",
    "/exports/landscapes/{file}",
    "/landscapes/{id}",
    "/landscapes/{id}/figure",
    "/classes/{code}/qr.svg",
}
"""Routes that know no run, and the picture of a link: what a class looks at is not in them."""


@pytest.fixture(params=["lab", "lesson"])
def school(request, tmp_path, monkeypatch):
    """All routes of a server, and two classes before the same networks: one was trained and reset, one never trained.

    They look at a lab, or at a part of a lesson whose question is the teacher's own.
    """
    manager = RunManager(workers=1)
    rooms = Rooms(Store(lambda: tmp_path / "classes.sqlite"))
    monkeypatch.setattr(rooms_module.open_rooms, "_rooms", rooms)
    monkeypatch.setattr(response_cache, "CROWD_REQUESTS", 1)
    monkeypatch.setattr(response_cache, "CROWD_LIFETIME", 1000.0)  # whatever may be sent again is sent again
    routes = app.routes("", lambda: manager)

    def start():
        return of_lab() if request.param == "lab" else of_lesson()

    def of_lesson():
        opened = rooms.start_lesson(find_plan(LESSON), "http://x")
        room = rooms.find(opened.code)
        rooms.turn(room, PART)
        return SimpleNamespace(
            run=rooms.run(room, manager, state.lab_runs()), code=opened.code, key=opened.key, answer="1"
        )

    def of_lab():
        lab_run = state.lab_runs().open(find(LAB), Setting(quick=True), manager)
        opened = rooms.start(lab_run.run, lab_run, "http://x")
        return SimpleNamespace(run=lab_run.run, code=opened.code, key=opened.key, answer="plain")

    yield SimpleNamespace(client=client_of(routes), routes=routes, first=start(), twin=start())
    rooms.close()
    manager.close()


def addresses(school, a_class):
    """What a phone can ask of the class, by the path of each route that answers GET."""
    run = urlencode({"run": a_class.run.id})
    shown = [item["path"] for item in standing(school, a_class)["figures"]]
    lab_figures = [path for path in shown if path.startswith("labs/")]
    playground_figures = ["bands", "accuracy", "loss", "histogram", "gradients", "drift", "overview"]
    return {
        "/c/{code}": [f"c/{a_class.code}"],
        "/classes/{code}": [f"classes/{a_class.code}{query}" for query in ("", f"?part={PART}")],
        "/classes/{code}/mine": [f"classes/{a_class.code}/mine{query}" for query in ("", f"?part={PART}")],
        "/classes/{code}/answers.csv": [f"classes/{a_class.code}/answers.csv"],
        "/runs/{id}": [
            f"runs/{a_class.run.id}",
            f"runs/{a_class.run.id}?step=400&layer=1",
            f"runs/{a_class.run.id}?lesson={LESSON}&part={PART}",
        ],
        "/runs/{id}/recording/{arm}": [f"runs/{a_class.run.id}/recording/{arm}" for arm in (0, 1)],
        "/figures/{name}": [f"figures/{name}?{run}" for name in playground_figures],
        "/labs/{name}": [
            f"{path}?{run}&theme={theme}" for path in lab_figures for theme in ("light", "projector")
        ],
        "/exports/{file}": [f"exports/{name}.csv?{run}" for name in playground_figures],
        "/exports/labs/{file}": [f"exports/{path}.csv?{run}" for path in lab_figures],
        "/exports/lessons/{file}": [f"exports/lessons/{a_class.run.id}.html"],
        "/exports/reports/{file}": [f"exports/reports/{a_class.run.id}.html"],
    }


def standing(school, a_class):
    return school.client.get(f"/bnviz/classes/{a_class.code}").json()["class"]


def told(school, a_class):
    """All that a phone is told, without what differs between two classes in any case."""
    sent = {}
    for path, asked in addresses(school, a_class).items():
        for address in asked:
            answer = school.client.get(f"/bnviz/{address}", headers={"X-Bnviz-Voter": VOTER})
            text = answer.content.decode("latin-1")
            for own, same in (
                (a_class.run.id, "RUN"),
                (a_class.code, "CODE"),
                (spaced(a_class.code), "CODE"),
                (f'"revision":{a_class.run.revision}', "REVISION"),
            ):
                text, address = text.replace(own, same), address.replace(own, same)
            sent[path, address] = (answer.status_code, text)
    return sent


def train(a_class):
    """Have the lab's networks trained: with made-up recordings, in which A wanders and B does not."""
    run = a_class.run
    run._trained.recordings = tuple(
        recording(arm, shift=3.0 if arm.normalizer == "none" else 0.0) for arm in run.arms
    )
    run._trained.reached = tuple(item.last_step for item in run._trained.recordings)
    run._show("finished")


def test_every_route_that_answers_a_get_is_asked_or_knows_no_run(school):
    (mount,) = [item for item in school.routes if isinstance(item, Mount)]
    known = {item.path for item in mount.routes if isinstance(item, Route) and "GET" in item.methods}
    assert known == set(addresses(school, school.first)) | UNTOUCHED


def test_while_the_class_votes_again_a_phone_is_told_no_more_than_of_networks_that_were_never_trained(school):
    train(school.first)
    before = told(school, school.first)  # fills every cache
    told(school, school.twin)
    assert standing(school, school.first)["questions"][0]["verdict"]
    school.first.run.reset()
    for a_class in (school.first, school.twin):
        key = {"X-Bnviz-Key": a_class.key}
        asked = school.client.post(f"/bnviz/classes/{a_class.code}/ask", headers=key)
        assert asked.status_code == 200
    now, never = told(school, school.first), told(school, school.twin)
    assert now.keys() == never.keys() == before.keys()
    assert {item: now[item] for item in now if now[item] != never[item]} == {}
    assert standing(school, school.first)["questions"][0]["open"]


def test_the_class_votes_no_more_from_the_moment_in_which_anything_is_measured(school):
    key = {"X-Bnviz-Key": school.first.key}
    school.client.post(f"/bnviz/classes/{school.first.code}/ask", headers=key)
    train(school.first)
    school.client.get(f"/bnviz/runs/{school.first.run.id}")  # a phone sees the end of the training first
    vote = {"round": 1, "answer": school.first.answer}
    headers = {"X-Bnviz-Voter": VOTER}
    late = school.client.post(f"/bnviz/classes/{school.first.code}/vote", json=vote, headers=headers)
    assert late.status_code == 409
    assert not standing(school, school.first)["questions"][0]["open"]
