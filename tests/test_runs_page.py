"""The Runs page and the Keep buttons, as Streamlit runs them; made-up recordings in place of training."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from bnviz.experiment import Experiment
from bnviz.recording import Recording
from bnviz.recording.library import Credentials, Entry, Library
from bnviz.recording.watched import Note, Watched, WatchedLayer
from bnviz.runs import RunManager
from bnviz.runs.run import Run
from bnviz.ui.parts import library as kept_runs
from bnviz.ui.parts import opened_files
from bnviz.web import state
from tests import recordings

MAIN = Path(__file__).parents[1] / "bnviz" / "ui" / "parts" / "navigation.py"
RUNS = str(MAIN.parents[3] / "pages" / "runs.py")
SOMEBODY = Credentials("somebody else")
PAIR = recordings.pair(hidden=(6, 5, 4))
DEEP = recordings.recording(Experiment(hidden=(5,) * 5, steps=3000, learning_rate=0.1))


@pytest.fixture
def manager(monkeypatch):
    manager = RunManager(workers=1)  # nothing trains here
    monkeypatch.setattr(state, "manager", lambda: manager)
    yield manager
    manager.close()


@pytest.fixture
def library(monkeypatch, tmp_path):
    monkeypatch.setenv("BNVIZ_HOME", str(tmp_path))
    kept_runs.library.clear()
    yield kept_runs.library()
    kept_runs.library.clear()


@pytest.fixture
def at_the_server(monkeypatch):
    monkeypatch.setattr(kept_runs, "at_the_server", lambda remote, headers: True)


def page(**query: str) -> AppTest:
    app = AppTest.from_file(RUNS, default_timeout=60)
    for name, text in query.items():
        app.query_params[name] = text
    app.run()
    assert not app.exception
    return app


def texts(app: AppTest) -> str:
    return " ".join(item.value for kind in (app.markdown, app.caption, app.info) for item in kind)


def keep(
    library: Library, recordings: Sequence[Recording], who: Credentials, source: str, **words: str
) -> Entry:
    """Keep a run as a page does."""
    return library.keep(recordings, who, kept_runs.describe(recordings, source, **words))


def labels(app: AppTest) -> list[str]:
    return [item.label for item in app.button]


def shown_run(app: AppTest, manager: RunManager) -> Run:
    """The run that the figures on the page follow."""
    parts = [item.proto for item in app.get("bidi_component")]
    assert parts
    mine = app.session_state["runs.runs"]
    return manager.get(mine[tuple(app.session_state["runs.arms"])])


def test_an_empty_library_says_how_to_fill_it(manager, library):
    app = page()
    assert "Nothing is kept yet" in texts(app)
    assert app.query_params == {}


def test_a_kept_run_is_a_card_and_opens_with_all_its_figures(manager, library):
    entry = keep(library, PAIR, SOMEBODY, "Playground", verdict="A wanders.")
    app = page()
    assert "no normalization · batch norm" in texts(app)
    assert "A wanders." in texts(app)
    assert not app.get("bidi_component")
    app.button(key=f"runs.show.{entry.id}").click().run()
    assert not app.exception
    assert app.query_params == {"arms": f"{entry.id}.0,{entry.id}.1"}
    assert len(app.get("bidi_component")) == 13  # the scrubber, the numbers and eleven figures
    run = shown_run(app, manager)
    assert list(run.recordings) == PAIR
    assert run.state == "finished"
    app.button(key=f"runs.show.{entry.id}").click().run()
    assert app.query_params == {}


def test_runs_of_other_depth_and_length_are_laid_over_each_other_up_to_five(manager, library):
    first = keep(library, PAIR, SOMEBODY, "Playground")
    second = keep(library, [DEEP, replace(DEEP, reference_step=1)], SOMEBODY, "Lab 2")
    third = keep(library, recordings.pair(seed=4), SOMEBODY, "Playground")
    app = page()
    for entry in (first, second, third):
        app.button(key=f"runs.show.{entry.id}").click().run()
        assert not app.exception
    run = shown_run(app, manager)
    assert [len(item.widths) for item in run.recordings] == [3, 3, 5, 3, 3]
    assert run.steps == 3000
    app.selectbox(key="runs.layer").set_value(5).run()
    assert not app.exception
    assert app.number_input(key="runs.unit").max == 5
    assert app.query_params["layer"] == "5"
    again = page(**{name: "".join(app.query_params[name]) for name in app.query_params})
    assert again.session_state["runs.arms"] == app.session_state["runs.arms"]
    assert again.selectbox(key="runs.layer").value == 5
    again.multiselect(key="runs.arms").unselect(f"{second.id}.0").run()
    assert not again.exception
    assert again.selectbox(key="runs.layer").value == 0  # no network shown has a fifth layer


def test_the_list_is_filtered_by_text(manager, library):
    keep(library, PAIR, SOMEBODY, "Playground")
    keep(library, [DEEP], SOMEBODY, "Lab 2", title="Higher learning rates")
    app = page(find="higher lab")
    assert "Higher learning rates" in texts(app)
    assert "no normalization · batch norm" not in texts(app)
    app.text_input(key="runs.find").set_value("zebra").run()
    assert "0 of 2 kept runs" in texts(app)
    assert app.query_params["find"] == "zebra"


def test_somebody_elses_run_cannot_be_pinned_or_deleted_from_elsewhere(manager, library):
    entry = keep(library, PAIR, SOMEBODY, "Playground")
    app = page()
    assert not {"Pin", "Delete …", "Delete for ever"} & set(labels(app))
    assert "Only who kept it" in texts(app)
    assert app.get("download_button")
    assert library.entries() == (entry,)


def test_a_run_is_renamed_on_its_card(manager, library, at_the_server):
    entry = keep(library, PAIR, SOMEBODY, "Playground")
    app = page()
    assert app.text_input(key=f"runs.name.{entry.id}").value == entry.title
    app.text_input(key=f"runs.name.{entry.id}").set_value("For lecture 3").run()
    assert not app.exception
    assert library.entry(entry.id).title == "For lecture 3"
    assert "For lecture 3" in texts(app)
    app.text_input(key=f"runs.name.{entry.id}").set_value(" ").run()
    assert library.entry(entry.id).title == "For lecture 3"
    assert app.text_input(key=f"runs.name.{entry.id}").value == "For lecture 3"


def test_deleting_asks_first_and_can_be_cancelled(manager, library, at_the_server):
    entry = keep(library, PAIR, SOMEBODY, "Playground")
    app = page()
    app.button(key=f"runs.delete.{entry.id}").click().run()
    assert library.entries() == (entry,)
    assert "Delete this run for ever?" in texts(app)
    app.button(key=f"runs.delete.not.{entry.id}").click().run()
    assert library.entries() == (entry,)
    assert "Delete for ever" not in labels(app)


def test_who_sits_at_the_server_pins_and_deletes(manager, library, at_the_server):
    entry = keep(library, PAIR, SOMEBODY, "Playground")
    app = page(arms=f"{entry.id}.0")
    app.button(key=f"runs.pin.{entry.id}").click().run()
    assert library.entry(entry.id).pinned
    app.button(key=f"runs.delete.{entry.id}").click().run()
    app.button(key=f"runs.delete.really.{entry.id}").click().run()
    assert not app.exception
    assert library.entries() == ()
    assert "not kept here" in app.warning[0].value
    assert app.query_params == {}


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"arms": "../../etc/passwd"}, "passwd"),
        ({"arms": ",".join(f"{number}.0" for number in range(9))}, "9 arms"),
        ({"layer": "-1"}, "layer"),
        ({"at": "9" * 40}, "at"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_nonsense_in_a_link_is_said_in_one_line(manager, library, query, named):
    (line,) = [item.value for item in page(**query).warning]
    assert named in line.replace("\\", "")


def test_a_link_may_ask_for_a_layer_unit_and_step_that_there_is_not(manager, library):
    entry = keep(library, PAIR, SOMEBODY, "Playground")
    app = page(arms=f"{entry.id}.0", layer="99", unit="999999999", at="123456789")
    assert app.selectbox(key="runs.layer").value == 0


def test_a_library_that_cannot_be_opened_is_one_sentence(manager, monkeypatch, tmp_path):
    (tmp_path / "runs").write_text("not a folder")
    monkeypatch.setenv("BNVIZ_HOME", str(tmp_path))
    kept_runs.library.clear()
    app = page()
    assert "cannot be used right now" in app.error[0].value


@dataclass
class Upload:
    """A file as Streamlit hands it over."""

    name: str
    content: bytes

    def getvalue(self) -> bytes:
        return self.content


def test_files_are_opened_refused_by_name_shown_and_kept_only_on_demand(manager, library, monkeypatch):
    monkeypatch.setattr(opened_files, "read_stranger", read_at_hand)
    uploads = [
        Upload("<script>alert(1)</script>.bnviz", DEEP.to_bytes()),
        Upload("broken](javascript:x).bnviz", DEEP.to_bytes()[:-9]),
    ]
    app = AppTest.from_file(RUNS, default_timeout=60)
    app.session_state["test.uploads"] = uploads
    app.run()
    assert opened(app, uploads)
    app.run()
    assert not app.exception
    (refused,) = [item.value for item in app.error]
    assert refused.endswith(" it is no zip file, or its end is missing.")
    assert "](" not in refused
    assert "<script>" not in texts(app)
    assert library.entries() == ()
    (file,) = app.session_state["opened.files"].values()
    app.button(key=f"runs.show.{file.id}").click().run()
    assert not app.exception
    assert list(shown_run(app, manager).recordings) == [DEEP]
    app.button(key=f"runs.keep.{file.id}").click().run()
    assert [entry.source for entry in library.entries()] == ["File"]
    app.button(key=f"runs.close.{file.id}").click().run()
    assert not app.exception
    assert not app.session_state["opened.files"]


def read_at_hand(content: bytes):
    """The same without a process of its own, which has tests elsewhere."""
    import io

    from bnviz.recording import Recording

    return Recording.load(io.BytesIO(content))


def opened(app: AppTest, uploads: list[Upload]) -> bool:
    """What the uploader's callback does, in the session of `app`: AppTest cannot hand files over."""
    state: dict = {"opened.files": {}}
    original = opened_files.st.session_state
    opened_files.st.session_state = state
    try:
        _, refused = opened_files.take_in(uploads)
    finally:
        opened_files.st.session_state = original
    app.session_state["opened.files"] = state["opened.files"]
    app.session_state["runs.refused"] = refused
    return len(refused) == 1


def test_a_session_holds_only_so_many_files(monkeypatch):
    monkeypatch.setattr(opened_files, "read_stranger", read_at_hand)
    state: dict = {}
    monkeypatch.setattr(opened_files.st, "session_state", state)
    content = recordings.recording(Experiment(hidden=(2,), steps=5), records=2).to_bytes()
    for _ in range(3):
        opened_files.take_in([Upload(f"{number}.bnviz", content) for number in range(6)])
    assert [file.name for file in state["opened.files"].values()] == [
        f"{number}.bnviz" for number in (2, 3, 4, 5, 0, 1, 2, 3, 4, 5)
    ]


def test_the_playground_shows_kept_arms_beside_its_own_and_lets_them_go(manager, library):
    entry = keep(library, [DEEP], SOMEBODY, "Lab 2")
    app = AppTest.from_file(str(MAIN), default_timeout=60)
    app.query_params["beside"] = f"{entry.id}.0,{entry.id}.7"
    app.run()
    assert not app.exception
    assert "beside" in app.warning[0].value
    assert app.query_params == {"beside": f"{entry.id}.0"}
    (run_id,) = app.session_state["playground.runs"].values()
    run = manager.get(run_id)
    assert len(run.arms) == 2
    assert [item.subject for item in run.recordings][2] == DEEP.experiment
    app.button(key="playground.alone").click().run()
    assert not app.exception
    assert app.query_params == {}


def test_keep_on_the_playground_keeps_what_was_measured_of_its_own_arms(manager, library, monkeypatch):
    app = AppTest.from_file(str(MAIN), default_timeout=60).run()
    app.button(key="keep").click().run()
    assert "press Play first" in app.toast[0].value
    (run_id,) = app.session_state["playground.runs"].values()
    run = manager.get(run_id)
    run._trained.recordings = tuple(PAIR)
    app.button(key="keep").click().run()
    assert not app.exception
    assert "Kept" in app.toast[0].value
    (entry,) = library.entries()
    assert [library.recording(entry.id, place) for place in (0, 1)] == PAIR
    assert entry.source == "Playground"
    assert "By step 1,000" in entry.verdict
    assert entry.may_change(Credentials(app.session_state["kept.token"]))


@pytest.mark.parametrize(
    ("remote", "headers", "there"),
    [
        (None, {"Host": "localhost:8501", "Origin": "http://localhost:8501"}, True),
        ("127.0.0.1", {"host": "127.0.0.1:8501"}, True),
        ("127.0.0.2", {"Host": "[::1]:8501"}, True),
        ("::1", {"Host": "localhost"}, True),
        (None, {}, False),
        (None, {"Host": "bnviz.example.org"}, False),
        (None, {"Host": "localhost:8501", "Origin": "https://bnviz.example.org"}, False),
        (None, {"Host": "localhost:8501", "X-Forwarded-For": "127.0.0.1"}, False),
        (None, {"Host": "localhost:8501", "x-real-ip": "10.0.0.9"}, False),
        (None, {"Host": "localhost:8501", "Via": "1.1 proxy"}, False),
        ("192.168.0.7", {"Host": "localhost:8501"}, False),
        ("192.168.0.7", {"Host": "192.168.0.7:8501"}, False),
        ("no address", {"Host": "localhost:8501"}, False),
    ],
)
def test_only_who_opened_the_page_on_this_machine_itself_sits_at_the_server(remote, headers, there):
    assert kept_runs.at_the_server(remote, headers) is there


def watched_series(mode: str, *notes: Note) -> Recording:
    """A watched network of two layers, of which one behind a normalizer, with passes in one mode."""
    layers = (WatchedLayer("enc.fc1", 6, "gelu"), WatchedLayer("enc.fc2", 5, "relu", "BatchNorm1d"))
    shape = Experiment(hidden=(6, 5), steps=40)
    kept = tuple(recordings.snapshot(shape, step, 0.0, 1.0, 0.5) for step in (0, 20, 40))
    return Recording(Watched("net", layers, mode, notes), snapshots=kept)


def test_of_a_watched_network_the_page_tells_what_was_measured_and_what_was_not(manager, library):
    training = watched_series(
        "training",
        Note("", "4 passes in evaluation mode are recorded apart"),
        Note("enc.fc2", "measured in training mode: 64 of 128 values of each of 5 units"),
        Note("enc.act", "not measured at step 20: it gave out no tensor"),
    )
    entry = keep(library, [training, watched_series("evaluation")], SOMEBODY, "File")
    app = page(arms=f"{entry.id}.0,{entry.id}.1")
    html = next(item.proto.body for item in app.get("html") if "bnviz-notes" in item.proto.body)
    first, second = re.findall(r"<section class=\"bnviz-notes\">.*?</section>", html, re.DOTALL)
    assert "<h3>net in training mode</h3>" in first
    assert "<li>4 passes in evaluation mode are recorded apart</li>" in first
    rows = [re.sub(r"<[^>]*>|\s+", " ", row).split() for row in re.findall(r"<tr>.*?</tr>", first, re.DOTALL)]
    assert [" ".join(row) for row in rows[2:]] == [
        "enc.fc2 relu, behind BatchNorm1d measured in training mode: 64 of 128 values of each of 5 units",
        "enc.act not recorded not measured at step 20: it gave out no tensor",
    ]
    assert "<h3>net in evaluation mode</h3>" in second
    assert "64 of 128" not in second
    names = [arm.label for arm in library.entry(entry.id).arms]
    assert names == ["net, training mode", "net, evaluation mode"]


def test_the_page_has_no_notes_on_what_bnviz_trained_itself(manager, library):
    entry = keep(library, PAIR, SOMEBODY, "Playground")
    app = page(arms=f"{entry.id}.0")
    assert not any("bnviz-notes" in item.proto.body for item in app.get("html"))


def test_what_another_program_trains_is_a_card_and_its_figures_follow_it(manager, library):
    feed = manager.feeds.open(watched_series("training").to_bytes())
    app = page()
    assert "Live: the program that trains this network sends what it measures." in texts(app)
    app.button(key=f"runs.show.{feed.id}.0").click().run()
    assert not app.exception
    assert app.query_params == {"arms": f"{feed.id}.0"}
    run = shown_run(app, manager)
    assert run.state == "running"
    feed.take(watched_series("evaluation"), 0)
    app.run()
    assert [item for item in labels(app) if item.startswith(("Show", "Hide"))] == [
        "Hide training",
        "Show evaluation",
    ]
    app.button(key=f"runs.show.{feed.id}.1").click().run()
    both = shown_run(app, manager)
    assert {item.mode for item in both.recordings} == {"training", "evaluation"}
    app.button(key=f"runs.keep.{feed.id}").click().run()
    (entry,) = library.entries()
    assert [arm.label for arm in entry.arms] == ["net, training mode", "net, evaluation mode"]
    feed.end()
    again = page(arms=f"{feed.id}.0")
    assert "The program has ended." in texts(again)
    assert shown_run(again, manager).state == "finished"


def test_a_link_to_a_run_that_no_program_sends_any_more_says_so(manager, library):
    assert "not kept here, or no more" in " ".join(item.value for item in page(arms="live0123.0").warning)
