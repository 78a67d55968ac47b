"""Ten textures in colour, drawn by formulas: images of 32×32 pixels that need no download.

They are no photographs. Each example has two colours, a size, a place and a direction of its own, and noise over all,
so that the class is in the pattern alone. The same examples on every machine.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Array = np.ndarray

SIDE = 32
EACH = 500
"""Examples of each class."""
NOISE = 18.0
"""The standard deviation of the noise, in grey levels of 255."""


def drawn() -> tuple[Array, Array]:
    """Images (5000, 3, 32, 32) uint8 and labels (5000,) int64, class after class in the order of TEXTURES."""
    rng = np.random.default_rng(20150211)  # the day on which the paper appeared
    images = [_coloured(pattern(_Grid(rng)), rng) for pattern in TEXTURES.values()]
    labels = np.repeat(np.arange(len(TEXTURES), dtype=np.int64), EACH)
    return np.concatenate(images), labels


class _Grid:
    """For each example of a class: places of its pixels, turned and moved, and random numbers of its own.

    u, v: (EACH, 32, 32), in wavelengths of the example.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        places = np.arange(SIDE) - SIDE / 2
        y, x = np.meshgrid(places, places, indexing="ij")
        angle, wavelength = self.number(0, np.pi), self.number(6, 12)
        turned = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
        self.u, self.v = (item / wavelength + self.number(0, 1) for item in turned)
        self.x, self.y = x / wavelength, y / wavelength

    def number(self, low: float, high: float) -> Array:
        """One for each example, (EACH, 1, 1), evenly distributed."""
        return self.rng.uniform(low, high, (EACH, 1, 1))

    def smooth(self, times: int) -> Array:
        """Noise that varies slowly, (EACH, 32, 32), of mean 0 and standard deviation 1."""
        values = self.rng.normal(size=(EACH, SIDE, SIDE))
        for _ in range(times):
            for axis in (1, 2):
                values = (np.roll(values, 1, axis) + values + np.roll(values, -1, axis)) / 3
        spread: Array = values.std(axis=(1, 2), keepdims=True)
        return np.asarray((values - values.mean(axis=(1, 2), keepdims=True)) / spread)


def _wave(places: Array) -> Array:
    return np.asarray(0.5 + 0.5 * np.sin(2 * np.pi * places))


def _stripes(grid: _Grid) -> Array:
    return np.asarray(grid.u % 1 < 0.5, np.float64)


def _waves(grid: _Grid) -> Array:
    return _wave(grid.u + 0.35 * np.sin(2 * np.pi * grid.v / 2))


def _checks(grid: _Grid) -> Array:
    return np.asarray((grid.u % 1 < 0.5) ^ (grid.v % 1 < 0.5), np.float64)


def _dots(grid: _Grid) -> Array:
    return np.asarray((grid.u % 1 - 0.5) ** 2 + (grid.v % 1 - 0.5) ** 2 < 0.1, np.float64)


def _rings(grid: _Grid) -> Array:
    distance = np.hypot(grid.x - grid.number(-1, 1), grid.y - grid.number(-1, 1))
    return _wave(distance * 1.3 + grid.number(0, 1))


def _bricks(grid: _Grid) -> Array:
    shifted = grid.u / 2 + 0.5 * (np.floor(grid.v) % 2)
    return np.asarray((grid.v % 1 < 0.8) & (shifted % 1 < 0.9), np.float64)


def _crosses(grid: _Grid) -> Array:
    across, along = np.abs(grid.u % 1 - 0.5), np.abs(grid.v % 1 - 0.5)
    return np.asarray(((across < 0.12) & (along < 0.4)) | ((along < 0.12) & (across < 0.4)), np.float64)


def _clouds(grid: _Grid) -> Array:
    return np.asarray(np.clip(0.5 + 0.3 * grid.smooth(14), 0, 1))


def _grain(grid: _Grid) -> Array:
    return np.asarray(grid.smooth(1) > 0, np.float64)


def _fan(grid: _Grid) -> Array:
    angle = np.arctan2(grid.y - grid.number(-1, 1), grid.x - grid.number(-1, 1))
    return _wave(angle / (2 * np.pi) * np.round(grid.number(5, 9)) + grid.number(0, 1))


def _coloured(pattern: Array, rng: np.random.Generator) -> Array:
    """A pattern, (EACH, 32, 32) from 0 to 1, between two colours, with noise: (EACH, 3, 32, 32) uint8."""
    first, second = rng.uniform(0, 255, (2, len(pattern), 3, 1, 1))
    # Colours too much alike would hide the pattern.
    apart = np.sign(second - first) * np.maximum(np.abs(second - first), 70)
    values = first + apart * pattern[:, np.newaxis] + rng.normal(0, NOISE, (len(pattern), 3, SIDE, SIDE))
    return np.asarray(np.clip(values.round(), 0, 255), np.uint8)


TEXTURES: dict[str, Callable[[_Grid], Array]] = {
    "stripes": _stripes,
    "waves": _waves,
    "checks": _checks,
    "dots": _dots,
    "rings": _rings,
    "bricks": _bricks,
    "crosses": _crosses,
    "clouds": _clouds,
    "grain": _grain,
    "fan": _fan,
}
"""How each class is drawn."""
