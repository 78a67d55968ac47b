"""A run as a lesson: networks trained side by side, on one page with everything that was recorded of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import plotly.graph_objects as go

from bnviz.experiment import Experiment
from bnviz.experiment.knob import POINT_DATASETS
from bnviz.export.handouts import page, settings
from bnviz.export.handouts.animation import LOOKS, Look, Slide, film, frame_steps, still
from bnviz.export.handouts.array_pool import Pool
from bnviz.export.handouts.html import Html, tag
from bnviz.export.handouts.markdown import prose, sentence
from bnviz.export.handouts.page_data import for_script
from bnviz.export.handouts.readouts import Reader, cards
from bnviz.export.stamp import Stamp, plain
from bnviz.figures.charts.decision_boundary import boundary
from bnviz.figures.charts.distribution_at_one_step import histogram
from bnviz.figures.frame.arms import ArmStyle, arm_styles
from bnviz.figures.frame.layers import chosen_layers, depth, last_step
from bnviz.figures.registry import FIGURES
from bnviz.figures.story import changes, story
from bnviz.recording import Recording
from bnviz.recording.training_points import training_points

MAX_TITLE = 120
MAX_NOTE = 4000
"""Characters that a teacher may put above the figures."""

CAPTIONS = {
    "accuracy": "One line for each network, judged by examples it never trained on. Dotted: guessing.",
    "loss": "The mistake on training examples, which every step tries to make smaller.",
    "bands": "**The heart of it.** Each panel is what one layer’s nonlinearities receive: the line is the median, the "
    "bands hold 70 % and 90 % of the values. Where a band moves or widens, the layers above learn from inputs that "
    "keep changing under them. In the grey zone a nonlinearity hardly answers, and hardly learns.",
    "histogram": "One layer at the step that the slider shows, in front of the nonlinearity itself (thin grey line). "
    "Follow how the mass moves against the steep part.",
    "boundary": "What each network would answer at every point of the plane, at the step that the slider shows.",
    "gradients": "How strongly the loss pulls at each layer. Lines far apart: the layers learn at different paces.",
    "drift": "How far each layer’s input has moved from where it was: internal covariate shift as a number.",
    "saturation": "How much of each layer sits where it can hardly learn.",
}
ALWAYS = ("accuracy", "loss", "bands")
BEHIND = ("gradients", "drift", "saturation")

HOW_TO = (
    "**Move the slider below**, or press Play: it runs through the training, a line marks the step in every figure, "
    "and the numbers and distributions are those of that step. The arrow keys move it, too."
)

QUESTIONS = (
    "Without reading the numbers: from which step on can you tell by the bands which network is which?",
    "Find the step at which the accuracies part. What do the bands show just before it?",
    "Compare the last layer’s distribution at step 0 and at the end. How much of it lies where the nonlinearity "
    "hardly answers, and in which network?",
)

BATCH_NORMALIZATION = r"""
Batch normalization puts one line of arithmetic between a layer’s sum and its nonlinearity. For each unit, over the
examples of the mini-batch $B$:

$$\hat x = \frac{x - \mu_B}{\sqrt{\sigma_B^2 + \varepsilon}}, \qquad y = \gamma \hat x + \beta$$

The mean $\mu_B$ and the variance $\sigma_B^2$ are those of the mini-batch, so that $\hat x$ has mean 0 and variance 1
whatever the layers below do. $\gamma$ and $\beta$ are learned: the network can have any mean and width it likes, but
sets them by two numbers and no longer by everything below. That this is why training gets faster was the paper’s
explanation; Santurkar et al. (2018) and Bjorck et al. (2018) found reasons to doubt it.
"""


def run_lesson(recordings: Sequence[Recording], *, title: str = "", note: str = "", link: str = "") -> str:
    """One to five Recordings as an HTML page. title, note: the teacher's own, plain text. link: opens it again.

    Raises ValueError for other numbers of Recordings, and for ones in which nothing was recorded.
    """
    styles = arm_styles(recordings)
    if not any(item.snapshots for item in recordings):
        raise ValueError("there is nothing to show: nothing was recorded yet")
    steps = frame_steps(recordings)
    experiments = _experiments(recordings)
    pool = Pool()
    slides = _slides(recordings, steps, pool)
    places = {item.name: place for place, item in enumerate(slides)}
    readers = [Reader.of(style, item) for style, item in zip(styles, recordings, strict=True)]
    stories = [story(recordings, step) for step in steps]

    def shown(*names: str) -> list[Html]:
        return [page.slide(slides[places[name]], places[name]) for name in names if name in places]

    heading = plain(title, MAX_TITLE) or _title(experiments, len(recordings))
    numbers = tag(
        "section", cards(readers, steps[-1]), tag("p", stories[-1], class_="story"), class_="numbers"
    )
    body = [
        tag("header", tag("p", "bnviz · a lesson", class_="kicker"), tag("h1", heading), *_note(note)),
        tag("section", *_introduction(recordings, styles)),
        numbers,
        tag("section", *shown("accuracy", "boundary" if "boundary" in places else "loss"), class_="pair"),
        tag("section", *shown("bands", "histogram")),
        tag(
            "section", tag("h2", "Look closer"), *shown(*(["loss"] if "boundary" in places else []), *BEHIND)
        ),
        *_questions(recordings),
        page.provenance(Stamp.of(recordings, link=link)),
        page.bar(len(steps) - 1, steps[-1]),
    ]
    data = for_script(slides, pool, steps, last_step(recordings), readers, stories)
    return page.page(heading, body, data, Stamp.of(recordings, link=link))


def _slides(recordings: Sequence[Recording], steps: Sequence[int], pool: Pool) -> list[Slide]:
    """Every figure that has something to show."""
    slides = [
        still(
            name,
            CAPTIONS[name],
            {
                look: FIGURES[name].function(recordings, theme=look.theme, narrow=look.narrow)
                for look in LOOKS
            },
            pool,
        )
        for name in (*ALWAYS, *BEHIND)
    ]
    layers = chosen_layers(recordings, None) if depth(recordings) > 1 else [1]
    draw = {str(layer): partial(_histogram, recordings, layer) for layer in layers}
    slides.append(film("histogram", CAPTIONS["histogram"], draw, steps, pool, asked="Layer"))
    if all(item.watched is None and item.experiment.dataset in POINT_DATASETS for item in recordings):
        points = training_points(recordings)
        plane = {
            "": lambda step, look: boundary(recordings, points, step, theme=look.theme, narrow=look.narrow)
        }
        slides.append(film("boundary", CAPTIONS["boundary"], plane, steps, pool))
    return slides


def _experiments(recordings: Sequence[Recording]) -> list[Experiment]:
    """Those of the networks that bnviz trained; none if others are beside them, with which nothing compares."""
    if any(item.watched is not None for item in recordings):
        return []
    return [item.experiment for item in recordings]


def _histogram(recordings: Sequence[Recording], layer: int, step: int, look: Look) -> go.Figure:
    return histogram(recordings, layer, step, theme=look.theme, narrow=look.narrow)


def _title(experiments: Sequence[Experiment], count: int) -> str:
    """What the page is about, from what differs."""
    apart = settings.apart(experiments)
    if count == 1:
        return "A network in training, layer by layer"
    if {item.normalizer for item in experiments} == {"none", "batch"} and len(apart) == 1:
        return "What batch normalization changes"
    if len(apart) == 1:
        return f"What changes with another {apart[0][0][0].lower()}{apart[0][0][1:]}?"
    return "Networks side by side"


def _note(note: str) -> list[Html]:
    """What the teacher has to say, one paragraph a line."""
    lines = [plain(line, MAX_NOTE) for line in note[:MAX_NOTE].splitlines()]
    return [tag("div", *(tag("p", line) for line in lines if line), class_="note")] if any(lines) else []


def _introduction(recordings: Sequence[Recording], styles: Sequence[ArmStyle]) -> list[Html]:
    """What trains here, and how to use the page."""
    experiments = _experiments(recordings)
    names = [style.label for style in styles]
    if len(recordings) > 1:
        seed = ", from the same seed" if len({item.seed for item in experiments}) == 1 else ""
        whose = f" were trained side by side{seed}. Nothing is drawn by hand: every curve and number was measured "
        first = tag("b", f"{', '.join(names[:-1])} and {names[-1]}"), f"{whose}while they learned."
    else:
        first = tag("b", names[0]), ": every curve and number was measured while this network learned."
    parts = [tag("p", *first, class_="lead"), tag("p", sentence(HOW_TO), class_="lead")]
    made = [f"From step {item['step']:,} on: {item['text']}." for item in changes(recordings, styles)]
    if made:
        parts.append(tag("p", tag("b", "Changed on the way. "), " ".join(made)))
    differing = settings.apart(experiments)
    if len(experiments) > 2 or len(differing) > 1:
        parts.append(page.rows(("", *names), differing))
    if experiments:
        heading = tag("summary", "What they have in common" if len(recordings) > 1 else "Its settings")
        parts.append(tag("details", heading, page.rows((), settings.shared(experiments), "settings")))
    return parts


def _questions(recordings: Sequence[Recording]) -> list[Html]:
    """What to think about, and the arithmetic, where batch normalization is on show."""
    parts = []
    if len(recordings) > 1:
        asked = tag("ol", *(tag("li", question) for question in QUESTIONS))
        parts.append(tag("section", tag("h2", "Questions to take along"), asked, class_="text"))
    if any(item.normalizer == "batch" for item in _experiments(recordings)):
        text = prose(BATCH_NORMALIZATION)
        parts.append(tag("section", tag("h2", "What batch normalization does"), text, class_="text"))
    return parts
