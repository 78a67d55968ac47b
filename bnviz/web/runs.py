"""The routes of runs.

GET  bnviz/runs/{id}             how a run stands: state, step, each arm's numbers, the story
POST bnviz/runs/{id}/{action}    have it do something, see `run_actions`; needs the run's key
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence

import numpy as np
import orjson
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from bnviz.classroom.asked import Watched
from bnviz.classroom.lesson_plans import MOST_PARTS, LessonPlanError, find_plan
from bnviz.experiment.knob import MAX_LAYERS
from bnviz.figures.frame.arms import MAX_ARMS, arm_styles
from bnviz.figures.frame.palette import DASHES
from bnviz.figures.measured import filled
from bnviz.figures.story import changes, readouts, story
from bnviz.recording import Recording
from bnviz.recording.recording import fingerprint
from bnviz.runs import Run, RunManager
from bnviz.runs.lab_run import LabRun, LabRuns
from bnviz.web.requests import MAX_NUMBER, Query, RequestError, json_object, read, text, whole
from bnviz.web.response_cache import ResponseCache
from bnviz.web.responses import json_response
from bnviz.web.run_actions import perform, run_actions

MAX_ID = 64
"""Characters of an id; longer ones are not looked up."""


class RunQuery(Query):
    """The step and layer to tell of, and what the client knows: "count:last" of the recorded steps.

    lesson, part: of a lesson, whose words on what is measured are asked for. part counts from 1.
    """

    step: int | None = whole(0, MAX_NUMBER, None)
    layer: int | None = whole(1, MAX_LAYERS, None)
    known: str = ""
    lesson: str = text(60, "")
    part: int = whole(1, MOST_PARTS, 1)


class RunRoutes:
    """The handlers and what they share. find: the run of an id."""

    def __init__(self, find: Callable[[str], Run], lab_runs: LabRuns) -> None:
        self._find, self._lab_runs = find, lab_runs
        self._readouts = ResponseCache(lifetime=0.0)  # cheap to build, and must show what was just changed

    def all(self) -> list[BaseRoute]:
        """The routes."""
        return [
            Route("/runs/{id}", self.status),
            Route("/runs/{id}/{action}", self.act, methods=["POST"]),
        ]

    async def status(self, request: Request) -> Response:
        """How the run stands. To ask counts as watching it."""
        run, query = self._find(request.path_params["id"]), read(RunQuery, request.query_params)
        run.touch()
        return await self._status(run, query)

    async def act(self, request: Request) -> Response:
        """Have the run do something, and tell how it stands then."""
        run, query = self._find(request.path_params["id"]), read(RunQuery, request.query_params)
        key = request.headers.get("X-Bnviz-Key", "")
        if not hmac.compare_digest(key.encode(), run.key.encode()):
            raise RequestError(403, "Only who started this run may drive it.")
        action = run_actions.read(request.path_params["action"], await json_object(request))
        await to_thread.run_sync(perform, run, action)
        return await self._status(run, query)

    async def _status(self, run: Run, query: RunQuery) -> Response:
        recordings, lab_run = run.recordings, self._lab_runs.get(run.id)
        if lab_run:
            lab_run.inspect()
        body = await self._readouts.get(
            (run.id, query.step, query.layer),
            fingerprint(recordings),
            lambda: readouts_json(recordings, query.step, query.layer),
        )
        steps = max((item.steps for item in recordings), key=len)
        known = known_steps(query.known, steps)
        lesson = lesson_told(query, run, recordings) if query.lesson else None
        return json_response(
            {
                "state": run.state,
                "message": (lab_run.message if lab_run else "") or run.message,
                "step": run.step,
                "steps": run.steps,
                "revision": run.revision,
                "kept": run.kept,
                "speed": run.speed,
                "recorded": recorded_version(recordings, lab_run),
                "done": lab_run.done if lab_run else run.state == "finished",
                "known": known,
                "recorded_steps": steps[known:].tolist(),
                "words": orjson.Fragment(body.plain),
                "lesson": lesson,
            }
        )


def lesson_told(query: RunQuery, run: Run, recordings: Sequence[Recording]) -> dict[str, object]:
    """What the lesson's part says of these recordings, and the right answer to its question once the run got there.

    Raises RequestError for a lesson that does not exist.
    """
    try:
        _, part = find_plan(query.lesson).part(str(query.part))
    except LessonPlanError as error:
        raise RequestError(404, str(error)) from error
    reached = Watched(run).reached(part.until)
    ask = part.ask
    right = ask.right(recordings, part.until) if ask and reached else None
    return {
        "told": filled(part.measured, recordings, query.step),
        "right": right,
        "measured": ask.told(recordings, part.until) if ask and reached else "",
        "options": ask.options if ask else (),
        "explanation": ask.explanation if ask and right is not None else "",
    }


def find_run(manager: RunManager, run_id: str) -> Run:
    """The run of that id. Raises RequestError."""
    run = manager.get(run_id) if len(run_id) <= MAX_ID else None
    if run is None:
        raise RequestError(
            404, "This run is over: the server was restarted, or nobody watched the run for a while."
        )
    return run


def recorded_version(recordings: Sequence[Recording], lab_run: LabRun | None) -> str:
    """The version of what figures show: what was recorded, and whether the lab has examined the trained networks."""
    version = fingerprint(recordings)
    return f"{version}-done" if lab_run and lab_run.done else version


def known_steps(known: str, steps: np.ndarray) -> int:
    """How many of the steps a client knows that says "count:last"; 0 if these are no longer the steps recorded."""
    number, _, last = known[:20].partition(":")
    count = int(number) if number.isascii() and number.isdecimal() else 0
    return count if 0 < count <= len(steps) and str(steps[count - 1]) == last else 0


def readouts_json(recordings: Sequence[Recording], step: int | None, layer: int | None) -> bytes:
    """What stands beside the figures: each arm's numbers, the story, what was changed during training.

    Raises RequestError for a layer that does not exist.
    """
    if len(recordings) > MAX_ARMS:
        return orjson.dumps({"arms": [], "story": "", "changes": []})
    styles = arm_styles(recordings)
    arms = [
        {
            "name": readout.arm,
            "colour": style.colour,
            "dashes": DASHES[style.dash].thick,
            "loss": readout.loss,
            "accuracy": readout.accuracy,
            "diverged_at": readout.diverged_at,
        }
        for style, readout in zip(styles, readouts(recordings, step), strict=True)
    ]
    try:
        narrative = story(recordings, step, layer)
    except ValueError as error:
        raise RequestError(422, str(error)) from error
    return orjson.dumps({"arms": arms, "story": narrative, "changes": changes(recordings, styles)})
