"""The kinds of file that a figure can become: the table behind the menu, the routes and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

SLIDE_WIDTH = 900
"""CSS pixels of a figure for slides and screens."""

COLUMN_WIDTH = 380
"""CSS pixels of a figure for a printed column, its panels stacked as on a phone."""

COLUMN_CENTIMETRES = 8.5
"""The width of that column in print, where the smallest type is about 6 points high."""

PRINT_DPI = 300

CSS_DPI = 96

Format = Literal["png", "svg", "pdf", "html", "csv", "parquet"]


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    group, label: its row and words in the menu. column: whether it is laid out for a printed column, or for a slide.
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
        """Whether only a browser can draw it."""
        return self.format in ("png", "svg", "pdf")

    @property
    def width(self) -> int:
        """CSS pixels of the figure's layout."""
        return COLUMN_WIDTH if self.column else SLIDE_WIDTH

    @property
    def suffix(self) -> str:
        """The end of the file's name, such as "-column.png" or ".csv"."""
        return ("-column" if self.column else "") + f".{self.format}"

    @property
    def media(self) -> str:
        """The media type."""
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
