"""Figures: pure functions from Recordings to `plotly.graph_objects.Figure`, and from Recordings to words.

They draw what was measured and nothing else: no torch, no Streamlit, no files.

charts/     one chart a file
marks/      what several charts are drawn with
frame/      what every chart stands on
registry    the charts of a run by name
story       what was measured, in words
wording     a run in words: what its arms share, and what each is called
thumbnail   a small picture of a run
"""

from bnviz.figures.charts.accuracy import accuracy
from bnviz.figures.charts.activations_and_gradients import activations_and_gradients
from bnviz.figures.charts.decision_boundary import boundary
from bnviz.figures.charts.distribution_at_one_step import histogram
from bnviz.figures.charts.distribution_over_time import over_time
from bnviz.figures.charts.drift import drift
from bnviz.figures.charts.gradients import gradients
from bnviz.figures.charts.learning_rate import learning_rate
from bnviz.figures.charts.loss import loss
from bnviz.figures.charts.saturation import saturation
from bnviz.figures.charts.update_ratio import update_ratio
from bnviz.figures.charts.weight_norm import weight_norm
from bnviz.figures.charts.what_each_layer_receives import bands
from bnviz.figures.registry import FIGURES, FigureKind
from bnviz.figures.story import Readout, readouts, story

__all__ = [
    "FIGURES",
    "FigureKind",
    "Readout",
    "accuracy",
    "activations_and_gradients",
    "bands",
    "boundary",
    "drift",
    "gradients",
    "histogram",
    "learning_rate",
    "loss",
    "over_time",
    "readouts",
    "saturation",
    "story",
    "update_ratio",
    "weight_norm",
]
