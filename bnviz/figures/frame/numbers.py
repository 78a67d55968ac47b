"""Numbers as words in titles, labels and alt texts."""

from __future__ import annotations

import math


def short(value: float) -> str:
    """Three significant digits at most, thousands separated, huge and tiny numbers by their power of ten."""
    if not math.isfinite(value):
        return "no finite number"
    if value != 0 and not 1e-3 <= abs(value) < 1e6:
        factor, power = f"{value:.1e}".split("e")
        text = f"{factor}·10{raised(int(power))}"
    else:
        text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return text.replace("-", "−")


def raised(power: int) -> str:
    """An exponent in superscript digits."""
    return str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def rounded(value: float) -> str:
    """As `short`, and 0 for what differs from 0 by rounding alone."""
    return short(0.0 if abs(value) < 1e-12 else float(value))
