"""How a class stands, as JSON for its pages: the run before it, its questions, the answers, the verdict. No HTTP here.

While a round is open everybody, the teacher and the projector included, is told how many have answered and no more:
no answers, not those of an earlier round either, and nothing that was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode

import orjson

from bnviz.classroom.asked import Watched
from bnviz.classroom.codes import spaced
from bnviz.classroom.lesson_part import shown, texts
from bnviz.classroom.room import MOST_ROUNDS, Poll, Room, ShownPart
from bnviz.classroom.voting import middle, right, tally
from bnviz.experiment.comparison import counted
from bnviz.experiment.knob import POINT_DATASETS
from bnviz.export.handouts.markdown import paragraphs
from bnviz.figures.measured import filled
from bnviz.figures.registry import FIGURES
from bnviz.labs.base import Lab, View
from bnviz.labs.predictions import Choice, Estimate, Slider
from bnviz.runs import Run

OVERVIEW = "overview"
"""The figure of two to five networks side by side: the bands of the layers, the numbers and the curves."""

LAYERED = (OVERVIEW, "bands", "histogram")
"""The figures that show a layer."""


@dataclass(frozen=True)
class Standing:
    """A class at one part: the one that it is at, or one that a student looks at. watched: its run."""

    room: Room
    part: ShownPart
    watched: Watched

    @property
    def version(self) -> tuple[object, ...]:
        """What changes whenever the JSON does."""
        run, said = self.watched.run, self.part.part
        follows = run is not None and said is not None and said.measured
        return (
            self.room.version,
            run.id if run else None,
            self.done,
            tuple(_judged(poll, self.watched) for poll in self.part.polls.values()),
            run.revision if run and follows else None,
        )

    @property
    def done(self) -> bool:
        """Whether the lab that is shown has a verdict."""
        return self.watched.lab_run is not None and self.watched.lab_run.done


def class_json(standing: Standing, link: str, figures: bytes) -> dict[str, Any]:
    """What everybody in the class may know. link: where students find it. figures: the JSON of `figures_json`."""
    room, part, run = standing.room, standing.part, standing.watched.run
    lab = part.lab
    return {
        "code": spaced(room.code),
        "link": link,
        "ended": room.row.ended,
        "lesson": _lesson(room),
        "part": part.row.part,
        "run": run.id if run else None,
        **_words(part, run, lab),
        "quote": _quote(lab),
        "figures": orjson.Fragment(figures),
        "layers": 0 if lab or run is None else min(len(arm.hidden) for arm in run.arms),
        "rate": _common_rate(run) if run else None,
        "questions": [_question(poll, standing.watched) for poll in part.polls.values()],
        "rounds": MOST_ROUNDS,
        "joined": len(room.joined),
        "behind": part.row.behind,
    }


def figures_json(standing: Standing) -> list[dict[str, Any]]:
    """The figures in their order.

    more: whether one is shown only after a tap. layered: whether it shows the layer that the viewer chooses. fills:
    whether its height follows the screen. heights: wide and narrow, in pixels, to reserve until it is drawn.
    """
    run, lab_run = standing.watched.run, standing.watched.lab_run
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
    if run is None:
        return []
    flat = all(arm.dataset in POINT_DATASETS for arm in run.arms)
    chosen = standing.part.part.figures if standing.part.part else ()
    more = () if chosen else ("accuracy", "loss", "bands", "histogram", "gradients", "drift", "saturation")
    return [
        {
            "path": f"figures/{name}",
            "title": FIGURES[name].title,
            "caption": "",
            "heights": FIGURES[name].size(run.arms),
            "layered": name in LAYERED,
            "fills": name == OVERVIEW,
            "more": name in more or (name == "boundary" and not chosen),
        }
        for name in chosen or (OVERVIEW, *["boundary"] * flat, *more)
    ]


def voter_json(standing: Standing, voter: bytes) -> list[dict[str, Any]]:
    """What one voter answered to each question in each round and, once all is measured, whether it was right."""
    answers = []
    for poll in standing.part.polls.values():
        judged = _judged(poll, standing.watched)
        answer = poll.asked.answer(standing.watched) if judged else None
        prediction = poll.asked.prediction
        for number, given in sorted(poll.votes.items()):
            if voter not in given:
                continue
            scored = poll.asked.score(given[voter], answer) if judged else None
            answers.append(
                {
                    "question": poll.name,
                    "round": number,
                    "answer": given[voter],
                    "words": prediction.words(given[voter]),
                    "right": scored.right if scored else None,
                    "sentence": scored.sentence if scored else "",
                }
            )
    return answers


def notes_html(part: ShownPart) -> str:
    """The teacher's notes, for the teacher alone."""
    return str(paragraphs(part.part.notes)) if part.part and part.part.notes else ""


def titles(room: Room) -> list[str]:
    """Of all parts of the lesson, for the teacher alone."""
    return [part.title for part in room.plan.parts] if room.plan else []


def answers_shown(poll: Poll, watched: Watched) -> bool:
    """Whether everybody may see what was answered."""
    return poll.row.round > 0 and not poll.row.is_open and not _withheld(poll, watched)


def _lesson(room: Room) -> dict[str, Any] | None:
    """The lesson as far as students may look at it. shown: whether the class was at the part."""
    plan = room.plan
    if plan is None:
        return None
    parts = [
        {"part": number, "title": part.title, "shown": number in room.parts}
        for number, part in enumerate(plan.parts, 1)
        if plan.ahead or number in room.parts
    ]
    return {
        "title": plan.title,
        "at": room.row.part,
        "count": len(plan.parts),
        "ahead": plan.ahead,
        "open": room.at.is_open,
        "parts": parts,
    }


def _words(part: ShownPart, run: Run | None, lab: Lab | None) -> dict[str, Any]:
    """What stands above the figures. opens: the pages of the app to which the part leads."""
    said = part.part
    if said is None:
        title = f"Lab: {lab.title}" if lab else f"{counted(len(run.arms))}, side by side" if run else ""
        return {"title": title, "text": "", "measured": "", "opens": [], "changes": []}
    return {
        "title": said.title,
        "text": str(paragraphs(shown(said.text))) if said.text else "",
        "measured": (filled(said.measured, run.recordings) or "") if run else "",
        "opens": _opens(part, run),
        "changes": [
            {"label": item.label, "field": field, "value": value}
            for item in said.tries
            for field, value in item.change.items()
        ],
    }


def _opens(part: ShownPart, run: Run | None) -> list[dict[str, str]]:
    """The page that the part opens, where the class's own page does not show it; the pages of its buttons of try."""
    said = part.part
    if said is None or said.place == "class":
        return []
    if part.subject is None:
        page = f"{said.place}?{urlencode(said.settings)}"
        return [{"href": page, "words": f"Open the page {said.place.capitalize()}"}]
    if run is None:
        return []
    place = "" if said.place == "playground" else said.place
    return [
        {
            "href": f"{place}?{urlencode(said.settings | texts(item.set))}",
            "words": f"Try on the Playground: {item.label}",
        }
        for item in said.tries
        if item.set
    ]


def _quote(lab: Lab | None) -> str:
    if lab is None:
        return ""
    return f"“{lab.quote}” {lab.source}" if lab.verbatim else ""


def _common_rate(run: Run) -> float | None:
    rates = {arm.learning_rate for arm in run.arms}
    return rates.pop() if len(rates) == 1 else None


def _question(poll: Poll, watched: Watched) -> dict[str, Any]:
    """What is asked, how many answered in each round; once the answers may be shown, also what, and how many rightly.

    withheld: whether answers wait for the teacher, or for the verdict, to be shown. tells: whether the teacher tells
    the right answer, which no run decides. guess: the middle of the last round's answers, to be drawn into the figure
    with what was measured. behind: HTML on what is behind it.
    """
    row, asked = poll.row, poll.asked
    rounds = range(1, row.round + 1)
    judged = _judged(poll, watched)
    answer = asked.answer(watched) if judged else None
    counted_rounds = rounds if answers_shown(poll, watched) else ()  # an earlier round would sway the next
    return {
        "name": asked.name,
        "text": asked.text,
        **_form(asked.prediction),
        "round": row.round,
        "open": row.is_open,
        "answered": [len(poll.votes[number]) for number in rounds],
        "withheld": _withheld(poll, watched),
        "tells": asked.tells and not judged,
        "tallies": [
            {
                "parts": [asdict(part) for part in tally(asked.prediction, poll.answers(number))],
                "right": right(asked.prediction, poll.answers(number), answer) if judged else None,
            }
            for number in counted_rounds
        ],
        "verdict": _verdict(poll, watched) if judged else None,
        "guess": middle(asked.prediction, poll.answers(row.round)) if judged and row.round else None,
        "behind": str(paragraphs(asked.behind)) if judged and asked.behind else "",
    }


def _form(prediction: Choice | Estimate) -> dict[str, Any]:
    if isinstance(prediction, Choice):
        options = [{"answer": key, "words": words} for key, words in prediction.options.items()]
        return {"options": options, "sliders": []}
    return {"options": [], "sliders": [_slider(item) for item in prediction.sliders]}


def _slider(item: Slider) -> dict[str, Any]:
    """A slider as the values at its positions, so that a page need not know its scale."""
    return {
        "label": item.label,
        "start": item.start_notch,
        "notches": [{"value": f"{value:.6g}", "words": item.shown(value)} for value in item.notches],
    }


def _withheld(poll: Poll, watched: Watched) -> bool:
    return poll.row.withheld and not poll.row.is_open and not _judged(poll, watched)


def _judged(poll: Poll, watched: Watched) -> bool:
    return not poll.row.is_open and poll.asked.judged(watched, poll.row.told)


def _verdict(poll: Poll, watched: Watched) -> Mapping[str, Any] | None:
    told = poll.asked.verdict(watched)
    return None if told is None else asdict(told)
