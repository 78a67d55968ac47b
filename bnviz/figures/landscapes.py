"""The figures of the page Landscape, by the function of the engine that found what they show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from bnviz.experiment import Experiment
from bnviz.figures.charts.along_gradient import Walks, along_gradient
from bnviz.figures.charts.sharpness import Curvature, sharpness
from bnviz.figures.frame.palette import WITH, WITHOUT
from bnviz.figures.frame.plot import Plot
from bnviz.recording.landscape import AlongGradient, Sharpness

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


FIGURES: Mapping[str, Draw] = MappingProxyType(
    {
        "bnviz.engine.inspections.smoothness:followed": _along_gradient,
        "bnviz.engine.inspections.sharpness:followed": _sharpness,
    }
)


def draw(function: str, networks: Sequence[Experiment], found: Found, **looks: Any) -> Plot:
    """The figure of what `function` found in these networks. looks: theme and narrow."""
    return FIGURES[function](networks, found, looks)
