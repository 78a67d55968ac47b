"""Asking a worker process about a network, from a page."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import streamlit as st

from bnviz.experiment import Experiment
from bnviz.runs import TooCostlyError
from bnviz.runs.questions import InspectionError
from bnviz.ui.parts.person import person
from bnviz.web import state


class Ask:
    """Asks a worker process about this page's network and waits for the answer, saying so."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment

    def __call__(
        self, question: str, step: int, experiment: Experiment | None = None, **arguments: Any
    ) -> Any:
        """What `bnviz.engine.inspections.layer` finds, or None where it cannot be had, which is said on the page."""
        network = experiment or self.experiment
        told = st.empty()
        try:
            answer: Future[Any] = state.manager().inspect(
                network, (), step, f"bnviz.engine.inspections.layer:{question}", person(), **arguments
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
                # Written again and again: here Streamlit can leave off when a control was used meanwhile.
                told.caption(
                    "Training the network from its start, to see all of it …"
                    if question == "history"
                    else f"Training the network to step {step:,} …"
                )
            except InspectionError as error:
                told.error(f"{error}")
                return None
