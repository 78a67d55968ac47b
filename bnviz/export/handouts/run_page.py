"""A run as a handout: networks trained side by side, on one page with everything that was recorded of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from bnviz.experiment import Experiment
from bnviz.experiment.knob import POINT_DATASETS
from bnviz.export.handouts import page, settings
from bnviz.export.handouts.animation import LOOKS, Look, Slide, animated, frame_steps, still
from bnviz.export.handouts.array_pool import ArrayPool
from bnviz.export.handouts.page_data import page_data
from bnviz.export.handouts.readouts import MOST_CARDS, ShownNetwork
from bnviz.export.stamp import Stamp, plain
from bnviz.figures.charts.decision_boundary import boundary
from bnviz.figures.charts.distribution_at_one_step import histogram
from bnviz.figures.frame.arms import arm_styles
from bnviz.figures.frame.layers import chosen_layers, depth, last_step
from bnviz.figures.frame.plot import Plot
from bnviz.figures.registry import FIGURES
from bnviz.figures.story import changes, story
from bnviz.recording import Recording
from bnviz.recording.training_points import training_points

MAX_TITLE = 120
MAX_NOTE = 4000
"""Characters that a teacher may put above the figures."""

ALWAYS = ("accuracy", "loss", "bands")
BEHIND = ("gradients", "drift", "saturation")

HOW_TO = (
    "**Move the slider below**, or press Play: it runs through the training, a line marks the step in every figure, "
    "and the numbers and distributions are those of that step. The arrow keys move it, too."
)

QUESTIONS = (
    "Without reading the numbers: from which step on can you tell by the bands which network is which?",
    "Find the step from which on the accuracies differ. What do the bands show just before it?",
    "Compare the last layer’s distribution at step 0 and at the end. How much of it lies where the slope of "
    "the nonlinearity is almost zero, and in which network?",
)

BATCH_NORMALIZATION = r"""
Batch normalization puts one line of arithmetic between a layer’s sum and its nonlinearity. For each unit, over the
examples of the mini-batch $B$:

$$\hat x = \frac{x - \mu_B}{\sqrt{\sigma_B^2 + \varepsilon}}, \qquad y = \gamma \hat x + \beta$$

The mean $\mu_B$ and the variance $\sigma_B^2$ are those of the mini-batch, so $\hat x$ has mean 0 and variance 1,
whatever the layers below do. $\gamma$ and $\beta$ are learned. With them the network can still choose any mean and any
width, but by two numbers of this layer, and not by the layers below. The paper says that this makes training faster.
Santurkar et al. (2018) and Bjorck et al. (2018) found reasons to doubt it.
"""


def run_handout(
    recordings: Sequence[Recording],
    *,
    title: str = "",
    note: str = "",
    link: str = "",
    around: page.Around | None = None,
) -> str:
    """One to five Recordings as an HTML page. title, note: the teacher's, plain text. link: opens the run again.

    around: for a page of a web site.

    Raises ValueError for other numbers of Recordings, and for ones in which nothing was recorded.
    """
    styles = arm_styles(recordings)
    if not any(item.snapshots for item in recordings):
        raise ValueError("there is nothing to show: nothing was recorded yet")
    steps = frame_steps(recordings, *((around.frames, around.stop) if around else ()))
    experiments = _experiments(recordings)
    pool = ArrayPool()
    slides = _slides(recordings, steps, pool)
    networks = [ShownNetwork.of(style, item) for style, item in zip(styles, recordings, strict=True)]
    stories = [story(recordings, step) for step in steps]
    plane = any(item.name == "boundary" for item in slides)
    apart = settings.apart(experiments)
    names = [style.label for style in styles]
    return page.page(
        "run.html",
        plain(title, MAX_TITLE) or _title(experiments, len(recordings)),
        page_data(
            slides,
            pool,
            steps,
            last_step(recordings),
            networks,
            stories,
            pause=around.stop if around else None,
        ),
        Stamp.of(recordings, link=link),
        around=around,
        note=_note(note),
        names=names,
        one_seed=len({item.seed for item in experiments}) == 1,
        how_to=HOW_TO,
        changes=changes(recordings, styles),
        columns=["", *names],
        apart=apart if len(experiments) > 2 or len(apart) > 1 else [],
        shared=settings.shared(experiments) if experiments else [],
        networks=networks,
        most=MOST_CARDS,
        step=steps[-1],
        story=stories[-1],
        slides=slides,
        first=["accuracy", "boundary" if plane else "loss"],
        closer=[*(["loss"] if plane else []), *BEHIND],
        questions=QUESTIONS if len(recordings) > 1 else (),
        batch_normalization=BATCH_NORMALIZATION if any(e.normalizer == "batch" for e in experiments) else "",
        last=len(steps) - 1,
    )


def _slides(recordings: Sequence[Recording], steps: Sequence[int], pool: ArrayPool) -> list[Slide]:
    """Every figure that has something to show."""
    slides = [
        still(
            name,
            FIGURES[name].caption,
            {
                look: FIGURES[name].function.draw(recordings, theme=look.theme, narrow=look.narrow)
                for look in LOOKS
            },
            pool,
        )
        for name in (*ALWAYS, *BEHIND)
    ]
    layers = chosen_layers(recordings, None) if depth(recordings) > 1 else [1]
    draw = {str(layer): partial(_histogram, recordings, layer) for layer in layers}
    slides.append(animated("histogram", FIGURES["histogram"].caption, draw, steps, pool, asked="Layer"))
    if all(item.watched is None and item.experiment.dataset in POINT_DATASETS for item in recordings):
        points = training_points(recordings)
        plane = {
            "": lambda step, look: boundary.draw(
                recordings, points, step, theme=look.theme, narrow=look.narrow
            )
        }
        slides.append(animated("boundary", FIGURES["boundary"].caption, plane, steps, pool))
    return slides


def _experiments(recordings: Sequence[Recording]) -> list[Experiment]:
    """The networks' Experiments; none if one of them was only watched, as it has no settings to compare."""
    if any(item.watched is not None for item in recordings):
        return []
    return [item.experiment for item in recordings]


def _histogram(recordings: Sequence[Recording], layer: int, step: int, look: Look) -> Plot:
    return histogram.draw(recordings, layer, step, theme=look.theme, narrow=look.narrow)


def _title(experiments: Sequence[Experiment], count: int) -> str:
    """A heading that follows from what differs between the networks."""
    apart = settings.apart(experiments)
    if count == 1:
        return "A network in training, layer by layer"
    if {item.normalizer for item in experiments} == {"none", "batch"} and len(apart) == 1:
        return "What batch normalization changes"
    if len(apart) == 1:
        return f"What changes with another {apart[0][0][0].lower()}{apart[0][0][1:]}?"
    return "Networks side by side"


def _note(note: str) -> list[str]:
    """The paragraphs of a teacher's note, one for each line that is not empty."""
    lines = [plain(line, MAX_NOTE) for line in note[:MAX_NOTE].splitlines()]
    return [line for line in lines if line]
