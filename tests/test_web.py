"""The routes beside the pages, asked through ASGI itself, without a server or a trainer."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import plotly
import pytest
from starlette.applications import Starlette

from bnviz import Experiment, Intervention, Recording, figures
from bnviz.experiment import ExperimentError
from bnviz.figures.frame.plot import Plot, PlotFunction
from bnviz.figures.registry import FigureKind
from bnviz.recording import CurvePoint, Snapshot
from bnviz.recording.snapshot import HISTOGRAM_EDGES, LAYER_COLUMNS, UNIT_COLUMNS
from bnviz.web import app, requests, state
from bnviz.web.response_cache import SharedBodies

ROOT = Path(__file__).resolve().parents[1]
ARMS = (
    Experiment(hidden=(4, 3), steps=50, normalizer="none"),
    Experiment(hidden=(4, 3), steps=50, normalizer="batch"),
)


def recordings(steps: int) -> tuple[Recording, ...]:
    """Two arms with a snapshot at each of the steps 0 … steps − 1; the second arm's loss is not a number."""
    chance = np.random.default_rng(0)
    return tuple(
        Recording(arm).extended(
            [
                Snapshot(
                    step,
                    chance.random((2, len(LAYER_COLUMNS))),
                    chance.random((7, len(UNIT_COLUMNS))).astype(np.float32),
                    np.ones((2, len(HISTOGRAM_EDGES) - 1), np.int32),
                    (CurvePoint("train", loss, 0.5, 60), CurvePoint("test", loss, 0.25, 60)),
                )
                for step in range(steps)
            ]
        )
        for arm, loss in zip(ARMS, (1.5, float("nan")), strict=True)
    )


@dataclass
class FakeRun:
    """Everything that the routes use of a Run; notes what it is told to do."""

    id: str = "run-1"
    key: str = "sécret"
    arms: tuple[Experiment, ...] = ARMS
    recordings: tuple[Recording, ...] = field(default_factory=lambda: recordings(3))
    revision: int = 7
    state: str = "running"
    message: str = ""
    step: int = 2
    steps: int = 50
    kept: bool = False
    speed: float | None = None
    told: list[Any] = field(default_factory=list)

    def touch(self) -> None:
        self.told.append("touch")

    def play(self, fresh: bool = False) -> None:
        self.told.append("play again" if fresh else "play")

    def pause(self) -> None:
        self.told.append("pause")

    def reset(self) -> None:
        self.told.append("reset")

    def advance(self, steps: int = 1) -> None:
        self.told.append(("step", steps))

    def set_speed(self, speed: float | None) -> None:
        self.told.append(("speed", speed))

    def intervene(self, name: str, value: float, arm: int | None = None) -> None:
        Intervention(self.step, name, value)
        self.told.append((name, value, arm))


class FakeManager:
    def __init__(self, run: FakeRun) -> None:
        self.run = run

    def get(self, run_id: str) -> FakeRun | None:
        return self.run if run_id == self.run.id else None


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Site:
    """Asks the routes of one run, several requests at once where wanted."""

    def __init__(self, run: FakeRun, base_path: str = "") -> None:
        self.app = Starlette(routes=app.routes(base_path, lambda: FakeManager(run)))  # type: ignore[arg-type, return-value]

    def get(self, path: str, **headers: str) -> Answer:
        return asyncio.run(self.ask("GET", path, b"", headers))

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return asyncio.run(self.ask("POST", path, content, headers))

    def get_at_once(self, paths: list[str]) -> list[Answer]:
        async def all_of_them() -> list[Answer]:
            return await asyncio.gather(*(self.ask("GET", path, b"", {}) for path in paths))

        return asyncio.run(all_of_them())

    async def ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        path, _, query = path.partition("?")
        raw = [
            (name.replace("_", "-").lower().encode(), text.encode("latin-1"))
            for name, text in headers.items()
        ]
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "root_path": "",
            "query_string": query.encode(),
            "headers": raw,
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(dict(message))

        await self.app(scope, receive, send)
        head = {name.decode(): text.decode("latin-1") for name, text in sent[0]["headers"]}
        return Answer(sent[0]["status"], head, b"".join(message.get("body", b"") for message in sent[1:]))


@pytest.fixture
def run() -> FakeRun:
    return FakeRun()


@pytest.fixture
def site(run: FakeRun) -> Site:
    return Site(run)


def replace_figure(monkeypatch: pytest.MonkeyPatch, function: Callable[..., Plot]) -> None:
    monkeypatch.setattr(
        requests, "FIGURES", {"drawn": FigureKind(PlotFunction(function), "Drawn", (300, 300))}
    )
    requests.view_parameters.cache_clear()


@pytest.fixture(autouse=True)
def fresh_parameters() -> Any:
    yield
    requests.view_parameters.cache_clear()


def test_health_answers_under_the_base_path(run: FakeRun) -> None:
    assert Site(run).get("/bnviz/health").json() == {"ok": True}
    assert Site(run, "/some/where/").get("/some/where/bnviz/health").json() == {"ok": True}


def test_status_tells_how_the_run_stands_and_counts_as_watching(site: Site, run: FakeRun) -> None:
    status = site.get("/bnviz/runs/run-1").json()
    assert (status["state"], status["step"], status["steps"], status["revision"]) == ("running", 2, 50, 7)
    assert status["recorded_steps"] == [0, 1, 2]
    assert [arm["loss"] for arm in status["words"]["arms"]] == [1.5, None]
    assert [arm["accuracy"] for arm in status["words"]["arms"]] == [0.25, 0.25]
    assert [arm["dashes"] for arm in status["words"]["arms"]] == ["9 5", ""]
    assert status["words"]["story"] == figures.story(run.recordings, None, None)
    assert run.told == ["touch"]


def test_status_follows_the_step_and_layer_asked_for(site: Site, run: FakeRun) -> None:
    words = site.get("/bnviz/runs/run-1?step=1&layer=1").json()["words"]
    assert words["story"] == figures.story(run.recordings, 1, 1)


@pytest.mark.parametrize(
    ("known", "told"),
    [("2:1", [2]), ("3:2", []), ("2:9", [0, 1, 2]), ("9:2", [0, 1, 2]), ("-1:x", [0, 1, 2])],
)
def test_only_recorded_steps_that_the_asker_does_not_know_are_told(
    site: Site, known: str, told: list[int]
) -> None:
    status = site.get(f"/bnviz/runs/run-1?known={known}").json()
    assert status["recorded_steps"] == told
    assert status["known"] == 3 - len(told)


def test_interventions_are_told_with_the_arms_they_were_made_in() -> None:
    both, mine = Intervention(1, "learning_rate", 1.0), Intervention(2, "momentum", 0.5)
    planned = Intervention(40, "learning_rate", 2.0)
    first, second = recordings(3)
    run = FakeRun(
        recordings=(
            first.extended([], interventions=(both, planned)),
            second.extended([], interventions=(both, mine, planned)),
        )
    )
    changes = Site(run).get("/bnviz/runs/run-1").json()["words"]["changes"]
    assert changes == [{"step": 1, "text": "learning rate 1"}, {"step": 2, "text": "momentum 0.5 in B"}]


@pytest.mark.parametrize(
    "path", ["/bnviz/runs/no-such-run", "/bnviz/figures/bands?run=no-such-run", "/bnviz/figures/bands"]
)
def test_a_run_that_is_gone_is_told_in_a_sentence(site: Site, path: str) -> None:
    answer = site.get(path)
    assert answer.status == 404
    assert "This run is over" in answer.json()["error"]


@pytest.mark.parametrize(
    ("action", "body", "told"),
    [
        ("play", None, "play"),
        ("pause", {}, "pause"),
        ("reset", None, "reset"),
        ("step", None, ("step", 1)),
        ("step", {"steps": 5}, ("step", 5)),
        ("speed", {"speed": 10}, ("speed", 10.0)),
        ("speed", {"speed": None}, ("speed", None)),
        ("intervene", {"field": "learning_rate", "value": 1}, ("learning_rate", 1.0, None)),
        ("intervene", {"field": "momentum", "value": 0.5, "arm": 1}, ("momentum", 0.5, 1)),
    ],
)
def test_who_has_the_key_drives_the_run(site: Site, run: FakeRun, action: str, body: Any, told: Any) -> None:
    answer = site.post(f"/bnviz/runs/run-1/{action}", body, X_Bnviz_Key=run.key)
    assert answer.status == 200
    assert answer.json()["state"] == "running"
    assert run.told == [told]


@pytest.mark.parametrize("key", ["", "wrong", "sécre", "run-1"])
def test_without_the_key_nothing_is_driven(site: Site, run: FakeRun, key: str) -> None:
    answer = site.post("/bnviz/runs/run-1/play", X_Bnviz_Key=key)
    assert answer.status == 403
    assert run.told == []


@pytest.mark.parametrize(
    ("action", "body", "status", "words"),
    [
        ("explode", {}, 404, "there are play, pause"),
        ("step", {"steps": 0}, 422, "steps = 0 is not allowed"),
        ("step", {"steps": "many"}, 422, "steps = many is not allowed"),
        ("step", {"steps": True}, 422, "steps = True is not allowed"),
        ("speed", {"speed": -1}, 422, "speed = -1 is not allowed"),
        (
            "intervene",
            {"field": "learning_rate", "value": 1e6},
            422,
            "learning_rate = 1000000.0 is not allowed",
        ),
        ("intervene", {"field": "dataset", "value": 1}, 422, "cannot be changed while training"),
        ("intervene", {"field": "momentum", "value": 0.1, "arm": 2}, 422, "arm = 2 is not allowed"),
        ("play", b"{", 422, "no JSON object"),
        ("play", [1], 422, "no JSON object"),
        ("play", b" " * 2000, 413, "too long"),
    ],
)
def test_nonsense_is_refused_in_a_sentence(
    site: Site, run: FakeRun, action: str, body: Any, status: int, words: str
) -> None:
    answer = site.post(f"/bnviz/runs/run-1/{action}", body, X_Bnviz_Key=run.key)
    assert answer.status == status
    assert words in answer.json()["error"]
    assert run.told == []


def test_a_figure_is_the_one_that_its_function_draws(site: Site, run: FakeRun) -> None:
    answer = site.get("/bnviz/figures/bands?run=run-1&theme=dark&step=1&layer=2&unit=3&narrow=1")
    drawn = figures.bands(run.recordings, layer=2, unit=3, theme="dark", step=1, narrow=True)
    assert answer.status == 200
    assert answer.json() == json.loads(plotly.io.to_json(drawn, engine="json"))


@pytest.mark.parametrize("name", figures.FIGURES)
def test_every_figure_is_served_before_and_after_something_was_recorded(name: str) -> None:
    for steps in (0, 3):
        answer = Site(FakeRun(recordings=recordings(steps))).get(f"/bnviz/figures/{name}?run=run-1")
        assert answer.status == 200
        assert answer.json()["layout"]["meta"]["alt"]


def test_an_unchanged_figure_is_not_sent_again(site: Site, run: FakeRun) -> None:
    path = "/bnviz/figures/accuracy?run=run-1&theme=light"
    first = site.get(path)
    again = site.get(path, If_None_Match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    run.recordings = recordings(4)
    longer = Site(run).get(path, If_None_Match=first.headers["etag"])
    assert longer.status == 200
    assert longer.headers["etag"] != first.headers["etag"]


def test_compressed_and_plain_answers_say_the_same(site: Site) -> None:
    for path in ("/bnviz/figures/loss?run=run-1", "/bnviz/assets/1/live.js"):
        plain, compressed = site.get(path), site.get(path, Accept_Encoding="gzip, br")
        assert compressed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(compressed.body) == plain.body


def test_many_who_ask_at_once_wait_for_one_drawing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []

    def drawn(recordings: Any, *, theme: str = "light") -> Plot:
        threads.append(threading.current_thread())
        time.sleep(0.05)
        return Plot([], {})

    replace_figure(monkeypatch, drawn)
    answers = site.get_at_once(["/bnviz/figures/drawn?run=run-1&theme=light"] * 20)
    assert {answer.status for answer in answers} == {200}
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()  # the event loop goes on meanwhile


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("layer=banana", "layer = 'banana' is not allowed"),
        ("layer=9", "layer = 9 is not allowed"),
        ("step=-1", "step = '-1' is not allowed"),
        ("unit=99999999999999999999", "unit = '99999999999999999999' is not allowed"),
        ("theme=pink", "theme = 'pink' is not allowed"),
        ("narrow=maybe", "narrow = 'maybe' is not allowed"),
        ("where=" + "x" * 5000, "where = "),
        ("shape=round", "'shape' is no view argument of bands"),
    ],
)
def test_a_view_that_there_is_not_is_refused_in_a_sentence(site: Site, query: str, words: str) -> None:
    answer = site.get(f"/bnviz/figures/bands?run=run-1&{query}")
    assert answer.status == 422
    assert words in answer.json()["error"]
    assert len(answer.body) < 300


def test_an_unknown_figure_is_refused_with_the_known_ones(site: Site) -> None:
    answer = site.get("/bnviz/figures/pie?run=run-1")
    assert answer.status == 404
    assert "bands" in answer.json()["error"]


def test_a_figure_that_fails_shows_no_traceback(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(recordings: Any) -> Plot:
        raise ZeroDivisionError("secret detail")

    replace_figure(monkeypatch, drawn)
    answer = site.get("/bnviz/figures/drawn?run=run-1")
    assert answer.status == 500
    assert "secret" not in answer.body.decode()


def test_plotly_is_served_from_the_installed_package_and_kept_for_ever(site: Site) -> None:
    answer = site.get(f"/bnviz/assets/{plotly.__version__}/plotly.min.js")
    assert answer.body == (Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_bytes()
    assert "immutable" in answer.headers["cache-control"]
    assert site.get("/bnviz/assets/0.0/plotly.min.js").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", ["live.py", "..%2Fweb.py", "secrets.toml"])
def test_nothing_but_the_assets_is_served(site: Site, name: str) -> None:
    assert site.get(f"/bnviz/assets/1/{name}").status == 404


def test_every_answer_forbids_guessing_its_type(site: Site) -> None:
    for path in ("health", "runs/run-1", "runs/none", "figures/loss?run=run-1", "assets/1/live.css"):
        assert site.get(f"/bnviz/{path}").headers["x-content-type-options"] == "nosniff"


def test_what_could_not_be_made_is_tried_again() -> None:
    answers = iter([ExperimentError("not now"), b"there"])

    def make() -> bytes:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def twice() -> bytes:
        shared = SharedBodies()
        with pytest.raises(ExperimentError):
            await shared.get("key", "1", make)
        return (await shared.get("key", "1", make)).plain

    assert asyncio.run(twice()) == b"there"


def test_a_newer_version_waits_for_the_hold_and_says_which_version_is_served() -> None:
    async def versions(hold: float) -> list[str]:
        shared = SharedBodies(hold=hold)
        return [(await shared.get("key", version, version.encode)).version for version in ("1", "2")]

    assert asyncio.run(versions(hold=60)) == ["1", "1"]
    assert asyncio.run(versions(hold=0)) == ["1", "2"]


def test_what_takes_much_work_to_make_is_made_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    async def versions() -> list[str]:
        shared = SharedBodies(hold=1e-9)
        return [(await shared.get("key", version, lambda: bytes(10**6))).version for version in ("1", "2")]

    monkeypatch.setattr("bnviz.web.response_cache.SHARE", 1e-9)
    monkeypatch.setattr("bnviz.web.response_cache.MOST_HOLD", 60.0)
    assert asyncio.run(versions()) == ["1", "2"]  # one page's figures are few
    monkeypatch.setattr("bnviz.web.response_cache.ONE_PAGE", 0)
    assert asyncio.run(versions()) == ["1", "1"]
    monkeypatch.setattr("bnviz.web.response_cache.SHARE", 1e9)
    assert asyncio.run(versions()) == ["1", "2"]


def test_what_a_crowd_asks_for_is_made_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    async def versions(people: int) -> list[str]:
        shared = SharedBodies(hold=1e-9)
        asked = ["1"] * people + ["2"]
        return [(await shared.get("key", version, version.encode)).version for version in asked]

    monkeypatch.setattr("bnviz.web.response_cache.SHARE", 1e9)
    monkeypatch.setattr("bnviz.web.response_cache.CROWD_HOLD", 60.0)
    assert asyncio.run(versions(2))[-1] == "2"
    assert asyncio.run(versions(20))[-1] == "1"


def test_the_least_recently_used_is_dropped() -> None:
    made = []

    async def ask(shared: SharedBodies, key: str) -> None:
        await shared.get(key, "1", lambda: made.append(key) or b"")  # type: ignore[func-returns-value]

    async def story() -> None:
        shared = SharedBodies(size=2)
        for key in "abacab":
            await ask(shared, key)

    asyncio.run(story())
    assert made == ["a", "b", "c", "b"]


def test_the_server_starts_the_manager_once_and_closes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []

    class Manager:
        def start(self) -> None:
            events.append("start")

        def close(self) -> None:
            events.append("close")

    async def serve() -> None:
        async with state.lifespan(None):
            assert state.manager() is state.manager()
        assert isinstance(state.manager(), Manager)  # a script that outlives the server starts no other

    monkeypatch.setattr(state, "RunManager", Manager)
    monkeypatch.setattr(state, "_HOME", state._Home())
    asyncio.run(serve())
    assert events == ["start", "close"]
