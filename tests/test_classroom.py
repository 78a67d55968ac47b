"""Classes, votes, invitations, lessons and restrictions, without a server; nothing trains here."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import zxingcpp

from bnviz.classroom.codes import ALPHABET, digest, fits, new_code, new_key, read_code, spaced
from bnviz.classroom.invitation import AddressError, is_local, qr_code, reachable, read_address
from bnviz.classroom.lesson_plans import SHIPPED, LessonPlanError, all_plans, find_plan, read_plan
from bnviz.classroom.restrictions import Restrictions, controls
from bnviz.classroom.room import ClassroomError
from bnviz.classroom.rooms import Rooms
from bnviz.classroom.store import ClassRow, PartRow, Store, StoreError, VoteRow
from bnviz.classroom.voting import BARS, measured, right, tally
from bnviz.data.paths import home
from bnviz.experiment import Experiment
from bnviz.labs import find
from bnviz.labs.base import Setting
from bnviz.labs.predictions import Estimate, PredictionError, Slider
from bnviz.runs import RunManager
from bnviz.runs.lab_run import LabRun, LabRuns
from bnviz.web.rate_limit import NEW_VOTERS, RateLimit

ARMS = (Experiment(hidden=(4, 3), normalizer="none"), Experiment(hidden=(4, 3)))
TOKEN = "a" * 32


@pytest.fixture
def manager(tmp_path):
    with_no_trainers = RunManager(workers=1, folder=lambda: tmp_path)
    yield with_no_trainers
    with_no_trainers.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "classes.sqlite"


@pytest.fixture
def rooms(path):
    opened = Rooms(Store(lambda: path))
    yield opened
    opened.close()


@pytest.fixture
def lab_run(manager):
    return LabRun(find("figure-1"), Setting(quick=True), manager)


def lab_room(rooms, lab_run):
    opened = rooms.start(lab_run.run, lab_run, "http://192.168.1.7:8501")
    return rooms.find(opened.code), opened


def vote(rooms, room, token, answer, number=1, admits=lambda: True):
    return rooms.vote(room, number, token, answer, admits)


def test_home_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("BNVIZ_HOME", str(tmp_path / "deep" / "folder"))
    assert home() == (tmp_path / "deep" / "folder").resolve()
    assert home().is_dir()


def test_a_code_is_read_as_people_type_it_and_nothing_else_is_one():
    code = new_code()
    assert len(code) == 8
    assert set(code) <= set(ALPHABET)
    assert not set("01ilo") & set(ALPHABET)
    for typed in (code, code.upper(), spaced(code), f" {code[:2]} {code[2:]} "):
        assert read_code(typed) == code
    for wrong in ("", "short", code + "a", "../etc/x", "k7qm-2xp0", "é" * 8, "a" * 10_000):
        assert read_code(wrong) is None


def test_a_key_fits_its_class_alone_and_is_not_stored():
    key, code = new_key(), new_code()
    stored = digest(key, code)
    assert fits(key, code, stored)
    assert not fits(key + "x", code, stored)
    assert not fits("", code, stored)
    assert not fits(key, new_code(), stored)
    assert key.encode() not in stored


def test_a_voter_has_one_vote_a_round_and_it_is_the_first(rooms, lab_run):
    room, _ = lab_room(rooms, lab_run)
    with pytest.raises(ClassroomError, match="not open"):
        vote(rooms, room, TOKEN, "bn")
    rooms.ask(room)
    assert vote(rooms, room, TOKEN, "bn") == "bn"
    assert vote(rooms, room, TOKEN, "plain") == "bn"
    assert vote(rooms, room, "b" * 32, "plain") == "plain"
    with pytest.raises(PredictionError, match="plain, bn"):
        vote(rooms, room, "c" * 32, "<script>")
    rooms.close_question(room)
    with pytest.raises(ClassroomError, match="not open"):
        vote(rooms, room, "c" * 32, "bn")
    rooms.ask(room)
    assert vote(rooms, room, TOKEN, "plain", number=2) == "plain"
    rooms.close_question(room)
    with pytest.raises(ClassroomError, match="2 times"):
        rooms.ask(room)
    assert Counter(room.at.poll().answers(1)) == {"bn": 1, "plain": 1}
    assert room.at.poll().answers(2) == ["plain"]


def test_votes_and_the_teachers_key_survive_the_server(rooms, lab_run, path, manager):
    room, opened = lab_room(rooms, lab_run)
    rooms.ask(room)
    vote(rooms, room, TOKEN, "bn")
    rooms.close()
    later = Rooms(Store(lambda: path))
    again = later.find(opened.code)
    assert again.at.poll().votes == room.at.poll().votes
    assert (again.at.poll().row.round, again.at.poll().row.is_open) == (1, True)
    assert later.entitled(again, opened.key)
    assert not later.entitled(again, "another")
    assert vote(later, again, TOKEN, "plain") == "bn"
    run = later.run(again, manager, LabRuns())
    assert run.id != lab_run.run.id
    assert run.arms == lab_run.run.arms
    later.close()


def test_what_was_trained_before_a_reset_does_not_come_back_once_a_question_is_asked(rooms, lab_run, path):
    room, opened = lab_room(rooms, lab_run)
    room.at.row = replace(room.at.row, step=120)  # stored before the reset
    rooms._store.change_class(room.row, room.at.row)
    rooms.ask(room)
    rooms.close()
    later = Rooms(Store(lambda: path))
    assert later.find(opened.code).at.row.step == 0
    later.close()


def test_a_shared_run_is_opened_again_with_what_was_changed_at_the_step_it_had(rooms, path, manager):
    run = manager.open(ARMS)
    run.intervene("learning_rate", 0.25, 1)
    opened = rooms.start(run, None, "http://x")
    room = rooms.find(opened.code)
    rooms._store.change_class(room.row, replace(room.at.row, step=120))
    rooms.close()
    later = Rooms(Store(lambda: path))
    asked = []

    class Noted(RunManager):
        def open(self, *arguments, **named):
            opened_run = super().open(*arguments, **named)
            opened_run.advance = lambda *steps, **how: asked.append((steps, how))
            return opened_run

    other = Noted(workers=1, folder=lambda: path.parent)
    again = later.run(later.find(opened.code), other, LabRuns())
    assert again.arms == ARMS
    assert again.held
    assert [item.interventions for item in again.recordings] == [
        item.interventions for item in run.recordings
    ]
    assert asked == [((120,), {"every_step": False})]
    other.close()
    later.close()


def test_the_run_is_held_while_the_class_lives_and_a_new_one_takes_its_place(rooms, manager):
    first, second = manager.open(ARMS), manager.open(ARMS)
    opened = rooms.start(first, None, "http://x")
    room = rooms.find(opened.code)
    assert (first.held, second.held) == (True, False)
    rooms.show(room, second, None)
    assert (first.held, second.held) == (False, True)
    assert rooms.run(room, manager, LabRuns()) is second
    rooms.end(room)
    assert not second.held


EARLIER = """
CREATE TABLE classes (
    code TEXT PRIMARY KEY, teacher BLOB NOT NULL, shown TEXT NOT NULL, address TEXT NOT NULL,
    step INTEGER NOT NULL DEFAULT 0, round INTEGER NOT NULL DEFAULT 0, is_open INTEGER NOT NULL DEFAULT 0,
    ended INTEGER NOT NULL DEFAULT 0, used REAL NOT NULL, withheld INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE votes (
    code TEXT NOT NULL REFERENCES classes ON DELETE CASCADE, round INTEGER NOT NULL, voter BLOB NOT NULL,
    answer TEXT NOT NULL, PRIMARY KEY (code, round, voter)
) WITHOUT ROWID;
"""
"""A file of classes as versions without lessons in a class wrote it."""


@pytest.mark.parametrize("withheld", [True, False, None])
def test_a_file_of_an_earlier_version_keeps_its_classes_and_votes(path, manager, withheld):
    """withheld: None for a version in which every closed round was shown."""
    code, key = new_code(), new_key()
    lab = '{"arms":[],"changes":[],"lab":"figure-1","quick":true,"seeds":null,"steps":null,"images":false}'
    with sqlite3.connect(path) as database:
        database.executescript(EARLIER)
        row = (code, digest(key, code), lab, "http://x", 40, 2, 0, 0, 1.0, bool(withheld))
        database.execute("INSERT INTO classes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        for number, answer in ((1, "bn"), (2, "plain")):
            database.execute(
                "INSERT INTO votes VALUES (?, ?, ?, ?)", (code, number, digest(TOKEN, code), answer)
            )
        if withheld is None:
            database.execute("ALTER TABLE classes DROP COLUMN withheld")
    database.close()
    for _ in range(2):  # the second time the file is of this version
        later = Rooms(Store(lambda: path))
        room = later.find(code)
        poll = room.at.poll()
        assert later.entitled(room, key)
        assert (poll.answers(1), poll.answers(2)) == (["bn"], ["plain"])
        assert (poll.row.round, poll.row.withheld) == (2, bool(withheld))
        assert (room.plan, room.at.row.step) == (None, 40)
        assert (
            later.run(room, manager, LabRuns()).arms
            == LabRun(find("figure-1"), Setting(quick=True), manager).run.arms
        )
        later.close()


def test_a_full_disk_keeps_no_vote_open_once_training_began(rooms, lab_run, monkeypatch):
    room, _ = lab_room(rooms, lab_run)
    rooms.ask(room)

    def full(*arguments):
        raise StoreError("full")

    monkeypatch.setattr(rooms._store, "change_question", full)
    rooms.close_begun(room)
    assert not room.at.is_open
    with pytest.raises(ClassroomError, match="not open"):
        vote(rooms, room, TOKEN, "bn")


def test_another_run_begins_without_the_votes_of_the_last_also_after_a_restart(rooms, manager, lab_run, path):
    room, opened = lab_room(rooms, lab_run)
    rooms.ask(room)
    vote(rooms, room, TOKEN, "bn")
    rooms.show(room, manager.open(ARMS), None)
    anew = Rooms(Store(lambda: path))
    assert [list(held.find(opened.code).at.polls) for held in (rooms, anew)] == [[], []]
    assert anew._store.votes(opened.code) == []
    anew.close()


def test_more_answers_than_a_class_can_have_are_refused(rooms, lab_run, monkeypatch):
    monkeypatch.setattr("bnviz.classroom.rooms.MOST_VOTERS", 2)
    room, _ = lab_room(rooms, lab_run)
    rooms.ask(room)
    for token in ("a" * 32, "b" * 32):
        vote(rooms, room, token, "bn")
    with pytest.raises(ClassroomError, match="2 answers were given"):
        vote(rooms, room, "c" * 32, "bn")
    assert vote(rooms, room, "a" * 32, "plain") == "bn"  # who has answered is still told
    assert room.at.poll().answers(1) == ["bn", "bn"]


def test_an_answer_that_is_allowed_and_endless_is_not_stored(rooms, manager):
    room, _ = lab_room(rooms, LabRun(find("learning-rate"), Setting(quick=True), manager))
    rooms.ask(room)
    with pytest.raises(PredictionError, match="too long"):
        vote(rooms, room, TOKEN, f"10.{'0' * 300}")
    assert room.at.poll().answers(1) == []


def test_a_full_disk_gives_a_sentence_and_loses_no_vote_that_was_confirmed(rooms, lab_run, path):
    room, opened = lab_room(rooms, lab_run)
    rooms.ask(room)
    database = rooms._store._database
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count = {pages + 1}")
    confirmed = {}

    def vote_until_it_fails():
        for number in range(1000):
            token = f"{number:032d}"
            confirmed[token] = vote(rooms, room, token, ("bn", "plain")[number % 2])

    with pytest.raises(StoreError, match="disk is full"):
        vote_until_it_fails()
    assert confirmed
    assert len(room.at.poll().answers(1)) == len(confirmed)
    rooms.close()
    later = Rooms(Store(lambda: path))
    found = later.find(opened.code)
    assert {digest(token, room.code): answer for token, answer in confirmed.items()} == found.at.poll().votes[
        1
    ]
    assert vote(later, found, "f" * 32, "bn") == "bn"  # there is room again
    later.close()


def test_a_hundred_votes_at_once_all_count(rooms, lab_run, path):
    room, _ = lab_room(rooms, lab_run)
    rooms.ask(room)
    threads = [
        threading.Thread(target=vote, args=(rooms, room, f"{number:032d}", ("bn", "plain")[number % 2]))
        for number in range(100)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(room.at.poll().answers(1)) == {"bn": 50, "plain": 50}
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT count(*) FROM answers").fetchone() == (100,)
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other.close()


def test_a_folder_that_cannot_be_had_is_said_in_a_sentence(tmp_path):
    def nowhere() -> Path:
        raise PermissionError(13, "Permission denied")

    with pytest.raises(StoreError, match="no folder"):
        Store(nowhere)
    (tmp_path / "file").write_text("this is no database, but long enough to be taken for one" * 100)
    with pytest.raises(StoreError, match="cannot be used"):
        Store(lambda: tmp_path / "file")


def test_beyond_the_limit_the_class_unused_for_longest_goes_with_its_votes(path, monkeypatch):
    monkeypatch.setattr("bnviz.classroom.store.MOST_CLASSES", 2)
    store = Store(lambda: path)
    for code in ("aaaaaaaa", "bbbbbbbb"):
        store.add_class(ClassRow(code, b"", ""), PartRow(0, "{}"))
        store.add_vote(code, VoteRow(0, "lab", 1, b"voter", "bn"))
    store.change_class(ClassRow("aaaaaaaa", b"", "used"))
    store.add_class(ClassRow("cccccccc", b"", ""), PartRow(0, "{}"))
    assert [store.find_class(code) is not None for code in ("aaaaaaaa", "bbbbbbbb", "cccccccc")] == [
        True,
        False,
        True,
    ]
    assert store.votes("bbbbbbbb") == []
    assert len(store.votes("aaaaaaaa")) == 1
    store.close()


def test_a_lecture_behind_one_router_gets_in_and_a_script_does_not():
    now = [0.0]
    limit = RateLimit(NEW_VOTERS, lambda: now[0])
    assert all(limit.allows("class", "10.0.0.1") for _ in range(NEW_VOTERS.burst))
    assert not limit.allows("class", "10.0.0.1")
    assert limit.allows("class", "10.0.0.2")
    assert limit.allows("other", "10.0.0.1")
    now[0] = 1 / NEW_VOTERS.per_second
    assert limit.allows("class", "10.0.0.1")
    assert not limit.allows("class", "10.0.0.1")
    now[0] = 1e6  # however long nobody came, no more than a burst comes at once
    assert sum(limit.allows("class", "10.0.0.1") for _ in range(2 * NEW_VOTERS.burst)) == NEW_VOTERS.burst


def test_a_voter_who_is_not_let_in_leaves_no_vote_and_a_known_one_is_not_asked(rooms, lab_run):
    room, _ = lab_room(rooms, lab_run)
    rooms.ask(room)
    vote(rooms, room, TOKEN, "bn")
    with pytest.raises(ClassroomError, match="try again"):
        vote(rooms, room, "b" * 32, "bn", admits=lambda: False)
    rooms.close_question(room)
    rooms.ask(room)
    vote(rooms, room, TOKEN, "bn", number=2, admits=lambda: False)
    assert (len(room.at.poll().answers(1)), len(room.at.poll().answers(2))) == (1, 1)


@pytest.mark.parametrize("logarithmic", [True, False])
def test_a_histogram_counts_every_estimate_once_and_where_numpy_does(logarithmic):
    slider = Slider("times", 1.0, 1000.0, 3.0, logarithmic=logarithmic)
    spread = np.geomspace if logarithmic else np.linspace
    values = np.round(spread(1, 1000, 57), 3)
    (part,) = tally(Estimate((slider,)), [f"{value}" for value in values])
    expected = np.histogram(
        np.log(values) if logarithmic else values, BARS, (0, np.log(1000)) if logarithmic else (1, 1000)
    )
    assert [bar.count for bar in part.bars] == expected[0].tolist()
    assert sum(bar.count for bar in part.bars) == 57
    assert part.middle == slider.shown(float(np.median(values)))


def test_nobody_answered_makes_empty_bars_and_nobody_right():
    slider = Estimate((Slider("times", 1.0, 10.0, 3.0),))
    (part,) = tally(slider, [])
    assert (sum(bar.count for bar in part.bars), part.middle) == (0, "")
    assert right(slider, [], (3.0,)) == 0
    assert right(slider, ["3"], None) is None
    assert measured(slider, (float("nan"),)) == ()


def test_every_answer_is_scored_as_the_lab_scores_it():
    question = find("learning-rate").prediction
    answers = ["1", "3", "30", "30", "999"]
    for answer in ((30.0,), (2.0,), (5000.0,)):
        alone = [question.score(question.read(text), answer).right for text in answers]
        assert right(question, answers, answer) == sum(bool(item) for item in alone)


def picture(svg):
    """The SVG drawn with squares of 4 pixels, by an XML parser and the path's few commands."""
    root = ElementTree.fromstring(svg)
    _, _, width, height = (int(float(item)) for item in root.attrib["viewBox"].split())
    grid = np.full((height, width), 255, np.uint8)
    dark = [item for item in root.iter() if item.tag.endswith("path") and "stroke" in item.attrib]
    assert len(dark) == 1
    x = y = 0.0
    for command, numbers in re.findall(r"([Mmh])([^Mmh]*)", dark[0].attrib["d"]):
        values = [float(item) for item in re.findall(r"-?[\d.]+", numbers)]
        if command == "M":
            x, y = values
        elif command == "m":
            x, y = x + values[0], y + values[1]
        else:
            grid[int(y), int(x) : int(x + values[0])] = 0
            x += values[0]
    return np.kron(grid, np.full((4, 4), 1, np.uint8))


def test_a_reader_of_qr_codes_finds_the_link_in_the_picture():
    link = "http://192.168.178.123:8501/some/where/bnviz/c/k7qm2xpd"
    found = zxingcpp.read_barcodes(picture(qr_code(link)))
    assert [item.text for item in found] == [link]


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]", "0.0.0.0"]
)
def test_a_name_for_the_machine_itself_is_no_address_for_others(host):
    assert is_local(host)


def test_an_address_for_others_is_found_or_not_pretended(monkeypatch):
    monkeypatch.setattr("bnviz.classroom.invitation.lan_address", lambda: "192.168.1.7")
    assert reachable("http://localhost:8501/labs?x=1") == ("http://192.168.1.7:8501", True)
    assert reachable("https://bn.example.org/base/") == ("https://bn.example.org", True)
    monkeypatch.setattr("bnviz.classroom.invitation.lan_address", lambda: None)
    assert reachable("http://127.0.0.1:8501/") == ("http://127.0.0.1:8501", False)


def test_an_address_may_be_written_short_and_must_be_one():
    assert read_address(" 192.168.1.7:8501/ ") == "http://192.168.1.7:8501"
    assert read_address("https://bn.example.org/a/b/") == "https://bn.example.org/a/b"
    assert read_address("http://[fe80::1]:8501") == "http://[fe80::1]:8501"
    for wrong in (
        "",
        "javascript://x",
        "ftp://x",
        "http://a b",
        'http://"><script>',
        "http://u:p@x",
        "http://x:99999",
        "x" * 300,
    ):
        with pytest.raises(AddressError, match="allowed is one such as"):
            read_address(wrong)


def test_a_link_hides_and_locks_fields_and_says_what_it_does_not_know():
    found, ignored = Restrictions.salvage({"hide": "seed, momentum", "lock": "dataset,seed,banana"})
    assert found == Restrictions(frozenset({"seed", "momentum"}), frozenset({"dataset"}))
    assert len(ignored) == 1
    assert "banana" in ignored[0]
    assert Restrictions.salvage(found.to_query()) == (found, ())
    everything, _ = Restrictions.salvage({"hide": "all"})
    assert everything.hidden == {*Experiment.knobs(), "vary", "preset"} == set(controls())
    assert everything.to_query() == {"hide": "all"}
    assert Restrictions.salvage({}) == (Restrictions(), ())


LESSON = """
title = "Mine"
[[part]]
title = "Look"
text = "![remote](http://example.org/x.png) <b>bold</b>"
[[part]]
title = "Play"
hide = ["seed"]
playground = { learning_rate = 0.25, hidden = "8-8", before = true }
[[part]]
title = "Predict"
lab = "figure-1"
"""


def test_a_lesson_file_leads_from_page_to_page(tmp_path):
    (tmp_path / "mine.toml").write_text(LESSON)
    lesson = find_plan("mine", [tmp_path])
    assert [part.place for part in lesson.parts] == ["class", "playground", "labs"]
    assert lesson.query(2) == {
        "learning_rate": "0.25", "hidden": "8-8", "before": "true", "hide": "seed", "lesson": "mine", "part": "2",
    }  # fmt: skip
    assert lesson.query(3) == {"lab": "figure-1", "lesson": "mine", "part": "3"}
    assert "![" not in lesson.parts[0].shown_text
    assert [lesson.part(text)[0] for text in ("2", "0", "99", "-1", "x", "9" * 50)] == [2, 1, 3, 1, 1, 1]


@pytest.mark.parametrize("name", ["../mine", "/etc/passwd", "mine.toml", "", "Mine", "a" * 100, "missing"])
def test_a_lesson_is_a_name_and_no_path(tmp_path, name):
    (tmp_path / "inside").mkdir()
    (tmp_path / "mine.toml").write_text(LESSON)
    with pytest.raises(LessonPlanError, match="no lesson"):
        find_plan(name, [tmp_path / "inside"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('lab = "figure-1"', 'lab = "figure-9"'), "no lab"),
        (('hide = ["seed"]', 'hide = ["sead"]'), "sead"),
        (("learning_rate = 0.25", "learning_rate = -1"), "learning_rate"),
        (("learning_rate = 0.25", "lerning_rate = 1"), "lerning_rate"),
        (('title = "Mine"', 'titel = "Mine"'), "titel"),
        (('title = "Mine"', 'title = "Mine'), "cannot be read"),
        (('text = "', f'text = "{"x" * 9000}'), "8000"),
        (('text = "', f'text = "{"x" * 200_000}'), "too long"),
        (('lab = "figure-1"', 'lab = "figure-1"\nplayground = {}'), "not both"),
        (('title = "Mine"', f'title = "Mine"\na = {"[" * 5000}'), "cannot be read"),
    ],
)
def test_a_lesson_that_is_not_right_is_refused_in_a_sentence(tmp_path, change, said):
    path = tmp_path / "mine.toml"
    path.write_text(LESSON.replace(*change, 1))
    with pytest.raises(LessonPlanError, match=said):
        read_plan(path)
    assert all_plans([tmp_path])[0] == ()
    assert said in all_plans([tmp_path])[1][0]


def test_the_lessons_that_come_with_bnviz_can_be_opened():
    lessons, troubles = all_plans([SHIPPED])
    assert troubles == ()
    assert {"first-look", "the-paper"} <= {lesson.name for lesson in lessons}
    assert {part.place for lesson in lessons for part in lesson.parts} >= {
        "class",
        "playground",
        "labs",
        "inside",
    }
