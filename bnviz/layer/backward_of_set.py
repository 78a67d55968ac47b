"""The backward pass through any normalizer by statistics: formulas, numbers and table cells.

A set holds the n values that share μ and σ². In batch normalization it is one unit of all examples, in layer
normalization all units of one example; with feature maps it has all their positions. k counts the values of the set,
i the values of a unit: the m examples of the mini-batch, or m′ = m·p·q with positions. The formulas are those of
Section 3 of Ioffe & Szegedy 2015 with the set in the place of the mini-batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bnviz.layer import mathml as ml
from bnviz.layer import numerals as n
from bnviz.layer.captured import Array, SharedBatch
from bnviz.layer.gradients import enclosed_number, plain_number, summed
from bnviz.layer.traits import TRAITS, Traits

ROWS = 12
"""Values of the set whose terms are shown; the sums are over all."""


def _derivative(of: str) -> str:
    return ml.fraction(r"\partial \ell", rf"\partial {of}")


_DY, _DX_HAT, _DX = _derivative("y_k"), _derivative(r"\hat{x}_k"), _derivative("x_k")
_DMEAN, _DGAMMA, _DBETA = _derivative(r"\mu"), _derivative(r"\gamma_j"), _derivative(r"\beta_j")
_SUM = r"\sum_{k=1}^n"

_WORDS = {
    "x_hat": "x̂",
    "variance": "the variance",
    "mean": "the mean",
    "x": "x",
    "gamma": "γ",
    "beta": "β",
}


@dataclass(frozen=True, eq=False)
class SetPass:
    """A set, forward and backward. x, deviation, x_hat, dy, dx_hat, dx: (n,).

    deviation: what is squared for σ², x − μ or x. kept: what is divided, x − μ or x. places: in the flattened
    mini-batch. at: the followed value's place in the set.
    """

    places: Array
    at: int
    x: Array
    mean: float
    deviation: Array
    kept: Array
    variance: float
    root: float
    x_hat: Array
    dy: Array
    gamma: Array
    r: Array
    dx_hat: Array
    dvariance: float
    dmean: float
    dx: Array


def set_pass(batch: SharedBatch, example: int, unit: int, position: int = 1) -> SetPass:
    """The set that a unit's value of an example, in a feature map at a position, belongs to; all counted from 1."""
    traits = TRAITS[batch.normalizer]
    followed = batch.place(example, unit, position)
    ids = batch.ids.ravel()
    places = np.nonzero(ids == ids[followed])[0]
    units = batch.units(places)
    x, dy, gamma, r = (
        batch.x.ravel()[places],
        batch.dy.ravel()[places],
        batch.gamma[units],
        batch.correction.r[units],
    )
    count = len(x)
    mean = float(x.mean())
    deviation = x - mean if traits.around_mean else x
    kept = x - mean if traits.subtracts else x
    variance = float((deviation**2).mean())
    root = float(np.sqrt(variance + batch.epsilon)) if traits.divides else 1.0
    dx_hat = dy * gamma * r
    dvariance = dmean = 0.0
    if traits.divides:
        dvariance = float((dx_hat * kept).sum() * -0.5 * (variance + batch.epsilon) ** -1.5)
    if traits.subtracts:
        dmean = float(-dx_hat.sum() / root)
    if traits.around_mean:
        dmean += dvariance * float((-2.0 * deviation).sum()) / count
    dx = dx_hat / root + dvariance * 2.0 * deviation / count + dmean / count
    at = int(np.nonzero(places == followed)[0][0])
    return SetPass(
        places,
        at,
        x,
        mean,
        deviation,
        kept,
        variance,
        root,
        kept / root,
        dy,
        gamma,
        r,
        dx_hat,
        dvariance,
        dmean,
        dx,
    )


def of_gamma_and_beta(batch: SharedBatch, unit: int) -> tuple[float, float]:
    """∂ℓ/∂γ and ∂ℓ/∂β of a unit, counted from 1: sums over all its values, whatever shares the statistics."""
    own, values = batch.ids[:, unit - 1], batch.x[:, unit - 1]
    x_hat = np.empty_like(values)
    for example, position in _one_of_each(own):
        found = set_pass(batch, example, unit, position)
        mine = batch.units(found.places) == unit - 1
        x_hat[own == batch.ids.flat[found.places[0]]] = found.x_hat[mine]
    dy = batch.dy[:, unit - 1]
    corrected = x_hat * batch.correction.r[unit - 1] + batch.correction.d[unit - 1]
    return float((dy * corrected).sum()), float(dy.sum())


def _one_of_each(ids: Array) -> list[tuple[int, int]]:
    """An example and a position, counted from 1, of each set among a unit's values. ids: (m,) or (m, p, q)."""
    first = np.unique(ids, return_index=True)[1]
    examples, positions = np.divmod(first, ids[0].size)
    return [(int(e) + 1, int(p) + 1) for e, p in zip(examples, positions, strict=True)]


def dx_in_one_line(batch: SharedBatch, found: SetPass) -> Array:
    """∂ℓ/∂x of the set, (n,), with ∂ℓ/∂σ² and ∂ℓ/∂μ put in and simplified."""
    traits, g, count = TRAITS[batch.normalizer], found.dx_hat, len(found.x)
    inner = count * g
    if traits.subtracts:
        inner = inner - g.sum()
    if traits.divides:
        inner = inner - found.deviation / found.root * (g * found.x_hat).sum()
    return np.asarray(inner / (count * found.root))


class BackwardOfSet:
    """The gradients of one set as tables. example, unit, position: of the followed value, counted from 1."""

    def __init__(self, batch: SharedBatch, example: int, unit: int, position: int = 1) -> None:
        self.batch, self.example, self.unit = batch, example, unit
        self.traits = TRAITS[batch.normalizer]
        self.found = set_pass(batch, example, unit, position)
        self.own = int(batch.ids.flat[self.found.places[self.found.at]])

    @property
    def numbers(self) -> tuple[str, Array]:
        """What tells the values of the set apart, "unit" or "example", and the number of each from 1, (n,).

        With feature maps "value", counted along the set.
        """
        if self.batch.positions > 1:
            return "value", np.arange(1, len(self.found.x) + 1)
        rows, units = np.divmod(self.found.places, self.batch.x.shape[1])
        return ("example", rows + 1) if units[0] == units[-1] else ("unit", units + 1)

    def gradients(self) -> list[list[str]]:
        """A row for each gradient, in the paper's order: formula with its numbers, value, the two checks."""
        found, theirs, nudged = self.found, self.batch.gradients, self.batch.nudged
        gamma, beta = of_gamma_and_beta(self.batch, self.unit)
        in_set, at_unit = found.places, self.unit - 1
        every: dict[str, tuple[Array | float, Array | float, Array | float]] = {
            "x_hat": (found.dx_hat, theirs.x_hat.ravel()[in_set], nudged.x_hat),
            "variance": (found.dvariance, theirs.variance[self.own], nudged.variance),
            "mean": (found.dmean, theirs.mean[self.own], nudged.mean),
            "x": (found.dx, theirs.x.ravel()[in_set], nudged.x),
            "gamma": (gamma, theirs.gamma[at_unit], nudged.gamma),
            "beta": (beta, theirs.beta[at_unit], nudged.beta),
        }
        filled = self._filled(gamma, beta)
        maps = self.batch.positions > 1
        return [
            self._row(name, formula, filled[name], *every[name])
            for name, formula in formulas(self.traits, maps).items()
        ]

    def in_one_line(self) -> list[str]:
        """A row like those of `gradients`: ∂ℓ/∂x by the simplified formula."""
        mine = dx_in_one_line(self.batch, self.found)
        theirs = self.batch.gradients.x.ravel()[self.found.places]
        return self._row("x", one_line(self.traits), self._filled_line(), mine, theirs, self.batch.nudged.x)

    def _row(self, name: str, formula: str, filled: str, *values: Array | float) -> list[str]:
        """One gradient. values: by the formula, by autograd, by finite differences; (n,) or one number each.

        Finite differences of a large set are of some of its values, the followed one among them.
        """
        mine, *others = (np.ravel(item) for item in values)
        at = self.found.at if len(mine) > 1 else 0
        said = f'<span class="bnviz-spoken">gradient for {_WORDS[name]}</span>'
        numbers = ml.block(filled) if filled else ""
        cells = [said + ml.block(formula) + numbers, n.scientific(float(mine[at]), 6)]
        for other in others:
            of = np.arange(len(mine)) if len(other) == len(mine) else self.batch.nudged_at
            own, apart = other[of == at], np.abs(mine[of] - other)
            known = apart[~np.isnan(apart)]
            cells += [
                _text(float(own[0]), 6),
                _text(float(known.max()) if known.size else np.nan, 1),
            ]
        return cells

    @property
    def kinks(self) -> int:
        """At how many of the values that finite differences are of the loss has no slope."""
        return int(np.isnan(self.batch.nudged.x).sum())

    def terms(self) -> tuple[list[str], list[list[str]]]:
        """The terms of the sums: headings, a row for each value that is shown, and a last one with the sums."""
        found = self.found
        columns = {
            (_DY, "gradient for y"): found.dy,
            (r"\gamma_k", "γ"): found.gamma,
            (_DX_HAT, "gradient for x̂"): found.dx_hat,
            ("x_k - \\mu" if self.traits.around_mean else "x_k", "x minus the mean"): found.deviation,
            (rf"{_DX_HAT} \cdot \hat{{x}}_k", "gradient for x̂ times x̂"): found.dx_hat * found.x_hat,
            (_DX, "gradient for x"): found.dx,
        }
        if not self.traits.scaled:
            del columns[(r"\gamma_k", "γ")]
        if not self.traits.divides:  # no sum needs it
            del columns[(rf"{_DX_HAT} \cdot \hat{{x}}_k", "gradient for x̂ times x̂")]
        shown = shown_of(len(found.x), found.at)
        heads, texts = ["value"], []
        for head, column in columns.items():
            adds_up = head[1] != "γ"
            power, cells = n.in_powers(np.append(column, summed(column) if adds_up else 0.0))
            heads.append(ml.heading(*head) + (f" / {n.power_of_ten(power)}" if power else ""))
            texts.append([*(cells[i] for i in shown), cells[-1] if adds_up else ""])
        named = [self.batch.named(int(found.places[at])) for at in shown]
        rows = [[name, *cells] for name, *cells in zip(named, *texts, strict=False)]
        if len(found.x) > len(shown):
            rows.append([f"… {len(found.x) - len(shown)} more", *["…"] * len(texts)])
        return heads, [*rows, [f"<b>sum of {len(found.x)}</b>", *(f"<b>{cells[-1]}</b>" for cells in texts)]]

    def _filled_line(self) -> str:
        """The right-hand side of `one_line` with its numbers, which are rounded."""
        found, at, count = self.found, self.found.at, len(self.found.x)
        inner = rf"{count} \cdot {enclosed_number(found.dx_hat[at])}"
        if self.traits.subtracts:
            inner += f" - {enclosed_number(summed(found.dx_hat))}"
        if self.traits.divides:
            products = enclosed_number(summed(found.dx_hat * found.x_hat))
            inner += rf" - {enclosed_number(found.deviation[at] / found.root)} \cdot {products}"
        below = rf"{count} \cdot {plain_number(found.root)}" if self.traits.divides else str(count)
        return rf"\approx {ml.fraction('1', below)} \cdot \left({inner}\right)"

    def _filled(self, gamma: float, beta: float) -> dict[str, str]:
        """The right-hand sides with their numbers, which are rounded."""
        found, traits, at, count = self.found, self.traits, self.found.at, len(self.found.x)
        root = plain_number(found.root)
        factors = [found.dy[at], *([found.gamma[at]] if traits.scaled else [])]
        factors += [found.r[at]] if traits.corrected else []
        square = enclosed_number(found.variance + self.batch.epsilon)
        terms = []
        if traits.subtracts:
            terms.append(
                rf"{enclosed_number(summed(found.dx_hat))} \cdot \frac{{-1}}{{{root}}}"
                if traits.divides
                else f"-{enclosed_number(summed(found.dx_hat))}"
            )
        if traits.around_mean and traits.divides:
            zero = rf"-2 \cdot {enclosed_number(summed(found.deviation))}"
            terms.append(rf"{enclosed_number(found.dvariance)} \cdot {ml.fraction(zero, str(count))}")
        of_x = [
            enclosed_number(found.dx_hat[at])
            + (rf" \cdot {ml.fraction('1', root)}" if traits.divides else "")
        ]
        if traits.divides:
            twice = rf"2 \cdot {enclosed_number(found.deviation[at])}"
            of_x.append(rf"{enclosed_number(found.dvariance)} \cdot {ml.fraction(twice, str(count))}")
        if traits.subtracts:
            of_x.append(rf"{enclosed_number(found.dmean)} \cdot {ml.fraction('1', str(count))}")
        return {
            "x_hat": r"\approx " + r" \cdot ".join(map(enclosed_number, factors)) if len(factors) > 1 else "",
            "variance": rf"\approx {enclosed_number(summed(found.dx_hat * found.kept))} \cdot \frac{{-1}}{{2}} "
            rf"\cdot \left({square}\right)^{{-3/2}}",
            "mean": r"\approx " + " + ".join(terms),
            "x": r"\approx " + " + ".join(of_x),
            "gamma": rf"\approx {plain_number(gamma)}",
            "beta": rf"\approx {plain_number(beta)}",
        }


def _text(value: float, digits: int) -> str:
    return "–" if np.isnan(value) else n.scientific(value, digits)


def shown_of(count: int, at: int) -> list[int]:
    """The places of the values of a set that are shown: its first ROWS, the followed one `at` in any case."""
    shown = list(range(min(ROWS, count)))
    return shown if at in shown else [*shown[:-1], at]


def formulas(traits: Traits, maps: bool = False) -> dict[str, str]:
    """Of the gradients that a normalizer has, in LaTeX and in the paper's order.

    maps: with feature maps, where a unit has m′ = m·p·q values.
    """
    over_unit = r"\sum_{i=1}^{m'}" if maps else r"\sum_{i=1}^m"
    statistic = r"\sigma^2" if traits.around_mean else r"\overline{x^2}"
    root = rf"\sqrt{{{statistic} + \varepsilon}}"
    kept = r"(x_k - \mu)" if traits.subtracts else "x_k"
    deviation = r"(x_k - \mu)" if traits.around_mean else "x_k"
    of_statistic = _derivative(statistic)
    by_root = rf" \cdot {ml.fraction('1', root)}" if traits.divides else ""
    found = {
        "x_hat": rf"{_DX_HAT} = {_DY}"
        + (r" \cdot \gamma_k" if traits.scaled else "")
        + (r" \cdot r" if traits.corrected else "")
    }
    if traits.divides:
        found["variance"] = (
            rf"{of_statistic} = {_SUM} {_DX_HAT} \cdot {kept} \cdot \frac{{-1}}{{2}} "
            rf"\left({statistic} + \varepsilon\right)^{{-3/2}}"
        )
    of_mean = []
    if traits.subtracts:
        minus = ml.fraction("-1", root)
        of_mean.append(rf"{_SUM} {_DX_HAT} \cdot {minus}" if traits.divides else rf"-{_SUM} {_DX_HAT}")
    if traits.around_mean and traits.divides:
        of_mean.append(rf"{of_statistic} \cdot {ml.fraction(rf'{_SUM} -2 {deviation}', 'n')}")
    if of_mean:
        found["mean"] = rf"{_DMEAN} = {' + '.join(of_mean)}"
    of_x = [_DX_HAT + by_root]
    if traits.divides:
        of_x.append(rf"{of_statistic} \cdot {ml.fraction(f'2 {deviation}', 'n')}")
    if traits.subtracts:
        of_x.append(rf"{_DMEAN} \cdot \frac{{1}}{{n}}")
    found["x"] = rf"{_DX} = {' + '.join(of_x)}"
    own = _derivative("y_i")
    if traits.scaled:
        x_hat = r"(r \hat{x}_i + d)" if traits.corrected else r"\hat{x}_i"
        found["gamma"] = rf"{_DGAMMA} = {over_unit} {own} \cdot {x_hat}"
    if traits.shifted:
        found["beta"] = rf"{_DBETA} = {over_unit} {own}"
    return found


def one_line(traits: Traits) -> str:
    """∂ℓ/∂x with all put together and simplified, in LaTeX. g is ∂ℓ/∂x̂."""
    statistic = r"\sigma^2" if traits.around_mean else r"\overline{x^2}"
    root = rf"\sqrt{{{statistic} + \varepsilon}}"
    inner = "n g_k"
    if traits.subtracts:
        inner += r" - \sum_{l=1}^n g_l"
    if traits.divides:
        own = r"\hat{x}_k" if traits.subtracts == traits.around_mean else ml.fraction(r"x_k - \mu", root)
        inner += rf" - {own} \sum_{{l=1}}^n g_l \hat{{x}}_l"
    front = ml.fraction("1", f"n {root}" if traits.divides else "n")
    return rf"{_DX} = {front} \left({inner}\right), \quad g_k = {_DX_HAT}"
