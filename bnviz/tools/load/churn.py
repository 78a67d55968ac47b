"""The scenario "churn": users come and go for as long as a lesson lasts, and the server's memory must not grow."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack

import numpy as np

from bnviz.tools.load.connection import LoadError
from bnviz.tools.load.findings import Chapter, Finding
from bnviz.tools.load.server import Target
from bnviz.tools.load.tally import Tally, percentile
from bnviz.tools.load.virtual_users import Teacher, VirtualUser, look_at_layer, student, viewer

STAY = (15.0, 60.0)
"""Seconds for which a user stays, from and to."""
LOOK = 5.0
"""Seconds between two measurements of the memory."""
HOUR = 60.0
"""Minutes for which the server's own time limits are made."""
SHORT_RUN = 1000
"""Steps of a student's run."""


def environment(minutes: float) -> dict[str, str]:
    """Time limits with which a server frees in so many minutes what it otherwise frees within an hour."""
    share = min(1.0, minutes / HOUR)
    return {
        "BNVIZ_UNWATCHED_SECONDS": f"{max(10.0, 120 * share):g}",
        "BNVIZ_DROPPED_SECONDS": f"{max(20.0, 1800 * share):g}",
    }


async def churn(server: Target, minutes: float, viewers: int, students: int, dataset: str) -> Chapter:
    """Keep `viewers` of the teacher's run and `students` with runs of their own present; each leaves, another comes."""
    end = time.perf_counter() + 60 * minutes
    tally, troubles, visits = Tally(), Counter[str](), Counter[str]()
    async with AsyncExitStack() as stack:
        teacher = await Teacher.arrive(server, {"dataset": dataset})
        stack.push_async_callback(teacher.leave)
        seats = [asyncio.create_task(_teach(teacher, end))]
        for number in range(viewers + students):
            kind = "viewers" if number < viewers else "students"
            seats.append(
                asyncio.create_task(
                    _seat(server, teacher, number, kind, end, tally, troubles, visits, dataset)
                )
            )
        memory = []
        while time.perf_counter() < end:
            await asyncio.sleep(min(LOOK, max(0.0, end - time.perf_counter())))
            memory.append(server.usage())
        for result in await asyncio.gather(*seats, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
    quarters = [
        float(np.median([item.bytes for item in part])) / 1e6
        for part in np.array_split(np.array(memory, object), 4)
        if len(part)
    ]
    used = [item.server_bytes / 1e6 for item in memory]
    findings = [
        Finding(
            "memory of all processes in the last quarter, over the quarter before", _growth(quarters), 1.1
        ),
        *(Finding(f"MB, quarter {number}", value) for number, value in enumerate(quarters, start=1)),
        Finding("MB of the server alone, at the end", used[-1]),
        Finding("visits by viewers", visits["viewers"]),
        Finding("visits by students", visits["students"]),
        Finding("ms in which 95 % of the figures were answered", 1000 * percentile(tally.figures, 95)),
        Finding("visits that failed", sum(troubles.values()), 0),
    ]
    limits = ", ".join(f"{name}={value}" for name, value in environment(minutes).items())
    remarks = [f"The server's time limits are shortened, as an hour is: {limits}."] if minutes < HOUR else []
    remarks += [f"{count} × {what}" for what, count in troubles.items()]
    return Chapter(f"{minutes:g} minutes in which users come and go", findings, remarks)


def _growth(quarters: Sequence[float]) -> float:
    return quarters[-1] / quarters[-2] if len(quarters) > 1 else float("nan")


async def _teach(teacher: Teacher, end: float) -> None:
    """Play the class's run again and again."""
    while time.perf_counter() < end:
        if (await teacher.look())["state"] in ("ready", "finished", "paused"):
            await teacher.drive("reset")
            await teacher.drive("play", fresh=True)
        await asyncio.sleep(1.0)


async def _seat(
    server: Target,
    teacher: Teacher,
    number: int,
    kind: str,
    end: float,
    tally: Tally,
    troubles: Counter[str],
    visits: Counter[str],
    dataset: str,
) -> None:
    """One user after the other, until `end`."""
    chance = random.Random(number)
    await asyncio.sleep(chance.uniform(0, STAY[0]))
    while time.perf_counter() < end:
        stay = min(chance.uniform(*STAY), end - time.perf_counter())
        try:
            if kind == "viewers":
                user = await viewer(server, number, teacher.base, teacher.code)
            else:
                seed = chance.randrange(1000)
                user = await student(server, number, {"dataset": dataset, "steps": SHORT_RUN, "seed": seed})
            try:
                user.watching.begin(tally)
                await _stay(user, kind, stay, chance)
            finally:
                await user.leave()
            visits[kind] += 1
        except (LoadError, OSError, TimeoutError) as error:
            troubles[f"{type(error).__name__}: {error}"] += 1
            await asyncio.sleep(1.0)


async def _stay(user: VirtualUser, kind: str, seconds: float, chance: random.Random) -> None:
    if kind == "students" and seconds > 2:
        await asyncio.sleep(seconds / 2)
        await look_at_layer(user, chance.choice((0, 1, 2, 3)))
        await asyncio.sleep(seconds / 2)
    else:
        await asyncio.sleep(max(0.0, seconds))
