"""A look into the page's network trained with another normalizer: the choice of it, and the mini-batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import streamlit as st

from bnviz.experiment import Experiment, ExperimentError
from bnviz.experiment.knob import NORMALIZERS
from bnviz.layer.captured import SharedBatch
from bnviz.layer.networks import CHANNELS, ghost_batch, with_maps
from bnviz.ui.inside.asking import Ask
from bnviz.ui.inside.view import MOST_POSITIONS, PREFIX, View
from bnviz.ui.parts import link


def choice(view: View, name: str, options: Sequence[str], *, of_example: bool) -> None:
    """The choice of the normalizer, the view's parameter `name`, and of the example where one is followed."""
    said = view.parameters()
    st.selectbox(
        said[name].label,
        options=options,
        format_func=NORMALIZERS.__getitem__,
        key=f"{PREFIX}{name}",
        on_change=link.touch,
        width=240,
    )
    if of_example:
        st.number_input(
            said["example"].label, 1, view.examples, key=f"{PREFIX}example", on_change=link.touch, width=75
        )


NO_POSITIONS = (
    "Instance normalization takes its mean over the positions of a feature map. A fully connected layer has none: "
    "each value would be its own mean, and every output 0. Choose feature maps."
)


def of_maps(view: View) -> None:
    """The choice of the layer, channel and position in the network with feature maps."""
    said = view.parameters()
    highest = {
        "map_layer": len(CHANNELS),
        "channel": CHANNELS[view.map_layer - 1],
        "position": MOST_POSITIONS,
    }
    for name, most in highest.items():
        st.number_input(
            said["layer" if name == "map_layer" else name].label,
            0 if name == "position" else 1,
            most,
            key=f"{PREFIX}{name}",
            help=said[name].help or None,
            on_change=link.touch,
            width=85,
        )


def asked(ask: Ask, view: View, normalizer: str, question: str, **arguments: Any) -> Any:
    """What a question answers of the network with this normalizer; None where there is none, after saying why.

    With feature maps it is asked of the network that has them. The answer has `step` and `finite`.
    """
    if normalizer == "instance" and not view.maps:
        st.info(NO_POSITIONS)
        return None
    try:
        network = _network(ask.experiment, view, normalizer)
    except ExperimentError as error:
        st.error(str(error))
        return None
    layer = view.map_layer if view.maps else view.layer
    batch = ask(question, view.step, network, layer=layer, examples=view.examples, **arguments)
    if batch is not None and not batch.finite:
        st.error(f"This network diverged: after {batch.step:,} steps its numbers are no longer finite.")
        return None
    return batch


def asked_both_ways(ask: Ask, view: View, normalizer: str) -> SharedBatch | None:
    """The layer forward and backward, as `asked` gives it, with the value that the controls follow."""
    unit = view.channel if view.maps else view.unit
    return cast(
        "SharedBatch | None",
        asked(
            ask,
            view,
            normalizer,
            "layer_backward:backward",
            example=view.example,
            unit=unit,
            **({"position": view.position} if view.maps else {}),
        ),
    )


def followed(batch: SharedBatch, view: View) -> tuple[int, int]:
    """The unit, or channel, and the position of the value that the controls follow, counted from 1."""
    return (view.channel, view.position or batch.middle) if view.maps else (view.unit, 1)


def _network(experiment: Experiment, view: View, normalizer: str) -> Experiment:
    """The page's network with this normalizer; a ghost batch is half of the examples that are shown."""
    experiment = with_maps(experiment) if view.maps else experiment
    ghosts = {"ghost_batch": ghost_batch(view.examples)} if normalizer == "ghost-batch" else {}
    return experiment.replace(normalizer=normalizer, **ghosts)
