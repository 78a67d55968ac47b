"""Algorithm 1 line by line for one unit of a captured mini-batch, as words, formulas and table cells.

What is here is ready to be shown: numbers are texts, formulas are MathML.
"""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from bnviz.inside import numerals as n
from bnviz.inside.arithmetic import Forward, forward
from bnviz.inside.captured import LayerBatch, Members

LINES = 8
UNITS_SHOWN = 8
"""Units beside each other in the table of the layer's inputs."""


def unit_window(unit: int, units: int) -> range:
    """The units, counted from 1, that stand in the table together with `unit`."""
    first = min((unit - 1) // UNITS_SHOWN * UNITS_SHOWN, max(0, units - UNITS_SHOWN))
    return range(first + 1, min(first + UNITS_SHOWN, units) + 1)


def lines_of(batch: LayerBatch, unit: int) -> Forward:
    """Algorithm 1 of one unit, counted from 1. Of a feature map, over examples and positions."""
    column = batch.x[:, unit - 1].ravel()
    return forward(column, float(batch.gamma[unit - 1]), float(batch.beta[unit - 1]), batch.epsilon)


def walk(batch: LayerBatch, unit: int) -> dict[str, Any]:
    """Everything that the table shows. unit: counted from 1."""
    found = lines_of(batch, unit)
    texts = _Texts(found)
    window = unit_window(unit, len(batch.gamma))
    places = n.decimals(batch.x[:, window[0] - 1 : window[-1]])
    return {
        "unit": unit,
        "units": list(window),
        "all_units": len(batch.gamma),
        "layer": batch.layer,
        "rows": rows(batch.members),
        "inputs": [[n.shown(batch.x[i, u - 1], places) for u in window] for i in range(len(batch.x))],
        "columns": [{"name": name, "head": n.inline(head)} for name, head in _COLUMNS.items()],
        "cells": [[texts.column(name, i) for name in _COLUMNS] for i in range(len(batch.x))],
        "statistics": [
            {"name": name, "head": n.inline(head), "text": texts.statistic(name)}
            for name, head in _STATISTICS.items()
        ],
        "lines": _lines(found, texts, float(np.abs(found.y - batch.y[:, unit - 1]).max())),
    }


def rows(members: Members) -> list[dict[str, Any]]:
    """Each example's class and, where there is one, its picture as a data URI."""
    pictures = [None] * len(members.names) if members.pictures is None else map(_png, members.pictures)
    return [{"name": name, "picture": picture} for name, picture in zip(members.names, pictures, strict=True)]


_COLUMNS = {
    "x": n.x(),
    "deviation": n.math_row(n.x(), n.sign("−"), n.MU),
    "square": n.above(n.math_row(n.sign("("), n.x(), n.sign("−"), n.MU, n.sign(")")), n.digits("2")),
    "x_hat": n.x_hat(),
    "scaled": n.math_row(n.GAMMA, n.x_hat()),
    "y": n.y(),
}
_STATISTICS = {"mean": n.MU, "variance": n.VARIANCE, "root": n.ROOT, "gamma": n.GAMMA, "beta": n.BETA}


class _Texts:
    """The numbers of one unit as texts, those that belong together with the same decimals."""

    def __init__(self, found: Forward) -> None:
        self.found = found
        inputs = n.decimals(found.x, found.deviation)
        squares = n.decimals(found.square, found.variance)
        outputs = n.decimals(found.x_hat, found.scaled, found.y, found.gamma, found.beta)
        self.places = {
            "x": inputs,
            "deviation": inputs,
            "mean": inputs,
            "square": squares,
            "variance": squares,
            "root": max(n.decimals(found.root), 4),
            "x_hat": outputs,
            "scaled": outputs,
            "y": outputs,
            "gamma": outputs,
            "beta": outputs,
        }

    def column(self, name: str, row: int) -> str:
        return n.shown(float(getattr(self.found, name)[row]), self.places[name])

    def statistic(self, name: str) -> str:
        return n.shown(getattr(self.found, name), self.places[name])

    def all(self, name: str) -> list[str]:
        return [self.column(name, row) for row in range(len(self.found.x))]


def _lines(found: Forward, texts: _Texts, difference: float) -> list[dict[str, Any]]:
    m = len(found.x)
    equals, minus, plus, times = n.sign("="), n.sign("−"), n.sign("+"), n.sign("·")
    share = n.fraction(n.digits("1"), n.letter("m"))
    counted = n.fraction(n.digits("1"), n.digits(str(m)))
    several = [n.x("1"), n.sign(","), n.sign("…"), n.sign(","), n.x("m")]
    spread = n.above(n.math_row(n.sign("("), n.x(), minus, n.MU, n.sign(")")), n.digits("2"))
    mean, root = texts.statistic("mean"), texts.statistic("root")
    gamma, beta = texts.statistic("gamma"), texts.statistic("beta")
    first = {name: texts.column(name, 0) for name in _COLUMNS}
    fine = max(texts.places["variance"], 6)
    squares = [n.above(n.enclosed(text), n.digits("2")) for text in texts.all("deviation")]

    def line(
        title: str, words: str, formula: str, filled: str, used: list[str], made: list[str]
    ) -> dict[str, Any]:
        return {
            "title": title,
            "words": words,
            "formula": formula,
            "filled": filled,
            "used": used,
            "made": made,
        }

    return [
        line(
            "the mini-batch",
            f"The layer's weights deliver a number for each of the m = {m} examples and each unit. "
            "Each unit is normalized by itself, so follow one column.",
            n.formula(n.letter("ℬ"), equals, n.sign("{"), *several, n.sign("}")),
            n.formula(
                n.letter("m"), equals, n.digits(str(m)), n.sign(","), n.x("1"), equals, n.digits(first["x"])
            ),
            [],
            ["x"],
        ),
        line(
            "mean",
            "Add up the column and divide by the number of examples.",
            n.formula(n.MU, equals, share, n.sum_over("i", "m"), n.x()),
            n.formula(
                n.MU,
                equals,
                counted,
                n.sign("("),
                n.added(texts.all("x")),
                n.sign(")"),
                equals,
                n.digits(mean),
            ),
            ["x"],
            ["mean"],
        ),
        line(
            "deviations",
            "Subtract the mean from every example. The deviations add up to 0.",
            n.formula(n.x(), minus, n.MU),
            n.formula(
                n.x("1"),
                minus,
                n.MU,
                equals,
                n.digits(first["x"]),
                minus,
                n.enclosed(mean),
                equals,
                n.digits(first["deviation"]),
            ),
            ["x", "mean"],
            ["deviation"],
        ),
        line(
            "variance",
            "Square the deviations and take their mean: divided by m, not by m − 1. "
            "This is the biased variance; it normalizes this mini-batch.",
            n.formula(n.VARIANCE, equals, share, n.sum_over("i", "m"), spread),
            n.formula(
                n.VARIANCE,
                equals,
                counted,
                n.sign("("),
                plus.join(squares),
                n.sign(")"),
                equals,
                n.digits(texts.statistic("variance")),
            ),
            ["deviation"],
            ["square", "variance"],
        ),
        line(
            "ε and the root",
            f"ε = {found.epsilon:.5f} keeps the divisor away from 0 where a unit hardly varies.",
            n.formula(n.ROOT),
            n.formula(
                n.root(
                    n.math_row(
                        n.digits(n.shown(found.variance, fine)), plus, n.digits(f"{found.epsilon:.5f}")
                    )
                ),
                equals,
                n.digits(root),
            ),
            ["variance"],
            ["root"],
        ),
        line(
            "x̂",
            "Divide every deviation by that root. The column x̂ has mean 0 and, but for ε, variance 1.",
            n.formula(n.x_hat(), equals, n.fraction(n.math_row(n.x(), minus, n.MU), n.ROOT)),
            n.formula(
                n.x_hat("1"),
                equals,
                n.fraction(n.digits(first["deviation"]), n.digits(root)),
                equals,
                n.digits(first["x_hat"]),
            ),
            ["deviation", "root"],
            ["x_hat"],
        ),
        line(
            "times γ",
            "γ is learned, one for each unit: it sets how widely this unit's outputs spread.",
            n.formula(n.GAMMA, n.x_hat()),
            n.formula(
                n.GAMMA,
                n.x_hat("1"),
                equals,
                n.digits(gamma),
                times,
                n.enclosed(first["x_hat"]),
                equals,
                n.digits(first["scaled"]),
            ),
            ["x_hat", "gamma"],
            ["scaled"],
        ),
        line(
            "plus β",
            "β is learned too: it sets where they lie. y is what the nonlinearity receives. "
            f"The network itself computed the same column, to within {n.scientific(difference, 1)}.",
            n.formula(n.y(), equals, n.GAMMA, n.x_hat(), plus, n.BETA),
            n.formula(
                n.y("1"),
                equals,
                n.digits(first["scaled"]),
                plus,
                n.enclosed(beta),
                equals,
                n.digits(first["y"]),
            ),
            ["scaled", "beta"],
            ["y"],
        ),
    ]


def _png(picture: np.ndarray) -> str:
    """A picture, (height, width) from 0 to 1, as the data URI of a PNG."""
    buffer = io.BytesIO()
    Image.fromarray((255 * picture).round().astype(np.uint8)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
