"""Experiment and Intervention: their forms, what they refuse, and in which words."""

from __future__ import annotations

import itertools
import json
import math
from urllib.parse import parse_qs

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator

from bnviz import train
from bnviz.engine.normalizers import make
from bnviz.experiment import Experiment, ExperimentError, Intervention, presets
from bnviz.experiment.intervention import CHANGEABLE
from bnviz.experiment.knob import INITS, NORMALIZERS, POINT_DATASETS

KNOBS = Experiment.knobs()
NUMBERS = [name for name, knob in KNOBS.items() if knob.low is not None]
WHOLE = [name for name in NUMBERS if isinstance(Experiment.default(name), int)]
CHOICES = [name for name, knob in KNOBS.items() if knob.choices]
HUGE = 10_000_000
"""Characters that a hostile link may carry."""

interventions = st.builds(
    Intervention,
    st.integers(0, 1_000_000),
    st.sampled_from(CHANGEABLE),
    st.floats(0, 0.999),
)


def values_of(name: str) -> st.SearchStrategy:
    """Every value that the field allows, by its own declaration."""
    knob = KNOBS[name]
    if knob.choices:
        return st.sampled_from(list(knob.choices))
    if name == "hidden":
        return st.lists(st.integers(1, 1000), min_size=1, max_size=20).map(tuple) | st.lists(
            st.integers(8, 12), min_size=21, max_size=100
        ).map(tuple)
    if name == "normalized_layers":
        return st.just("all") | st.sets(st.integers(1, 100), min_size=1).map(sorted).map(listed)
    if name in WHOLE:
        return st.integers(knob.low, knob.high)
    return st.floats(knob.low, knob.high)


def listed(layers: list[int]) -> str:
    """Layers as an Experiment keeps them: of three and more in a row, the first and the last."""
    parts: list[list[int]] = []
    for layer in layers:
        if parts and layer == parts[-1][-1] + 1:
            parts[-1].append(layer)
        else:
            parts.append([layer])
    return ",".join(f"{part[0]}-{part[-1]}" if len(part) > 2 else ",".join(map(str, part)) for part in parts)


@st.composite
def experiments(draw: st.DrawFn) -> Experiment:
    """Any Experiment; those whose fields do not go together are mended first."""
    values = {name: draw(values_of(name)) for name in KNOBS}
    if values["train_examples"] == 1:
        values["train_examples"] = 2
    if values["schedule"] == "one-cycle":
        values["warmup"] = 0
    values["batch_size"] = max(2, values["batch_size"])
    parts = [count for count in range(1, 1001) if values["batch_size"] % count == 0]
    values["batch_classes"] = draw(st.sampled_from([0, *parts]))
    if values["architecture"] != "mlp":
        values["dataset"] = draw(st.sampled_from(["digits", "mnist", "fashion-mnist", "folder:pets_2"]))
        values["hidden"] = draw(st.lists(st.integers(4, 256), min_size=1, max_size=8).map(tuple))
    if values["dataset"] in POINT_DATASETS:
        values |= {"augment": "none", "input_normalization": "none"}
    try:
        return Experiment(**values)
    except ExperimentError:  # of normalization, where few values go together
        return Experiment(**values | {"normalizer": "batch", "normalized_layers": "all"})


def refusal(**values: object) -> str:
    """The message with which an Experiment refuses some values."""
    with pytest.raises(ExperimentError) as caught:
        Experiment(**values)
    return str(caught.value)


@given(experiments())
def test_an_experiment_comes_back_equal_from_json_and_from_a_url(experiment):
    for again in (
        Experiment.from_json(experiment.to_json()),
        Experiment.from_query(experiment.to_query()),
        Experiment.from_query("?" + experiment.to_query()),
        Experiment(**experiment.texts()),
        Experiment.salvage(experiment.texts())[0],
    ):
        assert again == experiment
        assert hash(again) == hash(experiment)
        assert again.model_dump() == experiment.model_dump()


@given(experiments())
def test_the_forms_are_plain_json_and_a_plain_query_of_what_is_not_at_its_default(experiment):
    values = json.loads(experiment.to_json())
    assert list(values) == list(KNOBS)
    query = parse_qs(experiment.to_query(), strict_parsing=bool(experiment.to_query()))
    assert set(query) == set(experiment.differences(Experiment()))
    assert "%" not in experiment.to_query().replace("%3A", "")  # a link that can be read aloud


def test_an_experiment_of_defaults_has_an_empty_query():
    assert Experiment().to_query() == ""
    assert Experiment(steps=500, learning_rate=1.0).to_query() in (
        "learning_rate=1&steps=500",
        "steps=500&learning_rate=1",
    )


@given(experiments(), st.sampled_from(sorted(KNOBS)), st.data())
def test_replace_changes_one_field_of_a_copy(experiment, name, data):
    before = experiment.model_dump()
    value = data.draw(values_of(name))
    try:
        changed = experiment.replace(**{name: value})
    except ExperimentError:  # a value that this experiment's other fields exclude
        return
    assert changed.model_dump() == before | {name: value}
    assert experiment.model_dump() == before
    assert set(experiment.differences(changed)) == ({name} if before[name] != value else set())


def test_equal_experiments_are_one_key_and_different_ones_are_not():
    table = {Experiment(hidden=[5, 6]): "one", Experiment(hidden="5-6", seed=1): "two"}
    assert table[Experiment(hidden=(5, 6))] == "one"
    assert table[Experiment(seed="1", hidden="5, 6")] == "two"
    assert Experiment(learning_rate=1) == Experiment(learning_rate=1.0)


def test_an_experiment_cannot_be_changed():
    experiment = Experiment()
    with pytest.raises(ValueError, match="frozen"):
        experiment.steps = 3
    assert experiment.steps == Experiment.default("steps")


def test_replace_validates_like_a_new_experiment():
    with pytest.raises(ExperimentError, match="momentum = 2 is not allowed"):
        Experiment().replace(momentum=2)
    with pytest.raises(ExperimentError, match="'colour' is no field"):
        Experiment().replace(colour="blue")


def test_every_field_is_declared_with_label_help_group_and_what_is_allowed():
    assert set(KNOBS) == set(Experiment.model_fields)
    assert {"dataset", "hidden", "activation", "normalizer", "init", "init_scale", "learning_rate"} <= set(
        KNOBS
    )
    assert {"momentum", "weight_decay", "dropout", "batch_size", "steps", "seed", "device"} <= set(KNOBS)
    assert len({knob.label for knob in KNOBS.values()}) == len(KNOBS)
    for name, knob in KNOBS.items():
        assert knob.label[0].isupper(), name
        assert knob.help.endswith("."), name
        assert knob.group in ("Data", "Network", "Start", "Learning")
        assert knob.check(Experiment.default(name)) == Experiment.default(name)
        assert all(Experiment(**{name: value}) for value in knob.suggestions)
        named = list(knob.choices) or [f"{knob.low:g}" if knob.low is not None else "1 to 100"]
        assert all(choice in knob.allowed for choice in named)
        assert ("whole number" in knob.allowed) == (name in WHOLE)


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_is_allowed_at_its_bounds_and_refused_beyond(name):
    low, high = KNOBS[name].low, KNOBS[name].high
    fitting = {"batch_size": high} if name == "batch_classes" else {}
    for value in (low, high):
        for said in (value, str(value)):
            assert getattr(Experiment(normalizer="none", **fitting | {name: said}), name) == value
    for value in (low - 1, high + 1, math.nextafter(high, math.inf), math.nextafter(low, -math.inf)):
        message = refusal(**{name: value})
        assert message == f"{name} = {value!r} is not allowed; allowed is {KNOBS[name].allowed}"


@pytest.mark.parametrize("name", KNOBS)
@pytest.mark.parametrize(
    "value",
    [
        "banana",
        "",
        " ",
        "nan",
        "1e999",
        "-1",
        "٣٣",
        "²",
        "0x10",
        None,
        True,
        False,
        [],
        [True],
        (None,),
        {},
        object,
        math.nan,
        math.inf,
        -math.inf,
        1e300,
        10**400,
        "1;2",
        "9" * 5000,
    ],
    ids=lambda value: repr(value)[:12],
)
def test_what_no_field_allows_is_refused_by_name_value_and_what_is_allowed(name, value):
    message = refusal(**{name: value})
    shown = repr(value) if len(repr(value)) <= 40 else repr(value)[:37] + "…"
    assert message == f"{name} = {shown} is not allowed; allowed is {KNOBS[name].allowed}"


@pytest.mark.parametrize("name", WHOLE)
def test_a_fraction_is_no_whole_number(name):
    assert "allowed is a whole number from" in refusal(**{name: 60.5})


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_is_one_of_those_and_no_near_miss(name):
    for choice in KNOBS[name].choices:
        convolutional = {"architecture": "conv", "hidden": "8"} if choice == "instance" else {}
        assert getattr(Experiment(**convolutional | {name: choice}), name) == choice
        for near in ({choice.upper()} - {choice}) | {f" {choice}", f"{choice}\n", choice + "s"}:
            assert refusal(**{name: near}).startswith(f"{name} = {near!r} is not allowed; allowed is one of ")


@pytest.mark.parametrize(
    "name",
    ["folder:", "folder:..", "folder:a/b", "folder:a b", "folder:a\n", "folder:" + "a" * 61, "files:a"],
)
def test_a_folder_of_images_has_a_plain_name(name):
    assert Experiment(dataset="folder:my-pets_2").dataset == "folder:my-pets_2"
    assert "folder:<name>" in refusal(dataset=name)


@pytest.mark.parametrize("text", ["100-100-50", "100,100,50", "100 100 50", " 100, 100,50 "])
def test_widths_are_read_from_text(text):
    assert Experiment(hidden=text).hidden == (100, 100, 50)
    assert Experiment.text(Experiment(hidden=text).hidden) == "100-100-50"


@pytest.mark.parametrize(
    "widths",
    [
        "0",
        "1001",
        "100-",
        "-100",
        "10.5",
        "100x101",
        "100x50-100x51",
        "100x",
        "x3",
        "100x0x2",
        "100x1000000000",
        "1-" * 100 + "1",
        [1] * 101,
        [0],
        [5, -5],
        100,
        1e9,
        "0" * 197 + "100-banana",  # nothing behind the part that is read may be overlooked
    ],
)
def test_widths_out_of_bounds_are_refused(widths):
    assert "allowed is 1 to 100 widths from 1 to 1000" in refusal(hidden=widths)


def test_twenty_layers_of_a_thousand_are_allowed():
    assert Experiment(hidden="-".join(["1000"] * 20)).hidden == (1000,) * 20
    assert Experiment(hidden=(1,)).hidden == (1,)


def test_all_that_is_wrong_is_told_at_once():
    message = refusal(steps="many", colour="blue", momentum=1)
    assert all(said in message for said in ("'colour' is no field", "steps = 'many' is", "momentum = 1 is"))


@pytest.mark.parametrize(
    "name", ["self", "cls", "values", "model_fields", "__class__", "", "Steps", "steps "]
)
def test_any_unknown_name_is_told_as_such_and_the_fields_are_named(name):
    with pytest.raises(ExperimentError) as caught:
        Experiment(**{name: "1"})
    assert str(caught.value).startswith(f"{name!r} is no field of an experiment; fields are dataset, ")
    assert all(field in str(caught.value) for field in KNOBS)
    experiment, ignored = Experiment.salvage({name: "1"})
    assert (experiment, ignored) == (Experiment(), (str(caught.value),))


@pytest.mark.parametrize(
    "query",
    [
        "dataset=" + "x" * HUGE,
        "learning_rate=" + "1" * HUGE,
        "hidden=" + "100-" * (HUGE // 4),
        "hidden=" + " " * HUGE,
        "x" * HUGE + "=1",
        "seed=1&" * (HUGE // 70) + "seed=banana",
        "&".join(f"{number}=" for number in range(HUGE // 60)),
    ],
    ids=["choice", "number", "widths", "blanks", "name", "repeated", "many names"],
)
def test_ten_megabytes_of_nonsense_are_refused_in_a_short_message(query):
    with pytest.raises(ExperimentError) as caught:
        Experiment.from_query(query)
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)


def test_many_unknown_names_are_salvaged_in_one_sentence():
    experiment, ignored = Experiment.salvage({f"x{number}": "1" for number in range(100_000)} | {"seed": "7"})
    assert experiment == Experiment(seed=7)
    assert len(ignored) == 1
    assert "'x0', 'x1', 'x2' and 99,997 more are no fields" in ignored[0]


def test_salvage_keeps_what_is_allowed_and_tells_each_field_that_was_ignored():
    experiment, ignored = Experiment.salvage(
        {"steps": "50", "learning_rate": "banana", "hidden": "0", "seed": 3, "colour": "blue"}
    )
    assert experiment == Experiment(steps=50, seed=3)
    assert [sentence.split()[0] for sentence in ignored] == ["learning_rate", "hidden", "'colour'"]
    assert all("\n" not in sentence for sentence in ignored)


def test_salvage_falls_back_on_the_base_that_it_is_given():
    base = Experiment(steps=77, learning_rate=3.0)
    experiment, ignored = Experiment.salvage({"learning_rate": "nan", "seed": "5"}, base)
    assert experiment == base.replace(seed=5)
    assert len(ignored) == 1
    assert Experiment.salvage({}, base) == (base, ())


def test_salvage_accepts_fields_that_only_together_are_allowed_in_any_order():
    values = {"architecture": "conv", "hidden": "8-8", "dataset": "digits"}
    base = Experiment(dataset="spirals", hidden=(300,) * 9)
    for order in (values, dict(reversed(values.items()))):
        assert Experiment.salvage(order, base) == (base.replace(**values), ())


@given(
    st.dictionaries(
        st.one_of(st.sampled_from(sorted(KNOBS)), st.text(max_size=8)),
        st.one_of(
            st.text(max_size=12), st.none(), st.booleans(), st.integers(), st.floats(), st.lists(st.none())
        ),
    )
)
def test_salvage_never_fails(values):
    experiment, ignored = Experiment.salvage(values)
    for name, value in values.items():
        if name in KNOBS and not any(sentence.startswith(f"{name} = ") for sentence in ignored):
            assert getattr(experiment, name) == getattr(experiment.replace(**{name: value}), name)
    assert all(sentence for sentence in ignored)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "banana",
        "[]",
        "3",
        "null",
        '"x"',
        '{"steps": 5',
        "[" * 1_000_000,
        "9" * 5000,
        '{"steps": ' + "9" * 5000,
    ],
    ids=lambda text: text[:8],
)
def test_text_that_is_no_experiment_in_json_is_refused_in_short(text):
    with pytest.raises(ExperimentError) as caught:
        Experiment.from_json(text)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("text", ['{"learning_rate": NaN}', '{"learning_rate": Infinity}', '{"seed": true}'])
def test_json_that_is_out_of_bounds_is_refused(text):
    with pytest.raises(ExperimentError, match="is not allowed; allowed is"):
        Experiment.from_json(text)


def test_convolutional_networks_need_images_and_are_smaller():
    assert Experiment(architecture="conv", hidden=(256,) * 8).hidden == (256,) * 8
    assert "needs images" in refusal(architecture="conv", hidden="8", dataset="moons")
    assert "too large for architecture = 'conv'" in refusal(architecture="conv", hidden=(8,) * 9)
    assert "too large for architecture = 'conv'" in refusal(architecture="conv", hidden=(257,))


def test_one_training_example_is_none_or_too_few():
    assert Experiment(train_examples=0).train_examples == 0
    assert "allowed is 0 for all, or 2 and more" in refusal(train_examples=1)


def test_the_paper_s_first_network_is_a_preset():
    paper = presets["figure-1"]
    assert paper.dataset == "mnist-binary"
    assert paper.hidden == (100, 100, 100)
    assert (paper.architecture, paper.activation, paper.init) == ("mlp", "sigmoid", "gaussian")
    assert (paper.batch_size, paper.steps) == (60, 50_000)
    assert (paper.momentum, paper.weight_decay, paper.dropout) == (0.0, 0.0, 0.0)  # plain SGD
    assert paper.train_examples == 0


@pytest.mark.parametrize("name", presets)
def test_a_preset_fits_in_a_link_that_a_teacher_can_write_on_the_board(name):
    # The paper's network of images differs from the default in nine fields: a link to copy, not for the board.
    assert len(presets[name].to_query()) < (170 if name == "inception" else 120)
    assert Experiment.from_query(presets[name].to_query()) == presets[name]


def test_the_presets_cannot_be_changed():
    with pytest.raises(TypeError):
        presets["mine"] = Experiment()


def test_the_initializations_and_normalizers_that_the_issue_names_are_there():
    assert set(INITS) >= {"gaussian", "uniform", "xavier", "kaiming", "orthogonal", "zeros"}
    assert set(NORMALIZERS) >= {"none", "batch"}


@given(st.lists(interventions, max_size=20))
def test_interventions_come_back_equal_from_their_url_form(several):
    text = Intervention.format_all(several)
    assert Intervention.parse_all(text) == tuple(several)
    assert hash(Intervention.parse_all(text)) == hash(tuple(several))


def test_interventions_are_read_from_a_url():
    assert Intervention.parse_all("400:learning_rate:1.0,900:momentum:0.9") == (
        Intervention(400, "learning_rate", 1.0),
        Intervention(900, "momentum", 0.9),
    )
    assert Intervention.parse_all("") == ()
    assert Intervention.format_all([Intervention(400, "learning_rate", 1.0)]) == "400:learning_rate:1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("5", "'5' is no intervention; allowed is step:field:value"),
        ("5:learning_rate", "allowed is step:field:value"),
        ("5:learning_rate:1:2", "allowed is step:field:value"),
        (
            "x:learning_rate:1",
            "step = 'x' is not allowed in an intervention; allowed is a whole number from 0",
        ),
        ("-1:learning_rate:1", "step = '-1' is not allowed"),
        ("1.5:learning_rate:1", "step = '1.5' is not allowed"),
        ("1000001:learning_rate:1", "allowed is a whole number from 0 to 1,000,000"),
        ("5:hidden:3", "'hidden' cannot be changed while training; allowed is learning_rate, momentum"),
        ("5::3", "'' cannot be changed"),
        (
            "5:learning_rate:banana",
            "learning_rate = 'banana' is not allowed; allowed is a number from 0 to 100",
        ),
        ("5:learning_rate:nan", "learning_rate = 'nan' is not allowed"),
        ("5:learning_rate:", "learning_rate = '' is not allowed"),
        ("5:momentum:1", "momentum = '1' is not allowed; allowed is a number from 0 to 0.999"),
        ("9" * HUGE + ":momentum:0.5", "step = '999"),
        ("5:momentum:" + "9" * HUGE, "momentum = '999"),
        ("5:momentum:0.5," * (HUGE // 15), "allowed are 1000"),
    ],
    ids=lambda text: text[:24],
)
def test_nonsense_interventions_are_refused_in_short(text, said):
    with pytest.raises(ExperimentError) as caught:
        Intervention.parse_all(text)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "values", [(True, "momentum", 0.5), (3, "momentum", True), (3, None, 0.5), (None, "momentum", 0)]
)
def test_an_intervention_takes_no_truth_value_and_no_blank(values):
    with pytest.raises(ExperimentError, match="allowed is"):
        Intervention(*values)


@pytest.mark.parametrize(
    ("architecture", "normalizer"),
    [
        *(item for item in itertools.product(["mlp", "conv"], NORMALIZERS) if item != ("mlp", "instance")),
        *itertools.product(["inception", "residual"], ["batch", "none"]),
    ],
)
def test_a_mini_batch_of_one_example_trains_or_is_refused_with_the_reason(architecture, normalizer):
    shape = (1, 4, 3, 3) if architecture != "mlp" and normalizer != "input-only" else (1, 4)
    name = "batch-no-affine" if normalizer == "input-only" else normalizer
    module = make(name, 4, Generator().manual_seed(0))
    try:  # of one value torch takes no statistics, and what is written out divides by zero
        module(torch.randn(shape))
        possible = all(item.isfinite().all() for item in module.buffers())
    except ValueError:
        possible = False
    chosen = {"hidden": (4, 4), "steps": 3, "normalizer": normalizer, "architecture": architecture}
    if possible:
        recording = train(Experiment(batch_size=1, **chosen))
        assert (recording.last_step, recording.diverged_at) == (3, None)
    else:
        message = refusal(batch_size=1, **chosen)
        assert "since statistics of a mini-batch need two examples; allowed is 2 to 4,096" in message
        assert normalizer in message
