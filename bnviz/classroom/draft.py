"""A lesson while it is written: its parts as a teacher types them, and the TOML file that they make."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import tomli_w
from pydantic import ValidationError

from bnviz.classroom.lesson_part import Part, texts
from bnviz.classroom.lesson_plans import (
    MOST_BYTES,
    MOST_PARTS,
    NAME,
    LessonPlan,
    LessonPlanError,
    find_plan,
    folders,
    read_plan,
)
from bnviz.data.paths import home


@dataclass(frozen=True)
class DraftPart:
    """A part. link: the address that it opens, "" for none. options: one a line; answer: the right one, from 1.

    kept: TOML of what a copied lesson says besides, such as figures or until.
    """

    title: str = ""
    text: str = ""
    link: str = ""
    measured: str = ""
    question: str = ""
    options: str = ""
    answer: int = 1
    explanation: str = ""
    notes: str = ""
    kept: str = ""

    def values(self) -> dict[str, Any]:
        """The part as the TOML file says it; what is empty stays out."""
        said = {name: getattr(self, name).strip() for name in ("text", "link", "measured", "notes")}
        found = {
            "title": self.title.strip() or "Untitled",
            **{name: text for name, text in said.items() if text},
        }
        found |= tomllib.loads(self.kept)
        if self.question.strip() and "ask" not in found:
            options = [line.strip() for line in self.options.splitlines() if line.strip()]
            ask = {"question": self.question.strip(), "options": options, "answer": self.answer}
            found["ask"] = ask | (
                {"explanation": self.explanation.strip()} if self.explanation.strip() else {}
            )
        return found

    def trouble(self) -> str:
        """What is wrong with the part, in a sentence; "" where nothing is."""
        try:
            Part(**self.values())
        except ValidationError as error:
            item = error.errors()[0]
            where = ".".join(map(str, item["loc"]))
            return f"{where}: {item['msg']}" if where else item["msg"]
        return ""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """The part that a TOML file says."""
        rest = dict(values)
        link = rest.pop("link", "")
        if "lab" in rest:
            size = {"full": "true"} if rest.pop("full", False) else {}
            link = f"labs?{urlencode({'lab': rest.pop('lab')} | size)}"
        if "playground" in rest:
            link = f"/?{urlencode(texts(rest.pop('playground')))}"
        said = {name: rest.pop(name, "") for name in ("title", "text", "measured", "notes")}
        ask = rest.get("ask", {})
        if "answer" in ask:
            rest.pop("ask")
            said |= {"question": ask["question"], "explanation": ask.get("explanation", "")}
            return cls(
                **said,
                link=link,
                options="\n".join(ask["options"]),
                answer=ask["answer"],
                kept=tomli_w.dumps(rest),
            )
        return cls(**said, link=link, kept=tomli_w.dumps(rest))


@dataclass(frozen=True)
class Draft:
    """A lesson that is being written; it has at least one part. ahead: as in LessonPlan."""

    title: str = ""
    about: str = ""
    parts: tuple[DraftPart, ...] = (DraftPart(),)
    ahead: bool = False

    def to_toml(self) -> str:
        """The file."""
        about = {"about": self.about.strip()} if self.about.strip() else {}
        ahead = {"ahead": True} if self.ahead else {}
        head = {"title": self.title.strip() or "Untitled", **about, **ahead}
        return tomli_w.dumps({**head, "part": [part.values() for part in self.parts]}, multiline_strings=True)

    def to_json(self) -> str:
        """The draft as a browser keeps it."""
        return json.dumps(asdict(self))

    @classmethod
    def of_json(cls, text: str) -> Self | None:
        """The draft that a browser kept; None for anything else, since anybody may have written there."""
        try:
            values = json.loads(text[: 4 * MOST_BYTES])
            parts = tuple(DraftPart(**part) for part in values["parts"][:MOST_PARTS])
            ahead = values.get("ahead", False) is True  # drafts of earlier versions have none
            draft = cls(str(values["title"]), str(values["about"]), parts or (DraftPart(),), ahead)
            draft.to_toml()
        except (AttributeError, TypeError, ValueError, KeyError):
            return None
        return draft

    @classmethod
    def copy_of(cls, name: str) -> Self:
        """A draft that says what the lesson of that name says. Raises LessonPlanError."""
        plan = find_plan(name)
        values = tomllib.loads(_file(plan.name).read_text(encoding="utf-8"))
        parts = tuple(map(DraftPart.of, values["part"]))
        return cls(f"{plan.title} (my version)", plan.about, parts, plan.ahead)

    def with_part(self, index: int, part: DraftPart) -> Self:
        """The draft with this part in place of another."""
        return replace(self, parts=(*self.parts[:index], part, *self.parts[index + 1 :]))

    def with_added(self, part: DraftPart) -> Self:
        """The draft with one more part at its end; an only part without content gives way. At most MOST_PARTS."""
        parts = () if self.parts == (DraftPart(),) else self.parts
        return replace(self, parts=(*parts, part)[:MOST_PARTS])

    def without(self, index: int) -> Self:
        """The draft without a part."""
        return replace(self, parts=(*self.parts[:index], *self.parts[index + 1 :]) or (DraftPart(),))

    def with_moved(self, index: int, by: int) -> Self:
        """The draft with a part moved by one place or more, as far as there is room."""
        parts = list(self.parts)
        parts.insert(min(max(index + by, 0), len(parts) - 1), parts.pop(index))
        return replace(self, parts=tuple(parts))


def keep(draft: Draft, name: str) -> LessonPlan:
    """Write the lesson into this server's folder of lessons, over one of that name. Raises LessonPlanError."""
    if not NAME.fullmatch(name):
        allowed = "allowed are lower-case letters, digits and hyphens"
        raise LessonPlanError(f"name = {name[:40]!r} is not allowed; {allowed}")
    folder = home() / "lessons"
    unfinished = folder / f".{name}.new" / f"{name}.toml"
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    try:
        unfinished.write_text(draft.to_toml(), encoding="utf-8")
        read_plan(unfinished)
        unfinished.replace(folder / f"{name}.toml")
    finally:
        unfinished.unlink(missing_ok=True)
        unfinished.parent.rmdir()
    return find_plan(name)


def _file(name: str) -> Path:
    return next(path for folder in folders() if (path := folder / f"{name}.toml").is_file())
