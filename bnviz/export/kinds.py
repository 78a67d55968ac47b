"""The kinds of file that a figure can become; the menu, the routes and the command line go by this table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

SLIDE_WIDTH = 900
"""CSS pixels of a figure for slides and screens."""

COLUMN_WIDTH = 380
"""CSS pixels to which a figure for a printed column is laid out, with its panels stacked as on a phone."""

COLUMN_CENTIMETRES = 8.5
"""The width at which it is then printed: its smallest type becomes about 6 points high."""

PRINT_DPI = 300

CSS_DPI = 96

Format = Literal["png", "svg", "pdf", "html", "csv", "parquet"]


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    group, label: its place and words in the menu. column: laid out for a printed column, not for a slide.
    scale: pixels of the file for each CSS pixel of the layout.
    """

    name: str
    format: Format
    group: str
    label: str
    column: bool = False
    scale: float = 1.0

    @property
    def drawn(self) -> bool:
        """Whether a browser has to draw it."""
        return self.format in ("png", "svg", "pdf")

    @property
    def width(self) -> int:
        """CSS pixels to which the figure is laid out."""
        return COLUMN_WIDTH if self.column else SLIDE_WIDTH

    @property
    def suffix(self) -> str:
        """What follows the figure's name in the file's: "-column.png" or ".csv"."""
        return ("-column" if self.column else "") + f".{self.format}"

    @property
    def media(self) -> str:
        """The type, as HTTP calls it."""
        return MEDIA[self.format]


MEDIA: Mapping[str, str] = MappingProxyType(
    {
        "png": "image/png",
        "svg": "image/svg+xml",
        "pdf": "application/pdf",
        "html": "text/html; charset=utf-8",
        "csv": "text/csv; charset=utf-8",
        "parquet": "application/vnd.apache.parquet",
    }
)

_SLIDES = "For slides"
_COLUMN = "For print, 8.5 cm wide"
_PRINTED = COLUMN_CENTIMETRES / 2.54 * CSS_DPI / COLUMN_WIDTH

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind("png", "png", _SLIDES, "PNG", scale=2.0),
            Kind("svg-wide", "svg", _SLIDES, "SVG"),
            Kind("pdf-wide", "pdf", _SLIDES, "PDF"),
            Kind("png-print", "png", _COLUMN, "PNG", column=True, scale=_PRINTED * PRINT_DPI / CSS_DPI),
            Kind("svg", "svg", _COLUMN, "SVG", column=True, scale=_PRINTED),
            Kind("pdf", "pdf", _COLUMN, "PDF", column=True, scale=_PRINTED),
            Kind("html", "html", "Interactive page", "HTML"),
            Kind("csv", "csv", "The numbers", "CSV"),
            Kind("parquet", "parquet", "The numbers", "Parquet"),
        )
    }
)


def kind_named(name: str) -> Kind:
    """The Kind `name`. Raises ValueError."""
    if name not in KINDS:
        raise ValueError(f"kind = {name[:40]!r} is not allowed; allowed is one of {', '.join(KINDS)}")
    return KINDS[name]
