"""What a prediction may be and how it is told: the same on the page, for a class and in a handout."""

import numpy as np
import pytest

from bnviz.labs import all_labs
from bnviz.labs.predictions import NOTCHES, Choice, PredictionError, Slider

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
        (item,) = prediction.sliders
        assert prediction.words(text) == item.shown(item.low)
    with pytest.raises(PredictionError):
        prediction.words("no such answer")
