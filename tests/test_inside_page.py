"""The page "Inside": its link, its parts and its figures, without a browser."""

import re
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from bnviz.engine.inspections import layer
from bnviz.engine.trainer import Trainer
from bnviz.experiment import Experiment
from bnviz.figures.charts import layer as figures
from bnviz.layer.gradients import HEADS, BackwardPass
from bnviz.layer.numerals import decimals, in_powers, scientific, shown
from bnviz.layer.walk import LINES, unit_window, walk
from bnviz.runs.questions import InspectionError, answered
from bnviz.ui.inside.view import SECTIONS, View, experiment_of, query_of
from bnviz.web import state

MAIN = Path(__file__).parents[1] / "bnviz" / "ui" / "parts" / "navigation.py"
SMALL = Experiment(hidden=(12, 9), batch_size=20, steps=40)


@pytest.fixture(scope="module")
def batch():
    trainer = Trainer(SMALL)
    trainer.advance(10)
    return layer.layer(trainer, layer=2, examples=5)


@pytest.fixture(scope="module")
def history():
    return layer.history(Trainer(SMALL), layer=2)


class Here:
    """Answers like a RunManager, in this process, with a short training."""

    def __init__(self):
        self.asked = []

    def inspect(self, experiment, interventions, step, function, person, **arguments):
        self.asked.append((experiment, step, function.partition(":")[2], arguments))
        answer = Future()
        try:
            short = experiment.replace(steps=30)
            answer.set_result(answered(short, (), min(step, 20), function, arguments))
        except ValueError as error:
            answer.set_exception(InspectionError(str(error)))
        return answer


@pytest.fixture
def asked(monkeypatch):
    here = Here()
    monkeypatch.setattr(state, "manager", lambda: here)
    return here.asked


def page(**query):
    app = AppTest.from_file(str(MAIN), default_timeout=60)
    for name, text in query.items():
        app.query_params[name] = text
    return app.switch_page(str(MAIN.parents[3] / "pages" / "inside.py")).run()


QUERY = {"hidden": "12-9", "batch_size": "20", "step": "10"}


QUESTIONS = {
    "arithmetic": {"layer"},
    "scale": {"layer", "history"},
    "gradients": {"layer", "differences"},
    "companions": {"companions"},
    "inference": {"history"},
    "maps": {"layer"},
    "sharing": {"sharing"},
}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_opens_by_its_link_asks_its_questions_and_the_link_stays(asked, section):
    query = QUERY | ({"section": section} if section != "arithmetic" else {}) | {"layer": "2", "unit": "7"}
    app = page(**query)
    assert not app.exception
    assert [item.value for item in app.warning] == []
    assert app.query_params == query
    assert {question for _, _, question, _ in asked} == QUESTIONS[section]


def test_the_page_asks_for_the_network_of_the_link_with_batch_normalization(asked):
    page(**QUERY, dataset="moons", activation="tanh", examples="4")
    experiment, step, question, arguments = asked[-1]
    assert (experiment.dataset, experiment.activation, experiment.normalizer) == ("moons", "tanh", "batch")
    assert (step, question, arguments) == (10, "layer", {"layer": 1, "examples": 4})


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"step": "banana"}, "step"),
        ({"unit": "99999999999999"}, "unit"),
        ({"line": "0"}, "line"),
        ({"examples": "17"}, "examples"),
        ({"section": "<script>"}, "section"),
        ({"gamma": "nan"}, "gamma"),
        ({"normalizer": "none"}, "normalizer"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_nonsense_in_a_link_gives_defaults_and_one_line(asked, query, named):
    app = page(**(QUERY | query))
    assert not app.exception
    (line,) = app.warning
    assert named in line.value.replace("\\", "")
    assert "<script>" not in line.value
    assert app.query_params == {name: text for name, text in QUERY.items() if name not in query}


def test_the_network_in_which_an_example_is_changed_may_have_another_normalizer(asked):
    app = page(**QUERY, section="companions", among="layer")
    assert not app.exception
    assert asked[-1][0].normalizer == "layer"
    assert any("no example depends on another" in item.value for item in app.markdown)
    app = page(**(QUERY | {"hidden": "7-7"}), section="companions", among="group")
    assert not app.exception
    assert any("groups" in item.value for item in app.error)


@pytest.mark.parametrize("normalizer", ["layer", "group", "rms"])
def test_the_lines_may_be_those_of_one_example_in_a_network_trained_so(asked, normalizer):
    query = QUERY | {"hidden": "12-8", "lines_of": normalizer, "example": "3", "line": "8"}
    app = page(**query)
    assert not app.exception
    assert [item.value for item in (*app.warning, *app.error)] == []
    assert asked[-1][0].normalizer == normalizer
    assert app.query_params == query


def test_restoring_the_identity_sets_gamma_and_beta_and_says_that_nothing_is_left(asked):
    app = page(**QUERY, section="scale")
    next(item for item in app.button if item.label == "Restore the identity").click().run()
    (said,) = [item.value for item in app.markdown if "largest |y − x|" in item.value]
    left = re.search(r"\*\*(.+)\*\*", said)[1]
    assert left == "0" or "× 10⁻¹" in left
    assert float(app.query_params["gamma"]) > 0
    next(item for item in app.button if item.label == "As learned").click().run()
    assert "gamma" not in app.query_params


def test_points_in_the_plane_have_no_feature_maps_and_the_page_says_so(asked):
    app = page(**QUERY, dataset="circles", section="maps")
    assert not app.exception
    assert "no feature maps" in app.info[0].value


def test_a_question_that_cannot_be_answered_is_a_sentence(asked, monkeypatch):
    refused = Future()
    refused.set_exception(InspectionError("The server is closing."))
    manager = state.manager()
    monkeypatch.setattr(manager, "inspect", lambda *question, **arguments: refused)
    app = page(**QUERY)
    assert not app.exception
    assert app.error[0].value == "The server is closing."


def test_an_example_may_be_changed_in_a_layer_with_feature_maps(asked):
    query = QUERY | {"dataset": "digits", "section": "companions", "maps": "true", "among": "instance"}
    query = {name: text for name, text in query.items() if name not in ("unit", "layer")}
    app = page(**query, channel="2")
    assert not app.exception
    assert asked[-1][0].architecture == "conv"
    assert any("no example depends on another" in item.value for item in app.markdown)
    app = page(**query, position="9000")
    assert any("position = 9000 is not allowed" in item.value for item in app.error)
    app = page(**(query | {"maps": "false"}))
    assert any("feature maps" in item.value for item in app.info)


def test_a_view_and_its_link_are_one():
    view = View("companions", 7, 2, 9, 16, "batch", False, 5, 0.25, -1.5, True, 16, "drop", 0.03, 2, 11)
    query = query_of(SMALL, view)
    experiment, ignored = experiment_of(query)
    assert ignored == ()
    assert View.salvage(View.split(query)[0], experiment) == (view, ())
    assert query_of(Experiment(), View()) == {}


def test_a_narrower_network_gives_up_a_unit_that_it_does_not_have_and_says_so(asked):
    app = page(**QUERY, unit="11")
    app.selectbox(key="inside.layer").set_value(2).run()
    assert not app.exception
    (line,) = app.warning
    assert "unit = '11' is not allowed; allowed is a whole number from 1 to 9" in line.value.replace("\\", "")
    assert app.number_input(key="inside.unit").value == 1
    assert app.query_params == QUERY | {"layer": "2"}


def test_the_walk_shows_the_networks_numbers_to_the_digits_shown(batch):
    content = walk(batch, 3)
    assert len(content["lines"]) == LINES
    x, y = (
        [float(row[place].replace("−", "-")) for row in content["cells"]]
        for place in (0, len(content["columns"]) - 1)
    )
    assert x == pytest.approx(batch.x[:, 2], abs=0.5001 * 10.0 ** -decimals(batch.x[:, 2]))
    assert y == pytest.approx(batch.y[:, 2], abs=6e-4)
    column = content["units"].index(3)
    assert [float(row[column].replace("−", "-")) for row in content["inputs"]] == pytest.approx(
        batch.x[:, 2], abs=6e-4
    )
    named = {item["name"] for item in [*content["columns"], *content["statistics"]]}
    for line in content["lines"]:
        assert set(line["used"] + line["made"]) <= named
        for formula in (line["formula"], line["filled"]):
            assert formula.count("<mrow>") == formula.count("</mrow>")
            assert formula.startswith("<math")


def spoken(heading):
    """What is left of a heading for those who hear it: axe, and some screen readers, take no text from MathML."""
    return re.sub(r"<math.*?</math>|<[^>]*>", "", heading)


def test_every_column_of_the_walk_has_a_heading_in_words(batch):
    assert [spoken(column["head"]) for column in walk(batch, 3)["columns"]] == [
        "input x",
        "x minus the mean",
        "squared deviation",
        "normalized x̂",
        "γ times x̂",
        "output y",
    ]


def test_controls_that_have_no_effect_on_a_section_are_not_there(asked):
    def shown(section):
        app = page(**QUERY, section=section)
        boxes = [*app.selectbox, *app.number_input, *app.slider]
        return {item.key for item in boxes} & {
            f"inside.{name}" for name in ("layer", "unit", "examples", "hidden")
        }

    assert shown("gradients") == {"inside.layer", "inside.unit", "inside.examples", "inside.hidden"}
    assert shown("scale") == {"inside.layer", "inside.unit", "inside.hidden"}
    assert shown("maps") == {"inside.examples"}


def test_the_window_of_units_holds_the_chosen_one():
    for units in (1, 5, 8, 9, 100):
        for unit in range(1, units + 1):
            window = unit_window(unit, units)
            assert unit in window
            assert window[0] >= 1
            assert window[-1] <= units


@pytest.mark.parametrize("constant", [False, True])
def test_the_gradient_tables_have_a_cell_for_every_heading(batch, constant):
    table = BackwardPass(batch, 3, 2, constant, None)
    assert [len(row) for row in table.gradients()] == [len(HEADS)] * 6
    assert all(spoken(row[0]).startswith("gradient for ") for row in table.gradients())
    heads, rows = table.terms()
    assert all(spoken(head) for head in heads)
    assert [len(row) for row in rows] == [len(heads)] * 6  # five examples and their sum


def test_numbers_are_shown_alike():
    assert shown(-0.00001, 3) == "0.000"
    assert shown(-1.25, 1) == "−1.2"
    assert scientific(-0.0001234, 3) == "−1.23 × 10⁻⁴"
    assert scientific(0.5, 4) == "0.5000"
    assert decimals(np.array([0.012, -0.5])) == 4
    assert in_powers(np.array([2e-5, -4.5e-6])) == (-5, ["2.000", "−0.450"])


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("narrow", [False, True])
def test_every_figure_is_valid_and_described(batch, history, theme, narrow):
    trainer = Trainer(SMALL)
    maps = Trainer(SMALL.replace(architecture="conv", hidden=(3, 4)))
    companions = layer.companions(trainer, 2, 5, 2)
    looks = {"theme": theme, "narrow": narrow}
    made = [
        figures.before_and_after(batch.crowd[:, 0], 1.5, -2.0, batch.epsilon, unit=1, **looks),
        figures.learned(history, 4, 10, **looks),
        figures.statistics(history, 4, 0.01, 10, **looks),
        figures.input_gradients(batch.dy[:, 0], -batch.dy[:, 0], unit=1, **looks),
        figures.moves(companions, "drop", 2, 3, **looks),
        figures.maps(layer.layer(maps, 1, 3).x, ("1", "2", "3"), 3, **looks),
    ]
    for figure in made:
        plain = figure.to_plotly_json()
        type(figure)(plain)  # checks every property
        assert len(plain["layout"]["meta"]["alt"]) > 80


def test_a_worker_answers_as_this_process_does_and_is_asked_once(trainers):
    question = (SMALL, (), 10, "bnviz.engine.inspections.layer:layer")
    answer = trainers.inspect(*question, layer=2, examples=5)
    assert trainers.inspect(*question, layer=2, examples=5) is answer
    trainer = Trainer(SMALL)
    trainer.advance(10)
    mine = layer.layer(trainer, 2, 5)
    found = answer.result(120)
    np.testing.assert_array_equal(found.y, mine.y)
    np.testing.assert_array_equal(found.gradients.x, mine.gradients.x)
    refused = trainers.inspect(*question, layer=9, examples=5)
    assert "allowed is 1 to 2" in str(refused.exception(120))
    assert isinstance(refused.exception(), InspectionError)
