"""What a prediction may be and how it is told: the same on the page, for a class and in a handout."""

import numpy as np
import pytest

from bnviz.labs import all_labs, find, learning_rate
from bnviz.labs.base import View
from bnviz.labs.predictions import NOTCHES, Choice, Estimate, PredictionError, Slider
from tests.test_lab_texts import as_claimed

SLIDERS = [
    item
    for lab in all_labs().values()
    if not isinstance(lab.prediction, Choice)
    for item in lab.prediction.sliders
]


@pytest.mark.parametrize("slider", SLIDERS, ids=lambda item: item.label)
def test_a_slider_stops_at_evenly_spaced_values_from_its_low_to_its_high_end(slider):
    notches = np.array(slider.notches)
    assert len(notches) == NOTCHES
    assert (notches[0], notches[-1]) == (slider.low, slider.high)
    steps = np.diff(np.log(notches) if slider.logarithmic else notches)
    np.testing.assert_allclose(steps, steps.mean(), rtol=1e-3)
    assert all(float(f"{value:.6g}") == value for value in notches)  # a link that names one names it exactly
    assert np.abs(notches - slider.start).min() == abs(slider.notches[slider.start_notch] - slider.start)


def test_a_slider_that_begins_at_zero_slides_evenly():
    slider = Slider("share", 0.0, 100.0, 40.0, logarithmic=False)
    assert slider.notches[:3] == (0.0, 2.5, 5.0)
    assert slider.notches[slider.start_notch] == 40.0


@pytest.mark.parametrize("name", all_labs())
def test_a_prediction_is_told_in_words_and_nonsense_is_refused(name):
    prediction = all_labs()[name].prediction
    if isinstance(prediction, Choice):
        assert [prediction.words(key) for key in prediction.options] == list(prediction.options.values())
    else:
        text = ",".join(f"{item.low:g}" for item in prediction.sliders)
        told = [item.shown(item.low) for item in prediction.sliders]
        assert all(each in prediction.words(text) for each in told)
        if len(told) == 1:
            assert prediction.words(text) == told[0]
    with pytest.raises(PredictionError):
        prediction.words("no such answer")


def marked(lab, result, guess):
    """Where "predicted" is drawn: the name of the figure, the x and the y of the dashed line's beginning."""
    found = []
    for item in lab.figures(result, View(guess=guess)):
        words = [note for note in item.plot.layout.get("annotations", []) if note["text"] == "predicted"]
        lines = [line for line in item.plot.layout.get("shapes", []) if line["line"].get("dash") == "dash"]
        assert len(words) == len(lines)
        assert ("predicted" in [note["text"] for note in words]) == bool(lines)
        found += [(item.name, line["x0"], line["y0"]) for line in lines]
    return found


def test_a_prediction_is_drawn_where_it_has_a_place_on_an_axis():
    def at(name, guess):
        result = as_claimed(find(name))
        ((figure, x, y),) = marked(find(name), result, guess)
        return figure, x, y, find(name).verdict(result).measured

    assert at("whitening", 3.0)[:3] == ("cost", 0, 3.0)
    assert at("inference", 40.0)[:3] == ("by-classes", 0, 0.4)
    figure, _, y, measured = at("ensemble", 2.0)
    assert (figure, y * 2.0) == ("errors", pytest.approx(100 * measured["errors_average"].median))
    figure, x, _, measured = at("fewer-steps", 4.0)
    assert (figure, x * 4.0) == ("accuracy", pytest.approx(measured["steps_plain"].values[0]))
    figure, x, _, measured = at("learning-rate", 5.0)
    below = int(x)
    rate = learning_rate.RATES[below] ** (1 - (x - below)) * learning_rate.RATES[below + 1] ** (x - below)
    assert (figure, rate) == ("accuracy", pytest.approx(5.0 * measured["largest_rate_plain"].values[0]))


@pytest.mark.parametrize("name", all_labs())
def test_nothing_is_drawn_of_a_prediction_that_is_no_number_or_was_not_made(name):
    lab = find(name)
    asked = isinstance(lab.prediction, Choice)
    assert marked(lab, as_claimed(lab), None) == []
    text = (
        next(iter(lab.prediction.options))
        if asked
        else ",".join(f"{item.low:g}" for item in lab.prediction.sliders)
    )
    assert (lab.guess(text) is None) == asked
    assert lab.guess("") is None


def test_a_prediction_is_scored_in_one_line():
    ratio = Estimate((Slider("times higher", 1.0, 1000.0, 3.0, factor=3.5, unit=" ×"),))
    assert ratio.score((2.818,), (10 / 3,)).sentence == "You said 2.8 ×; measured 3.3 ×: close enough."
    assert ratio.score((100.0,), (10 / 3,)).sentence == (
        "You said 100 ×; measured 3.3 ×: too high (within a factor of 3.5 is close enough)."
    )
    assert ratio.sliders[0].shown(2000.0) == "1,000 × or more"
    share = Slider("accuracy", 1.0, 100.0, 50.0, 1.5, " %", logarithmic=False, bounded=True)
    assert share.shown(100.0) == "100 %"


@pytest.mark.parametrize("slider", SLIDERS, ids=lambda item: item.label)
def test_no_two_stops_of_a_slider_look_alike(slider):
    assert len({slider.shown(value) for value in slider.notches}) == NOTCHES
