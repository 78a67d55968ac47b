"""A Streamlit session over its websocket, as the page in a browser holds it.

The messages are Streamlit's own: a BackMsg asks for a run of the script, ForwardMsgs bring its elements.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import orjson
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from bnviz.tools.load.connection import LoadError

PATIENCE = 60.0
"""Seconds after which a page has failed to answer."""

PROTOCOLS = (Subprotocol("streamlit"), Subprotocol("PLACEHOLDER_AUTH_TOKEN"))
"""The subprotocols that a browser offers which is not logged in."""


class Shown(NamedTuple):
    """An element on the page, and the fragment that drew it, "" for none."""

    element: Element
    fragment: str


class Session:
    """One page in a browser.

    received, messages, charts: how many bytes, messages and Plotly charts of Streamlit's own have come.
    """

    def __init__(self, socket: ClientConnection, page: str, query: str) -> None:
        self._socket = socket
        self._page, self._query, self._script = page, query, ""
        self._states: dict[str, WidgetState] = {}
        self._shown: list[Shown] = []
        self._every: dict[str, float] = {}  # seconds between two runs of a fragment
        self.received = 0
        self.messages = 0
        self.charts = 0

    @classmethod
    async def open(cls, url: str, page: str = "", query: str = "") -> Self:
        """Connect and run the script once. url: the server's. page: its name in the link, "" for the first.

        Raises LoadError.
        """
        address = f"{url.replace('http', 'ws', 1)}/_stcore/stream"
        try:
            socket = await connect(
                address,
                origin=None,
                subprotocols=PROTOCOLS,
                max_size=None,
                open_timeout=PATIENCE,
                ping_interval=None,
            )
        except (OSError, TimeoutError, WebSocketException) as error:
            raise LoadError(f"the page could not be opened: {error}") from error
        session = cls(socket, page, query)
        try:
            await session.rerun()
        except BaseException:
            await session.close()
            raise
        return session

    @property
    def elements(self) -> list[Element]:
        """What the page shows, in its order: a run of one fragment replaces only that fragment's elements."""
        return [item.element for item in self._shown]

    async def close(self) -> None:
        """Close the page."""
        await self._socket.close()

    async def rerun(self, pressed: str = "", chosen: Mapping[str, str] | None = None) -> float:
        """Run the script. Returns the seconds until all its elements have arrived. Raises LoadError.

        pressed: the label of a button. chosen: options of select boxes by the boxes' keys.
        """
        message = self._request()
        for key, option in (chosen or {}).items():
            box = self._named(key)
            self._states[box] = WidgetState(id=box, string_value=option)
            message.rerun_script.fragment_id = self._fragment_of(box)
        states = message.rerun_script.widget_states.widgets
        states.extend(self._states.values())
        if pressed:
            states.append(WidgetState(id=self._button(pressed), trigger_value=True))
        started = time.perf_counter()
        try:
            await self._socket.send(message.SerializeToString())
            async with asyncio.timeout(PATIENCE):  # wait_for may swallow a cancellation before Python 3.12
                await self._until_drawn(message.rerun_script.fragment_id)
        except TimeoutError as error:
            raise LoadError(f"the page did not answer within {PATIENCE:g} seconds") from error
        except WebSocketException as error:
            raise LoadError(f"the page was cut off: {error}") from error
        return time.perf_counter() - started

    async def listen(self) -> None:
        """Receive messages, and ask for the fragments that run at intervals, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for fragment, seconds in self._every.items():
                group.create_task(self._repeat(fragment, seconds))
            while True:
                self._count(await self._socket.recv(decode=False))

    async def _repeat(self, fragment: str, seconds: float) -> None:
        """Ask for one fragment every so many seconds, as a browser does."""
        message = self._request()
        message.rerun_script.widget_states.widgets.extend(self._states.values())
        message.rerun_script.fragment_id, message.rerun_script.is_auto_rerun = fragment, True
        while True:
            await asyncio.sleep(seconds)
            await self._socket.send(message.SerializeToString())

    def _request(self) -> BackMsg:
        """A request to run the script, without widgets."""
        message = BackMsg()
        message.rerun_script.query_string = self._query
        message.rerun_script.page_name = "" if self._script else self._page
        message.rerun_script.page_script_hash = self._script
        return message

    def parts(self) -> list[dict[str, Any]]:
        """The data of bnviz's live parts on the page."""
        return [
            orjson.loads(item.bidi_component.json)
            for item in self.elements
            if item.WhichOneof("type") == "bidi_component"
        ]

    def codes(self) -> list[str]:
        """The texts on the page with a button to copy them."""
        return [item.code.code_text for item in self.elements if item.WhichOneof("type") == "code"]

    def _button(self, label: str) -> str:
        """The id of the button with this label. Raises LoadError."""
        for item in self.elements:
            if item.WhichOneof("type") == "button" and item.button.label == label:
                return item.button.id
        raise LoadError(f"there is no button {label!r} on the page")

    def _named(self, key: str) -> str:
        """The id of the control with this key. Raises LoadError."""
        for name in self._states:
            if name.endswith(f"-{key}"):
                return name
        raise LoadError(f"there is no control {key!r} on the page")

    def _fragment_of(self, control: str) -> str:
        """The fragment that this control reruns, "" for the whole script."""
        return next((item.fragment for item in self._shown if _id(item.element) == control), "")

    async def _until_drawn(self, fragment: str) -> None:
        """Receive the elements of a run of the script, or of one fragment, until it ends."""
        drawn: list[Shown] = []
        while True:
            message = self._count(await self._socket.recv(decode=False))
            kind = message.WhichOneof("type")
            if kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                drawn.append(Shown(message.delta.new_element, message.delta.fragment_id))
            elif kind == "navigation":
                self._script = message.navigation.page_script_hash
            elif kind == "page_info_changed":
                self._query = message.page_info_changed.query_string
            elif kind == "script_finished":
                if message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                    break
                drawn = []
        errors = [item.element.exception for item in drawn if item.element.WhichOneof("type") == "exception"]
        if errors:
            raise LoadError(f"the page shows an error: {errors[0].type}: {errors[0].message}")
        kept = [item for item in self._shown if fragment and item.fragment != fragment]
        place = next((n for n, item in enumerate(self._shown) if item.fragment == fragment), 0)
        self._shown = [*kept[:place], *drawn, *kept[place:]]
        for item in drawn:
            state = _state(item.element)
            if state is not None and (state.id not in self._states or _is_set(item.element)):
                self._states[state.id] = state

    def _count(self, data: bytes) -> ForwardMsg:
        self.received += len(data)
        self.messages += 1
        message: ForwardMsg = ForwardMsg.FromString(data)
        kind = message.WhichOneof("type")
        if kind == "auto_rerun":
            self._every[message.auto_rerun.fragment_id] = message.auto_rerun.interval
        elif kind == "delta":
            self.charts += message.delta.new_element.HasField("plotly_chart")
        return message


def _id(element: Element) -> str:
    """The id of a control, "" for an element that is none."""
    part = getattr(element, element.WhichOneof("type") or "", None)
    return str(getattr(part, "id", ""))


def _is_set(element: Element) -> bool:
    """Whether the script overrides the value that the page holds for a control."""
    part = getattr(element, element.WhichOneof("type") or "")
    return bool(part.set_value)


def _state(element: Element) -> WidgetState | None:
    """The first value of a control; None for an element that is none, and for a control without a value."""
    kind = element.WhichOneof("type")
    if kind == "selectbox":
        box = element.selectbox
        if box.set_value:
            return WidgetState(id=box.id, string_value=box.raw_value) if box.HasField("raw_value") else None
        chosen = box.HasField("default") and box.options
        return WidgetState(id=box.id, string_value=box.options[box.default]) if chosen else None
    if kind == "checkbox":
        check = element.checkbox
        return WidgetState(id=check.id, bool_value=check.value if check.set_value else check.default)
    if kind == "number_input":
        number = element.number_input
        return WidgetState(id=number.id, double_value=number.value if number.set_value else number.default)
    if kind == "text_input":
        text = element.text_input
        return WidgetState(id=text.id, string_value=text.value if text.set_value else text.default)
    return None
