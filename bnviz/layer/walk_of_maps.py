"""The forward pass of one set of values in a layer of feature maps, line by line, with any normalizer by statistics.

n values share their statistics, counted by k: those of a channel, of an example, or of both. The line with its numbers
filled in follows one of them, x_k at an example, a channel and a position.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bnviz.layer import mathml as ml
from bnviz.layer import numerals as n
from bnviz.layer.backward_of_set import SetPass, set_pass, shown_of
from bnviz.layer.captured import Array, SharedBatch
from bnviz.layer.sharing import in_words
from bnviz.layer.traits import TRAITS, Traits
from bnviz.layer.walk import line, rows, signs, unit_window

TERMS = 3
"""Terms of a sum that are written out."""

_DEVIATION, _X_HAT, _CORRECTED = r"x_k - \mu", r"\hat{x}_k", r"\hat{x}_k^{\,\prime}"
_SUM = r"\frac{1}{n} \sum_{k=1}^n"
_HEADS = {
    "x": ("x_k", "input x"),
    "deviation": (_DEVIATION, "x minus the mean"),
    "square": (rf"({_DEVIATION})^2", "squared deviation"),
    "square_of_x": ("x_k^2", "squared input"),
    "x_hat": (_X_HAT, "normalized x̂"),
    "corrected": (_CORRECTED, "corrected x̂"),
    "gamma": (r"\gamma", "γ of the channel"),
    "y": ("y_k", "output y"),
}


class _Numbers:
    """The numbers of the set and as texts; those that belong together with the same decimals."""

    def __init__(self, batch: SharedBatch, found: SetPass) -> None:
        units = batch.units(found.places)
        own = int(units[found.at])
        corrected = batch.correction.r[units] * found.x_hat + batch.correction.d[units]
        scaled = batch.gamma[units] * corrected
        y = scaled + batch.beta[units]
        self.at, self.epsilon = found.at, batch.epsilon
        self.columns: dict[str, Array] = {
            "x": found.x,
            "deviation": found.deviation,
            "square": found.deviation**2,
            "x_hat": found.x_hat,
            "corrected": corrected,
            "gamma": batch.gamma[units],
            "scaled": scaled,
            "y": y,
        }
        self.statistics = {
            "mean": found.mean,
            "variance": found.variance,
            "root": float(np.sqrt(found.variance + batch.epsilon)),
            "r": float(batch.correction.r[own]),
            "d": float(batch.correction.d[own]),
            "beta": float(batch.beta[own]),
        }
        inputs = n.decimals(found.x, found.deviation)
        squares = n.decimals(self.columns["square"], found.variance)
        outputs = n.decimals(found.x_hat, corrected, scaled, y)
        self.places = dict.fromkeys((*self.columns, *self.statistics), outputs)
        self.places |= dict.fromkeys(("x", "deviation", "mean"), inputs)
        self.places |= dict.fromkeys(("square", "variance"), squares)
        self.places["root"] = max(n.decimals(self.statistics["root"]), 4)
        self.miss = float(np.abs(y - batch.y.ravel()[found.places]).max())

    def cell(self, name: str, at: int) -> str:
        """A value of a column as text."""
        return n.shown(float(self.columns[name][at]), self.places[name])

    def own(self, name: str) -> str:
        """That of the followed value, in LaTeX."""
        return ml.number(self.cell(name, self.at))

    def statistic(self, name: str) -> str:
        """A number that the set shares, as text."""
        return n.shown(self.statistics[name], self.places[name])

    def summed(self, name: str, squared: bool = False) -> str:
        """A sum over the set, of which some terms are written out."""
        shown = [self.cell(name, at) for at in range(min(TERMS, len(self.columns[name])))]
        terms = " + ".join(f"{ml.enclosed(text)}^2" for text in shown) if squared else ml.added(shown)
        return terms + (r" + \dots" if len(self.columns[name]) > TERMS else "")


def lines_of_maps(traits: Traits) -> int:
    """How many lines there are."""
    return len(_titles(traits))


def walk_of_maps(batch: SharedBatch, example: int, channel: int, position: int, label: str) -> dict[str, Any]:
    """Everything that the page shows of one set, ready for JSON. The followed value's place is counted from 1.

    label: the normalizer's. The layer's inputs are shown at the followed value's position.
    """
    traits = TRAITS[batch.normalizer]
    found = set_pass(batch, example, channel, position)
    numbers = _Numbers(batch, found)
    row, column = (int(each) + 1 for each in np.unravel_index(position - 1, batch.x.shape[2:]))
    here = batch.x.reshape(*batch.x.shape[:2], -1)[:, :, position - 1]
    channels, members = (np.unique(each) for each in (batch.units(found.places), _examples(batch, found)))
    window = unit_window(channel, here.shape[1])
    shown, columns = shown_of(len(found.x), found.at), _columns(traits)
    more = len(found.x) - len(shown)
    names = [_named(batch, int(found.places[at])) for at in shown]
    return {
        "unit": channel,
        "feature": "channel",
        "values": True,
        "where": f" at row {row}, column {column}",
        "set": [int(channels[0]) + 1, int(channels[-1]) + 1],
        "members": members.tolist(),
        "units": list(window),
        "all_units": here.shape[1],
        "layer": batch.layer,
        "rows": rows(batch.members),
        "inputs": [[n.shown(float(own[u - 1]), numbers.places["x"]) for u in window] for own in here],
        "columns": [{"name": name, "head": ml.heading(*_headed(name, traits))} for name in columns],
        "sheet": f"The {len(found.x):,} values that share, line by line",
        "names": [
            *({"name": name, "picture": None} for name in names),
            *([{"name": f"… {more:,} more", "picture": None}] if more else []),
        ],
        "cells": [
            *([numbers.cell(name, at) for name in columns] for at in shown),
            *([["…"] * len(columns)] if more else []),
        ],
        "statistics": [
            {"name": name, "head": ml.inline(head), "text": numbers.statistic(name)}
            for name, head in _statistics(traits).items()
        ],
        "lines": _lines(batch, numbers, traits, label, in_words(batch.x, batch.ids == _set_of(batch, found))),
    }


def _set_of(batch: SharedBatch, found: SetPass) -> int:
    return int(batch.ids.flat[found.places[0]])


def _examples(batch: SharedBatch, found: SetPass) -> Array:
    """The example, counted from 0, of each value."""
    return np.asarray(found.places // batch.x[0].size)


def _named(batch: SharedBatch, place: int) -> str:
    """A value as short words: its example, channel, row and column."""
    example, channel, row, column = (int(each) + 1 for each in np.unravel_index(place, batch.x.shape))
    return f"{example}, ch. {channel} ({row}, {column})"


def _titles(traits: Traits) -> tuple[str, ...]:
    """The lines in their order."""
    found = ["the values that share"]
    found += ["mean", "deviations"] if traits.around_mean else []
    found += (["variance"] if traits.around_mean else ["mean square"]) if traits.divides else []
    found += ["ε and the root", "x̂"] if traits.divides else []
    found += ["r and d", "corrected x̂"] if traits.corrected else []
    found += ["times γ"] if traits.scaled else []
    return (*found, *(["plus β"] if traits.shifted else []))


def _columns(traits: Traits) -> tuple[str, ...]:
    found = ["x", *(["deviation"] if traits.around_mean else [])]
    found += ["square", "x_hat"] if traits.divides else []
    found += ["corrected"] if traits.corrected else []
    return (*found, *(["gamma"] if traits.scaled else []), "y")


def _headed(column: str, traits: Traits) -> tuple[str, str]:
    return _HEADS["square_of_x" if column == "square" and not traits.around_mean else column]


def _statistics(traits: Traits) -> dict[str, str]:
    """Those that the set shares, with their signs."""
    square = r"\sigma^2" if traits.around_mean else r"\overline{x^2}"
    found = {"mean": r"\mu"} if traits.around_mean else {}
    found |= {"variance": square, "root": _root(traits)} if traits.divides else {}
    return found | ({"r": "r", "d": "d"} if traits.corrected else {})


def _root(traits: Traits) -> str:
    square = r"\sigma^2" if traits.around_mean else r"\overline{x^2}"
    return rf"\sqrt{{{square} + \varepsilon}}"


def _lines(
    batch: SharedBatch, numbers: _Numbers, traits: Traits, label: str, shared: str
) -> list[dict[str, Any]]:
    """Each of the lines of `_titles`."""
    count, own = len(numbers.columns["x"]), numbers.own
    fine = n.shown(numbers.statistics["variance"], max(numbers.places["variance"], 6))
    epsilon = f"{batch.epsilon:.5f}"
    exact = {name: n.exact(numbers.cell(name, numbers.at)) for name in numbers.columns}
    is_ = signs(exact | {k: n.exact(numbers.statistic(k)) for k in numbers.statistics}, fine, epsilon)
    mean, variance, root = (ml.number(numbers.statistic(name)) for name in ("mean", "variance", "root"))
    square = r"\sigma^2" if traits.around_mean else r"\overline{x^2}"
    kept, source = (_DEVIATION, "deviation") if traits.subtracts else ("x_k", "x")
    squared, of = (rf"({_DEVIATION})^2", "deviation") if traits.around_mean else ("x_k^2", "x")
    scales, normalized = ("corrected", _CORRECTED) if traits.corrected else ("x_hat", _X_HAT)
    divided = is_["x_hat"] if traits.subtracts else r"\approx"
    r, d, beta = (ml.enclosed(numbers.statistic(name)) for name in ("r", "d", "beta"))
    gamma = ml.enclosed(numbers.cell("gamma", numbers.at))
    moved = rf"\gamma {normalized}" if traits.scaled else _DEVIATION
    last = f" The network itself computed the same numbers, to within {n.scientific(numbers.miss, 1)}."
    made: Mapping[str, tuple[str, str, str, Sequence[str], Sequence[str]]] = {
        "the values that share": (
            f"{label}: {shared} share their statistics. These are n = {count:,} values. One of them is followed here.",
            r"x_1, \dots, x_n",
            f"n = {count}, x_k = {own('x')}",
            [],
            ["x"],
        ),
        "mean": (
            "Add up all of them and divide by their number.",
            rf"\mu = {_SUM} x_k",
            rf"\mu = {mean} \approx \frac{{1}}{{{count}}} ({numbers.summed('x')})",
            ["x"],
            ["mean"],
        ),
        "deviations": (
            "Subtract that mean from every value."
            if traits.subtracts
            else "The deviations are taken for the variance alone: the mean stays in x.",
            _DEVIATION,
            rf"x_k - \mu = {own('x')} - {ml.enclosed(numbers.statistic('mean'))} {is_['deviation']} {own('deviation')}",
            ["x", "mean"],
            ["deviation"],
        ),
        "variance" if traits.around_mean else "mean square": (
            "Square the deviations and take their mean: divided by n, the biased variance."
            if traits.around_mean
            else "Square every value and take the mean. No mean is subtracted before.",
            rf"{square} = {_SUM} {squared}",
            rf"{square} = {variance} \approx \frac{{1}}{{{count}}} ({numbers.summed(of, squared=True)})",
            [of],
            ["square", "variance"],
        ),
        "ε and the root": (
            f"ε = {epsilon} keeps the divisor away from 0 where the values hardly vary.",
            _root(traits),
            rf"\sqrt{{{ml.number(fine)} + {epsilon}}} {is_['root']} {root}",
            ["variance"],
            ["root"],
        ),
        "x̂": (
            "Divide every deviation by that root."
            if traits.subtracts
            else "Divide every value by that root. What its mean was stays in it.",
            rf"{_X_HAT} = {ml.fraction(kept, _root(traits))}",
            rf"{_X_HAT} = {ml.fraction(own(source), root)} {divided} {own('x_hat')}",
            [source, "root"],
            ["x_hat"],
        ),
        "r and d": (
            "How much wider than the moving averages this mini-batch is, and how far its mean lies from theirs, kept "
            "within limits. To the gradient both are constants.",
            r"r = \text{clip}\left(\frac{\sigma_{\mathcal{B}}}{\sigma}\right), \quad "
            r"d = \text{clip}\left(\frac{\mu_{\mathcal{B}} - \mu}{\sigma}\right)",
            rf"r \approx {r}, \quad d \approx {d}",
            ["mean", "root"],
            ["r", "d"],
        ),
        "corrected x̂": (
            "Times r, plus d.",
            rf"{_CORRECTED} = r \, {_X_HAT} + d",
            rf"{r} \cdot {ml.enclosed(numbers.cell('x_hat', numbers.at))} + {d} \approx {own('corrected')}",
            ["x_hat", "r", "d"],
            ["corrected"],
        ),
        "times γ": (
            "γ is learned, one for each channel: all positions have the same."
            + ("" if traits.shifted else f" There is no β.{last}"),
            rf"\gamma {normalized}" if traits.shifted else rf"y_k = \gamma {normalized}",
            rf"{gamma} \cdot {ml.enclosed(numbers.cell(scales, numbers.at))} \approx "
            + own("scaled" if traits.shifted else "y"),
            [scales, "gamma"],
            [] if traits.shifted else ["y"],
        ),
        "plus β": (
            f"β is learned too, one for each channel.{last}",
            rf"y_k = {moved} + \beta",
            rf"y_k = {own('scaled')} + {beta} \approx {own('y')}",
            ["gamma" if traits.scaled else "deviation"],
            ["y"],
        ),
    }
    return [
        line(title, words, formula, filled, list(used), list(new))
        for title in _titles(traits)
        for words, formula, filled, used, new in (made[title],)
    ]
