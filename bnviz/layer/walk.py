"""The forward pass of one unit: Algorithm 1 line by line, as words, formulas and table cells.

Numbers are texts, formulas are MathML.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from PIL import Image

from bnviz.layer import mathml as ml
from bnviz.layer import numerals as n
from bnviz.layer.arithmetic import Forward, forward
from bnviz.layer.captured import LayerBatch, Members

LINES = 8
UNITS_SHOWN = 7
"""How many units the table of the layer's inputs has."""


def unit_window(unit: int, units: int) -> range:
    """The units in the table that shows `unit`, counted from 1."""
    first = min((unit - 1) // UNITS_SHOWN * UNITS_SHOWN, max(0, units - UNITS_SHOWN))
    return range(first + 1, min(first + UNITS_SHOWN, units) + 1)


def lines_of(batch: LayerBatch, unit: int) -> Forward:
    """Algorithm 1 for one unit, counted from 1. The values of a feature map are those of all examples and positions."""
    column = batch.x[:, unit - 1].ravel()
    return forward(column, float(batch.gamma[unit - 1]), float(batch.beta[unit - 1]), batch.epsilon)


def walk(batch: LayerBatch, unit: int) -> dict[str, Any]:
    """Everything that the page shows of one unit, counted from 1, ready for JSON."""
    found = lines_of(batch, unit)
    texts = Texts(found)
    window = unit_window(unit, len(batch.gamma))
    return {
        "unit": unit,
        "units": list(window),
        "all_units": len(batch.gamma),
        "layer": batch.layer,
        "rows": rows(batch.members),
        "inputs": [
            [n.shown(batch.x[i, u - 1], texts.places["x"]) for u in window] for i in range(len(batch.x))
        ],
        "columns": [{"name": name, "head": ml.heading(*head)} for name, head in _COLUMNS.items()],
        "sheet": f"Unit {unit}, line by line",
        "names": rows(batch.members),
        "cells": [[texts.column(name, i) for name in _COLUMNS] for i in range(len(batch.x))],
        "statistics": [
            {"name": name, "head": ml.inline(head), "text": texts.statistic(name)}
            for name, head in _STATISTICS.items()
        ],
        "lines": _lines(found, texts, float(np.abs(found.y - batch.y[:, unit - 1]).max())),
    }


def rows(members: Members) -> list[dict[str, Any]]:
    """Each example's class and, where there is one, its picture as a data URI."""
    pictures = [None] * len(members.names) if members.pictures is None else map(_png, members.pictures)
    return [{"name": name, "picture": picture} for name, picture in zip(members.names, pictures, strict=True)]


_COLUMNS = {
    "x": ("x_i", "input x"),
    "deviation": (ml.DEVIATION, "x minus the mean"),
    "square": (f"({ml.DEVIATION})^2", "squared deviation"),
    "x_hat": (ml.X_HAT, "normalized x̂"),
    "scaled": (rf"\gamma {ml.X_HAT}", "γ times x̂"),
    "y": ("y_i", "output y"),
}
"""Of the table of one unit: formula, and the words for those who hear it."""

_STATISTICS = {
    "mean": ml.MU,
    "variance": ml.VARIANCE,
    "root": ml.ROOT,
    "gamma": r"\gamma",
    "beta": r"\beta",
}


class Texts:
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
        """A value of a column. row: counted from 0."""
        return n.shown(float(getattr(self.found, name)[row]), self.places[name])

    def statistic(self, name: str) -> str:
        """A number that the rows share."""
        return n.shown(getattr(self.found, name), self.places[name])

    def all(self, name: str) -> list[str]:
        """A whole column."""
        return [self.column(name, row) for row in range(len(self.found.x))]


def line(
    title: str, words: str, formula: str, filled: str, used: list[str], made: list[str]
) -> dict[str, Any]:
    """One line: its formula, the same with numbers, and the parts that it uses and computes."""
    return {
        "title": title,
        "words": words,
        "formula": ml.block(formula),
        "filled": ml.block(filled),
        "used": used,
        "made": made,
    }


def signs(exact: Mapping[str, Fraction], fine: str, epsilon: str) -> dict[str, str]:
    """Of the lines that hold for one value whether they hold exactly for the numbers that are shown: = or ≈.

    exact: the numbers as shown, by name; gamma and beta, the mean and the root among them. fine: the variance.
    """
    return {
        "deviation": n.equals(exact["deviation"], exact["x"] - exact["mean"]),
        "root": n.equals(exact["root"] ** 2, n.exact(fine) + n.exact(epsilon)),
        "x_hat": n.equals(exact["x_hat"] * exact["root"], exact["deviation"]),
        "scaled": n.equals(exact["scaled"], exact["gamma"] * exact["x_hat"]),
        "y": n.equals(exact["y"], exact["scaled"] + exact["beta"]),
    }


def _lines(found: Forward, texts: Texts, difference: float) -> list[dict[str, Any]]:
    m = len(found.x)
    mean, variance, root, gamma = (
        ml.number(texts.statistic(name)) for name in ("mean", "variance", "root", "gamma")
    )
    first = {name: ml.number(texts.column(name, 0)) for name in _COLUMNS}
    fine = n.shown(found.variance, max(texts.places["variance"], 6))
    epsilon = f"{found.epsilon:.5f}"
    exact = {name: n.exact(texts.column(name, 0)) for name in _COLUMNS} | {
        name: n.exact(texts.statistic(name)) for name in _STATISTICS
    }
    deviations = [n.exact(text) for text in texts.all("deviation")]
    equals = signs(exact, fine, epsilon) | {
        "mean": n.equals(exact["mean"], sum(map(n.exact, texts.all("x")), Fraction()) / m),
        "variance": n.equals(exact["variance"], sum((value**2 for value in deviations), Fraction()) / m),
    }
    squares = " + ".join(f"{ml.enclosed(text)}^2" for text in texts.all("deviation"))
    x_hat = ml.enclosed(texts.column("x_hat", 0))

    return [
        line(
            "the mini-batch",
            f"The layer’s weights deliver a number for each of the m = {m} examples and each unit. "
            "Each unit is normalized by itself, so follow one column.",
            r"\mathcal{B} = \{x_1, \dots, x_m\}",
            f"m = {m}, x_1 = {first['x']}",
            [],
            ["x"],
        ),
        line(
            "mean",
            "Add up the column and divide by the number of examples.",
            rf"{ml.MU} = \frac{{1}}{{m}} \sum_{{i=1}}^m x_i",
            # The result first, as many examples make a long line.
            rf"{ml.MU} = {mean} {equals['mean']} \frac{{1}}{{{m}}} ({ml.added(texts.all('x'))})",
            ["x"],
            ["mean"],
        ),
        line(
            "deviations",
            "Subtract the mean from every example. The deviations add up to 0.",
            ml.DEVIATION,
            f"x_1 - {ml.MU} = {first['x']} - {ml.enclosed(texts.statistic('mean'))} "
            f"{equals['deviation']} {first['deviation']}",
            ["x", "mean"],
            ["deviation"],
        ),
        line(
            "variance",
            "Square the deviations and take their mean: divided by m, not by m − 1. "
            "This is the biased variance; it normalizes this mini-batch.",
            rf"{ml.VARIANCE} = \frac{{1}}{{m}} \sum_{{i=1}}^m ({ml.DEVIATION})^2",
            rf"{ml.VARIANCE} = {variance} {equals['variance']} \frac{{1}}{{{m}}} ({squares})",
            ["deviation"],
            ["square", "variance"],
        ),
        line(
            "ε and the root",
            f"ε = {found.epsilon:.5f} keeps the divisor away from 0 where a unit hardly varies.",
            ml.ROOT,
            rf"\sqrt{{{ml.number(fine)} + {epsilon}}} {equals['root']} {root}",
            ["variance"],
            ["root"],
        ),
        line(
            "x̂",
            "Divide every deviation by that root. The column x̂ has mean 0 and, but for ε, variance 1.",
            f"{ml.X_HAT} = {ml.fraction(ml.DEVIATION, ml.ROOT)}",
            rf"\hat{{x}}_1 = {ml.fraction(first['deviation'], root)} {equals['x_hat']} {first['x_hat']}",
            ["deviation", "root"],
            ["x_hat"],
        ),
        line(
            "times γ",
            "γ is learned, one for each unit: it sets how widely this unit’s outputs spread.",
            rf"\gamma {ml.X_HAT}",
            rf"\gamma \hat{{x}}_1 = {gamma} \cdot {x_hat} {equals['scaled']} {first['scaled']}",
            ["x_hat", "gamma"],
            ["scaled"],
        ),
        line(
            "plus β",
            "β is learned too: it sets where they lie. y is what the nonlinearity receives. "
            f"The network itself computed the same column, to within {n.scientific(difference, 1)}.",
            rf"y_i = \gamma {ml.X_HAT} + \beta",
            f"y_1 = {first['scaled']} + {ml.enclosed(texts.statistic('beta'))} {equals['y']} {first['y']}",
            ["scaled", "beta"],
            ["y"],
        ),
    ]


def _png(picture: np.ndarray) -> str:
    """A picture, (height, width) or (height, width, 3) from 0 to 1, as the data URI of a PNG."""
    buffer = io.BytesIO()
    Image.fromarray((255 * picture).round().astype(np.uint8)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
