"""The HTTP routes of classes.

GET  bnviz/c/{code}                    the page that students open
GET  bnviz/classes/{code}              how the class stands; with the teacher's key also the key of its run
GET  bnviz/classes/{code}/qr.svg       the students' link as a QR code
GET  bnviz/classes/{code}/mine         what the asking voter answered
POST bnviz/classes/{code}/vote         answer the open question
POST bnviz/classes/{code}/{action}     ask, close, end, address; needs the teacher's key
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

import orjson
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from bnviz.classroom.codes import digest, read_code
from bnviz.classroom.invitation import AddressError, qr_code, read_address
from bnviz.classroom.rooms import ClassroomError, Room, Rooms, open_rooms
from bnviz.classroom.store import StoreError
from bnviz.labs.predictions import PredictionError
from bnviz.runs import Run, RunManager
from bnviz.runs.lab_run import LabRun, LabRuns
from bnviz.web import class_json, class_page
from bnviz.web.rate_limit import Doorkeeper
from bnviz.web.requests import RequestError, whole_number
from bnviz.web.response_cache import Body, SharedBodies
from bnviz.web.responses import HEADERS, in_words, json_answer, json_body

T = TypeVar("T")
SHORTEST_TOKEN = 16
"""Signs of a voter's secret: what a browser makes up is longer."""
ACTIONS = ("ask", "close", "end", "address")


def student_link(address: str, base: str, code: str) -> str:
    """Where students find the class. base: where the routes are."""
    return f"{address}{base}/c/{code}"


def class_routes(
    base: str, manager: Callable[[], RunManager], lab_runs: LabRuns, rooms: Callable[[], Rooms] = open_rooms
) -> list[BaseRoute]:
    """The routes, to be mounted at `base`."""
    return _ClassRoutes(base, rooms, manager, lab_runs).all()


class _ClassRoutes:
    """The handlers and what they share."""

    def __init__(
        self, base: str, rooms: Callable[[], Rooms], manager: Callable[[], RunManager], lab_runs: LabRuns
    ) -> None:
        self._base, self._rooms, self._manager, self._lab_runs = base, rooms, manager, lab_runs
        self._told = SharedBodies(hold=0.0)  # the answer to what the teacher just did
        self._pictures = SharedBodies()
        self._doorkeeper = Doorkeeper()

    def all(self) -> list[BaseRoute]:
        return [
            Route("/c/{code}", self._page),
            Route("/classes/{code}", self._standing),
            Route("/classes/{code}/qr.svg", self._qr_code),
            Route("/classes/{code}/mine", self._mine),
            Route("/classes/{code}/vote", self._vote, methods=["POST"]),
            Route("/classes/{code}/{action}", self._teach, methods=["POST"]),
        ]

    @in_words
    async def _page(self, request: Request) -> Response:
        code = read_code(request.path_params["code"])
        if code is None:
            raise RequestError(404, "There is no such class; a code has eight letters and digits.")
        return HTMLResponse(class_page.page(self._base, code), headers=HEADERS | class_page.HEADERS)

    @in_words
    async def _standing(self, request: Request) -> Response:
        room, run, lab_run = await to_thread.run_sync(self._room, request.path_params["code"])
        run.touch()
        key = request.headers.get("X-Bnviz-Key", "")
        body = await self._body(room, run, lab_run)
        if key:
            teaches = self._rooms().entitled(room, key)
            own = {"teacher": teaches, "run_key": run.key if teaches else None}
            return json_answer({**own, "class": orjson.Fragment(body.plain)})
        headers = {"ETag": f'"{body.version}"', "Cache-Control": "no-cache", **HEADERS}
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(b'{"class":' + body.plain + b"}", headers=headers, media_type="application/json")

    async def _body(self, room: Room, run: Run, lab_run: LabRun | None) -> Body:
        link = student_link(room.row.address, self._base, room.code)
        done = lab_run is not None and lab_run.done
        version = hashlib.blake2b(
            repr((room.version, run.id, done, link)).encode(), digest_size=12
        ).hexdigest()
        figures = await self._pictures.get(
            run.id, str(done), lambda: orjson.dumps(class_json.pictures(run, lab_run))
        )
        return await self._told.get(
            (room.code, run.id),
            version,
            lambda: orjson.dumps(class_json.standing(room, run, lab_run, link, figures.plain)),
        )

    @in_words
    async def _qr_code(self, request: Request) -> Response:
        room, _, _ = await to_thread.run_sync(self._room, request.path_params["code"])
        picture = qr_code(student_link(room.row.address, self._base, room.code))
        headers = {**HEADERS, "Cache-Control": "no-cache", "Content-Security-Policy": "default-src 'none'"}
        return Response(picture, headers=headers, media_type="image/svg+xml")

    @in_words
    async def _mine(self, request: Request) -> Response:
        room, _, lab_run = await to_thread.run_sync(self._room, request.path_params["code"])
        voter = digest(_token(request), room.code)
        votes = {number: given[voter] for number, given in room.votes.items() if voter in given}
        return json_answer({"votes": await to_thread.run_sync(class_json.mine, room, lab_run, votes)})

    @in_words
    async def _vote(self, request: Request) -> Response:
        room, _, lab_run = await to_thread.run_sync(self._room, request.path_params["code"])
        token, values = _token(request), await json_body(request)
        number, text = whole_number({"round": str(values.get("round"))}, "round", 1, 99), values.get("answer")
        if number is None or not isinstance(text, str):
            raise RequestError(422, "an answer has the form {round: a whole number, answer: a text}")
        if lab_run is not None and lab_run.trained:
            raise RequestError(409, "The networks are trained already; it is too late to predict.")
        address = request.client.host if request.client else ""

        def store() -> str:
            admits = lambda: self._doorkeeper.admits(room.code, address)  # noqa: E731
            return _refusing(lambda: self._rooms().vote(room, number, token, text, admits))

        counted = await to_thread.run_sync(store)
        return json_answer({"round": number, "answer": counted})

    @in_words
    async def _teach(self, request: Request) -> Response:
        room, run, lab_run = await to_thread.run_sync(self._room, request.path_params["code"])
        rooms, action = self._rooms(), request.path_params["action"]
        if not rooms.entitled(room, request.headers.get("X-Bnviz-Key", "")):
            raise RequestError(403, "Only the teacher of this class may do this.")
        values = await json_body(request)
        await to_thread.run_sync(_refusing, lambda: self._obey(rooms, room, lab_run, action, values))
        return json_answer({"class": orjson.Fragment((await self._body(room, run, lab_run)).plain)})

    def _obey(
        self, rooms: Rooms, room: Room, lab_run: LabRun | None, action: str, values: dict[str, Any]
    ) -> None:
        if action == "ask":
            if lab_run is not None and lab_run.trained:
                raise RequestError(409, "The networks are trained already; reset the run to ask again.")
            rooms.ask(room)
        elif action == "close":
            rooms.close_question(room)
        elif action == "end":
            rooms.end(room)
        elif action == "address":
            rooms.move(room, read_address(str(values.get("address"))))
        else:
            raise RequestError(404, f"{action[:40]!r} is no action; there are {', '.join(ACTIONS)}")

    def _room(self, text: str) -> tuple[Room, Run, LabRun | None]:
        """The class and what it looks at. Raises RequestError."""
        code = read_code(text)
        room = _refusing(lambda: self._rooms().find(code)) if code else None
        if room is None:
            raise RequestError(404, "There is no such class: check the code, or ask for the link.")
        run = _refusing(lambda: self._rooms().run(room, self._manager(), self._lab_runs))
        return room, run, self._lab_runs.get(run.id) if room.shown.lab else None


def _refusing(work: Callable[[], T]) -> T:
    """Do it, and put what a class does not allow as a RequestError."""
    try:
        return work()
    except ClassroomError as error:
        raise RequestError(409, str(error)) from error
    except (PredictionError, AddressError) as error:
        raise RequestError(422, str(error)) from error
    except StoreError as error:
        raise RequestError(507, str(error)) from error


def _token(request: Request) -> str:
    """The voter's secret. Raises RequestError."""
    token = request.headers.get("X-Bnviz-Voter", "")
    if not SHORTEST_TOKEN <= len(token) <= 100:
        raise RequestError(
            422, "this browser did not say which voter it is; allow it to store data and reload"
        )
    return token
