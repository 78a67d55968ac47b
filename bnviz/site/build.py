"""Train what the site shows, and write its files. Nothing on it is drawn from anything but these recordings."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from markupsafe import Markup

import bnviz
from bnviz.classroom.lesson_plans import SHIPPED, LessonPlan, all_plans
from bnviz.experiment.job import Job
from bnviz.export import plotly_js
from bnviz.export.handouts.lab_page import lab_handout
from bnviz.export.handouts.page import Around
from bnviz.export.handouts.run_page import run_handout
from bnviz.figures.measured import filled
from bnviz.labs import all_labs
from bnviz.labs.base import Lab, Setting
from bnviz.recording import Recording
from bnviz.recording.outcome import Outcome
from bnviz.site import pages
from bnviz.site.twins import Twin, all_twins

LIBRARY = "plotly.min.js"
MADE = "made.json"
"""What the files were made from; written last, so that a build that was broken off begins anew."""

Train = Callable[[Sequence[Job]], Sequence[Outcome]]


def build(
    out: Path,
    train: Train,
    tell: Callable[[str], None],
    *,
    twins: Sequence[Twin] | None = None,
    labs: Sequence[str] | None = None,
    lessons: Sequence[str] | None = None,
) -> bool:
    """Write the site into a folder. Returns whether anything had to be done.

    train: trains jobs and returns their outcomes, in the same order. tell: called with a sentence about each chapter.
    twins, labs, lessons: of these only; None for all. Raises OSError.
    """
    places = all_twins() if twins is None else list(twins)
    chosen = [lab for name, lab in all_labs().items() if labs is None or name in labs]
    plans = [plan for plan in all_plans([SHIPPED])[0] if lessons is None or plan.name in lessons]
    key = _key([item.file for item in places], [lab.name for lab in chosen], [plan.name for plan in plans])
    if _made(out) == key:
        return False
    for folder in ("playground", "labs", "runs", "lessons"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    (out / MADE).unlink(missing_ok=True)
    shutil.copyfile(plotly_js.PATH, out / LIBRARY)
    tell(f"{len(places)} places of the Playground")
    _playground(out, places, train)
    tell(f"{len(chosen)} labs")
    _labs(out, chosen, train)
    for plan in plans:
        tell(f"the lesson {plan.title}")
        _lesson(out, plan, train, {lab.name for lab in chosen})
    _write(out / "index.html", pages.index(plans, chosen, places[0] if places else None))
    (out / MADE).write_text(json.dumps({"key": key}))
    return True


def _playground(out: Path, places: Sequence[Twin], train: Train) -> None:
    arms = [place.comparison.arms for place in places]
    each = list(dict.fromkeys(arm for group in arms for arm in group))
    found = dict(zip(each, (item.recording for item in train([Job(arm) for arm in each])), strict=True))
    for place, group in zip(places, arms, strict=True):
        around = _around(pages.playground_navigation(place, places))
        page = run_handout([found[arm] for arm in group], title=pages.title_of(place), around=around)
        _write(out / "playground" / place.file, page)


def _labs(out: Path, labs: Sequence[Lab], train: Train) -> None:
    setting = Setting(quick=True)
    jobs = [lab.jobs(setting) for lab in labs]
    outcomes = iter(train([job for group in jobs for job in group]))
    for lab, group in zip(labs, jobs, strict=True):
        result = lab.result(setting, [next(outcomes) for _ in group])
        _write(
            out / "labs" / f"{lab.name}.html",
            lab_handout(lab, result, around=_around(pages.navigation("../"))),
        )


def _lesson(out: Path, plan: LessonPlan, train: Train, labs: set[str]) -> None:
    for number, part in enumerate(plan.parts, 1):
        recordings: list[Recording] = []
        beside = ""
        if part.lab in labs:
            beside = f"../labs/{part.lab}.html"
        elif part.place == "playground":
            arms = part.comparison.arms
            recordings = [item.recording for item in train([Job(arm) for arm in arms])]
            name = f"{plan.name}-{number}.html"
            _write(out / "runs" / name, run_handout(recordings, title=part.title, around=_around(Markup(""))))
            beside = f"../runs/{name}" + (f"#step={part.until}" if part.until else "")
        told = filled(part.measured, recordings, part.until) if recordings and part.measured else None
        right = part.ask.right(recordings, part.until) if part.ask else None
        _write(
            out / "lessons" / f"{plan.name}-{number}.html",
            pages.part(plan, number, beside, told or "", right),
        )


def _around(navigation: Markup) -> Around:
    return Around(f"../{LIBRARY}", navigation)


def _write(path: Path, page: str) -> None:
    path.write_text(page, encoding="utf-8")


def _key(*chapters: Sequence[str]) -> str:
    """A digest of what the site is made from: what is on it, and every file of this bnviz."""
    digest = hashlib.sha256(json.dumps(chapters).encode())
    package = Path(bnviz.__file__).parent
    for path in sorted(package.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _made(out: Path) -> str:
    try:
        return str(json.loads((out / MADE).read_text())["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
