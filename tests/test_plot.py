"""What pages get as JSON is what Plotly itself would write of the go.Figure."""

import json

import numpy as np
import plotly.io
import pytest

from bnviz.experiment import Experiment
from bnviz.figures import FIGURES
from bnviz.figures.frame.plot import Plot
from tests.recordings import recording

PAIR = [recording(shift=2.0), recording(Experiment(normalizer="batch", steps=1000), spread=3.0)]


@pytest.mark.parametrize("theme", ["light", "projector-dark"])
@pytest.mark.parametrize("name", FIGURES)
def test_every_figures_json_is_plotlys_own(name: str, theme: str) -> None:
    function = FIGURES[name].function
    plotlys = plotly.io.to_json(function(PAIR, theme=theme), validate=False, engine="orjson")
    assert json.loads(function.draw(PAIR, theme=theme).json()) == json.loads(plotlys)


@pytest.mark.parametrize(
    "values",
    [
        np.array([1.5, np.nan, np.inf], np.float32),
        np.arange(300, dtype=np.uint16),
        np.arange(6, dtype=np.uint8).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array([]),
        np.array(["a", "b"]),
    ],
)
def test_arrays_of_any_kind_are_written_as_plotly_writes_them(values: np.ndarray) -> None:
    plot = Plot([{"type": "heatmap", "z": values}], {"height": np.float64(300.0)})
    plotlys = plotly.io.to_json(plot.figure(), validate=False, engine="orjson")
    mine, theirs = json.loads(plot.json()), json.loads(plotlys)
    assert mine["data"] == theirs["data"]
    assert mine["layout"] == {"height": 300.0}


def test_what_is_no_part_of_a_figure_is_refused() -> None:
    with pytest.raises(TypeError, match="set"):
        Plot([], {"meta": {1}}).json()
