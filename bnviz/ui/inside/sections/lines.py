"""The section "Line by line": batch normalization of one unit, or another normalization of one example."""

from __future__ import annotations

import streamlit as st

from bnviz.experiment.knob import NORMALIZERS, lower_first
from bnviz.experiment.normalization import OF_ONE_EXAMPLE
from bnviz.layer.captured import ExampleBatch, LayerBatch
from bnviz.layer.walk import walk
from bnviz.layer.walk_of_example import walk_of_example
from bnviz.layer.walk_of_maps import walk_of_maps
from bnviz.layer.walk_of_unit import walk_of_unit
from bnviz.ui.inside import parts, trained_with
from bnviz.ui.inside.asking import Ask
from bnviz.ui.inside.view import LINES_OF, PREFIX, View
from bnviz.ui.parts import link

_WALK = f"{PREFIX}walk"
_TURN = "Arrow keys ← → turn the lines; a {0}’s number chooses the {0}. "
_EXACT = "Computed in double precision with all digits, shown rounded."


def controls(view: View) -> None:
    """The choice of the normalization, and of the example where the lines follow one."""
    follows = view.maps or view.lines_of in (*OF_ONE_EXAMPLE, "ghost-batch")
    trained_with.choice(view, "lines_of", LINES_OF, of_example=follows)


def of_one_unit(ask: Ask, batch: LayerBatch, view: View, opened: int) -> None:
    """Algorithm 1, line by line."""
    parts.walk(walk(batch, view.unit), view.line, opened, key=_WALK, on_line=_turned, on_unit=_chosen)
    st.caption(
        _TURN.format("unit") + _told(ask, view, batch.step) + ", as a mini-batch of their own. " + _EXACT
    )


def of_another(ask: Ask, view: View, opened: int) -> None:
    """The lines of another normalizer, or of feature maps, in a network trained with it."""
    label = NORMALIZERS[view.lines_of]
    own = ", as a mini-batch of their own"
    if view.maps or view.lines_of == "instance":
        batch = trained_with.asked_both_ways(ask, view, view.lines_of)
        if batch is None:
            return
        channel, position = trained_with.followed(batch, view)
        step, shown = batch.step, walk_of_maps(batch, view.example, channel, position, label)
    elif view.lines_of in OF_ONE_EXAMPLE:
        example: ExampleBatch | None = trained_with.asked(ask, view, view.lines_of, "sharing:of_one_example")
        if example is None:
            return
        step, shown, own = example.step, walk_of_example(example, view.example, view.unit, label), ""
    else:
        unit = trained_with.asked_both_ways(ask, view, view.lines_of)
        if unit is None:
            return
        step, shown = unit.step, walk_of_unit(unit, view.example, view.unit, label)
    line = min(view.line, len(shown["lines"]))
    parts.walk(shown, line, opened, key=_WALK, on_line=_turned, on_unit=_chosen)
    turn = _TURN.format("channel" if view.maps else "unit")
    st.caption(turn + _told(ask, view, step) + f"{own}, trained with {lower_first(label)}. " + _EXACT)


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
        maps = st.session_state.get(f"{PREFIX}maps", False)
        st.session_state[f"{PREFIX}{'channel' if maps else 'unit'}"] = int(unit)
    link.touch()
