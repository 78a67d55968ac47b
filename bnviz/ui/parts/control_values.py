"""What the Playground's controls say: set before they are drawn, and read as a link's parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import streamlit as st

from bnviz.experiment import Experiment, Intervention
from bnviz.experiment.comparison import ARM_PARAMETERS, Comparison, changes_query
from bnviz.experiment.preset_comparisons import preset_comparisons

_CHANGES: Final = "playground.changes"
"""What is changed while the arms train, as a link's parameters: no control shows it."""


def fill(comparison: Comparison) -> None:
    """Set every control of the Playground to what `comparison` says, before it is drawn.

    The box of presets too, and it nowhere else: it names the preset that the arms are, or none.
    """
    fill_arms(comparison)
    fill_changes(comparison.interventions)
    arms = replace(comparison, interventions=())
    chosen = next((name for name, preset in preset_comparisons.items() if preset == arms), None)
    st.session_state["preset"] = chosen


def fill_arms(comparison: Comparison) -> None:
    """Set the controls of the fields, and those of the arms, to what `comparison` says."""
    fill_fields(comparison.base)
    st.session_state["vary"] = comparison.vary
    fill_arm_values(comparison.values)


def fill_arm_values(values: Sequence[str]) -> None:
    """Set the arms' controls. Those of arms that there are not are None."""
    for index, key in enumerate(ARM_PARAMETERS):
        st.session_state[key] = values[index] if index < len(values) else None


def fill_changes(interventions: Sequence[Sequence[Intervention]]) -> None:
    """Note what is changed while the arms train, arm by arm."""
    st.session_state[_CHANGES] = changes_query(interventions)


def arm_values() -> list[str]:
    """What the arms' controls say, arm by arm."""
    return list(_said(ARM_PARAMETERS).values())


def fill_fields(experiment: Experiment, prefix: str = "") -> None:
    """Set the controls of an experiment's fields, before they are drawn. prefix: of their keys.

    Those that are not drawn are set as well: Streamlit would forget them.
    """
    for name, text in experiment.texts().items():
        st.session_state[prefix + name] = text


def read() -> dict[str, str]:
    """What the controls of the Playground say, as a link's parameters."""
    said: dict[str, str] = _said((*Experiment.knobs(), "vary", *ARM_PARAMETERS)) | st.session_state[_CHANGES]
    return said


def read_fields(prefix: str = "") -> dict[str, str]:
    """What the controls of an experiment's fields say, as a link's parameters."""
    return _said(Experiment.knobs(), prefix)


def base() -> Experiment:
    """What the controls of the fields say, as an Experiment."""
    return Experiment.salvage(read_fields())[0]


def _said(names: Iterable[str], prefix: str = "") -> dict[str, str]:
    values = {name: st.session_state.get(prefix + name) for name in names}
    return {name: str(value) for name, value in values.items() if value is not None}
