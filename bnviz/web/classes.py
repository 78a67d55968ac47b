"""The routes of classes.

GET  bnviz/c/{code}                    the page that students open
GET  bnviz/classes/{code}              how the class stands; with the teacher's key also the key of its run
GET  bnviz/classes/{code}/qr.svg       the students' link as a QR code
GET  bnviz/classes/{code}/answers.csv  the answers by question and round, once they are shown; needs the teacher's key
GET  bnviz/classes/{code}/answers.html the same as a page with a figure for each question
GET  bnviz/classes/{code}/mine         what the voter who asks has answered; who asks has joined the class
POST bnviz/classes/{code}/vote         answer the open question
POST bnviz/classes/{code}/{action}     turn, ask, close, show, tell, behind, end, address; needs the teacher's key

A class and `mine` take part=: one that the class was shown, or that its lesson lets students read ahead.
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

from bnviz.classroom.answers import ShownPoll, answers_csv, counts, voters
from bnviz.classroom.asked import Watched
from bnviz.classroom.codes import EXAMPLE, digest, read_code
from bnviz.classroom.invitation import qr_code, read_address
from bnviz.classroom.lesson_plans import MOST_PARTS
from bnviz.classroom.room import Room, ShownPart
from bnviz.classroom.rooms import Rooms, open_rooms
from bnviz.export.handouts.votes_page import votes_page
from bnviz.runs import Run, RunManager
from bnviz.runs.lab_run import LabRuns
from bnviz.web import class_json, class_page
from bnviz.web.class_json import Standing
from bnviz.web.downloads import download
from bnviz.web.errors import text_error
from bnviz.web.rate_limit import NEW_VOTERS, RateLimit
from bnviz.web.requests import ActionReader, JsonObject, Query, RequestError, json_object, read, text, whole
from bnviz.web.response_cache import Body, ResponseCache
from bnviz.web.responses import HEADERS, json_response, not_modified

MIN_TOKEN, MAX_TOKEN = 16, 100
"""Characters of a voter's secret token, which the browser makes up."""


class StandingQuery(Query):
    """The part to look at; None for the one that the class is at."""

    part: int | None = whole(1, MOST_PARTS, None)


class Vote(JsonObject):
    """Answer a question in a round. part, question: where the voter read it; by default where the class is."""

    round: int = whole(1, 99)
    answer: str = Field(description="a text")
    part: int | None = whole(0, MOST_PARTS, None)
    question: str = text(20, "")


class Ask(JsonObject):
    """Open the next round of a question. question: which of the part's, "" for the first."""

    action: Literal["ask"] = "ask"
    question: str = text(20, "")


class Close(JsonObject):
    """Close the round that is open. show: whether its answers are shown."""

    action: Literal["close"] = "close"
    show: bool = Field(True, description="true or false")
    question: str = text(20, "")


class Show(JsonObject):
    """Show the answers of rounds that were closed without."""

    action: Literal["show"] = "show"
    question: str = text(20, "")


class Tell(JsonObject):
    """Tell the class the answer that the lesson says is right."""

    action: Literal["tell"] = "tell"
    question: str = text(20, "")


class Behind(JsonObject):
    """Show on the wall what is behind it in place of the figure, or the figure again."""

    action: Literal["behind"] = "behind"
    show: bool = Field(True, description="true or false")


class Turn(JsonObject):
    """Turn the lesson to a part."""

    action: Literal["turn"] = "turn"
    part: int = whole(1, MOST_PARTS)


class End(JsonObject):
    """End the class."""

    action: Literal["end"] = "end"


class Address(JsonObject):
    """Have the students' link use another address of this server."""

    action: Literal["address"] = "address"
    address: str = Field(description="a text")


TeacherAction = Turn | Ask | Close | Show | Tell | Behind | End | Address

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
        self._new_voters = RateLimit(NEW_VOTERS)

    def all(self) -> list[BaseRoute]:
        """The routes."""
        return [
            Route("/c/{code}", self.page),
            Route("/classes/{code}", self.status),
            Route("/classes/{code}/qr.svg", self.qr_code),
            Route("/classes/{code}/answers.csv", self.answers),
            Route("/classes/{code}/answers.html", self.answers_drawn),
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
        standing = await self._find(request, _part_asked_for(request))
        room, run = standing.room, standing.watched.run
        if run is not None:
            run.touch()
        key = request.headers.get("X-Bnviz-Key", "")
        body = await self._body(standing)
        if key:
            teaches = self._rooms().entitled(room, key)
            own = {
                "teacher": teaches,
                "run_key": run.key if teaches and run else None,
                "notes": class_json.notes_html(standing.part) if teaches else "",
                "parts": class_json.titles(room) if teaches else [],
            }
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
        room = (await self._find(request)).room
        picture = qr_code(student_link(room.row.address, self._base, room.code))
        headers = {**HEADERS, "Cache-Control": "no-cache", "Content-Security-Policy": "default-src 'none'"}
        return Response(picture, headers=headers, media_type="image/svg+xml")

    async def answers(self, request: Request) -> Response:
        """What the class answered, as a file for its teacher."""
        room, polls = await self._answers(request)
        table = Response(answers_csv(polls), media_type="text/csv; charset=utf-8")
        return download(table, f"bnviz-answers-{room.code}.csv")

    async def answers_drawn(self, request: Request) -> Response:
        """The same as a page with figures."""
        room, polls = await self._answers(request)
        title = room.plan.title if room.plan else polls[0].poll.asked.title
        drawn = await to_thread.run_sync(
            lambda: votes_page(title, [counts(item) for item in polls], len(voters(polls)))
        )
        return download(HTMLResponse(drawn), f"bnviz-answers-{room.code}.html")

    async def _answers(self, request: Request) -> tuple[Room, list[ShownPoll]]:
        """The questions whose answers are shown, for the teacher. Raises RequestError where there are none."""
        standing = await self._find(request)
        self._check_teacher(standing.room, request)
        polls = await to_thread.run_sync(self._shown_polls, standing.room)
        if not polls:
            raise RequestError(409, "The answers can be saved once they are shown.")
        return standing.room, polls

    async def votes(self, request: Request) -> Response:
        """What one voter has answered."""
        standing = await self._find(request, _part_asked_for(request))
        token = _voter_token(request)
        await to_thread.run_sync(
            self._rooms().join, standing.room, token, self._admits(standing.room, request)
        )
        voter = digest(token, standing.room.code)
        return json_response({"votes": await to_thread.run_sync(class_json.voter_json, standing, voter)})

    async def vote(self, request: Request) -> Response:
        """Store an answer. The response has the one that counts, which is the voter's first."""
        standing = await self._find(request)
        token = _voter_token(request)
        vote = read(Vote, await json_object(request))
        lab_run = standing.watched.lab_run
        if lab_run is not None and lab_run.trained and vote.part in (None, standing.part.row.part):
            raise RequestError(409, "The networks are trained already; it is too late to predict.")
        counted = await to_thread.run_sync(
            self._rooms().vote,
            standing.room,
            vote.round,
            token,
            vote.answer,
            self._admits(standing.room, request),
            vote.question,
            vote.part,
        )
        return json_response({"round": vote.round, "answer": counted})

    async def teach(self, request: Request) -> Response:
        """Do what the teacher wants, and tell how the class stands then."""
        standing = await self._find(request)
        self._check_teacher(standing.room, request)
        action = teacher_actions.read(request.path_params["action"], await json_object(request))
        await to_thread.run_sync(perform, self._rooms(), standing, action)
        return json_response({"class": orjson.Fragment((await self._body(await self._find(request))).plain)})

    def _check_teacher(self, room: Room, request: Request) -> None:
        """Raises RequestError unless the request has the teacher's key."""
        if not self._rooms().entitled(room, request.headers.get("X-Bnviz-Key", "")):
            raise RequestError(403, "Only the teacher of this class may do this.")

    def _admits(self, room: Room, request: Request) -> Callable[[], bool]:
        """Says whether one more new voter may come from where the request does."""
        address = request.client.host if request.client else ""
        return lambda: self._new_voters.allows(room.code, address)

    async def _body(self, standing: Standing) -> Body:
        """How the class stands, as JSON; built once for each version."""
        room, run = standing.room, standing.watched.run
        link = student_link(room.row.address, self._base, room.code)
        version = hashlib.blake2b(repr((standing.version, link)).encode(), digest_size=12).hexdigest()
        figures = await self._figures.get(
            run.id if run else "", str(standing.done), lambda: orjson.dumps(class_json.figures_json(standing))
        )
        return await self._classes.get(
            (room.code, standing.part.row.part),
            version,
            lambda: orjson.dumps(class_json.class_json(standing, link, figures.plain)),
        )

    async def _find(self, request: Request, part: int | None = None) -> Standing:
        """The class of the path's code, at a part. Raises RequestError and ClassroomError."""
        return await to_thread.run_sync(self._standing, request.path_params["code"], part)

    def _standing(self, text: str, number: int | None) -> Standing:
        code = read_code(text)
        room = self._rooms().find(code) if code else None
        if room is None:
            raise RequestError(404, "There is no such class: check the code, or ask for the link.")
        part = room.at if number is None else room.parts.get(number)
        if part is not None:
            return self._watched(room, part)
        ahead = room.ahead(number or 0)
        if ahead is None:
            raise RequestError(409, "The class was not at this part yet.")
        return Standing(room, ahead, Watched())

    def _watched(self, room: Room, part: ShownPart) -> Standing:
        """The class at a part that it was shown, with the run there; what was measured closes the vote."""
        run = self._rooms().run(room, self._manager(), self._lab_runs, part)
        watched = self._looked_at(part, run)
        if watched.begun:
            self._rooms().close_begun(room, part)
        self._rooms().settle(room, part, watched)
        return Standing(room, part, watched)

    def _looked_at(self, part: ShownPart, run: Run | None) -> Watched:
        return Watched(run, self._lab_runs.get(run.id) if run and part.lab else None)

    def _shown_polls(self, room: Room) -> list[ShownPoll]:
        """Every question whose answers are shown, part by part, as its run stands; no run is opened for this."""
        found = []
        for number, part in sorted(room.parts.items()):
            run = self._manager().get(part.run.id) if part.run else None
            watched = self._looked_at(part, run)
            self._rooms().settle(room, part, watched)
            found += [
                ShownPoll(number, poll)
                for poll in part.polls.values()
                if poll.settled or class_json.answers_shown(poll, watched)
            ]
        return found


def perform(rooms: Rooms, standing: Standing, action: TeacherAction) -> None:
    """Do it. Raises RequestError, ClassroomError, AddressError and StoreError."""
    room = standing.room
    match action:
        case Turn():
            rooms.turn(room, action.part)
        case Ask():
            if standing.watched.begun:
                raise RequestError(409, "The networks are trained already; reset the run to ask again.")
            rooms.ask(room, action.question)
        case Close():
            rooms.close_question(room, action.show, action.question)
        case Show():
            rooms.show_answers(room, action.question)
        case Tell():
            rooms.tell(room, action.question)
        case Behind():
            rooms.show_behind(room, action.show)
        case End():
            rooms.end(room)
        case Address():
            rooms.move(room, read_address(action.address))
        case _:
            assert_never(action)


def _part_asked_for(request: Request) -> int | None:
    return read(StandingQuery, request.query_params).part


def _voter_token(request: Request) -> str:
    """The voter's secret token. Raises RequestError."""
    token = request.headers.get("X-Bnviz-Voter", "")
    if not MIN_TOKEN <= len(token) <= MAX_TOKEN:
        raise RequestError(
            422, "this browser did not say which voter it is; allow it to store data and reload"
        )
    return token
