"""The charts of a run by name, so that a page, a route or a command can build any of them.

To add one, write its file in `charts/` and add an entry here.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from bnviz.figures.charts.accuracy import accuracy
from bnviz.figures.charts.activations_and_gradients import activations_and_gradients
from bnviz.figures.charts.decision_boundary import boundary
from bnviz.figures.charts.distribution_at_one_step import histogram
from bnviz.figures.charts.distribution_over_time import over_time
from bnviz.figures.charts.drift import drift
from bnviz.figures.charts.gradients import gradients
from bnviz.figures.charts.learning_rate import learning_rate
from bnviz.figures.charts.loss import loss
from bnviz.figures.charts.overview import overview
from bnviz.figures.charts.saturation import saturation
from bnviz.figures.charts.update_ratio import update_ratio
from bnviz.figures.charts.weight_norm import weight_norm
from bnviz.figures.charts.what_each_layer_receives import bands
from bnviz.figures.frame.plot import PlotFunction
from bnviz.recording import Recording
from bnviz.recording.subject import Subject


@dataclass(frozen=True)
class FigureKind:
    """A chart as pages know it.

    title: above it on the page; its file in `charts/` has the same name. heights: in pixels,
    wide and narrow, for two arms and three layers; `size` gives them for any. caption: Markdown below it, in the app
    and in handouts: what it shows and what to look for.
    """

    function: PlotFunction[...]
    title: str
    heights: tuple[int, int]
    caption: str

    def size(self, subjects: Sequence[Subject], **arguments: Hashable) -> tuple[int, int]:
        """The heights of the chart of these networks with these view arguments, wide and narrow."""
        return _size(self.function, tuple(subjects), tuple(sorted(arguments.items())))

    @property
    def arguments(self) -> tuple[str, ...]:
        """The view arguments it takes besides the recordings."""
        return tuple(inspect.signature(self.function).parameters)[1:]


@functools.lru_cache(maxsize=1000)  # a page asks every time that its script runs
def _size(
    function: PlotFunction[...],
    subjects: tuple[Subject, ...],
    arguments: tuple[tuple[str, Hashable], ...],
) -> tuple[int, int]:
    empty = [Recording(subject) for subject in subjects]
    wide, narrow = (function.draw(empty, **dict(arguments), narrow=narrow) for narrow in (False, True))
    return wide.height, narrow.height


_BANDS = (
    "Each panel shows what the nonlinearities of one layer receive. The line is the median, the bands hold 70 % and "
    "90 % of the values. Where a band moves or widens, the layers above learn from inputs that keep changing. In the "
    "grey zones the slope of the nonlinearity is almost zero, and units hardly learn."
)

FIGURES: Mapping[str, FigureKind] = MappingProxyType(
    {
        "accuracy": FigureKind(
            accuracy,
            "Accuracy",
            (300, 320),
            "The percentage of held-out examples that each network classifies correctly. Dotted: guessing.",
        ),
        "loss": FigureKind(
            loss,
            "Loss",
            (300, 320),
            "The loss on training examples: training makes it smaller.",
        ),
        "overview": FigureKind(
            overview,
            "Overview",
            (520, 660),
            _BANDS,
        ),
        "bands": FigureKind(
            bands,
            "What each layer receives",
            (520, 600),
            _BANDS,
        ),
        "histogram": FigureKind(
            histogram,
            "Distribution at one step",
            (340, 420),
            "One layer at one step, with the nonlinearity as a thin grey line. See how the distribution lies "
            "relative to the steep part.",
        ),
        "gradients": FigureKind(
            gradients,
            "Gradients",
            (330, 480),
            "The norm of the loss gradient for each layer’s weights. Where the lines are far apart, the layers "
            "learn at different speeds.",
        ),
        "drift": FigureKind(
            drift,
            "Drift",
            (330, 480),
            "How far each layer’s inputs have moved from where they began: internal covariate shift as a "
            "number.",
        ),
        "saturation": FigureKind(
            saturation,
            "Saturation",
            (330, 480),
            "The share of each layer that lies where the slope of the nonlinearity is almost zero. There it "
            "hardly learns.",
        ),
        "over_time": FigureKind(
            over_time,
            "Distribution over time",
            (370, 550),
            "What one layer receives, step by step: the darker, the more values. Both networks have the same shades. "
            "See when the distribution moves, and whether it grows wider.",
        ),
        "activations_and_gradients": FigureKind(
            activations_and_gradients,
            "Activations and gradients",
            (370, 640),
            "One layer at one step: what its nonlinearities receive, and how large the gradients of its weights are. "
            "Gradients far to the left are small: these weights hardly learn.",
        ),
        "update_ratio": FigureKind(
            update_ratio,
            "Update ratio",
            (330, 480),
            "How far one step moves the weights, relative to their length. About 10⁻³ is customary: much more is "
            "restless, much less is slow.",
        ),
        "weight_norm": FigureKind(
            weight_norm,
            "Weight norm",
            (330, 480),
            "How long each layer’s weights are. Behind batch normalization a longer weight vector changes nothing in "
            "the output, but makes each step turn it less.",
        ),
        "learning_rate": FigureKind(
            learning_rate,
            "Learning rate",
            (300, 320),
            "What each step is multiplied by, where it is not the same all the time.",
        ),
        "boundary": FigureKind(
            boundary,
            "Decision boundary",
            (430, 730),
            "The class that each network gives to every point of the plane, at one step.",
        ),
    }
)
