"""Ask: how the page has a worker process look into a network."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import streamlit as st

from bnviz.experiment import Experiment, Intervention
from bnviz.runs import TooCostlyError
from bnviz.runs.questions import InspectionError
from bnviz.ui.parts.person import person
from bnviz.web import state


class Ask:
    """Asks a worker process about this page's network, and says on the page that it waits."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment

    def __call__(
        self,
        question: str,
        step: int,
        experiment: Experiment | None = None,
        interventions: Sequence[Intervention] = (),
        **arguments: Any,
    ) -> Any:
        """The answer of a function of `bnviz.engine.inspections`; None where there is none, after saying why.

        question: the function's name in `layer`, or with that of its module, such as "sharing:sharing".
        """
        place = question if ":" in question else f"layer:{question}"
        network = experiment or self.experiment
        told = st.empty()
        try:
            answer: Future[Any] = state.manager().inspect(
                network, interventions, step, f"bnviz.engine.inspections.{place}", person(), **arguments
            )
        except TooCostlyError as error:
            told.error(str(error))
            return None
        while True:
            try:
                found = answer.result(timeout=0.25)
                told.empty()
                return found
            except TimeoutError:
                # Written again each time: only while it writes can Streamlit stop a script whose page has changed.
                told.caption(
                    "Training the network from its start, to see all of it …"
                    if question == "history"
                    else f"Training the network to step {step:,} …"
                )
            except InspectionError as error:
                told.error(f"{error}")
                return None
