"""Numbers as readers see them.

Numbers to be compared have the same number of decimals, so that the largest has four digits.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

Array = np.ndarray

MINUS = "−"
_DIGITS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def decimals(*values: float | Array) -> int:
    """The number of decimals, from 1 to 9, with which the largest of the values has four digits."""
    largest = max((float(np.abs(item).max(initial=0.0)) for item in map(np.asarray, values)), default=0.0)
    if not 0.0 < largest < math.inf:
        return 3
    return min(max(3 - math.floor(math.log10(largest)), 1), 9)


def shown(value: float, places: int) -> str:
    """The value with `places` decimals and a real minus sign; never −0."""
    text = f"{value:.{places}f}"
    if not float(text):
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def exact(text: str) -> Fraction:
    """The number that a text of `shown` says."""
    return Fraction(text.replace(MINUS, "-"))


def equals(left: Fraction, right: Fraction) -> str:
    """In LaTeX, the sign between two sides as they are shown: ≈ where rounding sets them apart."""
    return "=" if left == right else r"\approx"


def apart(difference: float) -> str:
    """A difference, not negative: with four decimals, or with a power of ten where it is small."""
    return shown(difference, 4) if difference >= 1e-3 else scientific(difference, 1)


def scientific(value: float, digits: int) -> str:
    """The value with `digits` significant digits, with a power of ten where it is far from 1: 1.234 × 10⁻³."""
    if value == 0.0:
        return "0"
    power = math.floor(math.log10(abs(value)))
    if -2 <= power < min(3, digits):
        return shown(value, digits - 1 - power)
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa} × {power_of_ten(int(exponent))}".replace("-", MINUS)


def power_of_ten(power: int) -> str:
    """10 with a raised exponent, such as 10⁻³."""
    return "10" + str(power).translate(_DIGITS)


def in_powers(values: Array) -> tuple[int, list[str]]:
    """One power of ten for all values, 0 if the largest is near 1; and the values in its units, as texts."""
    largest = float(np.abs(values).max(initial=0.0))
    power = math.floor(math.log10(largest)) if 0.0 < largest < math.inf else 0
    power = 0 if -2 <= power <= 2 else power
    scaled = values / 10.0**power
    return power, [shown(float(value), decimals(scaled)) for value in scaled]
