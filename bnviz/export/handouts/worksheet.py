"""A lab as a worksheet: one page to print, with the question, what to read off, and two questions to answer."""

from __future__ import annotations

from bnviz.export import lab_files
from bnviz.export.handouts import page
from bnviz.export.handouts.question import options
from bnviz.labs.base import Lab, Setting, View
from bnviz.labs.further_questions import questions
from bnviz.labs.predictions import Estimate

QUICK = Setting(quick=True)
MOST_FIGURES = 4
"""Figures to read from: with more, the page would not be one."""


def lab_worksheet(lab: Lab, setting: Setting = QUICK, *, link: str = "") -> str:
    """The worksheet as an HTML page. It needs no result: nothing measured stands on it.

    link: the address of the page with the labs.
    """
    nothing = lab.nothing_yet(setting)
    figures = lab.figures(nothing, View(theme="print"))[:MOST_FIGURES]
    sliders = lab.prediction.sliders if isinstance(lab.prediction, Estimate) else ()
    return page.page(
        "worksheet.html",
        f"{lab.title} · worksheet · bnviz",
        None,
        lab_files.stamp(lab, nothing, link),
        lab=lab,
        options=options(lab),
        sliders=[(item.label, item.shown(item.low), item.shown(item.high)) for item in sliders],
        figures=[item.caption for item in figures],
        questions=questions(lab.name),
        address=f"{link or 'labs'}?lab={lab.name}",
    )
