"""How far an axis reaches, and where its ticks stand: ranges that hold still while a network trains."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from bnviz.figures.frame.numbers import raised
from bnviz.figures.frame.plot import Array

MANTISSAS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
"""Where an axis may end, times a power of ten."""


def rounded_up(value: float, floor: float = 0.0) -> float:
    """The smallest round number (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10 times a power of ten) from max(value, floor) up."""
    value = max(value, floor)
    if not value > 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(
        (mantissa * power for mantissa in MANTISSAS if mantissa * power >= value * (1 - 1e-9)), 10 * power
    )


def usual(steps: Array, values: Array, whole: int | None = None, share: float = 0.02) -> float:
    """The bound that `values` exceed for at most a `share` of the training time shown.

    whole: that time in steps, the latest of all arms; None for the arm's own.

    steps, values: (R,). A record stands for the steps since the one before it, so that many early records weigh no
    more than the time they cover. 0 for an arm without a finite number, and for one that lasted no longer than the
    share because it diverged at once.
    """
    finite = np.isfinite(values)
    steps, values = steps[finite], values[finite]
    if not values.size:
        return 0.0
    whole = int(steps[-1]) if whole is None else whole
    weights = np.maximum(np.diff(steps, prepend=steps[0] - 1), 1)
    order = np.argsort(values)[::-1]
    spent = np.cumsum(weights[order])
    allowed = values[order][spent > share * whole]
    return float(allowed[0]) if allowed.size else 0.0


def reach(bounds: Sequence[float], contain: float, ratio: float = 10.0) -> float:
    """How far an axis shared by arms must reach, given what each arm usually needs.

    The widest arm sets it, unless it needs more than `ratio` times what the narrowest does and more than
    `contain`: then the narrow arm would be a flat line, and the figure says in words who leaves the frame.
    """
    needed = [bound for bound in bounds if bound > 0]
    return min(max(needed), max(contain, ratio * min(needed))) if needed else 0.0


def decades(values: Iterable[Array], least: float = 1e-12) -> tuple[float, float]:
    """A range for a logarithmic axis, as powers of ten, rounded outward to 1, 2 or 5 times a power of ten.

    The lowest and the highest 0.25 % of each array may lie outside.
    """
    lows, highs = [], []
    for array in values:
        drawn = array[np.isfinite(array) & (array > least)]
        if drawn.size:
            low, high = np.quantile(np.log10(drawn), (0.0025, 0.9975))
            lows.append(float(low))
            highs.append(float(high))
    if not lows:
        return (-2.0, 1.0)
    low, high = min(lows), max(highs)
    mantissas = [math.log10(mantissa) for mantissa in (1, 2, 5, 10)]
    down = max(
        math.floor(low) + mantissa for mantissa in mantissas if math.floor(low) + mantissa <= low + 1e-9
    )
    up = min(
        math.floor(high) + mantissa for mantissa in mantissas if math.floor(high) + mantissa >= high - 1e-9
    )
    return (down, up) if up - down >= 0.3 else (down - 0.3, up + 0.3)


def log_ticks(low: float, high: float) -> dict[str, list[float] | list[str]]:
    """Tick positions and their texts for a logarithmic axis from 10^low to 10^high, at most about seven."""
    powers = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
    mantissas: tuple[int, ...] = (1,)
    if len(powers) < 3:
        mantissas = (1, 2, 5) if high - low < 1.7 else (1, 3)
    every = max(1, math.ceil(len(powers) / 7))
    marks = [
        mantissa * 10.0**power
        for power in range(math.floor(low), math.ceil(high) + 1)
        if power % every == 0
        for mantissa in mantissas
        if low - 1e-9 <= power + math.log10(mantissa) <= high + 1e-9
    ]
    return {"tickvals": marks, "ticktext": [_decimal(mark) for mark in marks]}


def _decimal(value: float) -> str:
    """0.01, 0.2, 50, 1,000; powers of ten beyond that as 10⁻⁵."""
    if 9e-4 <= value < 1e5:
        return f"{value:,.0f}" if value >= 1 else f"{value:.4f}".rstrip("0")
    power = math.floor(math.log10(value) + 1e-9)
    factor = round(value / 10.0**power)
    return f"10{raised(power)}" if factor == 1 else f"{factor}·10{raised(power)}"


def round_distance(last: int, parts: int) -> int:
    """A round distance between ticks that divides 0 … last into about `parts`."""
    rough = last / parts
    power = 10 ** max(0, len(str(int(rough))) - 1)
    rounds = [mantissa * power for mantissa in (1, 2, 2.5, 5, 10) if (mantissa * power) % 1 == 0]
    exact = [value for value in rounds if last % value == 0 and parts / 2 <= last / value <= parts * 1.3]
    return int(exact[-1] if exact else min(rounds, key=lambda value: abs(value - rough)))
