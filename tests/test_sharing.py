"""Which values share their statistics: sets, words, arithmetic, and the section of the page "Inside"."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bnviz.engine.inspections.sharing import sharing
from bnviz.engine.trainer import Trainer
from bnviz.experiment import Experiment
from bnviz.experiment.knob import NORMALIZERS
from bnviz.experiment.normalization import BY_STATISTICS as COMPARED
from bnviz.layer.captured import SharedValues
from bnviz.layer.sharing import MOST_FEATURES, by_hand, content, in_words, miss
from bnviz.ui.inside import view
from tests.test_inside_page import asked, page  # noqa: F401 - a fixture

UNITS = Experiment(hidden=(12, 10), batch_size=20, steps=40)
MAPS = UNITS.replace(architecture="conv", hidden=(6, 4), init="kaiming", init_scale=1.0)
SYMBOLS = dict.fromkeys(COMPARED, "σ")
TORCHS = {
    "batch": lambda x: F.batch_norm(x, None, None, training=True),
    "layer": lambda x: F.layer_norm(x, x.shape[1:]),
    "group": lambda x: F.group_norm(x, 2),
    "instance": F.instance_norm,
    "rms": lambda x: F.rms_norm(x, x.shape[1:], eps=1e-5),
    "ghost-batch": lambda x: torch.cat(
        [F.batch_norm(part, None, None, training=True) for part in x.split(4)]
    ),
    "mean-only": lambda x: x - x.transpose(0, 1).flatten(1).mean(1).view(1, -1, *[1] * (x.dim() - 2)),
    "variance-only": lambda x: F.batch_norm(x, None, None, training=True) + _shift(x),
}


def _shift(x: torch.Tensor) -> torch.Tensor:
    """μ/√(σ² + ε), which a division alone leaves in."""
    rows = x.transpose(0, 1).flatten(1)
    left = rows.mean(1) / torch.sqrt(rows.var(1, unbiased=False) + 1e-5)
    return left.view(1, -1, *[1] * (x.dim() - 2))


def values(experiment: Experiment, *names: str) -> SharedValues:
    trainer = Trainer(experiment)
    trainer.advance(10)
    return sharing(trainer, layer=2, examples=8, names=names, groups=2, ghost_batch=4)


@pytest.fixture(scope="module")
def units() -> SharedValues:
    return values(UNITS, *(name for name in COMPARED if name != "instance"))


@pytest.fixture(scope="module")
def maps() -> SharedValues:
    return values(MAPS, *COMPARED)


@pytest.mark.parametrize("name", COMPARED)
def test_the_arithmetic_of_the_sets_is_torchs_own_normalizer(name, units, maps):
    for found in (units, maps):
        if name in found.by:
            own = found.by[name]
            expected = TORCHS[name](torch.from_numpy(found.x)).numpy()
            np.testing.assert_allclose(by_hand(found.x, own), expected, atol=1e-9)
            assert miss(found.x, own) < 1e-9


@pytest.mark.parametrize("name", COMPARED)
def test_a_value_that_does_not_share_changes_nothing_and_one_that_shares_does(name, maps):
    """Found without the sets: nudge one value, and see which outputs of torch's own normalizer move."""
    x = torch.from_numpy(maps.x.copy())
    before = TORCHS[name](x)
    x[3, 2, 1, 1] += 0.5
    moved = (TORCHS[name](x) - before).abs().numpy() > 1e-12
    moved[3, 2, 1, 1] = True
    ids = maps.by[name].ids
    np.testing.assert_array_equal(moved, ids == ids[3, 2, 1, 1])


@pytest.mark.parametrize(
    ("name", "of_maps", "of_units"),
    [
        ("batch", "channel 3 of all 8 examples at all 16 positions", "unit 3 of all 8 examples"),
        ("layer", "all 4 channels of example 4 at all 16 positions", "all 10 units of example 4"),
        ("rms", "all 4 channels of example 4 at all 16 positions", "all 10 units of example 4"),
        ("group", "channels 3 to 4 of example 4 at all 16 positions", "units 1 to 5 of example 4"),
        ("instance", "channel 3 of example 4 at all 16 positions", ""),
        ("ghost-batch", "channel 3 of examples 1 to 4 at all 16 positions", "unit 3 of examples 1 to 4"),
    ],
)
def test_a_set_is_told_in_words(name, of_maps, of_units, maps, units):
    for found, words in ((maps, of_maps), (units, of_units)):
        if words:
            ids = found.by[name].ids
            assert in_words(found.x, ids == ids[(3, 2, *[0] * (found.x.ndim - 2))]) == words


def test_what_the_browser_gets_is_the_mini_batch_and_its_sets(maps):
    sent = content(maps, NORMALIZERS, SYMBOLS)
    assert sent["shape"] == list(maps.x.shape)
    np.testing.assert_allclose(sent["x"], maps.x.ravel(), rtol=1e-6)
    for block in sent["blocks"]:
        own = maps.by[block["name"]]
        assert block["ids"] == own.ids.ravel().tolist()
        assert block["counts"] == np.unique(own.ids, return_counts=True)[1].tolist()
        assert len(block["words"]) == len(block["counts"])


def test_of_a_wide_layer_some_units_are_drawn_and_all_are_counted():
    found = values(UNITS.replace(hidden=(12, 150)), "layer", "batch")
    sent = content(found, NORMALIZERS, SYMBOLS)
    assert sent["shape"] == [8, MOST_FEATURES]
    layer, batch = sent["blocks"]
    assert layer["counts"] == [150] * 8
    assert layer["words"][0] == "all 150 units of example 1"
    assert len(batch["counts"]) == MOST_FEATURES


def test_the_page_compares_what_the_engine_can_compare_and_says_what_instance_normalization_needs(asked):  # noqa: F811
    assert set(view.View.parameters()["first"].choices) == set(COMPARED) == set(TORCHS)
    said = {"section": "sharing", "hidden": "12-9", "batch_size": "20", "step": "10", "second": "instance"}
    assert not page(**said, positions="false").exception
    assert [item.value for item in page(**said, positions="false").info] != []
    assert [item.value for item in page(**said).info] == []


def test_a_normalizer_without_such_statistics_is_refused_by_name():
    with pytest.raises(ValueError, match="'none' is not allowed here"):
        values(UNITS, "none")
