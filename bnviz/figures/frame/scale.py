"""The y axis of a chart whose quantity its caller names."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bnviz.figures.frame.numbers import short


@dataclass(frozen=True)
class Scale:
    """The y axis. title: with its unit. reference: a value drawn as a thin line, and what it is called.

    beyond: what a value that is infinite means, such as "never".
    """

    title: str
    percent: bool = False
    logarithmic: bool = False
    reference: tuple[float, str] | None = None
    beyond: str = "never"

    def shown(self, value: float) -> str:
        """A value as words."""
        if math.isinf(value):
            return self.beyond
        return f"{value:.1%}" if self.percent else short(value)
