"""The section "Line by line": batch normalization of one unit, or another normalization of one example."""

from __future__ import annotations

import streamlit as st

from bnviz.experiment import ExperimentError
from bnviz.experiment.knob import NORMALIZERS, lower_first
from bnviz.experiment.normalization import OF_ONE_EXAMPLE
from bnviz.layer.captured import ExampleBatch, LayerBatch
from bnviz.layer.walk import walk
from bnviz.layer.walk_of_example import walk_of_example
from bnviz.layer.walk_of_unit import walk_of_unit
from bnviz.ui.inside import parts, shared_batch
from bnviz.ui.inside.asking import Ask
from bnviz.ui.inside.view import LINES_OF, PREFIX, View
from bnviz.ui.parts import link

_WALK = f"{PREFIX}walk"
_TURN = "Arrow keys ← → turn the lines; a unit’s number chooses the unit. "
_EXACT = "Computed in double precision with all digits, shown rounded."


def controls(view: View) -> None:
    """The choice of the normalization, and of the example where the lines follow one."""
    said = view.parameters()
    st.selectbox(
        said["lines_of"].label,
        options=LINES_OF,
        format_func=NORMALIZERS.__getitem__,
        key=f"{PREFIX}lines_of",
        on_change=link.touch,
        width=240,
    )
    if view.lines_of in OF_ONE_EXAMPLE or view.lines_of == "ghost-batch":
        st.number_input(
            said["example"].label, 1, view.examples, key=f"{PREFIX}example", on_change=link.touch, width=75
        )


def of_one_unit(ask: Ask, batch: LayerBatch, view: View, opened: int) -> None:
    """Algorithm 1, line by line."""
    parts.walk(walk(batch, view.unit), view.line, opened, key=_WALK, on_line=_turned, on_unit=_chosen)
    st.caption(_TURN + _told(ask, view, batch.step) + ", as a mini-batch of their own. " + _EXACT)


def of_one_example(ask: Ask, view: View, opened: int) -> None:
    """The lines of a normalizer that takes its statistics from one example, in a network trained with it."""
    try:
        network = ask.experiment.replace(normalizer=view.lines_of)
    except ExperimentError as error:
        st.error(str(error))
        return
    batch: ExampleBatch | None = ask(
        "sharing:of_one_example", view.step, network, layer=view.layer, examples=view.examples
    )
    if batch is None:
        return
    if not batch.finite:
        st.error(f"This network diverged: after {batch.step:,} steps its numbers are no longer finite.")
        return
    label = NORMALIZERS[view.lines_of]
    shown = walk_of_example(batch, view.example, view.unit, label)
    line = min(view.line, len(shown["lines"]))
    parts.walk(shown, line, opened, key=_WALK, on_line=_turned, on_unit=_chosen)
    st.caption(_TURN + _told(ask, view, batch.step) + f", trained with {lower_first(label)}. " + _EXACT)


def of_one_unit_of(ask: Ask, view: View, opened: int) -> None:
    """The lines of a relative of batch normalization, in a network trained with it."""
    batch = shared_batch.asked(ask, view, view.lines_of)
    if batch is None:
        return
    label = NORMALIZERS[view.lines_of]
    shown = walk_of_unit(batch, view.example, view.unit, label)
    line = min(view.line, len(shown["lines"]))
    parts.walk(shown, line, opened, key=_WALK, on_line=_turned, on_unit=_chosen)
    st.caption(
        _TURN
        + _told(ask, view, batch.step)
        + f", as a mini-batch of their own, trained with {lower_first(label)}. "
        + _EXACT
    )


def _told(ask: Ask, view: View, step: int) -> str:
    """Which examples of which network are shown."""
    return (
        f"These are the first {view.examples} of the {ask.experiment.batch_size:,} examples that update {step + 1:,} "
        f"would use, in the network as it stood after {step:,} updates"
    )


def _turned() -> None:
    st.session_state[f"{PREFIX}line"] = int(st.session_state[_WALK]["line"])
    link.touch()


def _chosen() -> None:
    unit = st.session_state[_WALK]["unit"]
    if unit is not None:
        st.session_state[f"{PREFIX}unit"] = int(unit)
    link.touch()
