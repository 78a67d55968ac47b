"""How a mini-batch and its gradient pass through deep networks before training: six quantities, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bnviz.figures.frame.axes import decades, log_ticks, rounded_up
from bnviz.figures.frame.frame import Frame, Panel
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.palette import MORE, WITH, WITHOUT
from bnviz.figures.frame.plot import Array, Plot, PlotFunction
from bnviz.figures.frame.tabled import UNTABLED, tabled
from bnviz.figures.frame.theme import theme_named
from bnviz.recording.signal import NEAR, SINGULAR, Signal

LABELS = {
    "none": "no normalization",
    "batch": "batch norm",
    "layer": "layer norm",
    "residual": "batch norm, residual",
    "residual-plain": "residual alone",
}
"""What readers are told of the kinds in experiment.depths.KINDS."""
LOOKS = dict(zip(LABELS, (WITHOUT, WITH, *MORE), strict=True))
"""Their colours and dashes."""

ABOVE = 30
"""Pixels from the first row of panels up to the legend: the panels' headings stand between."""

LEAST = 1e-300
"""Squared norms below it are left out of a logarithmic axis: float64 rounds them to zero soon after."""


@dataclass(frozen=True, eq=False)
class Network:
    """One network. look: colour and dash. expected: the growth of its gradient that theory derives, NaN without one."""

    label: str
    look: tuple[str, str]
    signal: Signal
    expected: float = math.nan


@dataclass(frozen=True)
class Quantity:
    """A panel. points: of a Signal, the layers and the values there. reference: a value drawn as a dotted line."""

    heading: str
    points: Callable[[Signal], tuple[Array, Array]]
    logarithmic: bool = False
    limits: tuple[float, float] | None = None
    reference: float | None = None


def _of_layers(values: Callable[[Signal], Array]) -> Callable[[Signal], tuple[Array, Array]]:
    return lambda signal: (signal.layers, values(signal))


QUANTITIES = (
    Quantity("‖∂loss/∂z‖², gradient (log)", _of_layers(lambda it: it.gradient**2), logarithmic=True),
    Quantity("effective rank of z", _of_layers(lambda it: it.rank)),
    Quantity(
        "singular values, root mean square",
        lambda it: (it.jacobian_layers, it.singular[:, SINGULAR.index("rms")]),
        reference=1.0,
    ),
    Quantity("z, root mean square (log)", _of_layers(lambda it: it.activation), logarithmic=True),
    Quantity("cosine of two inputs", _of_layers(lambda it: it.cosine), limits=(-1.05, 1.05), reference=0.0),
    Quantity(
        f"singular values from {NEAR[0]:g} to {NEAR[1]:g}",
        lambda it: (it.jacobian_layers, it.near),
        limits=(0.0, 1.05),
    ),
)


@PlotFunction
def signal_in_depth(
    networks: Sequence[Network],
    *,
    depth: int,
    setting: str,
    height: int = 560,
    theme: str = "light",
    narrow: bool = False,
) -> Plot:
    """Six panels over the layers, a line for each network; dotted beside the gradient: what theory derives. In large
    type the first three alone, as there is no room for six.

    From a Signal of each network, on one mini-batch at initialization. depth: of the networks. setting: what they have
    in common, in words. Not to be mistaken for what training makes of them: nothing is trained here. The Jacobian is
    that of one example, in a deep network of some layers alone, between which the line says nothing.
    """
    labels = [item.label for item in networks]
    large = theme_named(theme).large and not narrow
    shown = QUANTITIES[:3] if large else QUANTITIES
    told = (
        "" if large else " z: the output of a layer. Dotted beside the gradient: theory, where there is one."
    )
    frame = Frame(
        "How far signal and gradient get, before training",
        setting + told + ("" if narrow else _growths(networks)),
        theme=theme,
        narrow=narrow,
        height=170 + 185 * len(shown) if narrow else height,
        view=("signal", depth, *labels),
        left=56,
        head=24,
        legend=labels,
    )
    frame.layout["legend"]["y"] = 1 + ABOVE * frame.theme.size / 13 / frame.plot_height
    rows, columns = (len(shown), 1) if narrow else (len(shown) // 3, 3)
    grid = frame.panels(rows, columns, _layer_axis(depth), {}, gap_x=0.07, gap_y=62, each_y=True)
    places = [panel for row in grid for panel in row]
    for place, (panel, quantity) in enumerate(zip(places, shown, strict=True)):
        frame.header(panel, f"<b>{quantity.heading}</b>", frame.theme.ink, crowded=True)
        frame.axis(panel.y).update(_y_axis(quantity, networks))
        frame.axis(panel.y).pop("matches", None)
        if quantity.reference is not None:
            _line(
                frame, panel, np.array([1, max(2, depth)]), np.full(2, quantity.reference), frame.theme.quiet
            )
        for network in networks:
            _network(frame, panel, quantity, network, named=not place)
        if not place:
            _theory(frame, panel, networks)
    frame.axis_note("layer, from the input")
    if not any(len(item.signal.layers) for item in networks):
        frame.place_for_words(None, "A line for each network<br>appears here.")
    return frame.plot(_alt(networks, setting))


def _growths(networks: Sequence[Network]) -> str:
    """Of each network by what factor its squared gradient grows, a sentence; "" before any is measured."""
    told = [
        f"{item.label} {item.signal.growth:.3f}"
        + (f" (theory: {item.expected:.3f})" if math.isfinite(item.expected) else "")
        for item in networks
        if math.isfinite(item.signal.growth)
    ]
    return f" Squared gradient, times a layer toward the input: {', '.join(told)}." if told else ""


def _layer_axis(depth: int) -> dict[str, Any]:
    every = next(item for item in (1, 2, 5, 10, 20, 25) if item * 5 >= depth or item == 25)
    ticks = sorted({1, *range(every, depth + 1, every)})
    return {
        "range": [0.5, depth + 0.5],
        "tickmode": "array",
        "tickvals": [tick for tick in ticks if tick == 1 or tick >= 0.15 * depth],
        "showgrid": False,
        "hoverformat": ",d",
    }


def _y_axis(quantity: Quantity, networks: Sequence[Network]) -> dict[str, Any]:
    values = [quantity.points(item.signal)[1] for item in networks]
    if quantity.logarithmic:
        low, high = decades(values, LEAST)
        margin = 0.05 * (high - low)
        ticks = log_ticks(low - margin, high + margin)
        return {
            "type": "log",
            "range": [low - margin, high + margin],
            "tickmode": "array",
            "hoverformat": ".3~g",
            **ticks,
        }
    if quantity.limits is not None:
        return {"range": list(quantity.limits), "hoverformat": ".3~f"}
    tops = [float(np.nanmax(item)) for item in values if np.isfinite(item).any()]
    top = max([quantity.reference or 0.0, *tops], default=1.0)
    return {"range": [0.0, rounded_up(1.06 * top, 1e-9)], "hoverformat": ".3~g"}


def _network(frame: Frame, panel: Panel, quantity: Quantity, network: Network, named: bool) -> None:
    layers, values = quantity.points(network.signal)
    kept = np.isfinite(values) & (values > LEAST) if quantity.logarithmic else np.isfinite(values)
    colour, dash = network.look
    few = len(layers) and len(layers) < len(network.signal.layers)
    frame.line(
        panel,
        layers[kept],
        values[kept],
        name=network.label,
        legendgroup=network.label,
        showlegend=named,
        mode="lines+markers" if few or len(layers) == 1 else "lines",
        marker={"size": 6, "color": colour},
        line={"color": colour, "width": frame.theme.line, "dash": dash},
        hovertemplate="%{y}<extra>" + network.label + "</extra>",
    )
    if (
        quantity.logarithmic
    ):  # a chart of float32 would lose what a deep network's gradient shrinks or grows to
        frame.curves[-1]["y"] = values[kept]


def _theory(frame: Frame, panel: Panel, networks: Sequence[Network]) -> None:
    """For each network with a theory a dotted line of that slope, through the last layer that its growth counts."""
    for network in networks:
        layers, (_, last) = network.signal.layers, network.signal.inner
        if not (math.isfinite(network.expected) and len(layers) > 1):
            continue
        anchor = network.signal.gradient[last - 1] ** 2
        values = anchor * network.expected ** (last - layers.astype(float))
        _line(frame, panel, layers, values, frame.theme.ink)
        frame.curves[-1] |= {"name": f"{network.label}, theory", **tabled(name=f"{network.label}, theory")}
        frame.curves[-1]["y"] = values


def _line(frame: Frame, panel: Panel, x: Array, y: Array, colour: str) -> None:
    look = {"color": colour, "width": 1.2, "dash": "dot"}
    frame.line(panel, x, y, name="reference", line=look, hoverinfo="skip", **UNTABLED)


def _alt(networks: Sequence[Network], setting: str) -> str:
    """Of each network the growth of its gradient, and where the other quantities end."""
    parts = []
    for item in networks:
        signal = item.signal
        if not len(signal.layers):
            parts.append(f"{item.label}: nothing yet")
            continue
        theory = f" (theory: {short(item.expected)})" if math.isfinite(item.expected) else ""
        told = (
            "gradient too short a way to tell"
            if math.isnan(signal.growth)
            else f"squared gradient times {short(signal.growth)} a layer toward the input{theory}"
        )
        parts.append(
            f"{item.label}: {told}; in the last layer effective rank {short(float(signal.rank[-1]))}, cosine of two "
            f"inputs {short(float(signal.cosine[-1]))}; {signal.near_one:.0%} of the singular values from "
            f"{NEAR[0]:g} to {NEAR[1]:g}"
        )
    return f"Six quantities by layer, before training. {setting} " + ". ".join(parts) + "."
