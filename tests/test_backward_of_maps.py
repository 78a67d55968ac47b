"""Feature maps on the page Inside: the backward pass and the lines, against torch's own layers and differences."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from bnviz.engine.inspections.layer_backward import backward
from bnviz.engine.trainer import Trainer
from bnviz.experiment import Experiment
from bnviz.layer.backward_of_set import BackwardOfSet, dx_in_one_line, of_gamma_and_beta, set_pass
from bnviz.layer.captured import SharedBatch
from bnviz.layer.traits import TRAITS
from bnviz.layer.walk_of_maps import lines_of_maps, walk_of_maps
from tests.test_inside_page import asked, page  # noqa: F401

MAPS = Experiment(
    architecture="conv",
    hidden=(4, 6),
    batch_size=20,
    steps=60,
    learning_rate=0.3,
    activation="tanh",
    groups=2,
    ghost_batch=3,
    renorm_start=2,
)
EXAMPLES, CHANNELS, POSITIONS = 5, 6, 16
EXAMPLE, CHANNEL, POSITION = 2, 5, 7
SETS = {
    "batch": EXAMPLES * POSITIONS,
    "ghost-batch": 3 * POSITIONS,
    "layer": CHANNELS * POSITIONS,
    "group": 3 * POSITIONS,
    "instance": POSITIONS,
    "rms": CHANNELS * POSITIONS,
    "mean-only": EXAMPLES * POSITIONS,
    "variance-only": EXAMPLES * POSITIONS,
    "batch-renorm": EXAMPLES * POSITIONS,
}
"""How many values share their statistics in layer 2, by what each paper says; ghosts are of 3 and 2."""
TORCH: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "batch": lambda x, gamma, beta: F.batch_norm(x, None, None, gamma, beta, True),
    "layer": lambda x, gamma, beta: F.group_norm(x, 1, gamma, beta),
    "group": lambda x, gamma, beta: F.group_norm(x, 2, gamma, beta),
    "instance": lambda x, gamma, beta: F.instance_norm(x, weight=gamma, bias=beta),
}
CLOSE = {"rtol": 1e-9, "atol": 1e-14}


def inspected(name: str, **changes: object) -> SharedBatch:
    trainer = Trainer(MAPS.replace(normalizer=name, **changes))
    trainer.advance(25)
    return backward(trainer, 2, EXAMPLES, EXAMPLE, CHANNEL, POSITION)


@pytest.fixture(scope="module", params=TRAITS)
def batch(request: pytest.FixtureRequest) -> SharedBatch:
    return inspected(request.param)


def test_a_set_of_feature_maps_has_as_many_values_as_the_paper_says(batch: SharedBatch) -> None:
    assert batch.x.shape == (EXAMPLES, CHANNELS, 4, 4)
    assert len(set_pass(batch, EXAMPLE, CHANNEL, POSITION).x) == SETS[batch.normalizer]


def test_the_formulas_are_autograd_at_every_value(batch: SharedBatch) -> None:
    theirs, seen = batch.gradients, np.zeros(batch.x.size, bool)
    for place in range(batch.x.size):
        if seen[place]:
            continue
        example, channel, row, column = np.unravel_index(place, batch.x.shape)
        found = set_pass(batch, example + 1, channel + 1, row * 4 + column + 1)
        assert found.places[found.at] == place
        seen[found.places] = True
        own = batch.ids.flat[place]
        np.testing.assert_allclose(found.dx, theirs.x.ravel()[found.places], **CLOSE)
        np.testing.assert_allclose(dx_in_one_line(batch, found), found.dx, **CLOSE)
        np.testing.assert_allclose(found.dx_hat, theirs.x_hat.ravel()[found.places], **CLOSE)
        np.testing.assert_allclose(found.dvariance, theirs.variance[own], **CLOSE)
        np.testing.assert_allclose(found.dmean, theirs.mean[own], **CLOSE)
    for channel in range(1, CHANNELS + 1):
        gamma, beta = of_gamma_and_beta(batch, channel)
        if TRAITS[batch.normalizer].scaled:
            np.testing.assert_allclose(gamma, theirs.gamma[channel - 1], **CLOSE)
        if TRAITS[batch.normalizer].shifted:
            np.testing.assert_allclose(beta, theirs.beta[channel - 1], **CLOSE)


def test_finite_differences_say_the_same_wherever_the_loss_has_a_slope(batch: SharedBatch) -> None:
    found, own, traits = set_pass(batch, EXAMPLE, CHANNEL, POSITION), batch.nudged, TRAITS[batch.normalizer]
    close = {"rtol": 2e-6, "atol": 1e-9}
    assert found.at in batch.nudged_at
    np.testing.assert_allclose(own.x, found.dx[batch.nudged_at], **close)
    np.testing.assert_allclose(own.x_hat, found.dx_hat[batch.nudged_at], **close)
    gamma, beta = of_gamma_and_beta(batch, CHANNEL)
    expected = {
        "variance": (traits.divides, found.dvariance),
        "mean": (traits.subtracts, found.dmean),
        "gamma": (traits.scaled, gamma),
        "beta": (traits.shifted, beta),
    }
    for name, (there, value) in expected.items():
        if there:
            np.testing.assert_allclose(getattr(own, name), value, **close)


@pytest.mark.parametrize("name", TORCH)
def test_outputs_and_gradients_are_those_of_torchs_own_layer(name: str) -> None:
    batch = inspected(name)
    x, gamma, beta = (torch.tensor(item, requires_grad=True) for item in (batch.x, batch.gamma, batch.beta))
    y = TORCH[name](x, gamma, beta)
    np.testing.assert_allclose(y.detach(), batch.y, rtol=1e-9, atol=1e-12)
    dx, dgamma, dbeta = torch.autograd.grad(y, [x, gamma, beta], torch.tensor(batch.dy))
    for example in range(EXAMPLES):
        for channel in range(CHANNELS):
            found = set_pass(batch, example + 1, channel + 1)
            np.testing.assert_allclose(found.dx, dx.numpy().ravel()[found.places], **CLOSE)
    mine = [of_gamma_and_beta(batch, channel) for channel in range(1, CHANNELS + 1)]
    np.testing.assert_allclose(np.array(mine).T, np.stack([dgamma, dbeta]), **CLOSE)


def test_of_a_large_set_some_values_are_nudged_and_ties_of_pooling_are_left_out() -> None:
    """A channel that is the same everywhere has equal neighbours, between which max pooling has a kink."""
    trainer = Trainer(MAPS.replace(normalizer="layer", hidden=(4, 6)))
    with torch.no_grad():
        trainer.network.hidden[0].affine.weight[2] = 0.0
    batch = backward(trainer, 1, EXAMPLES, EXAMPLE, 1, 20)
    found, shown = set_pass(batch, EXAMPLE, 1, 20), BackwardOfSet(batch, EXAMPLE, 1, 20)
    assert len(batch.nudged_at) in (128, 129)
    assert len(found.x) == 4 * 64
    compared = found.dx[batch.nudged_at] - batch.nudged.x
    flat = batch.units(found.places)[batch.nudged_at] == 2
    assert shown.kinks == flat.sum() > 0
    np.testing.assert_array_equal(np.isnan(compared), flat)
    assert np.abs(compared[~flat]).max() < 1e-8
    assert "–" not in shown.gradients()[3]
    assert BackwardOfSet(batch, EXAMPLE, 3, 20).in_one_line()[4:] == ["–", shown.in_one_line()[5]]


def test_the_lines_end_in_what_the_normalizers_own_module_gives(batch: SharedBatch) -> None:
    walk = walk_of_maps(batch, EXAMPLE, CHANNEL, POSITION, "It")
    titles = [part["title"] for part in walk["lines"]]
    traits = TRAITS[batch.normalizer]
    assert len(titles) == lines_of_maps(traits)
    assert ("mean" in titles, "plus β" in titles) == (traits.around_mean, traits.shifted)
    heads = [column["name"] for column in walk["columns"]]
    found = set_pass(batch, EXAMPLE, CHANNEL, POSITION)
    shown = [float(row[heads.index("y")].replace("−", "-")) for row in walk["cells"][:12]]
    first = batch.y.ravel()[found.places[: len(shown)]]
    followed = walk["names"].index({"name": "2, ch. 5 (2, 3)", "picture": None})
    if followed == 11:
        first[11] = batch.y[1, 4, 1, 2]
    np.testing.assert_allclose(shown, first, atol=6e-4)
    assert walk["inputs"][1][walk["units"].index(CHANNEL)] == walk["cells"][followed][0]
    assert {len(row) for row in walk["cells"]} == {len(heads)}
    known = set()
    for part in walk["lines"]:
        assert set(part["used"]) <= known | {"gamma", "beta"}
        known |= {*part["made"], "scaled"}
        assert re.search("NaN|nan|inf", part["filled"]) is None
    assert {*heads, *(item["name"] for item in walk["statistics"])} <= known | {"gamma", "beta"}


@pytest.mark.parametrize("section", ["arithmetic", "gradients"])
@pytest.mark.parametrize("name", ["batch", "layer", "group", "instance"])
def test_the_page_shows_feature_maps_of_a_network_trained_so(asked, section, name):  # noqa: F811
    named = {"arithmetic": "lines_of", "gradients": "backward_of"}[section]
    query = {"step": "10", "maps": "true", "example": "3", "map_layer": "2", "channel": "11", "position": "6"}
    query |= {"section": section} if section == "gradients" else {}
    query |= {named: name} if name != "batch" else {}
    app = page(**query)
    assert not app.exception
    assert [item.value for item in (*app.warning, *app.error, *app.info)] == []
    network = asked[-1][0]
    assert (network.architecture, network.normalizer) == ("conv", name)
    assert app.query_params == query
    app = page(**(query | {"position": "900"}))
    assert not app.exception
    assert ["position = 900" in item.value for item in app.error] == [True]


def test_instance_normalization_asks_for_feature_maps_and_points_have_none(asked):  # noqa: F811
    for section, named in (("arithmetic", "lines_of"), ("gradients", "backward_of")):
        app = page(section=section, **{named: "instance"})
        assert not app.exception
        assert ["Choose feature maps" in item.value for item in app.info] == [True]
        app = page(section=section, dataset="moons", maps="true")
        assert ["no feature maps" in item.value for item in app.info] == [True]
    assert not asked
