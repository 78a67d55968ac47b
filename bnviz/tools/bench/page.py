"""The cost of a page: bytes and processor time of each viewer, and the waiting times in a browser.

Bandwidth and processor time are measured without browsers, which would take more of the machine than the server.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from bnviz.tools.bench.browser import NO_BROWSER, BrowserMissingError, in_browser
from bnviz.tools.bench.readings import Reading, Section, Setting
from bnviz.tools.load.scenarios import LONG, WARM_UP, enter, measure, until_all_advance
from bnviz.tools.load.server import Server, Target
from bnviz.tools.load.session import Session
from bnviz.tools.load.virtual_users import IN_SIGHT, Teacher, viewer

FRAGMENT = str(Path(__file__).with_name("fragment_app.py"))
HEALTH = "/_stcore/health"
MOST_FRAGMENTS = 10
"""The most viewers of Streamlit's chart: with 30, its server stops responding."""
SPEED = 200
"""Training steps a second: what a page sets when it opens."""


@dataclass(frozen=True)
class Row:
    """One measurement. updates: of the figures, summed over all viewers."""

    viewers: int
    seconds: float
    cores: float
    received: int
    updates: float


def page(setting: Setting) -> list[Section]:
    """Each number of viewers on a server of bnviz, then of Streamlit's chart, then what a browser sees."""
    sections = [_bnviz(setting, count) for count in setting.viewers]
    sections += [fragment_page(setting, count) for count in setting.viewers if count <= MOST_FRAGMENTS]
    try:
        sections.append(in_browser(setting))
    except BrowserMissingError:
        sections.append(Section("In a browser", (), NO_BROWSER))
    return sections


def _bnviz(setting: Setting, count: int) -> Section:
    with tempfile.TemporaryDirectory() as folder:
        home = {"BNVIZ_HOME": str(Path(folder) / "home")}
        with Server(Path(folder) / "log", environment=home) as server:
            rows = asyncio.run(_watch(server.target, count, setting))
    return _section(f"{count} viewers of one run, 3 figures each", rows)


async def _watch(target: Target, count: int, setting: Setting) -> list[Row]:
    async with AsyncExitStack() as stack:
        teacher = await Teacher.arrive(target, {"dataset": "digits", "steps": LONG, "speed": SPEED})
        stack.push_async_callback(teacher.leave)
        visitors = await enter(
            [viewer(target, number, teacher.base, teacher.code) for number in range(count)], stack
        )
        await teacher.drive("play")
        await until_all_advance(visitors)
        await asyncio.sleep(min(WARM_UP, setting.seconds))
        rows = []
        for _ in range(setting.repeats):
            stretch = await measure(target, visitors, setting.seconds)
            rows.append(
                Row(
                    count,
                    stretch.seconds,
                    stretch.server_cores,
                    stretch.tally.bytes,
                    stretch.tally.pictures / IN_SIGHT,
                )
            )
        return rows


def fragment_page(setting: Setting, count: int) -> Section:
    """Viewers of a page that redraws Streamlit's own chart."""
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder) / "log", (FRAGMENT,), HEALTH) as server:
        rows = asyncio.run(_listen(server.target, count, setting))
    return _section(f"{count} viewers of Streamlit’s own chart, drawn anew by a fragment", rows)


async def _listen(target: Target, count: int, setting: Setting) -> list[Row]:
    sessions = [await Session.open(target.url) for _ in range(count)]
    listening = [asyncio.create_task(item.listen()) for item in sessions]
    rows = []
    for _ in range(setting.repeats):
        before, received, charts = target.usage(), _received(sessions), _charts(sessions)
        await asyncio.sleep(setting.seconds)
        after = target.usage()
        seconds = after.at - before.at
        cores = (after.server_seconds - before.server_seconds) / seconds
        rows.append(Row(count, seconds, cores, _received(sessions) - received, _charts(sessions) - charts))
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)
    for item in sessions:
        await item.close()
    return rows


def _received(sessions: Sequence[Session]) -> int:
    return sum(item.received for item in sessions)


def _charts(sessions: Sequence[Session]) -> int:
    return sum(item.charts for item in sessions)


def _section(title: str, rows: Sequence[Row]) -> Section:
    updates = [max(row.updates, 1.0) for row in rows]
    return Section(
        title,
        [
            Reading(
                "updates a second and viewer", tuple(row.updates / row.seconds / row.viewers for row in rows)
            ),
            Reading("kB an update and viewer", _each([row.received / 1000 for row in rows], updates)),
            Reading(
                "ms of the server’s processor an update and viewer",
                _each([1000 * row.cores * row.seconds for row in rows], updates),
            ),
            Reading("cores that the server used", tuple(row.cores for row in rows)),
        ],
    )


def _each(totals: Sequence[float], updates: Sequence[float]) -> tuple[float, ...]:
    return tuple(total / count for total, count in zip(totals, updates, strict=True))
