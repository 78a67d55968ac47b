"""The Map page: learning rate against initialization scale, with and without batch normalization."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import streamlit as st

from bnviz.experiment import ExperimentError
from bnviz.experiment.grid import BASE, MOST_SEEDS, SIZES, Grid
from bnviz.runs.sweeps import Sweep
from bnviz.ui.parts import layout, link
from bnviz.web import assets, state

PAGE: Final = "map"

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

- **Down the map**, smaller first weights: without normalization every layer shrinks the signal, and little arrives.
  With it the scale drops out: $\mathrm{BN}(aWu) = \mathrm{BN}(Wu)$.
- **Up the map**, larger first weights: the gradient with respect to $aW$ is $1/a$ of that with respect to $W$. So large
  weights learn slowly, unless the learning rate is large too: the region is tilted.
- **To the right**, higher learning rates: batch normalization helps, but not without end.
"""


@dataclass(frozen=True)
class Choice:
    """What is on the map. depth: hidden layers of 32 units each. size: cells along each axis."""

    activation: str = "sigmoid"
    depth: int = 3
    steps: int = 300
    size: int = 12
    seeds: int = 1

    @property
    def grid(self) -> Grid:
        """The networks to train."""
        base = BASE.replace(activation=self.activation, hidden=(32,) * self.depth, steps=self.steps)
        return Grid(base, self.size, self.seeds)

    def to_query(self) -> dict[str, str]:
        """The link's parameters; what is at its default stays out."""
        return {
            name: str(getattr(self, name)) for name in ALLOWED if getattr(self, name) != getattr(Choice, name)
        }

    @classmethod
    def salvage(cls, query: Mapping[str, str]) -> tuple[Choice, tuple[str, ...]]:
        """The Choice that a link describes, and what was ignored of it."""
        values: dict[str, Any] = {}
        ignored = [f"{name[:40]!r} is no parameter of the map" for name in query if name not in ALLOWED]
        for name, allowed in ALLOWED.items():
            texts = {str(value): value for value in allowed}
            if name in query and query[name] in texts:
                values[name] = texts[query[name]]
            elif name in query:
                ignored.append(
                    f"{name} = {query[name][:40]!r} is not allowed; allowed is one of {', '.join(texts)}"
                )
        return cls(**values), tuple(ignored)


ALLOWED: Mapping[str, tuple[Any, ...]] = {
    "activation": ACTIVATIONS,
    "depth": DEPTHS,
    "steps": STEPS,
    "size": SIZES,
    "seeds": tuple(range(1, MOST_SEEDS + 1)),
}
LABELS = {
    "activation": "Nonlinearity",
    "depth": "Hidden layers",
    "steps": "Steps",
    "size": "Cells a side",
    "seeds": "Networks a cell",
}


def show() -> None:
    """Draw the page."""
    opened = link.opened(PAGE)
    if opened is not None:
        choice, ignored = Choice.salvage(opened)
        for name in ALLOWED:
            st.session_state[f"map.{name}"] = getattr(choice, name)
        layout.notice_ignored(ignored)
    for name in ALLOWED:  # set, as Streamlit forgets what belongs to a control that is not drawn
        st.session_state[f"map.{name}"] = st.session_state.get(f"map.{name}", getattr(Choice, name))
    layout.intro(
        "<b>How much less careful may I be?</b> Each cell is a network trained from its own learning rate and scale of "
        "the first weights: without batch normalization, and with it."
    )
    with st.container(horizontal=True, gap="small"):  # wraps on a phone, two side by side
        for name, allowed in ALLOWED.items():
            st.selectbox(LABELS[name], allowed, key=f"map.{name}", on_change=link.touch, width=160)
    choice = Choice(**{name: st.session_state[f"map.{name}"] for name in ALLOWED})
    try:
        _map(_sweep(choice))
    except ExperimentError as error:
        st.error(f"{str(error)[0].upper()}{str(error)[1:]}.", icon=":material/error:")
    _words(choice)
    layout.footer()
    link.write(PAGE, choice.to_query())


def _sweep(choice: Choice) -> Sweep:
    """This visitor's map of the choice; the one of another choice is stopped."""
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
    base = state.prefix(st.get_option("server.baseUrlPath"))
    part = st.components.v2.component(
        "bnviz_map",
        html='<section data-bnviz class="bnviz-map" aria-label="The map"></section>',
        js="export default async (c) => (await import(new URL(c.data.script, location.origin))).map(c)",
        isolate_styles=False,
    )
    part(
        key="map.figure",
        data={
            "base": base,
            "id": sweep.id,
            "path": "maps/map",
            "script": assets.url(base, "live.js"),
            "style": assets.url(base, "live.css"),
            "plotly": assets.url(base, "plotly.min.js"),
        },
    )


def _words(choice: Choice) -> None:
    networks = 2 * choice.size**2 * choice.seeds
    st.caption(
        f"{networks:,} networks of {choice.depth} × 32 units on small digits, {choice.steps:,} steps each, "
        f"mini-batches of {BASE.batch_size}. {ABOUT_CELLS}"
    )
    with st.expander("What to look for"):
        st.markdown(WHAT_TO_LOOK_FOR)
