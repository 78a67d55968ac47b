"""Ten thousand requests that nobody would write: every route, and every parameter of every page's link."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.routing import Mount, Route

from bnviz.classroom import rooms as rooms_module
from bnviz.classroom.restrictions import Restrictions
from bnviz.classroom.rooms import Rooms
from bnviz.classroom.store import Store
from bnviz.experiment import Experiment
from bnviz.export.browser import ChromeError
from bnviz.figures import FIGURES
from bnviz.labs import all_labs, find
from bnviz.labs.base import Setting
from bnviz.runs import RunManager
from bnviz.ui.inside.view import View as InsideView
from bnviz.ui.pages.depth import Choice as DepthChoice
from bnviz.ui.pages.labs_visit import Visit
from bnviz.ui.pages.landscape import View as LandscapeView
from bnviz.ui.pages.map import Choice as MapChoice
from bnviz.ui.parts.page_state import PageState
from bnviz.ui.parts.run_figures import Look
from bnviz.web import app, state
from bnviz.web.errors import UNEXPECTED
from tests.browser import ROOT
from tests.site import client_of

pytestmark = pytest.mark.slow

REQUESTS = 10_000
EACH = 200
"""Requests of one address: fewer than any limit of rates."""
TOLD = (501, 503, 507)
"""That there is no browser, that it is busy, that the disk or the memory is full: sentences for the reader."""

HOSTILE = (
    *(
        "",
        "0",
        "1",
        "-1",
        "2",
        "400",
        "1e9",
        "nan",
        "inf",
        "∞",
        "9" * 400,
        "true",
        "null",
        "[]",
        "{}",
        "a,b",
        "1-2-3",
    ),
    *(
        "../../etc/passwd",
        "..\\..\\x",
        "<script>",
        "';--",
        "%00",
        "\x00",
        "\u202e",
        "💥",
        "a" * 5000,
        " ",
        "\r\nX: y",
    ),
)
NAMES = (
    *Experiment().texts(),
    *(
        "run",
        "step",
        "layer",
        "unit",
        "arm",
        "seed",
        "guess",
        "theme",
        "narrow",
        "kind",
        "still",
        "map",
        "landscape",
    ),
    *(
        "lesson",
        "part",
        "view",
        "hide",
        "lock",
        "name",
        "quick",
        "known",
        "since",
        "a",
        "b",
        "vary",
        "key",
        "round",
    ),
    *("answer", "value", "speed", "steps", "number", "address", "code", "report", "measure", "log", "picked"),
)

values = st.one_of(
    st.sampled_from(HOSTILE), st.text(max_size=30), st.integers().map(str), st.floats().map(str)
)
queries = st.dictionaries(st.sampled_from(NAMES), values, max_size=4)
told = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)
bodies = st.one_of(
    st.binary(max_size=2000),
    st.dictionaries(st.sampled_from(NAMES), told, max_size=4).map(lambda item: json.dumps(item).encode()),
)


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """All routes of a server with a lab's run that a class looks at, and no browser that makes pictures."""

    def no_browser() -> Any:
        raise ChromeError("There is no browser here.")

    patch = pytest.MonkeyPatch()
    manager = RunManager(workers=1)
    folder = tmp_path_factory.mktemp("classes")
    rooms = Rooms(Store(lambda: folder / "classes.sqlite"))
    patch.setattr(rooms_module.open_rooms, "_rooms", rooms)
    patch.setattr(app, "chrome", no_browser)
    routes = app.routes("", lambda: manager)
    lab_run = state.lab_runs().open(find("figure-1"), Setting(quick=True), manager)
    opened = rooms.start(lab_run.run, lab_run, "http://x")
    yield SimpleNamespace(routes=routes, run=lab_run.run, code=opened.code, key=opened.key)
    rooms.close()
    manager.close()
    patch.undo()


ACTIONS = (
    *("play", "pause", "step", "reset", "intervene", "speed", "stop"),
    *("vote", "ask", "close", "show", "turn", "end"),
)


def known(school: SimpleNamespace) -> dict[str, tuple[str, ...]]:
    """By the name of a parameter of a path what exists, so that a request gets past the first question."""
    figures = (*FIGURES, "figure-1", "last-layer", "settings")  # and those of the lab
    return {
        "id": (school.run.id,),
        "code": (school.code,),
        "name": figures,
        "file": tuple(
            f"{name}.{kind}" for name in (*FIGURES, school.run.id) for kind in ("csv", "html", "svg", "png")
        ),
        "action": ACTIONS,
        "arm": ("0", "1", "2"),
        "lab": tuple(all_labs()),
        "version": ("1",),
    }


def test_no_request_breaks_a_route_or_shows_more_than_a_sentence(school: SimpleNamespace) -> None:
    (mount,) = [item for item in school.routes if isinstance(item, Mount)]
    routes = [route for route in mount.routes if isinstance(route, Route)]
    there = known(school)
    numbers = itertools.count()
    clients = {}

    @settings(max_examples=REQUESTS)
    @given(
        route=st.sampled_from(routes),
        data=st.data(),
        query=queries,
        method=st.sampled_from([*[""] * 12, "GET", "POST", "HEAD", "PUT"]),
        body=bodies,
        here=st.sampled_from([True, True, True, False]),
        key=st.sampled_from(["", school.key, school.run.key, "x" * 200]),
    )
    def asked(
        route: Route,
        data: st.DataObject,
        query: dict[str, str],
        method: str,
        body: bytes,
        here: bool,
        key: str,
    ) -> None:
        def filled(match: re.Match[str]) -> str:
            usual = st.sampled_from(there[match[1]])
            return quote(data.draw(st.one_of(*[usual] * 8, values)), safe="", errors="replace")

        method = method or ("POST" if "POST" in route.methods else "GET")
        path = re.sub(r"\{(\w+)\}", filled, route.path)
        query = {**query, "run": school.run.id} if here else query
        number = next(numbers) // EACH
        address = f"10.{number // 250}.{number % 250}.1"
        site = clients.setdefault(address, client_of(school.routes, address))
        answer = site.request(
            method,
            f"/bnviz{path}?{urlencode(query, errors='replace')}",
            content=body if method in ("POST", "PUT") else None,
            headers={"X-Bnviz-Key": key, "X-Bnviz-Voter": "v" * 20},
        )
        assert answer.status_code < 500 or answer.status_code in TOLD, answer.text
        assert answer.status_code != 429
        if answer.status_code >= 400:
            for unwanted in (UNEXPECTED, "Traceback", str(ROOT)):
                assert unwanted not in answer.text
            assert "html" not in answer.headers.get("Content-Type", "") or "<script>" not in answer.text
            assert len(answer.text) < 2000
        if answer.status_code not in (304, 307, 303, 404, 405):
            assert answer.headers["X-Content-Type-Options"] == "nosniff"

    asked()
    assert next(numbers) >= REQUESTS


PAGES: tuple[type[PageState], ...] = (InsideView, LandscapeView, DepthChoice, MapChoice, Visit, Look)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.__module__.rpartition(".")[2])
@settings(max_examples=REQUESTS // len(PAGES))
@given(data=st.data())
def test_no_link_breaks_a_page_and_what_is_ignored_is_told(
    page: type[PageState], data: st.DataObject
) -> None:
    names = st.sampled_from([*page.parameters(), *NAMES])
    query = data.draw(st.dictionaries(names, values, max_size=6))
    mine, others = page.split(query)
    experiment, ignored = Experiment.salvage(others)
    about = None if page is Look else experiment  # of a run that there may not be
    found, more = page.salvage(mine, about)
    again, none = page.salvage(found.to_query(), about)
    assert (again, none) == (found, ())
    assert all(isinstance(item, str) and len(item) < 2000 for item in (*ignored, *more))
    Restrictions.salvage(query)
