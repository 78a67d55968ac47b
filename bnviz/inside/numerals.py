"""Numbers as readers see them, and formulas as MathML, which every browser draws and reads aloud.

Numbers that are compared are shown to the same number of decimals, four digits for the largest of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

Array = np.ndarray

MINUS = "−"
_DIGITS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def decimals(*values: float | Array) -> int:
    """How many decimals show the largest of the values with four digits; from 1 to 9."""
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


def scientific(value: float, digits: int) -> str:
    """The value with `digits` significant digits and a power of ten, such as 1.234 × 10⁻³."""
    if value == 0.0:
        return "0"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    power = str(int(exponent)).translate(_DIGITS)
    return f"{mantissa} × 10{power}".replace("-", MINUS)


def exponent(*values: float | Array) -> int:
    """The power of ten that leaves the largest of the values with one or two digits before the point.

    0 where the values are readable as they are.
    """
    largest = max((float(np.abs(item).max(initial=0.0)) for item in map(np.asarray, values)), default=0.0)
    if not 0.0 < largest < math.inf:
        return 0
    power = math.floor(math.log10(largest))
    return 0 if -2 <= power <= 3 else power


def power_of_ten(power: int) -> str:
    """10 with a raised exponent, such as 10⁻³."""
    return "10" + str(power).translate(_DIGITS)


def math_row(*parts: str) -> str:
    """Parts of a formula side by side."""
    return f"<mrow>{''.join(parts)}</mrow>"


def formula(*parts: str) -> str:
    """A whole formula, on a line of its own."""
    return f'<math display="block">{math_row(*parts)}</math>'


def inline(*parts: str) -> str:
    """A formula within a sentence or a table."""
    return f"<math>{math_row(*parts)}</math>"


def letter(name: str) -> str:
    """A variable, or the number of one."""
    return f"<mn>{name}</mn>" if name.isdecimal() else f"<mi>{name}</mi>"


def sign(name: str) -> str:
    """An operator, a parenthesis or a comma."""
    return f"<mo>{name}</mo>"


def word(text: str) -> str:
    """Words in a formula."""
    return f"<mtext>{text}</mtext>"


def digits(text: str) -> str:
    """A number that `shown` made."""
    if text.startswith(MINUS):
        return math_row(sign(MINUS), f"<mn>{text[1:]}</mn>")
    return f"<mn>{text}</mn>"


def enclosed(text: str) -> str:
    """A number, in parentheses if it is negative."""
    return math_row(sign("("), digits(text), sign(")")) if text.startswith(MINUS) else digits(text)


def added(texts: Iterable[str]) -> str:
    """Numbers with + or − between them."""
    parts: list[str] = []
    for text in texts:
        if not parts:
            parts.append(digits(text))
        elif text.startswith(MINUS):
            parts += [sign(MINUS), digits(text[1:])]
        else:
            parts += [sign("+"), digits(text)]
    return math_row(*parts)


def fraction(above: str, below: str) -> str:
    """above/below."""
    return f"<mfrac>{above}{below}</mfrac>"


def root(inside: str) -> str:
    """√inside."""
    return f"<msqrt>{inside}</msqrt>"


def below(base: str, index: str) -> str:
    """A base with a lower index."""
    return f"<msub>{base}{index}</msub>"


def above(base: str, power: str) -> str:
    """A base with a power."""
    return f"<msup>{base}{power}</msup>"


def both(base: str, index: str, power: str) -> str:
    """A base with a lower index and a power."""
    return f"<msubsup>{base}{index}{power}</msubsup>"


def hat(base: str) -> str:
    """A base with a hat."""
    return f'<mover accent="true">{base}<mo>^</mo></mover>'


def sum_over(index: str, last: str) -> str:
    """The sign of a sum from index = 1 to last."""
    return (
        f"<munderover><mo>∑</mo>{math_row(letter(index), sign('='), digits('1'))}{letter(last)}</munderover>"
    )


_B = letter("ℬ")
MU = below(letter("μ"), _B)
VARIANCE = both(letter("σ"), _B, digits("2"))
EPSILON = letter("ε")
GAMMA = letter("γ")
BETA = letter("β")
ROOT = root(math_row(VARIANCE, sign("+"), EPSILON))


def x(index: str = "i") -> str:
    """The input x with an index."""
    return below(letter("x"), letter(index))


def x_hat(index: str = "i") -> str:
    """The normalized x̂ with an index."""
    return below(hat(letter("x")), letter(index))


def y(index: str = "i") -> str:
    """The output y with an index."""
    return below(letter("y"), letter(index))


def slope(of: str) -> str:
    """∂ℓ/∂of."""
    return fraction(math_row(sign("∂"), letter("ℓ")), math_row(sign("∂"), of))
