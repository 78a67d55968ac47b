"""Numbers on their way into a chart: thinned without losing extremes, and axis ranges that hold still."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

Array = np.ndarray

MOST_POINTS = 300
LADDER = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


def thin(rows: Array, limit: int = MOST_POINTS) -> Array:
    """Indices of at most `limit` of N points that keep the first, the last and every extreme of any size.

    rows: (K, N) or (N,), K curves over the same points. The points are cut into equal buckets; of each
    bucket every curve's smallest and largest value stay. Returns sorted indices, all of them if N ≤ limit.
    """
    rows = np.atleast_2d(rows)
    curves, points = rows.shape
    if points <= limit:
        return np.arange(points)
    size = math.ceil(points / max(1, (limit - 2) // (2 * curves)))
    buckets = math.ceil(points / size)
    # The last bucket is filled up with copies of the last point, which stays in any case.
    padded = np.concatenate([rows, np.repeat(rows[:, -1:], buckets * size - points, axis=1)], axis=1)
    cut = padded.reshape(curves, buckets, size)
    lowest = np.where(np.isfinite(cut), cut, np.inf).argmin(axis=2)
    highest = np.where(np.isfinite(cut), cut, -np.inf).argmax(axis=2)
    starts = np.arange(buckets) * size
    kept = np.concatenate([(starts + lowest).ravel(), (starts + highest).ravel(), [0, points - 1]])
    return np.unique(np.minimum(kept, points - 1))


def rounded_up(value: float, floor: float = 0.0) -> float:
    """The smallest rung (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10 times a power of ten) that holds max(value, floor)."""
    value = max(value, floor)
    if not value > 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(value))
    return next((rung * power for rung in LADDER if rung * power >= value * (1 - 1e-9)), 10 * power)


def usual(steps: Array, values: Array, whole: int | None = None, share: float = 0.02) -> float:
    """The bound that `values` exceed for at most a `share` of the training time shown.

    whole: that time in steps, the latest of all arms; None for the arm's own.

    A record stands for the steps since the one before it, so that many early records weigh no more than the
    time they cover. steps, values: (R,). An arm that lasted no longer than the share, because it diverged at
    once, needs nothing: 0, as for one without a finite number.
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

    Extremes beyond the middle 99.5 % of each array are left to the axis's discretion.
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
    rungs = [math.log10(rung) for rung in (1, 2, 5, 10)]
    down = max(math.floor(low) + rung for rung in rungs if math.floor(low) + rung <= low + 1e-9)
    up = min(math.floor(high) + rung for rung in rungs if math.floor(high) + rung >= high - 1e-9)
    return (down, up) if up - down >= 0.3 else (down - 0.3, up + 0.3)


def log_ticks(low: float, high: float) -> dict[str, list[float] | list[str]]:
    """Tick positions and their texts for a logarithmic axis from 10^low to 10^high, at most about seven."""
    powers = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
    rungs: tuple[int, ...] = (1,)
    if len(powers) < 3:
        rungs = (1, 2, 5) if high - low < 1.7 else (1, 3)
    every = max(1, math.ceil(len(powers) / 7))
    marks = [
        rung * 10.0**power
        for power in range(math.floor(low), math.ceil(high) + 1)
        if power % every == 0
        for rung in rungs
        if low - 1e-9 <= power + math.log10(rung) <= high + 1e-9
    ]
    return {"tickvals": marks, "ticktext": [_decimal(mark) for mark in marks]}


def _decimal(value: float) -> str:
    """0.01, 0.2, 50, 1,000; powers of ten beyond that as 10⁻⁵."""
    if 9e-4 <= value < 1e5:
        return f"{value:,.0f}" if value >= 1 else f"{value:.4f}".rstrip("0")
    power = math.floor(math.log10(value) + 1e-9)
    factor = round(value / 10.0**power)
    return f"10{raised(power)}" if factor == 1 else f"{factor}·10{raised(power)}"


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions moved apart, as little as needed, so that neighbours are `gap` apart within [low, high].

    Returns them in the order given.
    """
    order = sorted(range(len(positions)), key=lambda index: positions[index])
    placed = [min(max(positions[index], low), high) for index in order]
    for _ in range(50):
        moved = False
        for below in range(len(placed) - 1):
            lack = gap - (placed[below + 1] - placed[below])
            if lack > 1e-6:
                placed[below] -= lack / 2
                placed[below + 1] += lack / 2
                moved = True
        if placed and (placed[0] < low or placed[-1] > high):
            placed[0], placed[-1] = max(placed[0], low), min(placed[-1], high)
        if not moved:
            break
    result = [0.0] * len(positions)
    for index, position in zip(order, placed, strict=True):
        result[index] = position
    return result


def short(value: float) -> str:
    """Three significant digits at most, thousands separated, huge and tiny numbers by their power of ten."""
    if not math.isfinite(value):
        return "no finite number"
    if value != 0 and not 1e-3 <= abs(value) < 1e6:
        factor, power = f"{value:.1e}".split("e")
        text = f"{factor}·10{raised(int(power))}"
    else:
        text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return text.replace("-", "−")


def raised(power: int) -> str:
    """An exponent in superscript digits."""
    return str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
