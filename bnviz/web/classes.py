"""The routes of classes.

GET  bnviz/c/{code}                    the page that students open
GET  bnviz/classes/{code}              how the class stands; with the teacher's key also the key of its run
GET  bnviz/classes/{code}/qr.svg       the students' link as a QR code
GET  bnviz/classes/{code}/answers.csv  the answers by question and round, once they are shown; needs the teacher's key
GET  bnviz/classes/{code}/mine         what the voter who asks has answered; who asks has joined the class
POST bnviz/classes/{code}/vote         answer the open question
POST bnviz/classes/{code}/{action}     ask, close, show, end, address; needs the teacher's key

Nothing measured is sent while a question is open: training closes the question, whoever starts it and wherever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Literal, assert_never

import orjson
from anyio import to_thread
from pydantic import Field
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from bnviz.classroom.codes import EXAMPLE, digest, read_code
from bnviz.classroom.invitation import qr_code, read_address
from bnviz.classroom.rooms import Room, Rooms, open_rooms
from bnviz.runs import Run, RunManager
from bnviz.runs.lab_run import LabRun, LabRuns
from bnviz.web import class_json, class_page
from bnviz.web.downloads import download
from bnviz.web.errors import text_error
from bnviz.web.rate_limit import RateLimit
from bnviz.web.requests import ActionReader, JsonObject, RequestError, json_object, read, whole
from bnviz.web.response_cache import Body, ResponseCache
from bnviz.web.responses import HEADERS, json_response, not_modified

MIN_TOKEN, MAX_TOKEN = 16, 100
"""Characters of a voter's secret token, which the browser makes up."""


class Vote(JsonObject):
    """Answer the question in a round."""

    round: int = whole(1, 99)
    answer: str = Field(description="a text")


class Ask(JsonObject):
    """Open the next round of the question."""

    action: Literal["ask"] = "ask"


class Close(JsonObject):
    """Close the round that is open. show: whether its answers are shown."""

    action: Literal["close"] = "close"
    show: bool = Field(True, description="true or false")


class Show(JsonObject):
    """Show the answers of rounds that were closed without."""

    action: Literal["show"] = "show"


class End(JsonObject):
    """End the class."""

    action: Literal["end"] = "end"


class Address(JsonObject):
    """Have the students' link use another address of this server."""

    action: Literal["address"] = "address"
    address: str = Field(description="a text")


TeacherAction = Ask | Close | Show | End | Address

teacher_actions: ActionReader[TeacherAction] = ActionReader(TeacherAction)


def student_link(address: str, base: str, code: str) -> str:
    """Where students find the class. base: where the routes are."""
    return f"{address}{base}/c/{code}"


class ClassRoutes:
    """The handlers and what they share. base: where the routes are."""

    def __init__(
        self,
        base: str,
        manager: Callable[[], RunManager],
        lab_runs: LabRuns,
        rooms: Callable[[], Rooms] = open_rooms,
    ) -> None:
        self._base, self._manager, self._lab_runs, self._rooms = base, manager, lab_runs, rooms
        self._classes = ResponseCache(lifetime=0.0)  # must show what the teacher just did
        self._figures = ResponseCache(lifetime=0.0)  # captions that were measured end with a reset
        self._new_voters = RateLimit()

    def all(self) -> list[BaseRoute]:
        """The routes."""
        return [
            Route("/c/{code}", self.page),
            Route("/classes/{code}", self.status),
            Route("/classes/{code}/qr.svg", self.qr_code),
            Route("/classes/{code}/answers.csv", self.answers),
            Route("/classes/{code}/mine", self.votes),
            Route("/classes/{code}/vote", self.vote, methods=["POST"]),
            Route("/classes/{code}/{action}", self.teach, methods=["POST"]),
        ]

    async def page(self, request: Request) -> Response:
        """The page of a class, whether or not there is one of that code."""
        code = read_code(request.path_params["code"])
        if code is None:
            sentence = f"There is no such class. A code has eight letters and digits, such as {EXAMPLE}."
            return text_error(sentence, 404)
        return HTMLResponse(class_page.page(self._base, code), headers=HEADERS | class_page.HEADERS)

    async def status(self, request: Request) -> Response:
        """How the class stands. To ask counts as watching its run."""
        room, run, lab_run = await self._find(request)
        run.touch()
        key = request.headers.get("X-Bnviz-Key", "")
        body = await self._body(room, run, lab_run)
        if key:
            teaches = self._rooms().entitled(room, key)
            own = {"teacher": teaches, "run_key": run.key if teaches else None}
            return json_response({**own, "class": orjson.Fragment(body.plain)})
        etag, headers = f'"{body.version}"', {"Cache-Control": "no-cache"}
        if request.headers.get("If-None-Match") == etag:
            return not_modified(etag, headers)
        return Response(
            b'{"class":' + body.plain + b"}",
            headers={**headers, "ETag": etag, **HEADERS},
            media_type="application/json",
        )

    async def qr_code(self, request: Request) -> Response:
        """The students' link as a QR code."""
        room, _, _ = await self._find(request)
        picture = qr_code(student_link(room.row.address, self._base, room.code))
        headers = {**HEADERS, "Cache-Control": "no-cache", "Content-Security-Policy": "default-src 'none'"}
        return Response(picture, headers=headers, media_type="image/svg+xml")

    async def answers(self, request: Request) -> Response:
        """What the class answered, as a file for its teacher."""
        room, _, lab_run = await self._find(request)
        self._check_teacher(room, request)
        table = await to_thread.run_sync(class_json.answers_file, room, lab_run)
        if table is None:
            raise RequestError(409, "The answers can be saved once they are shown.")
        return download(
            Response(table, media_type="text/csv; charset=utf-8"), f"bnviz-answers-{room.code}.csv"
        )

    async def votes(self, request: Request) -> Response:
        """What one voter has answered."""
        room, _, lab_run = await self._find(request)
        token = _voter_token(request)
        await to_thread.run_sync(self._rooms().join, room, token, self._admits(room, request))
        voter = digest(token, room.code)
        votes = {number: given[voter] for number, given in room.votes.items() if voter in given}
        return json_response({"votes": await to_thread.run_sync(class_json.voter_json, room, lab_run, votes)})

    async def vote(self, request: Request) -> Response:
        """Store an answer. The response has the one that counts, which is the voter's first."""
        room, _, lab_run = await self._find(request)
        token = _voter_token(request)
        vote = read(Vote, await json_object(request))
        if lab_run is not None and lab_run.trained:
            raise RequestError(409, "The networks are trained already; it is too late to predict.")
        admits = self._admits(room, request)
        counted = await to_thread.run_sync(self._rooms().vote, room, vote.round, token, vote.answer, admits)
        return json_response({"round": vote.round, "answer": counted})

    async def teach(self, request: Request) -> Response:
        """Do what the teacher wants, and tell how the class stands then."""
        room, run, lab_run = await self._find(request)
        self._check_teacher(room, request)
        action = teacher_actions.read(request.path_params["action"], await json_object(request))
        await to_thread.run_sync(perform, self._rooms(), room, run, action)
        return json_response({"class": orjson.Fragment((await self._body(room, run, lab_run)).plain)})

    def _check_teacher(self, room: Room, request: Request) -> None:
        """Raises RequestError unless the request has the teacher's key."""
        if not self._rooms().entitled(room, request.headers.get("X-Bnviz-Key", "")):
            raise RequestError(403, "Only the teacher of this class may do this.")

    def _admits(self, room: Room, request: Request) -> Callable[[], bool]:
        """Says whether one more new voter may come from where the request does."""
        address = request.client.host if request.client else ""
        return lambda: self._new_voters.allows(room.code, address)

    async def _body(self, room: Room, run: Run, lab_run: LabRun | None) -> Body:
        """How the class stands, as JSON; built once for each version."""
        link = student_link(room.row.address, self._base, room.code)
        done = lab_run is not None and lab_run.done
        version = hashlib.blake2b(
            repr((room.version, run.id, done, link)).encode(), digest_size=12
        ).hexdigest()
        figures = await self._figures.get(
            run.id, str(done), lambda: orjson.dumps(class_json.figures_json(run, lab_run))
        )
        return await self._classes.get(
            (room.code, run.id),
            version,
            lambda: orjson.dumps(class_json.class_json(room, run, lab_run, link, figures.plain)),
        )

    async def _find(self, request: Request) -> tuple[Room, Run, LabRun | None]:
        """The class of the path's code, and its run. Raises RequestError and ClassroomError."""
        return await to_thread.run_sync(self._room, request.path_params["code"])

    def _room(self, text: str) -> tuple[Room, Run, LabRun | None]:
        code = read_code(text)
        room = self._rooms().find(code) if code else None
        if room is None:
            raise RequestError(404, "There is no such class: check the code, or ask for the link.")
        run = self._rooms().run(room, self._manager(), self._lab_runs)
        if has_begun(run):
            self._rooms().close_begun(room)
        return room, run, self._lab_runs.get(run.id) if room.subject.lab else None


def has_begun(run: Run) -> bool:
    """Whether anything may have been measured: training was started, and the run was not reset since."""
    return run.active or any(item.snapshots for item in run.recordings)


def perform(rooms: Rooms, room: Room, run: Run, action: TeacherAction) -> None:
    """Do it. Raises RequestError, ClassroomError, AddressError and StoreError."""
    match action:
        case Ask():
            if has_begun(run):
                raise RequestError(409, "The networks are trained already; reset the run to ask again.")
            rooms.ask(room)
        case Close():
            rooms.close_question(room, action.show)
        case Show():
            rooms.show_answers(room)
        case End():
            rooms.end(room)
        case Address():
            rooms.move(room, read_address(action.address))
        case _:
            assert_never(action)


def _voter_token(request: Request) -> str:
    """The voter's secret token. Raises RequestError."""
    token = request.headers.get("X-Bnviz-Voter", "")
    if not MIN_TOKEN <= len(token) <= MAX_TOKEN:
        raise RequestError(
            422, "this browser did not say which voter it is; allow it to store data and reload"
        )
    return token
