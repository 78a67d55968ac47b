"""The routes beside the pages, asked without a server or a trainer."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import plotly
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from bnviz import Intervention, figures
from bnviz.data.lru import Held
from bnviz.experiment import ExperimentError
from bnviz.figures.frame.plot import Plot, PlotFunction
from bnviz.figures.registry import FigureKind
from bnviz.runs import TooCostlyError
from bnviz.web import app, errors, response_cache, state, views
from bnviz.web.fast_path import FastPath
from bnviz.web.health import HealthRoutes
from bnviz.web.response_cache import ResponseCache
from tests.site import FakeManager, FakeRun, get_at_once, recordings, site_of_run


@pytest.fixture
def run() -> FakeRun:
    return FakeRun()


@pytest.fixture
def site(run: FakeRun) -> TestClient:
    return site_of_run(run)


def drive(site: TestClient, run: FakeRun, action: str, body: Any) -> httpx2.Response:
    """The response to an action, sent with the key. body: bytes, or what is sent as JSON."""
    content = {"content": body} if isinstance(body, bytes | None) else {"json": body}
    return site.post(f"/bnviz/runs/run-1/{action}", **content, headers={"X-Bnviz-Key": run.key})


def replace_figure(monkeypatch: pytest.MonkeyPatch, function: Callable[..., Plot]) -> None:
    monkeypatch.setattr(
        views, "FIGURES", {"drawn": FigureKind(PlotFunction(function), "Drawn", (300, 300), "Drawn.")}
    )
    forget_parameters()


def forget_parameters() -> None:
    views._parameters.cache_clear()
    views.view_query.cache_clear()


@pytest.fixture(autouse=True)
def fresh_parameters() -> Any:
    yield
    forget_parameters()


def test_health_answers_under_the_base_path(run: FakeRun) -> None:
    assert site_of_run(run).get("/bnviz/health").json() == {"ok": True}
    assert site_of_run(run, "/some/where/").get("/some/where/bnviz/health").json() == {"ok": True}


def test_health_tells_what_is_kept_to_the_machine_itself_alone() -> None:
    app = Starlette(routes=HealthRoutes(lambda: {"figures": Held(3, 4000, 12.4)}).all())
    here = TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 1)).get("/health").json()
    assert here["kept"] == {"figures": {"count": 3, "bytes": 4000, "oldest_seconds": 12}}
    assert here["memory_bytes"] > 1_000_000
    for site in (
        TestClient(app, base_url="http://127.0.0.1", client=("192.0.2.7", 1)),
        TestClient(app, base_url="http://bnviz.example", client=("127.0.0.1", 1)),
        TestClient(
            app,
            base_url="http://127.0.0.1",
            client=("127.0.0.1", 1),
            headers={"X-Forwarded-For": "192.0.2.7"},
        ),
    ):
        assert site.get("/health").json() == {"ok": True}


def test_a_cache_of_figures_keeps_no_more_bytes_than_it_may() -> None:
    async def scenario() -> None:
        cache = ResponseCache(most_bytes=25_000)
        for number in range(10):
            body = await cache.get(number, "1", lambda: os.urandom(5000))
            assert body.nbytes > 10_000  # plain, and compressed, which helps nothing here
        assert (cache.held().count, cache.held().nbytes <= 25_000) == (2, True)

    asyncio.run(scenario())


@pytest.mark.parametrize("base", ["", "/some/where"])
def test_the_playground_answers_to_its_name_too_and_keeps_its_controls(run: FakeRun, base: str) -> None:
    for path in ("/playground", "/playground/"):
        answer = site_of_run(run, base).get(f"{base}{path}?dataset=mnist&hidden=8-8")
        assert (answer.status_code, answer.headers["Location"]) == (307, f"{base}/?dataset=mnist&hidden=8-8")
    assert site_of_run(run, base).get(f"{base}/playground").headers["Location"] == f"{base}/"


def test_status_tells_how_the_run_stands_and_counts_as_watching(site: TestClient, run: FakeRun) -> None:
    status = site.get("/bnviz/runs/run-1").json()
    assert (status["state"], status["step"], status["steps"], status["revision"]) == ("running", 2, 50, 7)
    assert status["recorded_steps"] == [0, 1, 2]
    assert [arm["loss"] for arm in status["words"]["arms"]] == [1.5, None]
    assert [arm["accuracy"] for arm in status["words"]["arms"]] == [0.25, 0.25]
    assert [arm["dashes"] for arm in status["words"]["arms"]] == ["9 5", ""]
    assert status["words"]["story"] == figures.story(run.recordings, None, None)
    assert run.told == ["touch"]


def test_status_follows_the_step_and_layer_asked_for(site: TestClient, run: FakeRun) -> None:
    words = site.get("/bnviz/runs/run-1?step=1&layer=1").json()["words"]
    assert words["story"] == figures.story(run.recordings, 1, 1)


@pytest.mark.parametrize(
    ("known", "told"),
    [("2:1", [2]), ("3:2", []), ("2:9", [0, 1, 2]), ("9:2", [0, 1, 2]), ("-1:x", [0, 1, 2])],
)
def test_only_recorded_steps_that_the_asker_does_not_know_are_told(
    site: TestClient, known: str, told: list[int]
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
    changes = site_of_run(run).get("/bnviz/runs/run-1").json()["words"]["changes"]
    assert changes == [{"step": 1, "text": "learning rate 1"}, {"step": 2, "text": "momentum 0.5 in B"}]


@pytest.mark.parametrize(
    "path", ["/bnviz/runs/no-such-run", "/bnviz/figures/bands?run=no-such-run", "/bnviz/figures/bands"]
)
def test_a_run_that_is_gone_is_told_in_a_sentence(site: TestClient, path: str) -> None:
    answer = site.get(path)
    assert answer.status_code == 404
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
def test_who_has_the_key_drives_the_run(
    site: TestClient, run: FakeRun, action: str, body: Any, told: Any
) -> None:
    answer = drive(site, run, action, body)
    assert answer.status_code == 200
    assert answer.json()["state"] == "running"
    assert run.told == [told]


@pytest.mark.parametrize("key", ["", "wrong", "secre", "sécret", "run-1"])
def test_without_the_key_nothing_is_driven(site: TestClient, run: FakeRun, key: str) -> None:
    answer = site.post("/bnviz/runs/run-1/play", headers={"X-Bnviz-Key": key.encode("latin-1")})
    assert answer.status_code == 403
    assert run.told == []


@pytest.mark.parametrize(
    ("action", "body", "status", "words"),
    [
        ("explode", {}, 404, "there are play, pause"),
        ("step", {"steps": 0}, 422, "steps = 0 is not allowed"),
        ("step", {"steps": "many"}, 422, "steps = 'many' is not allowed"),
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
        ("play", {"fresh": 1}, 422, "fresh = 1 is not allowed; allowed is true or false"),
        ("step", {"steps": 1.5}, 422, "allowed is a whole number from 1 to 10,000"),
        ("intervene", {"field": "momentum", "value": True}, 422, "value = True is not allowed"),
        ("intervene", {"field": "momentum"}, 422, "value is missing; allowed is a number from"),
        ("intervene", {"field": 1, "value": 1}, 422, "field = 1 is not allowed; allowed is a text"),
        ("play", b"{", 422, "no JSON object"),
        ("play", [1], 422, "no JSON object"),
        ("play", b" " * 2000, 413, "too long"),
    ],
)
def test_nonsense_is_refused_in_a_sentence(
    site: TestClient, run: FakeRun, action: str, body: Any, status: int, words: str
) -> None:
    answer = drive(site, run, action, body)
    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert run.told == []


def test_a_figure_is_the_one_that_its_function_draws(site: TestClient, run: FakeRun) -> None:
    answer = site.get("/bnviz/figures/bands?run=run-1&theme=dark&step=1&layer=2&unit=3&narrow=1")
    drawn = figures.bands(run.recordings, layer=2, unit=3, theme="dark", step=1, narrow=True)
    assert answer.status_code == 200
    assert answer.json() == json.loads(plotly.io.to_json(drawn, engine="json"))


@pytest.mark.parametrize("name", figures.FIGURES)
def test_every_figure_is_served_before_and_after_something_was_recorded(name: str) -> None:
    for steps in (0, 3):
        answer = site_of_run(FakeRun(recordings=recordings(steps))).get(f"/bnviz/figures/{name}?run=run-1")
        assert answer.status_code == 200
        assert answer.json()["layout"]["meta"]["alt"]


def test_an_unchanged_figure_is_not_sent_again(site: TestClient, run: FakeRun) -> None:
    path = "/bnviz/figures/accuracy?run=run-1&theme=light"
    first = site.get(path)
    again = site.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    run.recordings = recordings(4)
    longer = site_of_run(run).get(path, headers={"If-None-Match": first.headers["etag"]})
    assert longer.status_code == 200
    assert longer.headers["etag"] != first.headers["etag"]


def test_who_is_served_an_older_figure_is_told_when_there_may_be_a_newer(
    site: TestClient, run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/bnviz/figures/accuracy?run=run-1"
    monkeypatch.setattr(response_cache, "CROWD_LIFETIME", 3600.0)
    answers = [site.get(path) for _ in range(20)]
    assert not any("x-bnviz-rest" in answer.headers for answer in answers)
    run.recordings = recordings(4)
    older = site.get(path)
    assert older.content == answers[0].content
    assert older.headers["x-bnviz-recorded"] == answers[0].headers["x-bnviz-recorded"]
    assert 0 < float(older.headers["x-bnviz-rest"]) <= 3_600_000  # milliseconds


def test_compressed_and_plain_answers_say_the_same(site: TestClient) -> None:
    for path in ("/bnviz/figures/loss?run=run-1", "/bnviz/assets/1/live.js"):
        plain, compressed = site.get(path), site.get(path, headers={"Accept-Encoding": "gzip, br"})
        assert compressed.headers["content-encoding"] == "gzip"
        assert "content-encoding" not in plain.headers
        assert compressed.content == plain.content  # which the client decompressed


def test_many_who_ask_at_once_wait_for_one_drawing(site: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []

    def drawn(recordings: Any, *, theme: str = "light") -> Plot:
        threads.append(threading.current_thread())
        time.sleep(0.05)
        return Plot([], {})

    replace_figure(monkeypatch, drawn)
    answers = get_at_once(site, "/bnviz/figures/drawn?run=run-1&theme=light", 20)
    assert {answer.status_code for answer in answers} == {200}
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
def test_a_view_that_there_is_not_is_refused_in_a_sentence(site: TestClient, query: str, words: str) -> None:
    answer = site.get(f"/bnviz/figures/bands?run=run-1&{query}")
    assert answer.status_code == 422
    assert words in answer.json()["error"]
    assert len(answer.content) < 300


def test_an_unknown_figure_is_refused_with_the_known_ones(site: TestClient) -> None:
    answer = site.get("/bnviz/figures/pie?run=run-1")
    assert answer.status_code == 404
    assert "bands" in answer.json()["error"]


@pytest.mark.parametrize("path", ["figures/drawn", "exports/drawn.csv"])
@pytest.mark.parametrize("fast", [True, False])
def test_whatever_fails_is_logged_and_answered_in_a_sentence_on_the_fast_path_as_well(
    run: FakeRun,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    path: str,
    fast: bool,
) -> None:
    def drawn(recordings: Any, *, theme: str = "light", narrow: bool = False) -> Plot:
        raise ZeroDivisionError("secret detail")

    replace_figure(monkeypatch, drawn)
    routes = app.routes("", lambda: FakeManager(run))  # type: ignore[arg-type, return-value]
    middleware = [Middleware(FastPath, routes=routes, base="/bnviz")] if fast else []
    answer = TestClient(Starlette(routes=routes, middleware=middleware)).get(f"/bnviz/{path}?run=run-1")
    assert (answer.status_code, answer.json()) == (500, {"error": errors.UNEXPECTED})
    (record,) = caplog.records
    assert record.exc_info is not None
    assert "secret detail" in str(record.exc_info[1])


@pytest.mark.parametrize("kind", [*errors.STATUS, TooCostlyError])
def test_every_error_that_is_a_sentence_reaches_the_reader_with_its_status(
    run: FakeRun, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def find(manager: object, run_id: str) -> FakeRun:
        raise kind("This cannot be.")

    monkeypatch.setattr(app, "find_run", find)
    answer = site_of_run(run).get("/bnviz/runs/run-1")
    assert answer.json() == {"error": "This cannot be."}
    assert 400 <= answer.status_code < 600
    assert answer.status_code != 500
    assert answer.headers["x-content-type-options"] == "nosniff"
    as_text = site_of_run(run).get("/bnviz/exports/lessons/run-1.html")
    assert (as_text.status_code, as_text.text) == (answer.status_code, "This cannot be.")


def test_plotly_is_served_from_the_installed_package_and_kept_for_ever(site: TestClient) -> None:
    answer = site.get(f"/bnviz/assets/{plotly.__version__}/plotly.min.js")
    assert answer.content == (Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_bytes()
    assert "immutable" in answer.headers["cache-control"]
    assert site.get("/bnviz/assets/0.0/plotly.min.js").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", ["live.py", "..%2Fweb.py", "secrets.toml"])
def test_nothing_but_the_assets_is_served(site: TestClient, name: str) -> None:
    assert site.get(f"/bnviz/assets/1/{name}").status_code == 404


def test_every_answer_forbids_guessing_its_type(site: TestClient) -> None:
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
        shared = ResponseCache()
        with pytest.raises(ExperimentError):
            await shared.get("key", "1", make)
        return (await shared.get("key", "1", make)).plain

    assert asyncio.run(twice()) == b"there"


def test_a_newer_version_waits_for_the_lifetime_and_says_which_version_is_served() -> None:
    async def versions(lifetime: float) -> list[str]:
        shared = ResponseCache(lifetime=lifetime)
        return [(await shared.get("key", version, version.encode)).version for version in ("1", "2")]

    assert asyncio.run(versions(lifetime=60)) == ["1", "1"]
    assert asyncio.run(versions(lifetime=0)) == ["1", "2"]


def test_what_takes_much_work_to_make_is_made_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    async def versions() -> list[str]:
        shared = ResponseCache(lifetime=1e-9)
        return [(await shared.get("key", version, lambda: bytes(10**6))).version for version in ("1", "2")]

    monkeypatch.setattr(response_cache, "BUILD_SHARE", 1e-9)
    monkeypatch.setattr(response_cache, "MAX_LIFETIME", 60.0)
    assert asyncio.run(versions()) == ["1", "2"]  # one page's figures are few
    monkeypatch.setattr(response_cache, "ONE_PAGE", 0)
    assert asyncio.run(versions()) == ["1", "1"]
    monkeypatch.setattr(response_cache, "BUILD_SHARE", 1e9)
    assert asyncio.run(versions()) == ["1", "2"]


def test_what_a_crowd_asks_for_is_made_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    async def versions(people: int) -> list[str]:
        shared = ResponseCache(lifetime=1e-9)
        asked = ["1"] * people + ["2"]
        return [(await shared.get("key", version, version.encode)).version for version in asked]

    monkeypatch.setattr(response_cache, "BUILD_SHARE", 1e9)
    monkeypatch.setattr(response_cache, "CROWD_LIFETIME", 60.0)
    assert asyncio.run(versions(2))[-1] == "2"
    assert asyncio.run(versions(20))[-1] == "1"


def test_the_least_recently_used_is_dropped() -> None:
    made = []

    async def ask(shared: ResponseCache, key: str) -> None:
        await shared.get(key, "1", lambda: made.append(key) or b"")  # type: ignore[func-returns-value]

    async def story() -> None:
        shared = ResponseCache(capacity=2)
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
