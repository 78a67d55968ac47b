"""The Depth page: signal and gradient in networks of up to a hundred layers, and which depths train."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

import streamlit as st

from bnviz.experiment import Experiment, ExperimentError
from bnviz.experiment.depths import KINDS, Depths, Passage, started
from bnviz.experiment.knob import ACTIVATIONS, MAX_LAYERS
from bnviz.figures.charts.signal_in_depth import LABELS
from bnviz.runs.cost import check
from bnviz.runs.sweeps import Sweep
from bnviz.ui.parts import classroom_frame, layout, link
from bnviz.ui.parts.component import asset, component, data_of
from bnviz.ui.parts.page_state import PageState, Parameter
from bnviz.web import state

PAGE: Final = "depth"
PREFIX: Final = "depth."
_OPEN: Final = "depth.open"

HALVES = {"start": "At the start", "training": "Trained"}
WIDTHS = (16, 32, 64, 100, 200)
BATCHES = (4, 8, 16, 32, 64, 128, 256)
NAMES = {**ACTIVATIONS, "identity": "None: linear"}
STEPS = (50, 100, 200)
RATES = (0.01, 0.03, 0.1, 0.2, 0.3)

WHAT_TO_LOOK_FOR = r"""
Section 3.3 of the paper conjectures that batch normalization brings the singular values of each layer’s Jacobian close
to 1, so that a gradient keeps its length. Yang et al. (2019) prove otherwise at initialization.

- **Gradient.** On its way from the last layer to the first its squared norm grows by $\pi/(\pi-1) \approx 1.467$ a
  layer with batch norm and ReLU in large mini-batches, and by $(B-2)/(B-3)$ in a linear network. The dotted line has
  that slope.
- **Effective rank** (Daneshmand et al. 2020), $(\operatorname{tr} M)^2 / \lVert M \rVert_F^2$ with $M = Z^\top Z$. At 1
  the outputs $Z$ of all examples point the same way: deeper layers cannot tell them apart. Their cosine is then 1.
- **Singular values** of $\partial z_l / \partial z_{l-1}$ of one example, in up to 25 layers. Root mean square: dotted
  at 1, where the conjecture has them. Below: how many are within a factor of 2 of 1.
- **Which depths train?** What is true before training need not decide it. Compare both halves.
"""


@dataclass(frozen=True)
class Choice(PageState):
    """What is measured or trained. half: of HALVES. depth: hidden layers, of `width` units each. kinds: compared."""

    half: Annotated[str, Parameter("What to look at", choices=HALVES)] = "start"
    depth: Annotated[int, Parameter("Hidden layers", low=1, high=MAX_LAYERS)] = 100
    width: Annotated[int, Parameter("Units", choices=WIDTHS)] = 100
    batch_size: Annotated[int, Parameter("Mini-batch", choices=BATCHES)] = 128
    activation: Annotated[str, Parameter("Nonlinearity", choices=ACTIVATIONS)] = "relu"
    seed: Annotated[int, Parameter("Seed", high=2**31 - 1)] = 0
    steps: Annotated[int, Parameter("Steps", choices=STEPS)] = 100
    learning_rate: Annotated[float, Parameter("Learning rate", choices=RATES)] = 0.1
    seeds: Annotated[int, Parameter("Networks each", choices=(1, 2, 3))] = 1
    kinds: Annotated[tuple[str, ...], Parameter("Normalization", choices=KINDS)] = (
        "none",
        "batch",
        "layer",
        "residual",
    )

    @property
    def plan(self) -> Passage | Depths:
        """The networks. Raises ExperimentError."""
        common = {"batch_size": self.batch_size, "seed": self.seed}
        if self.half == "start":
            base = started(self.activation, hidden=(self.width,) * self.depth, steps=1, **common)
            return Passage(base, self.kinds)
        base = started(
            self.activation,
            hidden=(self.width,),
            steps=self.steps,
            learning_rate=self.learning_rate,
            **common,
        )
        return Depths(base, self.kinds, self.seeds)

    @property
    def controls(self) -> tuple[str, ...]:
        """The parameters that have a select box now."""
        more = ("steps", "learning_rate", "seeds") if self.half == "training" else ()
        return ("width", "batch_size", "activation", *more)


def show() -> None:
    """Draw the page."""
    choice, ignored = Choice.asked(link.opened(PAGE), PREFIX)
    choice.set_controls(PREFIX)
    classroom_frame.apply(PAGE)
    layout.notice_ignored(ignored)
    layout.intro(
        "<b>How deep can it be?</b><span> What reaches the last and the first layers before training, and which depths "
        "train.</span>"
    )
    _controls(choice)
    try:
        _figure(_sweep(choice), choice)
    except ExperimentError as error:
        st.error(f"{str(error)[0].upper()}{str(error)[1:]}.", icon=":material/error:")
    with st.expander("What to look for"):
        st.markdown(WHAT_TO_LOOK_FOR)
    st.caption(
        "Small digits. Weights start as He et al. 2015 have them (ReLU and its relatives) or Glorot and Bengio 2010 "
        "(the others); biases at 0. Residual: u + W·g(BN(u)), pre-normalization. Before training, each network is "
        "measured on the first mini-batch of its training, in float64."
    )
    classroom_frame.foot()
    layout.footer(measured="a network before training" if choice.half == "start" else "a network in training")
    link.write(PAGE, choice.to_query())


def _controls(choice: Choice) -> None:
    said = choice.parameters()
    with st.container(
        horizontal=True, gap="small", vertical_alignment="bottom", key=layout.one_row("depth-controls")
    ):
        st.selectbox(
            said["half"].label,
            list(HALVES),
            format_func=HALVES.__getitem__,
            key=f"{PREFIX}half",
            on_change=link.touch,
            width=165,
        )
        if choice.half == "start":
            st.number_input(
                said["depth"].label, 1, MAX_LAYERS, key=f"{PREFIX}depth", on_change=link.touch, width=130
            )
        for name in choice.controls:
            item = said[name]
            words = NAMES if name == "activation" else {}
            st.selectbox(
                item.label,
                list(item.choices),
                format_func=lambda value, words=words: words.get(value, str(value)),
                key=PREFIX + name,
                on_change=link.touch,
                width=165 if name == "activation" else 115,
            )
        st.number_input(
            said["seed"].label, 0, 2**31 - 1, key=f"{PREFIX}seed", on_change=link.touch, width=110
        )
        with st.popover(f"Compare {len(choice.kinds)}"):
            st.pills(
                said["kinds"].label,
                list(KINDS),
                selection_mode="multi",
                format_func=LABELS.__getitem__,
                key=f"{PREFIX}kinds",
                on_change=link.touch,
            )


def _sweep(choice: Choice) -> Sweep:
    """This person's networks; work on others of theirs is stopped. Those that only are measured begin at once."""
    mine: dict[Choice, str] = st.session_state.setdefault(_OPEN, {})
    manager = state.manager()
    plan = choice.plan
    experiments: list[Experiment] = [plan.experiment(cell) for cell in plan.cells]
    for experiment in experiments:
        check([experiment], manager.limits)
    for other, sweep_id in mine.items():
        if other != choice and (left := manager.sweeps.get(sweep_id)) is not None:
            left.stop()
    found = manager.sweeps.get(mine.get(choice, ""))
    if found is None:
        found = manager.sweeps.open(plan)
        mine[choice] = found.id
        if choice.half == "start":
            found.play()
    return found


def _figure(sweep: Sweep, choice: Choice) -> None:
    html = '<section data-bnviz class="bnviz-map bnviz-depth" aria-label="The networks"></section>'
    measures = choice.half == "start"
    data = data_of(
        "live.js",
        "live.css",
        id=sweep.id,
        path="maps/depth",
        plotly=asset("plotly.min.js"),
        view=link.frame().get("view", ""),
        action="Measure" if measures else "Train the networks",
        counted="networks measured" if measures else "depths trained",
    )
    component("depth", "bnviz_depth", html)(key="depth.figure", data=data)
