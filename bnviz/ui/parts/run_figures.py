"""The figures of a run, one below the other, with the controls of what they show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self

import streamlit as st

from bnviz.experiment.knob import POINT_DATASETS
from bnviz.figures.registry import FIGURES
from bnviz.recording import Recording
from bnviz.runs import Run
from bnviz.ui.parts import link, live
from bnviz.ui.parts.page_state import MOST, PageState, Parameter
from bnviz.ui.parts.reading import BANDS

ONE_LAYER = ("histogram", "activations_and_gradients", "over_time")
EACH_LAYER = ("gradients", "update_ratio", "weight_norm", "drift", "saturation")
LARGE = ("overview", *ONE_LAYER, *EACH_LAYER)
"""The figures of which one is shown large, in place of the overview."""


@dataclass(frozen=True)
class Networks:
    """The networks whose layers can be chosen.

    widths: for each network, the units of each layer. names: the deepest network's layers. steps: the longest run's.
    """

    widths: tuple[tuple[int, ...], ...]
    names: tuple[str, ...]
    steps: int

    @classmethod
    def of(cls, recordings: Sequence[Recording]) -> Self:
        """The networks of these recordings, which may still be empty."""
        names = max((item.layer_names for item in recordings), key=len)
        return cls(
            tuple(item.widths for item in recordings), names, max(item.planned_steps for item in recordings)
        )

    def units(self, layer: int) -> int:
        """How many units a layer, counted from 1, has in each of the networks that have it; 0 for layer 0."""
        return min(widths[layer - 1] for widths in self.widths if layer <= len(widths)) if layer else 0


def _depth(look: Look, networks: Networks | None) -> int:
    return len(networks.names) if networks else MOST


def _units(look: Look, networks: Networks | None) -> int:
    return networks.units(look.layer) if networks else MOST


def _steps(look: Look, networks: Networks | None) -> int:
    return networks.steps if networks else MOST


@dataclass(frozen=True)
class Look(PageState):
    """How a run is looked at; nothing here changes the training. About: Networks, or None where there are none.

    layer: counted from 1; 0 for all. unit: of that layer, counted from 1; 0 for all units together. before: what
    enters the normalizer, in place of what enters the nonlinearity. log: the steps on a logarithmic axis. at: the step
    looked back at, None to follow. figure: which is shown large.
    """

    layer: Annotated[int, Parameter("Layer", high=_depth)] = 0
    unit: Annotated[
        int,
        Parameter(
            "Unit",
            "One unit as in the paper’s Figure 1, counted from 1; 0 takes all units together.",
            high=_units,
        ),
    ] = 0
    before: Annotated[
        bool,
        Parameter(
            "before normalization",
            "What enters the normalizer, Wu + b unless it stands elsewhere, instead of what enters the nonlinearity.",
        ),
    ] = False
    log: Annotated[
        bool,
        Parameter(
            "logarithmic steps",
            "The first steps, in which most happens, take more room.",
        ),
    ] = False
    at: Annotated[int | None, Parameter(high=_steps)] = None
    figure: Annotated[
        str,
        Parameter(
            "Figure",
            "The figure that is shown large, beside the run’s bar. All of them stand below, too.",
            choices=LARGE,
        ),
    ] = "overview"


def overview(run: Run, look: Look, networks: Networks, prefix: str, marked: int | None = None) -> None:
    """The large figure: what each layer's nonlinearity receives and what is learned, or the one that was chosen.

    Below it stands the choice of what is shown. prefix: of the controls' keys. marked: the layer that a text beside it
    speaks of.
    """
    said = look.parameters()
    kind = FIGURES[look.figure]
    place = "figure" if look.figure == "overview" else "large"  # a figure below has a key of its own
    _figure(run, look.figure, f"{prefix}{place}", fill=True, **_arguments(look, networks, marked=marked))
    with st.container(
        horizontal=True, vertical_alignment="bottom", gap="medium", key=f"{prefix}bands-controls"
    ):
        st.selectbox(
            said["figure"].label,
            options=LARGE,
            format_func=lambda name: FIGURES[name].title,
            key=f"{prefix}figure",
            help=said["figure"].help,
            on_change=link.touch,
            width=220,
        )
        if "layer" in kind.arguments:
            st.selectbox(
                said["layer"].label,
                options=range(len(networks.names) + 1),
                format_func=lambda number: _layer_called(number, networks, look.figure),
                key=f"{prefix}layer",
                on_change=_choose_layer,
                args=(prefix,),
                width=150,
            )
        if look.layer and "unit" in kind.arguments:
            st.number_input(
                said["unit"].label,
                min_value=0,
                max_value=networks.units(look.layer),
                step=1,
                key=f"{prefix}unit",
                help=said["unit"].help,
                on_change=link.touch,
                width=130,
            )
        for name, argument in (("before", "where"), ("log", "axis")):
            if argument in kind.arguments:
                st.toggle(said[name].label, key=f"{prefix}{name}", help=said[name].help, on_change=link.touch)
        if look.figure == "overview":
            with st.popover("How to read the bands", icon=":material/help:", type="tertiary"):
                st.markdown(BANDS)
    st.caption(kind.caption)


def _layer_called(number: int, networks: Networks, figure: str) -> str:
    """A layer as the choice names it; 0 stands for all, or for the last in a figure of one layer."""
    if number:
        return networks.names[number - 1]
    return "all layers" if figure == "overview" else "last layer"


def _arguments(look: Look, networks: Networks, figure: str = "", marked: int | None = None) -> dict[str, Any]:
    """The view arguments of a figure, by default of the large one."""
    last = min(map(len, networks.widths))
    name = figure or look.figure
    arguments = {
        "layer": look.layer or None if name == "overview" else min(look.layer or last, last),
        "unit": look.unit or None,
        "where": "before" if look.before else "input",
        "axis": "log" if look.log else "linear",
        "marked": marked,
    }
    return {item: value for item, value in arguments.items() if item in FIGURES[name].arguments}


def chosen(
    run: Run, look: Look, networks: Networks, prefix: str, names: Sequence[str], marked: int | None = None
) -> None:
    """These figures alone, each with its caption. The overview brings the choice of what is shown."""
    for name in names:
        if name == "overview":
            overview(run, look, networks, prefix, marked)
        elif name != "boundary" or flat(run.recordings):
            _figure(run, name, f"{prefix}figure", **_arguments(look, networks, name, marked))
            st.caption(FIGURES[name].caption)


def _choose_layer(prefix: str) -> None:
    """Of all layers together no single unit is shown."""
    if not st.session_state[f"{prefix}layer"]:
        st.session_state[f"{prefix}unit"] = 0
    link.touch()


def details(run: Run, look: Look, networks: Networks, prefix: str) -> None:
    """The other figures, in tabs."""
    two_dimensional = flat(run.recordings)
    more = ["accuracy", "boundary" if two_dimensional else "loss", *["loss"] * two_dimensional]
    if any(map(_changes_its_rate, run.recordings)):
        more.append("learning_rate")
    names = [*ONE_LAYER, *EACH_LAYER, *more]
    panes = st.tabs(["Histogram and slope", *(FIGURES[name].title for name in names[1:])])
    for pane, name in zip(panes, names, strict=True):
        with pane:
            _figure(run, name, f"{prefix}figure", **_arguments(look, networks, name))
            st.caption(FIGURES[name].caption)


def _changes_its_rate(recording: Recording) -> bool:
    """Whether the learning rate is not the same from the first step to the last."""
    if recording.watched is not None:
        return False
    experiment = recording.experiment
    return experiment.schedule != "constant" or bool(experiment.warmup) or bool(recording.interventions)


def flat(recordings: Sequence[Recording]) -> bool:
    """Whether all networks learned from points in the plane."""
    return all(item.watched is None and item.experiment.dataset in POINT_DATASETS for item in recordings)


def _figure(run: Run, name: str, prefix: str, fill: bool = False, **arguments: Any) -> None:
    subjects = [item.subject for item in run.recordings]
    heights = FIGURES[name].size(subjects, **arguments)
    live.figure(run, name, key=f"{prefix}-{name}", heights=heights, fill=fill, **arguments)
