"""The routes of a class, asked without a server: who may see what, and who may drive."""

from __future__ import annotations

import csv
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from bnviz.classroom.codes import digest
from bnviz.classroom.rooms import Rooms
from bnviz.classroom.store import Store
from bnviz.experiment import Experiment
from bnviz.labs import find
from bnviz.labs.base import Setting
from bnviz.runs import RunManager
from bnviz.runs.lab_run import LabRun, LabRuns
from bnviz.web.app import mounted
from bnviz.web.classes import ClassRoutes
from bnviz.web.runs import RunRoutes, find_run
from tests.recordings import recording
from tests.site import client_of


def standing(answer):
    """How the class stands, and its first question."""
    told = answer.json()["class"]
    return told | (told["questions"][0] if told["questions"] else {})


ARMS = (Experiment(hidden=(4, 3), normalizer="none"), Experiment(hidden=(4, 3)))
VOTER, OTHER = "a" * 32, "b" * 32


HEADERS = {"key": "X-Bnviz-Key", "voter": "X-Bnviz-Voter", "etag": "If-None-Match"}


class Site:
    """A server's routes, its classes and its runs, which nothing trains."""

    def __init__(self, manager: RunManager, rooms: Rooms) -> None:
        self.manager, self.rooms, self.lab_runs = manager, rooms, LabRuns()
        runs = RunRoutes(lambda run: find_run(manager, run), self.lab_runs)
        classes = ClassRoutes("/bnviz", lambda: manager, self.lab_runs, lambda: rooms)
        self.routes = [mounted("/bnviz", [*runs.all(), *classes.all()])]

    def get(self, path, **headers):
        return self.ask("GET", path, **headers)

    def post(self, path, body=None, **more):
        return self.ask("POST", path, body, **more)

    def ask(self, method, path, body=None, client="10.0.0.1", **headers):
        sent = {HEADERS[name]: text.encode() for name, text in headers.items()}
        content = {} if body is None else {"json": body}
        return client_of(self.routes, client).request(method, f"/bnviz/{path}", headers=sent, **content)


@pytest.fixture
def site(tmp_path):
    manager = RunManager(workers=1, folder=lambda: tmp_path)
    rooms = Rooms(Store(lambda: tmp_path / "classes.sqlite"))
    yield Site(manager, rooms)
    rooms.close()
    manager.close()


@pytest.fixture
def shared(site):
    """A class before two networks of the Playground."""
    run = site.manager.open(ARMS)
    return SimpleNamespace(run=run, **vars(site.rooms.start(run, None, "http://192.168.1.7:8501")))


@pytest.fixture
def lab(site):
    """A class before a lab that is not yet run."""
    lab_run = site.lab_runs.open(find("figure-1"), Setting(quick=True), site.manager)
    opened = site.rooms.start(lab_run.run, lab_run, "http://192.168.1.7:8501")
    return SimpleNamespace(lab_run=lab_run, path=f"classes/{opened.code}", **vars(opened))


def finish(site, lab):
    """Have the lab's networks trained: with made-up recordings, in which A wanders and B does not."""
    recordings = [
        recording(arm, shift=3.0 if arm.normalizer == "none" else 0.0) for arm in lab.lab_run.run.arms
    ]
    finished = LabRun(lab.lab_run.lab, lab.lab_run.setting, site.manager)
    finished.run = site.manager.show(recordings)
    site.lab_runs._all[finished.run.id] = finished
    site.rooms.find(lab.code).at.run = finished.run
    assert finished.done
    return finished


def test_the_teacher_saves_the_answers_once_they_are_shown_and_nobody_else_does(site, lab):
    path = f"{lab.path}/answers.csv"
    assert site.get(path, key=lab.key).status_code == 409
    for number, answers in ((1, {VOTER: "plain", OTHER: "bn"}), (2, {VOTER: "bn"})):
        site.post(f"{lab.path}/ask", {}, key=lab.key)
        for voter, answer in answers.items():
            assert (
                site.post(f"{lab.path}/vote", {"round": number, "answer": answer}, voter=voter).status_code
                == 200
            )
        assert site.get(path, key=lab.key).status_code == 409, "open"
        site.post(f"{lab.path}/close", {"show": number == 2}, key=lab.key)
        assert site.get(path, key=lab.key).status_code == (409, 200)[number - 1], "withheld"
    for key in ({}, {"key": "wrong"}):
        assert site.get(path, **key).status_code == 403
    answer = site.get(path, key=lab.key)
    assert answer.headers["Content-Disposition"] == f'attachment; filename="bnviz-answers-{lab.code}.csv"'
    rows = list(csv.DictReader(answer.content.decode("utf-8-sig").splitlines()))
    assert [row["round"] for row in rows] == ["1", "1", "2"]
    assert {row["question"] for row in rows} == {find("figure-1").question}
    assert {row["right"] for row in rows} == {""}
    first = {row["phone"]: row["answer"] for row in rows if row["round"] == "1"}
    assert sorted(first.values()) == ["bn", "plain"]
    assert first[rows[2]["phone"]] == "plain", "the phone that changed its answer"
    for secret in (VOTER, OTHER, digest(VOTER, lab.code).hex(), lab.key):
        assert secret not in answer.text
    finish(site, lab)
    rows = list(csv.DictReader(site.get(path, key=lab.key).content.decode("utf-8-sig").splitlines()))
    assert [row["right"] == "yes" for row in rows] == [row["answer"] == "plain" for row in rows]


def test_students_are_told_which_run_it_is_and_no_key(site, shared):
    answer = site.get(f"classes/{shared.code}")
    assert answer.status_code == 200
    assert answer.json()["class"]["run"] == shared.run.id
    assert answer.json()["class"]["link"] == f"http://192.168.1.7:8501/bnviz/c/{shared.code}"
    for secret in (shared.run.key, shared.key):
        assert secret not in answer.text
        assert secret not in site.get(f"c/{shared.code}").text
        assert secret not in site.get(f"runs/{shared.run.id}").text
    again = site.get(f"classes/{shared.code}", etag=answer.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")


def test_the_teachers_key_entitles_to_drive_in_every_tab_and_no_other_does(site, shared):
    for _ in range(2):  # two tabs
        told = site.get(f"classes/{shared.code}", key=shared.key).json()
        assert (told["teacher"], told["run_key"]) == (True, shared.run.key)
        assert site.post(f"runs/{shared.run.id}/speed", {"speed": 50}, key=told["run_key"]).status_code == 200
    assert shared.run.speed == 50
    for wrong in ("", "x", shared.code, shared.run.id, shared.key[:-1], shared.key + "x", "é"):
        told = site.get(f"classes/{shared.code}", key=wrong).json()
        assert not told.get("teacher")
        assert told.get("run_key") is None
        for action in ("play", "pause", "step", "reset", "speed", "intervene"):
            assert site.post(f"runs/{shared.run.id}/{action}", {"speed": 1}, key=wrong).status_code == 403
        for action in ("ask", "close", "show", "end", "address"):
            assert (
                site.post(
                    f"classes/{shared.code}/{action}", {"address": "evil.example"}, key=wrong
                ).status_code
                == 403
            )
    assert shared.run.speed == 50
    assert not site.rooms.find(shared.code).row.ended


def test_the_page_runs_scripts_of_this_server_alone(site, shared):
    answer = site.get(f"c/{shared.code.upper()}")
    assert answer.status_code == 200
    assert "script-src 'self';" in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-cache"  # a new release names other scripts
    page = answer.text
    assert "<script>" not in page
    assert f'data-code="{shared.code}"' in page
    assert "http://" not in page
    assert "https://" not in page


@pytest.mark.parametrize("code", ["nothere", "k7qm2xpd", "..%2f..%2fetc", "<script>alert(1)", "a" * 5000])
def test_a_code_of_no_class_is_said_in_a_sentence_that_does_not_repeat_it(site, code):
    for path in (f"classes/{code}", f"classes/{code}/qr.svg", f"classes/{code}/mine"):
        answer = site.get(path, voter=VOTER)
        assert answer.status_code == 404
        assert "script" not in answer.text


def test_a_link_with_something_that_is_no_code_is_answered_in_words(site):
    for path in ("c/nothere", "c/<script>alert(1)", f"c/{'a' * 5000}"):
        answer = site.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/plain")
        assert "eight letters and digits" in answer.text
        assert "script" not in answer.text


def test_nobody_sees_what_was_answered_before_the_teacher_closes_the_question(site, lab):
    assert site.post(f"{lab.path}/vote", {"round": 1, "answer": "bn"}, voter=VOTER).status_code == 409
    assert site.post(f"{lab.path}/ask", key=lab.key).status_code == 200
    assert site.post(f"{lab.path}/vote", {"round": 1, "answer": "bn"}, voter=VOTER).json()["answer"] == "bn"
    assert (
        site.post(f"{lab.path}/vote", {"round": 1, "answer": "plain"}, voter=VOTER).json()["answer"] == "bn"
    )
    site.post(f"{lab.path}/vote", {"round": 1, "answer": "plain"}, voter=OTHER)
    for headers in ({}, {"key": lab.key}):
        told = standing(site.get(lab.path, **headers))
        assert (told["open"], told["answered"], told["tallies"]) == (True, [2], [])
    assert site.get(f"{lab.path}/mine", voter="c" * 32).json() == {"votes": []}
    closed = standing(site.post(f"{lab.path}/close", key=lab.key))
    assert {bar["words"]: bar["count"] for bar in closed["tallies"][0]["parts"][0]["bars"]} == {
        "without batch norm": 1,
        "with batch norm": 1,
        "equally far (within a factor of 1.5)": 0,
    }
    assert closed["tallies"][0]["right"] is None
    site.post(f"{lab.path}/ask", key=lab.key)
    told = standing(site.get(lab.path))
    assert (told["tallies"], told["answered"]) == ([], [2, 0])  # the first round would sway the second
    site.post(f"{lab.path}/close", key=lab.key)
    assert len(standing(site.get(lab.path))["tallies"]) == 2


def test_whoever_plays_closes_the_vote_and_nothing_measured_is_sent_while_it_is_open(site, lab):
    site.rooms.ask(site.rooms.find(lab.code))
    assert standing(site.get(lab.path))["open"]
    assert site.get(f"runs/{lab.lab_run.run.id}").json()["recorded_steps"] == []
    finish(site, lab)
    late = site.post(f"{lab.path}/vote", {"round": 1, "answer": "bn"}, voter=VOTER)
    assert late.status_code == 409
    told = standing(site.get(lab.path))
    assert (told["open"], told["answered"]) == (False, [0])


def test_a_round_is_closed_without_being_shown_and_both_are_shown_after_the_second(site, lab):
    for number, answers in ((1, ("bn", "bn")), (2, ("bn", "plain"))):
        site.post(f"{lab.path}/ask", key=lab.key)
        for token, answer in zip((VOTER, OTHER), answers, strict=True):
            site.post(f"{lab.path}/vote", {"round": number, "answer": answer}, voter=token)
        site.post(f"{lab.path}/close", {"show": False}, key=lab.key)
        for headers in ({}, {"key": lab.key}):
            told = standing(site.get(lab.path, **headers))
            assert (told["open"], told["withheld"], told["tallies"]) == (False, True, [])
            assert told["answered"] == [2] * number
    assert site.post(f"{lab.path}/show").status_code == 403
    told = standing(site.post(f"{lab.path}/show", key=lab.key))
    assert not told["withheld"]
    counts = [[bar["count"] for bar in tally["parts"][0]["bars"]] for tally in told["tallies"]]
    assert counts == [[0, 2, 0], [1, 1, 0]]


def test_answers_are_not_shown_before_there_are_any(site, lab):
    assert site.post(f"{lab.path}/show", key=lab.key).status_code == 409
    site.post(f"{lab.path}/ask", key=lab.key)
    assert site.post(f"{lab.path}/show", key=lab.key).status_code == 409
    assert standing(site.get(lab.path))["tallies"] == []


def test_who_opened_the_class_to_answer_has_joined_and_the_wall_has_not(site, lab):
    for _ in range(2):
        for token in (VOTER, OTHER):
            site.get(f"{lab.path}/mine", voter=token)
        site.get(lab.path)
        site.get(lab.path, key=lab.key)
    site.post(f"{lab.path}/ask", key=lab.key)
    site.post(f"{lab.path}/vote", {"round": 1, "answer": "bn"}, voter=VOTER)
    site.post(f"{lab.path}/vote", {"round": 1, "answer": "bn"}, voter="c" * 32)  # voted without a look
    told = standing(site.get(lab.path))
    assert (told["answered"], told["joined"]) == ([2], 3)


def test_answers_that_play_closed_are_shown_with_the_verdict(site, lab):
    site.post(f"{lab.path}/ask", key=lab.key)
    site.post(f"{lab.path}/vote", {"round": 1, "answer": "plain"}, voter=VOTER)
    lab.lab_run.run._show("running")
    told = standing(site.get(lab.path))
    assert (told["open"], told["withheld"], told["tallies"]) == (False, True, [])
    finish(site, lab)
    told = standing(site.get(lab.path))
    assert (told["withheld"], [tally["right"] for tally in told["tallies"]]) == (False, [1])


def test_once_it_is_measured_every_round_is_scored_and_every_voter_told(site, lab):
    room = site.rooms.find(lab.code)
    for number, answers in ((1, ["bn", "bn", "plain"]), (2, ["bn", "plain", "plain"])):
        site.rooms.ask(room)
        for token, answer in zip((VOTER, OTHER, "c" * 32), answers, strict=True):
            site.post(f"{lab.path}/vote", {"round": number, "answer": answer}, voter=token)
        site.rooms.close_question(room)
    finished = finish(site, lab)
    answer = finished.lab.verdict(finished.result()).answer
    assert answer == "plain"
    told = standing(site.get(lab.path))
    assert [tally["right"] for tally in told["tallies"]] == [1, 2]
    assert told["verdict"]["measured"] == [{"words": "without batch norm", "value": None}]
    mine = site.get(f"{lab.path}/mine", voter=OTHER).json()["votes"]
    assert [(vote["round"], vote["right"]) for vote in mine] == [(1, False), (2, True)]
    assert mine[1]["sentence"] == finished.lab.score("plain", finished.result()).sentence
    late = site.post(f"{lab.path}/vote", {"round": 2, "answer": "plain"}, voter="d" * 32)
    assert late.status_code == 409
    assert "too late" in late.json()["error"]


def test_what_is_measured_already_is_not_asked(site, lab):
    finish(site, lab)
    answer = site.post(f"{lab.path}/ask", key=lab.key)
    assert answer.status_code == 409
    assert "trained already" in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "voter", "status"),
    [
        ({"round": 1, "answer": "<img src=x onerror=alert(1)>"}, VOTER, 422),
        ({"round": 1, "answer": ["bn"]}, VOTER, 422),
        ({"round": "one", "answer": "bn"}, VOTER, 422),
        ({"round": True, "answer": "bn"}, VOTER, 422),
        ({"answer": "bn"}, VOTER, 422),
        ({"round": 2, "answer": "bn"}, VOTER, 409),
        ({"round": 1, "answer": "bn"}, "short", 422),
        ({"round": 1, "answer": "bn"}, "a" * 500, 422),
        ({"round": 1, "answer": "b" * 2000}, VOTER, 413),
        ([1], VOTER, 422),
    ],
)
def test_what_is_no_answer_is_refused_and_not_stored(site, lab, body, voter, status):
    site.post(f"{lab.path}/ask", key=lab.key)
    answer = site.post(f"{lab.path}/vote", body, voter=voter)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert site.rooms.find(lab.code).at.poll().answers(1) == []


def test_a_flood_of_new_voters_from_one_address_is_stopped_and_others_get_in(site, lab):
    site.post(f"{lab.path}/ask", key=lab.key)

    def vote(number, client):
        return site.post(
            f"{lab.path}/vote", {"round": 1, "answer": "bn"}, voter=f"{number:032d}", client=client
        ).status_code

    answers = [vote(number, "10.0.0.66") for number in range(170)]
    assert answers[:100] == [200] * 100
    assert 409 in answers
    assert vote(1000, "10.0.0.67") == 200
    assert vote(3, "10.0.0.66") == 200  # who voted is known


def test_numbers_are_asked_for_by_notches_and_shown_as_a_histogram(site):
    lab_run = site.lab_runs.open(find("learning-rate"), Setting(quick=True), site.manager)
    opened = site.rooms.start(lab_run.run, lab_run, "http://x")
    path = f"classes/{opened.code}"
    told = standing(site.post(f"{path}/ask", key=opened.key))
    (slider,) = told["sliders"]
    values = [notch["value"] for notch in slider["notches"]]
    for number, value in enumerate(values):  # every notch is an answer that the lab allows
        assert (
            site.post(f"{path}/vote", {"round": 1, "answer": value}, voter=f"{number:032d}").status_code
            == 200
        )
    told = standing(site.post(f"{path}/close", key=opened.key))
    (part,) = told["tallies"][0]["parts"]
    assert told["guess"] is None  # until it is measured
    assert sum(bar["count"] for bar in part["bars"]) == len(values) == 41
    assert part["bars"][0]["low"] == 1
    assert part["bars"][-1]["high"] == 1000
    finish(site, SimpleNamespace(lab_run=lab_run, code=opened.code))
    guess = standing(site.get(path))["guess"]
    assert guess == pytest.approx(float(values[20]))


def test_the_code_to_scan_follows_the_address_that_the_teacher_gives(site, shared):
    path = f"classes/{shared.code}"
    before = site.get(f"{path}/qr.svg")
    assert before.headers["content-type"] == "image/svg+xml"
    assert ElementTree.fromstring(before.text).tag.endswith("svg")
    assert site.post(f"{path}/address", {"address": "javascript:alert(1)"}, key=shared.key).status_code == 422
    told = standing(site.post(f"{path}/address", {"address": "10.1.2.3:80"}, key=shared.key))
    assert told["link"] == f"http://10.1.2.3:80/bnviz/c/{shared.code}"
    assert site.get(f"{path}/qr.svg").text != before.text


def test_an_ended_class_takes_no_answers(site, lab):
    site.post(f"{lab.path}/ask", key=lab.key)
    told = standing(site.post(f"{lab.path}/end", key=lab.key))
    assert (told["ended"], told["open"]) == (True, False)
    assert site.post(f"{lab.path}/vote", {"round": 1, "answer": "bn"}, voter=VOTER).status_code == 409
    assert not lab.lab_run.run.held
