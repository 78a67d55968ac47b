"""How a page mounts a part that is made in the browser: a Streamlit component that runs a function of our scripts."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import streamlit as st

from bnviz.web import assets, state

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer


@functools.cache
def component(part: str, name: str, html: str, css: str | None = None) -> ComponentRenderer:
    """A component that runs the function `part` of the script in its data. Mount it with `data_of`.

    name: its own, one for each `html`. Its own script is short: it is sent with every message.
    """
    script = f"export default async (c) => (await import(new URL(c.data.script, location.origin))).{part}(c)"
    return st.components.v2.component(name, html=html, css=css, js=script, isolate_styles=False)


def data_of(script: str, style: str | None = None, **more: Any) -> dict[str, Any]:
    """What a component is given: where the routes are, and its script and style sheet among the assets."""
    given = {"base": base(), "script": asset(script), **more}
    return given if style is None else given | {"style": asset(style)}


def asset(name: str) -> str:
    """Where a browser finds an asset."""
    return assets.url(base(), name)


def base() -> str:
    """What the addresses of the routes begin with."""
    return state.prefix(st.get_option("server.baseUrlPath"))


def nothing() -> None:
    """A callback that does nothing: Streamlit keeps a component's state only where one is named."""
