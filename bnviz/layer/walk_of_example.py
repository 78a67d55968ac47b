"""The forward pass of one example in layer, group and RMS normalization: line by line, as `walk` does batch norm's.

H is the number of units that share the statistics, as in Ba et al. 2016. x_j is the input of unit j.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bnviz.layer import mathml as ml
from bnviz.layer import numerals as n
from bnviz.layer.arithmetic import Forward, forward
from bnviz.layer.captured import ExampleBatch
from bnviz.layer.walk import Texts, line, rows, signs, unit_window

ROWS = 12
"""Units of the set whose numbers are shown; the sums are over all."""
TERMS = 3
"""Terms of a sum that are written out."""

_MU, _VARIANCE, _X_HAT = r"\mu", r"\sigma^2", r"\hat{x}_j"
_ROOT, _RMS = r"\sqrt{\sigma^2 + \varepsilon}", r"\sqrt{\overline{x^2} + \varepsilon}"
_DEVIATION = r"x_j - \mu"
_SUM = r"\sum_{j=1}^H"

_COLUMNS = {
    "x": ("x_j", "input x"),
    "deviation": (_DEVIATION, "x minus the mean"),
    "square": (rf"({_DEVIATION})^2", "squared deviation"),
    "x_hat": (_X_HAT, "normalized x̂"),
    "gamma": (r"\gamma_j", "γ of the unit"),
    "scaled": (rf"\gamma_j {_X_HAT}", "γ times x̂"),
    "y": ("y_j", "output y"),
}
_COLUMNS_OF_RMS = {
    "x": _COLUMNS["x"],
    "square": ("x_j^2", "squared input"),
    "x_hat": _COLUMNS["x_hat"],
    "gamma": _COLUMNS["gamma"],
    "y": _COLUMNS["y"],
}
"""Of the table of one example: formula, and the words for those who hear it."""


def lines_of(batch: ExampleBatch, example: int, unit: int) -> tuple[Forward, np.ndarray]:
    """The lines for the set of values that shares with a unit's value of an example, both counted from 1; its units."""
    row = batch.ids[example - 1]
    units = np.nonzero(row == row[unit - 1])[0]
    x = batch.x[example - 1, units]
    return forward(x, batch.gamma[units], batch.beta[units], batch.epsilon, batch.centered), units


def walk_of_example(batch: ExampleBatch, example: int, unit: int, label: str) -> dict[str, Any]:
    """Everything that the page shows of one example, ready for JSON. label: the normalizer's."""
    found, units = lines_of(batch, example, unit)
    texts = Texts(found)
    columns = _COLUMNS if batch.centered else _COLUMNS_OF_RMS
    window = unit_window(unit, batch.x.shape[1])
    shown = range(min(ROWS, len(units)))
    more = len(units) - len(shown)
    named = [{"name": f"unit {units[i] + 1}", "picture": None} for i in shown]
    whole = f"units {units[0] + 1} to {units[-1] + 1}" if len(units) < batch.x.shape[1] else "all units"
    statistics = (
        {"mean": _MU, "variance": _VARIANCE, "root": _ROOT}
        if batch.centered
        else {"variance": r"\overline{x^2}", "root": _RMS}
    )
    return {
        "unit": unit,
        "example": example,
        "set": [int(units[0]) + 1, int(units[-1]) + 1],
        "units": list(window),
        "all_units": batch.x.shape[1],
        "layer": batch.layer,
        "rows": rows(batch.members),
        "inputs": [[n.shown(own[u - 1], texts.places["x"]) for u in window] for own in batch.x],
        "columns": [{"name": name, "head": ml.heading(*head)} for name, head in columns.items()],
        "sheet": f"Example {example}, {whole}, line by line",
        "names": [*named, *([{"name": f"… {more} more", "picture": None}] if more else [])],
        "cells": [
            *([texts.column(name, i) for name in columns] for i in shown),
            *([["…"] * len(columns)] if more else []),
        ],
        "statistics": [
            {"name": name, "head": ml.inline(head), "text": texts.statistic(name)}
            for name, head in statistics.items()
        ],
        "lines": _lines(
            batch, found, texts, label, float(np.abs(found.y - batch.y[example - 1, units]).max())
        ),
    }


def _lines(
    batch: ExampleBatch, found: Forward, texts: Texts, label: str, difference: float
) -> list[dict[str, Any]]:
    count = len(found.x)
    first = {name: ml.number(texts.column(name, 0)) for name in _COLUMNS}
    variance, root = (ml.number(texts.statistic(name)) for name in ("variance", "root"))
    fine, epsilon = n.shown(found.variance, max(texts.places["variance"], 6)), f"{found.epsilon:.5f}"
    exact = {name: n.exact(texts.column(name, 0)) for name in (*_COLUMNS, "beta")} | {
        name: n.exact(texts.statistic(name)) for name in ("mean", "root")
    }
    is_, sums = signs(exact, fine, epsilon), r"\approx"  # of sums not all terms are shown
    x_hat = ml.enclosed(texts.column("x_hat", 0))
    begin = line(
        "the example",
        f"{label} takes each example by itself. These are the inputs of H = {count} units for one example; they "
        "share their statistics, and no other example has a part in them.",
        r"x_1, \dots, x_H",
        f"H = {count}, x_1 = {first['x']}",
        [],
        ["x"],
    )
    same = f"The network itself computed the same numbers, to within {n.scientific(difference, 1)}."
    gamma = ml.enclosed(texts.column("gamma", 0))
    by_gamma = rf"\gamma_1 \hat{{x}}_1 = {gamma} \cdot {x_hat} {is_['scaled']} {first['scaled']}"
    if not batch.centered:
        return [
            begin,
            line(
                "mean square",
                "Square every input and take the mean. No mean is subtracted before.",
                rf"\overline{{x^2}} = \frac{{1}}{{H}} {_SUM} x_j^2",
                rf"\overline{{x^2}} = {variance} {sums} \frac{{1}}{{{count}}} ({_squares(texts, 'x', count)})",
                ["x"],
                ["square", "variance"],
            ),
            line(
                "ε and the root",
                f"The root of the mean square, RMS. ε = {found.epsilon:.5f} keeps the divisor away from 0.",
                _RMS,
                rf"\sqrt{{{ml.number(fine)} + {epsilon}}} {is_['root']} {root}",
                ["variance"],
                ["root"],
            ),
            line(
                "x̂",
                "Divide every input by that root. The mean square of x̂ is 1, but for ε; its mean need not be 0.",
                rf"{_X_HAT} = {ml.fraction('x_j', _RMS)}",
                rf"\hat{{x}}_1 = {ml.fraction(first['x'], root)} {is_['x_hat']} {first['x_hat']}",
                ["x", "root"],
                ["x_hat"],
            ),
            line(
                "times γ",
                f"γ is learned, one for each unit. There is no β. {same}",
                rf"y_j = \gamma_j {_X_HAT}",
                by_gamma,
                ["x_hat", "gamma"],
                ["y"],
            ),
        ]
    mean = ml.number(texts.statistic("mean"))
    return [
        begin,
        line(
            "mean",
            "Add up the inputs of the example’s units and divide by their number.",
            rf"{_MU} = \frac{{1}}{{H}} {_SUM} x_j",
            rf"{_MU} = {mean} {sums} \frac{{1}}{{{count}}} ({_added(texts, 'x', count)})",
            ["x"],
            ["mean"],
        ),
        line(
            "deviations",
            "Subtract that mean from the input of every unit. The deviations add up to 0.",
            _DEVIATION,
            f"x_1 - {_MU} = {first['x']} - {ml.enclosed(texts.statistic('mean'))} "
            f"{is_['deviation']} {first['deviation']}",
            ["x", "mean"],
            ["deviation"],
        ),
        line(
            "variance",
            "Square the deviations and take their mean: divided by H, the biased variance.",
            rf"{_VARIANCE} = \frac{{1}}{{H}} {_SUM} ({_DEVIATION})^2",
            rf"{_VARIANCE} = {variance} {sums} \frac{{1}}{{{count}}} ({_squares(texts, 'deviation', count)})",
            ["deviation"],
            ["square", "variance"],
        ),
        line(
            "ε and the root",
            f"ε = {found.epsilon:.5f} keeps the divisor away from 0 where all units receive the same.",
            _ROOT,
            rf"\sqrt{{{ml.number(fine)} + {epsilon}}} {is_['root']} {root}",
            ["variance"],
            ["root"],
        ),
        line(
            "x̂",
            "Divide every deviation by that root. The x̂ of these units have mean 0 and, but for ε, variance 1.",
            rf"{_X_HAT} = {ml.fraction(_DEVIATION, _ROOT)}",
            rf"\hat{{x}}_1 = {ml.fraction(first['deviation'], root)} {is_['x_hat']} {first['x_hat']}",
            ["deviation", "root"],
            ["x_hat"],
        ),
        line(
            "times γ",
            "γ is learned, one for each unit, as in batch normalization.",
            rf"\gamma_j {_X_HAT}",
            by_gamma,
            ["x_hat", "gamma"],
            ["scaled"],
        ),
        line(
            "plus β",
            f"β is learned too, one for each unit. {same}",
            rf"y_j = \gamma_j {_X_HAT} + \beta_j",
            f"y_1 = {first['scaled']} + {ml.enclosed(texts.column('beta', 0))} {is_['y']} {first['y']}",
            ["scaled"],
            ["y"],
        ),
    ]


def _added(texts: Texts, name: str, count: int) -> str:
    return _shortened([texts.column(name, i) for i in range(min(TERMS, count))], count, ml.added)


def _squares(texts: Texts, name: str, count: int) -> str:
    def summed(shown: Sequence[str]) -> str:
        return " + ".join(f"{ml.enclosed(text)}^2" for text in shown)

    return _shortened([texts.column(name, i) for i in range(min(TERMS, count))], count, summed)


def _shortened(shown: Sequence[str], count: int, summed: Callable[[Sequence[str]], str]) -> str:
    return summed(shown) + (r" + \dots" if count > len(shown) else "")
