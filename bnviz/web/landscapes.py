"""The routes of measurements of the page Landscape, and a measurement's stamp.

GET  bnviz/landscapes/{id}             how it stands
GET  bnviz/landscapes/{id}/figure      the figure as JSON: theme=, narrow=, shape=
POST bnviz/landscapes/{id}/{action}    play or stop; only the page that opened the measurement knows its id
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from bnviz.export.stamp import ArmStamp, Stamp, made_here
from bnviz.figures import landscapes
from bnviz.figures.charts.loss_surface import Shape
from bnviz.runs import RunManager
from bnviz.runs.measurements import Measurement, Measurements
from bnviz.web.maps import MAX_ID, MapQuery, Play, Stop, map_actions
from bnviz.web.requests import RequestError, read
from bnviz.web.response_cache import ResponseCache
from bnviz.web.responses import body_response, json_response, not_modified, weak_etag


class LandscapeQuery(MapQuery):
    """The same, and as what the loss over a plane is drawn."""

    shape: Shape = "contours"


class LandscapeRoutes:
    """The handlers and what they share."""

    def __init__(self, manager: Callable[[], RunManager]) -> None:
        self._manager = manager
        self._cache = ResponseCache(capacity=40)

    def all(self) -> list[BaseRoute]:
        """The routes."""
        return [
            Route("/landscapes/{id}", self.status),
            Route("/landscapes/{id}/figure", self.figure),
            Route("/landscapes/{id}/{action}", self.act, methods=["POST"]),
        ]

    async def status(self, request: Request) -> Response:
        """How the measurement stands. To ask counts as watching it."""
        measurement = self._found(request)
        measurement.touch()
        return _status(measurement)

    async def act(self, request: Request) -> Response:
        """Play or stop, and tell how the measurement stands then."""
        measurement = self._found(request)
        match map_actions.read(request.path_params["action"], {}):
            case Play():
                measurement.play()
            case Stop():
                measurement.stop()
        return _status(measurement)

    async def figure(self, request: Request) -> Response:
        """The figure, drawn once for each number of pieces, theme and width."""
        measurement = self._found(request)
        query = read(LandscapeQuery, request.query_params)
        found, version = measurement.found, measurement.revision
        key = (measurement.id, query.theme, query.narrow, query.shape)
        if request.headers.get("If-None-Match") == weak_etag(key, version):
            return not_modified(weak_etag(key, version), {})

        def draw() -> bytes:
            try:
                return landscapes.draw(
                    measurement.function,
                    measurement.networks,
                    found,
                    shape=query.shape,
                    theme=query.theme,
                    narrow=query.narrow,
                ).json()
            except ValueError as error:
                raise RequestError(422, str(error)) from error

        body = await self._cache.get(key, version, draw)
        headers = {"ETag": weak_etag(key, body.version), "Cache-Control": "no-cache"}
        return body_response(request, body, "application/json", headers)

    def _found(self, request: Request) -> Measurement:
        return find_measurement(self._manager().measurements, request.path_params["id"])


def find_measurement(measurements: Measurements, measurement_id: str) -> Measurement:
    """The measurement of that id. Raises RequestError."""
    found = measurements.get(measurement_id) if len(measurement_id) <= MAX_ID else None
    if found is None:
        raise RequestError(
            404,
            "This measurement is over: the server was restarted, or newer ones took its place; reload the page.",
        )
    return found


def landscape_stamp(measurement: Measurement, link: str) -> Stamp:
    """Where a measurement's numbers come from."""
    arms = tuple(ArmStamp(item, (), None, made_here()) for item in measurement.networks)
    step = measurement.arguments.get("step")
    return Stamp(arms, step if isinstance(step, int) else measurement.networks[0].steps, link)


def _status(measurement: Measurement) -> Response:
    left = measurement.seconds_left
    return json_response(
        {
            "state": measurement.state,
            "message": measurement.message,
            "done": round(measurement.done, 3),
            "revision": measurement.revision,
            "seconds_left": None if left is None else round(left, 1),
        }
    )
