"""A page of the site that looks into one layer, from answers that were recorded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

import orjson
from markupsafe import Markup

from bnviz.experiment.job import Job
from bnviz.export.handouts import page
from bnviz.export.handouts.array_pool import ArrayPool
from bnviz.export.handouts.page_data import page_data
from bnviz.export.stamp import ArmStamp, Stamp
from bnviz.export.templates import markup
from bnviz.recording.outcome import Outcome
from bnviz.site.inside.looked import Looked
from bnviz.site.inside.sections import section
from bnviz.web.assets import ASSETS

_SCRIPTS = ("elements.js", "inside.js", "sharing.js")
"""Of the app's page Inside: what moves there moves here."""
_MODULE_WORDS = re.compile(r"^import .*\n|^export ", re.MULTILINE)
_STYLE_OF_APP = re.compile(r"^@import .*\n", re.MULTILINE)


def inside_page(
    looked: Looked,
    outcomes: Mapping[str, Outcome],
    settings: Mapping[str, str],
    around: page.Around,
) -> str:
    """The page as HTML. outcomes: of `Looked.jobs`. settings: the link's parameters."""
    pool = ArrayPool()
    answers = {name: outcome.inspection["answer"] for name, outcome in outcomes.items()}
    shown = section(looked, answers, pool)
    arms = {outcome.recording.experiment: ArmStamp.of(outcome.recording) for outcome in outcomes.values()}
    stamp = Stamp(tuple(arms.values()), looked.step, f"inside?{urlencode(settings)}")
    return page.page(
        "inside.html",
        shown.title,
        page_data(shown.slides, pool, [looked.step], looked.step, []),
        stamp,
        around=around,
        more=_script() if shown.part else page.NOTHING,
        shown=shown,
        content=page.compressed(orjson.dumps(shown.content)) if shown.content else "",
        own_style=_style(),
    )


def networks(jobs: Mapping[str, Job]) -> list[Job]:
    """The jobs, each once."""
    return list(dict.fromkeys(jobs.values()))


def _script() -> Markup:
    parts = [Markup(_MODULE_WORDS.sub("", markup(ASSETS[name]))) for name in _SCRIPTS]
    own = markup(Path(__file__).with_name("mounted.js"))
    return Markup('(() => {{\n"use strict";\n{}\n}})();').format(Markup("\n").join([*parts, own]))


def _style() -> Markup:
    return Markup(_STYLE_OF_APP.sub("", markup(ASSETS["inside.css"])))
