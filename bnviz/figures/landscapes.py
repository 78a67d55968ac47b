"""The figures of the page Landscape, by the function of the engine that found what they show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from bnviz.experiment import Experiment
from bnviz.figures.charts.along_gradient import Walks, along_gradient
from bnviz.figures.charts.loss_surface import Shape, Valley, loss_surface
from bnviz.figures.charts.sharpness import Curvature, sharpness
from bnviz.figures.frame.palette import WITH, WITHOUT
from bnviz.figures.frame.plot import Plot
from bnviz.recording.landscape import AlongGradient, Plane, Sharpness

LOOKS = (WITHOUT, WITH)
"""Of the first network and of the second."""

Found = Sequence[Sequence[Mapping[str, Any]]]
"""Of each network the pieces found so far."""
Draw = Callable[[Sequence[Experiment], Found, Mapping[str, Any]], Plot]


def names(networks: Sequence[Experiment]) -> list[str]:
    """What each network is called: its letter and its normalization."""
    said = Experiment.knobs()["normalizer"].words
    return [f"{letter}  {said(item.normalizer)}" for letter, item in zip("AB", networks, strict=False)]


def _along_gradient(networks: Sequence[Experiment], found: Found, looks: Mapping[str, Any]) -> Plot:
    walks = [
        Walks(label, look, AlongGradient.joined(pieces))
        for label, look, pieces in zip(names(networks), LOOKS, found, strict=True)
    ]
    return along_gradient.draw(walks, networks[0].steps, **looks)


def _sharpness(networks: Sequence[Experiment], found: Found, looks: Mapping[str, Any]) -> Plot:
    curves = [
        Curvature(label, look, Sharpness.joined(pieces))
        for label, look, pieces in zip(names(networks), LOOKS, found, strict=True)
    ]
    return sharpness.draw(curves, networks[0].steps, whole=not networks[0].batch_size, **looks)


PLANES: Mapping[str, tuple[str, str, tuple[float, float] | None]] = {
    "bnviz.engine.inspections.surface:around": (
        "The loss around the weights",
        "Over two random directions, in each of which a unit’s weights change by at most their own length "
        "(filter-normalized). In the middle: the weights. 500 training examples, in training mode.",
        (0.01, 30.0),
    ),
    "bnviz.engine.inspections.surface:path": (
        "The path of training",
        "Over the two main directions of the path that the weights take; each network’s own. ○: start, ×: end. The "
        "path is projected onto the plane. 500 training examples, in training mode.",
        None,
    ),
}
"""The measurements of a plane: title and subtitle of their figure, and losses that its scale always reaches."""


def _plane(
    function: str, networks: Sequence[Experiment], found: Found, shape: Shape, looks: Mapping[str, Any]
) -> Plot:
    valleys = []
    for label, (colour, _), pieces in zip(names(networks), LOOKS, found, strict=True):
        plane = Plane.joined(pieces)
        held = f", {plane.explained.sum():.0%} of the path’s variance" if plane.explained.size else ""
        valleys.append(Valley(label + held, colour, plane))
    title, subtitle, span = PLANES[function]
    return loss_surface.draw(valleys, shape, title=title, subtitle=subtitle, span=span, **looks)


FIGURES: Mapping[str, Draw] = MappingProxyType(
    {
        "bnviz.engine.inspections.smoothness:followed": _along_gradient,
        "bnviz.engine.inspections.sharpness:followed": _sharpness,
    }
)


def draw(
    function: str, networks: Sequence[Experiment], found: Found, *, shape: Shape = "contours", **looks: Any
) -> Plot:
    """The figure of what `function` found in these networks. shape: of the loss over a plane. looks: theme, narrow."""
    if function in PLANES:
        return _plane(function, networks, found, shape, looks)
    return FIGURES[function](networks, found, looks)
