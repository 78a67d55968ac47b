"""The labs' setting on images: Section 4.2 at the size of a laptop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bnviz.experiment import Experiment
from bnviz.labs import all_labs
from bnviz.labs.base import Setting
from bnviz.labs.ensemble import errors, interval
from bnviz.runs import cost

IMAGES = Setting(images=True)
WITH_IMAGES = sorted(name for name, lab in all_labs().items() if lab.images)


def experiments(name: str) -> dict[str, Experiment]:
    return {arm.name: arm.experiment for arm in all_labs()[name].arms(IMAGES)}


def test_the_labs_of_section_4_2_have_images() -> None:
    assert WITH_IMAGES == ["ensemble", "fewer-steps", "regularizer", "saturation"]
    with pytest.raises(ValueError, match="images = True is not allowed"):
        all_labs()["placement"].jobs(IMAGES)


@pytest.mark.parametrize("name", WITH_IMAGES)
def test_images_are_learned_by_an_inception_network_once_each(name: str) -> None:
    arms = experiments(name)
    assert {(arm.dataset, arm.architecture) for arm in arms.values()} == {("fashion-mnist", "inception")}
    assert len(all_labs()[name].jobs(IMAGES)) == len(arms)
    assert len(all_labs()[name].jobs(Setting(images=True, seeds=3))) == 3 * len(arms)


@pytest.mark.parametrize("name", WITH_IMAGES)
def test_every_figure_is_drawn_before_there_is_anything_to_see(name: str) -> None:
    from bnviz.labs.base import View

    lab = all_labs()[name]
    for drawing in lab.figures(lab.nothing_yet(IMAGES), View()):
        assert drawing.figure.data or drawing.figure.layout.annotations
        assert drawing.caption


def test_the_arms_of_figure_2_have_the_papers_rates_and_mini_batch() -> None:
    arms = experiments("fewer-steps")
    assert {name: round(arm.learning_rate, 6) for name, arm in arms.items()} == {
        "plain": 0.0015,
        "bn": 0.0015,
        "bn-x5": 0.0075,
        "bn-x30": 0.045,
        "bn-x5-sigmoid": 0.0075,
        "plain-x5": 0.0075,
    }
    assert {arm.batch_size for arm in arms.values()} == {32}


def test_the_members_of_the_ensemble_differ_as_the_papers_do() -> None:
    members = experiments("ensemble").values()
    assert len({member.init_scale for member in members}) == 6
    assert {member.dropout for member in members} == {0.05, 0.1}
    assert sorted(member.per_activation for member in members) == [0, 0, 0, 1, 1, 1]
    assert len({(member.dropout, member.per_activation) for member in members}) == 4


def test_times_are_told_that_a_laptop_can_keep() -> None:
    for name in WITH_IMAGES:
        seconds = cost.seconds(all_labs()[name].jobs(IMAGES), workers=2)
        assert 60 < seconds < 360, name


def test_the_interval_of_an_ensemble_is_that_of_drawing_examples_again() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, 400)
    scores = np.eye(4)[labels] + rng.normal(0, 0.9, (5, 400, 4))
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=2, keepdims=True)
    low, high = interval(probabilities, labels)
    ratios = []
    members = (probabilities.argmax(axis=2) != labels).mean(axis=0)
    together = probabilities.mean(axis=0).argmax(axis=1) != labels
    for _ in range(4000):
        again = rng.integers(0, 400, 400)
        ratios.append(members[again].mean() / together[again].mean())
    expected = np.quantile(ratios, (0.025, 0.975))
    np.testing.assert_allclose((low, high), expected, rtol=0.05)
    assert low < errors(probabilities[:1], labels) / errors(probabilities, labels) < high or low > 1


def test_an_ensemble_without_errors_has_no_interval() -> None:
    labels = np.arange(4)
    assert all(map(math.isnan, interval(np.eye(4)[np.newaxis, labels], labels)))


def test_a_guess_of_three_is_wrong_where_the_right_class_is_the_least_likely() -> None:
    probabilities = np.array([[[0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]]])
    assert errors(probabilities, np.array([3, 0]), guesses=3) == 1.0
    assert errors(probabilities, np.array([2, 1]), guesses=3) == 0.0
    assert errors(probabilities, np.array([0, 1]), guesses=1) == 0.5
