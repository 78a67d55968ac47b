"""How a class stands, as JSON for its pages: the run before it, the question, the answers, the verdict. No HTTP here.

While a round is open everybody, the teacher and the projector included, is told how many have answered and no more:
no answers, not those of an earlier round either, and nothing that was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import orjson

from bnviz.classroom.answers import answers_csv
from bnviz.classroom.codes import spaced
from bnviz.classroom.rooms import MOST_ROUNDS, Room
from bnviz.classroom.voting import measured, middle, right, score, tally
from bnviz.experiment.comparison import counted
from bnviz.experiment.knob import POINT_DATASETS
from bnviz.figures.registry import FIGURES
from bnviz.labs.base import Lab, View
from bnviz.labs.predictions import Answer, Choice, Slider
from bnviz.runs import Run
from bnviz.runs.lab_run import LabRun

OVERVIEW = "overview"
"""The figure of two to five networks side by side: the bands of the layers, the numbers and the curves."""

LAYERED = (OVERVIEW, "bands", "histogram")
"""The figures that show a layer."""


def class_json(room: Room, run: Run, lab_run: LabRun | None, link: str, figures: bytes) -> dict[str, Any]:
    """What everybody in the class may know. link: where students find it. figures: the JSON of `figures_json`."""
    lab, row = room.lab, room.row
    return {
        "code": spaced(room.code),
        "link": link,
        "ended": row.ended,
        "run": run.id,
        "title": f"Lab: {lab.title}" if lab else f"{counted(len(run.arms))}, side by side",
        "quote": _quote(lab),
        "figures": orjson.Fragment(figures),
        "layers": 0 if lab else min(len(arm.hidden) for arm in run.arms),
        "rate": _common_rate(run),
        "question": _question(lab),
        "round": row.round,
        "rounds": MOST_ROUNDS if lab else 0,
        "open": row.is_open,
        "joined": len(room.joined),
        **_answers(room, lab_run),
    }


def figures_json(run: Run, lab_run: LabRun | None) -> list[dict[str, Any]]:
    """The figures in their order.

    more: whether one is shown only after a tap. layered: whether it shows the layer that the viewer chooses. fills:
    whether its height follows the screen. heights: wide and narrow, in pixels, to reserve until it is drawn.
    """
    if lab_run is not None:
        result = lab_run.result()
        wide, narrow = (lab_run.lab.figures(result, View(narrow=flag)) for flag in (False, True))
        return [
            {
                "path": f"labs/{item.name}",
                "title": item.caption,
                "caption": item.caption,
                "heights": [item.plot.height, other.plot.height],
                "layered": False,
                "fills": "xaxis" in item.plot.layout,
                "more": False,
            }
            for item, other in zip(wide, narrow, strict=True)
        ]
    flat = all(arm.dataset in POINT_DATASETS for arm in run.arms)
    more = [
        *["boundary"] * flat,
        *("accuracy", "loss", "bands", "histogram", "gradients", "drift", "saturation"),
    ]
    return [
        {
            "path": f"figures/{name}",
            "title": FIGURES[name].title,
            "caption": "",
            "heights": FIGURES[name].size(run.arms),
            "layered": name in LAYERED,
            "fills": name == OVERVIEW,
            "more": name != OVERVIEW,
        }
        for name in (OVERVIEW, *more)
    ]


def voter_json(room: Room, lab_run: LabRun | None, votes: Mapping[int, str]) -> list[dict[str, Any]]:
    """What one voter answered in each round and, once all is measured, whether it was right."""
    lab, judged = room.lab, _judged(room, lab_run)
    if lab is None:
        return []
    answer, answers = _answer(lab_run) if judged else None, []
    for number, text in sorted(votes.items()):
        scored = score(lab.prediction, text, answer) if judged else None
        answers.append(
            {
                "round": number,
                "answer": text,
                "words": lab.prediction.words(text),
                "right": scored.right if scored else None,
                "sentence": scored.sentence if scored else "",
            }
        )
    return answers


def _quote(lab: Lab | None) -> str:
    if lab is None:
        return ""
    return f"“{lab.quote}” {lab.source}" if lab.verbatim else ""


def _common_rate(run: Run) -> float | None:
    rates = {arm.learning_rate for arm in run.arms}
    return rates.pop() if len(rates) == 1 else None


def _question(lab: Lab | None) -> dict[str, Any] | None:
    if lab is None:
        return None
    if isinstance(lab.prediction, Choice):
        options = [{"answer": key, "words": words} for key, words in lab.prediction.options.items()]
        return {"text": lab.question, "options": options, "sliders": []}
    return {
        "text": lab.question,
        "options": [],
        "sliders": [_slider(item) for item in lab.prediction.sliders],
    }


def _slider(item: Slider) -> dict[str, Any]:
    """A slider as the values at its positions, so that a page need not know its scale."""
    return {
        "label": item.label,
        "start": item.start_notch,
        "notches": [{"value": f"{value:.6g}", "words": item.shown(value)} for value in item.notches],
    }


def _answers(room: Room, lab_run: LabRun | None) -> dict[str, Any]:
    """How many answered in each round; once the answers may be shown, also what, and how many were right.

    withheld: whether answers wait for the teacher, or for the verdict, to be shown. guess: the middle of the last
    round's answers, to be drawn into the figure with what was measured.
    """
    lab, row = room.lab, room.row
    if lab is None:
        return {"answered": [], "withheld": False, "tallies": [], "verdict": None, "guess": None}
    asked = range(1, row.round + 1)
    judged = _judged(room, lab_run)
    withheld = row.withheld and not row.is_open and not judged
    shown = (
        () if row.is_open or withheld else asked
    )  # an earlier round's answers would sway those of the next
    answer = _answer(lab_run) if judged else None
    return {
        "answered": [len(room.votes[number]) for number in asked],
        "withheld": withheld,
        "tallies": [
            {
                "parts": [asdict(part) for part in tally(lab.prediction, room.answers(number))],
                "right": right(lab.prediction, room.answers(number), answer) if judged else None,
            }
            for number in shown
        ],
        "verdict": _verdict(lab, lab_run, answer) if judged else None,
        "guess": middle(lab.prediction, room.answers(row.round)) if judged and row.round else None,
    }


def answers_file(room: Room, lab_run: LabRun | None) -> bytes | None:
    """The answers of all rounds as CSV; None while they may not be shown, or where nothing was asked."""
    if room.lab is None or not _answers(room, lab_run)["tallies"]:
        return None
    return answers_csv(room.lab, room.votes, _answer(lab_run) if _judged(room, lab_run) else None)


def _judged(room: Room, lab_run: LabRun | None) -> bool:
    return lab_run is not None and lab_run.done and not room.row.is_open


def _answer(lab_run: LabRun | None) -> Answer:
    if lab_run is None or not lab_run.done or lab_run.trouble:
        return None
    return lab_run.lab.verdict(lab_run.result()).answer


def _verdict(lab: Lab, lab_run: LabRun | None, answer: Answer) -> dict[str, Any] | None:
    if lab_run is None:
        return None
    if lab_run.trouble:
        return {"word": "There is no verdict", "said": lab_run.trouble, "holds": None, "measured": []}
    verdict = lab.verdict(lab_run.result())
    return {
        "word": verdict.word,
        "said": verdict.said.removeprefix(f"{verdict.word}. "),
        "holds": verdict.holds,
        "measured": [asdict(item) for item in measured(lab.prediction, answer)],
    }
