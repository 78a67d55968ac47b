"""Virtual users: a teacher, viewers of the teacher's run, and students with runs of their own.

They send the requests of the pages, as often: the intervals are those of hub.js and class.js, and a figure is
fetched when the run has recorded something new, as in figure.js. Nothing is drawn.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import quote, urlencode

from bnviz.tools.load.connection import Answer, Connections, LoadError
from bnviz.tools.load.server import HOST, Target
from bnviz.tools.load.session import Session
from bnviz.tools.load.tally import Tally

RUNNING, IDLE = 0.22, 1.0
"""Seconds between two requests of a page about its own run, see hub.js."""
STUDENT, ROOM = 0.975, 2.5
"""Seconds between two requests of a viewer about the run, and about the class, see class.js."""
TICK = 0.1
"""Seconds by which a page asks for the next figure before it is due, see figure.js."""
IN_SIGHT = 3
"""Figures on the screen or near it. A page fetches the others only when it is scrolled."""

_LINK = re.compile(r'(?:src|href|data-plotly)="(/[^"]+/assets/[^"]+)"')
_IMPORT = re.compile(r'from "\./([\w.]+)"')


@dataclass
class Picture:
    """A figure on a page.

    shown: the recording that it shows. tag: its ETag. rest: the time until which the server has nothing newer.
    """

    path: str
    arguments: Mapping[str, Any]
    shown: str = ""
    tag: str = ""
    rest: float = 0.0
    busy: bool = False


class Watching:
    """A run that a page follows, with the figures in sight."""

    def __init__(
        self,
        connections: Connections,
        base: str,
        run: str,
        pictures: Sequence[Picture],
        number: int,
        layer: int,
        pace: float | None = None,
    ) -> None:
        self._connections, self._base, self._run = connections, base, run
        self.pictures = list(pictures)
        self._number, self._layer, self._pace = number, layer, pace
        self._count, self._last = 0, 0
        self._fetching: set[asyncio.Task[None]] = set()
        self.tally = Tally()
        self.awake = asyncio.Event()
        self.awake.set()
        self.state, self.step = "", 0

    async def follow(self) -> None:
        """Ask how the run stands, and for new figures, until cancelled."""
        try:
            while True:
                await self.awake.wait()
                begun = time.perf_counter()
                recorded = await self._ask()
                if recorded:
                    self._refresh(recorded)
                running = self.state in ("running", "starting")
                pace = self._pace or (RUNNING if running else IDLE)
                await asyncio.sleep(max(0.0, pace - (time.perf_counter() - begun)))
        finally:
            for task in self._fetching:
                task.cancel()

    def begin(self, tally: Tally) -> None:
        """Count into `tally` from now on."""
        self.tally = tally
        for picture in self.pictures:
            tally.expect(self._number, picture.path)

    async def _ask(self) -> str:
        known = {"known": f"{self._count}:{self._last}"} if self._count else {}
        path = f"{self._base}/runs/{quote(self._run)}?{urlencode({'layer': self._layer, **known})}"
        answer = await self._counted(path, {}, self.tally.statuses)
        if answer is None or answer.status != 200:
            return ""
        told = answer.json()
        self.state, self.step = told["state"], told["step"]
        steps = told["recorded_steps"]
        self._count = told["known"] + len(steps)
        self._last = steps[-1] if steps else self._last
        return str(told["recorded"])

    def _refresh(self, recorded: str) -> None:
        for picture in self.pictures:
            rested = time.perf_counter() >= picture.rest
            if not picture.busy and picture.shown != recorded and rested:
                task = asyncio.create_task(self._fetch(picture, recorded))
                self._fetching.add(task)
                task.add_done_callback(self._fetching.discard)

    async def _fetch(self, picture: Picture, wanted: str) -> None:
        picture.busy = True
        told = {
            name: int(value) if isinstance(value, bool) else value
            for name, value in picture.arguments.items()
            if value is not None
        }
        path = f"{self._base}/{picture.path}?{urlencode({'run': self._run, **told})}"
        headers = {"If-None-Match": picture.tag} if picture.tag else {}
        try:
            answer = await self._counted(path, headers, self.tally.figures)
            if answer is None:
                return
            if answer.status in (200, 304):
                picture.tag = answer.headers.get("etag", "")
                picture.shown = answer.headers["x-bnviz-recorded"]
                rest = float(answer.headers.get("x-bnviz-rest", "0")) / 1000
                picture.rest = time.perf_counter() + rest - TICK
            else:
                picture.shown = wanted
                self.tally.failures[f"{answer.status} for a figure"] += 1
            if answer.status == 200:
                self.tally.update(self._number, picture.path)
            elif answer.status == 304:
                self.tally.unchanged += 1
        finally:
            picture.busy = False

    async def _counted(self, path: str, headers: Mapping[str, str], seconds: list[float]) -> Answer | None:
        try:
            answer = await self._connections.get(path, headers)
        except (OSError, TimeoutError) as error:
            self.tally.failures[type(error).__name__] += 1
            await asyncio.sleep(IDLE)
            return None
        seconds.append(answer.seconds)
        self.tally.bytes += answer.size
        return answer


@dataclass
class Teacher:
    """The teacher's page: a Playground that is shared with the class."""

    session: Session
    connections: Connections
    base: str
    run: str
    key: str
    code: str

    @classmethod
    async def arrive(cls, server: Target, query: Mapping[str, Any]) -> Self:
        """Open the Playground with this link and press "Share with the class". Raises LoadError."""
        session = await Session.open(server.url, query=urlencode(query))
        bar = _bar(session)
        await session.rerun(pressed="Share with the class")
        links = [text for text in session.codes() if "/c/" in text]
        if not links:
            raise LoadError("sharing the run gave no link")
        code = links[0].rpartition("/c/")[2].partition("#")[0]
        connections = Connections(HOST, server.port)
        return cls(session, connections, bar["base"], bar["run"], bar["key"], code)

    async def drive(self, action: str, **values: Any) -> dict[str, Any]:
        """Send an action such as "play" or "pause". Returns how the run stands then."""
        path = f"{self.base}/runs/{quote(self.run)}/{action}"
        answer = await self.connections.post(path, values, {"X-Bnviz-Key": self.key})
        told: dict[str, Any] = answer.json()
        return told

    async def look(self) -> dict[str, Any]:
        """How the run stands."""
        told: dict[str, Any] = (await self.connections.get(f"{self.base}/runs/{quote(self.run)}")).json()
        return told

    async def leave(self) -> None:
        """Close the page."""
        self.connections.close()
        await self.session.close()


@dataclass
class VirtualUser:
    """A user with one page open. opened: the seconds until the page could be used."""

    number: int
    connections: Connections
    session: Session
    watching: Watching
    opened: float
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def leave(self) -> None:
        """Close the page."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.connections.close()
        await self.session.close()


async def viewer(server: Target, number: int, base: str, code: str) -> VirtualUser:
    """A student with a phone, who opens the Class page, and from there the class. Raises LoadError, OSError."""
    started = time.perf_counter()
    session = await Session.open(server.url, page="class")
    connections = Connections(HOST, server.port)
    page = await connections.get(f"{base}/c/{code}")
    await _load(connections, page.text())
    standing = (await connections.get(f"{base}/classes/{code}")).json()["class"]
    theme = ("light", "dark")[number % 2]
    pictures = [
        Picture(
            item["path"],
            {"theme": theme, **({"where": "input"} if item["path"].endswith("bands") else {}), "narrow": 1},
        )
        for item in standing["figures"]
        if not item["more"]
    ][:IN_SIGHT]
    watching = Watching(
        connections, base, standing["run"], pictures, number, standing["layers"], pace=STUDENT
    )
    user = VirtualUser(number, connections, session, watching, time.perf_counter() - started)
    user.tasks += [
        asyncio.create_task(watching.follow()),
        asyncio.create_task(_attend(watching, connections, f"{base}/classes/{code}")),
    ]
    return user


async def student(server: Target, number: int, query: Mapping[str, Any]) -> VirtualUser:
    """A student with a computer, who opens the Playground and presses Play. Raises LoadError, OSError."""
    started = time.perf_counter()
    session = await Session.open(server.url, query=urlencode(query))
    connections = Connections(HOST, server.port)
    bar = _bar(session)
    layer = next((part["layer"] for part in session.parts() if part.get("layer")), 1)
    watching = Watching(connections, bar["base"], bar["run"], _pictures(session), number, layer)
    opened = time.perf_counter() - started
    path = f"{bar['base']}/runs/{quote(bar['run'])}/play"
    (await connections.post(path, {}, {"X-Bnviz-Key": bar["key"]})).json()
    user = VirtualUser(number, connections, session, watching, opened)
    user.tasks.append(asyncio.create_task(watching.follow()))
    return user


async def look_at_layer(user: VirtualUser, layer: int) -> float:
    """Choose a layer on the Playground, 0 for all. Returns the seconds until the page answered. Raises LoadError."""
    option = f"layer {layer}" if layer else "all layers"
    seconds = await user.session.rerun(chosen={"layer": option})
    shown = {item.path: item for item in user.watching.pictures}
    fresh = _pictures(user.session)
    user.watching.pictures = [
        shown[item.path] if item.path in shown and shown[item.path].arguments == item.arguments else item
        for item in fresh
    ]
    return seconds


def _bar(session: Session) -> dict[str, Any]:
    """The data of the bar that drives the page's run. Raises LoadError."""
    for part in session.parts():
        if part.get("key"):
            return part
    raise LoadError("the page has no bar to drive a run")


def _pictures(session: Session) -> list[Picture]:
    """The figures in sight."""
    figures = [part for part in session.parts() if "path" in part]
    return [Picture(part["path"], {"theme": "light", **part["args"]}) for part in figures[:IN_SIGHT]]


async def _load(connections: Connections, page: str) -> None:
    """Fetch the assets of a page: its scripts, the scripts that these import, and its style sheets."""
    waiting, seen = _LINK.findall(page), set[str]()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = await connections.get(path)
        if answer.status != 200:
            raise LoadError(f"{path} was answered with {answer.status}")
        if path.endswith(".js") and "plotly" not in path:
            folder = path.rpartition("/")[0]
            waiting += [f"{folder}/{name}" for name in _IMPORT.findall(answer.text())]


async def _attend(watching: Watching, connections: Connections, path: str) -> None:
    """Ask how the class stands, until cancelled."""
    tag = ""
    while True:
        await asyncio.sleep(ROOM)
        await watching.awake.wait()
        try:
            answer = await connections.get(path, {"If-None-Match": tag} if tag else {})
        except (OSError, TimeoutError):
            continue
        watching.tally.bytes += answer.size
        watching.tally.statuses.append(answer.seconds)
        tag = answer.headers.get("etag", tag)
