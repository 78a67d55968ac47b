"""A histogram as a step outline with a light fill, in an arm's colour and dash."""

from __future__ import annotations

from typing import Any

import numpy as np

from bnviz.figures.frame.arms import ArmStyle
from bnviz.figures.frame.frame import Frame, Panel
from bnviz.figures.frame.plot import Array


def outline(
    frame: Frame,
    panel: Panel,
    arm: ArmStyle,
    edges: Array,
    heights: Array,
    *,
    legend: bool = True,
    **more: Any,
) -> None:
    """Draw it. edges: (bins + 1,). heights: (bins,), or empty for an arm without one. more: of the trace.

    legend: whether the legend shows it.
    """
    frame.line(
        panel,
        edges if heights.size else np.zeros(0),
        np.append(heights, heights[-1]) if heights.size else heights,
        name=arm.label,
        legendgroup=arm.letter,
        showlegend=legend,
        fill="tozeroy",
        fillcolor=frame.theme.fill(arm.colour, strong=False),
        line={"color": arm.colour, "width": frame.theme.line, "dash": arm.dash, "shape": "hv"},
        hovertemplate=f"%{{y:.3~g}}<extra>{arm.letter}</extra>",
        **more,
    )
