"""Which values share their statistics, in words and as plain data for the browser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bnviz.layer.captured import Array, SharedValues, Sharing
from bnviz.layer.walk import rows

MOST_FEATURES = 128
"""Units that are drawn of a fully connected layer: a row of more would be too fine to point at."""
DIGITS = 7


def content(values: SharedValues, labels: Mapping[str, str], symbols: Mapping[str, str]) -> dict[str, Any]:
    """Everything that the page draws, ready for JSON.

    labels: what each normalizer is called. symbols: how its divisor is written, "σ" or "RMS".
    """
    drawn = values.x[:, :MOST_FEATURES]
    return {
        "shape": list(drawn.shape),
        "features": values.x.shape[1],
        "feature": feature_called(values.x),
        "rows": rows(values.members),
        "x": _rounded(drawn),
        "blocks": [
            _block(name, labels[name], symbols[name], values.x, own) for name, own in values.by.items()
        ],
    }


def _block(name: str, label: str, symbol: str, x: Array, own: Sharing) -> dict[str, Any]:
    ids = own.ids[:, :MOST_FEATURES]
    shown = np.unique(ids)
    return {
        "name": name,
        "label": label,
        "symbol": symbol,
        "ids": np.searchsorted(shown, ids).ravel().tolist(),
        "words": [in_words(x, own.ids == number) for number in shown],
        "counts": np.bincount(own.ids.ravel())[shown].tolist(),
        "mean": None if own.mean is None else _rounded(own.mean[shown]),
        "scale": None if own.scale is None else _rounded(own.scale[shown]),
        "alt": f"{label}: {own.ids.max() + 1:,} sets of values, each with statistics of its own; the first is "
        f"{in_words(x, own.ids == own.ids.ravel()[0])}.",
    }


def feature_called(x: Array) -> str:
    """What a feature of the layer is called."""
    return "channel" if x.ndim > 2 else "unit"


def in_words(x: Array, members: Array) -> str:
    """A set of values in words, such as "unit 3 of all 8 examples". members: a boolean like x; a full block of it."""
    examples = _listed("example", np.nonzero(members.any(tuple(range(1, x.ndim))))[0], len(x))
    others = (0, *range(2, x.ndim))
    features = _listed(feature_called(x), np.nonzero(members.any(others))[0], x.shape[1])
    positions = f" at all {x[0, 0].size} positions" if x.ndim > 2 else ""
    return f"{features} of {examples}{positions}"


def _listed(thing: str, places: Array, whole: int) -> str:
    """Places counted from 0: "all 8 examples", "example 3", "units 1 to 50"."""
    if len(places) == whole and whole > 1:
        return f"all {whole} {thing}s"
    first, last = int(places[0]) + 1, int(places[-1]) + 1
    return f"{thing} {first}" if first == last else f"{thing}s {first} to {last}"


def by_hand(x: Array, own: Sharing) -> Array:
    """x̂ from the statistics of the sets, like x: (x − μ)/√(σ² + ε), or the half of it that the normalizer does."""
    centered = x if own.mean is None else x - own.mean[own.ids]
    return np.asarray(centered if own.scale is None else centered / own.scale[own.ids])


def miss(x: Array, own: Sharing) -> float:
    """How far x̂ from the statistics of the sets is from what the normalizer's own module gives, at most."""
    return float(np.abs(by_hand(x, own) - own.y).max())


def _rounded(values: Array) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values.ravel().tolist()]
