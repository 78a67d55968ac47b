"""The Landscape page: how smooth the loss is around the weights, for two networks while they train."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Final

import streamlit as st

from bnviz.experiment import Experiment, ExperimentError
from bnviz.experiment.knob import NORMALIZERS
from bnviz.runs.measurements import Measurement
from bnviz.ui.parts import classroom_frame, control_values, layout, link
from bnviz.ui.parts.component import asset, component, data_of
from bnviz.ui.parts.field_control import field
from bnviz.ui.parts.page_state import MOST, PageState, Parameter
from bnviz.web import state

PAGE: Final = "landscape"
PREFIX: Final = "landscape."
_OPEN: Final = "landscape.open"

BASE = Experiment(
    activation="relu", init="kaiming", init_scale=1.0, batch_size=128, learning_rate=0.1, steps=300
)
"""The networks that the page opens with, small digits: those of the lab on the same question."""
NETWORK = (
    "hidden",
    "activation",
    "init",
    "init_scale",
    "batch_size",
    "train_examples",
    "steps",
    "seed",
)
"""The fields in the menu; dataset and learning rate stand beside it."""
SHOWN = ("dataset", "learning_rate", *NETWORK)

SECTIONS = {
    "gradient": ("Along the gradient", "bnviz.engine.inspections.smoothness:followed"),
    "sharpness": ("Sharpness", "bnviz.engine.inspections.sharpness:followed"),
    "surface": ("Surface", "bnviz.engine.inspections.surface:around"),
    "path": ("Path", "bnviz.engine.inspections.surface:path"),
}
"""What is measured: its name, and the function that finds it."""

EDGE = (
    "section=sharpness&dataset=spirals&hidden=32-32-32&activation=tanh&init=xavier&learning_rate=0.2&batch_size=0&"
    "steps=3000"
)
"""The link of a network on which the edge of stability shows."""

WHAT_TO_LOOK_FOR = {
    "gradient": r"""
Figure 4 of Santurkar et al. (2018). At each recorded step we walk from the weights $w$ to $w - s\,g$, where $g$ is the
gradient of the step’s mini-batch, for $s$ from ½ to 4 times the learning rate.

- **Loss**: the band goes from the lowest to the highest loss on the way.
- **Change of the gradient**: $\lVert\nabla L(w - s g) - g\rVert$, smallest to largest on the way.
- **Effective β-smoothness**: the largest change of the gradient per distance.

Their claim is that all three are smaller with batch normalization. A network that does not learn stands on a plateau,
and a plateau is smooth: compare only networks that learn. The lab **Is the loss smoother?** puts the claim to the test.
""",
    "sharpness": rf"""
The sharpness $\lambda$ is the largest eigenvalue of the Hessian of the loss: the curvature in the direction in which it
is largest. Gradient descent at a rate $\eta$ on a quadratic is stable up to $\lambda = 2/\eta$.

- With **all training examples** in each step (mini-batch 0) Cohen et al. (2021) find that the sharpness rises to
  $2/\eta$ and then stays near it: the *edge of stability*. [Show it on spirals](?{EDGE}).
- With small mini-batches it stays lower.
- Where the loss goes to 0, the sharpness of the cross-entropy falls again.
- With batch normalization the curvature depends on the scale of the weights too: larger weights, smaller curvature.

The Hessian is of up to 5,000 training examples, evenly spaced, as one mini-batch; it is never built, only multiplied
with vectors (Lanczos).
""",
    "surface": r"""
The loss over a plane through the weights after the steps that the slider says (Li et al. 2018). Both directions are
random, the same random numbers for A and B. They are *filter-normalized*: in each direction the weights of one unit
change by at most their own length. So a network is not smoother only because its weights are larger.

- How soon does the loss rise around the weights? Is the valley round, or narrow in one direction?
- Move the slider through training: at the start the loss is high everywhere, later there is a valley.
- Biases, γ and β are not moved. With batch normalization the loss is by the statistics of these 500 examples.

A plane is two of tens of thousands of directions. Another seed draws others.
""",
    "path": r"""
The weights after every few updates, projected onto the two directions in which they move most (principal components,
Li et al. 2018, Section 7). The share of the path’s variance in the plane stands beside each name.

- Does the path go straight down, or along a valley?
- A and B have planes of their own, with the same colours for the same loss.

A point of the path is near the plane, not in it: its own loss may differ from the colour below it.
""",
}


SHAPES = {"contours": "contours", "surface": "a surface"}
"""As what the loss over a plane is drawn."""


def _steps(view: View, experiment: Experiment | None) -> int:
    return experiment.steps if experiment else MOST


@dataclass(frozen=True)
class View(PageState):
    """The page's parameters besides the fields of Experiment. a, b: the normalizations of the two networks.

    at: the step of the surface. shape: as what it is drawn.
    """

    section: Annotated[str, Parameter("What to measure", choices=SECTIONS)] = "gradient"
    a: Annotated[str, Parameter("A", choices=NORMALIZERS)] = "none"
    b: Annotated[str, Parameter("B", choices=NORMALIZERS)] = "batch"
    at: Annotated[
        int,
        Parameter(
            "Steps of training",
            "The surface around the weights after so many updates. Once measured, others follow by themselves.",
            high=_steps,
        ),
    ] = 100
    shape: Annotated[str, Parameter("Drawn as", choices=SHAPES)] = "contours"


def show() -> None:
    """Draw the page."""
    experiment, view, ignored = _asked(link.opened(PAGE))
    layout.intro(
        "<b>How smooth is the loss?</b><span> Two networks with the same start and mini-batches, measured in "
        "training.</span>"
    )
    classroom_frame.apply(PAGE)
    layout.notice_ignored(ignored)
    _controls(experiment, view)
    try:
        _figure(_measurement(experiment, view), view)
    except ExperimentError as error:
        st.error(f"{str(error)[0].upper()}{str(error)[1:]}", icon=":material/error:")
    with st.expander("What to look for"):
        st.markdown(WHAT_TO_LOOK_FOR[view.section])
    classroom_frame.foot()
    layout.footer()
    link.write(PAGE, query_of(experiment, view))


def _asked(query: Mapping[str, str] | None) -> tuple[Experiment, View, tuple[str, ...]]:
    """What the link, or else the controls, ask for, with every control set to it; and what was ignored."""
    mine, network = (None, control_values.read_fields(PREFIX)) if query is None else View.split(query)
    experiment, ignored = experiment_of(network)
    view, more = View.asked(mine, PREFIX, experiment)
    view = replace(view, at=min(view.at, experiment.steps))
    control_values.fill_fields(experiment, PREFIX)
    view.set_controls(PREFIX)
    return experiment, view, (*ignored, *more)


def experiment_of(query: Mapping[str, str]) -> tuple[Experiment, tuple[str, ...]]:
    """The network that a link describes, trained by plain gradient descent; and what was ignored."""
    asked, ignored = Experiment.salvage(query, BASE)
    fixed = [
        f"{name} = {text!r} is not measured here"
        for name, text in asked.texts().items()
        if name not in SHOWN and text != BASE.texts()[name]
    ]
    return BASE.replace(**{name: getattr(asked, name) for name in SHOWN}), (*ignored, *fixed)


def query_of(experiment: Experiment, view: View) -> dict[str, str]:
    """The link's parameters; what is as the page opens stays out."""
    usual = BASE.texts()
    mine = {name: text for name, text in experiment.texts().items() if text != usual[name]}
    return mine | view.to_query()


def networks(experiment: Experiment, view: View) -> tuple[Experiment, Experiment]:
    """The two networks. Raises ExperimentError where a normalization does not go together with the rest."""
    return experiment.replace(normalizer=view.a), experiment.replace(normalizer=view.b)


def _controls(experiment: Experiment, view: View) -> None:
    said = view.parameters()
    with st.container(
        horizontal=True, vertical_alignment="bottom", gap="small", key=layout.one_row("landscape-controls")
    ):
        for name in ("a", "b"):
            st.selectbox(
                said[name].label,
                list(NORMALIZERS),
                format_func=NORMALIZERS.__getitem__,
                key=PREFIX + name,
                on_change=link.touch,
                width=190,
            )
        for name, width in (("dataset", 190), ("learning_rate", 130)):
            with st.container(width=width):
                field(name, PREFIX + name)
        with st.popover("The network"):
            for name in NETWORK:
                field(name, PREFIX + name)
    with st.container(
        horizontal=True, vertical_alignment="center", gap="medium", key=layout.one_row("landscape-sections")
    ):
        st.segmented_control(
            said["section"].label,
            options=list(SECTIONS),
            format_func=lambda name: SECTIONS[name][0],
            key=f"{PREFIX}section",
            required=True,
            label_visibility="collapsed",
            on_change=link.touch,
        )
        if view.section == "surface":
            st.slider(
                said["at"].label,
                0,
                experiment.steps,
                key=f"{PREFIX}at",
                help=said["at"].help,
                on_change=link.touch,
                width=240,
            )
        if view.section in ("surface", "path"):
            st.segmented_control(
                said["shape"].label,
                options=list(SHAPES),
                format_func=SHAPES.__getitem__,
                key=f"{PREFIX}shape",
                required=True,
                label_visibility="collapsed",
                on_change=link.touch,
            )


def _measurement(experiment: Experiment, view: View) -> Measurement:
    """This person's measurement of these networks; their other ones are stopped."""
    _, function = SECTIONS[view.section]
    arguments = {"step": view.at} if view.section == "surface" else {}
    asked = (networks(experiment, view), function, *arguments.values())
    mine: dict[tuple[Hashable, ...], str] = st.session_state.setdefault(_OPEN, {})
    known = state.manager().measurements
    for other, measurement_id in mine.items():
        if other != asked and (left := known.get(measurement_id)) is not None:
            left.stop()
    found = known.get(mine.get(asked, ""))
    if found is None:
        before = [known.get(other_id) for other, other_id in mine.items() if other[:2] == asked[:2]]
        found = known.open(networks(experiment, view), function, arguments)
        if any(item is not None and item.done for item in before):  # another step of what was measured
            found.play()
        mine[asked] = found.id
    return found


def _figure(measurement: Measurement, view: View) -> None:
    html = '<section data-bnviz class="bnviz-map" aria-label="The landscape"></section>'
    data = data_of(
        "live.js",
        "live.css",
        id=measurement.id,
        path="landscapes/landscape",
        args={"shape": view.shape} if view.section in ("surface", "path") else {},
        plotly=asset("plotly.min.js"),
        view=link.frame().get("view", ""),
    )
    component("landscape", "bnviz_landscape", html)(key="landscape.figure", data=data)
