"""The site's own pages: contents, parts of lessons, and the navigation above every page."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from bnviz.classroom.lesson_plans import LessonPlan
from bnviz.export.handouts import markdown
from bnviz.export.templates import environment, markup
from bnviz.labs.base import Lab
from bnviz.site.twins import Twin
from bnviz.version import __version__

_HERE = Path(__file__).parent / "templates"
_NOTHING = Markup("")
THE_PAPER = "the-paper"


@dataclass(frozen=True)
class Beside:
    """A page that stands beside a part of a lesson.

    label: of the button that brings it there, "" for the page that is there first. instead: the title of the lab that
    it is, where the part opens another page, whose networks are not recorded.
    """

    address: str
    label: str = ""
    instead: str = ""


def index(
    plans: Sequence[LessonPlan], labs: Sequence[Lab], first: Twin | None, picture: Markup = _NOTHING
) -> str:
    """The first page. picture: of the place of the Playground that opens first."""
    ordered = sorted(plans, key=lambda plan: plan.name != THE_PAPER)
    title = "" if first is None else title_of(first)
    return _render(
        "index.html",
        plans=ordered,
        labs=labs,
        first=first,
        first_title=title,
        picture=picture,
        version=__version__,
    )


def part(plan: LessonPlan, number: int, beside: Sequence[Beside], told: str, right: int | None) -> str:
    """A part of a lesson. beside: what stands beside it, and what its buttons bring there. told: what was measured.

    right: the right option of its question, as far as that is known here.
    """
    shown = plan.parts[number - 1]
    return _render("part.html", plan=plan, number=number, part=shown, beside=beside, told=told, right=right)


def navigation(root: str) -> Markup:
    """The line above every page. root: the way from the page to the first one; "" for a page that stands in another."""
    return Markup(_render("navigation.html", root=root, twin=None, there=frozenset()))


def playground_navigation(twin: Twin, places: Sequence[Twin]) -> Markup:
    """The same above a place of the Playground, with a link for every choice that was trained."""
    return Markup(_render("navigation.html", root="../", twin=twin, there=frozenset(places)))


def title_of(twin: Twin) -> str:
    """The heading of a place."""
    return f"{twin.nonlinearity}, learning rate {twin.rate:g}, initial weights σ = {twin.scale:g}"


def _render(template: str, **values: object) -> str:
    return _templates().get_template(template).render(values, style=markup(_HERE / "site.css"))


@functools.cache
def _templates() -> Environment:
    made = environment(_HERE)
    made.filters |= {"paragraphs": markdown.paragraphs, "line": markdown.line}
    return made
