"""The Playground: two networks that differ in one field, training live, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import streamlit as st

from bnviz.experiment.comparison import Comparison, changes_query
from bnviz.experiment.knob import POINT_DATASETS
from bnviz.figures.registry import FIGURES
from bnviz.figures.story import story
from bnviz.runs import Run, TooCostlyError
from bnviz.ui.parts import (
    classroom_frame,
    classroom_share,
    controls,
    extra_arms,
    handouts,
    layout,
    library,
    link,
    live,
)
from bnviz.ui.parts.person import person
from bnviz.web import state

PAGE: Final = "playground"
FIRST_SPEED = 200.0
"""Steps a second at first: slow enough to watch, fast enough to see the end."""

NO_LIMIT = "max"

_RUNS = "playground.runs"


@dataclass(frozen=True)
class View:
    """What the figures show; no choice here touches the training.

    layer: the layer looked at, counted from 1; 0 for all. unit: the unit of that layer, counted from 1;
    0 for all units together. before: what enters the normalizer instead of the nonlinearity.
    at: the step looked back at, None to follow the training. speed: steps a second, None for no limit.
    """

    layer: int = 0
    unit: int = 0
    before: bool = False
    at: int | None = None
    speed: float | None = FIRST_SPEED

    @classmethod
    def salvage(cls, query: Mapping[str, str], comparison: Comparison) -> tuple[Self, tuple[str, ...]]:
        """The View a link's parameters describe, defaults in place of what is not allowed, and what was ignored."""
        arms = comparison.arms
        depth = min(len(arm.hidden) for arm in arms)
        layer, ignored = _number(query, "layer", depth)
        width = min(arm.hidden[layer - 1] for arm in arms) if layer else 0
        unit, more = _number(query, "unit", width)
        at, rest = _number(query, "at", max(arm.steps for arm in arms))
        speed, last = _speed(query)
        looks_back = bool(query.get("at")) and not rest
        view = cls(layer, unit, query.get("before") == "true", at if looks_back else None, speed)
        return view, (*ignored, *more, *rest, *last)

    def to_query(self) -> dict[str, str]:
        """The link's parameters; what is at its default stays out."""
        query = {name: str(value) for name, value in (("layer", self.layer), ("unit", self.unit)) if value}
        if self.before:
            query["before"] = "true"
        if self.at is not None:
            query["at"] = str(self.at)
        if self.speed != FIRST_SPEED:
            query["speed"] = NO_LIMIT if self.speed is None else f"{self.speed:g}"
        return query


VIEW_PARAMETERS = ("layer", "unit", "before", "at", "speed")


def show() -> None:
    """Draw the page."""
    opened = link.opened(PAGE)
    if opened is not None:
        _fill(opened)
    restrictions = classroom_frame.apply(PAGE)
    with st.sidebar:
        controls.show(restrictions)
        extra_arms.show()
    comparison, ignored = Comparison.salvage(controls.read(st.session_state) | st.session_state["changes"])
    view, ignored_view = View.salvage(_view_query(), comparison)
    try:
        run, ignored_arms = _run(comparison, view.speed)
    except TooCostlyError as error:
        layout.intro(_intro(comparison))
        st.error(str(error), icon=":material/block:")
        link.write(PAGE, comparison.to_query() | extra_arms.to_query() | view.to_query())
        return
    layout.notice_ignored(
        (*st.session_state.pop("playground.ignored", ()), *ignored, *ignored_view, *ignored_arms)
    )

    words, share = st.columns([3, 1], vertical_alignment="center")
    with words:
        layout.intro(_intro(comparison))
    with share:
        classroom_share.button(lambda: run, key="playground.share")
    fixed_rate = "learning_rate" in restrictions.hidden | restrictions.locked
    _watch(run, comparison, fixed_rate)
    with st.container(horizontal=True, gap="small"):
        handouts.lesson(run)
        library.button(lambda: _keepsake(run))
    classroom_frame.foot()
    layout.footer(elsewhere=bool(extra_arms.chosen()))


@st.fragment
def _watch(run: Run, comparison: Comparison, fixed_rate: bool) -> None:
    """The run and its figures. To look at it otherwise draws this part alone, not the many controls beside it."""
    if state.manager().get(run.id) is None:
        st.rerun()  # nobody looked for so long that it was dropped
    view, _ = View.salvage(_view_query(), comparison)
    at = live.transport(run, can_drive=True, at=view.at, fixed_rate=fixed_rate, on_change=link.touch)
    live.readouts(run, layer=view.layer or len(comparison.arms[0].hidden))
    two_dimensional = comparison.base.dataset in POINT_DATASETS
    _bands(run, comparison, view)
    left, right = st.columns(2, gap="medium")
    with left:
        _figure(run, "accuracy")
    with right:
        _figure(run, "boundary" if two_dimensional else "loss")
    _details(run, view, two_dimensional)
    st.session_state["at"], st.session_state["speed"] = at, run.speed
    first, second = (recording.interventions for recording in run.recordings[:2])
    lived = replace(comparison, interventions=(first, second))
    link.write(
        PAGE, lived.to_query() | extra_arms.to_query() | replace(view, at=at, speed=run.speed).to_query()
    )


def _intro(comparison: Comparison) -> str:
    what = "batch normalization" if comparison.vary == "normalizer" else "one setting"
    return (
        f"<b>Two networks, alike but for {what},</b> train here side by side. "
        "Play, and watch what each of their layers receives."
    )


def _fill(query: Mapping[str, str]) -> None:
    """Set the controls to what a link says; what it says in vain is told once."""
    state = st.session_state
    query = extra_arms.fill(query)
    view_query = {name: text for name, text in query.items() if name in VIEW_PARAMETERS}
    comparison, ignored = Comparison.salvage(
        {name: text for name, text in query.items() if name not in VIEW_PARAMETERS}
    )
    view, ignored_view = View.salvage(view_query, comparison)
    controls.fill(state, comparison)
    state["changes"] = changes_query(*comparison.interventions)
    for name in VIEW_PARAMETERS:
        state[name] = getattr(view, name)
    state["playground.ignored"] = (*ignored, *ignored_view)


def _view_query() -> dict[str, str]:
    state = st.session_state
    # A unit is gone from the state while all layers are shown: its control is not drawn then.
    view = View(*(state.get(name, getattr(View, name)) for name in VIEW_PARAMETERS))
    return view.to_query()


def _run(comparison: Comparison, speed: float | None) -> tuple[Run, list[str]]:
    """This visitor's run of the two arms, and what cannot be shown beside it; another run, if any, is paused."""
    mine: dict[tuple[Comparison, tuple[str, ...]], tuple[str, str]] = st.session_state.setdefault(_RUNS, {})
    manager = state.manager()
    setting = (comparison, extra_arms.chosen())
    for other, (run_id, _) in mine.items():
        if other != setting and (left := manager.get(run_id)) is not None and left.state == "running":
            left.pause()
    known = mine.get(setting)
    run = manager.get(known[0]) if known else None
    if run is not None:
        return run, []
    further, ignored = extra_arms.recordings()
    run = manager.open(comparison.arms, comparison.interventions, further, person())
    run.set_speed(speed)
    mine[comparison, extra_arms.chosen()] = (run.id, run.key)
    return run, ignored


def _keepsake(run: Run) -> library.Keepsake:
    """What there is to keep of the two arms."""
    own = run.recordings[: len(run.arms)]
    return library.Keepsake(own, "Playground", verdict=story(own))


def _bands(run: Run, comparison: Comparison, view: View) -> None:
    """The centre of the page: what each layer's nonlinearity receives."""
    depth = min(len(arm.hidden) for arm in comparison.arms)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="bands-controls"):
        st.selectbox(
            "Layer",
            options=range(depth + 1),
            format_func=lambda layer: f"layer {layer}" if layer else "all layers",
            key="layer",
            on_change=link.touch,
            width=150,
        )
        if view.layer:
            width = min(arm.hidden[view.layer - 1] for arm in comparison.arms)
            st.number_input(
                "Unit",
                min_value=0,
                max_value=width,
                step=1,
                key="unit",
                help="One unit as in the paper’s Figure 1, counted from 1; 0 takes all units together.",
                on_change=link.touch,
                width=130,
            )
        st.toggle(
            "before normalization",
            key="before",
            help="What enters the normalizer, Wu + b, instead of what enters the nonlinearity.",
            on_change=link.touch,
        )
    where = "before" if view.before else "input"
    _figure(run, "bands", layer=view.layer or None, unit=view.unit or None, where=where)


def _details(run: Run, view: View, two_dimensional: bool) -> None:
    """Everything else, one click away."""
    last = min(len(arm.hidden) for arm in run.arms)
    panes = st.tabs(["Histogram and slope", "Gradients", "Drift", "Saturation", *["Loss"] * two_dimensional])
    with panes[0]:
        _figure(run, "histogram", layer=view.layer or last)
    for pane, name in zip(panes[1:], ["gradients", "drift", "saturation", "loss"], strict=False):
        with pane:
            _figure(run, name)


def _figure(run: Run, name: str, **arguments: Any) -> None:
    heights = FIGURES[name].size([item.subject for item in run.recordings], **arguments)
    live.figure(run, name, key=name, heights=heights, **arguments)


def _speed(query: Mapping[str, str]) -> tuple[float | None, tuple[str, ...]]:
    """The speed that a link asks for, None for no limit, and what was ignored."""
    text = query.get("speed", f"{FIRST_SPEED:g}")
    if text == NO_LIMIT:
        return None, ()
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if 0.1 <= speed <= 1e6:
        return speed, ()
    sentence = (
        f"speed = {text[:40]!r} is not allowed; allowed is {NO_LIMIT} or a number from 0.1 to 1,000,000"
    )
    return FIRST_SPEED, (sentence,)


def _number(query: Mapping[str, str], name: str, high: int) -> tuple[int, tuple[str, ...]]:
    """The parameter `name` as a whole number from 0 to `high`, 0 if absent or not allowed; and what was ignored."""
    text = query.get(name, "") or "0"
    if text.isascii() and text.isdecimal() and len(text) < 10 and int(text) <= high:
        return int(text), ()
    return 0, (f"{name} = {text[:40]!r} is not allowed; allowed is a whole number from 0 to {high}",)
