"""What programs elsewhere send to be shown live: who may, how much, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from starlette.testclient import TestClient

from bnviz.experiment import Experiment
from bnviz.recording import Recording
from bnviz.recording.recording import fingerprint
from bnviz.recording.sandbox import KeptSandbox
from bnviz.recording.watched import Note, Watched, WatchedLayer
from bnviz.runs import Limits, RunManager
from bnviz.runs.feeds import SILENT_SECONDS, Feed, FeedError, FeedFullError, FeedOverError, FeedSeries
from bnviz.web import app, state
from tests import recordings
from tests.site import client_of

HERE = {"Host": "localhost:8501"}
LAYERS = (WatchedLayer("enc.fc1", 6, "gelu"), WatchedLayer("enc.fc2", 5, "relu", "BatchNorm1d"))
SHAPE = Experiment(hidden=(6, 5), steps=40)


def watched(
    *steps: int, mode: str = "training", name: str = "net", notes: tuple[Note, ...] = ()
) -> Recording:
    """Records of a watched network at these steps."""
    kept = tuple(recordings.snapshot(SHAPE, step, step / 10, 1.0, 0.5) for step in steps)
    return Recording(Watched(name, LAYERS, mode, notes), snapshots=kept)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def sandbox() -> Iterator[KeptSandbox]:
    made = KeptSandbox()
    yield made
    made.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def feed(sandbox: KeptSandbox, clock: Clock) -> Feed:
    return Feed(watched(0, 10), Limits(), sandbox, clock)


@pytest.fixture
def manager() -> Iterator[RunManager]:
    manager = RunManager(workers=1, limits=Limits(watched_runs=2, watched_run_records=20))  # nothing trains
    yield manager
    manager.close()


def here(manager: RunManager) -> TestClient:
    """A program on the server's own machine."""
    return site_of_address(manager, "127.0.0.1")


def site_of_address(manager: RunManager, address: str) -> TestClient:
    return client_of(app.routes("", lambda: manager), address)


# A feed


def test_records_come_one_after_the_other_and_each_mode_is_a_series_of_its_own(feed):
    assert feed.take(watched(20, 30), 2) == 4
    assert feed.take(watched(15, mode="evaluation"), 0) == 1
    training, evaluation = feed.recordings
    assert training == watched(0, 10, 20, 30)
    assert evaluation == watched(15, mode="evaluation")
    assert [item.mode for item in feed.series] == ["training", "evaluation"]


def test_the_same_records_sent_again_change_nothing_and_the_latest_may_be_replaced(feed):
    assert feed.take(watched(10), 1) == 2
    assert feed.recordings == (watched(0, 10),)
    before = fingerprint(feed.recordings)
    later = watched(10).snapshots[0]
    told = replace(later, curves=(*later.curves[:1],))
    feed.take(replace(watched(10), snapshots=(told,)), 1)
    assert feed.recordings[0].snapshots[-1].curves == told.curves
    assert fingerprint(feed.recordings) != before  # figures are drawn anew


def test_notes_come_with_the_records_and_without(feed):
    note = Note("enc.fc1", "measured in training mode: 64 values of each of 6 units")
    feed.take(watched(notes=(note,)), 2)
    assert feed.recordings[0].notes == (note,)
    assert feed.recordings[0].steps.tolist() == [0, 10]


@pytest.mark.parametrize(
    ("part", "first", "kind", "message"),
    [
        (watched(40), 3, FeedOverError, "the records from 2 to 2 are missing here"),
        (watched(10), 2, FeedError, "a record's step is not larger than the one before"),
        (watched(20, name="other"), 2, FeedError, "the network is another one than before"),
        (Recording(SHAPE), 0, FeedError, "only a network that is watched"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence_and_changes_nothing(feed, part, first, kind, message):
    with pytest.raises(kind, match=message):
        feed.take(part, first)
    assert feed.recordings == (watched(0, 10),)


def test_more_records_or_bytes_than_allowed_are_refused_by_the_limits_name(sandbox):
    few = Feed(watched(0), Limits(watched_run_records=2), sandbox)
    with pytest.raises(FeedFullError, match=r"which takes 2 of a run \(BNVIZ_WATCHED_RUN_RECORDS\)"):
        few.take(watched(10, 20), 1)
    with pytest.raises(FeedFullError, match=r"which takes 1 MB of one \(BNVIZ_WATCHED_RUN_MB\)"):
        Feed(watched(*range(0, 2000)), Limits(watched_run_mb=1), sandbox)


def test_a_feed_is_live_until_it_ends_or_falls_silent(feed, clock):
    assert feed.live
    clock.now = SILENT_SECONDS + 1
    assert not feed.live
    assert "Nothing was heard" in feed.message
    feed.alive()
    assert feed.live
    feed.end()
    assert not feed.live
    with pytest.raises(FeedOverError, match="this run has ended"):
        feed.take(watched(20), 2)


def test_a_shown_run_grows_with_a_feed_beside_a_kept_recording_and_ends_with_it(feed, manager):
    kept = watched(0, 5, name="kept")
    run = manager.show([*(FeedSeries(feed, item.mode) for item in feed.recordings), kept])
    assert (run.state, run.step, run.steps) == ("running", 10, 10)
    before = run.revision
    feed.take(watched(20), 2)
    assert run.recordings == (watched(0, 10, 20), kept)
    assert (run.step, run.steps) == (20, 20)
    assert run.revision > before
    assert not run.active  # nobody pauses it
    feed.end()
    assert run.state == "finished"
    assert "Press Keep" in run.message


def test_a_shown_run_of_recordings_alone_is_finished(manager):
    run = manager.show([watched(0, 10)])
    assert (run.state, run.message) == ("finished", "Measured earlier: look at any step.")


# The routes


def test_a_program_on_this_machine_opens_a_feed_adds_to_it_and_ends_it(manager):
    client = here(manager)
    opened = client.post("/bnviz/feeds", content=watched(0, 10).to_bytes(), headers=HERE)
    assert opened.status_code == 201
    told = opened.json()
    assert told["page"] == f"runs?arms={told['id']}.0"
    key = {"X-Bnviz-Key": told["key"]}
    path = f"/bnviz/feeds/{told['id']}"
    added = client.post(f"{path}/records?first=2", content=watched(20).to_bytes(), headers=key)
    assert added.json() == {"records": 3}
    (feed,) = manager.feeds.all()
    assert feed.recordings == (watched(0, 10, 20),)
    run = manager.show(feed.series)
    figure = client.get(f"/bnviz/figures/bands?run={run.id}")
    assert figure.status_code == 200
    assert "net, training mode" in figure.text
    assert client.post(f"{path}/alive", headers=key).status_code == 200
    assert client.post(f"{path}/end", headers=key).status_code == 200
    assert not feed.live
    again = client.post(f"{path}/records?first=3", content=watched(30).to_bytes(), headers=key)
    assert (again.status_code, again.json()["error"]) == (409, "this run has ended; open another one")


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("10.0.0.1", HERE),
        ("127.0.0.1", {"Host": "bnviz.example.org"}),
        ("127.0.0.1", HERE | {"X-Forwarded-For": "10.0.0.1"}),
        ("127.0.0.1", HERE | {"Origin": "https://elsewhere.example"}),
        ("10.0.0.1", HERE | {"X-Bnviz-Token": "guessed"}),
    ],
)
def test_a_stranger_opens_no_feed(manager, address, headers):
    answer = site_of_address(manager, address).post(
        "/bnviz/feeds", content=watched(0).to_bytes(), headers=headers
    )
    assert answer.status_code == 403
    assert "from its own machine alone, or with the token" in answer.json()["error"]
    assert manager.feeds.all() == ()


@pytest.mark.parametrize(
    ("address", "host"), [("10.0.0.1", "lab.example.org"), ("::ffff:127.0.0.1", "localhost")]
)
def test_with_the_token_anybody_does_and_an_ipv4_address_in_ipv6_is_this_machine(manager, address, host):
    headers = {"Host": host} | ({"X-Bnviz-Token": state.token()} if address == "10.0.0.1" else {})
    answer = site_of_address(manager, address).post(
        "/bnviz/feeds", content=watched(0).to_bytes(), headers=headers
    )
    assert answer.status_code == 201


def test_only_the_program_that_opened_a_feed_adds_to_it(manager):
    client = here(manager)
    told = client.post("/bnviz/feeds", content=watched(0).to_bytes(), headers=HERE).json()
    for what in ("records", "alive", "end"):
        answer = client.post(f"/bnviz/feeds/{told['id']}/{what}", headers={"X-Bnviz-Key": "guessed"})
        assert answer.status_code == 403
    assert client.post("/bnviz/feeds/live0/end").status_code == 404
    assert manager.feeds.all()[0].live


def test_what_is_no_recording_is_refused_by_the_reader_and_no_process_is_left(manager):
    answer = here(manager).post("/bnviz/feeds", content=b"\x80\x04cos\nsystem\n.", headers=HERE)
    assert answer.status_code == 422
    assert "is no recording of bnviz: it is no zip file" in answer.json()["error"]
    assert manager.feeds.all() == ()


def test_too_much_at_once_too_many_records_and_too_many_runs_are_refused(manager, monkeypatch):
    client = here(manager)
    told = client.post("/bnviz/feeds", content=watched(0).to_bytes(), headers=HERE).json()
    key, path = {"X-Bnviz-Key": told["key"]}, f"/bnviz/feeds/{told['id']}/records"
    long = client.post(f"{path}?first=1", content=watched(*range(1, 30)).to_bytes(), headers=key)
    assert long.status_code == 507
    assert "which takes 20 of a run (BNVIZ_WATCHED_RUN_RECORDS)" in long.json()["error"]
    wrong = client.post(f"{path}?first=-1", content=watched(1).to_bytes(), headers=key)
    assert (wrong.status_code, wrong.json()["error"]) == (
        422,
        "first = '-1' is not allowed; allowed is a whole number from 0 to 1,000,000",
    )
    monkeypatch.setattr("bnviz.web.feeds.FILE_BYTES", 1000)
    large = client.post(f"{path}?first=1", content=watched(1).to_bytes(), headers=key)
    assert (large.status_code, large.json()["error"]) == (
        413,
        "the request is too long; allowed are 1,000 bytes",
    )
    monkeypatch.undo()
    assert client.post("/bnviz/feeds", content=watched(0).to_bytes(), headers=HERE).status_code == 201
    third = client.post("/bnviz/feeds", content=watched(0).to_bytes(), headers=HERE)
    assert third.status_code == 507
    assert "shows 2 runs of other programs at a time (BNVIZ_WATCHED_RUNS)" in third.json()["error"]
    manager.feeds.get(told["id"]).end()
    assert client.post("/bnviz/feeds", content=watched(0).to_bytes(), headers=HERE).status_code == 201
    assert manager.feeds.get(told["id"]) is None  # it made room


def test_a_feed_that_is_over_is_dropped_when_nobody_looks_at_it(manager):
    feed = manager.feeds.open(watched(0).to_bytes())
    manager.feeds.drop_idle()
    assert manager.feeds.all() == (feed,)
    feed.end()
    feed._heard = feed._touched = -np.inf
    manager.feeds.drop_idle()
    assert manager.feeds.all() == ()
