"""One part of a lesson: its text, what it opens beside the text, what it asks, what may be tried."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal, Self, get_args
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from bnviz.classroom.restrictions import Restrictions
from bnviz.experiment.comparison import Comparison
from bnviz.experiment.experiment import Experiment
from bnviz.experiment.intervention import Intervention
from bnviz.figures.measured import Measured, filled, named_in
from bnviz.figures.registry import FIGURES
from bnviz.labs import find
from bnviz.labs.base import Setting as LabSetting
from bnviz.labs.formulas import set_apart
from bnviz.labs.glossary import GLOSSARY, Entry
from bnviz.recording import Recording

VIEW_SETTINGS = ("layer", "unit", "before", "log", "speed", "at", "images", "example")
"""The Playground's parameters that a part may set, besides those of the networks."""

Place = Literal["class", "playground", "labs", "inside", "map", "landscape", "depth", "runs"]
PLACES: tuple[Place, ...] = get_args(Place)
LINKED: tuple[Place, ...] = tuple(place for place in PLACES if place != "class")
"""The pages that a part's link may open."""
TRAINING = ("playground", "labs")
"""The pages on which a run trains, whose numbers a part may speak of."""

MOST_SEEDS = 10
"""Of a lab that a link opens."""

NOT_TAKEN = ("lesson", "part", "view", "teacher")
"""Parameters of a pasted address that are those of the one who copied it."""

Setting = bool | int | float | Annotated[str, Field(max_length=500)]
Sentence = Annotated[str, Field(min_length=1, max_length=500)]
_FROZEN = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Ask(BaseModel):
    """A question with options, counted from 1. Exactly one of three things says which is right.

    answer: the right option. measured, with bounds: a number of the run, divided by `over` if that is named; the
    first option is right below the first bound, the last from the last bound on. largest, smallest: a number for each
    option; the largest or smallest is right. explanation: shown with the answer.
    """

    model_config = _FROZEN

    question: Sentence
    options: tuple[Sentence, ...] = Field(min_length=2, max_length=6)
    answer: int | None = None
    measured: str = ""
    over: str = ""
    bounds: tuple[float, ...] = ()
    largest: tuple[str, ...] = ()
    smallest: tuple[str, ...] = ()
    explanation: str = Field(default="", max_length=2000)

    @model_validator(mode="after")
    def _has_one_answer(self) -> Self:
        if sum((self.answer is not None, *map(bool, (self.measured, self.largest, self.smallest)))) != 1:
            raise ValueError("a question has one of answer, measured, largest and smallest")
        if self.answer is not None and not 1 <= self.answer <= len(self.options):
            raise ValueError(f"answer = {self.answer} is not allowed; allowed is 1 to {len(self.options)}")
        if bool(self.measured) != bool(self.bounds) or (self.over and not self.measured):
            raise ValueError("measured and bounds belong together; over needs both")
        if self.bounds and (
            len(self.bounds) != len(self.options) - 1 or list(self.bounds) != sorted(set(self.bounds))
        ):
            raise ValueError(f"bounds are {len(self.options) - 1} ascending numbers, one between two options")
        for field, names in (("largest", self.largest), ("smallest", self.smallest)):
            if names and len(names) != len(self.options):
                raise ValueError(f"{field} names a number for each option")
        tuple(map(Measured.read, self.named))
        return self

    @property
    def named(self) -> tuple[str, ...]:
        """The numbers of the run that decide."""
        return tuple(filter(None, (self.measured, self.over, *self.largest, *self.smallest)))

    def right(self, recordings: Sequence[Recording], step: int | None = None) -> int | None:
        """The right option, as far as it was measured up to `step`; None while it was not."""
        if self.answer is not None:
            return self.answer
        values = [Measured.read(name).value(recordings, step) for name in self.named]
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            return None
        if self.largest or self.smallest:
            return int((np.argmax if self.largest else np.argmin)(known)) + 1
        if len(known) == 2 and not known[1]:
            return None
        return int(np.digitize(known[0] / known[1] if len(known) == 2 else known[0], self.bounds)) + 1

    def told(self, recordings: Sequence[Recording], step: int | None = None) -> str:
        """What was measured, in words: the numbers that decided; "" for a question with a fixed answer."""
        parts = []
        for name in self.named:
            number = Measured.read(name)
            where = "" if number.layer is None else f" in layer {number.layer}"
            letter = name.split(".")[1] if number.arm is not None else ""
            value = filled(f"{{{{{name}}}}}", recordings, step)
            if value is not None:
                parts.append(f"{number.kind}{where} of {letter}: {value}")
        return "; ".join(parts)


class Try(BaseModel):
    """A button that changes one thing in the picture.

    set: parameters of the page's link; other networks are trained, from step 0. change: the learning rate, momentum or
    weight decay of the run that is shown, from its present step on. One of the two.
    """

    model_config = _FROZEN

    label: str = Field(min_length=1, max_length=60)
    set: dict[str, Setting] = {}
    change: dict[str, float] = {}

    @model_validator(mode="after")
    def _changes_one_thing(self) -> Self:
        if bool(self.set) == bool(self.change) or len(self.change) > 1:
            raise ValueError("a button of try has either set, or change with one setting")
        for field, value in self.change.items():
            Intervention(0, field, value)
        return self


class Part(BaseModel):
    """One step of a lesson. docs/lessons.md tells what each field does."""

    model_config = _FROZEN

    title: str = Field(min_length=1, max_length=120)
    text: str = Field(default="", max_length=8000)
    measured: str = Field(default="", max_length=500)
    playground: dict[str, Setting] | None = None
    lab: str | None = None
    full: bool = False
    minutes: float | None = Field(default=None, gt=0, le=600)
    link: str = Field(default="", max_length=2000)
    hide: tuple[str, ...] = ()
    lock: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    highlight: tuple[str, ...] = ()
    until: int | None = Field(default=None, ge=1, le=1_000_000)
    tries: tuple[Try, ...] = Field(default=(), alias="try", max_length=6)
    ask: Ask | None = None
    notes: str = Field(default="", max_length=8000)

    @model_validator(mode="after")
    def _can_be_opened(self) -> Self:
        if sum((self.playground is not None, self.lab is not None, bool(self.link))) > 1:
            raise ValueError("a part opens one of playground, lab and link, not both")
        if self.link and self.place not in LINKED:
            raise ValueError(
                f"link = {self.link[:80]!r} is not allowed; allowed is a page of {', '.join(LINKED)}, then ? and "
                "its parameters"
            )
        if self.lab is not None:
            find(self.lab)
        elif self.full:
            raise ValueError("full needs a lab")
        Restrictions.of(self.hide, self.lock)
        _among("figures", self.figures, tuple(FIGURES))
        _among("highlight", self.highlight, (*Experiment.knobs(), "play", "question"))
        if self.place == "playground":
            self._check_networks(self.settings)
        elif self.figures or self.until or any(item.change for item in self.tries):
            raise ValueError("figures, until and change need networks on the Playground")
        self._check_numbers()
        return self

    def _check_networks(self, settings: dict[str, str]) -> None:
        for changed in (settings, *(settings | texts(item.set) for item in self.tries)):
            if ignored := _networks(changed)[1]:
                raise ValueError("; ".join(ignored))

    def _check_numbers(self) -> None:
        names = [*named_in(self.measured), *map(Measured.read, self.ask.named if self.ask else ())]
        if names and self.place not in TRAINING:
            raise ValueError("numbers of a run need networks on the Playground or a lab")
        if self.place == "playground":
            arms = self.comparison.arms
            for name in names:
                name.check(len(arms), max(len(arm.hidden) for arm in arms))

    @property
    def place(self) -> Place:
        """The page on which it is shown."""
        if self.lab is not None:
            return "labs"
        if self.playground is not None:
            return "playground"
        if not self.link:
            return "class"
        named = urlsplit(self.link).path.rstrip("/").rpartition("/")[2] or "playground"
        return next((place for place in LINKED if place == named), "class")

    @property
    def settings(self) -> dict[str, str]:
        """The link's parameters of that page."""
        if self.lab is not None:
            return {"lab": self.lab} | ({"full": "true"} if self.full else {})
        if self.link:
            return {
                name: text for name, text in parse_qsl(urlsplit(self.link).query) if name not in NOT_TAKEN
            }
        return texts(self.playground or {})

    @property
    def comparison(self) -> Comparison:
        """The networks that it opens on the Playground."""
        return _networks(self.settings)[0]

    @property
    def lab_setting(self) -> LabSetting:
        """How much its lab trains; the lab's own choice in place of what its link says wrongly."""
        said = self.settings
        seeds, steps = (_whole(said.get(name, "")) for name in ("seeds", "steps"))
        return LabSetting(
            quick=said.get("full") != "true",
            seeds=min(seeds, MOST_SEEDS) or None,
            steps=steps or None,
            images=said.get("images") == "true" and find(said["lab"]).images,
        )

    @property
    def speed(self) -> float | None:
        """Steps a second on the Playground; None for as many as can be."""
        try:
            speed = float(self.settings.get("speed", "max"))
        except ValueError:
            return None
        return speed if 0 < speed < np.inf else None

    @property
    def restrictions(self) -> Restrictions:
        """The controls that it hides or locks."""
        return Restrictions.of(self.hide, self.lock)

    @property
    def shown_text(self) -> str:
        """The Markdown, its formulas set apart, without pictures: they could ask another machine for something."""
        return shown(self.text)

    @property
    def terms(self) -> tuple[Entry, ...]:
        """The terms of the glossary that the text uses, in its order."""
        text = self.text.replace("*", "")
        found = [
            (re.search(rf"\b{re.escape(entry.term)}s?\b", text, re.IGNORECASE), entry) for entry in GLOSSARY
        ]
        used = sorted(
            ((place.start(), entry.term, entry) for place, entry in found if place), key=lambda item: item[:2]
        )
        return tuple(entry for *_, entry in used)


def _whole(text: str) -> int:
    """A whole number; 0 for what is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else 0


def _networks(settings: dict[str, str]) -> tuple[Comparison, tuple[str, ...]]:
    """The networks of the Playground's settings, and a sentence for each setting that is not allowed."""
    return Comparison.salvage({name: text for name, text in settings.items() if name not in VIEW_SETTINGS})


def shown(markdown: str) -> str:
    """Markdown as a page shows it: formulas set apart, no pictures."""
    return set_apart(markdown).replace("![", "!\\[")


def texts(values: dict[str, Setting]) -> dict[str, str]:
    """Settings as a link writes them."""
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in values.items()
    }


def _among(field: str, names: Sequence[str], allowed: Sequence[str]) -> None:
    for name in names:
        if name not in allowed:
            raise ValueError(
                f"{field} = {name[:40]!r} is not allowed; allowed is one of {', '.join(allowed)}"
            )
