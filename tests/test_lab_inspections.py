"""What labs find out about trained networks, and what they conclude from it: regularizer, ensemble,
scale-invariance, whitening."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from bnviz.engine.build import build
from bnviz.engine.inspections import changed_images, companions, decorrelation, held_out, invariance
from bnviz.engine.network import generator
from bnviz.engine.trainer import Trainer
from bnviz.experiment import Experiment
from bnviz.figures.charts.correlation import correlation
from bnviz.figures.charts.generalization_gap import GeneralizationGap, generalization_gap
from bnviz.figures.charts.outputs_for_one_example import Answers, outputs_for_one_example
from bnviz.figures.frame.palette import WITH, WITHOUT
from bnviz.labs import find
from bnviz.labs.base import Result, Setting, View
from bnviz.labs.ensemble import by_size
from bnviz.labs.predictions import Choice
from bnviz.labs.scale_invariance import FACTORS
from bnviz.recording import CurvePoint, Recording
from bnviz.recording.outcome import Outcome
from bnviz.recording.snapshot import LAYER_COLUMNS
from bnviz.recording.statistics import mean_correlation
from tests.recordings import recording
from tests.test_changed_images import shifted
from tests.test_depth import measured as depth
from tests.test_effective_rate import measured as effective_rate
from tests.test_length_direction import parted

SMALL = Experiment(
    hidden=(12, 9), batch_size=40, steps=15, learning_rate=0.3, init="xavier", init_scale=1.0, device="cpu"
)
QUICK = Setting(quick=True, seeds=2)


def trained(**changes: object) -> Trainer:
    trainer = Trainer(SMALL.replace(**changes))
    trainer.advance(10)
    return trainer


def in_numpy(trainer: Trainer, x: np.ndarray) -> np.ndarray:
    """The network's scores for one mini-batch, by Algorithm 1 and sigmoids, in float64."""
    for block in trainer.network.hidden:
        x = x @ block.affine.weight.detach().double().numpy().T
        pair = block.normalizer.scale_and_shift()
        assert pair is not None
        gamma, beta = (item.detach().double().numpy() for item in pair)
        x = gamma * (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) + beta
        x = 1 / (1 + np.exp(-x))
    output = trainer.network.output
    return np.asarray(x @ output.weight.detach().double().numpy().T + output.bias.detach().double().numpy())


@pytest.mark.parametrize(
    "inspection",
    [
        changed_images.on_changed_images,
        companions.chances,
        held_out.probabilities,
        invariance.deviations,
        decorrelation.layer,
    ],
)
def test_an_inspection_leaves_no_trace_in_training(inspection: Any) -> None:
    looked_into, left_alone = (trained(normalizer="batch", dropout=0.2) for _ in range(2))
    inspection(looked_into)
    for after, expected in zip(looked_into.advance(5), left_alone.advance(5), strict=True):
        assert np.array_equal(after.layers, expected.layers, equal_nan=True)
    for name, value in left_alone.network.state_dict().items():
        assert torch.equal(looked_into.network.state_dict()[name], value), name


def test_an_example_among_companions_comes_out_as_algorithm_1_has_it() -> None:
    trainer = trained(normalizer="batch")
    found = companions.chances(trainer)["chances"]
    assert found.shape == (companions.BATCHES, companions.EXAMPLES)
    chance = generator(SMALL.seed, "companions")
    others, _ = trainer.train.batch(
        torch.randperm(len(trainer.train), generator=chance)[: SMALL.batch_size - 1]
    )
    test = trainer.recorder.test
    examples, labels = test.batch(test.spread(companions.EXAMPLES))
    for place in (0, companions.EXAMPLES - 1):
        scores = in_numpy(trainer, torch.cat([examples[place : place + 1], others]).double().numpy())[0]
        expected = np.exp(scores)[labels[place]] / np.exp(scores).sum()
        assert found[0, place] == pytest.approx(expected, abs=1e-5)


def test_companions_change_an_output_with_batch_norm_alone_and_dropout_does_it_too() -> None:
    spreads = {
        name: companions.chances(trained(**changes))["chances"].std(axis=0).mean()
        for name, changes in {
            "plain": {"normalizer": "none"},
            "bn": {"normalizer": "batch"},
            "dropout": {"normalizer": "none", "dropout": 0.5},
            "whole": {"normalizer": "batch", "batch_size": 4096},
        }.items()
    }
    assert spreads["plain"] < 1e-7
    assert spreads["bn"] > 1e-3
    assert spreads["dropout"] > 1e-3
    assert spreads["whole"] < 0.1 * spreads["bn"]


def test_probabilities_of_held_out_examples_give_the_recorded_accuracy() -> None:
    trainer = Trainer(SMALL)
    last = trainer.advance(SMALL.steps)[-1]
    found = held_out.probabilities(trainer)
    assert np.allclose(found["probabilities"].sum(axis=1), 1.0)
    right = (found["probabilities"].argmax(axis=1) == found["labels"]).mean()
    assert right == pytest.approx(next(item.accuracy for item in last.curves if item.split == "test"))


def test_errors_of_more_and_more_members_agree_with_counting_one_by_one() -> None:
    chance = np.random.default_rng(0)
    probabilities = chance.dirichlet(np.ones(4), (3, 50))
    labels = chance.integers(0, 4, 50)
    first, average = by_size(probabilities, labels)

    def wrong(members: tuple[int, ...]) -> float:
        count = 0
        for example in range(50):
            total = sum(probabilities[member, example] for member in members)
            count += int(max(range(4), key=lambda c: total[c]) != labels[example])
        return count / 50

    assert first == pytest.approx([wrong((0,)), wrong((0, 1)), wrong((0, 1, 2))])
    pairs = [wrong(pair) for pair in itertools.combinations(range(3), 2)]
    assert average[1] == pytest.approx(np.mean(pairs))
    assert average[2] == first[2]


@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
def test_the_identities_of_section_3_3_hold_to_nine_digits_on_a_live_network(activation: str) -> None:
    found = invariance.deviations(trained(normalizer="batch", activation=activation))
    assert found["exact"].shape == (2, len(FACTORS), 3)
    assert found["exact"].max() < 1e-9
    assert found["trained"].max() > 1e-6


def test_the_lab_and_its_inspection_use_the_same_factors() -> None:
    assert invariance.FACTORS == FACTORS


def test_without_batch_norm_the_outputs_grow_with_the_weights() -> None:
    trainer = Trainer(SMALL.replace(normalizer="none"))  # biases are still zero
    outputs_deviation = invariance.deviations(trainer)["exact"][0, :, 0]
    assert outputs_deviation == pytest.approx([abs(factor - 1) for factor in FACTORS])


def test_the_deviation_that_epsilon_makes_is_that_of_the_formula() -> None:
    trainer = Trainer(SMALL.replace(normalizer="batch"))
    found = invariance.deviations(trainer)["trained"][0, :, 0]
    inputs, _ = trainer.train.batch(trainer.train.spread(SMALL.batch_size))
    x = inputs.double().numpy() @ trainer.network.hidden[0].affine.weight.detach().double().numpy().T
    centered, variance = x - x.mean(0), x.var(0)
    then = centered / np.sqrt(variance + 1e-5)
    for place, a in enumerate(FACTORS):
        now = a * centered / np.sqrt(a**2 * variance + 1e-5)
        assert found[place] == pytest.approx(np.linalg.norm(now - then) / np.linalg.norm(then), rel=1e-6)


@pytest.mark.parametrize("inspection", [invariance.deviations, decorrelation.layer])
def test_convolutional_networks_are_refused_where_layers_of_units_are_meant(inspection: Any) -> None:
    trainer = Trainer(SMALL.replace(architecture="conv", hidden=(4,)))
    with pytest.raises(ValueError, match="architecture = 'conv'"):
        inspection(trainer)


def test_a_larger_first_layer_is_larger_by_that_factor_and_no_other_is() -> None:
    usual, large = (build(SMALL.replace(first_layer_scale=scale), (1, 8, 8), 10) for scale in (1.0, 10.0))
    for place, (one, other) in enumerate(zip(usual.hidden, large.hidden, strict=True)):
        assert torch.equal(other.affine.weight, one.affine.weight * (10.0 if place == 0 else 1.0))
    assert torch.equal(usual.output.weight, large.output.weight)


def test_whitening_takes_correlations_away_and_batch_norm_leaves_them() -> None:
    for normalizer, share in (("batch", (0.999, 1.001)), ("whiten", (0.0, 0.8))):
        found = decorrelation.layer(_without_timing(trained(normalizer=normalizer, batch_size=100)))
        low, high = share
        assert low <= mean_correlation(found["after"]) / mean_correlation(found["before"]) <= high


def test_a_mini_batch_varies_in_one_direction_less_than_it_has_examples() -> None:
    found = decorrelation.layer(trained(hidden=(50, 50)))
    assert found["rank"].tolist() == [min(size - 1, 50) for size in found["batches"]]


def test_a_network_of_infinite_weights_has_no_rank_and_no_correlation() -> None:
    trainer = trained()
    with torch.no_grad():
        trainer.network.hidden[0].affine.weight.fill_(torch.nan)
    found = decorrelation.layer(trainer)
    assert np.isnan(found["rank"]).all()
    assert np.isnan(mean_correlation(found["after"]))


def test_the_time_of_a_step_is_measured_for_every_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decorrelation, "WIDTHS", (5, 60))
    found = decorrelation.layer(trained(normalizer="whiten"))
    assert found["seconds"].shape == (3, 2)
    assert (found["seconds"] > 0).all()
    assert "seconds" not in decorrelation.layer(trained(normalizer="batch"))


def _without_timing(trainer: Trainer) -> Trainer:
    trainer.experiment = trainer.experiment.replace(normalizer="batch")
    return trainer


def ended(
    experiment: Experiment, train: tuple[float, float], test: tuple[float, float], gradient: float = 1.0
) -> Recording:
    """A recording that nobody trained, which ends with this loss and accuracy on either split."""
    made = recording(experiment, records=8)
    points = tuple(CurvePoint(split, *values, 360) for split, values in (("train", train), ("test", test)))
    snapshots = [replace(item, curves=points) for item in made.snapshots]
    snapshots[1] = replace(snapshots[1], step=1)  # always recorded
    for item in snapshots:
        item.layers[:, LAYER_COLUMNS.index("grad_norm")] = gradient
    return replace(made, snapshots=tuple(snapshots))


def regularized(experiment: Experiment, good: bool) -> Outcome:
    still = np.full((100, 12), 0.5)
    moved = still + 0.1 * np.random.default_rng(0).standard_normal(still.shape)
    whole = experiment.batch_size == experiment.train_examples
    normalizes = (experiment.normalizer == "batch" and not whole) == good
    made = ended(experiment, (0.01, 1.0), (0.4, 0.9) if normalizes else (1.0, 0.8))
    return Outcome(made, {"chances": moved if normalizes else still, "inference": still[0]})


def member(experiment: Experiment, good: bool) -> Outcome:
    """Members that err on examples of their own; or, where the claim is false, all on the same."""
    labels = np.arange(100) % 10
    place = experiment.seed // 100 if good else 0
    said = np.where(np.arange(100) // 10 == place, (labels + 1) % 10, labels)
    return Outcome(
        ended(experiment, (0.1, 1.0), (0.3, 0.9)),
        {"probabilities": np.eye(10, dtype=np.float32)[said], "labels": labels},
    )


def scaled(experiment: Experiment, good: bool) -> Outcome:
    normalizes = (experiment.normalizer == "batch") == good
    learned = normalizes or experiment.first_layer_scale == 1.0
    size = (3, len(FACTORS), 3)
    return Outcome(
        ended(experiment, (0.1, 0.95), (0.2, 0.95) if learned else (2.3, 0.1)),
        {"exact": np.full(size, 1e-14 if normalizes else 0.5), "trained": np.full(size, 1e-3)},
    )


def whitened(experiment: Experiment, good: bool) -> Outcome:
    found: dict[str, np.ndarray] = {
        "before": np.full((50, 50), 0.5),
        "after": np.full((50, 50), 0.1),
        "batches": np.array([10, 100]),
        "rank": np.array([9.0, 50.0]),
    }
    if experiment.normalizer == "whiten":
        costs = np.array([[1.0, 1.0], [1.0, 1.0], [2.0, 20.0]])
        found |= {"widths": np.array([25, 400]), "seconds": costs if good else costs[[2, 2, 1]]}
    return Outcome(ended(experiment, (0.1, 0.95), (0.2, 0.95)), found)


def smoothed(experiment: Experiment, good: bool) -> Outcome:
    size = 1.0 if (experiment.normalizer == "batch") == good else 5.0
    along = np.tile(np.linspace(0.25, 1.0, 4), (5, 1))
    found = {"steps": np.arange(5), "loss": np.ones(5), "losses": 1 + size * along}
    found |= {"change": size**2 * along, "distance": size * along}
    return Outcome(ended(experiment, (0.1, 0.95), (0.2, 0.95)), found)


MADE = {
    "regularizer": regularized,
    "ensemble": member,
    "scale-invariance": scaled,
    "whitening": whitened,
    "effective-rate": effective_rate,
    "depth": depth,
    "landscape": smoothed,
    "test-shift": shifted,
    "length-direction": parted,
}


def made(name: str, seeds: tuple[bool, ...]) -> Result:
    """A lab's result in which the claim is true in some seeds and turned round in the others."""
    lab, setting = find(name), Setting(quick=True, seeds=len(seeds))
    outcomes = [
        MADE[name](job.experiment, seeds[place % len(seeds)]) for place, job in enumerate(lab.jobs(setting))
    ]
    return lab.result(setting, outcomes)


@pytest.mark.parametrize("name", MADE)
def test_a_verdict_follows_what_was_measured(name: str) -> None:
    verdict = find(name).verdict
    assert verdict(made(name, (True, True, True))).holds is True
    assert verdict(made(name, (False, False))).holds is False
    assert verdict(made(name, (True, False))).holds is None


def test_a_control_whose_gap_is_as_narrow_leaves_the_explanation_by_random_mini_batches_unsupported() -> None:
    result = made("regularizer", (True, True))
    as_narrow = dict(result.outcomes) | {"one-batch": result.outcomes["bn"]}
    verdict = find("regularizer").verdict(result.replace(outcomes=as_narrow))
    assert verdict.holds is False
    assert verdict.word == "This run does not support the paper’s explanation"
    assert verdict.measured["gap_ratio"].median < 0.5
    assert verdict.measured["by_chance"].median == 0.0
    assert "explain 0 % of the narrower gap" in verdict.sentence
    assert "explain 100 % of the narrower gap" in find("regularizer").verdict(result).sentence


@pytest.mark.parametrize("name", MADE)
def test_a_prediction_is_told_whether_it_came_true(name: str) -> None:
    lab, result = find(name), made(name, (True, True))
    answer = lab.verdict(result).answer
    assert answer is not None
    if isinstance(lab.prediction, Choice):
        right: Any = answer
        wrong: Any = next(key for key in lab.prediction.options if key != answer)
    else:
        (slider,) = lab.prediction.sliders
        right, wrong = [min(max(float(answer[0]), slider.low), slider.high)], [slider.low]
    assert lab.score(right, result).right is True
    assert lab.score(wrong, result).right is False
    assert lab.score(wrong, result).sentence.startswith(("Not so. You said ", "You said "))


@pytest.mark.parametrize("name", MADE)
def test_nothing_is_concluded_from_networks_that_diverged(name: str) -> None:
    lab = find(name)

    def lost(outcome: Outcome) -> Outcome:
        nothing: Mapping[str, np.ndarray] = {
            key: value if key in ("labels", "widths", "batches") else np.full_like(value, np.nan, np.float64)
            for key, value in outcome.inspection.items()
        }
        return Outcome(replace(outcome.recording, diverged_at=5), nothing)

    result = made(name, (True, True))
    result = result.replace(outcomes={key: tuple(map(lost, seeds)) for key, seeds in result.outcomes.items()})
    assert lab.verdict(result).holds is not True
    assert lab.figures(result, View())


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("view", [View(), View(theme="dark", narrow=True, seed=1)], ids=str)
def test_figures_of_what_was_found_are_valid_and_say_it_in_words(name: str, view: View) -> None:
    for item in find(name).figures(made(name, (True, True)), view):
        type(item.figure)(item.figure.to_plotly_json())
        assert len(item.figure.layout.meta["alt"]) > 40
        assert "nothing yet" not in item.figure.layout.meta["alt"]


def test_a_gap_is_drawn_from_ring_to_dot_with_its_length_beside_it() -> None:
    figure = generalization_gap(
        [
            GeneralizationGap("plain", WITHOUT, np.array([1.0]), np.array([0.7])),
            GeneralizationGap("bn", WITH, np.array([np.nan]), np.array([np.nan])),
        ],
        title="T",
        subtitle="S",
        axis="accuracy",
        percent=True,
    )
    (line,) = figure.data
    assert np.allclose(line.y, [1.0, 0.7])
    assert "plain: 30.0 points" in figure.layout.meta["alt"]
    assert "bn: nothing yet" in figure.layout.meta["alt"]


def test_a_gap_is_as_long_whichever_side_is_higher() -> None:
    train, test = np.array([0.5, 0.9, 0.7]), np.array([0.7, 0.6, 0.9])
    figure = generalization_gap(
        [GeneralizationGap("bn", WITH, train, test)], title="T", subtitle="S", axis="accuracy", percent=True
    )
    assert "bn: 20.0 points" in figure.layout.meta["alt"]
    assert "20.0 points" in [note.text for note in figure.layout.annotations]


def test_outputs_show_every_mini_batch_and_their_range() -> None:
    chances = np.linspace(0.2, 0.8, 100)
    figure = outputs_for_one_example([Answers("bn", WITH, chances, 0.5)], title="T", subtitle="S")
    assert np.allclose(figure.data[1].y, chances)
    assert "from 20.0% to 80.0%" in figure.layout.meta["alt"]


def test_a_correlation_matrix_is_drawn_as_it_is_and_summed_up_off_its_diagonal() -> None:
    matrix = np.array([[1.0, -0.5], [-0.5, 1.0]])
    figure = correlation({"before": matrix, "after": np.eye(2)}, title="T", subtitle="S")
    assert np.allclose(figure.data[0].z, matrix)
    assert "before: 0.5; after: 0." in figure.layout.meta["alt"]
