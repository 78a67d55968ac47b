"""Formulas as MathML, which every browser draws and reads aloud, and the signs of Algorithm 1."""

from __future__ import annotations

import html
from collections.abc import Iterable

from bnviz.layer.numerals import MINUS


def safe(text: str) -> str:
    """Text of a dataset, such as the name of a class, as HTML."""
    return html.escape(text)


def row(*parts: str) -> str:
    """Parts of a formula side by side."""
    return f"<mrow>{''.join(parts)}</mrow>"


def formula(*parts: str) -> str:
    """A whole formula, on a line of its own."""
    return f'<math display="block">{row(*parts)}</math>'


def inline(*parts: str) -> str:
    """A formula within a sentence or a table."""
    return f'<math displaystyle="true">{row(*parts)}</math>'


def letter(name: str) -> str:
    """A variable, or the number of one."""
    return f"<mn>{name}</mn>" if name.isdecimal() else f"<mi>{name}</mi>"


def sign(name: str) -> str:
    """An operator, a parenthesis or a comma."""
    return f"<mo>{name}</mo>"


def digits(text: str) -> str:
    """A number that `shown` made."""
    if text.startswith(MINUS):
        return row(sign(MINUS), f"<mn>{text[1:]}</mn>")
    return f"<mn>{text}</mn>"


def enclosed(text: str) -> str:
    """A number, in parentheses if it is negative."""
    return row(sign("("), digits(text), sign(")")) if text.startswith(MINUS) else digits(text)


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
    return row(*parts)


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
    return f"<munderover><mo>∑</mo>{row(letter(index), sign('='), digits('1'))}{letter(last)}</munderover>"


_B = letter("ℬ")
MU = below(letter("μ"), _B)
VARIANCE = both(letter("σ"), _B, digits("2"))
EPSILON = letter("ε")
GAMMA = letter("γ")
BETA = letter("β")
ROOT = root(row(VARIANCE, sign("+"), EPSILON))


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
    return fraction(row(sign("∂"), letter("ℓ")), row(sign("∂"), of))
