"""The scenarios "shared", a class that watches one run, and "own", students who each train a run."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil

from bnviz.tools.load.connection import LoadError
from bnviz.tools.load.findings import Chapter, Finding
from bnviz.tools.load.server import Target, Usage
from bnviz.tools.load.tally import Tally, percentile
from bnviz.tools.load.virtual_users import Teacher, VirtualUser, look_at_layer, student, viewer

LONG = 100_000
"""Steps of a run that outlasts every measurement. With more, fewer steps would be recorded each second."""
WARM_UP = 3.0
"""Seconds from the start of a run to that of the measurement."""
AT_ONCE = 4
"""Users whose pages open at the same time."""
CHOOSE_EVERY = (5.0, 15.0)
"""Seconds after which a student looks at another layer."""


@dataclass(frozen=True)
class Stretch:
    """What was measured over some seconds. client_seconds: processor time of the virtual users' own process."""

    seconds: float
    before: Usage
    after: Usage
    client_seconds: float
    tally: Tally
    steps: int = 0

    @property
    def server_cores(self) -> float:
        """How many cores the server's own process used."""
        return (self.after.server_seconds - self.before.server_seconds) / self.seconds

    @property
    def client_cores(self) -> float:
        """How many cores the virtual users took."""
        return self.client_seconds / self.seconds


async def shared(server: Target, viewers: int, seconds: float, repeats: int, dataset: str) -> Chapter:
    """A run at full speed with `viewers` and without any, in turns of `seconds`. Raises LoadError."""
    async with AsyncExitStack() as stack:
        teacher = await Teacher.arrive(server, {"dataset": dataset, "steps": LONG, "speed": "max"})
        stack.push_async_callback(teacher.leave)
        alone = await _turn(server, teacher, (), seconds)  # also warms up
        users = await enter(
            [viewer(server, number, teacher.base, teacher.code) for number in range(viewers)], stack
        )
        for item in users:
            item.watching.awake.clear()
        quiet, watched = [], []
        for _ in range(repeats):
            quiet.append(await _turn(server, teacher, (), seconds))
            watched.append(await _turn(server, teacher, users, seconds))
        await teacher.drive("pause")
    return _shared_chapter(viewers, alone, quiet, watched, [item.opened for item in users])


def _shared_chapter(
    viewers: int, alone: Stretch, quiet: list[Stretch], watched: list[Stretch], openings: list[float]
) -> Chapter:
    rates = np.concatenate([item.tally.rates(item.seconds) for item in watched])
    figures = [seconds for item in watched for seconds in item.tally.figures]
    statuses = [seconds for item in watched for seconds in item.tally.statuses]
    updates = sum(item.tally.pictures for item in watched)
    seconds = sum(item.seconds for item in watched)
    with_viewers, without = (
        float(np.median([item.steps / item.seconds for item in turns])) for turns in (watched, quiet)
    )
    server_cores = float(np.median([item.server_cores for item in watched]))
    last = watched[-1].after
    findings = [
        Finding("new pictures a second of each figure, the least fortunate viewer", rates.min(), 0.99, True),
        Finding("the same, the median viewer", float(np.median(rates))),
        Finding("ms in which 95 % of the figures were answered", 1000 * percentile(figures, 95), 250),
        Finding("ms, the median figure", 1000 * percentile(figures, 50)),
        Finding(
            "ms in which 95 % of the questions how it stands were answered", 1000 * percentile(statuses, 95)
        ),
        Finding("training steps a second with viewers over without", with_viewers / without, 0.85, True),
        Finding("training steps a second of each arm, nobody watching", without),
        Finding("cores that the server used", server_cores),
        Finding("the same, nobody watching", float(np.median([item.server_cores for item in quiet]))),
        Finding("cores that the virtual viewers took from the same machine", watched[-1].client_cores),
        Finding("ms of the processor a viewer and second", 1000 * server_cores / viewers),
        Finding(
            "kB a viewer and second", sum(item.tally.bytes for item in watched) / seconds / viewers / 1000
        ),
        Finding(
            "kB a new picture, questions included", sum(item.tally.bytes for item in watched) / updates / 1000
        )
        if updates
        else Finding("new pictures", 0),
        Finding("seconds until the class was open, the slowest of all", max(openings)),
        Finding("MB of memory, the server", last.server_bytes / 1e6),
        Finding("MB of memory, the trainers", last.worker_bytes / 1e6),
        Finding("answers that failed", sum(sum(item.tally.failures.values()) for item in watched), 0),
    ]
    first = f"Before anybody had opened a page: {alone.steps / alone.seconds:,.0f} steps a second."
    return Chapter(
        f"{viewers} viewers of one run, each at 1 update a second", findings, (first, *_failures(watched))
    )


async def _turn(server: Target, teacher: Teacher, users: Sequence[VirtualUser], seconds: float) -> Stretch:
    """Train from step 0 while these users ask, and measure after the warm-up."""
    await teacher.drive("pause")
    await teacher.drive("reset")
    await teacher.drive("play", fresh=True)
    for item in users:
        item.watching.awake.set()
    await _until_running(teacher)
    await asyncio.sleep(min(WARM_UP, seconds))
    first = (await teacher.look())["step"]
    stretch = await measure(server, users, seconds)
    told = await teacher.look()
    for item in users:
        item.watching.awake.clear()
    if told["state"] != "running":
        raise LoadError(f"the run did not last: it is {told['state']} at step {told['step']:,}")
    return Stretch(
        stretch.seconds,
        stretch.before,
        stretch.after,
        stretch.client_seconds,
        stretch.tally,
        told["step"] - first,
    )


async def _until_running(teacher: Teacher, patience: float = 60.0) -> None:
    end = time.perf_counter() + patience
    while time.perf_counter() < end:
        if (await teacher.look())["state"] == "running":
            return
        await asyncio.sleep(0.1)
    raise LoadError(f"the run did not start within {patience:g} seconds")


async def measure(server: Target, users: Sequence[VirtualUser], seconds: float) -> Stretch:
    """Count what these users receive, and what the server uses, in the next `seconds`."""
    tally, own = Tally(), psutil.Process()
    for item in users:
        item.watching.begin(tally)
    received = sum(item.session.received for item in users)
    before, times = server.usage(), own.cpu_times()
    await asyncio.sleep(seconds)
    after, later = server.usage(), own.cpu_times()
    for item in users:
        item.watching.begin(Tally())
    tally.bytes += sum(item.session.received for item in users) - received
    used = later.user + later.system - times.user - times.system
    return Stretch(after.at - before.at, before, after, used, tally)


async def own(server: Target, students: int, seconds: float, dataset: str) -> Chapter:
    """`students` open the Playground, each with another seed, press Play and choose layers. Raises LoadError."""
    async with AsyncExitStack() as stack:
        arrivals = [
            student(server, number, {"dataset": dataset, "seed": number}) for number in range(students)
        ]
        users = await enter(arrivals, stack)
        began = await until_all_advance(users)
        scripts: list[float] = []
        troubles: list[str] = []
        around = [asyncio.create_task(_look_around(item, scripts, troubles)) for item in users]
        await asyncio.sleep(min(WARM_UP, seconds))
        scripts.clear()
        first = [item.watching.step for item in users]
        stretch = await measure(server, users, seconds)
        gained = np.array([item.watching.step for item in users]) - first
        finished = np.array([item.watching.state == "finished" for item in users])
        for task in around:
            task.cancel()
        await asyncio.gather(*around, return_exceptions=True)
    tally = stretch.tally
    updates = tally.rates(stretch.seconds)
    findings = [
        Finding("runs that advanced", int(((gained > 0) | finished).sum()), students, True),
        Finding("steps a second of each run, the slowest", gained.min() / stretch.seconds),
        Finding("the same, the median run", float(np.median(gained)) / stretch.seconds),
        Finding("the slowest run over the median", gained.min() / max(1.0, float(np.median(gained)))),
        Finding(
            "seconds in which the slowest page answered a control", max(scripts, default=float("nan")), 1.0
        ),
        Finding("seconds in which 95 % of the pages answered a control", percentile(scripts, 95), 1.0),
        Finding("seconds in which 95 % of the figures were answered", percentile(tally.figures, 95), 1.0),
        Finding("seconds in which 95 % of the questions were answered", percentile(tally.statuses, 95), 1.0),
        Finding("new pictures a second of each figure, the median student", float(np.median(updates))),
        Finding("the same, the least fortunate", updates.min()),
        Finding("seconds until a page was open, the slowest of all", max(item.opened for item in users)),
        Finding("seconds from the last arrival until every run had taken a step", began),
        Finding("cores that the server used", stretch.server_cores),
        Finding("cores that the virtual students took from the same machine", stretch.client_cores),
        Finding("MB of memory, the server", stretch.after.server_bytes / 1e6),
        Finding("MB of memory, the trainers", stretch.after.worker_bytes / 1e6),
        Finding("answers that failed", sum(tally.failures.values()) + len(troubles), 0),
    ]
    return Chapter(
        f"{students} students with runs of their own", findings, (*_failures([stretch]), *set(troubles))
    )


async def until_all_advance(users: Sequence[VirtualUser], patience: float = 120.0) -> float:
    """Wait, at most `patience` seconds, until each user's run has made a step. Returns the seconds it took."""
    started = time.perf_counter()
    while time.perf_counter() - started < patience:
        if all(item.watching.step > 0 for item in users):
            break
        await asyncio.sleep(0.1)
    return time.perf_counter() - started


async def _look_around(user: VirtualUser, scripts: list[float], troubles: list[str]) -> None:
    chance = random.Random(user.number)
    while True:
        await asyncio.sleep(chance.uniform(*CHOOSE_EVERY))
        try:
            scripts.append(await look_at_layer(user, chance.choice((0, 1, 2, 3))))
        except LoadError as error:
            troubles.append(str(error))


async def enter(arrivals: Sequence[Any], stack: AsyncExitStack) -> list[VirtualUser]:
    """Let the users arrive, AT_ONCE at a time. They leave when the stack closes."""
    door = asyncio.Semaphore(AT_ONCE)

    async def one(arrival: Any) -> VirtualUser:
        async with door:
            user: VirtualUser = await arrival
            stack.push_async_callback(user.leave)
            return user

    results = await asyncio.gather(*(one(item) for item in arrivals), return_exceptions=True)
    for item in results:
        if isinstance(item, BaseException):
            raise item
    return [item for item in results if isinstance(item, VirtualUser)]


def _failures(stretches: Sequence[Stretch]) -> list[str]:
    return [f"{count} × {what}" for item in stretches for what, count in item.tally.failures.items()]
