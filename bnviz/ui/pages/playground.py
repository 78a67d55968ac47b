"""The Playground: two to five networks that differ in one field, training live, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Final

import streamlit as st

from bnviz.experiment.comparison import MOST_ARMS, USUAL, Comparison, counted
from bnviz.figures.story import story
from bnviz.recording import Recording
from bnviz.runs import Run, TooCostlyError
from bnviz.ui.pages import playground_images
from bnviz.ui.parts import (
    classroom_frame,
    classroom_share,
    control_values,
    controls,
    extra_arms,
    handouts,
    invitation,
    layout,
    library,
    link,
    live,
    run_figures,
)
from bnviz.ui.parts.page_state import Parameter
from bnviz.ui.parts.person import person
from bnviz.ui.parts.run_figures import Look, Networks
from bnviz.web import state

PAGE: Final = "playground"
PREFIX: Final = ""
"""The keys of this page's controls are the names of the link's parameters."""

FIRST_SPEED = 200.0
"""Steps a second at first: slow enough to watch, fast enough to see the end."""

_RUNS = "playground.runs"


@dataclass(frozen=True)
class View(Look):
    """How the run is looked at, how fast it trains, and what is shown beside it.

    speed: steps a second, None for no limit. beside: arms of kept runs, as `ArmChoice.text`. images: whether
    `playground_images` is open, example: the held-out example whose feature maps it shows, counted from 1. block: the
    block that it looks into, counted from 1 behind the stem; 0 for none.
    """

    speed: Annotated[float | None, Parameter(low=0.1, high=1_000_000, none="max")] = FIRST_SPEED
    beside: Annotated[tuple[str, ...], Parameter()] = ()
    images: Annotated[
        bool,
        Parameter(
            "Images, filters and feature maps",
            "What enters the networks, and what their first layer makes of it, at the step shown. The networks are "
            "trained again to that step. Pause the run to look at one step.",
        ),
    ] = False
    example: Annotated[int, Parameter("Held-out example", low=1, high=playground_images.MOST_EXAMPLES)] = 1
    block: Annotated[
        int,
        Parameter(
            "Look into",
            "Also show feature maps within a block, before and after their normalization.",
            high=playground_images.MOST_BLOCKS,
        ),
    ] = 0


def show() -> None:
    """Draw the page."""
    comparison, view, ignored = _asked(link.opened(PAGE))
    shown = classroom_frame.apply(PAGE)
    restrictions = shown.restrictions
    with st.sidebar:
        controls.show(restrictions, min(MOST_ARMS - len(view.beside), state.manager().limits.networks))
    try:
        run, view, gone = _run(comparison, view)
    except TooCostlyError as error:
        _beside(view)
        layout.notice_ignored(ignored)
        layout.intro(_intro(comparison))
        st.error(str(error), icon=":material/block:")
        link.write(PAGE, comparison.to_query() | view.to_query())
        return
    _beside(view)
    layout.notice_ignored((*ignored, *gone))

    layout.intro(_intro(comparison), hidden=True)
    shown.follow(run)
    fixed_rate = "learning_rate" in restrictions.hidden | restrictions.locked
    _watch(run, comparison, fixed_rate, shown.figures, shown.marked_layer)
    with st.container(horizontal=True, gap="small", key="playground-foot"):
        classroom_share.button(lambda: run, key="playground.share")
        handouts.handout(run)
        library.button(lambda: _to_keep(run))
    if not link.frame():
        invitation.show()
    classroom_frame.foot()
    layout.footer(elsewhere=bool(view.beside))


@st.fragment
def _watch(
    run: Run, comparison: Comparison, fixed_rate: bool, only: tuple[str, ...], marked: int | None
) -> None:
    """The run and its figures. A fragment: another layer or step redraws this part alone, not the many controls.

    only: the figures to show; none for all. marked: the layer that the lesson speaks of.
    """
    if state.manager().get(run.id) is None:
        st.rerun()  # the manager dropped the run after nobody looked at it for long
    networks = _networks(comparison)
    view, _ = View.asked(None, PREFIX, networks)
    view.set_controls(PREFIX)
    at = live.transport(run, can_drive=True, at=view.at, fixed_rate=fixed_rate, on_change=link.touch)
    live.readouts(run, layer=view.layer or len(comparison.arms[0].hidden), headed=True)
    if only:
        run_figures.chosen(run, view, networks, PREFIX, only, marked)
    else:
        run_figures.overview(run, view, networks, PREFIX, marked)
        run_figures.details(run, view, networks, PREFIX)
        playground_images.show(run, at, comparison, view.parameters(), PREFIX)
    view = replace(view, at=at, speed=run.speed)
    for name, value in (("at", view.at), ("speed", view.speed)):  # set on the bar, which is no control
        st.session_state[PREFIX + name] = value
    changed = tuple(recording.interventions for recording in run.recordings[: len(run.arms)])
    link.write(PAGE, replace(comparison, interventions=changed).to_query() | view.to_query())


def _asked(query: Mapping[str, str] | None) -> tuple[Comparison, View, tuple[str, ...]]:
    """What the link, or else the controls, ask for, with every control set to it; and what was ignored."""
    if query is None:
        mine, networks = None, control_values.read()
    else:
        mine, networks = View.split(query)
    comparison, ignored = Comparison.salvage(networks)
    view, more = View.asked(mine, PREFIX, _networks(comparison))
    control_values.fill(comparison)
    view.set_controls(PREFIX)
    return comparison, view, (*ignored, *more)


def _networks(comparison: Comparison) -> Networks:
    return Networks.of([Recording(arm) for arm in comparison.arms])


def _beside(view: View) -> None:
    with st.sidebar:
        extra_arms.show(len(view.beside), PREFIX + extra_arms.PARAMETER)


def _intro(comparison: Comparison) -> str:
    what = _differing(comparison)
    return (
        f"<b>{counted(len(comparison.values))}, alike but for {what},</b> train here side by side. "
        "Play, and watch what each of their layers receives."
    )


def _differing(comparison: Comparison) -> str:
    if (comparison.vary, comparison.values) == USUAL:
        return "batch normalization"
    return "normalization" if comparison.vary == "normalizer" else "one setting"


def _run(comparison: Comparison, view: View) -> tuple[Run, View, tuple[str, ...]]:
    """This person's run of the arms; another run of theirs, if any, is paused.

    Returns it with the view of what can be shown beside it, and a sentence for each arm that cannot. Raises
    TooCostlyError.
    """
    mine: dict[tuple[Comparison, tuple[str, ...]], str] = st.session_state.setdefault(_RUNS, {})
    manager = state.manager()
    for other, run_id in mine.items():
        left = manager.get(run_id) if other != (comparison, view.beside) else None
        if left is not None and left.state == "running":
            left.pause()
    run = manager.get(mine.get((comparison, view.beside), ""))
    if run is not None:
        return run, view, ()
    further = extra_arms.find(view.beside, MOST_ARMS - len(comparison.values))
    view = replace(view, beside=further.texts)
    view.set_controls(PREFIX)
    run = manager.open(comparison.arms, comparison.interventions, further.recordings, person())
    run.set_speed(view.speed)
    mine[comparison, view.beside] = run.id
    return run, view, further.ignored


def _to_keep(run: Run) -> library.ToKeep:
    """What Keep keeps: the arms that were trained."""
    own = run.recordings[: len(run.arms)]
    return library.ToKeep(own, "Playground", verdict=story(own))
