"""A program that trains sends what it records to a running bnviz, and nothing of the server reaches its training."""

from __future__ import annotations

import copy
import io
import os
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route
from torch import nn
from torch.nn import functional as F

import bnviz
from bnviz import watch
from bnviz.engine.watch import address, sender
from bnviz.engine.watch.address import Address
from bnviz.engine.watch.sent_records import Sent
from bnviz.recording import CurvePoint
from bnviz.recording.watched import WatchError
from bnviz.runs import Limits, RunManager
from bnviz.web import app, state

INPUTS = 3 * torch.randn(40, 6, generator=torch.Generator().manual_seed(1)) + 1
MOST_SECONDS = 120.0
"""A bound for what never comes; a busy machine takes its time."""


class Server:
    """Routes that a thread of this process serves."""

    def __init__(self, routes: list[BaseRoute], port: int = 0) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(
            Starlette(routes=routes), log_level="error", lifespan="off", timeout_keep_alive=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))
        self._thread.start()
        until(lambda: self._server.started)

    def stop(self) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join()
        self._socket.close()


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(sender, "SHARE", 1.0)
    monkeypatch.setattr(sender, "CLOSE_SECONDS", MOST_SECONDS)
    monkeypatch.setattr(address, "PATIENCE_SECONDS", MOST_SECONDS)


@pytest.fixture
def manager() -> Iterator[RunManager]:
    manager = RunManager(workers=1, limits=Limits(watched_run_records=30))  # nothing trains here
    yield manager
    manager.close()


@pytest.fixture
def serve(manager: RunManager) -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def start(port: int = 0, base: str = "") -> Server:
        started.append(Server(app.routes(base, lambda: manager), port))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def until(done: Callable[[], object]) -> None:
    end = time.monotonic() + MOST_SECONDS
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(6, 8),
        nn.BatchNorm1d(8),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(8, 5),
        nn.Tanh(),
        nn.Linear(5, 3),
    )


def train(model: nn.Module, updates: int, between: Callable[[int], object] = lambda step: None) -> bytes:
    """Train; returns all that it ends in, the state of chance included."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for step in range(updates):
        chosen = torch.randint(0, len(INPUTS), (10,))
        loss = F.cross_entropy(model(INPUTS[chosen]), chosen % 3)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        between(step)
    content = io.BytesIO()
    torch.save([model.state_dict(), torch.get_rng_state()], content)
    return content.getvalue()


def test_every_record_arrives_in_its_series_with_its_notes_and_the_link_is_printed_once(
    serve, manager, capfd
):
    server, model = serve(), network()
    with watch(model, every=2, name="net", to=server.url) as recording:
        train(model, 10, lambda step: recording.step(loss=1.0 / (step + 1)))
        model.eval()
        model(INPUTS)
    (feed,) = manager.feeds.all()
    assert feed.recordings == recording.recording.series
    assert feed.recordings[0].notes == recording.notes
    assert feed.recordings[0].curves.equals(recording.curves)
    assert not feed.live
    printed = capfd.readouterr().err
    assert printed.count(f"bnviz shows net live at {server.url}/runs?arms={feed.id}.0\n") == 1


def test_records_arrive_while_the_training_goes_on(serve, manager):
    server, model = serve(), network()

    def see(step: int) -> None:
        if step == 8:
            until(lambda: manager.feeds.all() and manager.feeds.all()[0].recordings[0].last_step >= 4)
            assert manager.feeds.all()[0].live

    with watch(model, every=1, to=server.url):
        train(model, 12, see)


def test_the_latest_record_is_missing_again_once_it_was_told_more_of():
    with watch(network(), INPUTS) as watched:
        recording = watched.recording
    first, records = Sent().missing(recording)
    assert (first, records) == (0, recording)
    sent = Sent().with_more(first, records)
    assert sent.missing(recording) is None
    latest = replace(recording.snapshots[-1], curves=(CurvePoint("train", 1.0, 0.5, 0),))
    more = replace(recording, snapshots=(*recording.snapshots[:-1], latest))
    first, records = sent.missing(more)
    assert first == len(recording.snapshots) - 1
    assert records.snapshots == (latest,)
    assert sent.with_more(first, records).missing(more) is None
    ended = replace(more, diverged_at=1)
    first, records = sent.with_more(first, records).missing(ended)
    assert (first, records.snapshots, records.diverged_at) == (1, (), 1)


def test_a_probes_numbers_told_after_its_record_arrive_too(serve, manager):
    server, model = serve(), network()
    with watch(model, INPUTS, every=2, to=server.url) as recording:
        train(model, 6, lambda step: recording.step(loss=step))
    (feed,) = manager.feeds.all()
    assert feed.recordings == (recording.recording,)
    assert feed.recordings[0].curves["loss"].tolist() == [1.0, 3.0, 5.0]


def test_a_server_that_is_killed_costs_one_warning_and_the_training_ends_in_the_same_bits(
    serve, manager, monkeypatch
):
    plain = train(network(), 60)
    server, model = serve(), network()

    def kill(step: int) -> None:
        if step == 20:
            until(lambda: manager.feeds.all())
            server.stop()

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with watch(model, every=2, to=server.url) as recording:
            watched = train(model, 60, kill)
    assert watched == plain
    assert [str(item.message) for item in told if "does not answer" in str(item.message)] != []
    assert len(told) == 1
    assert recording.steps.tolist() == list(range(0, 60, 2))
    assert threading.active_count() == sum("bnviz sender" not in item.name for item in threading.enumerate())


def test_a_server_that_comes_back_gets_all_and_one_that_forgot_the_run_opens_it_anew(serve, manager):
    first, model = serve(), network()
    others: list[Server] = []

    def restart(step: int) -> None:
        if step == 20:
            until(lambda: manager.feeds.all())
            first.stop()
            manager.feeds.close()
            manager.feeds._feeds.clear()
        if step == 25:
            others.append(serve(first.port))
            until(lambda: manager.feeds.all())

    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        with watch(model, every=1, to=first.url) as recording:
            train(model, 28, restart)
    (feed,) = manager.feeds.all()
    assert feed.recordings == (recording.recording,)


def test_a_refusal_is_told_in_the_servers_words_and_nothing_more_is_sent(serve, manager):
    server, model = serve(), network()
    with pytest.warns(UserWarning, match=r"shows no more of this training: \d+ records are too many"):  # noqa: SIM117
        with watch(model, every=1, to=server.url) as recording:
            train(model, 60)
    assert recording.revision == 60
    assert manager.feeds.all()[0].recordings[0].revision <= 30


def test_what_is_no_bnviz_is_told_and_redirects_are_not_followed(manager):
    asked = []

    async def elsewhere(request: Request) -> PlainTextResponse:
        asked.append(request.url.path)
        return PlainTextResponse("moved", 307, {"Location": "/other"})

    server = Server([Route("/{path:path}", elsewhere, methods=["POST"])])
    with pytest.warns(UserWarning, match="it answered 307; is this a bnviz"):  # noqa: SIM117
        with watch(network(), every=1, to=server.url) as recording:
            train(recording.model, 3)
    server.stop()
    assert asked == ["/bnviz/feeds"]


def test_where_warnings_are_errors_a_lost_server_is_still_none_of_the_training(capfd):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    plain = train(network(), 6)
    model = network()
    with watch(model, every=1, to=f"http://127.0.0.1:{port}"):  # pytest makes errors of warnings
        assert train(model, 6) == plain
    assert "does not answer" in capfd.readouterr().err


def test_below_a_path_and_with_a_token_in_the_address(serve, manager, capfd):
    server, model = serve(base="/bn"), network()
    with watch(model, every=1, to=f"{server.url}/bn/?token={state.token()}"):
        train(model, 2)
    (feed,) = manager.feeds.all()
    printed = capfd.readouterr().err
    assert f"{server.url}/bn/runs?arms={feed.id}.0" in printed
    assert state.token() not in printed


@pytest.mark.parametrize(
    "to", ["localhost:8501", "ftp://localhost", "http://", "http://a:b@localhost", "http://x:99999", 8501]
)
def test_an_address_that_is_none_is_refused_at_once(to):
    model = network()
    with pytest.raises(
        WatchError, match=r'allowed is the address of a running bnviz, such as "http://localhost:8501"'
    ):
        watch(model, to=to)
    assert not model._forward_hooks


def test_an_address_in_ipv6_and_its_token_are_read():
    address = Address.of("https://[::1]:8501/base/?token=abc")
    assert (address.host, address.port, address.path, address.token) == ("::1", 8501, "/base", "abc")
    assert str(address) == "https://[::1]:8501/base"
    assert "abc" not in repr(address)


def test_a_model_that_is_sent_can_still_be_copied_and_saved(serve, manager):
    server, model = serve(), network()
    with watch(model, every=1, to=server.url) as recording:
        train(model, 2)
        twin, saved = copy.deepcopy(model), io.BytesIO()
        torch.save(model, saved)
        saved.seek(0)
        for other in (twin, torch.load(saved, weights_only=False)):
            other(INPUTS)  # no record of the model that is watched
        train(model, 2)
    (feed,) = manager.feeds.all()
    assert feed.recordings == (recording.recording,)
    assert recording.steps.tolist() == [0, 1, 2, 3]


@pytest.mark.slow
def test_a_program_that_never_closes_sends_all_before_it_ends(serve, manager, tmp_path):
    server = serve()
    script = tmp_path / "script.py"
    script.write_text(
        "import torch\n"
        "from bnviz import watch\n"
        "model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())\n"
        f"recording = watch(model, every=1, to={server.url!r})\n"
        "optimizer = torch.optim.SGD(model.parameters(), 0.1)\n"
        "for _ in range(5):\n"
        "    model(torch.ones(8, 4)).sum().backward()\n"
        "    optimizer.step()\n"
    )
    root = str(Path(bnviz.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, str(script)],
        env=os.environ | {"PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (feed,) = manager.feeds.all()
    assert feed.recordings[0].steps.tolist() == [0, 1, 2, 3, 4]
    assert not feed.live
