"""The modules that show a figure's numbers as tables, joined for a page that stands alone."""

from __future__ import annotations

import functools
import re
from pathlib import Path

_HERE = Path(__file__).parent
_MODULE_WORDS = re.compile(r"^import .*\n|^export ", re.MULTILINE)
"""What a module says to others, and a script cannot."""


@functools.cache
def tables_script() -> str:
    """figure_table.js and table_dialog.js as one script, which defines TableDialog."""
    modules = ((_HERE / name).read_text(encoding="utf-8") for name in ("figure_table.js", "table_dialog.js"))
    return "\n".join(_MODULE_WORDS.sub("", text) for text in modules)
