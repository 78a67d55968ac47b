"""A field's value in words: the same on controls, in figures and in files."""

import pytest

from bnviz.experiment import Experiment
from bnviz.export.handouts.settings import apart, shared
from bnviz.figures.wording import settings
from bnviz.recording import Recording


@pytest.mark.parametrize(
    ("name", "value", "words", "phrase"),
    [
        ("hidden", (100, 100, 100), "3 × 100", "3 × 100 units"),
        ("hidden", (20,), "1 × 20", "1 × 20 units"),
        ("hidden", (20, 10), "20-10", "20-10 units"),
        ("dataset", "digits", "Digits, 8×8 pixels", "Digits, 8×8 pixels"),
        ("dataset", "folder:cats", "folder:cats", "folder:cats"),
        ("normalizer", "batch", "Batch normalization", "Batch normalization"),
        ("train_examples", 0, "all", "all training examples"),
        ("train_examples", 1_000_000, "1,000,000", "1,000,000 training examples"),
        ("dropout", 0.0, "0", "dropout 0"),
        ("learning_rate", 0.03, "0.03", "learning rate 0.03"),
        ("first_layer_scale", 1000.0, "1,000", "first layer × 1,000"),
        ("steps", 50_000, "50,000", "steps 50,000"),
        ("hidden", (100,) * 50, "50 × 100", "50 × 100 units"),
        ("hidden", (64, *(100,) * 30), "64-100x30", "64-100x30 units"),
        ("norm_placement", "after", "After the nonlinearity", "normalized after the nonlinearity"),
        ("residual", "none", "None", "no residual"),
        ("residual", "pre", "Pre-normalization", "residual pre-normalization"),
        ("normalized_layers", "1,3", "1,3", "normalized layers 1,3"),
        ("norm_epsilon", 1e-5, "1e-05", "epsilon 1e-05"),
    ],
)
def test_a_value_is_told_in_words_with_and_without_a_label_beside_it(name, value, words, phrase):
    knob = Experiment.knobs()[name]
    assert knob.words(value) == words
    assert knob.phrase(value) == phrase


@pytest.mark.parametrize("name", list(Experiment.knobs()))
def test_every_default_and_every_suggestion_has_words(name):
    knob = Experiment.knobs()[name]
    for value in (Experiment.default(name), *knob.suggestions, *knob.choices):
        assert knob.words(value).strip()
        told = f"no {knob.before}" if knob.before and value == "none" else knob.words(value).lower()
        assert told in knob.phrase(value).lower()


def test_a_files_settings_and_a_runs_title_use_the_same_words():
    a, b = Experiment(hidden=(20, 10), train_examples=0), Experiment(hidden=(30,), train_examples=500)
    assert ("Hidden layers", "20-10", "1 × 30") in apart([a, b])
    assert ("Training examples", "all", "500") in apart([a, b])
    assert ("Nonlinearity", "Sigmoid") in shared([a, b])
    assert "20-10 units" in settings([Recording(a)])


def test_a_setting_that_has_no_effect_is_not_listed():
    listed = dict(shared([Experiment(normalizer="none"), Experiment(normalizer="group", groups=5)]))
    assert "Epsilon" in listed
    assert not {"Ghost batch", "Running average"} & set(listed)
