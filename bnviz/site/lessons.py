"""The lessons as pages: each part's text, beside it what the app would show there, as far as it was recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from bnviz.classroom.lesson_part import Part, texts
from bnviz.classroom.lesson_plans import LessonPlan
from bnviz.experiment import Experiment
from bnviz.experiment.comparison import Comparison
from bnviz.experiment.job import Job
from bnviz.export.handouts.page import Around
from bnviz.export.handouts.run_page import run_handout
from bnviz.figures.measured import filled
from bnviz.recording import Recording
from bnviz.site import pages
from bnviz.site.files import around_run, write
from bnviz.site.inside.looked import Looked, read
from bnviz.site.inside.page import inside_page
from bnviz.site.networks import Networks
from bnviz.site.pages import Beside

INSTEAD = {"map": "map", "landscape": "landscape", "depth": "depth"}
"""The lab that shows what a page does whose own networks are not recorded."""


@dataclass(frozen=True)
class Shown:
    """A part of a lesson, and what it needs. runs: the networks of the part, then of each of its buttons."""

    plan: LessonPlan
    number: int
    runs: tuple[tuple[str, Comparison], ...] = ()
    inside: tuple[Looked, Experiment] | None = None
    jobs: Mapping[str, Job] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: LessonPlan, number: int) -> Shown:
        """The part of that number, from 1."""
        part = plan.parts[number - 1]
        if part.place == "playground":
            tried = [(item.label, _tried(part, item.set)) for item in part.tries if item.set]
            return cls(plan, number, (("", part.comparison), *tried))
        found = read(part.settings) if part.place == "inside" else None
        return cls(plan, number, (), found, {} if found is None else found[0].jobs(found[1]))

    @property
    def part(self) -> Part:
        """What the lesson plan says."""
        return self.plan.parts[self.number - 1]

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.plan.name}-{self.number}"

    def all_jobs(self) -> Iterable[Job]:
        """Everything that is to be trained for it."""
        yield from (Job(arm) for _, comparison in self.runs for arm in comparison.arms)
        yield from self.jobs.values()


def lessons_of(out: Path, plans: Sequence[LessonPlan], networks: Networks, labs: Mapping[str, str]) -> None:
    """Write the pages of lessons, and of the runs that stand beside them. labs: titles of those on the site."""
    parts = [Shown.of(plan, number) for plan in plans for number in range(1, len(plan.parts) + 1)]
    networks.train([job for item in parts for job in item.all_jobs()])
    for item in parts:
        _part(out, item, networks, labs)


def _part(out: Path, item: Shown, networks: Networks, labs: Mapping[str, str]) -> None:
    part = item.part
    recordings: list[Recording] = []
    beside: list[Beside] = []
    if part.lab in labs:
        beside.append(Beside(f"../labs/{part.lab}.html"))
    elif part.place in INSTEAD and INSTEAD[part.place] in labs:
        lab = INSTEAD[part.place]
        beside.append(Beside(f"../labs/{lab}.html", instead=labs[lab]))
    elif item.inside is not None:
        around = Around("../", pages.navigation(""), link=f"/inside?{urlencode(part.settings)}")
        outcomes = {name: networks[job] for name, job in item.jobs.items()}
        write(
            out / "runs" / f"{item.name}.html", inside_page(item.inside[0], outcomes, part.settings, around)
        )
        beside.append(Beside(f"../runs/{item.name}.html"))
    for place, (label, comparison) in enumerate(item.runs):
        run = networks.recordings(comparison.arms)
        recordings = recordings or run
        name = f"{item.name}-{place}.html" if place else f"{item.name}.html"
        title = f"{part.title}: {label}" if label else part.title
        page = run_handout(run, title=title, around=around_run(comparison, pages.navigation(""), part.until))
        write(out / "runs" / name, page)
        beside.append(Beside(f"../runs/{name}#step=0", label))  # the reader answers, then presses Play
    told = filled(part.measured, recordings, part.until) if recordings and part.measured else None
    right = part.ask.right(recordings, part.until) if part.ask else None
    write(
        out / "lessons" / f"{item.name}.html",
        pages.part(item.plan, item.number, beside, told or "", right),
    )


def _tried(part: Part, changed: Mapping[str, bool | int | float | str]) -> Comparison:
    """The networks of a button: the link's settings, some of them changed."""
    settings = part.settings | texts(dict(changed))
    return part.model_copy(update={"playground": None, "link": f"/?{urlencode(settings)}"}).comparison
