"""What a part of a lesson can do beside its text: numbers of the run, questions, things to try, links, notes."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from bnviz.classroom.lesson_part import Ask, Part, Try
from bnviz.classroom.lesson_plans import SHIPPED, all_plans, read_plan
from bnviz.classroom.rehearsal import rehearse
from bnviz.classroom.teachers_link import FILE, is_teacher, teachers_key
from bnviz.cli import app
from bnviz.engine.trainer import train
from bnviz.experiment import Experiment
from bnviz.figures.measured import Measured, MeasuredNameError, filled
from bnviz.figures.registry import FIGURES
from bnviz.labs import all_labs
from bnviz.recording import Recording
from bnviz.runs.pool import run_job
from bnviz.ui.inside.page import View as InsideView
from bnviz.ui.pages.labs_visit import Visit
from bnviz.ui.pages.map import Choice
from tests.site import FakeRun, site_of_run

BASE = Experiment(hidden=(8, 6), steps=60, seed=9)


@pytest.fixture(scope="module")
def arms() -> tuple[Recording, ...]:
    return train(BASE.replace(normalizer="none")), train(BASE)


def test_numbers_are_those_of_the_recording_s_tables(arms):
    a, b = arms
    last = a.layers[a.layers["step"] == 60].set_index("layer")
    assert Measured.read("spread.A.2").value(arms) == pytest.approx(float(last.loc[2, "std"]))
    assert Measured.read("gradient.A.1").value(arms) == pytest.approx(float(last.loc[1, "grad_norm"]))
    curves = b.curves[(b.curves["split"] == "test") & (b.curves["step"] <= 30)]
    assert Measured.read("accuracy.B").value(arms, 30) == float(curves["accuracy"].iloc[-1])
    units = b.units[b.units["layer"] == 2].set_index(["step", "unit"])["q50"].unstack()
    std = b.layers[b.layers["layer"] == 2].set_index("step")["std"]
    moved = np.median(np.abs(units.loc[60] - units.loc[0])) / np.sqrt((std[0] ** 2 + std[60] ** 2) / 2)
    assert Measured.read("moved.B.2").value(arms) == pytest.approx(float(moved), rel=1e-5)
    assert filled(
        "By {{step}}: {{ accuracy.B }}.", arms, 30
    ) == f"By 30: {curves['accuracy'].iloc[-1]:.1%}.".replace("%", " %")


def test_a_sentence_waits_for_all_of_its_numbers(arms):
    nothing = [Recording(item.experiment) for item in arms]
    assert filled("{{accuracy.A}}", nothing) is None
    assert filled("{{step}}", nothing) is None
    assert filled("{{accuracy.A}} and {{moved.A.2}}", arms, 0) is None  # nothing has moved at step 0
    assert filled("{{accuracy.C}}", arms) is None
    assert filled(r"no numbers, $\frac{1}{2}$", nothing) == r"no numbers, $\frac{1}{2}$"


@pytest.mark.parametrize(
    "name",
    [
        *("", "steps", "step.A", "accuracy", "accuracy.a", "accuracy.AB", "accuracy.F"),
        *("moved.A", "moved.A.0", "moved.A.x", "moved.A.1.2", "loss.A.1", "loss."),
    ],
)
def test_a_number_that_there_is_not_is_refused_by_its_name(name):
    with pytest.raises(MeasuredNameError, match="allowed are step"):
        Measured.read(name)


def fake(value_a: float, value_b: float) -> list[Recording]:
    """Two recordings whose held-out accuracy is given."""
    made = []
    for value, run in zip((value_a, value_b), FakeRun().recordings, strict=True):
        last = run.snapshots[-1]
        curves = tuple(type(item)(item.split, item.loss, value, item.examples) for item in last.curves)
        made.append(
            Recording(run.experiment).extended(
                [type(last)(last.step, last.layers, last.units, last.histogram, curves)]
            )
        )
    return made


@pytest.mark.parametrize(
    ("numbers", "deciding", "right"),
    [
        ((0.19, 0.9), {"measured": "accuracy.A", "bounds": [0.2, 0.5]}, 1),
        ((0.2, 0.9), {"measured": "accuracy.A", "bounds": [0.2, 0.5]}, 2),
        ((0.5, 0.9), {"measured": "accuracy.A", "bounds": [0.2, 0.5]}, 3),
        ((0.3, 0.9), {"measured": "accuracy.B", "over": "accuracy.A", "bounds": [0.5, 2.0]}, 3),
        ((0.9, 0.3), {"measured": "accuracy.B", "over": "accuracy.A", "bounds": [0.5, 2.0]}, 1),
        ((0.0, 0.3), {"measured": "accuracy.B", "over": "accuracy.A", "bounds": [0.5, 2.0]}, None),
        ((0.3, 0.2), {"largest": ["accuracy.A", "accuracy.B", "loss.C"]}, None),
        ((0.3, 0.9), {"largest": ["accuracy.A", "accuracy.B", "loss.A"]}, 3),
        ((0.3, 0.2), {"smallest": ["accuracy.A", "accuracy.B", "loss.A"]}, 2),
        ((0.3, 0.2), {"answer": 2}, 2),
    ],
)  # fmt: skip
def test_what_is_measured_decides_which_option_is_right(numbers, deciding, right):
    ask = Ask(question="Which?", options=("one", "two", "three"), **deciding)
    assert ask.right(fake(*numbers)) == right


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "one of answer"),
        ({"answer": 4}, "1 to 3"),
        ({"answer": 1, "measured": "loss.A", "bounds": [1, 2]}, "one of answer"),
        ({"measured": "loss.A"}, "bounds"),
        ({"measured": "loss.A", "bounds": [1]}, "2 ascending"),
        ({"measured": "loss.A", "bounds": [2, 1]}, "ascending"),
        ({"largest": ["loss.A"]}, "each option"),
        ({"smallest": ["loss.A", "loss.B", "los.C"]}, "los.C"),
        ({"answer": 1, "over": "loss.A"}, "over"),
    ],
)
def test_a_question_without_one_way_to_its_answer_is_refused(wrong, said):
    with pytest.raises(ValidationError, match=said):
        Ask(question="Which?", options=("one", "two", "three"), **wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"link": "https://example.org/inside.html"}, "link"),
        ({"link": "/?learning_rate=-1"}, "learning_rate"),
        ({"link": "about"}, "playground, labs"),
        ({"link": "inside", "lab": "figure-1"}, "not both"),
        ({"link": "inside", "until": 5}, "Playground"),
        ({"link": "inside", "measured": "{{loss.A}}"}, "numbers of a run"),
        ({"playground": {}, "figures": ["band"]}, "band"),
        ({"playground": {}, "highlight": ["lerning_rate"]}, "lerning_rate"),
        ({"playground": {}, "measured": "{{moved.A.4}}"}, "no layer 4"),
        ({"playground": {}, "measured": "{{loss.C}}"}, "no network C"),
        ({"playground": {}, "measured": "{{los.A}}"}, "los.A"),
        ({"playground": {}, "try": [{"label": "More", "set": {"learning_rate": -1}}]}, "learning_rate"),
        ({"playground": {}, "try": [{"label": "More", "change": {"hidden": 5}}]}, "hidden"),
        ({"playground": {}, "try": [{"label": "More"}]}, "either set"),
    ],
)  # fmt: skip
def test_a_part_that_cannot_be_shown_is_refused_in_words(wrong, said):
    with pytest.raises(ValidationError, match=said):
        Part(title="x", **wrong)


def test_a_link_opens_its_page_with_its_parameters():
    part = Part(title="x", link="/inside?section=scale&step=20")
    assert (part.place, part.settings) == ("inside", {"section": "scale", "step": "20"})
    pasted = Part(
        title="x", link="https://bnviz.example/?learning_rate=0.5&lesson=other&part=3&view=projector"
    )
    assert (pasted.place, pasted.settings) == ("playground", {"learning_rate": "0.5"})
    assert [term.term for term in Part(title="x", text="A **unit**, two units, a mini-batch.").terms] == [
        "unit",
        "mini-batch",
    ]


PARTS = [
    (plan.name, number, part) for plan in all_plans([SHIPPED])[0] for number, part in enumerate(plan.parts, 1)
]


@pytest.mark.parametrize(
    ("plan", "number", "part"), PARTS, ids=[f"{plan}-{number}" for plan, number, _ in PARTS]
)
def test_every_part_that_comes_with_bnviz_opens_as_it_says(plan, number, part):
    assert len(part.text.split()) <= 120
    if part.place == "inside":
        mine, networks = InsideView.split(part.settings)
        experiment, ignored = Experiment.salvage(networks)
        assert (*InsideView.salvage(mine, experiment)[1], *ignored) == ()
    elif part.place == "map":
        assert Choice.salvage(part.settings)[1] == ()
    elif part.place == "labs":
        assert Visit.salvage(part.settings)[1] == ()
        assert part.settings["lab"] in all_labs()


def test_the_route_tells_what_the_part_says_and_holds_the_answer_back_until_its_step(tmp_path, monkeypatch):
    monkeypatch.setenv("BNVIZ_HOME", str(tmp_path))
    (tmp_path / "lessons").mkdir()
    (tmp_path / "lessons" / "mine.toml").write_text(
        'title = "Mine"\n[[part]]\ntitle = "One"\nuntil = 3\nmeasured = "Loss {{loss.A}} at {{step}}."\n'
        'playground = { hidden = "4-3" }\n[part.ask]\nquestion = "Which?"\noptions = ["less", "more"]\n'
        'measured = "loss.A"\nbounds = [1.0]\nexplanation = "So it is."\n'
    )
    run = FakeRun()
    site = site_of_run(run)
    told = site.get("/bnviz/runs/run-1?lesson=mine&part=1").json()["lesson"]
    assert told["told"] == "Loss 1.5 at 2."
    assert (told["right"], told["measured"]) == (None, "")
    run.step = 3
    told = site.get("/bnviz/runs/run-1?lesson=mine&part=1").json()["lesson"]
    assert (told["right"], told["measured"]) == (2, "loss of A: 1.5")
    assert site.get("/bnviz/runs/run-1").json()["lesson"] is None
    assert site.get("/bnviz/runs/run-1?lesson=../mine&part=1").status_code == 404


@pytest.fixture
def lesson(tmp_path, monkeypatch):
    """A lesson with two parts of text, in a home of its own."""
    monkeypatch.setenv("BNVIZ_HOME", str(tmp_path))
    (tmp_path / "lessons").mkdir()
    (tmp_path / "lessons" / "mine.toml").write_text(
        'title = "Mine"\n[[part]]\ntitle = "One"\ntext = "A unit."\nnotes = "Wait for hands."\n[part.ask]\n'
        'question = "Which?"\noptions = ["this", "that"]\nanswer = 2\nexplanation = "For a reason."\n'
        '[[part]]\ntitle = "Two"\n'
    )
    return tmp_path


def told(app: AppTest) -> str:
    return " ".join(item.value for item in app.markdown)


def test_a_question_is_answered_once_and_then_explained(lesson):
    app = page_of_class(lesson="mine", part="1")
    assert not app.exception
    assert "For a reason." not in told(app)
    assert app.button(key="lesson.lock").disabled
    app.radio(key="lesson.option.mine.1").set_value(1).run()
    app.button(key="lesson.lock").click().run()
    assert "You said: *this*" in told(app)
    assert "The answer is: *that*" in told(app)
    assert "For a reason." in told(app)
    assert not app.radio


def test_notes_are_for_the_teachers_link_alone(lesson):
    assert "Wait for hands." not in told(page_of_class(lesson="mine", part="1"))
    assert "Wait for hands." not in told(page_of_class(lesson="mine", part="1", teacher="guess"))
    app = page_of_class(lesson="mine", part="1", teacher=teachers_key())
    assert "Wait for hands." in told(app)
    assert teachers_key() in app.query_params["teacher"]
    assert (lesson / FILE).stat().st_mode & 0o077 == 0
    assert not is_teacher("")


def page_of_class(**query: str) -> AppTest:
    """The page Class, opened by a link."""
    app = AppTest.from_string("from bnviz.ui.pages import classroom\nclassroom.show()", default_timeout=60)
    for name, text in query.items():
        app.query_params[name] = text
    return app.run()


def test_a_button_of_try_names_what_it_changes():
    assert Try(label="Ten times", change={"learning_rate": 5.0}).change == {"learning_rate": 5.0}


PLAN = """
title = "Mine"
[[part]]
title = "Words"
[part.ask]
question = "Which?"
options = ["this", "that"]
answer = 2
[[part]]
title = "Networks"
until = 20
measured = "Loss {{loss.A}} and {{loss.B}}."
playground = { hidden = "8-6", steps = 40, seed = 3 }
[part.ask]
question = "Which is lower?"
options = ["A", "B"]
smallest = ["loss.A", "loss.B"]
"""


def test_a_rehearsal_says_what_training_by_hand_gives(tmp_path):
    (tmp_path / "mine.toml").write_text(PLAN)
    lines = list(rehearse(read_plan(tmp_path / "mine.toml"), 2, lambda jobs: list(map(run_job, jobs))))
    base = Experiment(hidden=(8, 6), steps=40)
    better = []
    for seed in (3, 4):
        losses = []
        for normalizer in ("none", "batch"):
            curves = train(base.replace(seed=seed, normalizer=normalizer)).curves
            losses.append(curves[(curves["split"] == "train") & (curves["step"] <= 20)]["loss"].iloc[-1])
        said = next(line for line in lines if f"seed {seed}:" in line)
        assert [
            float(word.strip(".")) for word in said.split() if word[0].isdecimal() and "." in word
        ] == pytest.approx(losses, rel=5e-3)
        better.append("AB"[int(np.argmin(losses))])
    assert "   The answer: that" in lines
    assert any(line.strip().startswith(f"{better.count(better[0])} of 2: {better[0]}") for line in lines)


def test_the_command_names_file_part_and_field_of_what_is_wrong(tmp_path):
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text(PLAN)
    bad.write_text(PLAN.replace('smallest = ["loss.A", "loss.B"]', 'smallest = ["loss.A", "los.B"]'))
    told = CliRunner().invoke(app, ["plan", str(good), "--seeds", "0"])
    assert (told.exit_code, "2 parts, nothing wrong" in told.output) == (0, True)
    refused = CliRunner().invoke(app, ["plan", str(bad), "--seeds", "0"]).exception
    assert all(word in str(refused) for word in ("bad.toml", "part.2", "ask", "los.B"))


@pytest.mark.parametrize("name", ["overview", "bands"])
@pytest.mark.parametrize("narrow", [True, False])
def test_the_layer_that_a_text_speaks_of_has_a_frame_in_each_arm_s_panel(arms, name, narrow):
    draw = FIGURES[name].function
    plain, marked = (draw(list(arms), narrow=narrow, marked=layer) for layer in (None, 2))
    frames = [shape for shape in marked.layout.shapes if shape.name == "marked"]
    assert len(frames) == 2
    assert [shape for shape in plain.layout.shapes if shape.name == "marked"] == []
    assert "layer 2" in [note.text for note in marked.layout.annotations if note.xref == frames[0].xref]
    assert marked.layout.meta["alt"] == f"{plain.layout.meta['alt']} A frame marks layer 2."
    other = draw(list(arms), narrow=narrow, marked=2, layer=1)
    assert [shape for shape in other.layout.shapes if shape.name == "marked"] == []


def test_a_part_highlights_layers_that_its_networks_have():
    part = Part(title="x", playground={"hidden": "8-6"}, highlight=("layer-2", "play"))
    assert part.marked_layer == 2
    assert Part(title="x", playground={}).marked_layer is None
    for wrong in ({"playground": {"hidden": "8-6"}}, {"lab": "figure-1"}, {}):
        with pytest.raises(ValidationError, match="layer-3"):
            Part(title="x", highlight=("layer-3",), **wrong)
