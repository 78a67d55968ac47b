"""The themes: how a figure looks on one kind of background.

Texts keep a contrast of at least 4.5 to 1 (WCAG 2.1, AA) in every theme.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from bnviz.figures.frame.palette import contrast, faded, mixed

TYPEFACE = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True)
class Theme:
    """How a figure looks on one kind of background. Sizes in pixels."""

    paper: str  # the background the figure is laid on; the figure itself is transparent
    ink: str
    quiet: str
    grid: str
    zone: str
    light_fill: float
    strong_fill: float
    size: int = 13
    line: float = 2.0
    shades: tuple[float, float] = (-0.42, 0.42)  # first and last layer: toward the paper, toward the ink
    lifted: float = 0.0  # how much ink a median line needs to stand out from its band

    @property
    def large(self) -> bool:
        """Whether the type is larger than usual, to be read from the back of a room."""
        return self.size > Theme.size

    def fill(self, colour: str, *, strong: bool) -> str:
        """The colour of a line as that of the area below it."""
        return faded(colour, self.strong_fill if strong else self.light_fill)


THEMES: Mapping[str, Theme] = MappingProxyType(
    {
        "light": Theme("#FFFFFF", "#1F2430", "#5A6372", "#E6E9EE", "rgba(90,99,114,0.11)", 0.20, 0.38),
        "dark": Theme(
            "#0E1117",
            "#F1F3F7",
            "#A6AFBD",
            "#262C38",
            "rgba(166,175,189,0.13)",
            0.30,
            0.50,
            shades=(-0.15, 0.65),
            lifted=0.5,
        ),
        "print": Theme("#FFFFFF", "#000000", "#444444", "#DDDDDD", "rgba(0,0,0,0.09)", 0.20, 0.38, line=1.6),
        "projector": Theme(
            "#FFFFFF", "#000000", "#3D4450", "#D5D9E0", "rgba(60,68,80,0.15)", 0.24, 0.45, size=19, line=3.6
        ),
        "projector-dark": Theme(
            "#0E1117",
            "#FFFFFF",
            "#C3CAD6",
            "#2C3340",
            "rgba(195,202,214,0.16)",
            0.34,
            0.56,
            size=19,
            line=3.6,
            shades=(-0.15, 0.65),
            lifted=0.5,
        ),
    }
)


def theme_named(name: str) -> Theme:
    """The theme `name`. Raises ValueError."""
    if name not in THEMES:
        raise ValueError(f"theme = {name!r} is not allowed; allowed is one of {', '.join(THEMES)}")
    return THEMES[name]


def template(theme: Theme) -> dict[str, Any]:
    """A Plotly template: what every axis and text of a figure shares unless the figure says otherwise."""
    axis = {
        "automargin": False,
        "gridcolor": theme.grid,
        "gridwidth": 1,
        "linecolor": theme.grid,
        "showline": False,
        "tickcolor": theme.grid,
        "ticklabelstandoff": 4,
        "tickfont": {"size": theme.size - 2, "color": theme.quiet},
        "ticks": "",
        "title": {"font": {"size": theme.size - 1, "color": theme.quiet}, "standoff": 8},
        "zeroline": False,
    }
    return {
        "layout": {
            "font": {"family": TYPEFACE, "size": theme.size, "color": theme.ink},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "hoverlabel": {
                "bgcolor": theme.paper,
                "bordercolor": theme.grid,
                "font": {"color": theme.ink, "size": theme.size - 1},
            },
            "xaxis": axis,
            "yaxis": axis,
        }
    }


def readable(colour: str, theme: Theme) -> str:
    """The colour, mixed with the theme's ink as little as a text of that colour needs (contrast 4.5)."""
    shares = (share / 20 for share in range(20))
    mixtures = (mixed(colour, theme.ink, share) for share in shares)
    return next((mixture for mixture in mixtures if contrast(mixture, theme.paper) >= 4.5), theme.ink)


def shades(colour: str, count: int, theme: Theme) -> list[str]:
    """`count` steps of one colour, from near the paper to near the ink: one for each layer."""
    if count == 1:
        return [colour]
    low, high = theme.shades
    steps = [low + (high - low) * index / (count - 1) for index in range(count)]
    return [mixed(colour, theme.paper if step < 0 else theme.ink, abs(step)) for step in steps]
