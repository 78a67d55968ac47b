"""A mini-batch of a network trained with another normalizer than batch normalization."""

from __future__ import annotations

import streamlit as st

from bnviz.experiment import Experiment, ExperimentError
from bnviz.layer.captured import SharedBatch
from bnviz.ui.inside.asking import Ask
from bnviz.ui.inside.view import View


def asked(ask: Ask, view: View, normalizer: str) -> SharedBatch | None:
    """The mini-batch; None where there is none to show, after saying why."""
    try:
        network = _network(ask.experiment, view, normalizer)
    except ExperimentError as error:
        st.error(str(error))
        return None
    batch: SharedBatch | None = ask(
        "layer_backward:backward",
        view.step,
        network,
        layer=view.layer,
        examples=view.examples,
        example=view.example,
        unit=view.unit,
    )
    if batch is not None and not batch.finite:
        st.error(f"This network diverged: after {batch.step:,} steps its numbers are no longer finite.")
        return None
    return batch


def _network(experiment: Experiment, view: View, normalizer: str) -> Experiment:
    """The page's network with this normalizer; a ghost batch is half of the examples that are shown."""
    ghosts = {"ghost_batch": max(2, view.examples // 2)} if normalizer == "ghost-batch" else {}
    return experiment.replace(normalizer=normalizer, **ghosts)
