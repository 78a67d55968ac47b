"""The parts that the page "Inside" is made of: the walk through Algorithm 1, figures, tables. See `inside.js`."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from bnviz.experiment import Experiment
from bnviz.export.kinds import Kind
from bnviz.export.stamp import ArmStamp, Stamp, made_here
from bnviz.export.stills import Still
from bnviz.figures.frame.plot import PlotFunction
from bnviz.ui.parts import link
from bnviz.ui.parts.classroom_frame import PROJECTOR
from bnviz.ui.parts.component import asset, component, data_of
from bnviz.web import state

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from streamlit.components.v2.types import ComponentRenderer


BESIDE = (2, 1)
"""How a figure and the words about it share the width. On a phone they stand below each other, in this order."""
_STAMP = "inside.stamp"
_THEMES = (("light", "dark"), ("projector", "projector-dark"))


def _component(part: str, markup: str) -> ComponentRenderer:
    return component(part, f"bnviz_inside_{part}", markup)


def _data(**more: Any) -> dict[str, Any]:
    view = link.frame().get("view", "")
    return data_of("inside.js", "inside.css", plotly=asset("plotly.min.js"), view=view, **more)


def walk(
    content: dict[str, Any],
    line: int,
    opened: int,
    *,
    key: str,
    on_line: Callable[[], None],
    on_unit: Callable[[], None],
) -> None:
    """Algorithm 1, line by line. content: as `bnviz.layer.walk` makes it.

    line: the line to begin with whenever `opened` changes; after that the reader turns the lines.
    """
    part = _component("walk", '<section data-bnviz class="bnviz-walk" aria-label="Algorithm 1"></section>')
    part(
        key=key,
        data=_data(walk=content, line=line, opened=opened),
        default={"line": line},
        on_line_change=on_line,
        on_unit_change=on_unit,
    )


def sharing(content: dict[str, Any], chosen: int, *, key: str, on_chosen: Callable[[], None]) -> None:
    """A mini-batch as several normalizers divide it. content: as `bnviz.layer.sharing` makes it.

    chosen: the value that is followed, as its place in the flattened mini-batch that is drawn.
    """
    part = _component("sharing", '<div data-bnviz class="bnviz-sharing"></div>')
    given = data_of("sharing.js", "inside.css", sharing=content, chosen=chosen)
    part(key=key, data=given, on_chosen_change=on_chosen)


def figure(make: PlotFunction[...], *arguments: Any, key: str, **options: Any) -> None:
    """A figure that does not follow a run: `make` is called once for each theme and width."""
    looks = {
        theme: {
            width: make.draw(*arguments, **options, theme=theme, narrow=width == "narrow").json().decode()
            for width in ("wide", "narrow")
        }
        for theme in _THEMES[link.frame().get("view") == PROJECTOR]
    }
    about: Stamp = st.session_state[_STAMP]

    def build(kind: Kind) -> go.Figure:
        return make(*arguments, **options, theme="print", narrow=kind.column)

    still = state.stills().keep(next(iter(looks.values()))["wide"], Still(key, build, about))
    part = _component("still", '<div data-bnviz class="bnviz-figure bnviz-still"></div>')
    base = state.prefix(st.get_option("server.baseUrlPath"))
    part(key=key, data=_data(looks=looks, path=f"stills/{key}", still=still, base=base))


def are_about(experiment: Experiment, step: int) -> None:
    """Note which network the figures that follow show, for the files exported from them."""
    arm = ArmStamp(experiment, (), None, made_here())
    st.session_state[_STAMP] = Stamp((arm,), step, f"?{arm.query}")


def are_about_arms(arms: Sequence[ArmStamp], step: int, query: str) -> None:
    """The same for figures of several networks. query: of the link that opens them."""
    st.session_state[_STAMP] = Stamp(tuple(arms), step, f"?{query}")


def table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]], *, key: str) -> None:
    """A table that scrolls in its own box; the first cell of each row is its heading.

    Cells are HTML, also MathML, which `st.html` would take out; `html.escape` makes it of text.
    """
    head = "".join(f'<th scope="col">{cell}</th>' for cell in heads)
    body = "".join(
        f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in rest) + "</tr>"
        for first, *rest in rows
    )
    markup = (
        f'<p class="bnviz-caption" aria-hidden="true">{html.escape(caption)}</p>'
        f'<div class="bnviz-scroll" tabindex="0" role="region" aria-label="{html.escape(caption)}">'
        f'<table aria-label="{html.escape(caption)}">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
    part = _component("table", '<div data-bnviz class="bnviz-table"></div>')
    part(key=key, data=_data(markup=markup))
