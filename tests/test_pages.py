"""The pages as Streamlit runs them, without a browser: controls, links, notices."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from bnviz.experiment import Experiment
from bnviz.experiment.preset_comparisons import preset_comparisons
from bnviz.runs import RunManager
from bnviz.web import state

MAIN = Path(__file__).parents[1] / "bnviz" / "ui" / "parts" / "navigation.py"


@pytest.fixture
def opened(monkeypatch):
    """The arms of every run that the page opened; nothing trains here."""
    manager = RunManager(workers=1)
    runs = []

    def remember(arms, interventions=None, beside=(), person=None):
        run = manager.open_unwatched(arms, interventions, beside, person)
        runs.append(run)
        return run

    manager.open_unwatched, manager.open = manager.open, remember
    monkeypatch.setattr(state, "manager", lambda: manager)
    yield runs
    manager.close()


def page(**query):
    app = AppTest.from_file(str(MAIN), default_timeout=60)
    for name, text in query.items():
        app.query_params[name] = text
    return app.run()


def ignored(app):
    return [item.value for item in app.warning]


def test_the_playground_opens_on_two_arms_that_differ_in_the_normalizer(opened):
    app = page()
    assert not app.exception
    assert [arm.normalizer for arm in opened[-1].arms] == ["none", "batch"]
    assert opened[-1].arms[0] == Experiment(normalizer="none")
    assert ignored(app) == []
    assert app.query_params == {}


def test_every_field_has_one_control_and_the_varied_one_has_two(opened):
    app = page()
    keys = {item.key for item in app.selectbox}
    of_one_kind = {
        "groups",
        "ghost_batch",
        "renorm_start",
        "per_activation",
    }  # of normalizations that no arm has
    assert keys >= (set(Experiment.knobs()) - {"normalizer"} - of_one_kind) | {"vary", "a", "b"}
    assert not keys & of_one_kind
    assert "normalizer" not in keys


def test_a_link_sets_every_control_and_stays_as_it_is(opened):
    query = {
        "dataset": "moons",
        "hidden": "20-10",
        "activation": "tanh",
        "learning_rate": "0.037",
        "vary": "init_scale",
        "a": "0.01",
        "b": "2",
        "changes": "40:learning_rate:0.2",
        "layer": "2",
        "unit": "7",
        "before": "true",
    }
    app = page(**query)
    assert not app.exception
    assert ignored(app) == []
    run = opened[-1]
    assert [arm.init_scale for arm in run.arms] == [0.01, 2.0]
    assert {(arm.dataset, arm.hidden, arm.learning_rate) for arm in run.arms} == {("moons", (20, 10), 0.037)}
    assert [[item.value for item in recording.interventions] for recording in run.recordings] == [
        [0.2],
        [0.2],
    ]
    assert app.selectbox(key="learning_rate").value == "0.037"
    assert app.number_input(key="unit").value == 7
    assert app.query_params == query


def test_a_changed_control_is_a_new_run_and_goes_into_the_link(opened):
    app = page()
    app.selectbox(key="learning_rate").set_value("0.03").run()
    assert [arm.learning_rate for arm in opened[-1].arms] == [0.03, 0.03]
    assert app.query_params["learning_rate"] == "0.03"
    app.selectbox(key="learning_rate").set_value("0.5").run()
    assert "learning_rate" not in app.query_params
    assert len(opened) == 2  # coming back to settings comes back to their run


def test_choosing_another_field_to_vary_offers_two_values_of_it(opened):
    app = page()
    app.selectbox(key="vary").set_value("learning_rate").run()
    a, b = opened[-1].arms
    assert set(a.differences(b)) == {"learning_rate"}
    assert a.normalizer == b.normalizer == "batch"


def test_a_setting_has_a_control_where_it_has_an_effect_and_says_why_where_it_has_none(opened):
    app = page(vary="normalizer", a="none", b="group", groups="5")
    assert app.selectbox(key="groups").value == "5"
    assert not app.selectbox(key="groups").disabled
    assert app.selectbox(key="norm_momentum").disabled
    assert "keeps no running statistics" in app.selectbox(key="norm_momentum").help
    assert not app.selectbox(key="norm_epsilon").disabled
    assert [arm.groups for arm in opened[-1].arms] == [2, 5]  # without groups it is at its default: one run


def test_two_arms_that_are_one_network_are_said_to_be(opened):
    app = page(vary="groups", a="2", b="4")
    assert any("A and B are the same network" in item.value for item in app.caption)
    assert opened[-1].arms[0] == opened[-1].arms[1]


def test_a_preset_fills_the_controls(opened):
    app = page()
    app.selectbox(key="preset").set_value("figure-1").run()
    assert not app.exception
    assert {(arm.dataset, arm.steps) for arm in opened[-1].arms} == {("mnist-binary", 50_000)}


def test_a_link_opens_with_its_figure_large_and_the_controls_that_it_takes(opened):
    app = page(figure="update_ratio")
    assert not app.exception
    keys = [item.key for item in app.get("bidi_component")]
    assert "large-update_ratio" in keys
    assert "figure-overview" not in keys
    assert not [item for item in app.toggle if item.key == "before"]
    app.selectbox(key="figure").set_value("over_time").run()
    assert "large-over_time" in [item.key for item in app.get("bidi_component")]
    assert [item for item in app.toggle if item.key == "log"]
    assert app.query_params["figure"] == "over_time"


def arm_b(preset):
    """The second arm that a preset opens on."""
    return preset_comparisons[preset].arms[1]


@pytest.mark.parametrize(
    "between",
    ["nothing", "vary", *(pytest.param(name, marks=pytest.mark.slow) for name in ("layer", "learning_rate"))],
)
def test_the_box_of_presets_always_names_the_preset_that_trains(opened, between):
    app = page()
    assert app.selectbox(key="preset").value == "first-look"
    for preset in ("deep-relu", "careless-start", "batch-of-two", "first-look", "deep-relu"):
        app.selectbox(key="preset").set_value(preset).run()
        assert not app.exception
        assert app.selectbox(key="preset").value == preset
        link = {name: app.query_params[name] for name in app.query_params}
        last = page(**link)  # coming back to a preset comes back to its run, so that none is opened here
        assert opened[-1].arms[1] == arm_b(preset)
        assert last.selectbox(key="preset").value == preset
        if between == "layer":
            app.selectbox(key="layer").set_value(1).run()
            assert app.selectbox(key="preset").value == preset
        elif between == "learning_rate":
            app.selectbox(key="learning_rate").set_value("0.01").run()
            assert app.selectbox(key="preset").value is None
        elif between == "vary":
            app.selectbox(key="vary").set_value("seed").run()
            assert app.selectbox(key="preset").value is None


def test_a_controls_help_names_what_it_takes_as_its_list_does(opened):
    app = page()
    helped = {item.key: item.help for item in app.selectbox if "Allowed: " in item.help}
    assert {"architecture", "activation", "hidden"} <= helped.keys()
    for name, text in helped.items():
        choices = Experiment.knobs()[name].choices
        allowed = text.partition("Allowed: ")[2]
        assert not choices or allowed == f"{'; '.join(choices.values())}."
        assert "one of" not in allowed


def test_a_field_that_is_no_longer_varied_has_the_value_that_it_had(opened):
    app = page(learning_rate="0.03")
    app.selectbox(key="vary").set_value("learning_rate").run()
    app.selectbox(key="vary").set_value("normalizer").run()
    assert app.selectbox(key="learning_rate").value == "0.03"
    assert app.query_params == {"learning_rate": "0.03"}


def test_a_control_says_what_the_networks_have_where_a_choice_is_not_allowed(opened):
    app = page(architecture="conv", hidden="4-4")
    app.selectbox(key="dataset").set_value("moons").run()
    (line,) = ignored(app)
    assert "architecture" in line
    assert app.selectbox(key="architecture").value == opened[-1].arms[0].architecture == "mlp"
    assert app.query_params == {"dataset": "moons", "hidden": "4-4"}


def test_fewer_layers_than_the_one_looked_at_show_all_layers_and_say_so(opened):
    app = page(layer="3", unit="5")
    app.selectbox(key="hidden").set_value("100-100").run()
    assert not app.exception
    (line,) = ignored(app)
    assert "layer = '3'" in line
    assert app.selectbox(key="layer").value == 0
    assert app.query_params["layer" if "layer" in app.query_params else "hidden"] == "100-100"


def test_all_layers_together_have_no_unit(opened):
    app = page(layer="2", unit="7")
    app.selectbox(key="layer").set_value(0).run()
    assert not app.exception
    assert ignored(app) == []
    assert app.query_params == {}


def test_what_a_part_of_a_page_does_not_draw_is_not_forgotten(opened):
    app = page(layer="2", unit="7", speed="max", at="40", before="true", beside="")
    query = {"layer": "2", "unit": "7", "speed": "max", "at": "40", "before": "true"}
    assert app.query_params == query
    app.switch_page(str(MAIN.parents[3] / "pages" / "about.py")).run()
    app.switch_page(str(MAIN.parents[3] / "pages" / "playground.py")).run()
    assert not app.exception
    assert app.query_params == query


def test_view_choices_do_not_start_another_run(opened):
    app = page()
    app.selectbox(key="layer").set_value(2).run()
    app.toggle(key="before").set_value(True).run()
    assert len(opened) == 1
    assert app.query_params["layer"] == "2"


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"learning_rate": "banana"}, "banana"),
        ({"colour": "blue"}, "colour"),
        ({"hidden": "9-" * 100_000}, "hidden"),
        ({"layer": "99"}, "layer"),
        ({"unit": "-3"}, "unit"),
        ({"vary": "[x](javascript:alert(1))"}, "vary"),
        ({"seed": "9" * 2000}, "seed"),
    ],
)
def test_nonsense_in_a_link_gives_defaults_and_one_line(opened, query, named):
    app = page(**query)
    assert not app.exception
    assert opened[-1].arms[1] == Experiment()
    (line,) = ignored(app)
    assert named in line.replace("\\", "")
    assert len(line) < 1000
    assert "](" not in line


def test_the_about_page_opens(opened):
    app = page().switch_page(str(MAIN.parents[3] / "pages" / "about.py")).run()
    assert not app.exception
    assert app.title[0].value == "What am I looking at?"
