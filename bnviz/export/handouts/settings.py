"""What the networks have in common and where they differ, as rows for a table."""

from __future__ import annotations

from collections.abc import Sequence

from bnviz.experiment import Experiment

_IN_PROVENANCE = ("device",)
"""Fields of which the provenance speaks."""


def shared(experiments: Sequence[Experiment]) -> list[tuple[str, str]]:
    """Label and value of every field that is the same in all, and has an effect on one of them."""
    first = experiments[0]
    idle = set.intersection(*(set(item.without_effect) for item in experiments))
    return [
        (knob.label, knob.words(getattr(first, name)))
        for name, knob in Experiment.knobs().items()
        if name not in _IN_PROVENANCE
        and name not in idle
        and all(getattr(item, name) == getattr(first, name) for item in experiments)
    ]


def apart(experiments: Sequence[Experiment]) -> list[tuple[str, ...]]:
    """Label and each network's value of every field that is not the same in all."""
    return [
        (knob.label, *(knob.words(getattr(item, name)) for item in experiments))
        for name, knob in Experiment.knobs().items()
        if name not in _IN_PROVENANCE and len({getattr(item, name) for item in experiments}) > 1
    ]
