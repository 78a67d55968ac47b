"""Numbers of a run that a text may speak of, by name: `{{moved.A.3}}` becomes "0.6 σ" once it is measured.

{{step}}                              the step at which it was measured
{{accuracy.A}}  {{loss.A}}            of network A: on held-out examples, on training examples
{{moved.A.3}}                         how far a typical unit's median has moved in layer 3 of A; `median_shift`
{{mean.A.3}}  {{spread.A.3}}          mean and standard deviation of what the nonlinearities of layer 3 receive
{{saturated.A.3}}                     the share of it that lies where the nonlinearity is almost flat
{{gradient.A.3}}  {{update.A.3}}      norm of the gradient for its weights; size of an update over that of the weights
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from bnviz.figures.frame.arms import MAX_ARMS
from bnviz.figures.frame.numbers import short
from bnviz.recording import Recording
from bnviz.recording.evaluations import latest
from bnviz.recording.layer_inputs import has, median_shift
from bnviz.recording.snapshot import LAYER_COLUMNS

OF_STEP, OF_ARM = "step", ("accuracy", "loss")
COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "mean": "mean",
        "spread": "std",
        "saturated": "saturated",
        "gradient": "grad_norm",
        "update": "update_ratio",
    }
)
"""Numbers of a layer, and the column of a Snapshot's layers that holds each."""
OF_LAYER = ("moved", *COLUMNS)
LETTERS = "ABCDE"[:MAX_ARMS]

_PLACE = re.compile(r"\{\{\s*([^{}\n]{1,60}?)\s*\}\}")
_WORDS: Mapping[str, Callable[[float], str]] = MappingProxyType(
    {
        "step": lambda value: f"{value:,.0f}",
        "accuracy": lambda value: f"{value:.1%}".replace("%", " %"),
        "saturated": lambda value: f"{value:.0%}".replace("%", " %"),
        "moved": lambda value: f"{value:.1f} σ" if value < 100 else f"{short(value)} σ",
    }
)
"""How a number is written where `short` does not do."""


class MeasuredNameError(ValueError):
    """A text names a number that there is not; the message is a sentence."""


@dataclass(frozen=True)
class Measured:
    """A number of a run. arm: counted from 0. layer: counted from 1; both None where the number is of none."""

    kind: str
    arm: int | None = None
    layer: int | None = None

    @classmethod
    def read(cls, name: str) -> Measured:
        """The number of that name, such as "moved.A.3". Raises MeasuredNameError."""
        kind, *rest = name.split(".")
        wanted = 0 if kind == OF_STEP else 1 if kind in OF_ARM else 2 if kind in OF_LAYER else -1
        letter = rest[0] if rest else ""
        layer = rest[1] if len(rest) == 2 else ""
        if (
            len(rest) != wanted
            or (wanted > 0 and not (len(letter) == 1 and letter in LETTERS))
            or (wanted == 2 and not (layer.isascii() and layer.isdecimal() and 0 < int(layer[:4]) < 1000))
        ):
            raise MeasuredNameError(
                f"{name!r} is no number of a run; allowed are step, accuracy.A, loss.A and, with a layer, "
                f"{', '.join(f'{item}.A.3' for item in OF_LAYER)}"
            )
        return cls(kind, LETTERS.index(letter) if wanted else None, int(layer) if wanted == 2 else None)

    def value(self, recordings: Sequence[Recording], step: int | None = None) -> float | None:
        """As measured last at or before `step`, None for the latest; None while it is not measured."""
        if self.arm is None:
            return float(_last_step(recordings, step)) if any(item.snapshots for item in recordings) else None
        if self.arm >= len(recordings):
            return None
        recording = recordings[self.arm]
        past = [item for item in recording.snapshots if step is None or item.step <= step]
        if not past:
            return None
        if self.layer is None:
            return latest(past, "test" if self.kind == "accuracy" else "train", self.kind)
        if not has(recording, self.layer):
            return None
        if self.kind == "moved":
            return median_shift(recording, self.layer, past[-1].step)
        number = float(past[-1].layers[self.layer - 1, LAYER_COLUMNS.index(COLUMNS[self.kind])])
        return number if math.isfinite(number) else None

    def words(self, value: float) -> str:
        """The number as a text says it, with its unit."""
        return _WORDS.get(self.kind, short)(value)

    def check(self, arms: int, layers: int) -> None:
        """Raises MeasuredNameError if a run of so many arms with so many layers has no such number."""
        if self.arm is not None and self.arm >= arms:
            raise MeasuredNameError(
                f"there is no network {LETTERS[self.arm]}; allowed is A to {LETTERS[arms - 1]}"
            )
        if self.layer is not None and self.layer > layers:
            raise MeasuredNameError(f"there is no layer {self.layer}; allowed is 1 to {layers}")


def named_in(text: str) -> tuple[Measured, ...]:
    """Every number that a text names. Raises MeasuredNameError."""
    return tuple(Measured.read(name) for name in _PLACE.findall(text))


def filled(text: str, recordings: Sequence[Recording], step: int | None = None) -> str | None:
    """The text with its numbers, as measured last at or before `step`; None while one is not measured."""
    values = {name: Measured.read(name).value(recordings, step) for name in _PLACE.findall(text)}
    if any(value is None for value in values.values()):
        return None
    return _PLACE.sub(lambda found: Measured.read(found[1]).words(values[found[1]] or 0.0), text)


def _last_step(recordings: Sequence[Recording], step: int | None) -> int:
    """The latest recorded step of any network, at or before `step`."""
    return max(
        (item.step for each in recordings for item in each.snapshots if step is None or item.step <= step),
        default=0,
    )
