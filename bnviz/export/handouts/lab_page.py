"""A finished lab as a lesson: the reader predicts, then sees what was measured, and what is behind it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import plotly.graph_objects as go

from bnviz.export import lab_files
from bnviz.export.handouts import page
from bnviz.export.handouts.animation import LOOKS, Look, Slide, film, frame_steps, still
from bnviz.export.handouts.array_pool import Pool
from bnviz.export.handouts.html import Html, tag
from bnviz.export.handouts.markdown import prose
from bnviz.export.handouts.page_data import for_script
from bnviz.export.handouts.question import form, scores
from bnviz.export.handouts.readouts import Reader, cards
from bnviz.figures.charts.distribution_at_one_step import histogram
from bnviz.figures.frame.arms import MAX_ARMS, arm_styles
from bnviz.figures.frame.layers import last_step
from bnviz.figures.frame.palette import WITH, WITHOUT
from bnviz.labs.base import Lab, Result, View
from bnviz.labs.verdicts import Measure, Verdict
from bnviz.recording import Recording

DISTRIBUTION = (
    "What the last hidden layer receives at the step that the slider shows, in front of the nonlinearity itself (thin "
    "grey line)."
)


def lab_lesson(lab: Lab, result: Result, *, link: str = "", unit: int | None = None) -> str:
    """A finished Result as an HTML page.

    link: where the page with the labs is. unit: the one that figures of one unit show, None for the lab's choice.
    Raises ValueError if the Result is not finished.
    """
    check_finished(lab, result)
    recordings = result.shown(View())
    steps = frame_steps(recordings)
    pool = Pool()
    slides = _slides(lab, result, recordings, steps, pool, unit)
    readers = _readers(result, recordings)
    figures = [page.slide(item, place) for place, item in enumerate(slides)]
    told = lab.verdict(result)
    stamp = lab_files.stamp(lab, result, link, unit)
    numbers = tag("section", *about_seeds(result), cards(readers, steps[-1]), class_="numbers")
    after = [
        numbers,
        tag("section", *figures),
        verdict(told),
        tag("section", tag("h2", "What is behind it"), prose(lab.explanation), class_="text"),
        page.bar(len(steps) - 1, steps[-1]),
    ]
    body = [
        tag("header", tag("p", f"bnviz · lab {lab.number}", class_="kicker"), tag("h1", lab.title)),
        claim(lab),
        form(lab),
        tag("div", *after, data_after_question=True),
        page.provenance(stamp),
    ]
    data = for_script(slides, pool, steps, last_step(recordings), readers, prediction=scores(lab, result))
    return page.page(f"{lab.title} · bnviz", body, data, stamp)


def claim(lab: Lab) -> Html:
    """What the paper says, and where."""
    quote = f"“{lab.quote}”" if lab.verbatim else lab.quote
    source = f"Ioffe & Szegedy 2015, {lab.source}" + ("" if lab.verbatim else " (the claim in our words)")
    return tag("blockquote", tag("p", quote), tag("footer", source), class_="claim")


def verdict(told: Verdict, opened: bool = False) -> Html:
    """Whether the run shows the claim, by which rule, and every number that was measured, folded unless `opened`."""
    numbers = page.rows(
        ("measured", "median", "lowest to highest of the seeds") if told.seeds > 1 else ("measured", "value"),
        [
            (item.words, number(item.median), *([_spread(item)] if told.seeds > 1 else []))
            for item in told.measured.values()
        ],
    )
    mark = {True: "✓", False: "✗", None: "?"}[told.holds]
    return tag(
        "section",
        tag("h2", f"{mark} {told.word}"),
        tag("p", told.said.removeprefix(f"{told.word}. ")),
        tag("p", f"The rule: {told.criterion}", class_="rule"),
        tag("details", tag("summary", "Every number that was measured"), numbers, open=opened),
        class_="verdict",
    )


def number(value: float) -> str:
    """A measured number as text: "never" for what was not reached, a dash for what is not known."""
    if value != value:
        return "–"
    return f"{value:,.4g}".replace("-", "−") if abs(value) != float("inf") else "never"


def _spread(item: Measure) -> str:
    low, high = item.spread
    return f"{number(low)} to {number(high)}"


def about_seeds(result: Result) -> list[Html]:
    """Which of several seeds is on show."""
    if result.setting.seed_count == 1:
        return []
    seed = result.shown(View())[0].experiment.seed
    words = f"Every network was trained from {result.setting.seed_count} seeds. Where one is shown, it is seed {seed}."
    return [tag("p", words, class_="rule")]


def check_finished(lab: Lab, result: Result) -> None:
    """Raises ValueError for a Result without a verdict."""
    if not result.finished:
        raise ValueError(f"the lab {lab.name} has no verdict yet: not every network is trained to its end")


def _slides(
    lab: Lab,
    result: Result,
    recordings: Sequence[Recording],
    steps: Sequence[int],
    pool: Pool,
    unit: int | None,
) -> list[Slide]:
    """The lab's own figures, and where colours suffice what the last hidden layers receive, step by step."""
    slides = stills(lab, result, pool, unit)
    if len(recordings) <= MAX_ARMS and len({item.experiment.activation for item in recordings}) == 1:
        draw = {"": partial(_histogram, recordings)}
        slides.append(film("distribution", DISTRIBUTION, draw, steps, pool))
    return slides


def stills(lab: Lab, result: Result, pool: Pool, unit: int | None) -> list[Slide]:
    """The lab's own figures."""
    views = {look: View(theme=look.theme, narrow=look.narrow, unit=unit) for look in LOOKS}
    drawn = {look: lab.figures(result, view) for look, view in views.items()}
    return [
        still(item.name, item.caption, {look: drawn[look][place].figure for look in LOOKS}, pool)
        for place, item in enumerate(drawn[LOOKS[0]])
    ]


def _histogram(recordings: Sequence[Recording], step: int, look: Look) -> go.Figure:
    return histogram(recordings, None, step, theme=look.theme, narrow=look.narrow)


def _readers(result: Result, recordings: Sequence[Recording]) -> list[Reader]:
    """Every arm with its own name; its look is that of the figures where it has one."""
    if len(recordings) <= MAX_ARMS:
        looks = [(style.colour, style.dash) for style in arm_styles(recordings)]
    else:
        looks = [WITHOUT if item.experiment.normalizer == "none" else WITH for item in recordings]
    return [
        Reader(arm.label, look, item) for arm, look, item in zip(result.arms, looks, recordings, strict=True)
    ]
