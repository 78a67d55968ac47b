"""What the pages of the site have in common: how one trains a page's networks oneself."""

from __future__ import annotations

import shlex
from pathlib import Path
from urllib.parse import urlencode

from markupsafe import Markup

from bnviz.experiment import Experiment
from bnviz.experiment.comparison import Comparison
from bnviz.export.handouts.page import Around


def around_run(comparison: Comparison, navigation: Markup, stop: int | None = None) -> Around:
    """Around the page of a run, which lies in a folder of the site. stop: a step at which the scrubber stops."""
    return Around(
        "../",
        navigation,
        link=f"/?{urlencode(comparison.to_query(), safe=':,')}",
        commands=tuple(map(train_command, comparison.arms)),
        stop=stop,
    )


def train_command(experiment: Experiment) -> str:
    """The command that trains a network again. What is at its default is left out."""
    options = [
        f"--{name.replace('_', '-')} {shlex.quote(text)}"
        for name, text in experiment.texts().items()
        if text != Experiment.default_text(name)
    ]
    return " ".join(["bnviz train", *options])


def write(path: Path, page: str) -> None:
    """Write a page."""
    path.write_text(page, encoding="utf-8")
