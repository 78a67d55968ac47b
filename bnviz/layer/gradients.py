"""The backward pass of one unit: the six gradients of Section 3 as formulas, numbers and table cells."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

from bnviz.layer import mathml as ml
from bnviz.layer import numerals as n
from bnviz.layer.arithmetic import as_if_constant, backward, backward_in_one_line
from bnviz.layer.captured import Gradients, LayerBatch
from bnviz.layer.walk import lines_of

Array = np.ndarray

HEADS = ("formula and numbers", "its value", "autograd", "differs by", "finite differences", "differs by")
"""Of the columns of `BackwardPass.gradients`."""


def _derivative(of: str) -> str:
    return ml.fraction(r"\partial \ell", rf"\partial {of}")


_DY, _DX_HAT, _DX = _derivative("y_i"), _derivative(ml.X_HAT), _derivative("x_i")
_DVARIANCE, _DMEAN = _derivative(ml.VARIANCE), _derivative(ml.MU)
_DGAMMA, _DBETA = _derivative(r"\gamma"), _derivative(r"\beta")
_SUM = r"\sum_{i=1}^m"

_FORMULAS = {
    "x_hat": rf"{_DX_HAT} = {_DY} \cdot \gamma",
    "variance": rf"{_DVARIANCE} = {_SUM} {_DX_HAT} \cdot ({ml.DEVIATION}) \cdot \frac{{-1}}{{2}} "
    rf"\left({ml.VARIANCE} + \varepsilon\right)^{{-3/2}}",
    "mean": rf"{_DMEAN} = {_SUM} {_DX_HAT} \cdot {ml.fraction('-1', ml.ROOT)} + {_DVARIANCE} \cdot "
    + ml.fraction(rf"{_SUM} -2 ({ml.DEVIATION})", "m"),
    "x": rf"{_DX} = {_DX_HAT} \cdot {ml.fraction('1', ml.ROOT)} + {_DVARIANCE} \cdot "
    + ml.fraction(f"2 ({ml.DEVIATION})", "m")
    + rf" + {_DMEAN} \cdot \frac{{1}}{{m}}",
    "gamma": rf"{_DGAMMA} = {_SUM} {_DY} \cdot {ml.X_HAT}",
    "beta": rf"{_DBETA} = {_SUM} {_DY}",
}
"""Section 3, in the paper's order."""

_SUM_OF_ALL = rf"\sum_{{j=1}}^m {_derivative('y_j')}"
_IN_ONE_LINE = (
    rf"{_DX} = "
    + ml.fraction(r"\gamma", f"m {ml.ROOT}")
    + rf" \left(m {_DY} - {_SUM_OF_ALL} - {ml.X_HAT} {_SUM_OF_ALL} \cdot \hat{{x}}_j\right)"
)
"""The six put together and simplified."""

_OF_CONSTANTS = {
    "variance": f"{_DVARIANCE} = 0",
    "mean": f"{_DMEAN} = 0",
    "x": rf"{_DX} = {_DX_HAT} \cdot {ml.fraction('1', ml.ROOT)}",
}
"""What becomes of three of them if μ and σ² are taken for constants."""

_WORDS = {"x_hat": "x̂", "variance": "the variance", "mean": "the mean", "x": "x", "gamma": "γ", "beta": "β"}
"""What each of the six is the gradient with respect to."""

_TERMS = (
    (_DY, "gradient for y"),
    (ml.X_HAT, "normalized x̂"),
    (ml.DEVIATION, "x minus the mean"),
    (_DX_HAT, "gradient for x̂"),
    (rf"{_DX_HAT} \cdot ({ml.DEVIATION})", "gradient for x̂ times x minus the mean"),
    (rf"{_DY} \cdot {ml.X_HAT}", "gradient for y times x̂"),
    (_DX, "gradient for x"),
)
"""What the sums add up: formula, and the words for those who hear it."""


class BackwardPass:
    """The gradients of one unit as tables. unit, example: counted from 1.

    constant: as if μ and σ² were constants. nudged: finite differences, None where there are none.
    """

    def __init__(
        self, batch: LayerBatch, unit: int, example: int, constant: bool, nudged: Gradients | None
    ) -> None:
        self.batch = batch
        self.unit = unit - 1
        self.example = example - 1
        self.constant = constant
        self.nudged = nudged
        self.lines = lines_of(batch, unit)
        self.dy = batch.dy[:, self.unit]
        self.found = (as_if_constant if constant else backward)(self.lines, self.dy)

    def gradients(self) -> list[list[str]]:
        """A row for each of the six, in the paper's order: formula with its numbers, value, the two checks."""
        filled = self._filled()
        formulas = _FORMULAS | _OF_CONSTANTS if self.constant else _FORMULAS
        return [
            self._row(name, formula, filled[name], np.ravel(getattr(self.found, name)))
            for name, formula in formulas.items()
        ]

    def in_one_line(self) -> list[str]:
        """A row like those of `gradients`: ∂ℓ/∂x by the simplified formula, whose statistics are not constants."""
        lines, at, m = self.lines, self.example, len(self.dy)
        by = ml.fraction(
            plain_number(float(lines.gamma)), rf"{m} \cdot {ml.number(n.scientific(lines.root, 4))}"
        )
        own, all_dy, x_hat, both = (
            enclosed_number(value)
            for value in (self.dy[at], summed(self.dy), lines.x_hat[at], summed(self.dy * lines.x_hat))
        )
        filled = rf"\approx {by} \cdot \left({m} \cdot {own} - {all_dy} - {x_hat} \cdot {both}\right)"
        return self._row("x", _IN_ONE_LINE, filled, backward_in_one_line(lines, self.dy))

    def _row(self, name: str, formula: str, filled: str, mine: Array) -> list[str]:
        """One gradient: formula with its numbers, value, and the two checks. mine: (m,) or (1,)."""
        at = self.example if len(mine) > 1 else 0
        numbers = ml.block(filled) if filled else ""
        said = f'<span class="bnviz-spoken">gradient for {_WORDS[name]}</span>'
        cells = [said + ml.block(formula) + numbers, n.scientific(float(mine[at]), 6)]
        others = [np.ravel(getattr(self.batch.gradients, name)[..., self.unit])]
        if self.nudged is not None:
            others.append(np.ravel(getattr(self.nudged, name)))
        for values in others:
            apart = float(np.abs(mine - values).max())
            cells += [n.scientific(float(values[at]), 6), n.scientific(apart, 1)]
        return [*cells, *["–"] * (len(HEADS) - len(cells))]

    def terms(self) -> tuple[list[str], list[list[str]]]:
        """The terms of the sums: headings, a row for each example, and a last one with the sums. Cells are HTML."""
        found, lines = self.found, self.lines
        columns: Sequence[Array] = (
            self.dy,
            lines.x_hat,
            lines.deviation,
            found.x_hat,
            found.x_hat * lines.deviation,
            self.dy * lines.x_hat,
            found.x,
        )
        heads, texts = ["example"], []
        for head, column in zip(_TERMS, columns, strict=True):
            power, cells = n.in_powers(np.append(column, summed(column)))
            heads.append(ml.heading(*head) + (f" / {n.power_of_ten(power)}" if power else ""))
            texts.append(cells)
        named = [f"{index + 1}: {html.escape(name)}" for index, name in enumerate(self.batch.members.names)]
        rows = [[name, *cells] for name, *cells in zip(named, *texts, strict=False)]
        return heads, [*rows, ["<b>sum</b>", *(f"<b>{cells[-1]}</b>" for cells in texts)]]

    def _filled(self) -> dict[str, str]:
        """The right-hand sides with their numbers, which are rounded; sums by the sums of `terms`."""
        found, lines, at = self.found, self.lines, self.example
        m, root = len(self.dy), ml.number(n.scientific(lines.root, 4))
        from_x_hat = rf"\approx {enclosed_number(found.x_hat[at])} \cdot {ml.fraction('1', root)}"
        filled = {
            "x_hat": rf"\approx {enclosed_number(self.dy[at])} \cdot {enclosed_number(float(lines.gamma))}",
            "gamma": rf"\approx {plain_number(found.gamma)}",
            "beta": rf"\approx {plain_number(found.beta)}",
        }
        if self.constant:
            return filled | {"variance": "", "mean": "", "x": from_x_hat}
        products = enclosed_number(summed(found.x_hat * lines.deviation))
        square = enclosed_number(lines.variance + lines.epsilon)
        zero = rf"-2 \cdot {enclosed_number(summed(lines.deviation))}"
        twice = rf"2 \cdot {enclosed_number(lines.deviation[at])}"
        by_variance = rf"+ {enclosed_number(found.variance)} \cdot"
        return filled | {
            "variance": rf"\approx {products} \cdot \frac{{-1}}{{2}} \cdot \left({square}\right)^{{-3/2}}",
            "mean": rf"\approx {enclosed_number(summed(found.x_hat))} \cdot {ml.fraction('-1', root)} "
            f"{by_variance} {ml.fraction(zero, str(m))}",
            "x": f"{from_x_hat} {by_variance} {ml.fraction(twice, str(m))} "
            rf"+ {enclosed_number(found.mean)} \cdot {ml.fraction('1', str(m))}",
        }


def plain_number(value: float) -> str:
    """Four digits of a number, in LaTeX."""
    return ml.number(n.scientific(float(value), 4))


def enclosed_number(value: float) -> str:
    """The same in parentheses, if it is negative."""
    return ml.enclosed(n.scientific(float(value), 4))


def summed(values: Array) -> float:
    """The sum, 0 where it is only rounding."""
    total = float(values.sum())
    return 0.0 if abs(total) < 1e-13 * max(1e-300, float(np.abs(values).sum())) * len(values) else total
