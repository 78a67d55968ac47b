"""The forward pass of one unit, line by line, in the relatives of batch normalization.

As `walk` does batch normalization's: ghost batches, batch renormalization, and each half of it alone. i counts the
examples that share the statistics, from 1 to m: the mini-batch, or the ghost batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from bnviz.layer import mathml as ml
from bnviz.layer import numerals as n
from bnviz.layer.backward_of_set import SetPass, set_pass
from bnviz.layer.captured import SharedBatch
from bnviz.layer.traits import TRAITS, Traits
from bnviz.layer.walk import line, rows, unit_window

OF_ONE_UNIT = ("ghost-batch", "batch-renorm", "mean-only", "variance-only")
"""The normalizers that are shown so."""
LINES_OF_RENORM = 11
"""Of batch renormalization, which has three more than batch normalization; the others have fewer."""

_X_RENORM = r"\hat{x}_i^{\,\prime}"
_HEADS = {
    "x": ("x_i", "input x"),
    "deviation": (ml.DEVIATION, "x minus the mean"),
    "square": (f"({ml.DEVIATION})^2", "squared deviation"),
    "x_hat": (ml.X_HAT, "normalized x̂"),
    "corrected": (_X_RENORM, "corrected x̂"),
    "scaled": (rf"\gamma {ml.X_HAT}", "γ times x̂"),
    "scaled_corrected": (rf"\gamma {_X_RENORM}", "γ times corrected x̂"),
    "y": ("y_i", "output y"),
}
_SYMBOLS = {
    "mean": ml.MU,
    "variance": ml.VARIANCE,
    "root": ml.ROOT,
    "r": "r",
    "d": "d",
    "gamma": r"\gamma",
    "beta": r"\beta",
}
_COLUMNS = {
    "ghost-batch": ("x", "deviation", "square", "x_hat", "scaled", "y"),
    "batch-renorm": ("x", "deviation", "square", "x_hat", "corrected", "scaled", "y"),
    "mean-only": ("x", "deviation", "y"),
    "variance-only": ("x", "deviation", "square", "x_hat", "y"),
}
_STATISTICS = {
    "ghost-batch": ("mean", "variance", "root", "gamma", "beta"),
    "batch-renorm": ("mean", "variance", "root", "r", "d", "gamma", "beta"),
    "mean-only": ("mean", "beta"),
    "variance-only": ("mean", "variance", "root", "gamma"),
}


class _Numbers:
    """The numbers of one unit, and as texts; those that belong together with the same decimals."""

    def __init__(self, batch: SharedBatch, found: SetPass, unit: int) -> None:
        own = unit - 1
        gamma, beta = float(batch.gamma[own]), float(batch.beta[own])
        r, d = float(batch.correction.r[own]), float(batch.correction.d[own])
        corrected = r * found.x_hat + d
        scaled = gamma * corrected
        self.columns = {
            "x": found.x,
            "deviation": found.deviation,
            "square": found.deviation**2,
            "x_hat": found.x_hat,
            "corrected": corrected,
            "scaled": scaled,
            "y": scaled + beta,
        }
        self.statistics = {
            "mean": found.mean,
            "variance": found.variance,
            "root": float(np.sqrt(found.variance + batch.epsilon)),
            "r": r,
            "d": d,
            "gamma": gamma,
            "beta": beta,
        }
        inputs = n.decimals(found.x, found.deviation)
        squares = n.decimals(self.columns["square"], found.variance)
        outputs = n.decimals(found.x_hat, corrected, scaled, self.columns["y"], gamma)
        self.places = dict.fromkeys(("x", "deviation", "mean"), inputs)
        self.places |= dict.fromkeys(("square", "variance"), squares)
        self.places |= dict.fromkeys(
            ("x_hat", "corrected", "scaled", "y", "gamma", "beta", "r", "d"), outputs
        )
        self.places["root"] = max(n.decimals(self.statistics["root"]), 4)

    def all(self, name: str) -> list[str]:
        """A whole column as texts."""
        return [n.shown(float(value), self.places[name]) for value in self.columns[name]]

    def first(self, name: str) -> str:
        """The first value of a column as text."""
        return self.all(name)[0]

    def statistic(self, name: str) -> str:
        """A number that the rows share, as text."""
        return n.shown(self.statistics[name], self.places[name])


def walk_of_unit(batch: SharedBatch, example: int, unit: int, label: str) -> dict[str, Any]:
    """Everything that the page shows of one unit, ready for JSON. example, unit: counted from 1.

    The examples are those that share the statistics with `example`. label: the normalizer's.
    """
    name = batch.normalizer
    found = set_pass(batch, example, unit)
    numbers = _Numbers(batch, found, unit)
    members = found.places // batch.x.shape[1]
    all_rows = rows(batch.members)
    window = unit_window(unit, batch.x.shape[1])
    difference = float(np.abs(numbers.columns["y"] - batch.y[members, unit - 1]).max())
    parts = f", examples {members[0] + 1} to {members[-1] + 1}" if len(members) < len(batch.x) else ""
    return {
        "unit": unit,
        "members": members.tolist(),
        "units": list(window),
        "all_units": batch.x.shape[1],
        "layer": batch.layer,
        "rows": all_rows,
        "inputs": [[n.shown(own[u - 1], numbers.places["x"]) for u in window] for own in batch.x],
        "columns": [
            {"name": each, "head": ml.heading(*_HEADS[_headed(each, TRAITS[name])])}
            for each in _COLUMNS[name]
        ],
        "sheet": f"Unit {unit}{parts}, line by line",
        "names": [all_rows[member] for member in members],
        "cells": [list(cells) for cells in zip(*(numbers.all(each) for each in _COLUMNS[name]), strict=True)],
        "statistics": [
            {"name": each, "head": ml.inline(_SYMBOLS[each]), "text": numbers.statistic(each)}
            for each in _STATISTICS[name]
        ],
        "lines": _lines(batch, numbers, unit, label, difference, len(batch.x)),
    }


def _headed(column: str, traits: Traits) -> str:
    """Under which head a column stands."""
    return "scaled_corrected" if column == "scaled" and traits.corrected else column


def _lines(
    batch: SharedBatch, numbers: _Numbers, unit: int, label: str, difference: float, examples: int
) -> list[dict[str, Any]]:
    traits, name = TRAITS[batch.normalizer], batch.normalizer
    count = len(numbers.columns["x"])
    which = "the ghost batch" if name == "ghost-batch" else "the mini-batch"
    words = (
        f"{label} divides the mini-batch of {examples} examples into parts and takes each by itself. These are the "
        f"m = {count} examples of one part."
        if name == "ghost-batch"
        else f"{label}: each unit by itself, over the m = {count} examples of the mini-batch."
    )
    first = {each: ml.number(numbers.first(each)) for each in numbers.columns}
    same = f"The network itself computed the same column, to within {n.scientific(difference, 1)}."
    mean = ml.number(numbers.statistic("mean"))
    x_sum = sum(map(n.exact, numbers.all("x")), Fraction())
    made = [
        line(which, words, r"x_1, \dots, x_m", f"m = {count}, x_1 = {first['x']}", [], ["x"]),
        line(
            "mean",
            "Add up the column and divide by the number of examples.",
            rf"{ml.MU} = \frac{{1}}{{m}} \sum_{{i=1}}^m x_i",
            rf"{ml.MU} = {mean} {n.equals(n.exact(numbers.statistic('mean')), x_sum / count)} "
            rf"\frac{{1}}{{{count}}} ({ml.added(numbers.all('x'))})",
            ["x"],
            ["mean"],
        ),
        line(
            "deviations",
            "Subtract the mean from every example."
            if traits.subtracts
            else "The deviations from the mean are taken for the variance alone: the mean stays in x.",
            ml.DEVIATION,
            f"x_1 - {ml.MU} = {first['x']} - {ml.enclosed(numbers.statistic('mean'))} "
            f"{_sign(numbers, 'deviation', 'x', minus='mean')} {first['deviation']}",
            ["x", "mean"],
            ["deviation"],
        ),
    ]
    if traits.divides:
        made += _division(batch, numbers, count, first)
    if traits.corrected:
        made += _correction(batch, numbers, unit, first)
    return [*made, *_ending(batch, numbers, first, same)]


def _division(
    batch: SharedBatch, numbers: _Numbers, count: int, first: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Variance, root, x̂."""
    traits = TRAITS[batch.normalizer]
    variance, root = (ml.number(numbers.statistic(each)) for each in ("variance", "root"))
    fine = n.shown(numbers.statistics["variance"], max(numbers.places["variance"], 6))
    epsilon = f"{batch.epsilon:.5f}"
    deviations = numbers.all("deviation")
    squares = sum((n.exact(text) ** 2 for text in deviations), Fraction())
    exact_root = n.exact(numbers.statistic("root"))
    kept, kept_name = (ml.DEVIATION, "deviation") if traits.subtracts else ("x_i", "x")
    divided = n.equals(n.exact(numbers.first("x_hat")) * exact_root, n.exact(numbers.first(kept_name)))
    summed = " + ".join(f"{ml.enclosed(text)}^2" for text in deviations)
    return [
        line(
            "variance",
            "Square the deviations and take their mean: the biased variance.",
            rf"{ml.VARIANCE} = \frac{{1}}{{m}} \sum_{{i=1}}^m ({ml.DEVIATION})^2",
            rf"{ml.VARIANCE} = {variance} {n.equals(n.exact(numbers.statistic('variance')), squares / count)} "
            rf"\frac{{1}}{{{count}}} ({summed})",
            ["deviation"],
            ["square", "variance"],
        ),
        line(
            "ε and the root",
            f"ε = {batch.epsilon:.5f} keeps the divisor away from 0 where a unit hardly varies.",
            ml.ROOT,
            rf"\sqrt{{{ml.number(fine)} + {epsilon}}} "
            rf"{n.equals(exact_root**2, n.exact(fine) + n.exact(epsilon))} {root}",
            ["variance"],
            ["root"],
        ),
        line(
            "x̂",
            "Divide every deviation by that root."
            if traits.subtracts
            else "Divide x itself by that root. So x̂ has variance 1, but for ε, and keeps a mean of its own.",
            f"{ml.X_HAT} = {ml.fraction(kept, ml.ROOT)}",
            rf"\hat{{x}}_1 = {ml.fraction(first[kept_name], root)} {divided} {first['x_hat']}",
            [kept_name, "root"],
            ["x_hat"],
        ),
    ]


def _correction(
    batch: SharedBatch, numbers: _Numbers, unit: int, first: Mapping[str, str]
) -> list[dict[str, Any]]:
    """r, d and the corrected x̂ (Ioffe 2017, Algorithm 1)."""
    own, correction = unit - 1, batch.correction
    running_mean, running_std = float(correction.mean[own]), float(correction.std[own])
    std, mean = numbers.statistics["root"], numbers.statistics["mean"]
    shown = {
        each: ml.enclosed(n.scientific(value, 5))
        for each, value in {
            "mean": running_mean,
            "std": running_std,
            "r": std / running_std,
            "d": (mean - running_mean) / running_std,
        }.items()
    }
    most_r, most_d = (f"{value:.4g}" for value in (correction.most_r, correction.most_d))
    r, d = (ml.enclosed(numbers.statistic(each)) for each in ("r", "d"))
    batch_mean, root = ml.enclosed(numbers.statistic("mean")), ml.number(numbers.statistic("root"))
    least_r = f"{1 / correction.most_r:.4g}"
    plain = ""
    if correction.most_r == 1.0:
        plain = "But training begins with plain batch normalization: at this step still r = 1 and d = 0. "
    return [
        line(
            "r",
            "How much wider this mini-batch is than the moving average σ. "
            + (plain or f"At this step r is kept within {least_r} and {most_r}. ")
            + "To the gradient it is a constant.",
            r"r = \text{clip}\left(\frac{\sigma_{\mathcal{B}}}{\sigma}\right)",
            rf"\frac{{{root}}}{{{shown['std']}}} \approx {shown['r']}, \quad r \approx {r}",
            ["root"],
            ["r"],
        ),
        line(
            "d",
            "How far its mean lies from the moving average μ, in σ. "
            + (plain or f"At this step d is kept within −{most_d} and {most_d}. ")
            + "It is a constant too.",
            r"d = \text{clip}\left(\frac{\mu_{\mathcal{B}} - \mu}{\sigma}\right)",
            rf"\frac{{{batch_mean} - {shown['mean']}}}{{{shown['std']}}} \approx {shown['d']}, \quad d \approx {d}",
            ["mean"],
            ["d"],
        ),
        line(
            "corrected x̂",
            "Times r, plus d. Where nothing was clipped, this is (x − μ)/σ with the moving averages, as in inference.",
            rf"{_X_RENORM} = {ml.X_HAT} \cdot r + d",
            rf"{ml.enclosed(numbers.first('x_hat'))} \cdot {r} + {d} \approx {first['corrected']}",
            ["x_hat", "r", "d"],
            ["corrected"],
        ),
    ]


def _ending(
    batch: SharedBatch, numbers: _Numbers, first: Mapping[str, str], same: str
) -> list[dict[str, Any]]:
    """γ and β, where the normalizer has them."""
    traits = TRAITS[batch.normalizer]
    if not traits.scaled:
        return [
            line(
                "plus β",
                f"β is learned. Nothing is divided, and there is no γ. {same}",
                rf"y_i = {ml.DEVIATION} + \beta",
                f"y_1 = {first['deviation']} + {ml.enclosed(numbers.statistic('beta'))} "
                rf"\approx {first['y']}",
                ["deviation", "beta"],
                ["y"],
            )
        ]
    source = "corrected" if traits.corrected else "x_hat"
    symbol = _X_RENORM if traits.corrected else ml.X_HAT
    gamma = ml.enclosed(numbers.statistic("gamma"))
    times = rf"{gamma} \cdot {ml.enclosed(numbers.first(source))}"
    if not traits.shifted:
        return [
            line(
                "times γ",
                f"γ is learned, one for each unit. There is no β. {same}",
                rf"y_i = \gamma {symbol}",
                rf"y_1 = {times} \approx {first['y']}",
                [source, "gamma"],
                ["y"],
            )
        ]
    return [
        line(
            "times γ",
            "γ is learned, one for each unit: it sets how widely this unit’s outputs spread.",
            rf"\gamma {symbol}",
            rf"{times} \approx {first['scaled']}",
            [source, "gamma"],
            ["scaled"],
        ),
        line(
            "plus β",
            f"β is learned too: it sets where they lie. {same}",
            rf"y_i = \gamma {symbol} + \beta",
            f"y_1 = {first['scaled']} + {ml.enclosed(numbers.statistic('beta'))} "
            f"{_sign(numbers, 'y', 'scaled', plus='beta')} {first['y']}",
            ["scaled", "beta"],
            ["y"],
        ),
    ]


def _sign(numbers: _Numbers, result: str, start: str, *, plus: str = "", minus: str = "") -> str:
    """= or ≈ between a sum of two numbers as they are shown and the result as it is shown."""
    other = n.exact(numbers.statistic(plus or minus))
    total = n.exact(numbers.first(start)) + (other if plus else -other)
    return n.equals(n.exact(numbers.first(result)), total)
