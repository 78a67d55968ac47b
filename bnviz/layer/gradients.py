"""The six gradients of Section 3 for one unit of a captured mini-batch, as formulas, numbers and table cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bnviz.layer import mathml as ml
from bnviz.layer import numerals as n
from bnviz.layer.arithmetic import as_if_constant, backward
from bnviz.layer.captured import Gradients, LayerBatch
from bnviz.layer.walk import lines_of

Array = np.ndarray

_EQUALS, _PLUS, _MINUS, _TIMES = ml.sign("="), ml.sign("+"), ml.sign("−"), ml.sign("·")
_SUM = ml.sum_over("i", "m")
_DEVIATION = ml.row(ml.sign("("), ml.x(), _MINUS, ml.MU, ml.sign(")"))
_DY, _DX_HAT, _DX = ml.slope(ml.y()), ml.slope(ml.x_hat()), ml.slope(ml.x())
_DVARIANCE, _DMEAN = ml.slope(ml.VARIANCE), ml.slope(ml.MU)
_MINUS_HALF = ml.fraction(ml.row(_MINUS, ml.digits("1")), ml.digits("2"))
_POWER = ml.row(_MINUS, ml.digits("3"), ml.sign("/"), ml.digits("2"))

HEADS = ("formula and numbers", "its value", "autograd", "differs by", "finite differences", "differs by")
_TERMS = (
    _DY,
    ml.x_hat(),
    ml.row(ml.x(), _MINUS, ml.MU),
    _DX_HAT,
    ml.row(_DX_HAT, _TIMES, _DEVIATION),
    ml.row(_DY, _TIMES, ml.x_hat()),
    _DX,
)


class Shown:
    """The gradients of one unit. unit, example: counted from 1.

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
        rows = []
        for name, formula in self._formulas().items():
            mine = np.ravel(getattr(self.found, name))
            at = self.example if len(mine) > 1 else 0
            cells = [formula + filled[name], n.scientific(float(mine[at]), 6)]
            others = [np.ravel(getattr(self.batch.gradients, name)[..., self.unit])]
            if self.nudged is not None:
                others.append(np.ravel(getattr(self.nudged, name)))
            for values in others:
                apart = float(np.abs(mine - values).max())
                cells += [n.scientific(float(values[at]), 6), n.scientific(apart, 1)]
            rows.append([*cells, *["–"] * (len(HEADS) - len(cells))])
        return rows

    def terms(self) -> tuple[list[str], list[list[str]]]:
        """What the formulas add up: headings; a row for each example, and a last one with the sums."""
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
            power, cells = n.in_powers(np.append(column, _sum(column)))
            heads.append(ml.inline(head) + (f" / {n.power_of_ten(power)}" if power else ""))
            texts.append(cells)
        named = [f"{index + 1}: {ml.safe(name)}" for index, name in enumerate(self.batch.members.names)]
        rows = [[name, *cells] for name, *cells in zip(named, *texts, strict=False)]
        return heads, [*rows, ["<b>sum</b>", *(f"<b>{cells[-1]}</b>" for cells in texts)]]

    def _formulas(self) -> dict[str, str]:
        m = ml.letter("m")
        variance = [_SUM, _DX_HAT, _TIMES, _DEVIATION, _TIMES, _MINUS_HALF]
        variance += [ml.above(ml.row(ml.sign("("), ml.VARIANCE, _PLUS, ml.EPSILON, ml.sign(")")), _POWER)]
        mean = [_SUM, _DX_HAT, _TIMES, ml.fraction(ml.row(_MINUS, ml.digits("1")), ml.ROOT), _PLUS]
        mean += [_DVARIANCE, _TIMES, ml.fraction(ml.row(_SUM, _MINUS, ml.digits("2"), _DEVIATION), m)]
        x = [_DX_HAT, _TIMES, ml.fraction(ml.digits("1"), ml.ROOT)]
        if self.constant:
            variance = mean = [ml.digits("0")]
        else:
            x += [_PLUS, _DVARIANCE, _TIMES, ml.fraction(ml.row(ml.digits("2"), _DEVIATION), m)]
            x += [_PLUS, _DMEAN, _TIMES, ml.fraction(ml.digits("1"), m)]
        return {
            "x_hat": ml.formula(_DX_HAT, _EQUALS, _DY, _TIMES, ml.GAMMA),
            "variance": ml.formula(_DVARIANCE, _EQUALS, *variance),
            "mean": ml.formula(_DMEAN, _EQUALS, *mean),
            "x": ml.formula(_DX, _EQUALS, *x),
            "gamma": ml.formula(ml.slope(ml.GAMMA), _EQUALS, _SUM, _DY, _TIMES, ml.x_hat()),
            "beta": ml.formula(ml.slope(ml.BETA), _EQUALS, _SUM, _DY),
        }

    def _filled(self) -> dict[str, str]:
        """The right-hand sides with their numbers; sums by the sums of `terms`."""
        found, lines, at = self.found, self.lines, self.example
        m = ml.digits(str(len(self.dy)))
        root = ml.digits(n.scientific(lines.root, 4))

        def number(value: float) -> str:
            return ml.enclosed(_number(value))

        x = [number(found.x_hat[at]), _TIMES, ml.fraction(ml.digits("1"), root)]
        filled = {
            "x_hat": [number(self.dy[at]), _TIMES, number(lines.gamma)],
            "x": x,
            "gamma": [ml.digits(_number(found.gamma))],
            "beta": [ml.digits(_number(found.beta))],
        }
        if self.constant:
            return {"variance": "", "mean": ""} | {
                name: ml.formula(_EQUALS, *parts) for name, parts in filled.items()
            }
        square = ml.row(ml.sign("("), number(lines.variance + lines.epsilon), ml.sign(")"))
        summed = number(_sum(found.x_hat * lines.deviation))
        twice = ml.row(ml.digits("2"), _TIMES, number(lines.deviation[at]))
        x += [_PLUS, number(found.variance), _TIMES, ml.fraction(twice, m)]
        x += [_PLUS, number(found.mean), _TIMES, ml.fraction(ml.digits("1"), m)]
        none = ml.row(_MINUS, ml.digits("2"), _TIMES, number(_sum(lines.deviation)))
        filled |= {
            "variance": [
                summed,
                _TIMES,
                _MINUS_HALF,
                _TIMES,
                ml.above(square, _POWER),
            ],
            "mean": [
                number(_sum(found.x_hat)),
                _TIMES,
                ml.fraction(ml.row(_MINUS, ml.digits("1")), root),
                _PLUS,
                number(found.variance),
                _TIMES,
                ml.fraction(none, m),
            ],
        }
        return {name: ml.formula(_EQUALS, *parts) for name, parts in filled.items()}


def _number(value: float) -> str:
    return n.scientific(float(value), 4)


def _sum(values: Array) -> float:
    """The sum, 0 where it is only rounding."""
    total = float(values.sum())
    return 0.0 if abs(total) < 1e-13 * max(1e-300, float(np.abs(values).sum())) * len(values) else total
