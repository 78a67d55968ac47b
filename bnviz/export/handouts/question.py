"""A lab's question as a form, and how whatever a reader predicts will be scored, worked out beforehand."""

from __future__ import annotations

from typing import Any

from bnviz.export.handouts.html import Html, tag
from bnviz.export.handouts.markdown import sentence
from bnviz.labs.base import Lab, Result
from bnviz.labs.predictions import NOTCHES, Answer, Choice, Estimate, Slider


def form(lab: Lab) -> Html:
    """The question, and what a reader may answer."""
    asked = tag("legend", "Predict before you look. ", sentence(lab.question))
    if isinstance(lab.prediction, Choice):
        fields = [
            tag(
                "label",
                tag("input", type="radio", name="prediction", value=key, required=True),
                tag("span", words),
                class_="option",
            )
            for key, words in lab.prediction.options.items()
        ]
    else:
        fields = [_range(index, item) for index, item in enumerate(lab.prediction.sliders)]
    buttons = tag(
        "div",
        tag("button", "Lock in my answer", type="submit", class_="main"),
        tag("button", "Just show me", type="button", class_="skip"),
        class_="buttons",
    )
    score = tag("p", class_="score", role="status")
    return tag("form", tag("fieldset", asked, *fields), buttons, score, class_="question", autocomplete="off")


def scores(lab: Lab, result: Result) -> dict[str, Any]:
    """For the page's script: a sentence for each option, or for each notch of each slider."""
    if isinstance(lab.prediction, Choice):
        return {
            "options": {key: lab.score(key, result).sentence for key in lab.prediction.options},
            "sliders": None,
        }
    answer = lab.verdict(result).answer
    sliders = []
    for index, item in enumerate(lab.prediction.sliders):
        measured = answer[index : index + 1] if isinstance(answer, tuple) else None
        sliders.append({"notches": [_notch(item, value, measured) for value in item.notches]})
    return {"options": None, "sliders": sliders}


def _range(index: int, item: Slider) -> Html:
    return tag(
        "label",
        f"{item.label}: ",
        tag(
            "input",
            type="range",
            min="0",
            max=str(NOTCHES - 1),
            step="1",
            value=str(item.start_notch),
            data_slider=str(index),
        ),
        tag("output", item.shown(item.start)),
        class_="slider",
    )


def _notch(item: Slider, value: float, measured: Answer) -> dict[str, Any]:
    """A slider's value in words, and how it would be scored: the sentence without its first word."""
    score = Estimate((item,)).score((value,), measured)
    words = score.sentence
    if score.right is not None:
        words = words.partition(". ")[2].removesuffix(".")
    return {"shown": item.shown(value), "right": score.right, "sentence": words}
