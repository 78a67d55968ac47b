"""A look into the page's network trained with another normalizer: the choice of it, and the mini-batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from bnviz.experiment import Experiment, ExperimentError
from bnviz.experiment.knob import NORMALIZERS
from bnviz.ui.inside.asking import Ask
from bnviz.ui.inside.view import PREFIX, View
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


def asked(ask: Ask, view: View, normalizer: str, question: str, **arguments: Any) -> Any:
    """What a question answers of the network with this normalizer; None where there is none, after saying why.

    The answer has `step` and `finite`.
    """
    try:
        network = _network(ask.experiment, view, normalizer)
    except ExperimentError as error:
        st.error(str(error))
        return None
    batch = ask(question, view.step, network, layer=view.layer, examples=view.examples, **arguments)
    if batch is not None and not batch.finite:
        st.error(f"This network diverged: after {batch.step:,} steps its numbers are no longer finite.")
        return None
    return batch


def _network(experiment: Experiment, view: View, normalizer: str) -> Experiment:
    """The page's network with this normalizer; a ghost batch is half of the examples that are shown."""
    ghosts = {"ghost_batch": max(2, view.examples // 2)} if normalizer == "ghost-batch" else {}
    return experiment.replace(normalizer=normalizer, **ghosts)
