"""Formulas as MathML, which every browser draws and reads aloud. They are written in LaTeX; latex2mathml converts it.

Numbers come from `numerals`, as readers see them, with "−" and "10⁻³"; latex2mathml would take these signs for
letters, so `number` writes them in LaTeX. The constants are the paper's signs in Algorithm 1.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

from latex2mathml.converter import convert

from bnviz.layer.numerals import MINUS

_LOWERED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")

MU = r"\mu_{\mathcal{B}}"
VARIANCE = r"\sigma_{\mathcal{B}}^2"
ROOT = rf"\sqrt{{{VARIANCE} + \varepsilon}}"
DEVIATION = rf"x_i - {MU}"
X_HAT = r"\hat{x}_i"


@functools.lru_cache(maxsize=1024)
def block(latex: str) -> str:
    """The formula on a line of its own."""
    return str(convert(latex, display="block"))


@functools.lru_cache(maxsize=1024)
def inline(latex: str) -> str:
    """The formula within a sentence or a table, its fractions as large as on a line of their own."""
    return str(convert(rf"\displaystyle {latex}", display="inline"))


def heading(latex: str, words: str) -> str:
    """A formula that heads a column or a row, as HTML. words: what is read aloud in its place."""
    return f'<span aria-hidden="true">{inline(latex)}</span><span class="bnviz-spoken">{words}</span>'


def number(text: str) -> str:
    """A number of `numerals` in LaTeX: of "−1.2 × 10⁻³" it makes {-1.2 \\times 10^{-3}}."""
    mantissa, times, power = text.replace(MINUS, "-").partition(" × 10")
    if times:
        return rf"{{{mantissa} \times 10^{{{power.translate(_LOWERED)}}}}}"
    return f"{{{mantissa}}}"


def enclosed(text: str) -> str:
    """A number, in parentheses if it is negative."""
    return f"({number(text)})" if text.startswith(MINUS) else number(text)


def added(texts: Iterable[str]) -> str:
    """Numbers with + or − between them."""
    first, *others = texts
    signed = (f" - {number(text[1:])}" if text.startswith(MINUS) else f" + {number(text)}" for text in others)
    return number(first) + "".join(signed)


def fraction(numerator: str, denominator: str) -> str:
    """A fraction in LaTeX."""
    return rf"\frac{{{numerator}}}{{{denominator}}}"
