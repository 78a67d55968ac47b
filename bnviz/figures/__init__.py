"""Figures: pure functions from Recordings to `plotly.graph_objects.Figure`, and from Recordings to words.

They draw what was measured and nothing else: no torch, no Streamlit, no files.
"""

from bnviz.figures.charts.decision_boundary import boundary
from bnviz.figures.charts.distribution_at_one_step import histogram
from bnviz.figures.charts.what_each_layer_receives import bands
from bnviz.figures.marks.arm_lines import accuracy, loss
from bnviz.figures.marks.layer_lines import drift, gradients, saturation
from bnviz.figures.registry import FIGURES, FigureKind
from bnviz.figures.story import Readout, readouts, story

__all__ = [
    "FIGURES",
    "FigureKind",
    "Readout",
    "accuracy",
    "bands",
    "boundary",
    "drift",
    "gradients",
    "histogram",
    "loss",
    "readouts",
    "saturation",
    "story",
]
