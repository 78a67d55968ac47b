"""A class on a lesson: the teacher turns its parts, every question keeps its votes, phones see what they may."""

from __future__ import annotations

import csv
from types import SimpleNamespace

import pytest

from bnviz.classroom.lesson_plans import read_plan
from bnviz.classroom.rooms import Rooms
from bnviz.classroom.store import Store
from bnviz.experiment import Experiment
from bnviz.runs import RunManager
from tests.recordings import recording
from tests.test_classroom_routes import OTHER, VOTER, Site

PLAN = """
title = "Mine"
[[part]]
title = "Words"
text = "Look **here**, <b>not bold</b>."
notes = "For the teacher."
[part.ask]
question = "Which mean?"
options = ["0", "1", "2"]
answer = 1
explanation = "By its definition."
[[part]]
title = "Two networks"
playground = { hidden = "4-3", steps = 400 }
figures = ["accuracy"]
until = 200
measured = "Moved {{moved.A.2}}."
[part.ask]
question = "Which moves?"
options = ["A", "B"]
largest = ["moved.A.2", "moved.B.2"]
[[part]]
title = "A lab and a question"
lab = "figure-1"
[part.ask]
question = "And why?"
options = ["This", "That"]
answer = 2
[[part]]
title = "A page"
link = "inside?section=scale"
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "classes.sqlite"


@pytest.fixture
def site(path):
    manager = RunManager(workers=1)
    rooms = Rooms(Store(lambda: path))
    yield Site(manager, rooms)
    rooms.close()
    manager.close()


def started(site, tmp_path, text=PLAN):
    """A class on a lesson. told: how it stands for a phone; teach: what its teacher does."""
    (tmp_path / "mine.toml").write_text(text)
    opened = site.rooms.start_lesson(read_plan(tmp_path / "mine.toml"), "http://x")
    where = f"classes/{opened.code}"

    def told(query="", **headers):
        return site.get(f"{where}{query}", **headers).json()["class"]

    def teach(action, **body):
        return site.post(f"{where}/{action}", body, key=opened.key)

    def vote(voter, number, answer, **body):
        return site.post(f"{where}/vote", {"round": number, "answer": answer, **body}, voter=voter)

    return SimpleNamespace(path=where, told=told, teach=teach, vote=vote, **vars(opened))


@pytest.fixture
def lesson(site, tmp_path):
    return started(site, tmp_path)


def train(site, lesson, step):
    """Have the networks of the part trained: with made-up recordings, in which A moves and B does not."""
    run = site.rooms.find(lesson.code).at.run
    run._trained.recordings = tuple(
        recording(arm, shift=3.0 if arm.normalizer == "none" else 0.0) for arm in run.arms
    )
    run._trained.reached = (step,) * len(run.arms)
    run._show("paused")


def test_every_question_keeps_its_votes_through_turns_and_a_restart(site, lesson, path):
    assert lesson.told()["lesson"]["at"] == 1
    for number, answers in ((1, "12"), (2, "11")):
        assert lesson.teach("ask").status_code == 200
        for voter, answer in zip((VOTER, OTHER), answers, strict=True):
            assert lesson.vote(voter, number, answer, part=1, question="own").status_code == 200
        assert lesson.told()["questions"][0]["tallies"] == []
        refused = lesson.teach("turn", part=2)
        assert (refused.status_code, "Close" in refused.json()["error"]) == (409, True)
        lesson.teach("close", show=number == 2)
    lesson.teach("turn", part=2)
    lesson.teach("ask")
    lesson.vote(VOTER, 1, "2")
    lesson.teach("close")
    lesson.teach("turn", part=1)
    (asked,) = lesson.told()["questions"]
    assert [[bar["count"] for bar in tally["parts"][0]["bars"]] for tally in asked["tallies"]] == [
        [1, 1, 0],
        [2, 0, 0],
    ]
    site.rooms.close()
    site.rooms = Rooms(Store(lambda: path))
    again = site.rooms.find(lesson.code)
    assert again.row.part == 1
    assert sorted(again.at.poll().answers(1)) == ["1", "2"]
    assert again.parts[2].poll().answers(1) == ["2"]
    assert again.plan.parts[1].until == 200


def test_a_run_shared_by_hand_leaves_the_lesson_s_votes_alone(site, lesson):
    lesson.teach("ask")
    lesson.vote(VOTER, 1, "1")
    lesson.teach("close")
    arms = (Experiment(hidden=(4, 3), normalizer="none"), Experiment(hidden=(4, 3)))
    room = site.rooms.find(lesson.code)
    site.rooms.show(room, site.manager.open(arms), None)
    assert (lesson.told()["part"], lesson.told()["questions"]) == (0, [])
    lesson.teach("turn", part=1)
    assert lesson.told()["questions"][0]["answered"] == [1]


def test_a_phone_looks_back_and_ahead_only_where_the_plan_allows(site, lesson, tmp_path):
    ahead = started(site, tmp_path, PLAN.replace('title = "Mine"', 'title = "Mine"\nahead = true', 1))
    for a_class, status in ((lesson, 409), (ahead, 200)):
        a_class.teach("turn", part=2)
        assert a_class.told("?part=1")["title"] == "Words"
        answer = site.get(f"{a_class.path}?part=3")
        assert answer.status_code == status
        for wrong in (0, 5, 51, "x"):
            assert site.get(f"{a_class.path}?part={wrong}").status_code in (409, 422)
    assert [item["title"] for item in lesson.told()["lesson"]["parts"]] == ["Words", "Two networks"]
    read = ahead.told("?part=3")
    assert (read["run"], read["figures"], read["behind"]) == (None, [], False)
    assert [(item["open"], item["verdict"], item["behind"]) for item in read["questions"]] == [
        (False, None, "")
    ] * 2
    assert ahead.vote(VOTER, 1, "1", part=3, question="own").status_code == 409
    assert len(site.manager._runs) == 2, "no run is opened for who reads ahead"


def test_a_measured_question_is_judged_by_the_run_when_it_comes_to_its_step(site, lesson):
    lesson.teach("turn", part=2)
    lesson.teach("ask")
    lesson.vote(VOTER, 1, "1")
    lesson.vote(OTHER, 1, "2")
    told = lesson.told()
    assert (told["questions"][0]["verdict"], told["measured"]) == (None, "")
    assert lesson.teach("tell").status_code == 409
    lesson.teach("close", show=False)
    train(site, lesson, 199)
    assert lesson.told()["questions"][0]["verdict"] is None
    train(site, lesson, 200)
    told = lesson.told()
    (asked,) = told["questions"]
    assert asked["verdict"]["measured"] == [{"words": "A", "value": None}]
    assert asked["tallies"][0]["right"] == 1
    assert told["measured"].startswith("Moved ")
    mine = site.get(f"{lesson.path}/mine", voter=OTHER).json()["votes"]
    assert [(item["question"], item["right"]) for item in mine] == [("own", False)]
    assert lesson.teach("ask").status_code == 409


def test_what_the_plan_says_is_right_is_told_by_the_teacher_alone_and_never_called_measured(site, lesson):
    lesson.teach("ask")
    lesson.vote(VOTER, 1, "2")
    assert lesson.teach("tell").status_code == 409
    lesson.teach("close")
    sent = site.get(lesson.path).text
    assert "definition" not in sent
    assert site.post(f"{lesson.path}/tell").status_code == 403
    lesson.teach("tell")
    (asked,) = lesson.told()["questions"]
    assert (asked["verdict"]["word"], asked["verdict"]["mark"], asked["tells"]) == (
        "The answer",
        "right",
        False,
    )
    assert "definition" in asked["behind"]
    (mine,) = site.get(f"{lesson.path}/mine", voter=VOTER).json()["votes"]
    assert (mine["right"], "measured" in mine["sentence"]) == (False, False)
    assert lesson.teach("ask").status_code == 409


def test_a_lab_s_question_and_the_teacher_s_own_are_asked_one_after_the_other(site, lesson):
    lesson.teach("turn", part=3)
    assert [item["name"] for item in lesson.told()["questions"]] == ["lab", "own"]
    lesson.teach("ask", question="lab")
    assert lesson.teach("ask", question="own").status_code == 409
    assert lesson.vote(VOTER, 1, "1", question="own").status_code == 409
    assert lesson.vote(VOTER, 1, "bn", question="lab").status_code == 200
    lesson.teach("close")
    lesson.teach("ask", question="own")
    assert lesson.vote(VOTER, 1, "1", question="own").status_code == 200
    lesson.teach("close")
    votes = site.get(f"{lesson.path}/mine", voter=VOTER).json()["votes"]
    assert [(item["question"], item["words"]) for item in votes] == [
        ("lab", "with batch norm"),
        ("own", "This"),
    ]


def test_notes_and_coming_titles_are_for_the_teacher_and_html_in_a_text_is_text(site, lesson):
    answer = site.get(lesson.path)
    assert "For the teacher" not in answer.text
    assert "A lab and a question" not in answer.text
    assert answer.json()["class"]["text"] == (
        "<p>Look <strong>here</strong>, &lt;b&gt;not bold&lt;/b&gt;.</p>\n"
    )
    own = site.get(lesson.path, key=lesson.key).json()
    assert "For the teacher" in own["notes"]
    assert own["parts"][2] == "A lab and a question"
    assert site.get(lesson.path, key="wrong").json()["notes"] == ""


def test_what_is_behind_it_is_shown_on_the_wall_when_the_teacher_wants(site, lesson):
    for shown in (True, False):
        assert site.post(f"{lesson.path}/behind", {"show": shown}).status_code == 403
        lesson.teach("behind", show=shown)
        assert lesson.told()["behind"] is shown


def test_a_page_on_which_nothing_trains_is_a_link(lesson):
    lesson.teach("turn", part=4)
    told = lesson.told()
    assert (told["run"], told["opens"]) == (
        None,
        [{"href": "inside?section=scale", "words": "Open the page Inside"}],
    )


def test_the_file_of_answers_has_all_parts_and_knows_what_was_right_when_the_runs_are_gone(
    site, lesson, path
):
    lesson.teach("ask")
    lesson.vote(VOTER, 1, "2")
    lesson.teach("close")
    lesson.teach("tell")
    lesson.teach("turn", part=2)
    lesson.teach("ask")
    lesson.vote(VOTER, 1, "1")
    lesson.teach("close", show=False)
    train(site, lesson, 200)
    lesson.told()
    site.rooms.close()
    site.rooms = Rooms(Store(lambda: path))
    room = site.rooms.find(lesson.code)
    assert room.parts[2].run is None
    answer = site.get(f"{lesson.path}/answers.csv", key=lesson.key)
    rows = list(csv.DictReader(answer.content.decode("utf-8-sig").splitlines()))
    assert [(row["part"], row["about"], row["answer"], row["in words"], row["right"]) for row in rows] == [
        ("1", "Words", "2", "1", "no"),
        ("2", "Two networks", "1", "A", "yes"),
    ]
