"""The backward pass through every normalizer by statistics: formulas against autograd and finite differences."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bnviz.engine.inspections.layer_backward import backward
from bnviz.engine.trainer import Trainer
from bnviz.experiment import Experiment
from bnviz.layer.backward_of_set import BackwardOfSet, dx_in_one_line, of_gamma_and_beta, set_pass
from bnviz.layer.captured import SharedBatch
from bnviz.layer.gradients import HEADS
from bnviz.layer.traits import TRAITS
from bnviz.layer.walk_of_unit import LINES_OF_RENORM, OF_ONE_UNIT, walk_of_unit
from tests.test_inside import RAISED, expression

SMALL = Experiment(
    hidden=(12, 10),
    batch_size=20,
    steps=60,
    learning_rate=0.3,
    activation="tanh",
    groups=2,
    ghost_batch=3,
    renorm_start=2,
)
SETS = {
    "batch": 7,
    "ghost-batch": 3,
    "layer": 10,
    "group": 5,
    "rms": 10,
    "mean-only": 7,
    "variance-only": 7,
    "batch-renorm": 7,
}
"""How many values share their statistics in layer 2 with 7 examples, by what each paper says."""


@pytest.fixture(scope="module", params=SETS)
def batch(request: pytest.FixtureRequest) -> SharedBatch:
    trainer = Trainer(SMALL.replace(normalizer=request.param))
    trainer.advance(25)
    return backward(trainer, layer=2, examples=7, example=2, unit=6)


def test_a_set_has_as_many_values_as_the_paper_says(batch: SharedBatch) -> None:
    assert len(set_pass(batch, 2, 6).x) == SETS[batch.normalizer]


def test_the_formulas_give_what_the_normalizers_own_module_and_autograd_do(batch: SharedBatch) -> None:
    for example in range(1, 8):
        for unit in range(1, 11):
            found = set_pass(batch, example, unit)
            own = batch.ids[example - 1, unit - 1]
            theirs = batch.gradients
            close = {"rtol": 1e-9, "atol": 1e-13}
            np.testing.assert_allclose(found.dx, theirs.x.ravel()[found.places], **close)
            np.testing.assert_allclose(dx_in_one_line(batch, found), found.dx, **close)
            np.testing.assert_allclose(found.dx_hat, theirs.x_hat.ravel()[found.places], **close)
            np.testing.assert_allclose(found.dvariance, theirs.variance[own], **close)
            np.testing.assert_allclose(found.dmean, theirs.mean[own], **close)
            y = batch.gamma[unit - 1] * (
                batch.correction.r[unit - 1] * found.x_hat[found.at] + batch.correction.d[unit - 1]
            )
            np.testing.assert_allclose(y + batch.beta[unit - 1], batch.y[example - 1, unit - 1], **close)


def test_gamma_and_beta_get_what_autograd_gives_them(batch: SharedBatch) -> None:
    traits = TRAITS[batch.normalizer]
    for unit in range(1, 11):
        gamma, beta = of_gamma_and_beta(batch, unit)
        if traits.scaled:
            np.testing.assert_allclose(gamma, batch.gradients.gamma[unit - 1], rtol=1e-9, atol=1e-13)
        if traits.shifted:
            np.testing.assert_allclose(beta, batch.gradients.beta[unit - 1], rtol=1e-9, atol=1e-13)


def test_finite_differences_say_the_same(batch: SharedBatch) -> None:
    found, own = set_pass(batch, 2, 6), batch.nudged
    gamma, beta = of_gamma_and_beta(batch, 6)
    traits = TRAITS[batch.normalizer]
    close = {"rtol": 2e-6, "atol": 1e-9}
    np.testing.assert_allclose(own.x, found.dx, **close)
    np.testing.assert_allclose(own.x_hat, found.dx_hat, **close)
    if traits.divides:
        np.testing.assert_allclose(own.variance, found.dvariance, **close)
    if traits.subtracts:
        np.testing.assert_allclose(own.mean, found.dmean, **close)
    if traits.scaled:
        np.testing.assert_allclose(own.gamma, gamma, **close)
    if traits.shifted:
        np.testing.assert_allclose(own.beta, beta, **close)


def test_a_row_for_each_gradient_that_there_is_with_two_checks(batch: SharedBatch) -> None:
    shown, traits = BackwardOfSet(batch, 2, 6), TRAITS[batch.normalizer]
    rows = [*shown.gradients(), shown.in_one_line()]
    expected = (
        2 + traits.divides + (traits.subtracts or (traits.around_mean and traits.divides)) + traits.scaled
    )
    assert len(rows) == expected + traits.shifted + 1
    for row in rows:
        assert len(row) == len(HEADS)
        assert row[0].startswith('<span class="bnviz-spoken">gradient for ')
        assert "<math" in row[0]
        for apart in (row[3], row[5]):
            assert (
                float(re.sub(r" × 10", "e", apart).translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻−", "0123456789--")))
                < 1e-6
            )
    heads, terms = shown.terms()
    assert {len(row) for row in terms} == {len(heads)}
    assert f"sum of {SETS[batch.normalizer]}" in terms[-1][0]


def test_the_numbers_filled_into_the_formulas_give_the_values_beside_them(batch: SharedBatch) -> None:
    shown, found = BackwardOfSet(batch, 2, 6), set_pass(batch, 2, 6)
    rows = [*shown.gradients(), shown.in_one_line()]
    largest = float(np.abs(found.dx_hat).max()) / found.root
    evaluated = 0
    for row in rows:
        formula, *filled = re.findall(r"<math.*?</math>", row[0])
        if not filled:
            continue
        digits, _, power = row[1].replace("−", "-").translate(RAISED).partition(" × 10")
        value = float(digits) * 10.0 ** int(power or 0)
        terms = expression(ElementTree.fromstring(filled[0])).removeprefix("≈")
        absolute = 1e-3 * largest if "gradient for x<" in row[0] else 0.0
        assert eval(terms) == pytest.approx(value, rel=1e-3, abs=max(absolute, 1e-12)), (formula, terms)
        evaluated += 1
    assert evaluated >= len(rows) - 1  # mean only: ∂ℓ/∂x̂ is ∂ℓ/∂y


def test_the_values_of_a_set_are_counted_by_what_tells_them_apart(batch: SharedBatch) -> None:
    expected = {
        "ghost-batch": ("example", [4, 5, 6, 7]),
        "layer": ("unit", list(range(1, 11))),
        "rms": ("unit", list(range(1, 11))),
        "group": ("unit", [6, 7, 8, 9, 10]),
    }
    thing, numbers = BackwardOfSet(batch, 5, 6).numbers
    assert (thing, numbers.tolist()) == expected.get(batch.normalizer, ("example", list(range(1, 8))))


def test_before_its_correction_begins_batch_renormalization_says_that_it_is_plain() -> None:
    trainer = Trainer(SMALL.replace(normalizer="batch-renorm", renorm_start=50))
    trainer.advance(25)
    walk = walk_of_unit(backward(trainer, 2, 7, 5, 4), 5, 4, "Batch renormalization")
    assert [part["title"] for part in walk["lines"] if "still r = 1 and d = 0" in part["words"]] == ["r", "d"]
    assert cells(walk, "corrected") == cells(walk, "x_hat")


def test_layer_normalizations_gradient_is_torchs() -> None:
    trainer = Trainer(SMALL.replace(normalizer="layer"))
    trainer.advance(25)
    batch = backward(trainer, layer=2, examples=7, example=1, unit=1)
    x = torch.tensor(batch.x, requires_grad=True)
    y = F.layer_norm(x, (10,), torch.tensor(batch.gamma), torch.tensor(batch.beta), batch.epsilon)
    (theirs,) = torch.autograd.grad(y, x, torch.tensor(batch.dy))
    for example in range(1, 8):
        np.testing.assert_allclose(set_pass(batch, example, 1).dx, theirs[example - 1], rtol=1e-9, atol=1e-14)


def test_a_constant_set_has_no_gradient_beyond_its_mean() -> None:
    """Where all values of a set agree, moving one moves the mean; x̂ stays near 0 and ε keeps the divisor from it."""
    trainer = Trainer(SMALL.replace(normalizer="layer", init="zeros"))
    batch = backward(trainer, layer=1, examples=3, example=1, unit=1)
    found = set_pass(batch, 1, 1)
    assert found.variance == 0
    np.testing.assert_allclose(found.dx, batch.gradients.x[0], rtol=1e-9, atol=1e-14)


def test_a_normalizer_without_statistics_of_activations_is_refused() -> None:
    with pytest.raises(ValueError, match="normalizer = 'weight' is not allowed here"):
        backward(Trainer(SMALL.replace(normalizer="weight")), 1, 3, 1, 1)


def cells(walk: dict, name: str) -> list[float]:
    place = [column["name"] for column in walk["columns"]].index(name)
    return [float(row[place].replace("−", "-")) for row in walk["cells"]]


@pytest.mark.parametrize("normalizer", OF_ONE_UNIT)
def test_the_lines_of_one_unit_end_in_what_the_normalizers_own_module_gives(normalizer: str) -> None:
    trainer = Trainer(SMALL.replace(normalizer=normalizer))
    trainer.advance(25)
    batch = backward(trainer, layer=2, examples=7, example=5, unit=4)
    walk = walk_of_unit(batch, 5, 4, normalizer)
    members = walk["members"]
    assert members == ([3, 4, 5, 6] if normalizer == "ghost-batch" else list(range(7)))
    assert len(walk["lines"]) <= LINES_OF_RENORM
    np.testing.assert_allclose(cells(walk, "y"), batch.y[members, 3], atol=6e-4)
    np.testing.assert_allclose(cells(walk, "x"), batch.x[members, 3], atol=6e-3)
    if normalizer == "batch-renorm":
        assert len(walk["lines"]) == LINES_OF_RENORM
        unclipped = (batch.x[:, 3] - batch.correction.mean[3]) / batch.correction.std[3]
        inside = 1 / batch.correction.most_r < batch.correction.r[3] < batch.correction.most_r
        if inside and abs(batch.correction.d[3]) < batch.correction.most_d:
            np.testing.assert_allclose(cells(walk, "corrected"), unclipped, atol=6e-3)
    for part in walk["lines"]:
        assert "<math" in part["formula"]
        assert "<math" in part["filled"]
