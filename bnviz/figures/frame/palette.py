"""Colours and dashes of arms, and what becomes of a colour on another background.

Colours are Okabe & Ito's, which survive colour blindness; each arm also has a dash of its own, which
survives greyscale print.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

VERMILLION = "#D55E00"
BLUE = "#0072B2"
WITHOUT = (VERMILLION, "dash")
WITH = (BLUE, "solid")
MORE = (("#009E73", "dashdot"), ("#CC79A7", "dot"), ("#E69F00", "longdash"))
CLASS_COLOURS = ("#CC79A7", "#009E73")


@dataclass(frozen=True)
class Strokes:
    """A dash as SVG's stroke-dasharray, "" for a solid line. thin: for lines of 2 pixels; thick: of 4 pixels."""

    thin: str
    thick: str


DASHES: Mapping[str, Strokes] = MappingProxyType(
    {
        "solid": Strokes("", ""),
        "dash": Strokes("6 3", "9 5"),
        "dot": Strokes("1.5 2.5", "3 4"),
        "dashdot": Strokes("6 2 1 2", "10 4 3 4"),
        "longdash": Strokes("10 3", "15 5"),
    }
)
"""The dashes by Plotly's names, for pictures that Plotly does not draw."""


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of "#RRGGBB", each 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def faded(colour: str, alpha: float) -> str:
    """The colour with an opacity."""
    red, green, blue = rgb(colour)
    return f"rgba({red},{green},{blue},{alpha:g})"


def mixed(colour: str, other: str, share: float) -> str:
    """`colour` with a share (0 to 1) of `other` in it."""
    parts = [round(a + (b - a) * share) for a, b in zip(rgb(colour), rgb(other), strict=True)]
    return "#{:02X}{:02X}{:02X}".format(*parts)


def contrast(colour: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.1)."""

    def luminance(text: str) -> float:
        parts = [part / 255 for part in rgb(text)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(colour), luminance(other)))
    return (high + 0.05) / (low + 0.05)
