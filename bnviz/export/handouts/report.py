"""A finished lab as a report to hand in: claim, prediction, verdict, figures, settings and provenance."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import plotly.graph_objects as go
from markupsafe import Markup

from bnviz.export import lab_files
from bnviz.export.browser import Chrome, ChromeError
from bnviz.export.handouts import page, settings
from bnviz.export.handouts.animation import Slide
from bnviz.export.handouts.array_pool import ArrayPool
from bnviz.export.handouts.lab_page import check_finished, stills
from bnviz.export.handouts.page_data import page_data
from bnviz.export.handouts.question import options
from bnviz.export.kinds import Kind
from bnviz.export.metadata import stamped_pdf
from bnviz.export.page import figure_json
from bnviz.export.sheet import alt_text, font_style, ready, title_text
from bnviz.labs.base import Lab, Result, View
from bnviz.labs.predictions import Score

REPORT_KIND = Kind("svg-report", "svg", "", "SVG")
"""Figures in a report: laid out as for a slide, printed to the width of the page."""

_FONTS = re.compile(r"<defs><style>@font-face.*?</style></defs>", re.DOTALL)
_TABLE_IDS = re.compile(r' id="(?:header|cells\d+)"')
"""Of the blocks of a Plotly table: the same in every table, and nothing refers to them."""


def lab_report(
    lab: Lab,
    result: Result,
    *,
    said: str = "",
    link: str = "",
    unit: int | None = None,
    chrome: Chrome | None = None,
) -> str:
    """A finished Result as an HTML page.

    said: the student's prediction as the page's link has it, "" for none. link: the address of the page with the
    labs. unit: the unit of figures that show one. chrome: draws the figures as SVG; without one, or where it cannot,
    the reader's browser draws them. Raises PredictionError, and ValueError if the Result is not finished.
    """
    check_finished(lab, result)
    guess = lab.guess(said)
    drawings: list[_Drawn] = []
    slides: list[Slide] = []
    data = None
    try:
        drawings = _drawn(lab, result, View(theme="print", unit=unit, guess=guess), chrome)
    except ChromeError:
        pool = ArrayPool()
        slides = stills(lab, result, pool, unit, guess)
        data = page_data(slides, pool, (), 0, ())
    experiments = [arm.experiment for arm in result.arms]
    # A row for each field would be as wide as there are networks; a lab has up to two dozen.
    fields, *values = zip(*settings.apart(experiments), strict=True)
    return page.page(
        "report.html",
        f"{lab.title} · bnviz",
        data,
        lab_files.stamp(lab, result, link, unit),
        tabled=bool(drawings),
        lab=lab,
        options=options(lab),
        score=scored(lab, result, said) if said else None,
        told=lab.verdict(result),
        setting=result.setting,
        seed=result.shown(View())[0].experiment.seed,
        fonts=Markup(font_style()),
        drawings=drawings,
        slides=slides,
        fields=["network", *fields],
        arms=[[arm.label, *row] for arm, row in zip(result.arms, values, strict=True)],
        shared=settings.shared(experiments),
    )


def printed(lab: Lab, result: Result, report: str, chrome: Chrome, *, link: str = "") -> bytes:
    """What `lab_report` made with the same Chrome, as PDF. Raises ChromeError and ChromeBusyError."""
    told = f"A report on the lab “{lab.title}”. {lab.verdict(result).said}"
    return stamped_pdf(chrome.print_page(report), lab_files.stamp(lab, result, link), lab.title, told)


def write_report(lab: Lab, result: Result, folder: Path, said: str = "") -> str | None:
    """Write report.html and report.pdf into an existing folder. Returns a sentence if there could be no PDF."""
    with Chrome() as chrome:
        report = lab_report(lab, result, said=said, chrome=chrome)
        (folder / "report.html").write_text(report, encoding="utf-8")
        try:
            (folder / "report.pdf").write_bytes(printed(lab, result, report, chrome))
        except ChromeError as error:
            return f"The report is there as HTML, but not as PDF. {error}"
    return None


def scored(lab: Lab, result: Result, said: str) -> Score:
    """How a prediction, as the page's link has it, fared. Raises PredictionError."""
    return lab.score(lab.prediction.read(said), result)


@dataclass(frozen=True)
class _Drawn:
    """A figure within the page. svg: without the typeface, which stands in the page once. drawing: its JSON."""

    name: str
    caption: str
    title: str
    svg: Markup
    drawing: Markup


def _drawn(lab: Lab, result: Result, view: View, chrome: Chrome | None) -> list[_Drawn]:
    """The lab's figures as SVG. Raises ChromeError."""
    if chrome is None:
        raise ChromeError("there is no browser to draw with")
    drawings = lab.figures(result, view)
    return [
        _Drawn(item.name, item.caption, title_text(figure), _svg(figure, chrome), figure_json(figure))
        for item, figure in ((item, item.figure) for item in drawings)
    ]


def _svg(figure: go.Figure, chrome: Chrome) -> Markup:
    text = chrome.draw(ready(figure, REPORT_KIND, None), REPORT_KIND).decode()
    text = _TABLE_IDS.sub("", _FONTS.sub("", text[text.index("<svg") :], count=1))
    start = Markup('<svg role="img" aria-label="{}" ').format(alt_text(figure))
    return Markup(text.replace("<svg ", start, 1))
