"""The bands of a watched network as a widget, without a notebook: what it is told, how often, and where it is none."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import nn

from bnviz import Recording, watch
from bnviz.figures import bands
from bnviz.notebook import widget
from bnviz.notebook.widget import LiveBands, LiveError
from tests.test_notebook import watched

INPUTS = torch.randn(30, 4, generator=torch.Generator().manual_seed(1))


@dataclass
class Traits:
    """What stands in for the widget."""

    figure: str = ""
    status: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


class Events:
    """What IPython calls after a cell."""

    def __init__(self) -> None:
        self.called: list[Any] = []

    def register(self, name: str, call: Any) -> None:
        assert name == "post_run_cell"
        self.called.append(call)

    def unregister(self, name: str, call: Any) -> None:
        self.called.remove(call)


def upto(step: int) -> tuple[Recording, ...]:
    return (watched().upto(step),)


def network() -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3))
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def train(model: nn.Module, optimizer: torch.optim.Optimizer, updates: int) -> list[bytes]:
    for _ in range(updates):
        chosen = torch.randint(0, len(INPUTS), (10,))
        optimizer.zero_grad()
        model(INPUTS[chosen]).square().sum().backward()
        optimizer.step()
    return [item.numpy().tobytes() for item in model.state_dict().values()]


def test_it_draws_the_bands_and_tells_each_mode_apart():
    traits = Traits()
    both = (watched(), watched("evaluation"))
    LiveBands(traits).show(both)
    assert json.loads(traits.figure)["layout"]["meta"]["alt"] == bands(both).layout.meta["alt"]
    assert traits.status.startswith(
        "net in training mode: 3 records of 2 layers, steps 0 to 40; net in evaluation mode: 3 records"
    )
    assert traits.status.endswith("Live.")


def test_it_draws_no_more_often_than_it_may_and_the_last_in_any_case():
    clock, traits = Clock(), Traits()
    live = LiveBands(traits, clock=clock)
    live.show(upto(0))
    first = traits.figure
    live.show(upto(20))
    assert traits.figure == first
    clock.now = widget.PAUSE_SECONDS
    live.show(upto(20))
    second = traits.figure
    assert second != first
    live.show(upto(40))
    live.close()
    assert traits.figure not in (first, second)
    assert "steps 0 to 40. The watch has ended." in traits.status


def test_drawing_takes_no_more_than_its_share_of_the_time(monkeypatch):
    clock, traits = Clock(), Traits()
    draw = widget.bands.draw

    def slowly(recordings: Any) -> Any:
        clock.now += 1.0
        return draw(recordings)

    monkeypatch.setattr(widget.bands, "draw", slowly)
    live = LiveBands(traits, clock=clock)
    live.show(upto(0))
    clock.now += 1.0 / widget.SHARE - 0.1
    live.show(upto(20))
    assert "steps 0 to 0" in traits.status
    clock.now += 0.2
    live.show(upto(20))
    assert "steps 0 to 20" in traits.status


def in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> tuple[list[Any], Events]:
    """Stand in for the notebook. Returns what is displayed, and what is called after a cell."""
    displayed: list[Any] = []
    events = Events()
    shell = type("Shell", (), {"events": events})()
    monkeypatch.setattr(widget, "_notebook", lambda: (displayed.append, shell))
    return displayed, events


def test_a_watched_training_is_drawn_as_it_goes_and_ends_in_the_same_bits(monkeypatch):
    pytest.importorskip("anywidget")
    displayed, events = in_a_notebook(monkeypatch)
    monkeypatch.setattr(widget, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(widget, "SHARE", 1e9)
    plain = train(*network(), 6)
    model, optimizer = network()
    with watch(model, every=1, name="net") as recording:
        recording.live()
        (shown,) = displayed
        assert shown.status == "nothing was recorded yet. Live."
        optimizer.zero_grad()
        ended = train(model, optimizer, 6)
        assert "6 records" in shown.status
        assert len(events.called) == 1
    assert ended == plain
    assert events.called == []
    assert "The watch has ended." in shown.status
    assert shown.notes == [f"net in training mode: {note}" for note in recording.notes]


def test_a_watch_that_is_never_closed_is_drawn_to_its_last_record_after_the_cell(monkeypatch):
    pytest.importorskip("anywidget")
    displayed, events = in_a_notebook(monkeypatch)
    monkeypatch.setattr(widget, "PAUSE_SECONDS", 1e9)
    model, optimizer = network()
    recording = watch(model, every=1)
    recording.live()
    train(model, optimizer, 5)
    for call in events.called:
        call("the result of the cell")
    assert "5 records" in displayed[0].status
    recording.close()


def test_a_widget_that_fails_is_left_out_with_a_warning_and_the_training_goes_on(monkeypatch):
    pytest.importorskip("anywidget")
    in_a_notebook(monkeypatch)

    def fail(recordings: Any) -> None:
        raise RuntimeError("no comm")

    monkeypatch.setattr(widget.bands, "draw", fail)
    model, optimizer = network()
    with watch(model, every=1) as recording:
        recording.live()
        with pytest.warns(UserWarning, match="bnviz stopped showing what it records: no comm"):
            train(model, optimizer, 4)
    assert recording.revision == 4


def test_without_anywidget_a_sentence_says_what_to_install(monkeypatch):
    in_a_notebook(monkeypatch)
    monkeypatch.setitem(sys.modules, "anywidget", None)
    widget.widget_class.cache_clear()
    recording = watch(network()[0])
    with pytest.raises(
        ImportError, match=r"needs the package anywidget: pip install anywidget, or bnviz\[notebook\]"
    ):
        recording.live()
    recording.close()


def test_outside_of_a_notebook_a_sentence_says_what_to_write_instead():
    recording = watch(network()[0])
    with pytest.raises(LiveError, match="in a script write watch"):
        recording.live()
    recording.close()


def test_its_script_asks_nobody_and_leaves_a_pages_own_plotly_alone(tmp_path):
    own = widget.SCRIPT.read_text()
    assert "http" not in own
    assert "import" not in own
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node.js to parse the script with")
    module = tmp_path / "widget.mjs"
    module.write_text(widget.script())
    subprocess.run([node, "--check", str(module)], check=True)
