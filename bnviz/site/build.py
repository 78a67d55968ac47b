"""Train what the site shows, and write its files. Nothing on it is drawn from anything but these recordings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from markupsafe import Markup

from bnviz.classroom.lesson_plans import SHIPPED, all_plans
from bnviz.experiment.job import Job
from bnviz.export.handouts.lab_page import lab_handout
from bnviz.export.handouts.page import Around, shared_files
from bnviz.export.handouts.run_page import run_handout
from bnviz.figures.thumbnail import thumbnail
from bnviz.labs import all_labs
from bnviz.labs.base import Lab, Setting
from bnviz.site import pages
from bnviz.site.files import around_run, write
from bnviz.site.lessons import lessons_of
from bnviz.site.networks import Networks, Train
from bnviz.site.twins import Twin, all_twins
from bnviz.version import digest

MADE = "made.json"
"""What the files were made from; written last, so that a build that was broken off begins anew."""


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
    for name, content in shared_files().items():
        (out / name).write_bytes(content)
    tell(f"{len(places)} places of the Playground")
    first = _playground(out, places, train)
    tell(f"{len(chosen)} labs")
    _labs(out, chosen, train)
    tell(f"{len(plans)} lessons")
    lessons_of(out, plans, Networks(train), {lab.name: lab.title for lab in chosen})
    write(out / "index.html", pages.index(plans, chosen, places[0] if places else None, first))
    (out / MADE).write_text(json.dumps({"key": key}))
    return True


def _playground(out: Path, places: Sequence[Twin], train: Train) -> Markup:
    """Write the places. Returns a small picture of the first, nothing where there is none."""
    groups = [place.comparison for place in places]
    found = Networks(train)
    found.train([Job(arm) for group in groups for arm in group.arms])
    for place, group in zip(places, groups, strict=True):
        recordings = found.recordings(group.arms)
        around = around_run(group, pages.playground_navigation(place, places))
        write(
            out / "playground" / place.file,
            run_handout(recordings, title=pages.title_of(place), around=around),
        )
    return Markup(thumbnail(found.recordings(groups[0].arms))) if groups else Markup("")


def _labs(out: Path, labs: Sequence[Lab], train: Train) -> None:
    setting = Setting(quick=True)
    jobs = [lab.jobs(setting) for lab in labs]
    outcomes = iter(train([job for group in jobs for job in group]))
    for lab, group in zip(labs, jobs, strict=True):
        result = lab.result(setting, [next(outcomes) for _ in group])
        around = Around(
            "../",
            pages.navigation("../"),
            link=f"/labs?lab={lab.name}",
            commands=(f"bnviz lab {lab.name} --quick --out out",),
        )
        write(out / "labs" / f"{lab.name}.html", lab_handout(lab, result, around=around))


def _key(*chapters: Sequence[str]) -> str:
    """A digest of what the site is made from: what is on it, and every file of this bnviz."""
    return hashlib.sha256(json.dumps([digest(), *chapters]).encode()).hexdigest()


def _made(out: Path) -> str:
    try:
        return str(json.loads((out / MADE).read_text())["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
