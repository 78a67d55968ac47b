"""The load command works on a real server. No test asks how fast anything is."""

import asyncio
import contextlib
import json
import re
import urllib.error
import urllib.request

import orjson
import psutil
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient
from typer.testing import CliRunner

from bnviz.cli import app
from bnviz.tools.load import virtual_users
from bnviz.tools.load.churn import churn
from bnviz.tools.load.connection import Connections, LoadError
from bnviz.tools.load.findings import Chapter, Finding, table
from bnviz.tools.load.scenarios import LONG, own
from bnviz.tools.load.server import HOST
from bnviz.tools.load.session import Session
from bnviz.tools.load.tally import Tally
from bnviz.tools.load.virtual_users import Teacher, look_at_layer, student, viewer
from bnviz.web import assets
from bnviz.web.fast_path import FastPath


def servers():
    """The servers that this process has started and not ended, and what these have started."""
    started = [item for item in psutil.Process().children() if "streamlit" in item.cmdline()]
    return {item.pid for one in started for item in (one, *one.children(recursive=True))}


async def a_class(target):
    """A teacher, a viewer and a student for a moment."""
    teacher = await Teacher.arrive(target, {"steps": LONG, "speed": "max", "hidden": "8-8"})
    watching = await viewer(target, 0, teacher.base, teacher.code)
    working = await student(target, 1, {"steps": LONG, "hidden": "8-8"})
    told = await teacher.drive("play")
    tally = Tally()
    for user in (watching, working):
        user.watching.begin(tally)
    while len(tally.updates) < 4 or not all(tally.updates.values()) or not watching.watching.step:
        await asyncio.sleep(0.05)
    before = working.session.messages
    await look_at_layer(working, 2)
    chosen = working.session.parts()
    drawn = working.session.messages - before
    look = await teacher.look()
    for user in (watching, working, teacher):
        await user.leave()
    return teacher, told, look, tally, watching, chosen, drawn


def test_a_teacher_a_viewer_and_a_student_live_through_what_a_browser_would(server):
    teacher, told, look, tally, watching, chosen, drawn = asyncio.run(a_class(server.target))
    assert re.fullmatch(r"[a-z0-9]{8}", teacher.code)
    assert told["state"] in ("starting", "running")
    assert look["step"] > 0
    assert look["steps"] == LONG
    seen = {user: {path for number, path in tally.updates if number == user} for user in (0, 1)}
    assert seen[0] == {"figures/overview"}
    assert {"figures/overview", "figures/histogram"} <= seen[1]
    assert watching.watching.step > 0
    assert not tally.failures
    assert tally.bytes > 10_000
    assert all(seconds > 0 for seconds in [*tally.figures, *tally.statuses])
    assert drawn > 10
    [overview] = [part for part in chosen if part.get("name") == "overview"]
    assert overview["args"]["layer"] == 2


def test_an_answer_is_what_another_client_reads(server):
    async def ours():
        connections = Connections(HOST, server.target.port)
        answers = [await connections.get("/bnviz/health"), await connections.get("/bnviz/runs/nobody")]
        connections.close()
        return answers

    health, missing = asyncio.run(ours())
    with urllib.request.urlopen(f"{server.target.url}/bnviz/health") as other:
        changing = {"memory_bytes": 0}  # of the process, from moment to moment
        assert orjson.loads(other.read()) | changing == health.json() | changing
        assert {"content-type", "content-length"} <= {name.lower() for name in other.headers} & set(
            health.headers
        )
    with pytest.raises(LoadError, match="404"):
        missing.json()


def told(parts, requests=1):
    """What Connections reads from a server that answers each request with these parts, one after the other."""

    async def exchange():
        handlers = []

        async def serve(reader, writer):
            handlers.append(asyncio.current_task())
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    await reader.readuntil(b"\r\n\r\n")
                    for part in parts:
                        writer.write(part)
                        await asyncio.sleep(0.001)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

        async with await asyncio.start_server(serve, HOST, 0) as server:
            connections = Connections(HOST, server.sockets[0].getsockname()[1])
            try:
                return [await connections.get("/") for _ in range(requests)]
            finally:
                connections.close()
                await asyncio.gather(*handlers)

    return asyncio.run(exchange())


def test_an_answer_is_read_however_the_server_sends_it():
    whole = b'HTTP/1.1 200 OK\r\nETag: "a: b"\r\nContent-Length: 6\r\n\r\n"abcd"'
    chunked = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n"\r\n5\r\nabcd"\r\n0\r\n\r\n'
    for content in (whole, chunked):
        for parts in ([content], [content[:9], content[9:50], content[50:]]):
            answers = told(parts, requests=2)
            assert [answer.json() for answer in answers] == ["abcd", "abcd"]
            assert [answer.size for answer in answers] == [len(content)] * 2
    assert told([whole])[0].headers["etag"] == '"a: b"'
    [unchanged] = told([b"HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\n"])
    assert (unchanged.status, unchanged.body) == (304, b"")


def test_what_is_not_http_is_an_error_and_a_closing_server_is_asked_anew():
    with pytest.raises(ConnectionError, match="not HTTP"):
        told([b"hello\r\n\r\n"])
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n7"
    assert [answer.json() for answer in told([closing], requests=2)] == [7, 7]


def test_what_is_asked_often_takes_the_fast_path_and_is_answered_as_without_it():
    async def anybody(request):
        return PlainTextResponse(request.url.path + request.path_params.get("name", ""))

    passed = []

    async def app(scope, receive, send):
        passed.append(scope["path"])
        await Starlette(routes=routes)(scope, receive, send)

    routes = [Mount("/base/bnviz", routes=[Route("/runs/{name}", anybody), Route("/health", anybody)])]
    fast = FastPath(app, routes, "/base/bnviz")
    often = ["/base/bnviz/runs/a", "/base/bnviz/runs/a/b"]
    seldom = ["/base/bnviz/health", "/base/bnviz/runs", "/bnviz/runs/a", "/"]
    for path in (*often, *seldom):
        ours, theirs = (TestClient(item).get(path) for item in (fast, Starlette(routes=routes)))
        assert (ours.status_code, ours.text) == (theirs.status_code, theirs.text)
    assert passed == seldom


def test_a_run_that_there_is_not_is_told_by_the_server_with_the_headers_of_all_answers(server):
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(f"{server.target.url}/bnviz/runs/nobody")
    assert refusal.value.code == 404
    assert "error" in orjson.loads(refusal.value.read())
    assert refusal.value.headers["Content-Security-Policy"]
    refusal.value.close()


def test_a_page_that_there_is_not_and_a_control_that_there_is_not_are_named(server):
    async def ask():
        session = await Session.open(server.target.url, page="class")
        try:
            with pytest.raises(LoadError, match="no button 'Fly'"):
                await session.rerun(pressed="Fly")
            with pytest.raises(LoadError, match="no control 'wing'"):
                await session.rerun(chosen={"wing": "left"})
        finally:
            await session.close()

    asyncio.run(ask())


def test_the_paces_are_those_of_the_pages():
    hub, page = (assets.ASSETS[name].read_text() for name in ("hub.js", "class.js"))
    [(running, idle)] = re.findall(r"ASK_RUNNING = (\d+), ASK_IDLE = (\d+)", hub)
    [(room, run)] = re.findall(r"STUDENT = \{ room: (\d+), run: (\d+) \}", page)
    told = [
        1000 * item
        for item in (virtual_users.RUNNING, virtual_users.IDLE, virtual_users.ROOM, virtual_users.STUDENT)
    ]
    assert told == [float(text) for text in (running, idle, room, run)]


@pytest.mark.slow
def test_students_and_users_who_come_and_go_are_measured(server):
    chapters = [
        asyncio.run(own(server.target, 1, 1.0, "digits")),
        asyncio.run(churn(server.target, 0.05, 1, 1, "digits")),
    ]
    for chapter in chapters:
        assert chapter.title in table(chapter)
        assert not [item for item in chapter.findings if "failed" in item.words and item.value]


@pytest.mark.slow
def test_the_command_measures_writes_json_and_leaves_no_process(tmp_path):
    before = servers()
    out = tmp_path / "load.json"
    command = ["load", "--viewers", "1", "--students", "0", "--seconds", "1", "--repeats", "1", "--out"]
    result = CliRunner().invoke(app, [*command, str(out)])
    found = json.loads(out.read_text())
    [chapter] = found["chapters"]
    assert chapter["title"] in result.output
    assert found["machine"]["cores"]
    met = all(item["met"] for item in chapter["findings"])
    assert result.exit_code == (0 if met else 1)
    [orphans] = [item for item in chapter["findings"] if "outlived" in item["what"]]
    assert orphans["value"] == 0
    assert servers() == before


def test_an_aim_is_missed_where_it_is_and_where_nothing_was_measured():
    nothing = float("nan")
    findings = [
        Finding("a", 3, 2),
        Finding("b", 3, 2, at_least=True),
        Finding("c", nothing, 1),
        Finding("d", nothing),
    ]
    assert [item.met for item in findings] == [False, True, False, True]
    lines = table(Chapter("title", findings)).splitlines()
    assert [("MISSED" in line, " met " in line) for line in lines[1:]] == [
        (True, False),
        (False, True),
        (True, False),
        (False, False),
    ]
    assert json.loads(json.dumps(findings[2].to_dict()))["value"] is None
