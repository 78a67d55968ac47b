"""What the networks have in common and where they differ, as rows for a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bnviz.experiment import Experiment, Knob

_UNTOLD = ("device",)
"""Of these the provenance speaks."""


def shared(experiments: Sequence[Experiment]) -> list[tuple[str, str]]:
    """Label and value of every field that is the same in all."""
    first = experiments[0]
    return [
        (knob.label, _worded(name, knob, getattr(first, name)))
        for name, knob in Experiment.knobs().items()
        if name not in _UNTOLD and all(getattr(item, name) == getattr(first, name) for item in experiments)
    ]


def apart(experiments: Sequence[Experiment]) -> list[tuple[str, ...]]:
    """Label and each network's value of every field that is not the same in all."""
    return [
        (knob.label, *(_worded(name, knob, getattr(item, name)) for item in experiments))
        for name, knob in Experiment.knobs().items()
        if name not in _UNTOLD and len({getattr(item, name) for item in experiments}) > 1
    ]


def _worded(name: str, knob: Knob, value: Any) -> str:
    """A field's value as a reader is told it."""
    if name == "train_examples" and value == 0:
        return "all"
    if isinstance(value, tuple):
        same = len(set(value)) == 1
        return f"{len(value)} × {value[0]}" if same else " – ".join(map(str, value))
    if knob.choices:
        return knob.choices.get(value, value)
    return f"{value:,.6g}"
