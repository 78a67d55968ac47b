"""The routes of files, asked without a server or a browser to draw."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from starlette.testclient import TestClient

from bnviz import Recording
from bnviz.experiment.comparison import Comparison
from bnviz.export import KINDS
from bnviz.export.browser import NO_CHROME, Chrome, ChromeBusyError
from bnviz.labs import find
from bnviz.labs.base import Setting
from bnviz.runs.lab_run import LabRun, LabRuns
from bnviz.web import state
from tests.site import FakeManager, FakeRun, get_at_once, site_of_run

HOST = {"Host": "class.example"}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="321.2" height="400" viewBox="0 0 380 473"></svg>'


@pytest.fixture(autouse=True)
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """No browser draws here; what one would have drawn is noted."""
    seen: list[Any] = []
    monkeypatch.setattr(Chrome, "path", staticmethod(lambda: "chrome"))
    monkeypatch.setattr(Chrome, "draw", lambda self, figure, kind: seen.append((figure, kind)) or SVG)
    return seen


@pytest.fixture
def site() -> TestClient:
    return site_of_run(FakeRun())


def notes(figure: Any) -> str:
    return " ".join(note.text for note in figure.layout.annotations)


def test_a_figure_comes_as_a_file_with_a_name(site: TestClient, drawn: list[Any]) -> None:
    answer = site.get("/bnviz/exports/bands.svg?run=run-1&layer=2&step=1&where=before", headers=HOST)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/svg+xml"
    assert (
        answer.headers["content-disposition"]
        == 'attachment; filename="bnviz-bands-layer2-step1-before-column.svg"'
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"  # the run goes on
    ET.fromstring(answer.content)
    ((figure, kind),) = drawn
    assert kind is KINDS["svg"]
    assert figure.layout.paper_bgcolor == "#FFFFFF"
    assert "step 1" in notes(figure)
    assert "http://class.example/?" in notes(figure)


def test_the_link_in_a_file_opens_the_same_two_networks_and_view(site: TestClient) -> None:
    answer = site.get("/bnviz/exports/bands.csv?run=run-1&layer=2&step=1", headers=HOST)
    line = next(line for line in answer.text.splitlines() if line.startswith("# link: "))
    query = dict(part.split("=") for part in line.partition("?")[2].split("&"))
    assert (query.pop("layer"), query.pop("at")) == ("2", "1")
    assert Comparison.salvage(query)[0].arms == FakeRun().arms


@pytest.mark.parametrize(
    ("headers", "link"),
    [
        ({"Host": "a.example"}, "http://a.example/?"),
        ({"Host": "a.example", "Referer": "https://a.example/x"}, "https://a.example/?"),
        ({"Host": "a.example", "Referer": "https://evil.example/x"}, "http://a.example/?"),
        ({"Host": "<script>"}, "link: ?"),
    ],
)
def test_the_link_goes_by_the_address_that_the_browser_sees(
    site: TestClient, headers: dict[str, str], link: str
) -> None:
    assert link in site.get("/bnviz/exports/loss.csv?run=run-1", headers=headers).text


def test_below_a_base_path_the_link_stays_below_it() -> None:
    answer = site_of_run(FakeRun(), "/course").get("/course/bnviz/exports/loss.csv?run=run-1", headers=HOST)
    assert "http://class.example/course/?" in answer.text


def test_without_footer_no_line_stands_below(site: TestClient, drawn: list[Any]) -> None:
    site.get("/bnviz/exports/loss.png?run=run-1&footer=0&by=browser")
    site.get("/bnviz/exports/loss.svg-wide?run=run-1&footer=0")
    assert "seed" not in notes(drawn[-1][0])


def test_the_numbers_are_those_of_the_recordings(site: TestClient) -> None:
    answer = site.get("/bnviz/exports/accuracy.csv?run=run-1")
    table = pd.read_csv(io.BytesIO(answer.content), comment="#")
    assert list(table[table["arm"] == "A"]["accuracy"]) == [0.25] * 3
    assert list(table[table["arm"] == "A"]["step"]) == [0, 1, 2]


def test_a_reader_s_browser_gets_what_it_needs_to_draw(site: TestClient) -> None:
    told = site.get("/bnviz/exports/loss.png-print?run=run-1&by=browser").json()
    assert json.loads(told["figure"])["layout"]["width"] == told["options"]["width"] == 380
    assert told["options"]["scale"] * 380 == pytest.approx(8.5 / 2.54 * 300)
    assert "@font-face" in told["fonts"]
    assert told["comment"].startswith("<!--")
    assert json.loads(told["texts"]["bnviz"])["step"] == 2
    assert site.get("/bnviz/exports/loss.pdf?run=run-1&by=browser").status_code == 422


def test_the_formats_say_who_makes_them(site: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = site.get("/bnviz/exports/formats").json()["kinds"]
    assert [item["kind"] for item in kinds] == list(KINDS)
    assert {item["by"] for item in kinds} == {"server"}
    monkeypatch.setattr(Chrome, "path", staticmethod(lambda: None))
    by = {item["kind"]: item for item in site.get("/bnviz/exports/formats").json()["kinds"]}
    assert by["png"]["by"] == by["svg"]["by"] == "browser"
    assert by["csv"]["by"] == by["html"]["by"] == "server"
    assert by["pdf"]["by"] == ""
    assert by["pdf"]["sentence"].startswith("No PDF")


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("exports/bands.bmp?run=run-1", 404, "png"),
        ("exports/pie.png?run=run-1", 404, "bands"),
        ("exports/bands?run=run-1", 404, "kind of file"),
        ("exports/bands.png?run=none", 404, "over"),
        ("exports/bands.csv?run=run-1&layer=9", 422, "layer = 9"),
        ("exports/bands.png?run=run-1&shape=round", 422, "shape"),
        ("exports/bands.png?run=run-1&footer=yes", 422, "footer"),
        ("exports/labs/figure-1.png?run=run-1", 404, "no lab"),
        ("runs/run-1/recording/2", 422, "arm"),
        ("runs/run-1/recording/%2e%2e", 422, "arm"),
        ("runs/none/recording/0", 404, "over"),
    ],
)
def test_what_there_is_not_is_refused_in_a_sentence(
    site: TestClient, path: str, status: int, words: str
) -> None:
    answer = site.get(f"/bnviz/{path}")
    assert answer.status_code == status
    assert words in answer.json()["error"]


@pytest.mark.parametrize(
    ("error", "status"), [(ChromeBusyError("Busy; please try again."), 503), (RuntimeError("secret"), 500)]
)
def test_what_cannot_be_drawn_is_told_in_a_sentence(
    site: TestClient, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def refuse(*arguments: object) -> bytes:
        raise error

    monkeypatch.setattr(Chrome, "draw", refuse)
    answer = site.get("/bnviz/exports/loss.png?run=run-1")
    assert answer.status_code == status
    assert "secret" not in answer.json()["error"]


def test_without_chrome_a_drawing_is_refused_so_that_the_browser_draws(
    site: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("BROWSER_PATH", "/nowhere/chrome")
    answer = site.get("/bnviz/exports/loss.png?run=run-1")
    assert (answer.status_code, answer.json()["error"]) == (501, NO_CHROME)


def test_many_who_want_the_same_file_wait_for_one_drawing(site: TestClient, drawn: list[Any]) -> None:
    answers = get_at_once(site, "/bnviz/exports/loss.svg?run=run-1", 10)
    assert {answer.status_code for answer in answers} == {200}
    assert len(drawn) == 1


def test_a_recording_comes_as_the_file_that_load_reads(site: TestClient, tmp_path: Any) -> None:
    answer = site.get("/bnviz/runs/run-1/recording/1")
    assert answer.headers["content-disposition"] == 'attachment; filename="bnviz-arm2-batch-step2.bnviz"'
    path = tmp_path / "arm.bnviz"
    path.write_bytes(answer.content)
    assert Recording.load(path) == FakeRun().recordings[1]


def test_a_lab_s_figure_comes_with_the_link_to_the_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    lab, setting = find("figure-1"), Setting(quick=True, steps=50)
    arms = tuple(job.experiment for job in lab.jobs(setting))
    run = FakeRun(arms=arms, recordings=tuple(map(Recording, arms)))

    class Manager(FakeManager):
        def open(self, *arguments: object, **named: object) -> FakeRun:
            return run

    lab_runs = LabRuns()
    lab_runs._all[run.id] = LabRun(lab, setting, Manager(run))  # type: ignore[arg-type]
    monkeypatch.setattr(state, "_LAB_RUNS", lab_runs)
    answer = site_of_run(run).get("/bnviz/exports/labs/figure-1.csv?run=run-1&unit=3", headers=HOST)
    assert answer.status_code == 200
    assert "link: http://class.example/labs?lab=figure-1&steps=50&unit=3\n" in answer.text
    assert answer.headers["content-disposition"] == 'attachment; filename="bnviz-figure-1-unit3.csv"'
