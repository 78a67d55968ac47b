"""From a lab's Result to the lines of `by_setting`: one kind of network over the settings, a value for each seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from bnviz.figures.charts.by_setting import Series
from bnviz.figures.frame.palette import WITH, WITHOUT
from bnviz.labs.base import Result
from bnviz.recording import Recording

LOOKS = {"none": WITHOUT, "batch": WITH}
LABELS = {"none": "no normalization", "batch": "batch norm"}
KINDS = tuple(LOOKS)
"""The two kinds of network that most labs compare, as values of the field `normalizer`."""


def line(
    result: Result,
    kind: str,
    arms: Sequence[str],
    number: Callable[[Recording], float],
    label: str | None = None,
    look: tuple[str, str] | None = None,
) -> Series:
    """A number of the arms, one for each setting, of a kind of network. Diverged networks are marked as lost.

    label, look: those of LABELS and LOOKS if not given.
    """
    by_seed = list(zip(*(result.recordings(arm) for arm in arms), strict=True))
    return Series(
        LABELS[kind] if label is None else label,
        LOOKS[kind] if look is None else look,
        np.array([[number(recording) for recording in seed] for seed in by_seed]),
        np.array([[recording.diverged_at is not None for recording in seed] for seed in by_seed]),
    )
