"""A finished lab as a report to hand in: claim, prediction, verdict, figures, settings, and where all is from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from bnviz.export import lab_files
from bnviz.export.browser import Chrome, ChromeError
from bnviz.export.handouts import page, settings
from bnviz.export.handouts.array_pool import Pool
from bnviz.export.handouts.html import Html, tag
from bnviz.export.handouts.lab_page import about_seeds, check_finished, claim, stills, verdict
from bnviz.export.handouts.markdown import prose, sentence
from bnviz.export.handouts.page_data import for_script
from bnviz.export.kinds import Kind
from bnviz.export.metadata import stamped_pdf
from bnviz.export.sheet import alt_text, font_style, ready
from bnviz.export.stamp import Stamp
from bnviz.labs.base import Drawing, Lab, Result, View
from bnviz.labs.predictions import Choice, Score

REPORT_KIND = Kind("svg-report", "svg", "", "SVG")
"""Figures in a report: laid out as for a slide, printed to the width of the page."""

_FONTS = re.compile(r"<defs><style>@font-face.*?</style></defs>", re.DOTALL)


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

    said: the student's prediction as the page's link has it, "" for none. link: where the page with the labs is.
    unit: the one that figures of one unit show. chrome: draws the figures as SVG; without one, or where it cannot,
    they are drawn by the reader's browser. Raises PredictionError, and ValueError if the Result is not finished.
    """
    check_finished(lab, result)
    stamp = lab_files.stamp(lab, result, link, unit)
    try:
        figures, data = _drawn(lab, result, unit, chrome), None
    except ChromeError:
        figures, data = _interactive(lab, result, unit)
    return page.page(f"{lab.title} · bnviz", _body(lab, result, said, figures, stamp), data, stamp)


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


def _body(lab: Lab, result: Result, said: str, figures: list[Html], stamp: Stamp) -> list[Html]:
    experiments = [arm.experiment for arm in result.arms]
    # A row for each field would be as wide as there are networks; a lab has up to two dozen.
    fields, *values = zip(*settings.apart(experiments), strict=True)
    arms = [[arm.label, *row] for arm, row in zip(result.arms, values, strict=True)]
    return [
        tag("header", tag("p", f"bnviz · report on lab {lab.number}", class_="kicker"), tag("h1", lab.title)),
        claim(lab),
        _prediction(lab, result, said),
        verdict(lab.verdict(result), opened=True),
        tag("section", tag("h2", "What was measured"), *about_seeds(result), *figures),
        tag("section", tag("h2", "What is behind it"), prose(lab.explanation), class_="text"),
        tag(
            "section",
            tag("h2", "Settings"),
            page.rows(("network", *fields), arms),
            tag("p", "The same in all of them:"),
            page.rows((), settings.shared(experiments), "settings"),
        ),
        page.provenance(stamp),
    ]


def _prediction(lab: Lab, result: Result, said: str) -> Html:
    """What was asked, what was answered, and how it fared."""
    parts = [tag("p", tag("b", "The question. "), sentence(lab.question))]
    if isinstance(lab.prediction, Choice):
        parts.append(tag("ul", *(tag("li", words) for words in lab.prediction.options.values())))
    if said:
        score = scored(lab, result, said)
        mark = {True: "✓ ", False: "✗ ", None: "? "}[score.right]
        parts.append(tag("p", tag("b", "The prediction. "), mark + score.sentence))
    return tag("section", *parts, class_="question")


def scored(lab: Lab, result: Result, said: str) -> Score:
    """How a prediction, as the page's link has it, fared. Raises PredictionError."""
    return lab.score(lab.prediction.read(said), result)


def _drawn(lab: Lab, result: Result, unit: int | None, chrome: Chrome | None) -> list[Html]:
    """The lab's figures as SVG. Raises ChromeError."""
    if chrome is None:
        raise ChromeError("there is no browser to draw with")
    fonts = tag("style", Html(font_style()))
    return [fonts, *(_svg(item, chrome) for item in lab.figures(result, View(theme="print", unit=unit)))]


def _svg(item: Drawing, chrome: Chrome) -> Html:
    """A figure within the page. The typeface stands in the page once, not in every figure."""
    figure = item.figure
    text = chrome.draw(ready(figure, REPORT_KIND, None), REPORT_KIND).decode()
    text = _FONTS.sub("", text[text.index("<svg") :], count=1)
    alt = tag("i", aria_label=alt_text(figure)).removeprefix("<i ").removesuffix("></i>")
    text = text.replace("<svg ", f'<svg role="img" {alt} ', 1)
    canvas = tag("div", Html(text), class_="canvas")
    return tag("figure", canvas, tag("figcaption", sentence(item.caption)), data_name=item.name)


def _interactive(lab: Lab, result: Result, unit: int | None) -> tuple[list[Html], dict[str, Any]]:
    """The lab's figures, to be drawn by the reader's browser, and what it needs for that."""
    pool = Pool()
    slides = stills(lab, result, pool, unit)
    figures = [page.slide(item, place) for place, item in enumerate(slides)]
    return figures, for_script(slides, pool, (), 0, ())
