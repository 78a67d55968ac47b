"""The lessons of the web site: Inside on recorded mini-batches, buttons, and how to train a page's networks again."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import batch_norm
from typer.testing import CliRunner

from bnviz.classroom.lesson_plans import SHIPPED, all_plans
from bnviz.cli import app
from bnviz.engine import trainer
from bnviz.experiment import Experiment, presets
from bnviz.experiment.job import Job
from bnviz.export.handouts.page import Around
from bnviz.layer.networks import CHANNELS, STEPS
from bnviz.recording.outcome import Outcome
from bnviz.runs.pool import run_job
from bnviz.site import pages
from bnviz.site.files import train_command
from bnviz.site.inside.looked import Looked, read
from bnviz.site.inside.page import inside_page
from bnviz.site.lessons import Shown
from bnviz.site.networks import Networks
from bnviz.ui.inside import view as of_app

PARTS = [
    (plan.name, number, part) for plan in all_plans([SHIPPED])[0] for number, part in enumerate(plan.parts, 1)
]
INSIDE = [(f"{name}-{number}", part.settings) for name, number, part in PARTS if part.place == "inside"]
SMALL = {"hidden": "6-5", "batch_size": "12"}


@pytest.mark.parametrize(("name", "settings"), INSIDE, ids=[name for name, _ in INSIDE])
def test_what_lessons_look_at_is_what_the_page_of_the_app_opens(name: str, settings: dict[str, str]) -> None:
    found = read(settings)
    assert found is not None, "this part would say that it needs the app"
    looked, network = found
    mine, of_network = of_app.View.split(settings)
    assert network == of_app.experiment_of(of_network)[0]
    view, ignored = of_app.View.salvage(mine, network)
    assert not ignored
    assert looked.model_dump() == {field: getattr(view, field) for field in Looked.model_fields}


def test_what_was_not_recorded_is_not_shown() -> None:
    assert (STEPS, CHANNELS) == (of_app.STEPS, of_app.CHANNELS)
    for settings in (
        {"section": "maps"},
        {"lines_of": "layer"},
        {"unit": "200"},
        {"example": "9"},
        {"dataset": "none"},
        {"architecture": "conv", "hidden": "6-12"},
    ):
        assert read(settings) is None, settings


def page_of(settings: dict[str, str]) -> tuple[str, dict[str, Outcome]]:
    found = read(SMALL | settings)
    assert found is not None
    looked, network = found
    outcomes = {name: run_job(job) for name, job in looked.jobs(network.replace(steps=12)).items()}
    return inside_page(looked, outcomes, settings, Around("../", pages.navigation(""))), outcomes


def content_of(page: str) -> Any:
    packed = re.search(r'id="content">([^<]+)<', page)
    assert packed is not None
    return json.loads(gzip.decompress(base64.b64decode(packed[1])))


def test_the_lines_are_those_that_torch_computes_for_every_unit_that_can_be_chosen() -> None:
    page, outcomes = page_of({"examples": "5", "step": "8", "layer": "2", "unit": "3"})
    assert "first 5 examples that update 9 would use" in page
    batch = outcomes["layer"].inspection["answer"]
    trained = outcomes["layer"].recording.experiment
    assert (trained.steps, trained.normalizer) == (8, "batch")
    content = content_of(page)
    assert content["unit"] == "3"
    assert sorted(content["walks"]) == ["1", "2", "3", "4", "5"]
    x, gamma, beta = (np.asarray(values) for values in (batch.x, batch.gamma, batch.beta))
    expected = batch_norm(
        *(torch.tensor(values) for values in (x, np.zeros(5), np.ones(5), gamma, beta)),
        True,
        eps=batch.epsilon,
    ).numpy()
    for unit, shown in content["walks"].items():
        column = next(place for place, item in enumerate(shown["columns"]) if item["name"] == "y")
        texts = [row[column].replace("−", "-") for row in shown["cells"]]
        assert np.allclose([float(text) for text in texts], expected[:, int(unit) - 1], atol=2e-3)


@pytest.mark.parametrize("section", ["scale", "gradients", "companions", "inference", "sharing"])
def test_every_section_has_figures_with_alt_texts_or_a_part_that_moves(section: str) -> None:
    page, _ = page_of({"section": section, "examples": "4", "step": "6"})
    shown = re.findall(r'class="canvas"[^>]*aria-label="([^"]*)"', page)
    assert shown or content_of(page)["blocks"]
    assert all(len(text) > 40 for text in shown)
    assert f"inside?section={section}" in page
    assert set(re.findall(r"https?://[^/\"']+", page)) <= {"http://www.w3.org"}


def test_a_button_opens_the_networks_that_it_would_open_in_the_app() -> None:
    plan = next(plan for plan in all_plans([SHIPPED])[0] if plan.name == "the-paper")
    shown = Shown.of(plan, 13)
    assert [label for label, _ in shown.runs] == ["", "Mini-batches of 8", "Mini-batches of 64"]
    (_, first), (_, small), (_, large) = shown.runs
    assert [item.base.batch_size for item in (first, small, large)] == [2, 8, 64]
    assert large.base == first.base.replace(batch_size=64, learning_rate=0.1)
    assert small.values == first.values


@pytest.mark.parametrize(
    "experiment",
    [
        *(Experiment(), presets["figure-1"], Experiment(hidden=(6, 5), normalizer="group", groups=1, seed=3)),
        *[arm for *_, part in PARTS if part.place == "playground" for arm in part.comparison.arms][::9],
    ],
)
def test_the_command_on_a_page_trains_its_network(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class TrainedError(Exception):
        pass

    def train(asked: Experiment) -> None:
        assert asked == experiment
        raise TrainedError

    monkeypatch.setattr(trainer, "train", train)
    command = shlex.split(train_command(experiment))
    assert command[:2] == ["bnviz", "train"]
    done = CliRunner().invoke(app, [*command[1:], "--out", str(tmp_path)])
    assert isinstance(done.exception, TrainedError), done.output


def test_a_network_that_several_pages_show_is_trained_once() -> None:
    asked: list[list[Job]] = []

    def train(jobs: list[Job]) -> list[Outcome]:
        asked.append(list(jobs))
        return [run_job(job) for job in jobs]

    first, second = (Experiment(hidden=(3,), steps=2, seed=seed) for seed in (0, 1))
    networks = Networks(train)  # type: ignore[arg-type]
    networks.train([Job(first), Job(second), Job(first)])
    networks.train([Job(second)])
    assert asked == [[Job(first), Job(second)]]
    assert [item.experiment for item in networks.recordings([second, first])] == [second, first]
