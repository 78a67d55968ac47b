"""What a Recording shows of itself in a notebook: the same numbers, without a script and without a request."""

from __future__ import annotations

import base64
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from scipy import special
from torch import nn

from bnviz import Recording, watch
from bnviz.experiment import Experiment
from bnviz.figures.frame.palette import BLUE, VERMILLION
from bnviz.figures.still import HEIGHT, still_bands
from bnviz.recording.watched import Note, Watched, WatchedLayer
from tests import recordings

SVG = "{http://www.w3.org/2000/svg}"
SHAPE = Experiment(hidden=(6, 5), steps=40)
INPUTS = torch.randn(30, 4, generator=torch.Generator().manual_seed(1))


class Text(HTMLParser):
    """The tags of a page, their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attributes

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


def watched(mode: str = "training", *notes: Note) -> Recording:
    layers = (WatchedLayer("enc.fc1", 6, "gelu"), WatchedLayer("enc.fc2", 5, "relu", "BatchNorm1d"))
    kept = tuple(recordings.snapshot(SHAPE, step, step / 20, 1.0, 0.5) for step in (0, 20, 40))
    return Recording(Watched("net", layers, mode, notes), snapshots=kept)


def picture(page: Text) -> ElementTree.Element:
    (source,) = [value for name, value in page.attributes if name == "src"]
    return ElementTree.fromstring(base64.b64decode(source.removeprefix("data:image/svg+xml;base64,")))


def test_it_holds_no_script_and_nothing_that_asks_elsewhere():
    page = Text(watched()._repr_html_())
    assert {"script", "iframe", "object", "link", "form", "svg"} & set(page.tags) == set()
    assert [name for name, _ in page.attributes if name.startswith("on") or name in ("href", "srcset")] == []
    assert [value[:26] for name, value in page.attributes if name == "src"] == ["data:image/svg+xml;base64,"]
    drawn = picture(page)
    assert {item.tag.removeprefix(SVG) for item in drawn.iter()} <= {
        "svg",
        "rect",
        "text",
        "path",
        "polygon",
        "polyline",
        "circle",
    }


def test_a_notebook_tells_the_numbers_of_the_latest_record_and_the_notes():
    recording = watched(
        "training", Note("enc.fc2", "measured in training mode: 64 values of each of 5 units")
    )
    page = Text(recording._repr_html_())
    text = " ".join(page.text.split())
    row = recording.layers.query("step == 40 and layer == 2").iloc[0]
    numbers = [row[name] for name in ("mean", "std", "q05", "q15", "q50", "q85", "q95")]
    assert f"enc.fc2 {' '.join(f'{value:.3g}' for value in numbers)}".replace("-", "−") in text
    assert "net in training mode 3 records of 2 layers, steps 0 to 40" in text
    assert "relu, behind BatchNorm1d measured in training mode: 64 values of each of 5 units" in text


def test_the_picture_has_the_bands_of_the_recording_on_axes_that_all_panels_share():
    pair = recordings.pair(hidden=(6, 5, 4))
    drawn = ElementTree.fromstring(still_bands(pair).svg)
    lines = list(drawn.iter(f"{SVG}polyline"))
    assert [item.get("stroke") for item in lines] == [VERMILLION] * 3 + [BLUE] * 3
    assert len(list(drawn.iter(f"{SVG}polygon"))) == 12
    high, low = axis(drawn)
    ends = [[float(part.split(",")[1]) for part in item.get("points").split()] for item in lines]
    moved = [(points[0] - points[-1]) / HEIGHT * (high - low) for points in ends]
    assert moved == pytest.approx([3.0] * 3 + [0.0] * 3, abs=0.05)
    areas = [
        [float(part.split(",")[1]) for part in item.get("points").split()]
        for item in drawn.iter(f"{SVG}polygon")
    ]
    widths = [(points[-1] - points[0]) / HEIGHT * (high - low) for points in areas]  # there and back
    assert widths == pytest.approx([2 * special.ndtri(0.95), 2 * special.ndtri(0.85)] * 6, abs=0.05)


def axis(drawn: ElementTree.Element) -> tuple[float, float]:
    """The highest and the lowest value of the first row's axis, as its labels say."""
    labels = [item for item in drawn.iter(f"{SVG}text") if item.get("text-anchor") == "end"][:3]
    low, _, high = (float(item.text.replace("−", "-")) for item in labels)
    return high, low


def test_names_are_text_in_the_picture_and_not_markup():
    layers = (WatchedLayer("a (b) #1 [x]", 6), WatchedLayer("fc2", 5))
    named = replace(watched(), subject=Watched("my net", layers, "training"))
    texts = [item.text for item in ElementTree.fromstring(still_bands([named]).svg).iter(f"{SVG}text")]
    assert "a (b) #1 [x]" in texts
    assert "A · my net, training mode" in texts


def test_layers_without_finite_values_say_so():
    empty = watched()
    for item in empty.snapshots:
        item.layers[1] = np.nan
    assert "nothing finite was recorded" in still_bands([empty]).svg
    assert "no finite number" in empty._repr_html_()


def test_what_bnviz_trained_shows_itself_too_and_an_empty_recording_says_that_it_is():
    page = Text(recordings.pair()[0]._repr_html_())
    assert "img" in page.tags
    assert "no normalization" in page.text
    assert "0 records" in Text(Recording(SHAPE)._repr_html_()).text


def test_a_watcher_shows_each_mode_apart_and_says_before_a_record_that_there_is_none():
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, every=1, name="net") as recording:
        before = recording._repr_html_()
        assert "net: nothing was recorded yet" in Text(before).text
        for train in (True, False, True):
            model.train(train)
            model(INPUTS).sum().backward()
            if train:
                optimizer.step()
    page = Text(recording._repr_html_())
    text = " ".join(page.text.split())
    assert "net, watched in a program of its own in training and evaluation mode" in text
    assert "net in training mode 2 records of 1 layer" in text
    assert "net in evaluation mode 1 record of 1 layer" in text
    texts = [item.text for item in picture(page).iter(f"{SVG}text")]
    assert "A · net, training mode" in texts
    assert "B · net, evaluation mode" in texts
