"""Two arms by one link."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnviz.experiment import Experiment, Intervention
from bnviz.experiment.comparison import Comparison, offered_texts, suggested_values


def test_the_default_arms_differ_in_the_normalizer_alone():
    a, b = Comparison(Experiment()).arms
    assert a.differences(b) == {"normalizer": ("none", "batch")}
    assert Comparison(Experiment()).to_query() == {}


@pytest.mark.parametrize("vary", Experiment.knobs())
def test_any_field_can_set_the_arms_apart_and_the_link_brings_them_back(vary):
    owners = {"groups": "group", "ghost_batch": "ghost-batch", "renorm_start": "batch-renorm"}
    dataset = "folder:pets" if vary == "image_size" else "digits"
    network = {"architecture": "inception", "hidden": (16, 48)} if vary == "per_activation" else {}
    base = Experiment(
        seed=3, learning_rate=0.3, normalizer=owners.get(vary, "batch"), dataset=dataset, **network
    )
    both, in_b = Intervention(40, "learning_rate", 0.02), Intervention(90, "momentum", 0.5)
    comparison = Comparison(base, vary, suggested_values(base, vary), ((both,), (both, in_b)))
    a, b = comparison.arms
    assert set(a.differences(b)) == {vary}
    again, ignored = Comparison.salvage(comparison.to_query())
    assert ignored == ()
    assert again.arms == (a, b)
    assert again.interventions == comparison.interventions


def test_every_field_offers_at_least_two_values_that_it_allows():
    for name in Experiment.knobs():
        offered = offered_texts(name)
        assert len(offered) >= 2
        for text in offered:
            base = Experiment(architecture="conv" if text == "instance" else "mlp", hidden=(16, 16, 16))
            assert base.replace(**{name: text}).texts()[name] == text


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"learning_rate": "banana"}, "learning_rate"),
        ({"hidden": "-".join(["9"] * 1_000_000)}, "hidden"),
        ({"colour": "blue"}, "colour"),
        ({"vary": "colour"}, "vary"),
        ({"vary": "steps", "a": "many"}, "arm A"),
        ({"changes": "5:learning_rate"}, "changes"),
        ({"changes": "5:hidden:3"}, "changes"),
        ({"dataset": "x" * 10_000_000}, "dataset"),
        ({"dataset": "folder:../../etc"}, "dataset"),
    ],
)
def test_nonsense_in_a_link_is_named_in_short_and_defaults_stand_in(query, named):
    comparison, ignored = Comparison.salvage(query)
    assert len(ignored) == 1
    assert named in ignored[0]
    assert len(ignored[0]) < 600
    assert comparison.base == Experiment()
    assert comparison.interventions == ((), ())


@settings(max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from([*Experiment.knobs(), "vary", "a", "b", "changes", "?"]), st.text(max_size=20)
    )
)
def test_no_link_whatever_breaks_the_page(query):
    comparison, _ = Comparison.salvage(query)
    again, ignored = Comparison.salvage(comparison.to_query())
    assert ignored == ()
    assert again.arms == comparison.arms
