"""A lab's verdict: what was measured, whether the claim holds, and whether the prediction was right."""

from __future__ import annotations

import math

import streamlit as st

from bnviz.labs.base import Lab
from bnviz.labs.verdicts import Measure, Verdict
from bnviz.runs.lab_run import LabRun
from bnviz.ui.pages.labs_visit import Visit
from bnviz.ui.parts import handouts, lab_cards, layout


def show(lab: Lab, lab_run: LabRun, visit: Visit) -> None:
    """What was measured, and whether the prediction was right."""
    if lab_run.trouble:
        st.error(f"There is no verdict: {lab_run.trouble}", icon=":material/error:")
        return
    result = lab_run.result()
    verdict = lab.verdict(result)
    score = lab.score(lab.prediction.read(visit.said), result)
    icon = {True: ":material/check_circle:", False: ":material/cancel:", None: ":material/help:"}
    lab_cards.note(lab, lab_run)
    lab_cards.recall()
    with st.container(key="labs-verdict", gap="xsmall"):
        st.markdown(f"## {icon[verdict.holds]} {verdict.word}.")
        st.markdown(layout.unbroken(verdict.said.removeprefix(f"{verdict.word}. ")))
        st.markdown(layout.unbroken(f"{icon[score.right]} **Your prediction.** {score.sentence}"))
        st.caption(layout.unbroken(f"The rule: {verdict.criterion}"))
    with st.container(horizontal=True, gap="small"):
        handouts.report(lab_run.run, said=visit.said, unit=visit.unit)
        handouts.handout(lab_run.run, unit=visit.unit)
    with st.expander("Every number that was measured"):
        st.dataframe(_rows(verdict), hide_index=True)


def _rows(verdict: Verdict) -> list[dict[str, str]]:
    return [
        {"what": item.words, "median": _number(item.median), "lowest to highest of the seeds": _spread(item)}
        for item in verdict.measured.values()
    ]


def _spread(item: Measure) -> str:
    low, high = item.spread
    return f"{_number(low)} to {_number(high)}"


def _number(value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:,.4g}" if math.isfinite(value) else "never"
