"""The web site without a server: every link leads somewhere, every number is a recording's, nothing is fetched."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bnviz.classroom.lesson_plans import find_plan
from bnviz.runs.pool import run_job
from bnviz.site.build import build
from bnviz.site.twins import FAMILY_SCALE, NONLINEARITIES, RATES, SCALES, Twin, all_twins


class Links(HTMLParser):
    """The addresses that a page names."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("href", "src") and value]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two places, one lab and one lesson, whose networks are trained for a few steps here."""
    out = tmp_path_factory.mktemp("site")

    def shortened(job):
        return replace(job, experiment=job.experiment.replace(steps=min(job.experiment.steps, 40)))

    def train(jobs):
        return [run_job(shortened(job)) for job in jobs]

    twins = [Twin(), Twin(rate=1.0)]
    assert build(
        out, train, lambda said: None, twins=twins, labs=["scale-invariance"], lessons=["first-look"]
    )
    assert not build(
        out, train, lambda said: None, twins=twins, labs=["scale-invariance"], lessons=["first-look"]
    )
    return out


def test_every_link_leads_to_a_file_of_the_site(site):
    pages = list(site.rglob("*.html"))
    assert {page.parent.name for page in pages} == {site.name, "playground", "labs", "lessons", "runs"}
    for page in pages:
        for address in Links(page.read_text(encoding="utf-8")).found:
            if address == "data:,":  # an icon of nothing, so that browsers ask for none
                continue
            assert not re.match(r"[a-z]+:|//", address), (page.name, address)
            assert (page.parent / address.partition("#")[0]).is_file(), (page.name, address)


def test_a_place_leads_to_the_places_that_were_trained_and_to_no_other(site):
    found = Links((site / "playground" / Twin().file).read_text(encoding="utf-8")).found
    assert {item for item in found if item.endswith("pair.html")} == {Twin().file, Twin(rate=1.0).file}


def test_the_places_are_those_that_the_readme_promises():
    places = {
        (item.rate, item.scale, item.nonlinearity) for item in all_twins() if item.normalizers == "pair"
    }
    assert len(places) == len(RATES) * len(SCALES) * len(NONLINEARITIES) >= 60
    assert len({item.file for item in all_twins()}) == len(all_twins())
    assert all_twins()[0] == Twin()
    for twin in all_twins():
        assert all(place in all_twins() for _, values in twin.choices() for _, place in values)
    assert Twin(scale=FAMILY_SCALE, normalizers="family").comparison.values[1] == "batch"


def test_a_part_tells_what_its_own_run_measured(site):
    plan = find_plan("first-look")
    for number, part in enumerate(plan.parts, 1):
        page = (site / "lessons" / f"first-look-{number}.html").read_text(encoding="utf-8")
        assert part.title in page
        assert ("<iframe" in page) == (part.place == "playground")
    assert "bnviz app" not in (site / "lessons" / "first-look-1.html").read_text(encoding="utf-8")
    assert "lab=" not in (site / "lessons" / "first-look-4.html").read_text(encoding="utf-8")


def test_pages_share_library_script_and_style_and_forbid_everything_else(site):
    page = (site / "playground" / Twin().file).read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1].replace("&#39;", "'")
    assert "default-src 'none'" in policy
    assert "'self' file:" in policy
    assert len(page) < 250_000
    assert "<script>" not in page
    assert (site / "plotly.min.js").stat().st_size > 1_000_000
    assert (site / "index.html").stat().st_size < 1_000_000
