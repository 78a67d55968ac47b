"""Lesson plans: labs and Playground settings in an order, with a teacher's own text between them.

A lesson plan is a TOML file, `$BNVIZ_HOME/lessons/my-lesson.toml`, opened by the link `/class?lesson=my-lesson`:

    title = "My lesson"
    about = "For whom, and how long it takes."

    [[part]]
    title = "Look first"
    text = "Markdown, without HTML."

    [[part]]
    title = "Two networks"
    text = "Press Play."
    hide = ["seed"]
    lock = ["dataset"]
    playground = { learning_rate = 0.5, layer = 2 }

    [[part]]
    title = "Predict"
    lab = "figure-1"

A part opens the Playground, a lab or, by its link, another page; with none of them, its text alone. What else a part
can have stands in `lesson_part` and in docs/lessons.md.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bnviz.classroom.lesson_part import Part
from bnviz.data.paths import home

SHIPPED = Path(__file__).parent / "lessons"
MOST_BYTES = 100_000
MOST_PARTS = 50

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")


class LessonPlanError(ValueError):
    """There is no lesson plan of that name, or its file is not allowed; the message is a sentence."""


class LessonPlan(BaseModel):
    """A lesson plan, as its file says it.

    name: of the file, for the link. ahead: whether the students of a class may read on while it is at an earlier part.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    name: str
    title: str = Field(min_length=1, max_length=120)
    about: str = Field(default="", max_length=500)
    ahead: bool = False
    parts: tuple[Part, ...] = Field(alias="part", min_length=1, max_length=MOST_PARTS)

    def part(self, text: str) -> tuple[int, Part]:
        """The number, from 1, and the part that a link means by `text`; the nearest part where there is none."""
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 1
        number = min(max(number, 1), len(self.parts))
        return number, self.parts[number - 1]

    def query(self, number: int) -> dict[str, str]:
        """The parameters of the link to its part `number`, from 1."""
        part = self.parts[number - 1]
        return part.settings | part.restrictions.to_query() | {"lesson": self.name, "part": str(number)}


def folders() -> tuple[Path, ...]:
    """Where lesson plans are looked for: the teacher's own, then those that come with bnviz."""
    return home() / "lessons", SHIPPED


def find_plan(name: str, places: Sequence[Path] | None = None) -> LessonPlan:
    """The lesson plan of that name. Raises LessonPlanError."""
    if NAME.fullmatch(name):
        for folder in folders() if places is None else places:
            path = folder / f"{name}.toml"
            if path.is_file():
                return read_plan(path)
    raise LessonPlanError(
        f"there is no lesson {name[:40]!r}; allowed are the names of the files in the folder lessons, "
        "of lower-case letters, digits and hyphens"
    )


def all_plans(places: Sequence[Path] | None = None) -> tuple[tuple[LessonPlan, ...], tuple[str, ...]]:
    """Every lesson plan that can be read, sorted by title, and a sentence for each file that cannot."""
    found: dict[str, LessonPlan] = {}
    troubles = []
    for folder in folders() if places is None else places:
        for path in sorted(folder.glob("*.toml"))[:200] if folder.is_dir() else ():
            if path.stem in found or not NAME.fullmatch(path.stem):
                continue
            try:
                found[path.stem] = read_plan(path)
            except LessonPlanError as error:
                troubles.append(str(error))
    return tuple(sorted(found.values(), key=lambda item: item.title)), tuple(troubles)


def read_plan(path: Path) -> LessonPlan:
    """The lesson plan in a file. Raises LessonPlanError."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise LessonPlanError(f"the lesson {path.name} is too long; allowed are {MOST_BYTES:,} bytes")
        return _parsed(content, path.stem)
    except ValidationError as error:
        raise LessonPlanError(f"the lesson {path.name} is not allowed: {_words(error)}") from None
    except (OSError, UnicodeDecodeError, RecursionError, tomllib.TOMLDecodeError) as error:
        raise LessonPlanError(f"the lesson {path.name} cannot be read: {error}") from None


@functools.lru_cache(maxsize=100)
def _parsed(content: bytes, name: str) -> LessonPlan:
    """Kept, since everyone who watches a lesson's run asks for its words several times a second."""
    return LessonPlan(**(tomllib.loads(content.decode()) | {"name": name}))


def _words(error: ValidationError) -> str:
    """What is wrong in a file and where, for the first three errors; parts are counted from 1."""
    told = []
    for item in error.errors()[:3]:
        where = ".".join(str(step + 1 if isinstance(step, int) else step) for step in item["loc"])
        told.append(f"{where}: {item['msg'][:300]}")
    return "; ".join(told)
