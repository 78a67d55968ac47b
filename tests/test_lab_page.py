"""The labs as a page: predict, run, be told. The trainers are real where something trains."""

import json
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from bnviz.figures.frame.plot import Plot
from bnviz.labs import all_labs, find
from bnviz.labs.base import Setting, View
from bnviz.runs.lab_run import LabRuns
from bnviz.ui.parts import lab_cards, memory, thumbnails
from bnviz.web import state
from tests.site import site_of_run

PAGES = Path(__file__).parents[1] / "pages"
SHORT = Setting(quick=True, steps=40)


@pytest.fixture
def manager(trainers):
    return trainers


@pytest.fixture
def page(monkeypatch, manager):
    monkeypatch.setattr(state, "manager", lambda: manager)
    monkeypatch.setattr(state, "_LAB_RUNS", LabRuns())

    def opener(**query):
        app = AppTest.from_file(str(PAGES / "labs.py"), default_timeout=60)
        for name, text in query.items():
            app.query_params[name] = text
        return app.run()

    return opener


def finished(lab_run):
    lab_run.run.set_speed(100_000.0)
    lab_run.run.play()
    while not (lab_run.done or lab_run.run.state == "failed"):
        lab_run.run.touch()
        lab_run.inspect()
        time.sleep(0.05)
    assert lab_run.run.state == "finished", lab_run.run.message
    return lab_run


def components(app):
    return [json.loads(item.proto.json) for item in app.get("bidi_component")]


def drawn(app):
    return [item["path"] for item in components(app) if "path" in item]


def played(app):
    return any("can_drive" in item or "fixed_rate" in item for item in components(app))


def test_the_list_has_every_lab_and_opens_it(page):
    app = page()
    assert not app.exception
    names = {item.key.removeprefix("open.") for item in app.button if (item.key or "").startswith("open.")}
    assert names == set(all_labs())
    times = [item.value for item in app.caption if "full size" in item.value]
    assert len(times) == len(names)
    with_images = sum(lab.images for lab in all_labs().values())
    assert (
        sorted(text.count("about ") for text in times) == [2] * (len(names) - with_images) + [3] * with_images
    )
    app.button(key="open.figure-1").click().run()
    assert not app.exception
    assert find("figure-1").title in app.title[0].value
    assert app.query_params["lab"] == "figure-1"


@pytest.mark.parametrize("name", all_labs())
def test_every_lab_opens_by_link_and_asks_before_it_runs(page, name):
    app = page(lab=name)
    assert not app.exception
    assert app.button(key="labs.commit")
    assert not played(app)
    figures = find(name).figures(find(name).nothing_yet(Setting(quick=True)), View())
    assert drawn(app) == [f"labs/{item.name}" for item in figures]
    (lab_run,) = state.lab_runs()._all.values()
    assert lab_run.run.state == "ready"


def test_a_prediction_is_committed_to_and_stays_in_view(page):
    app = page(lab="figure-1")
    assert app.button(key="labs.commit").disabled
    app.radio(key="labs.choice.figure-1").set_value("bn").run()
    app.button(key="labs.commit").click().run()
    assert not app.exception
    assert app.query_params["said"] == "bn"
    assert [item.label for item in app.expander if "You said: **with batch norm**" in item.label]
    assert not [item for item in app.button if item.key == "labs.commit"]
    assert played(app)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"lab": "<script>"}, "lab"),
        ({"lab": "figure-1", "seeds": "1000"}, "seeds"),
        ({"lab": "figure-1", "unit": "101"}, "unit"),
        ({"lab": "figure-1", "said": "maybe"}, "said"),
    ],
)
def test_nonsense_in_a_link_is_said_in_one_line(page, query, named):
    app = page(**query)
    assert not app.exception
    (line,) = [item.value for item in app.warning]
    assert named in line
    assert "<script>" not in line.replace("\\", "·")


def test_a_run_lab_tells_its_verdict_and_scores_right_and_wrong_predictions(page, manager):
    lab = find("input-only")
    setting = Setting(quick=True, steps=300)
    for said in lab.prediction.options:
        app = page(lab=lab.name, said=said, steps="300")
        lab_run = finished(next(reversed(state.lab_runs()._all.values())))
        app.run()
        assert not app.exception
        verdict = lab.verdict(lab_run.result())
        texts = " ".join(item.value for item in app.markdown)
        assert verdict.word in texts
        assert verdict.answer is not None
        right = said == verdict.answer
        assert ("Right." in texts) == right
        assert ("Not so." in texts) == (not right)
    assert lab_run.setting == setting


def test_a_lab_that_looks_into_its_networks_is_done_only_then(manager):
    looking = [lab for lab in all_labs().values() if lab.inspection]
    assert looking
    lab_run = finished(LabRuns().open(looking[0], SHORT, manager))
    assert lab_run.trouble == ""
    assert all(found for arm in lab_run.result().arms for found in lab_run.result().inspections(arm.name))


@pytest.mark.slow
def test_looking_that_trains_again_tells_how_far_it_is(manager):
    lab_run = LabRuns().open(find("mechanism"), Setting(quick=True, steps=120), manager)
    heard = []
    lab_run.run.set_speed(100_000.0)
    lab_run.run.play()
    while not lab_run.done:
        assert lab_run.run.state != "failed", lab_run.run.message
        lab_run.run.touch()  # an unwatched run is paused
        lab_run.inspect()
        if lab_run.message:
            heard.append((lab_run.looked, lab_run.message))
        time.sleep(0.02)
    assert all("looked into" in message for _, message in heard)
    shares = [share for share, _ in heard]
    assert shares == sorted(shares)
    assert any(0 < share < 1 for share in shares)


def test_a_labs_figures_come_by_their_route(manager, monkeypatch):
    runs = LabRuns()
    monkeypatch.setattr(state, "_LAB_RUNS", runs)
    lab_run = finished(runs.open(find("figure-1"), SHORT, manager))
    site, run = site_of_run(lab_run.run), lab_run.run.id
    answer = site.get(f"/bnviz/labs/last-layer?run={run}&theme=dark&narrow=1")
    assert answer.status_code == 200
    assert len(answer.json()["layout"]["meta"]["alt"]) > 40
    assert site.get(f"/bnviz/labs/nothing?run={run}").status_code == 404
    assert site.get("/bnviz/labs/last-layer?run=x").status_code == 404
    assert site.get(f"/bnviz/labs/last-layer?run={run}&theme=pink").status_code == 422
    assert site.get(f"/bnviz/runs/{run}").json()["done"]


def test_the_groups_have_every_lab_once():
    named = [lab.name for _, labs in lab_cards.groups() for lab in labs]
    assert sorted(named) == sorted(all_labs())
    assert lab_cards.OTHERS not in dict(lab_cards.groups())


def test_the_first_primary_button_of_an_open_question_locks_the_answer_in(page):
    app = page(lab="learning-rate")
    first = next(item for item in app.button if item.proto.type == "primary")
    assert first.label == "Lock in my answer"


def test_a_lab_in_a_lesson_has_no_way_on_but_the_lessons(page):
    alone = {item.key for item in page(lab="figure-1").button}
    taught = {item.key for item in page(lab="figure-1", lesson="an-hour", part="2").button}
    own = {"labs.all", "labs.Previous", "labs.Next"}
    assert own <= alone
    assert not own & taught


def test_next_leads_through_the_labs_in_the_order_of_the_list(page):
    app = page()
    listed = [item.key.removeprefix("open.") for item in app.button if item.key.startswith("open.")]
    assert sorted(listed) == sorted(all_labs())
    assert listed == [lab.name for lab in lab_cards.in_order()]
    app = page(lab=listed[0])
    app.button(key="labs.Next").click().run()
    assert app.title[0].value == find(listed[1]).title
    app.button(key="labs.Previous").click().run()
    assert app.title[0].value == find(listed[0]).title


def test_a_lab_that_was_done_says_so_on_its_card(page, manager):
    app = page(lab="figure-1", said="bn", steps="40")
    finished(next(reversed(state.lab_runs()._all.values())))
    app.run()
    word = find("figure-1").verdict(next(iter(state.lab_runs()._all.values())).result()).word
    app.button(key="labs.all").click().run()
    assert not app.exception
    assert [item.value for item in app.markdown if "Done:" in item.value] == [
        f":material/done_all: **Done:** {word}."
    ]


def test_of_what_a_browser_kept_only_verdicts_are_believed():
    kept = {"figure-1": "This run supports the claim", "map": "Unclear", "a": "<b>hello</b>", "b": 3}
    assert memory.read(json.dumps([0, kept])) == {"figure-1": "This run supports the claim", "map": "Unclear"}
    assert memory.read(json.dumps([0, {"map": "Unclear" + "." * 100}])) == {}
    assert memory.read(json.dumps([0, kept]), times=1) == {}
    assert (
        memory.read("[1]")
        == memory.read("[0, 1]")
        == memory.read("{}")
        == memory.read("{")
        == memory.read("")
        == {}
    )


@pytest.mark.parametrize("name", all_labs())
def test_a_thumbnail_without_data_has_axes_alone(name):
    lab = find(name)
    picture = lab_cards.picture(lab, lab.nothing_yet(Setting(quick=True)))
    assert "<path" in picture
    assert (
        "polyline" not in picture or name == "depth"
    )  # whose theory stands there before anything is measured


def test_a_thumbnail_draws_a_line_where_its_panel_is():
    layout = {
        "height": 100,
        "xaxis": {"domain": [0.5, 1], "range": [0, 10]},
        "yaxis": {"range": [0, 2], "type": "log"},
    }
    trace = {
        "type": "scatter",
        "mode": "lines",
        "x": [0, 5, 10],
        "y": [1, 10, None],
        "line": {"color": "#123456"},
    }
    picture = thumbnails.svg(Plot([trace], layout))
    left, middle = 6 + 268 * 0.5, 6 + 268 * 0.75
    assert f'points="{left:.1f},78.0 {middle:.1f},42.0" stroke="#123456"' in picture
