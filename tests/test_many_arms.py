"""Three to five networks that differ in one field: their link, their training, their figures, their controls."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from bnviz import train
from bnviz.experiment import Experiment, ExperimentError, Intervention
from bnviz.experiment.comparison import (
    FAMILY,
    Comparison,
    changes_query,
    further_value,
    letters,
    offered_texts,
    suggested_values,
)
from bnviz.experiment.preset_comparisons import preset_comparisons
from bnviz.experiment.presets import presets
from bnviz.export.handouts.run_page import run_handout
from bnviz.export.stamp import Stamp, comparison_query
from bnviz.figures.frame.arms import arm_styles
from bnviz.figures.marks.end_labels import spread
from bnviz.figures.registry import FIGURES
from bnviz.figures.story import changes, story
from bnviz.runs import Limits, RunManager, TooCostlyError
from bnviz.runs.cost import check
from bnviz.web import state
from tests import recordings
from tests.test_pages import page

SMALL = Experiment(hidden=(8, 6), steps=60, batch_size=20)
WITH_EFFECT = {
    "groups": {"normalizer": "group", "hidden": (32, 32)},
    "ghost_batch": {"normalizer": "ghost-batch"},
    "renorm_start": {"normalizer": "batch-renorm"},
    "residual": {"hidden": (8, 8)},
    "per_activation": {"architecture": "conv", "normalizer": "batch"},
    "image_size": {"dataset": "folder:pets"},
}
"""What a field needs to have an effect."""
FIVE = Comparison(SMALL, values=FAMILY)


def drawn(count: int = 5, **fields):
    arms = Comparison(SMALL.replace(steps=1000, **fields), values=FAMILY[:count]).arms
    return [recordings.recording(arm, shift=place / 4) for place, arm in enumerate(arms)]


# --- the link


def test_five_arms_and_their_changes_come_back_from_the_link():
    everywhere, in_c, in_e = (
        Intervention(10, "learning_rate", 0.2),
        Intervention(20, "momentum", 0.5),
        Intervention(30, "learning_rate", 0.1),
    )
    changed = replace(
        FIVE,
        interventions=((everywhere,), (everywhere,), (everywhere, in_c), (everywhere,), (everywhere, in_e)),
    )
    query = changed.to_query()
    assert [query[name] for name in "abcde"] == list(FAMILY)
    assert query["changes"] == "10:learning_rate:0.2"
    assert query["changes_c"] == "20:momentum:0.5"
    assert query["changes_e"] == "30:learning_rate:0.1"
    assert Comparison.salvage(query) == (changed, ())


@pytest.mark.parametrize("count", [2, 3, 4, 5])
@pytest.mark.parametrize("vary", Experiment.knobs())
def test_any_field_can_set_up_to_five_arms_apart(vary, count):
    base = SMALL.replace(**WITH_EFFECT.get(vary, {}))
    values = suggested_values(base, vary, count)
    assert 2 <= len(values) <= count
    assert len(values) == count or further_value(base, vary, values) is None
    assert len(set(values)) == len(values)
    comparison = Comparison(base, vary, values)
    back, ignored = Comparison.salvage(comparison.to_query())
    assert ignored == ()
    assert back.arms == comparison.arms
    for one, other in itertools.combinations(back.arms, 2):
        assert set(one.differences(other)) == {vary}


@pytest.mark.parametrize(
    ("query", "arms"),
    [
        ({}, ("none", "batch")),
        ({"b": "layer"}, ("none", "layer")),
        ({"a": "batch", "b": "none"}, ("batch", "none")),
        ({"c": "layer"}, ("none", "batch", "layer")),
    ],
)
def test_links_to_two_arms_mean_what_they_meant(query, arms):
    comparison, ignored = Comparison.salvage(query)
    assert ignored == ()
    assert comparison.values == arms
    if len(arms) == 2:
        assert "c" not in comparison.to_query()


@pytest.mark.parametrize(
    ("query", "values", "said"),
    [
        ({"d": "rms"}, ("none", "batch"), "arm D: there is no arm C"),
        ({"c": "layer", "e": "rms"}, ("none", "batch", "layer"), "arm E: there is no arm D"),
        ({"c": "banana", "d": "rms"}, ("none", "batch", "layer", "rms"), "arm C: normalizer = 'banana'"),
        ({"changes_c": "5:momentum:0.5"}, ("none", "batch"), "changes_c: there is no arm C"),
    ],
)
def test_an_arm_that_is_not_allowed_is_named_and_a_default_stands_in(query, values, said):
    comparison, ignored = Comparison.salvage(query)
    assert comparison.values == values
    assert len(ignored) == 1
    assert ignored[0].startswith(said)


def test_one_arm_and_six_are_refused_and_so_are_the_changes_of_another_number_of_arms():
    for count in (1, 6):
        with pytest.raises(ExperimentError, match=f"{count} arms are not allowed; allowed are 2 to 5"):
            Comparison(SMALL, "seed", tuple(map(str, range(count))))
    with pytest.raises(ExperimentError, match="interventions in 2 arms are not allowed"):
        Comparison(SMALL, values=FAMILY, interventions=((), ()))


def test_a_change_in_some_of_the_arms_is_written_for_each_of_them():
    change = (Intervention(5, "momentum", 0.5),)
    assert changes_query((change, (), change)) == {
        "changes_a": "5:momentum:0.5",
        "changes_c": "5:momentum:0.5",
    }
    assert changes_query((change, change, change)) == {"changes": "5:momentum:0.5"}
    assert changes_query((change, change, ())) == {
        "changes_a": "5:momentum:0.5",
        "changes_b": "5:momentum:0.5",
    }


def test_letters_are_joined_as_in_a_sentence():
    assert [letters(count) for count in (2, 3, 5)] == ["A and B", "A, B and C", "A, B, C, D and E"]


def test_every_preset_is_a_comparison_that_its_link_brings_back():
    assert preset_comparisons.keys() == presets.keys()
    assert preset_comparisons["family"].values == FAMILY
    for comparison in preset_comparisons.values():
        assert Comparison.salvage(comparison.to_query()) == (comparison, ())
        assert len(comparison.arms) == len(comparison.values)


# --- training


@pytest.mark.slow
def test_five_arms_in_one_run_train_to_the_bits_of_five_trained_alone(trainers):
    change = Intervention(25, "learning_rate", 0.05)
    comparison = replace(FIVE, interventions=((), (), (change,), (), ()))
    run = trainers.open(comparison.arms, comparison.interventions)
    run.play(fresh=True)
    while run.state not in ("finished", "failed"):
        time.sleep(0.01)
    assert run.state == "finished"
    for arm, planned, recording in zip(
        comparison.arms, comparison.interventions, run.recordings, strict=True
    ):
        assert recording.experiment == arm
        assert recording.interventions == planned
        assert recording == train(arm, planned)
    assert len({item.snapshots[-1].layers.tobytes() for item in run.recordings}) == 5


def test_a_server_may_allow_fewer_networks_and_fewer_steps_of_all_together():
    with pytest.raises(TooCostlyError, match=r"has 5 networks; this server allows 3\. Take fewer networks"):
        check(FIVE.arms, Limits(networks=3))
    with pytest.raises(TooCostlyError, match="takes 300 steps in all its networks; this server allows 299"):
        check(FIVE.arms, Limits(run_steps=299))
    check(FIVE.arms, Limits(networks=5, run_steps=300))


# --- figures and words


def test_five_arms_differ_in_letter_dash_and_colour():
    styles = arm_styles(drawn())
    assert "".join(style.letter for style in styles) == "ABCDE"
    for look in ("dash", "colour", "name"):
        assert len({getattr(style, look) for style in styles}) == 5
    assert [style.label for style in styles][2:] == ["C · layer norm", "D · group norm", "E · RMS norm"]


@pytest.mark.parametrize("count", [3, 4, 5])
@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("name", FIGURES)
def test_every_figures_alt_text_names_all_arms(name, narrow, count):
    shown = drawn(count, dataset="moons") if name == "boundary" else drawn(count)
    alt = FIGURES[name].function.draw(shown, narrow=narrow).layout["meta"]["alt"]
    for style in arm_styles(shown):
        assert style.label in alt or f"{style.letter} " in alt or f"{style.letter}:" in alt


@pytest.mark.parametrize("theme", ["light", "projector", "print"])
@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("count", [3, 4, 5])
def test_the_overview_heads_each_arm_with_its_numbers_and_no_panels_overlap(count, narrow, theme):
    shown = drawn(count, hidden=(8, 6, 4, 4))

    figure = FIGURES["overview"].function(shown, narrow=narrow, theme=theme)
    headed = [note.text for note in figure.layout.annotations if "accuracy <b>" in (note.text or "")]
    assert len(headed) == count
    layout = figure.layout.to_plotly_json()
    boxes = [
        (axis["domain"], layout[axis["anchor"].replace("y", "yaxis")]["domain"])
        for name, axis in layout.items()
        if name.startswith("xaxis")
    ]
    assert len(boxes) == 3 * count + 2
    for (one_x, one_y), (two_x, two_y) in itertools.combinations(boxes, 2):
        apart_x = one_x[1] <= two_x[0] + 1e-9 or two_x[1] <= one_x[0] + 1e-9
        apart_y = one_y[1] <= two_y[0] + 1e-9 or two_y[1] <= one_y[0] + 1e-9
        assert apart_x or apart_y


def test_all_bands_of_five_arms_share_both_axes():
    figure = FIGURES["overview"].function(drawn())
    layout = figure.layout.to_plotly_json()
    bands = [trace for trace in figure.data if (trace.name or "").endswith("median")]
    assert len(bands) == 10
    for trace in bands:
        for axis, first in ((trace.xaxis, "x"), (trace.yaxis, "y")):
            named = layout[f"{axis[0]}axis{axis[1:]}"]
            assert axis == first or named["matches"] == first


def test_boundaries_of_five_arms_stand_in_one_row_and_on_a_phone_in_one_column():
    shown = drawn(dataset="moons")
    points = recordings.np.zeros((4, 2)), recordings.np.array([0, 1, 0, 1])
    for narrow, along in ((False, "y"), (True, "x")):
        figure = FIGURES["overview"].function(shown, points=points, narrow=narrow)
        layout = figure.layout.to_plotly_json()
        maps = [trace for trace in figure.data if trace.type == "heatmap"]
        ends = {tuple(layout[f"{along}axis{getattr(trace, f'{along}axis')[1:]}"]["domain"]) for trace in maps}
        assert len(maps) == 5
        assert len(ends) == 1


def test_the_story_tells_of_every_arm():
    said = story(drawn())
    for letter in "ABCDE":
        assert f"in {letter}" in said
    assert said.count("%") == 5
    wild = drawn(4)
    wild[0] = replace(wild[0], diverged_at=900)
    assert "B, C and D go on." in story(wild)


def test_a_change_in_some_arms_names_them_all():
    change = (Intervention(100, "learning_rate", 0.1),)
    shown = [replace(item, interventions=change if place < 3 else ()) for place, item in enumerate(drawn())]
    assert changes(shown, arm_styles(shown))[0]["text"].endswith("in A, B and C")


def test_five_recordings_have_one_link_in_stamps_and_a_handout_of_all():
    shown = drawn()
    query = comparison_query(shown)
    assert query is not None
    back, ignored = Comparison.salvage(dict(part.split("=") for part in query.split("&")))
    assert ignored == ()
    assert back.arms == tuple(item.experiment for item in shown)
    assert Stamp.of(shown).link == f"?{query}"
    page = run_handout(shown)
    for style in arm_styles(shown):
        assert style.label in page
    shown[4] = recordings.recording(shown[4].experiment.replace(seed=5))
    assert comparison_query(shown) is None


@given(
    st.lists(st.floats(-20, 120), min_size=1, max_size=8),
    st.floats(1, 40),
)
def test_letters_at_the_ends_of_lines_keep_their_order_and_their_distance(positions, gap):
    moved = spread(positions, gap, 0.0, 100.0)
    room = min(gap, 100 / max(1, len(positions) - 1))
    order = sorted(range(len(positions)), key=positions.__getitem__)
    for below, above in itertools.pairwise(order):
        assert moved[above] - moved[below] >= room - 1e-6
    assert all(-1e-6 <= item <= 100 + 1e-6 for item in moved)
    inside = [min(max(item, 0.0), 100.0) for item in positions]
    if all(inside[above] - inside[below] >= room for below, above in itertools.pairwise(order)):
        assert moved == pytest.approx(inside)


def test_letters_that_meet_are_moved_as_little_as_a_search_finds():
    positions, gap = [10.0, 12.0, 40.0, 41.0], 6.0
    best = minimize(
        lambda places: float(((places - positions) ** 2).sum()),
        [0.0, 10.0, 40.0, 50.0],
        constraints=[
            {"type": "ineq", "fun": lambda places, i=i: places[i + 1] - places[i] - gap} for i in range(3)
        ],
    )
    assert spread(positions, gap, 0.0, 100.0) == pytest.approx(list(best.x), abs=1e-3)


# --- the page


@pytest.fixture
def manager(monkeypatch):
    manager = RunManager(workers=1)
    monkeypatch.setattr(state, "manager", lambda: manager)
    yield manager
    manager.close()


def run_of(app, manager):
    return manager.get(list(app.session_state["playground.runs"].values())[-1])


def boxes(app):
    return {item.key: item.value for item in app.selectbox if item.key in "abcde"}


def test_arms_are_added_up_to_five_and_removed_down_to_two(manager):
    app = page()
    for letter in "CDE":
        assert app.button(key="add-arm").label == f"Add {letter}"
        app.button(key="add-arm").click().run()
        assert not app.exception
    assert boxes(app) == dict(zip("abcde", FAMILY, strict=True))
    assert [arm.normalizer for arm in run_of(app, manager).arms] == list(FAMILY)
    assert "add-arm" not in {item.key for item in app.button}
    assert app.selectbox(key="vary").label == "A, B, C, D and E differ in"
    assert app.query_params["e"] == "rms"
    for letter in "EDC":
        assert app.button(key="remove-arm").label == f"Remove {letter}"
        app.button(key="remove-arm").click().run()
    assert "remove-arm" not in {item.key for item in app.button}
    assert boxes(app) == {"a": "none", "b": "batch"}
    assert app.query_params == {}


def test_another_field_keeps_the_number_of_arms_where_it_has_so_many_values(manager):
    app = page(c="layer", d="rms", changes_d="20:momentum:0.5")
    app.selectbox(key="vary").set_value("learning_rate").run()
    assert not app.exception
    assert [item.value for item in app.warning] == []
    assert len(run_of(app, manager).arms) == 4
    assert len(boxes(app)) == 4
    app.selectbox(key="vary").set_value("norm_placement").run()
    assert len(boxes(app)) == len(offered_texts("norm_placement")) == 2
    assert app.button(key="add-arm").disabled
    assert [item.value for item in app.warning] == []


def test_what_is_changed_in_the_arm_removed_is_gone_and_the_rest_stays(manager):
    app = page(c="layer", d="rms", changes="10:learning_rate:0.1", changes_d="20:momentum:0.5")
    assert [len(item.interventions) for item in run_of(app, manager).recordings] == [1, 1, 1, 2]
    app.button(key="remove-arm").click().run()
    assert [len(item.interventions) for item in run_of(app, manager).recordings] == [1, 1, 1]
    assert [item.value for item in app.warning] == []
    assert dict(app.query_params)["changes"] == "10:learning_rate:0.1"
    assert "changes_d" not in app.query_params


def test_the_family_is_a_preset_and_leaving_it_leaves_no_arm_behind(manager):
    app = page()
    app.selectbox(key="preset").set_value("family").run()
    assert not app.exception
    assert len(run_of(app, manager).arms) == 5
    app.selectbox(key="preset").set_value("first-look").run()
    assert boxes(app) == {"a": "none", "b": "batch"}
    assert app.query_params == {}


def test_where_the_field_is_locked_no_arm_is_added_or_removed(manager):
    for locked in ("vary", "normalizer"):
        app = page(c="layer", lock=locked)
        assert not {"add-arm", "remove-arm"} & {item.key for item in app.button}


@pytest.mark.slow
def test_a_server_that_allows_three_networks_offers_no_fourth(monkeypatch):
    with RunManager(workers=1, limits=Limits(networks=3)) as manager:
        monkeypatch.setattr(state, "manager", lambda: manager)
        app = page(c="layer")
        assert app.button(key="add-arm").disabled
        app = page(c="layer", d="rms")
        assert "this server allows 3" in app.error[0].value
        app.button(key="remove-arm").click().run()
        assert not app.error
