"""The state of every page: one declaration, one reader, one writer; old links mean what they meant."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, fields
from typing import Annotated, get_args, get_type_hints

import pytest

from bnviz.experiment import Experiment
from bnviz.recording import Recording
from bnviz.ui.inside.view import View as Inside
from bnviz.ui.pages.labs_visit import Visit as Labs
from bnviz.ui.pages.landscape import View as Landscape
from bnviz.ui.pages.map import Choice as Map
from bnviz.ui.pages.playground import View as Playground
from bnviz.ui.pages.runs import Visit as Runs
from bnviz.ui.parts.page_state import PageState, Parameter
from bnviz.ui.parts.run_figures import Networks

UNEVEN = Networks.of(
    [Recording(Experiment(hidden=(8, 6))), Recording(Experiment(hidden=(9, 4, 5), steps=3000))]
)
PAGES: list[tuple[type[PageState], object]] = [
    (Playground, UNEVEN),
    (Labs, None),
    (Runs, UNEVEN),
    (Map, None),
    (Landscape, None),
    (Inside, Experiment(hidden=(12, 9))),
]


@dataclass(frozen=True)
class Sample(PageState):
    """One field of each type."""

    flag: Annotated[bool, Parameter()] = False
    count: Annotated[int, Parameter(low=1, high=9)] = 3
    limit: Annotated[int, Parameter(high=lambda state, about: state.count * about)] = 0
    rate: Annotated[float | None, Parameter(low=0.5, high=8, none="max")] = 2.0
    kind: Annotated[str, Parameter(choices=("red", "blue"))] = "red"
    words: Annotated[str, Parameter(most=5)] = ""
    names: Annotated[tuple[str, ...], Parameter()] = ()
    at: Annotated[int | None, Parameter()] = None


def test_the_reader_undoes_the_writer():
    for values in itertools.product(
        (False, True),
        (1, 3, 9),
        (0, 2),
        (None, 0.5, 2.0, math.pi, 8.0),
        ("red", "blue"),
        ("", "a=b&c", "é, ü"),
        ((), ("a.0",), ("b.1", "a.0")),
        (None, 0, 10**9),
    ):
        state = Sample(*values)
        assert Sample.salvage(state.to_query(), 2) == (state, ())


NONSENSE = (
    "banana",
    "-1",
    "1e400",
    "nan",
    "-inf",
    "9" * 5000,
    "٣",
    "1_0",
    " ",
    "\x00",
    "None",
    "TRUE",
    "<script>",
    "😀" * 50,
)


@pytest.mark.parametrize("text", NONSENSE, ids=ascii)
@pytest.mark.parametrize(("page", "about"), [*PAGES, (Sample, 2)])
def test_no_text_makes_a_reader_fail_and_what_it_refuses_is_said_once_and_stays_at_its_default(
    page, about, text
):
    for item in fields(page):
        state, ignored = page.salvage({item.name: text}, about)
        assert page.salvage(state.to_query(), about) == (state, ())
        if ignored:
            (sentence,) = ignored
            assert sentence.startswith(f"{item.name} = {text[:40]!r} is not allowed; allowed is ")
            assert state == page()


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("flag", "yes", "one of true, false"),
        ("count", "10", "a whole number from 1 to 9"),
        ("count", "2.5", "a whole number from 1 to 9"),
        ("limit", "7", "a whole number from 0 to 6"),
        ("rate", "nan", "max or a number from 0.5 to 8"),
        ("kind", "green", "one of red, blue"),
        ("words", "abcdef", "a text of at most 5 characters"),
    ],
)
def test_a_sentence_names_the_field_the_value_and_what_is_allowed(name, text, allowed):
    assert Sample.salvage({name: text}, 2) == (
        Sample(),
        (f"{name} = {text!r} is not allowed; allowed is {allowed}",),
    )


def test_a_bound_may_depend_on_what_was_read_before_and_on_what_the_page_is_about():
    assert Sample.salvage({"limit": "10", "count": "5"}, 2)[0].limit == 10
    assert Sample.salvage({"limit": "10", "count": "5"}, 1)[0].limit == 0


@pytest.mark.parametrize(("page", "about"), PAGES)
def test_every_page_declares_each_parameter_with_its_type_and_an_allowed_default(page, about):
    hints = get_type_hints(page, include_extras=True)
    for item in fields(page):
        kind, parameter = get_args(hints[item.name])
        assert isinstance(parameter, Parameter)
        if item.default is not None and item.default != ():
            assert isinstance(item.default, kind)
    usual = page()
    assert usual.to_query() == {}
    assert page.salvage({}, about) == (usual, ())
    assert page.salvage({item.name: "" for item in fields(page)}, about) == (usual, ())


@pytest.mark.parametrize(("page", "about"), PAGES)
def test_every_page_says_each_thing_of_a_link_that_it_does_not_know(page, about):
    state, ignored = page.salvage({"colour": "blue", "a" * 500: "1"}, about)
    assert state == page()
    assert len(ignored) == 2
    assert all(len(sentence) < 100 for sentence in ignored)


OLD_LINKS = [
    (Playground, "layer=2&unit=4&at=40&speed=max", {"layer": 2, "unit": 4, "at": 40, "speed": None}),
    (Playground, "layer=3&speed=75&before=true", {"layer": 3, "speed": 75.0, "before": True}),
    (Playground, "speed=0.5&beside=ab1.0,ab1.0,cd2.1", {"speed": 0.5, "beside": ("ab1.0", "cd2.1")}),
    (Labs, "lab=figure-1&said=bn&unit=7", {"lab": "figure-1", "said": "bn", "unit": 7}),
    (Labs, "lab=learning-rate&said=3&full=true&seeds=3&steps=1500", {"said": "3", "full": True, "seeds": 3}),
    (Runs, "arms=ab1.0,ab1.1&find=sigmoid lab", {"arms": ("ab1.0", "ab1.1"), "find": "sigmoid lab"}),
    (Runs, "arms=ab1.0&layer=3&unit=5&before=true&at=2000", {"layer": 3, "unit": 5, "at": 2000}),
    (
        Map,
        "activation=relu&depth=5&steps=1000&size=4&seeds=3",
        {"activation": "relu", "depth": 5, "seeds": 3},
    ),
    (Inside, "section=scale&gamma=0.25&beta=-1.5&layer=2&unit=9", {"gamma": 0.25, "beta": -1.5, "unit": 9}),
    (Inside, "step=0&examples=16&example=16&line=5&constant=true", {"step": 0, "example": 16, "line": 5}),
    (
        Inside,
        "newest=0.03&map_layer=2&channel=12&change=drop",
        {"newest": 0.03, "channel": 12, "change": "drop"},
    ),
]


@pytest.mark.parametrize(("page", "link", "meant"), OLD_LINKS)
def test_an_old_link_means_what_it_meant_and_stays_as_it_is(page, link, meant):
    query = dict(part.split("=") for part in link.split("&"))
    state, ignored = page.salvage(query, dict(PAGES)[page])
    assert ignored == ()
    assert {name: getattr(state, name) for name in meant} == meant
    again = page.salvage(state.to_query(), dict(PAGES)[page])
    assert again == (state, ())
    assert set(state.to_query()) <= set(query)


def test_networks_of_other_depths_offer_all_layers_and_the_units_that_all_have():
    assert Runs.salvage({"layer": "3", "unit": "5"}, UNEVEN)[1] == ()
    assert Runs.salvage({"layer": "2", "unit": "4"}, UNEVEN)[1] == ()
    assert Runs.salvage({"layer": "2", "unit": "5"}, UNEVEN)[0].unit == 0
    assert Runs.salvage({"layer": "4"}, UNEVEN)[0].layer == 0
    assert Runs.salvage({"at": "3001"}, UNEVEN)[0].at is None


def test_an_answer_that_the_lab_does_not_ask_for_is_refused():
    for query, allowed in (
        ({"lab": "figure-1", "said": "maybe"}, "one of"),
        ({"lab": "learning-rate", "said": "banana"}, "a number from 1 to 1000"),
        ({"said": "bn"}, "nothing where no lab is named"),
    ):
        visit, (sentence,) = Labs.salvage(query)
        assert visit.said == ""
        assert sentence.startswith(f"said = {query['said']!r} is not allowed; allowed is {allowed}")


def test_a_link_names_the_figure_that_is_shown_large():
    assert Playground.salvage({"figure": "over_time"}) == (Playground(figure="over_time"), ())
    assert Runs(figure="update_ratio").to_query() == {"figure": "update_ratio"}
    assert Playground().figure == "overview"
    assert "one of overview" in Playground.salvage({"figure": "none"})[1][0]


def test_numbers_keep_every_digit_in_a_link():
    speed = math.pi
    assert Playground(speed=speed).to_query() == {"speed": str(speed)}
