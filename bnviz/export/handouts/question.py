"""A lab's question as fields of a form, and the score of every possible prediction, worked out beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bnviz.labs.base import Lab, Result
from bnviz.labs.predictions import NOTCHES, Answer, Choice, Estimate, Slider


@dataclass(frozen=True)
class SliderField:
    """A slider of the form. start: the notch at which it stands first; last: the last notch; shown: its value."""

    label: str
    start: int
    last: int
    shown: str


def options(lab: Lab) -> dict[str, str]:
    """The words of every option by its key; none for a lab that asks for estimates."""
    return dict(lab.prediction.options) if isinstance(lab.prediction, Choice) else {}


def sliders(lab: Lab) -> list[SliderField]:
    """The sliders; none for a lab that asks for a choice."""
    if isinstance(lab.prediction, Choice):
        return []
    return [
        SliderField(item.label, item.start_notch, NOTCHES - 1, item.shown(item.start))
        for item in lab.prediction.sliders
    ]


def scores(lab: Lab, result: Result) -> dict[str, Any]:
    """For the page's script: a sentence for each option, or for each notch of each slider."""
    if isinstance(lab.prediction, Choice):
        return {
            "options": {key: lab.score(key, result).sentence for key in lab.prediction.options},
            "sliders": None,
        }
    answer = lab.verdict(result).answer
    scored = []
    for index, item in enumerate(lab.prediction.sliders):
        measured = answer[index : index + 1] if isinstance(answer, tuple) else None
        scored.append({"notches": [_notch(item, value, measured) for value in item.notches]})
    return {"options": None, "sliders": scored}


def _notch(item: Slider, value: float, measured: Answer) -> dict[str, Any]:
    """A slider's value in words, and how it would be scored."""
    score = Estimate((item,)).score((value,), measured)
    return {"shown": item.shown(value), "right": score.right, "sentence": score.sentence}
