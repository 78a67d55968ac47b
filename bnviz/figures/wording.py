"""A run in words: what its arms have in common, and what each is called."""

from __future__ import annotations

from collections.abc import Sequence

from bnviz.experiment import Experiment
from bnviz.figures.frame.arms import MAX_ARMS, arm_styles
from bnviz.recording import Recording

ALWAYS_TOLD = ("dataset", "hidden", "activation", "learning_rate", "batch_size", "steps")
"""Fields of an experiment that are named also at their defaults."""


def labels(recordings: Sequence[Recording]) -> tuple[str, ...]:
    """What each arm is called: by what sets it apart, or by its letter where nothing does."""
    if len(recordings) > MAX_ARMS:
        return tuple(f"network {number}" for number in range(1, len(recordings) + 1))
    return tuple(style.name or style.letter for style in arm_styles(recordings))


def settings(recordings: Sequence[Recording]) -> str:
    """What the arms have in common: the essentials, and whatever is not at its default."""
    modes: dict[str, list[str]] = {}
    for network in (item.watched for item in recordings):
        if network is not None:
            modes.setdefault(network.name, []).extend([network.mode] if network.mode else [])
    experiments = [item.experiment for item in recordings if item.watched is None]
    told = [
        f"{name}, watched in a program of its own"
        + (f" in {' and '.join(dict.fromkeys(own))} mode" if own else "")
        for name, own in modes.items()
    ]
    if experiments:
        first = experiments[0]
        varied = {name for other in experiments[1:] for name in first.differences(other)}
        told += [
            knob.phrase(getattr(first, name))
            for name, knob in Experiment.knobs().items()
            if name not in varied
            and (name in ALWAYS_TOLD or getattr(first, name) != Experiment.default(name))
        ]
    if any(item.interventions for item in recordings):
        told.append("changed while training")
    return ", ".join(told)


def title(recordings: Sequence[Recording], names: Sequence[str] = ()) -> str:
    """A title that tells runs apart: what sets the arms apart, and the data, network and learning rate they share.

    names: of the arms; () for their labels.
    """
    named = " · ".join(names or labels(recordings))
    if any(item.watched is not None for item in recordings):
        return named
    first = recordings[0].experiment
    varied = {name for other in recordings[1:] for name in first.differences(other.experiment)}
    shared = [
        Experiment.knobs()[name].phrase(getattr(first, name))
        for name in ("dataset", "hidden", "activation", "learning_rate")
        if name not in varied
    ]
    return f"{named}: {', '.join(shared)}"
