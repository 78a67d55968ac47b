"""The benchmark works; how fast anything is, no test asks."""

import json

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from bnviz.cli import app
from bnviz.engine.build import build
from bnviz.experiment import presets
from bnviz.tools.bench.browser import NO_BROWSER
from bnviz.tools.bench.images import inception_of_modules
from bnviz.tools.bench.parts import PARTS, measure
from bnviz.tools.bench.readings import Setting
from tests.browser import CHROMIUM

SMALLEST = Setting(
    repeats=1,
    steps=20,
    whole=30,
    dataset="digits",
    stacks=(1, 2),
    viewers=(1,),
    cells=4,
    seconds=3.0,
    images="digits",
)


QUICK = ("training", "normalizers", "images", "stacking", "recording")
"""Parts that train or record for a moment; the others train whole runs and maps, and start programs."""


@pytest.mark.parametrize(
    "part",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in PARTS if name != "page"],
)
def test_each_part_measures_something(part):
    [(name, sections)] = measure([part], SMALLEST)
    assert name == part
    readings = [item for section in sections for item in section.readings]
    assert readings
    assert all(value > 0 for item in readings for value in item.values)
    assert not [section.remark for section in sections if section.remark]


@pytest.mark.slow
def test_a_page_and_streamlits_own_chart_are_drawn_again_and_again_and_seen_in_a_browser():
    [(_, [ours, theirs, seen])] = measure(["page"], SMALLEST)
    for section, least in ((ours, 0.0), (theirs, 0.5)):  # a run's figures change as its training comes along
        [updates, *costs] = section.readings
        assert "updates" in updates.words
        assert updates.values[0] > least
        assert all(value > 0 for item in costs for value in item.values)
    assert (seen.remark == NO_BROWSER) == (CHROMIUM is None)
    assert all(value > 0 for item in seen.readings for value in item.values)


@pytest.mark.slow
def test_the_table_is_printed_and_written_as_json(tmp_path):
    out = tmp_path / "bench.json"
    command = ["bench", "--part", "stacking", "--repeats", "1", "--steps", "64", "--dataset", "digits"]
    result = CliRunner().invoke(app, [*command, "--out", str(out)])
    assert result.exit_code == 0, result.output
    sections = json.loads(out.read_text())["stacking"]
    for section in sections:
        assert section["title"] in result.output
        for item in section["readings"]:
            assert item["lowest"] <= item["median"] <= item["highest"]
            assert item["what"] in result.output


def test_a_part_that_there_is_not_is_named():
    with pytest.raises(ValueError, match="allowed is one of training"):
        list(measure(["speed"], SMALLEST))
    assert "training" in PARTS


@pytest.mark.parametrize("normalizer", ["none", "batch"])
def test_the_notebooks_inception_network_is_the_one_it_is_compared_with(normalizer):
    base = presets["inception"].replace(normalizer=normalizer, dataset="digits")
    ours, theirs = build(base, (1, 8, 8), 10), inception_of_modules(base, 1, 10)
    filters = [
        [item for item in network.modules() if isinstance(item, nn.Conv2d | nn.Linear)]
        for network in (ours, theirs)
    ]
    for own, other in zip(*filters, strict=True):
        other.load_state_dict(own.state_dict())
    x = torch.rand(5, 64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours(x), theirs(x.view(5, 1, 8, 8)))
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())
