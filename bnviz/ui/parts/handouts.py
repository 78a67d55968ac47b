"""The buttons that save a run or a lab as a handout, and a lab as a report."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from bnviz.export.browser import Chrome
from bnviz.labs.base import Lab
from bnviz.runs import Run
from bnviz.web import state

_HANDOUT_HELP = (
    "One page with these figures, the slider over time and the numbers. It needs no server and no network: "
    "mail it, or put it on a course site."
)
_REPORT_HELP = "Claim, prediction, verdict, figures, settings, and where all of it is from."


def handout(run: Run, *, unit: int = 0) -> None:
    """Save the run, or the finished lab that it belongs to, as one page. unit: as in the labs' View, 0 for none."""
    _button("Handout", "lessons", run, "html", {"unit": unit}, ":material/school:", _HANDOUT_HELP)


def report(run: Run, *, said: str, unit: int = 0) -> None:
    """Save a report on a finished lab. said: the prediction, as the link has it."""
    query: dict[str, str | int] = {"said": said, "unit": unit}
    if Chrome.path() is not None:
        _button("Report (PDF)", "reports", run, "pdf", query, ":material/description:", _REPORT_HELP)
    _button("Report (HTML)", "reports", run, "html", query, ":material/description:", _REPORT_HELP)


def worksheet(lab: Lab) -> None:
    """Open the lab's worksheet, a page to print."""
    base = state.prefix(st.get_option("server.baseUrlPath"))
    st.link_button(
        "Worksheet",
        f"{base}/exports/worksheets/{lab.name}.html",
        icon=":material/assignment:",
        help="One page to print: question, prediction, what to read off, and two questions to answer.",
        type="tertiary",
    )


def _button(
    label: str, kind: str, run: Run, made: str, query: dict[str, str | int], icon: str, told: str
) -> None:
    base = state.prefix(st.get_option("server.baseUrlPath"))
    asked = urlencode({name: value for name, value in query.items() if value})
    url = f"{base}/exports/{kind}/{run.id}.{made}" + (f"?{asked}" if asked else "")
    st.link_button(label, url, icon=icon, help=told)
