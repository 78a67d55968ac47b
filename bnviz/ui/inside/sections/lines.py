"""The section "Line by line": batch normalization of one unit, or another normalization of one example."""

from __future__ import annotations

import streamlit as st

from bnviz.experiment.knob import NORMALIZERS, lower_first
from bnviz.experiment.normalization import OF_ONE_EXAMPLE
from bnviz.layer.captured import ExampleBatch, LayerBatch, SharedBatch
from bnviz.layer.walk import walk
from bnviz.layer.walk_of_example import walk_of_example
from bnviz.layer.walk_of_unit import walk_of_unit
from bnviz.ui.inside import parts, trained_with
from bnviz.ui.inside.asking import Ask
from bnviz.ui.inside.view import LINES_OF, PREFIX, View
from bnviz.ui.parts import link

_WALK = f"{PREFIX}walk"
_TURN = "Arrow keys ← → turn the lines; a unit’s number chooses the unit. "
_EXACT = "Computed in double precision with all digits, shown rounded."


def controls(view: View) -> None:
    """The choice of the normalization, and of the example where the lines follow one."""
    follows = view.lines_of in OF_ONE_EXAMPLE or view.lines_of == "ghost-batch"
    trained_with.choice(view, "lines_of", LINES_OF, of_example=follows)


def of_one_unit(ask: Ask, batch: LayerBatch, view: View, opened: int) -> None:
    """Algorithm 1, line by line."""
    parts.walk(walk(batch, view.unit), view.line, opened, key=_WALK, on_line=_turned, on_unit=_chosen)
    st.caption(_TURN + _told(ask, view, batch.step) + ", as a mini-batch of their own. " + _EXACT)


def of_another(ask: Ask, view: View, opened: int) -> None:
    """The lines of another normalizer, of one example or of one unit, in a network trained with it."""
    label = NORMALIZERS[view.lines_of]
    if view.lines_of in OF_ONE_EXAMPLE:
        example: ExampleBatch | None = trained_with.asked(ask, view, view.lines_of, "sharing:of_one_example")
        if example is None:
            return
        step, shown, own = example.step, walk_of_example(example, view.example, view.unit, label), ""
    else:
        unit: SharedBatch | None = trained_with.asked(
            ask,
            view,
            view.lines_of,
            "layer_backward:backward",
            example=view.example,
            unit=view.unit,
        )
        if unit is None:
            return
        step, shown = unit.step, walk_of_unit(unit, view.example, view.unit, label)
        own = ", as a mini-batch of their own"
    line = min(view.line, len(shown["lines"]))
    parts.walk(shown, line, opened, key=_WALK, on_line=_turned, on_unit=_chosen)
    st.caption(_TURN + _told(ask, view, step) + f"{own}, trained with {lower_first(label)}. " + _EXACT)


def _told(ask: Ask, view: View, step: int) -> str:
    """Which examples of which network are shown."""
    size = ask.experiment.batch_size
    whole = f"the {size:,} examples" if size else "all training examples,"
    return (
        f"These are the first {view.examples} of {whole} that update {step + 1:,} "
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
