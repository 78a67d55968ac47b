"""Reports on labs as HTML and PDF, and the routes of handouts and reports."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader
from starlette.testclient import TestClient
from typer.testing import CliRunner

from bnviz.cli import app
from bnviz.export.browser import NO_CHROME, Chrome, ChromeError
from bnviz.export.handouts.report import lab_report, printed, write_report
from bnviz.export.handouts.worksheet import lab_worksheet
from bnviz.export.table_scripts import drawn_tables_script
from bnviz.labs import all_labs, find
from bnviz.labs.base import Lab, Result, Setting, View
from bnviz.labs.further_questions import QUESTIONS
from bnviz.labs.predictions import PredictionError
from bnviz.runs.lab_run import LabRun, LabRuns
from bnviz.web import state
from tests.recordings import pair
from tests.site import FakeManager, FakeRun, site_of_run
from tests.test_handouts import Page
from tests.test_labs import as_claimed

LINK = "https://class.example/labs"


@pytest.fixture(scope="module")
def lab() -> Lab:
    return find("figure-1")


@pytest.fixture(scope="module")
def result(lab: Lab) -> Result:
    return as_claimed(lab, Setting(quick=True, seeds=3))


@pytest.fixture
def no_chrome(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "no-browser"))


def squeezed(text: str) -> str:
    """Without white space, which PDF readers put where they like."""
    return re.sub(r"\s", "", text)


@pytest.mark.skipif(Chrome.path() is None, reason="no Chromium or Chrome found")
def test_a_report_holds_claim_prediction_verdict_figures_settings_and_provenance(
    lab: Lab, result: Result, chrome: Chrome
) -> None:
    verdict, score = lab.verdict(result), lab.score("bn", result)
    report = lab_report(lab, result, said="bn", link=LINK, chrome=chrome)
    content = printed(lab, result, report, chrome, link=LINK)
    page = Page(report)
    drawings = lab.figures(result, View())
    labels = [str(item.get("aria-label")) for item in page.all("svg") if item.get("role") == "img"]
    assert labels == [item.figure.layout.meta["alt"] for item in drawings]
    figures = [item for item in page.all("script") if item.get("type") == "application/json"]
    assert len(figures) == len(drawings)
    assert len(page.all("script")) == len(figures) + 1  # which makes their tables
    digest = base64.b64encode(hashlib.sha256(str(drawn_tables_script()).encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in page.policy
    assert len(page.ids) == len(set(page.ids))
    assert report.count("@font-face") == 2

    reader = PdfReader(io.BytesIO(content))
    read = squeezed("".join(item.extract_text() for item in reader.pages))
    measured = verdict.measured["travel_ratio"]
    low, high = measured.spread
    for told in (
        lab.quote,
        lab.question,
        score.sentence,
        verdict.word,
        verdict.said.removeprefix(f"{verdict.word}. "),
        verdict.criterion,
        f"{measured.median:,.4g}{low:,.4g} to {high:,.4g}",
        *(item.caption for item in drawings),
        *("Mini-batch", "60", "Fully connected", "no normalization"),
        "Every network was trained from 3 seeds.",
        f"{len(reader.pages)} / {len(reader.pages)}",
    ):
        assert squeezed(told) in read, told
    about = reader.metadata
    assert about is not None
    assert about.title == lab.title
    assert "labs?lab=figure-1&seeds=3" in str(about["/Keywords"])
    for sheet in reader.pages:
        assert squeezed(sheet.extract_text()) != ""  # no page is empty
        assert sheet.mediabox.width == pytest.approx(210 / 25.4 * 72, abs=1)


def test_without_chrome_a_report_draws_its_figures_in_the_reader_s_browser(lab: Lab, result: Result) -> None:
    page = Page(lab_report(lab, result))
    assert len([item for item in page.all("div") if "data-slide" in item]) == len(lab.figures(result, View()))
    assert len(page.scripts) == 3
    assert "The prediction." not in page.text


@pytest.mark.usefixtures("no_chrome")
def test_without_chrome_there_is_no_pdf_and_a_sentence_says_so(lab: Lab, result: Result) -> None:
    with Chrome() as chrome, pytest.raises(ChromeError, match=re.escape(NO_CHROME)):
        printed(lab, result, lab_report(lab, result, chrome=chrome), chrome)


@pytest.mark.usefixtures("no_chrome")
def test_a_report_is_written_as_html_at_least(lab: Lab, result: Result, tmp_path: Path) -> None:
    told = write_report(lab, result, tmp_path, "plain")
    assert told == f"The report is there as HTML, but not as PDF. {NO_CHROME}"
    assert "The prediction." in Page((tmp_path / "report.html").read_text()).text


def test_the_command_line_makes_a_handout_of_recordings(result: Result, tmp_path: Path) -> None:
    pair = result.arms[:2]
    arms = [tmp_path / f"{arm.name}.bnviz" for arm in pair]
    for path, arm in zip(arms, pair, strict=True):
        result.recordings(arm.name)[0].save(path)
    out = tmp_path / "run.html"
    words = ["--title", "Monday", "--note", "Read <b>."]
    done = CliRunner().invoke(app, ["lesson", *map(str, arms), "--out", str(out), *words])
    assert done.exit_code == 0, done.output
    assert "MB was written to" in done.output
    assert "Read <b>." in Page(out.read_text()).text


def test_a_prediction_that_cannot_be_is_refused(lab: Lab, result: Result) -> None:
    with pytest.raises(PredictionError, match="allowed is one of plain"):
        lab_report(lab, result, said="maybe")


@pytest.fixture
def lab_site(lab: Lab, result: Result, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """A server on which the lab has just ended, and whose Chrome draws nothing."""
    arms = [recording for arm in result.arms for recording in result.recordings(arm.name)]
    run = FakeRun(arms=tuple(item.experiment for item in arms), recordings=tuple(arms))

    class Manager(FakeManager):
        def open(self, *arguments: object, **named: object) -> FakeRun:
            return run

    lab_runs = LabRuns()
    lab_runs._all[run.id] = LabRun(lab, result.setting, Manager(run))  # type: ignore[arg-type]
    monkeypatch.setattr(state, "_LAB_RUNS", lab_runs)

    def refuse(*arguments: Any) -> bytes:
        raise ChromeError(NO_CHROME)

    monkeypatch.setattr(Chrome, "draw", refuse)
    monkeypatch.setattr(Chrome, "print_page", refuse)
    return site_of_run(run)


def test_a_run_is_saved_as_a_handout_that_links_back() -> None:
    run = FakeRun(recordings=tuple(pair(hidden=(4,))))
    answer = site_of_run(run).get("/bnviz/exports/lessons/run-1.html", headers={"Host": "a.example"})
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="bnviz-handout.html"'
    (link,) = [item["href"] for item in Page(answer.text).all("a")]
    assert link == "http://a.example/?hidden=4&steps=1000"


def test_a_lab_is_saved_as_handout_and_report(lab: Lab, lab_site: TestClient) -> None:
    answer = lab_site.get("/bnviz/exports/lessons/run-1.html?unit=3", headers={"Host": "a.example"})
    assert answer.headers["content-disposition"] == 'attachment; filename="bnviz-figure-1-handout.html"'
    assert "http://a.example/labs?lab=figure-1&amp;seeds=3&amp;unit=3" in answer.text
    answer = lab_site.get("/bnviz/exports/reports/run-1.html?said=bn")
    assert answer.status_code == 200
    assert "You said “with batch norm”" in answer.text


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("reports/run-1.pdf", 501, NO_CHROME),
        ("reports/run-1.html?said=maybe", 422, "allowed is one of plain"),
        ("reports/run-1.html?unit=9999", 422, "unit"),
        ("reports/run-1.html?unit=x", 422, "unit"),
        ("lessons/run-1.pdf", 404, "there are html"),
        ("lessons/none.html", 404, "This run is over"),
        ("reports/..%5csecret.html", 404, "no such page"),
    ],
)
def test_what_cannot_be_had_is_refused_in_a_sentence(
    lab_site: TestClient, path: str, status: int, told: str
) -> None:
    answer = lab_site.get(f"/bnviz/exports/{path}")
    assert answer.status_code == status
    assert told in answer.text
    assert "Traceback" not in answer.text


def test_what_has_not_begun_or_not_ended_is_refused(lab: Lab, lab_site: TestClient) -> None:
    empty = FakeRun(id="run-3", recordings=tuple(item.upto(-1) for item in pair(hidden=(4,))))
    assert "press Play first" in site_of_run(empty).get("/bnviz/exports/lessons/run-3.html").text
    assert (
        "belongs to no lab" in site_of_run(FakeRun(id="run-2")).get("/bnviz/exports/reports/run-2.html").text
    )
    state.lab_runs().get("run-1").run.recordings = empty.recordings  # type: ignore[union-attr]
    assert lab_site.get("/bnviz/exports/reports/run-1.pdf").status_code == 409


@pytest.mark.skipif(Chrome.path() is None, reason="no Chromium or Chrome found")
def test_the_worksheet_of_every_lab_is_one_printed_page_with_its_question_and_nothing_measured(
    chrome: Chrome,
) -> None:
    longest = sorted(
        all_labs().values(), key=lambda lab: len(lab.question) + len(str(lab.prediction)) + len(lab.quote)
    )
    for lab in (longest[0], longest[-1], find("renorm"), find("regularizer")):
        content = chrome.print_page(lab_worksheet(lab))
        (page,) = PdfReader(io.BytesIO(content)).pages
        read = squeezed(page.extract_text())
        assert squeezed(lab.title) in read
        assert "Name" in read
        for text in QUESTIONS[lab.name]:
            assert squeezed(text)[:30] in read


def test_every_lab_has_two_questions_of_its_own_and_a_worksheet_that_anyone_may_open() -> None:
    assert QUESTIONS.keys() == all_labs().keys()
    site = site_of_run(FakeRun())
    answer = site.get("/bnviz/exports/worksheets/figure-1.html")
    assert answer.status_code == 200
    assert find("figure-1").question.replace("'", "&#39;") in answer.text
    missing = site.get("/bnviz/exports/worksheets/x.html")
    assert (missing.status_code, "figure-1" in missing.text) == (404, True)
