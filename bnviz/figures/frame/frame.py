"""A Frame collects panels, curves and notes as plain dictionaries, and becomes a Plot at the end.

To build a go.Figure property by property took tens of milliseconds, this takes a few. Where a class watches,
every figure is drawn several times a second.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bnviz.figures.frame.axes import decades, log_ticks, round_distance
from bnviz.figures.frame.lines import LINE
from bnviz.figures.frame.plot import Array, Plot, compact
from bnviz.figures.frame.tabled import UNTABLED
from bnviz.figures.frame.theme import readable, template, theme_named

GAP_Y = 34
"""Pixels between rows of panels."""

FIRST_STEP = 0.5
"""Where step 0 stands on a logarithmic axis."""


def side_by_side(count: int, narrow: bool) -> tuple[int, int]:
    """Rows and columns of panels that stand side by side, on a phone below each other."""
    return (count, 1) if narrow else (1, count)


@dataclass(frozen=True)
class Panel:
    """One pair of axes. x, y: the names that curves refer to, such as "x2"; row, column from 0 at the top left."""

    x: str
    y: str
    row: int
    column: int


class Frame:
    """One figure in the making.

    title, subtitle: what is shown; the subtitle breaks after `wide` characters. height: of the whole figure.
    view: what identifies the picture; when it changes, the reader's zoom is dropped (Plotly's uirevision).
    left, right: margins for tick labels and direct labels. head: room for headings above the panels. legend: the
    names in the legend, if there is one. Sizes are in pixels at the usual size of type.
    """

    def __init__(
        self,
        title: str,
        subtitle: str,
        *,
        theme: str,
        narrow: bool,
        height: int,
        view: tuple[object, ...],
        wide: int = 140,
        left: int = 62,
        right: int = 18,
        head: int = 8,
        legend: Sequence[str] = (),
    ) -> None:
        self.theme = theme_named(theme)
        self.narrow = narrow
        scale = self.theme.size / 13
        self.size = self.theme.size - (1 if narrow else 0)
        characters = round((46 if narrow else wide) / scale)
        lines = [f"<b>{line}</b>" for line in textwrap.wrap(title, round(characters * 0.84))]
        small = textwrap.wrap(subtitle, characters)
        text = "<br>".join(lines)
        if small:
            style = f"font-size:{self.size - 1}px;color:{self.theme.quiet}"
            text += f"<br><span style='{style}'>" + "<br>".join(small) + "</span>"
        words = (14 + 21 * len(lines) + 18 * len(small)) * scale
        rows = self._legend_rows(legend, characters)
        self.top = round(words + (head + (8 + 20 * rows if rows else 0)) * scale)
        self.titled = not narrow or theme == "print"  # on a phone there is no room for a title of the y axes
        self.left = round(((62 if self.titled else 46) if narrow else left) * scale)
        self.right = round(right * scale)
        self.bottom = round(48 * scale)
        self.height = round(height * (1 + (scale - 1) * 0.8) + 20 * max(0, rows - 1))
        self._panels: list[Panel] = []
        self.curves: list[dict[str, Any]] = []
        self.crosses: list[dict[str, Any]] = []
        self.notes: list[dict[str, Any]] = []
        self.shapes: list[dict[str, Any]] = []
        self.meta: dict[str, Any] = {"title": title, "subtitle": subtitle}
        self.first_step = 0.0  # where step 0 stands, if the axis of steps is logarithmic
        self.layout: dict[str, Any] = {
            "template": template(self.theme),
            "height": self.height,
            "autosize": True,
            "margin": {"l": self.left, "r": self.right, "t": self.top, "b": self.bottom, "pad": 0},
            "title": {
                "text": text,
                "font": {"size": self.size + 2, "color": self.theme.ink},
                "x": 0,
                "xanchor": "left",
                "xref": "container",
                "y": 1 - 20 / self.height,
                "yanchor": "top",
                "yref": "container",
                "pad": {"l": 10, "t": 0},
            },
            "uirevision": " ".join(map(str, view)),
            "hovermode": "x unified",
            "showlegend": bool(legend),
            "legend": {
                "orientation": "v" if narrow else "h",
                "x": 0,
                "xanchor": "left",
                "y": 1 + 6 / self.plot_height,
                "yanchor": "bottom",
                "font": {"size": self.size - 1},
                "itemwidth": 30,
                "tracegroupgap": 0,
            },
        }

    def _legend_rows(self, labels: Sequence[str], characters: int) -> int:
        """How many rows the legend takes above the panels; entries that do not fit side by side wrap."""
        if not labels:
            return 0
        entries = 1 if self.narrow else max(1, characters // (max(map(len, labels)) + 9))
        return math.ceil(len(labels) / entries)

    @property
    def size_where_crowded(self) -> int:
        """The size of type where large type would not fit: enlarged by a third of what is usual on this theme."""
        return self.size - round(2 * max(0, self.theme.size - 13) / 3)

    @property
    def plot_height(self) -> float:
        """Pixels between the margins."""
        return max(60.0, self.height - self.top - self.bottom)

    def panel_height(self, rows: int) -> float:
        """Pixels that one of `rows` panels below each other is high."""
        return (self.plot_height - GAP_Y * (rows - 1)) / rows

    def axis(self, name: str) -> dict[str, Any]:
        """The properties of the axis `name` of a Panel, such as "y2", to be changed."""
        axis: dict[str, Any] = self.layout[f"{name[0]}axis{name[1:]}"]
        return axis

    def deepen(self, lines: float) -> None:
        """Make room for more lines of tick labels below the panels; before they are laid out."""
        self.bottom += round(lines * LINE * self.size)
        self.layout["margin"]["b"] = self.bottom

    def own_y(self, panel: Panel, values: Array) -> tuple[float, float]:
        """Let the panel have a y axis of its own, wide enough for `values`. Returns its range."""
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        margin = 0.06 * (high - low) or 0.5
        axis = self.axis(panel.y)
        axis.pop("matches", None)
        axis["range"] = [low - margin, high + margin]
        return low - margin, high + margin

    def own_log_y(self, panel: Panel, values: Sequence[Array]) -> tuple[float, float]:
        """Let the panel have a logarithmic y axis of its own. Returns its range, as powers of ten."""
        low, high = decades(values)
        margin = 0.05 * (high - low)
        axis = self.axis(panel.y)
        axis.pop("matches", None)
        low, high = low - margin, high + margin
        ticks = log_ticks(low, high)
        axis |= {"type": "log", "tickmode": "array", "range": [low, high], "hoverformat": ".3~g", **ticks}
        return low, high

    def row(self, count: int, x: dict[str, Any], y: dict[str, Any], **options: Any) -> list[Panel]:
        """Panels side by side, on a phone below each other; otherwise as `panels`."""
        grid = self.panels(*side_by_side(count, self.narrow), x, y, **options)
        return [panel for row in grid for panel in row]

    def panels(
        self,
        rows: int,
        columns: int,
        x: dict[str, Any],
        y: dict[str, Any],
        *,
        gap_x: float = 0.045,
        gap_y: int = GAP_Y,
        each_y: bool = False,
        across: tuple[float, float] = (0.0, 1.0),
        up: tuple[float, float] = (0.0, 1.0),
        first: int = 0,
    ) -> list[list[Panel]]:
        """Lay out a grid of panels that all share both ranges; zooming one zooms all.

        x, y: properties of every axis. Tick labels stand at the bottom row and the left column alone.
        gap_x: share of the width between columns. gap_y: pixels between rows. across, up: the shares of the width
        and the height that the grid takes. first: how many panels there are already.
        """
        width = (across[1] - across[0] - gap_x * (columns - 1)) / columns
        self.meta["y"] = y.get("title", {}).get("text", "")
        gap = gap_y / self.plot_height
        tall = (up[1] - up[0] - gap * (rows - 1)) / rows
        grid: list[list[Panel]] = []
        for row in range(rows):
            grid.append([])
            for column in range(columns):
                number = first + row * columns + column
                suffix = str(number + 1) if number else ""
                left = across[0] + column * (width + gap_x)
                low = up[0] + (rows - 1 - row) * (tall + gap)
                self.layout[f"xaxis{suffix}"] = x | {
                    "anchor": f"y{suffix}",
                    "domain": [max(0.0, left), min(1.0, left + width)],
                    "showticklabels": row == rows - 1,
                    **({"matches": "x"} if number else {}),
                }
                self.layout[f"yaxis{suffix}"] = y | {
                    "anchor": f"x{suffix}",
                    "domain": [max(0.0, low), min(1.0, low + tall)],
                    "showticklabels": column == 0 or each_y,
                    "title": {
                        "text": y.get("title", {}).get("text", "") if column == 0 and self.titled else ""
                    },
                    **({"matches": "y"} if number else {}),
                }
                grid[-1].append(Panel(f"x{suffix}", f"y{suffix}", row, column))
            self._panels += grid[-1]
        return grid

    def steps_axis(
        self,
        last: int,
        panels: int = 1,
        shown: int | None = None,
        logarithmic: bool = False,
        crowded: bool = False,
    ) -> dict[str, Any]:
        """An axis over training steps from 0 to `last`, or to `shown`, where it ends as yet.

        logarithmic: step 0, which has no logarithm, stands half a step before step 1. crowded: panels stand so near
        each other that no label fits at their ends.
        """
        self.meta["over"] = "steps"
        last = last if shown is None else shown
        if logarithmic:
            self.first_step = FIRST_STEP
            powers = [10**power for power in range(math.floor(math.log10(max(1, last))) + 1)]
            return {
                "type": "log",
                "range": [math.log10(FIRST_STEP), math.log10(max(2, last))],
                "tickmode": "array",
                "tickvals": [FIRST_STEP, *powers],
                "ticktext": ["0", *(f"{power:,}" for power in powers)],
                "showgrid": False,
                "hoverformat": ",d",
            }
        few = panels > 3 or (self.narrow and panels > 1)
        every = last if few else max(1, round_distance(last, 3 if self.narrow else 4))
        if crowded:
            every = max(1, round_distance(last, 3))
        return {
            "range": [0, last],
            "tickmode": "array",
            "tickvals": [tick for tick in range(0, last + 1, every) if not crowded or tick < 0.8 * last],
            "tickformat": "~s" if last >= 100_000 or (last >= 10_000 and few) else ",d",
            "showgrid": False,
            "hoverformat": ",d",
        }

    def note_x(self, step: float) -> float:
        """Where Plotly is to put a note at a step: on a logarithmic axis it wants the power of ten."""
        return math.log10(max(step, self.first_step)) if self.first_step else step

    def axis_note(self, text: str, lines_above: float = 1) -> None:
        """The title of the x axes, once for all panels. lines_above: of tick labels, between the axes and the title."""
        self.meta["x"] = text
        self.note(
            text,
            x=0.5,
            y=0,
            xref="paper",
            yref="paper",
            yanchor="top",
            yshift=-24 * self.theme.size / 13 - LINE * self.size * (lines_above - 1),
            font={"size": self.size - 1, "color": self.theme.quiet},
        )

    def note(self, text: str, **properties: Any) -> None:
        """An annotation without an arrow; `properties` as in Plotly."""
        base = {"text": text, "showarrow": False, "font": {"size": self.size - 1, "color": self.theme.quiet}}
        self.notes.append(base | properties)

    def panel_note(self, panel: Panel, text: str, **properties: Any) -> None:
        """A note at a place in a panel given as shares of its width and height (default: top left, inside)."""
        place = {"x": 0.0, "y": 1.0, "xanchor": "left", "yanchor": "top"}
        self.note(text, **(place | {"xref": f"{panel.x} domain", "yref": f"{panel.y} domain"} | properties))

    def header(
        self,
        panel: Panel,
        text: str,
        colour: str,
        yshift: float = 3,
        crowded: bool = False,
        **properties: Any,
    ) -> None:
        """A heading above a panel, in a colour that is readable on this theme.

        crowded: many panels stand side by side, and large type is less enlarged.
        """
        font = {
            "size": self.size_where_crowded if crowded else self.size,
            "color": readable(colour, self.theme),
        }
        place = {
            "name": "heading",
            "yanchor": "bottom",
            "yshift": yshift * self.theme.size / 13,
            "align": "left",
            "font": font,
        }
        self.panel_note(panel, text, **(place | properties))

    def place_for_words(self, panel: Panel | None, text: str, **properties: Any) -> None:
        """Words in the middle of an empty panel, or of the whole figure."""
        place: dict[str, Any] = {
            "x": 0.5,
            "y": 0.5,
            "xanchor": "center",
            "yanchor": "middle",
            "align": "center",
        }
        place |= {"bgcolor": self.theme.paper} | properties
        if panel is None:
            self.note(text, **({"xref": "paper", "yref": "paper"} | place))
        else:
            self.panel_note(panel, text, **place)

    def line(self, panel: Panel, x: Array, y: Array, **properties: Any) -> None:
        """A curve. x: steps or another axis; y: values, infinite ones drawn as the largest that fits."""
        self.curves.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": compact(np.maximum(x, self.first_step) if self.first_step else x),
                "y": compact(y),
                "xaxis": panel.x,
                "yaxis": panel.y,
                "showlegend": False,
            }
            | properties
        )

    def _hold_empty_panels(self) -> None:
        """Draw nothing on panels that are still empty: without it Plotly puts their headings elsewhere."""
        drawn = {curve.get("xaxis", "x") for curve in (*self.curves, *self.crosses)}
        for panel in self._panels:
            if panel.x not in drawn:
                self.line(panel, np.empty(0), np.empty(0), hoverinfo="skip", **UNTABLED)

    def plot(self, alt: str) -> Plot:
        """What was collected. layout.meta holds "alt", a text for those who do not see it; "title" and "subtitle",
        to be broken anew for another width; "over": "steps" where the x axes count training steps; and for the figure's
        table "x" and "y", the axes' titles, and "names", of the places on axes that have names in place of numbers.
        """
        meta = self.meta | {"alt": alt}
        self._hold_empty_panels()
        layout = self.layout | {"annotations": self.notes, "shapes": self.shapes, "meta": meta}
        return Plot(self.curves + self.crosses, layout)
