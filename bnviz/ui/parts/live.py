"""The live parts of a page, as Streamlit components; `live.js` fetches what moves from `bnviz.web.app`.

Mount each with a key of its own that stays the same from rerun to rerun.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bnviz.figures.registry import FIGURES
from bnviz.ui.parts import link
from bnviz.ui.parts.component import asset, component, data_of, nothing

if TYPE_CHECKING:
    from bnviz.labs.base import Drawing
    from bnviz.runs import Run


def _data(run: Run, **more: Any) -> dict[str, Any]:
    """The data of every part: the run, and where the routes and assets are."""
    return data_of("live.js", "live.css", run=run.id, view=link.frame().get("view", ""), **more)


def transport(
    run: Run,
    *,
    can_drive: bool,
    at: int | None = None,
    simple: bool = False,
    fixed_rate: bool = False,
    key: str = "transport",
    on_change: Callable[[], None] | None = None,
) -> int | None:
    """The bar that plays, pauses, steps, resets, looks back, and sets speed and learning rate.

    at: the step to look back at when the page opens, None to follow the training.
    simple: only play, pause and reset, with the time left; the script reruns when all is done.
    fixed_rate: the learning rate is not to be changed.
    on_change: called before the rerun that looking back, another speed or another learning rate brings.
    Returns the step that the viewer looks back at, None while following. Without `can_drive` the bar
    only looks back.
    """
    bar = component(
        "transport",
        "bnviz_transport",
        '<section data-bnviz class="bnviz-bar" aria-label="Training"></section>',
    )
    rates = {arm.learning_rate for arm in run.arms}
    data = _data(
        run,
        key=run.key if can_drive else None,
        at=at,
        simple=simple,
        fixed_rate=fixed_rate,
        learning_rate=rates.pop() if len(rates) == 1 else None,
        arms=len(run.arms),
    )
    callback = on_change or nothing
    result = bar(
        key=key,
        data=data,
        default={"at": at, "speed": None, "changes": None, "done": None},
        on_done_change=callback,
        on_at_change=callback,
        on_speed_change=callback,
        on_changes_change=callback,
    )
    step = result.at
    return step if isinstance(step, int) else None


def readouts(run: Run, *, layer: int | None = None, headed: bool = False, key: str = "readouts") -> None:
    """Each arm's name, line, loss and accuracy, and what was measured in a sentence that opens to more.

    layer: the one that the sentence is about, None for the last. headed: a figure below it has the numbers in its
    headings, so that they stand here on a phone alone.
    """
    shape = "bnviz-readouts bnviz-headed" if headed else "bnviz-readouts"
    html = f'<section data-bnviz class="{shape}" aria-label="What was measured"></section>'
    part = component("readouts", f"bnviz_readouts_{int(headed)}", html)
    part(key=key, data=_data(run, layer=layer))


def lesson(run: Run, plan: str, part: int, said: int) -> None:
    """What a part of a lesson says of what this run measures, and what is right of what it asks.

    part: its number in the plan, from 1. said: the option that was locked in, from 1; 0 for none.
    """
    html = '<section data-bnviz class="bnviz-told" aria-live="polite"></section>'
    component("lesson", "bnviz_lesson", html)(
        key="lesson.told", data=_data(run, lesson=plan, part=part, said=said)
    )


def figure(
    run: Run,
    name: str,
    *,
    key: str,
    heights: tuple[int, int] | None = None,
    fill: bool = False,
    **arguments: Any,
) -> None:
    """The figure `name` of `bnviz.figures`, following the run.

    heights: in pixels, wide and narrow, what is kept free until the figure brings its own; None for the usual.
    fill: on a wide screen it takes what the first screen has left, at least three quarters of its own height.
    arguments: view arguments of the figure, such as layer=2; None leaves one at its default.
    """
    heights = heights or FIGURES[name].heights
    _figure(run, f"figures/{name}", FIGURES[name].title, heights, key, arguments, fill)


def drawing(
    run: Run, item: Drawing, *, key: str, heights: tuple[int, int], fill: bool = False, **arguments: Any
) -> None:
    """One of a lab's figures, following the lab's run. arguments: unit and seed of the labs' View.

    fill: as for `figure`.
    """
    _figure(run, f"labs/{item.name}", item.caption, heights, key, arguments, fill)


def _figure(
    run: Run,
    path: str,
    title: str,
    heights: tuple[int, int],
    key: str,
    arguments: dict[str, Any],
    fill: bool = False,
) -> None:
    wide, narrow = heights
    least = round(0.75 * wide)
    html = (
        f'<div class="bnviz-shell" style="--bnviz-wide:{wide}px;--bnviz-narrow:{narrow}px;--bnviz-least:{least}px">'
        f'<div data-bnviz class="bnviz-figure{" bnviz-fill" * fill}"></div></div>'
    )
    css = (
        ".bnviz-shell{container-type:inline-size}.bnviz-figure{height:var(--bnviz-wide)}"
        "@container (max-width:519.98px){.bnviz-figure{height:var(--bnviz-narrow)}}"
    )
    part = component("figure", f"bnviz_figure_{wide}_{narrow}_{int(fill)}", html, css)
    data = _data(
        run,
        name=path.partition("/")[2],
        path=path,
        title=title,
        args=arguments,
        plotly=asset("plotly.min.js"),
    )
    part(key=key, data=data)
