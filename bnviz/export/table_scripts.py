"""The script and the style of figures' tables, for pages that hold everything they need."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from markupsafe import Markup

from bnviz.export.templates import markup

_HERE = Path(__file__).parent
_MODULE_WORDS = re.compile(r"^import .*\n|^export ", re.MULTILINE)
"""What a module says to others, and a script cannot."""


@functools.cache
def table_script() -> Markup:
    """The class TableDialog and what it needs."""
    return _joined("figure_table.js", "table_dialog.js")


@functools.cache
def drawn_tables_script() -> Markup:
    """A button below every element with data-figure, the id of the figure's JSON, and data-title, its name."""
    return Markup("(() => {{\n{}\n{}}})();").format(table_script(), _joined("drawn_tables.js"))


def table_style() -> Markup:
    """The style of the button's dialog. Colours come from the page."""
    return markup(_HERE / "table_dialog.css")


def _joined(*names: str) -> Markup:
    return Markup("\n").join(Markup(_MODULE_WORDS.sub("", markup(_HERE / name))) for name in names)
