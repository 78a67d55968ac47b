"""A finished lab as a handout: the reader predicts, then sees what was measured, and what is behind it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from bnviz.export import lab_files
from bnviz.export.handouts import page, question
from bnviz.export.handouts.animation import LOOKS, Look, Slide, animated, frame_steps, still
from bnviz.export.handouts.array_pool import ArrayPool, patches
from bnviz.export.handouts.page_data import page_data
from bnviz.export.handouts.readouts import MOST_CARDS, ShownNetwork
from bnviz.figures.charts.distribution_at_one_step import histogram
from bnviz.figures.frame.arms import MAX_ARMS, arm_styles
from bnviz.figures.frame.layers import last_step
from bnviz.figures.frame.palette import WITH, WITHOUT
from bnviz.figures.frame.plot import Plot
from bnviz.labs.base import Lab, Result, View
from bnviz.labs.predictions import Choice
from bnviz.recording import Recording

DISTRIBUTION = (
    "What the last hidden layer receives at the step that the slider shows. Thin grey line: the nonlinearity."
)


def lab_handout(
    lab: Lab, result: Result, *, link: str = "", unit: int | None = None, around: page.Around | None = None
) -> str:
    """A finished Result as an HTML page.

    link: the address of the page with the labs. unit: the unit of figures that show one, None for the lab's choice.
    around: for a page of a web site. Raises ValueError if the Result is not finished.
    """
    check_finished(lab, result)
    recordings = result.shown(View())
    steps = frame_steps(recordings, *((around.frames, around.stop) if around else ()))
    pool = ArrayPool()
    slides = _slides(lab, result, recordings, steps, pool, unit)
    networks = _networks(result, recordings)
    prediction = question.scores(lab, result)
    data = page_data(slides, pool, steps, last_step(recordings), networks, prediction=prediction)
    return page.page(
        "lab.html",
        f"{lab.title} · bnviz",
        data,
        lab_files.stamp(lab, result, link, unit),
        around=around,
        lab=lab,
        options=question.options(lab),
        sliders=question.sliders(lab),
        told=lab.verdict(result),
        setting=result.setting,
        seed=recordings[0].experiment.seed,
        networks=networks,
        most=MOST_CARDS,
        slides=slides,
        last=len(steps) - 1,
        step=steps[-1],
    )


def check_finished(lab: Lab, result: Result) -> None:
    """Raises ValueError for a Result without a verdict."""
    if not result.finished:
        raise ValueError(f"the lab {lab.name} has no verdict yet: not every network is trained to its end")


def _slides(
    lab: Lab,
    result: Result,
    recordings: Sequence[Recording],
    steps: Sequence[int],
    pool: ArrayPool,
    unit: int | None,
) -> list[Slide]:
    """The lab's own figures and, where there are colours for all networks, the last hidden layers at every step."""
    slides = _with_predictions(lab, result, pool, unit, stills(lab, result, pool, unit))
    if len(recordings) <= MAX_ARMS and len({item.experiment.activation for item in recordings}) == 1:
        draw = {"": partial(_histogram, recordings)}
        slides.append(animated("distribution", DISTRIBUTION, draw, steps, pool))
    return slides


def stills(
    lab: Lab, result: Result, pool: ArrayPool, unit: int | None, guess: float | None = None
) -> list[Slide]:
    """The lab's own figures. guess: see `View`."""
    views = {look: View(theme=look.theme, narrow=look.narrow, unit=unit, guess=guess) for look in LOOKS}
    drawn = {look: lab.figures(result, view) for look, view in views.items()}
    return [
        still(item.name, item.caption, {look: drawn[look][place].figure for look in LOOKS}, pool)
        for place, item in enumerate(drawn[LOOKS[0]])
    ]


def _with_predictions(
    lab: Lab, result: Result, pool: ArrayPool, unit: int | None, slides: Sequence[Slide]
) -> list[Slide]:
    """The slides with, for every notch of the first slider, what a prediction of that number changes in them."""
    if isinstance(lab.prediction, Choice):
        return list(slides)
    marks: list[dict[str, Any]] = [{} for _ in slides]
    for look in LOOKS:
        views = [
            View(theme=look.theme, narrow=look.narrow, unit=unit, guess=notch)
            for notch in lab.prediction.sliders[0].notches
        ]
        drawn = [lab.figures(result, view) for view in views]
        for place, slide in enumerate(slides):
            frames = [pool.figure(figures[place].figure) for figures in drawn]
            marks[place][look.key] = patches(slide.choices[""]["looks"][look.key], frames)
    return [
        slide.predicted(mark) if any(any(changes) for changes in mark.values()) else slide
        for slide, mark in zip(slides, marks, strict=True)
    ]


def _histogram(recordings: Sequence[Recording], step: int, look: Look) -> Plot:
    return histogram.draw(recordings, None, step, theme=look.theme, narrow=look.narrow)


def _networks(result: Result, recordings: Sequence[Recording]) -> list[ShownNetwork]:
    """Every arm with its own name, and with the look of the figures where it has one."""
    if len(recordings) <= MAX_ARMS:
        looks = [(style.colour, style.dash) for style in arm_styles(recordings)]
    else:
        looks = [WITHOUT if item.experiment.normalizer == "none" else WITH for item in recordings]
    return [
        ShownNetwork(arm.label, look, item)
        for arm, look, item in zip(result.arms, looks, recordings, strict=True)
    ]
