"""The lab length-direction: the small problem against SciPy and plain sums, and a verdict that follows from it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize
from scipy.special import expit

from bnviz.engine.inspections.halfspace import INPUTS, STEPS, Halfspace, counted_and_decoupled, solved
from bnviz.engine.trainer import Trainer
from bnviz.experiment import Experiment
from bnviz.labs import find
from bnviz.labs.base import Result, Setting
from bnviz.recording.outcome import Outcome
from tests.test_labs import invented

TIMES = np.arange(STEPS + 1)


def parted(experiment: Experiment, good: bool) -> Outcome:
    """γ and β learn and two weights do not, and the direction comes exponentially; or all of it turned round."""
    learns = experiment.trainable in (
        ("normalizer", "output", "all") if good else ("two-weights", "output", "all")
    )
    found = {"parameters": 10_000.0, "learned": 100.0}
    if experiment.trainable == "normalizer":
        distance = 0.8**TIMES if good else 1.0 / (1.0 + TIMES)
        found |= {"distance": distance, "promised": 0.83**TIMES, "apart": distance, "together": 0.9**TIMES}
    return Outcome(invented(experiment, "good" if learns else "failed"), found)


@pytest.fixture
def problem() -> Halfspace:
    return Halfspace.drawn(3)


def start(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(INPUTS)


def test_loss_and_gradient_are_those_of_a_large_sample_and_of_finite_differences(problem: Halfspace) -> None:
    v = 0.7 * start()
    u = np.random.default_rng(0).multivariate_normal(problem.mean, problem.covariance, 400_000)
    assert problem.loss(v) == pytest.approx(np.logaddexp(0, u @ v).mean(), rel=0.01)
    np.testing.assert_allclose(problem.gradient(v), u.T @ expit(u @ v) / len(u), atol=0.01)
    np.testing.assert_allclose(problem.gradient(v), approx_fprime(v, problem.loss, 1e-7), atol=1e-6)
    np.testing.assert_allclose(problem.second, u.T @ u / len(u), atol=0.02)


def test_the_best_direction_is_where_a_general_minimizer_ends(problem: Halfspace) -> None:
    found = minimize(
        problem.loss, np.zeros(INPUTS), jac=problem.gradient, method="BFGS", options={"gtol": 1e-10}
    )
    mine = np.linalg.solve(problem.second, problem.mean)
    cosine = -found.x @ mine / np.linalg.norm(found.x) / np.linalg.norm(mine)
    assert cosine == pytest.approx(1.0, abs=1e-9)
    least = solved(problem, start())
    assert least["apart"][-1] == pytest.approx(0.0, abs=1e-9)
    assert problem.quotient(found.x) == pytest.approx(problem.quotient(mine), abs=1e-9)


def test_a_turn_is_a_step_of_gradient_descent_on_the_loss_with_the_length_apart(problem: Halfspace) -> None:
    """The step size of Algorithm 1 of Kohler et al.: −‖w‖³/(L·g·h), h = (E φ′ − E φ″·mᵀv)·wᵀm."""
    w, g, second = -start(4), 1.7, problem.second
    w = w if w @ problem.mean < 0 else -w
    length = np.sqrt(w @ second @ w)

    def loss(direction: np.ndarray) -> float:
        return problem.loss(g * direction / np.sqrt(direction @ second @ direction))

    slope = expit(problem.inner(g * w / length))
    weights = np.polynomial.hermite_e.hermegauss(80)[1]
    first, curvature = (float(weights @ item / weights.sum()) for item in (slope, slope * (1 - slope)))
    h = (first - curvature * g * (problem.mean @ w) / length) * (w @ problem.mean)
    largest = np.linalg.eigvalsh(second)[-1]
    expected = w + length**3 / (largest * g * h) * approx_fprime(w, loss, 1e-7)
    np.testing.assert_allclose(problem.turned(w, largest), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_the_direction_stays_below_the_bound_and_falls_by_a_like_factor_in_every_step(seed: int) -> None:
    found = solved(Halfspace.drawn(seed), start(seed))
    distance, promised = found["distance"], found["promised"]
    assert (distance <= promised + 1e-12).all()
    assert promised[1] == pytest.approx((1 - 1 / found["condition"]) ** 2)
    early = distance[20:61]
    assert np.corrcoef(np.arange(41), np.log(early))[0, 1] < -0.99
    assert (found["apart"] > -1e-12).all()
    assert found["together"][-1] < 1e-6


def test_only_the_network_in_which_gamma_and_beta_learn_alone_brings_the_small_problem() -> None:
    small = Experiment(hidden=(12, 9), steps=5)
    assert set(counted_and_decoupled(Trainer(small))) == {"parameters", "learned"}
    found = counted_and_decoupled(Trainer(small.replace(trainable="normalizer")))
    assert found["learned"] == 2 * (12 + 9)
    assert "distance" in found


def result_of(good: bool = True, **changes: np.ndarray) -> Result:
    lab, setting = find("length-direction"), Setting(quick=True)
    outcomes = [parted(job.experiment, good) for job in lab.jobs(setting)]
    found = [
        Outcome(item.recording, dict(item.inspection) | changes) if "distance" in item.inspection else item
        for item in outcomes
    ]
    return lab.result(setting, found)


def test_verdicts_for_networks_and_problems_for_which_the_claim_is_false() -> None:
    verdict = find("length-direction").verdict
    assert verdict(result_of()).holds is True
    assert verdict(result_of(distance=1.0 / (1.0 + TIMES))).holds is False  # no exponential rate
    assert verdict(result_of(promised=0.5**TIMES)).holds is False
    result = result_of()
    alike = dict(result.outcomes) | {"two-weights": result.outcomes["output"]}
    assert verdict(result.replace(outcomes=alike)).holds is False  # as many weights do as well
    unknown = verdict(result_of(distance=np.full(STEPS + 1, np.nan)))
    assert (unknown.holds, unknown.answer) == (None, None)
