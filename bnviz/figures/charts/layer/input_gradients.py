"""∂ℓ/∂x of one unit, example by example."""

from __future__ import annotations

from typing import Any

import numpy as np

from bnviz.figures.frame.frame import Frame
from bnviz.figures.frame.numbers import rounded
from bnviz.figures.frame.palette import BLUE, VERMILLION
from bnviz.figures.frame.plot import Array, Plot, PlotFunction

CANCELS = 1e-9
"""The share of the gradients' sizes below which their sum is rounding."""
MOST_TICKS, NARROW_TICKS = 32, 10


@PlotFunction
def input_gradients(
    through: Array,
    constant: Array,
    *,
    unit: int,
    shared: str = "",
    numbers: tuple[str, Array] | None = None,
    theme: str = "light",
    narrow: bool = False,
) -> Plot:
    """∂ℓ/∂x of each example, (m,): through the statistics, and as if these were constants.

    shared: which values share the statistics, in words, where they are not one unit of all examples; the arrays are
    then of these. numbers: what tells them apart, "unit" or "example", and the number of each, (m,). From the
    backward pass of `layer.arithmetic`, or of `layer.backward_of_set`. Not to be mistaken for a change of the loss: it
    is a slope, of the sum over the mini-batch. With constant statistics it is the slope of another function than the
    loss.
    """
    cancels = abs(through.sum()) < CANCELS * np.abs(through).sum()
    frame = Frame(
        f"∂ℓ/∂x of {shared}" if shared else f"∂ℓ/∂x of unit {unit}, example by example",
        f"Through the statistics they add up to {rounded(0.0 if cancels else through.sum())}"
        + (": moving all alike changes nothing. " if cancels else ": moving all alike changes the loss. ")
        + f"With constant statistics they add up to {rounded(constant.sum())}.",
        theme=theme,
        narrow=narrow,
        height=330 if not narrow else 400,
        view=("input gradients", unit, shared),
        wide=110,
        legend=["through the statistics", "as if they were constants"],
    )
    reach = 1.15 * max(float(np.abs(through).max()), float(np.abs(constant).max()), 1e-12)
    m = len(through)
    thing, at = numbers or ("example", np.arange(1, m + 1))
    panel = frame.panels(
        1,
        1,
        {
            "range": [float(at[0]) - 0.6, float(at[-1]) + 0.6],
            "tickmode": "array",
            "tickvals": at[:: max(1, -(-m // (NARROW_TICKS if narrow else MOST_TICKS)))].tolist(),
            "showgrid": False,
        },
        {
            "range": [-reach, reach],
            "nticks": 7,
            "hoverformat": ".3~g",
            "exponentformat": "e" if narrow else "power",
            "zeroline": True,
        },
    )[0][0]
    looks: list[tuple[str, Array, str, dict[str, Any]]] = [
        ("through the statistics", through, BLUE, {}),
        (
            "as if they were constants",
            constant,
            VERMILLION,
            {"pattern": {"shape": "/", "fillmode": "replace"}},
        ),
    ]
    for name, values, colour, pattern in looks:
        frame.curves.append(
            {
                "type": "bar",
                "x": at,
                "y": values,
                "name": name,
                "marker": {"color": colour, "line": {"color": colour, "width": 1}} | pattern,
                "xaxis": panel.x,
                "yaxis": panel.y,
                "showlegend": True,
                "hovertemplate": "%{y:.4~g}<extra>" + name + "</extra>",
            }
        )
    frame.layout |= {"barmode": "group", "bargap": 0.3}
    frame.axis_note(thing)
    whose, total = shared or f"unit {unit}", rounded(0.0 if cancels else through.sum())
    return frame.plot(
        f"Bars of the loss’s gradient with respect to the {m} inputs of {whose}. Through the statistics they lie "
        f"between {rounded(through.min())} and {rounded(through.max())} and add up to {total}; with constant "
        f"statistics between {rounded(constant.min())} and {rounded(constant.max())}, adding up to "
        f"{rounded(constant.sum())}."
    )
