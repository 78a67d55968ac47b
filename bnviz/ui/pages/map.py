"""The Map page: learning rate against initialization scale, with and without batch normalization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

import streamlit as st

from bnviz.experiment import ExperimentError
from bnviz.experiment.grid import BASE, MOST_SEEDS, SIZES, Grid
from bnviz.runs.sweeps import Sweep
from bnviz.ui.parts import classroom_frame, layout, link
from bnviz.ui.parts.component import asset, component, data_of
from bnviz.ui.parts.page_state import PageState, Parameter
from bnviz.web import state

PAGE: Final = "map"
PREFIX: Final = "map."

ACTIVATIONS = ("sigmoid", "tanh", "relu")
DEPTHS = (1, 2, 3, 5, 8)
STEPS = (100, 300, 1000)
_OPEN = "map.open"

ABOUT_CELLS = """Networks of one seed start from the same random numbers, times σ, and see the same mini-batches.
Cells are trained coarse to fine; a blank one is not trained yet. Many are trained together as one stack of tensors:
opened in the Playground and trained alone, their numbers agree up to rounding."""

WHAT_TO_LOOK_FOR = r"""
The paper says that batch normalization “allows us to use much higher learning rates and be less careful about
initialization” (abstract). If so, the outlined region is larger with it.

- **Down the map**, smaller initial weights: without normalization every layer shrinks the signal, and little arrives.
  With it the scale drops out: $\mathrm{BN}(aWu) = \mathrm{BN}(Wu)$.
- **Up the map**, larger initial weights: the gradient with respect to $aW$ is $1/a$ of that with respect to $W$. So
  large weights learn slowly, unless the learning rate is large too: the region is tilted.
- **To the right**, higher learning rates: is there a limit with batch normalization too?
"""


@dataclass(frozen=True)
class Choice(PageState):
    """The networks on the map. depth: hidden layers, of 32 units each. size: cells along each axis."""

    activation: Annotated[str, Parameter("Nonlinearity", choices=ACTIVATIONS)] = "sigmoid"
    depth: Annotated[int, Parameter("Hidden layers", choices=DEPTHS)] = 3
    steps: Annotated[int, Parameter("Steps", choices=STEPS)] = 300
    size: Annotated[int, Parameter("Cells per side", choices=SIZES)] = 12
    seeds: Annotated[int, Parameter("Networks per cell", choices=range(1, MOST_SEEDS + 1))] = 1

    @property
    def grid(self) -> Grid:
        """The networks to train."""
        base = BASE.replace(activation=self.activation, hidden=(32,) * self.depth, steps=self.steps)
        return Grid(base, self.size, self.seeds)


def show() -> None:
    """Draw the page."""
    choice, ignored = Choice.asked(link.opened(PAGE), PREFIX)
    choice.set_controls(PREFIX)
    classroom_frame.apply(PAGE)
    layout.notice_ignored(ignored)
    layout.intro(
        "<b>Which settings train?</b><span> Each cell is a network with its own learning rate and its own scale of the "
        "initial weights, without batch normalization and with it.</span>"
    )
    with st.container(horizontal=True, gap="small", key=layout.one_row("map-controls")):
        for name, item in Choice.parameters().items():
            st.selectbox(item.label, list(item.choices), key=PREFIX + name, on_change=link.touch, width=160)
    try:
        _map(_sweep(choice))
    except ExperimentError as error:
        st.error(f"{str(error)[0].upper()}{str(error)[1:]}.", icon=":material/error:")
    _words(choice)
    classroom_frame.foot()
    layout.footer()
    link.write(PAGE, choice.to_query())


def _sweep(choice: Choice) -> Sweep:
    """This person's map of these networks; their maps of others are stopped."""
    mine: dict[Choice, str] = st.session_state.setdefault(_OPEN, {})
    sweeps = state.manager().sweeps
    for other, sweep_id in mine.items():
        if other != choice and (left := sweeps.get(sweep_id)) is not None:
            left.stop()
    found = sweeps.get(mine.get(choice, ""))
    if found is None:
        found = sweeps.open(choice.grid)
        mine[choice] = found.id
    return found


def _map(sweep: Sweep) -> None:
    html = '<section data-bnviz class="bnviz-map" aria-label="The map"></section>'
    data = data_of(
        "live.js",
        "live.css",
        id=sweep.id,
        path="maps/map",
        plotly=asset("plotly.min.js"),
        view=link.frame().get("view", ""),
    )
    component("map", "bnviz_map", html)(key="map.figure", data=data)


def _words(choice: Choice) -> None:
    networks = 2 * choice.size**2 * choice.seeds
    st.caption(
        f"{networks:,} networks of {choice.depth} × 32 units on small digits, {choice.steps:,} steps each, "
        f"mini-batches of {BASE.batch_size}. {ABOUT_CELLS}"
    )
    with st.expander("What to look for"):
        st.markdown(WHAT_TO_LOOK_FOR)
