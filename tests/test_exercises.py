"""The courses' exercises: every link opens what it says, and nothing of it is ignored."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from bnviz.experiment.comparison import Comparison
from bnviz.ui.inside import view as inside
from bnviz.ui.pages import map as maps
from bnviz.ui.pages.labs_visit import Visit
from bnviz.ui.pages.playground import View

TEXT = (Path(__file__).parents[1] / "docs" / "exercises.md").read_text(encoding="utf-8")
LINKS = sorted(set(re.findall(r"\]\(http://localhost:8501/([a-z]*)(?:\?([^)\s]+))?\)", TEXT)))


def query(text: str) -> dict[str, str]:
    return dict(parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text)))


def test_every_link_is_one_of_these() -> None:
    assert len(set(re.findall(r"\]\((http[^)]*)\)", TEXT))) == len(LINKS) > 40
    assert {page for page, _ in LINKS} == {"", "inside", "labs", "map"}


@pytest.mark.parametrize("text", [text for page, text in LINKS if page == ""])
def test_a_link_to_the_playground_opens_networks_that_differ(text: str) -> None:
    mine, networks = View.split(query(text))
    comparison, ignored = Comparison.salvage(networks)
    assert (mine, ignored) == ({}, ())
    assert comparison.to_query() == networks
    assert len(set(comparison.arms)) == len(comparison.arms)


@pytest.mark.parametrize("text", [text for page, text in LINKS if page == "inside"])
def test_a_link_to_inside_opens_what_is_there(text: str) -> None:
    experiment, ignored = inside.experiment_of(query(text))
    mine, rest = inside.View.split(query(text))
    assert (rest, ignored) == ({}, ())
    view, refused = inside.View.salvage(mine, experiment)
    assert refused == ()
    assert inside.query_of(experiment, view) == query(text)


@pytest.mark.parametrize("text", [text for page, text in LINKS if page == "labs"])
def test_a_link_to_a_lab_opens_it(text: str) -> None:
    visit, ignored = Visit.salvage(query(text))
    assert ignored == ()
    assert visit.to_query() == query(text) != {}


@pytest.mark.parametrize("text", [text for page, text in LINKS if page == "map"])
def test_a_link_to_the_map_opens_it(text: str) -> None:
    choice, ignored = maps.Choice.salvage(query(text))
    assert ignored == ()
    assert choice.to_query() == query(text)
    assert choice.grid.cells


def test_no_exercise_is_left_out() -> None:
    for number in range(1, 5):
        assert f"**Inline question {number}**" in TEXT
    for number in range(1, 8):
        assert f"| **{number}**:" in TEXT
    for number in (2, 3):
        assert f"**Further research {number}**" in TEXT
