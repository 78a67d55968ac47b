"""The arms of a figure: the colour, the dash and the name of each, the same on every page."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from bnviz.experiment import Experiment
from bnviz.experiment.comparison import ARM_PARAMETERS
from bnviz.experiment.knob import lower_first
from bnviz.figures.frame.lines import over_two_lines
from bnviz.figures.frame.palette import MORE, WITH, WITHOUT
from bnviz.recording import Recording
from bnviz.recording.watched import Watched

MAX_ARMS = len(ARM_PARAMETERS)
LETTERS = "".join(ARM_PARAMETERS).upper()


@dataclass(frozen=True)
class ArmStyle:
    """How one arm is drawn and named on every page."""

    letter: str
    name: str
    colour: str
    dash: str

    @property
    def label(self) -> str:
        """The arm's letter and name, such as "A · no normalization"."""
        return f"{self.letter} · {self.name}" if self.name else self.letter

    def heading(self, small: bool, most: int = 20) -> str:
        """The label in bold as it stands above a panel; above a small panel over two lines of `most` characters."""
        text = over_two_lines(self.label, most) if small else self.label
        return f"<b>{text}</b>"


def arm_styles(recordings: Sequence[Recording]) -> tuple[ArmStyle, ...]:
    """A style for each arm, named after what differs between the experiments; a watched network, as in `watched_name`.

    Where exactly one of two arms has a normalizer, that arm is blue and solid, the other vermillion and
    dashed, whatever their order; so is a single arm, by its normalizer. Raises ValueError unless there
    are 1 to MAX_ARMS recordings.
    """
    if not 1 <= len(recordings) <= MAX_ARMS:
        raise ValueError(f"{len(recordings)} recordings are not allowed; allowed are 1 to {MAX_ARMS}")
    normalized = [item.normalized for item in recordings]
    looks = [WITHOUT, WITH, *MORE]
    if normalized in ([True], [True, False]):
        looks = [WITH, WITHOUT]
    trained = iter(arm_names([item.experiment for item in recordings if item.watched is None]))
    names = [next(trained) if item.watched is None else watched_name(item.watched) for item in recordings]
    return tuple(
        ArmStyle(letter, name, *look) for letter, name, look in zip(LETTERS, names, looks, strict=False)
    )


def watched_name(network: Watched) -> str:
    """What a watched network is called: by its name and the mode of its passes, where that is known."""
    name = textwrap.shorten(network.name, 40)
    return f"{name}, {network.mode} mode" if network.mode else f"{name}, watched"


def arm_names(experiments: Sequence[Experiment]) -> tuple[str, ...]:
    """What sets each experiment apart from the others, in a few words; "" where nothing does."""
    if len(experiments) < 2:
        return tuple(_words("normalizer", only.normalizer) for only in experiments)
    first = experiments[0]
    changed = {name for other in experiments[1:] for name in first.differences(other)}
    # A seed says little: it names an arm only where nothing else does.
    told = [name for name in Experiment.knobs() if name in changed and name not in ("seed", "device")]
    told = told or [name for name in ("seed", "device") if name in changed]
    shown = _distinguishing(experiments, told)
    return tuple(
        ", ".join(
            _words(name, getattr(experiment, name)) for name in shown if name not in experiment.without_effect
        )
        + (" …" if len(told) > len(shown) else "")
        for experiment in experiments
    )


def _distinguishing(experiments: Sequence[Experiment], names: Sequence[str]) -> tuple[str, ...]:
    """Of the fields `names` the two that tell the experiments apart best, or three where two leave some alike."""

    def kinds(chosen: Sequence[str]) -> int:
        return len({tuple(getattr(item, name) for name in chosen) for item in experiments})

    best = tuple(names[:2])
    for count in (2, 3):
        best = max(combinations(names, count), key=kinds, default=best)
        if kinds(best) == kinds(names):
            break
    return best


_SHORT = {
    "none": "no normalization",
    "batch": "batch norm",
    "layer": "layer norm",
    "group": "group norm",
    "instance": "instance norm",
    "rms": "RMS norm",
    "weight": "weight norm",
    "batch-renorm": "batch renorm",
    "ghost-batch": "ghost batch norm",
}
"""What a normalizer is called where an arm is named; others by the label of their choice."""


def _words(name: str, value: Any) -> str:
    """A field and its value as words that name an arm."""
    knob = Experiment.knobs()[name]
    if name == "normalizer":
        return _SHORT.get(value) or lower_first(knob.words(value))
    return knob.phrase(value)
