"""The worker processes of the cluster: which there are, and when one ends.

Dask would move what a lost worker had to do to another by itself. That does not hold under many deaths: a task bound
to a worker waits for ever if, for a moment, there is no worker at all, and a task whose workers died four times is
given up. So each task is bound to one worker here, and whoever waits for it learns that the worker is gone and
submits another task, under another key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from distributed import Client

from bnviz.data.lru import Lru

TOPIC = "all"
"""The scheduler's events about its workers."""

CHECK_SECONDS = 5.0
"""How long one waits before asking the scheduler whether the worker is still there: an event may be missed."""

ABSENT_SECONDS = 0.1
"""Between two looks for a worker while there is none."""

MOST_LOST = 5
"""Workers that may end, one after the other, while they look for one answer."""

MOST_GONE = 1000
"""Addresses of workers that are remembered as gone."""


class WorkerLostError(Exception):
    """The worker process ended before it answered."""


class Workers:
    """Of the cluster that `client` is connected to. All calls come from the client's loop."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ends: dict[str, asyncio.Event] = {}
        self._gone: Lru[str, bool] = Lru(MOST_GONE)
        client.subscribe_topic(TOPIC, self._on_event)

    async def addresses(self) -> list[str]:
        """Of those that live, at least one: waits while there is none."""
        while not (found := await self._present()):
            await asyncio.sleep(ABSENT_SECONDS)
        return sorted(found)

    async def answer(self, address: str, work: Awaitable[Any]) -> Any:
        """The result of `work`, which the worker at `address` does. Raises WorkerLostError, and what `work` raises."""
        task = asyncio.ensure_future(_awaited(work))
        task.add_done_callback(_seen)
        end = asyncio.ensure_future(self._end(address).wait())
        try:
            while True:
                await asyncio.wait({task, end}, timeout=CHECK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if task.cancelled():  # by Dask, not by whoever waits here
                    raise WorkerLostError(address)
                if task.done():
                    return task.result()
                if end.done() or address not in await self._present():
                    raise WorkerLostError(address)
        finally:  # the task is left alone: it ends when whoever asked releases the future
            end.cancel()

    async def _present(self) -> set[str]:
        return {address for address in await self._client.nthreads() if not self._gone.peek(address)}

    def _end(self, address: str) -> asyncio.Event:
        """Set when the worker ends. One for each address."""
        event = self._ends.setdefault(address, asyncio.Event())
        if self._gone.peek(address):
            event.set()
        return event

    def _on_event(self, event: tuple[float, Any]) -> None:
        message = event[1]
        if not isinstance(message, dict):
            return
        address = str(message.get("worker", ""))
        match message.get("action"):
            case "remove-worker":
                self._gone.put(address, True)
                self._ends.pop(address, asyncio.Event()).set()
            case "add-worker":  # a worker with a fixed port comes back under its address
                self._gone.put(address, False)


async def _awaited(work: Awaitable[Any]) -> Any:
    return await work


def _seen(task: asyncio.Task[Any]) -> None:
    """Look at the exception: asyncio reports those that nobody looked at."""
    if not task.cancelled():
        task.exception()
