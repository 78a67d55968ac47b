"""The worker processes of the cluster: which there are, and when one ends.

Dask would move what a lost worker had to do to another by itself. That does not hold under many deaths: a task bound
to a worker waits for ever if, for a moment, there is no worker at all, and a task whose workers died four times is
given up. So each task is bound to one worker here, and whoever waits for it learns that the worker is gone and
submits another task, under another key.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterable
from typing import Any

from distributed import Client

from bnviz.data.lru import Lru
from bnviz.runs.actor import prepare
from bnviz.runs.installed import IMAGES, Installed, images, in_worker

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


_log = logging.getLogger(__name__)


class WorkerLostError(Exception):
    """The worker process ended before it answered."""


class TrainersUnavailableError(Exception):
    """The cluster cannot be opened, was closed, or has no worker that may be used; the message is a sentence."""


class Workers:
    """Of the cluster that `client` is connected to. All calls come from the client's loop.

    own: what is installed here, and has to be in the workers; None for workers that are this program's own.
    """

    def __init__(self, client: Client, own: Installed | None = None) -> None:
        self._client, self._own = client, own
        self._ends: dict[str, asyncio.Event] = {}
        self._gone: Lru[str, bool] = Lru(MOST_GONE)
        self._told: Lru[str, dict[str, str]] = Lru(MOST_GONE)  # why refused; by address, by dataset
        self._asking = asyncio.Lock()
        client.subscribe_topic(TOPIC, self._on_event)

    async def addresses(self, dataset: str = "") -> list[str]:
        """Of those that live and may train on the dataset, at least one: waits while there is none.

        Raises TrainersUnavailableError where there are workers, and none of them may.
        """
        while True:
            present = await self._present()
            refused = await self._refusals(present, dataset) if self._own is not None else {}
            if found := present - refused.keys():
                return sorted(found)
            if refused and all(refused.values()):
                raise TrainersUnavailableError(" ".join(refused.values()))
            await asyncio.sleep(ABSENT_SECONDS)

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

    async def _refusals(self, present: Iterable[str], dataset: str) -> dict[str, str]:
        """By address why a worker is not used: other programs, or other images in this dataset's folder.

        Empty for one that has not answered.
        """
        async with self._asking:
            await self._ask("", present)
            found = self._known("", present)
            if dataset.startswith(IMAGES):
                fit = [address for address in present if address not in found]
                await self._ask(dataset, fit)
                found |= self._known(dataset, fit)
        return found

    def _known(self, dataset: str, addresses: Iterable[str]) -> dict[str, str]:
        told = {address: (self._told.get(address) or {}).get(dataset) for address in addresses}
        return {address: sentence or "" for address, sentence in told.items() if sentence != ""}

    async def _ask(self, dataset: str, addresses: Iterable[str]) -> None:
        """Ask the workers that were not asked yet. One that ends meanwhile gives no answer."""
        unknown = [item for item in addresses if dataset not in (self._told.peek(item) or {})]
        if not unknown:
            return
        asked = (images, dataset) if dataset else (in_worker,)
        mine = await asyncio.to_thread(images, dataset) if dataset else ""
        answers = await self._client.run(*asked, workers=unknown, on_error="return")
        for address, answer in answers.items():
            if isinstance(answer, OSError):
                continue
            sentence = self._sentence(address, dataset, answer, mine)
            if sentence:
                _log.warning("%s", sentence)
            elif not dataset:
                await self._client.run(prepare, workers=[address], on_error="return")
            self._told.put(address, {**(self._told.peek(address) or {}), dataset: sentence})

    def _sentence(self, address: str, dataset: str, answer: Any, mine: str) -> str:
        """Why a worker that answered so is not used; empty where it is. mine: the server's images."""
        if dataset:
            same = not mine or answer == mine  # a server without the folder leaves it to the workers
            return "" if same else f"The worker at {address} has other images in {dataset} than the server."
        if isinstance(answer, Exception):
            return f"The worker at {address} is not used: it has no bnviz such as the server’s."
        name, theirs = answer
        assert self._own is not None
        different = self._own.differences(theirs)
        return different and f"The worker {name} is not used: it has {different}."

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
                self._told.put(address, {})  # it may have something else now


async def _awaited(work: Awaitable[Any]) -> Any:
    return await work


def _seen(task: asyncio.Task[Any]) -> None:
    """Look at the exception: asyncio reports those that nobody looked at."""
    if not task.cancelled():
        task.exception()
