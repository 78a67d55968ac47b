"""Whatever network somebody writes: what is recorded is what its nonlinearities receive, or it is told why not."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
import warnings
from collections import deque
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bnviz import Recording, figures, watch
from bnviz.engine.watch.measured import Measured, Summary
from bnviz.engine.watch.plan import Plans
from bnviz.engine.watch.planned import PlannedObservation
from bnviz.engine.watch.samples import Sample
from bnviz.recording.measure import Distribution
from bnviz.recording.nonlinearities import NONLINEARITIES
from bnviz.recording.watched import WatchError

INPUTS = 3 * torch.randn(40, 6, generator=torch.Generator().manual_seed(1)) + 1


def train(model: nn.Module, steps: int, inputs: Tensor = INPUTS, call: object = None) -> bytes:
    """Train, and return the weights' and buffers' bits."""
    torch.manual_seed(2)
    optimizer = torch.optim.SGD([item for item in model.parameters() if item.requires_grad], lr=0.05)
    for _ in range(steps):
        chosen = torch.randint(0, len(inputs), (16,))
        loss = (model if call is None else call)(inputs[chosen]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return b"".join(item.detach().numpy().tobytes() for item in model.state_dict().values())


def fresh(build: object) -> nn.Module:
    torch.manual_seed(0)
    return build()


class Function(nn.Module):
    """A module that is one function."""

    def __init__(self, function: object) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def around(function: object) -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 8), Function(function), nn.Linear(8, 3))


# A. A pass on the side is not the training pass


class GradientNorm(nn.Module):
    """As a course writes it: whether gradients are wanted says whether it trains."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.ones(1, features)), nn.Parameter(torch.zeros(1, features))
        self.moving_mean, self.moving_var = torch.zeros(1, features), torch.ones(1, features)

    def forward(self, x: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            hat = (x - self.moving_mean) / torch.sqrt(self.moving_var + 1e-5)
        else:
            mean = x.mean(dim=0)
            var = ((x - mean) ** 2).mean(dim=0)
            hat = (x - mean) / torch.sqrt(var + 1e-5)
            self.moving_mean = 0.9 * self.moving_mean + 0.1 * mean.detach()
            self.moving_var = 0.9 * self.moving_var + 0.1 * var.detach()
        return self.gamma * hat + self.beta


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 8)
        self.register_buffer("m", torch.zeros(8))
        self.register_buffer("v", torch.ones(8))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(F.batch_norm(self.fc(x), self.m, self.v, training=self.training))


NORMALIZED = [lambda: nn.Sequential(nn.Linear(6, 8), GradientNorm(8), nn.Tanh(), nn.Linear(8, 2)), Functional]


@pytest.mark.parametrize("build", NORMALIZED)
@pytest.mark.parametrize("probe", [None, INPUTS])
def test_a_normalizer_is_seen_as_it_trains_whatever_tells_it_that_it_does(build, probe):
    model = fresh(build)
    with watch(model, probe) as recording:
        model(INPUTS)
    row = recording.layers.iloc[0]
    assert abs(row["mean"]) < 0.01
    assert row["std"] == pytest.approx(1, abs=0.01)
    assert row["before_std"] > 1.2
    assert recording.watched.layers[0].normalizer


@pytest.mark.parametrize("build", NORMALIZED)
def test_evaluation_is_a_series_of_its_own(build):
    model = fresh(build)
    with watch(model, every=1) as recording:
        for _ in range(3):
            train(model, 1)
            model.eval()
            with torch.no_grad():
                model(INPUTS)
            model.train()
    assert set(recording.layers["mode"]) == {"training"}
    assert recording.layers["std"].between(0.98, 1.02).all()
    assert set(recording.evaluation.layers["mode"]) == {"evaluation"}
    assert not recording.evaluation.layers["std"].between(0.98, 1.02).any()
    assert any("evaluation mode are recorded apart" in note.text for note in recording.notes)


def test_a_network_that_only_evaluates_is_recorded_in_evaluation_mode():
    model = fresh(lambda: around(torch.tanh)).eval()
    with watch(model) as recording:
        model(INPUTS)
    assert recording.mode == "evaluation"
    assert recording.steps.tolist() == [0]
    assert not any("recorded apart" in note.text for note in recording.notes)


# B. The state put back is shallow


class Hoarder(nn.Module):
    """Keeps running statistics in all the ways that are no buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 8)
        self.mean = nn.Parameter(torch.zeros(8), requires_grad=False)
        self.store = {"mean": torch.zeros(8), "list": [torch.zeros(8)]}
        self.window: deque[Tensor] = deque(maxlen=3)
        self.growing = torch.zeros(0)
        self.numbers = np.zeros(8)
        self.python = random.Random(3)
        self.numpy = np.random.default_rng(3)
        self.torch = torch.Generator().manual_seed(3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc(x)
        now = x.detach().mean(0)
        self.mean.data.mul_(0.9).add_(0.1 * now)
        self.store["mean"] = 0.9 * self.store["mean"] + 0.1 * now
        self.store["list"][0].add_(now)
        self.window.append(now)
        self.growing.data = torch.cat([self.growing, now])
        self.numbers += now.numpy()
        noise = self.python.random() + self.numpy.random() + torch.rand((), generator=self.torch)
        return torch.relu(x + 0.01 * noise)


def contents(model: Hoarder) -> bytes:
    window = [item.numpy().tobytes() for item in model.window]
    kept = [
        model.mean.data.numpy(),
        model.store["mean"].numpy(),
        model.store["list"][0].numpy(),
        model.growing.numpy(),
        model.numbers,
    ]
    chance = repr((model.python.getstate(), model.numpy.bit_generator.state, model.torch.get_state().sum()))
    return b"".join([*window, *(item.tobytes() for item in kept), chance.encode()])


@pytest.mark.parametrize("probe", [None, INPUTS])
def test_whatever_a_network_keeps_ends_as_without_watching(probe):
    plain, watched = fresh(Hoarder), fresh(Hoarder)
    expected = train(plain, 7), contents(plain)
    with watch(watched, probe, every=2):
        assert (train(watched, 7), contents(watched)) == expected


SEEN: list[object] = []


@pytest.mark.parametrize("probe", [None, INPUTS])
def test_the_users_own_hooks_and_lists_get_no_pass_of_bnviz(probe):
    model = fresh(lambda: around(torch.relu))
    mine: list[object] = []
    by_default: list[object] = []
    SEEN.clear()
    model[0].register_forward_hook(lambda module, inputs, output: mine.append(output.shape))
    model[1].register_forward_hook(lambda module, inputs, output, seen=by_default: seen.append(output.shape))
    model[2].register_forward_hook(lambda module, inputs, output: SEEN.append(output.shape))
    with watch(model, probe, every=2):
        train(model, 5)
    assert (len(mine), len(by_default), len(SEEN)) == (5, 5, 5)


@pytest.mark.parametrize("kept", [lambda: (number for number in range(10**6)), itertools.count])
def test_what_a_probe_cannot_put_back_is_refused_at_once_and_needs_no_probe(kept):
    class Advancing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.calls = nn.Linear(6, 8), kept()

        def forward(self, x: Tensor) -> Tensor:
            next(self.calls)
            return torch.relu(self.fc(x))

    with pytest.raises(
        WatchError, match=r"changes model.calls, which cannot be put back; write watch\(model\)"
    ):
        watch(Advancing(), INPUTS)
    model = Advancing()
    with watch(model) as recording:
        model(INPUTS)
    assert recording.layer_names == ("fc",)


# C. The name of a nonlinearity


class Swish(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        context.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(context, gradient):
        return gradient


def masked(x: Tensor) -> Tensor:
    x = x.clone()
    x[x < 0] = 0
    return x


BY_HAND = {
    "gelu": lambda x: 0.5 * x * (1 + torch.erf(x / 2**0.5)),
    "gelu ": lambda x: 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x.pow(3)))),
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
    "silu": lambda x: x / (1 + torch.exp(-x)),
    "silu ": Swish.apply,
    "hardswish": lambda x: x * F.relu6(x + 3) / 6,
    "mish": lambda x: x * torch.tanh(torch.log1p(torch.exp(x))),
    "selu": lambda x: 1.0507 * torch.where(x > 0, x, 1.67326 * (torch.exp(x) - 1)),
    "relu": lambda x: x.clamp(min=0),
    "relu ": lambda x: torch.maximum(x, torch.zeros_like(x)),
    "relu  ": lambda x: torch.where(x > 0, x, 0.0),
    "relu   ": lambda x: (x + x.abs()) / 2,
    "relu    ": masked,
    "relu     ": lambda x: 0.5 * F.relu(x) - 0.4,
    "gelu  ": lambda x: F.gelu(x).mul(1.7).mul(0.2),
    "leaky_relu": lambda x: torch.max(x, 0.1 * x),
    "sigmoid": lambda x: 1 / (1 + torch.exp(-x)),
    "tanh": lambda x: (torch.exp(x) - torch.exp(-x)) / (torch.exp(x) + torch.exp(-x)),
    "softplus": lambda x: torch.log(1 + torch.exp(x)),
    "squared relu": lambda x: F.relu(x) ** 2,
    "prelu": nn.PReLU(8),
    "pointwise function": lambda x: torch.sin(3 * x) + x.pow(3),
}


@pytest.mark.parametrize("name", BY_HAND)
@pytest.mark.parametrize("layers", [None, ["0"]])
def test_a_nonlinearity_is_named_by_what_it_does_and_receives_what_the_map_gives_out(name, layers):
    model = fresh(lambda: around(BY_HAND[name]))
    expected = model[0](INPUTS).detach()
    recording = watch(model, INPUTS, layers=layers)
    recording.close()
    assert [layer.activation for layer in recording.watched.layers] == [name.strip()]
    assert recording.layers["std"][0] == pytest.approx(expected.std(correction=0).item(), rel=1e-5)
    assert recording.layers["q85"][0] == pytest.approx(np.quantile(expected.numpy(), 0.85), rel=1e-4)


# D. The axis that holds the units


def test_the_features_of_a_dense_block_are_its_units_whatever_its_size():
    class Dense(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm, self.second = (
                nn.Conv2d(3, 8, 3, padding=1),
                nn.BatchNorm2d(11),
                nn.Conv2d(11, 4, 1),
            )

        def forward(self, x: Tensor) -> Tensor:
            joined = torch.cat([x, self.first(x)], 1)
            return self.second(F.relu(self.norm(joined)))

    images = torch.randn(
        5, 3, 8, 8, generator=torch.Generator().manual_seed(4)
    )  # as wide as the first map is deep
    model = fresh(Dense)
    recording = watch(model, images)
    recording.close()
    assert recording.widths == (11,)
    received = model.norm(torch.cat([images, model.first(images)], 1)).detach()
    medians = np.median(received.movedim(1, 0).flatten(1).numpy(), axis=1)
    np.testing.assert_allclose(recording.units["q50"], medians, atol=1e-5)


@pytest.mark.parametrize(
    ("build", "shape", "axis", "width"),
    [
        (lambda: nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()), (3, 8, 8), 0, 8),
        (lambda: nn.Sequential(nn.Conv1d(4, 6, 3, padding=1), nn.Tanh()), (4, 6), 0, 6),
        (
            lambda: nn.Sequential(
                nn.Linear(7, 5), Function(lambda x: x.transpose(1, 2)), nn.BatchNorm1d(5), nn.ReLU()
            ),
            (4, 5, 7),
            1,
            5,
        ),
        (lambda: nn.Sequential(nn.Linear(7, 5), nn.BatchNorm1d(9), nn.ReLU()), (4, 9, 7), 1, 9),
        (lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.ReLU()), (6, 1, 4, 4), None, 4),
        (lambda: nn.Sequential(nn.Linear(6, 6), nn.ReLU()), (6, 6, 6), 2, 6),
    ],
)
def test_units_are_along_the_axis_of_the_operation(build, shape, axis, width):
    model = fresh(build)
    inputs = torch.randn(*shape, generator=torch.Generator().manual_seed(5))
    recording = watch(model, inputs)
    recording.close()
    assert recording.widths == (width,)
    given = model[:-1](inputs).detach()
    by_unit = given.view(6, 4, 4).movedim(1, 0) if axis is None else given.movedim(axis, 0)
    medians = np.median(by_unit.flatten(1).numpy(), axis=1)
    np.testing.assert_allclose(recording.units["q50"], medians, atol=1e-5)


# E. A normalizer and a nonlinearity in one module


class NormAct(nn.BatchNorm1d):
    def __init__(self, features: int, act: nn.Module) -> None:
        super().__init__(features)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        return self.act(super().forward(x))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.norm = nn.Linear(6, 8), nn.LayerNorm(8)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.norm(self.fc(x)))


@pytest.mark.parametrize(
    ("build", "activation", "normalizer"),
    [
        (lambda: nn.Sequential(nn.Linear(6, 8), NormAct(8, nn.ReLU())), "relu", "NormAct"),
        (lambda: nn.Sequential(nn.Linear(6, 8), NormAct(8, nn.SiLU(inplace=True))), "silu", "NormAct"),
        (Block, "gelu", "LayerNorm"),
    ],
)
def test_a_module_may_normalize_and_apply_a_nonlinearity(build, activation, normalizer):
    recording = watch(fresh(build), INPUTS)
    recording.close()
    assert [(item.activation, item.normalizer) for item in recording.watched.layers] == [
        (activation, normalizer)
    ]
    assert recording.layers["std"][0] == pytest.approx(1, abs=0.01)


# F. One layer that cannot be measured


class Broken(nn.Module):
    def __init__(self, spoil: object) -> None:
        super().__init__()
        self.one, self.two, self.spoil = nn.Linear(6, 8), nn.Linear(6, 1), spoil

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.one(x)).sum() + torch.sigmoid(self.spoil(self.two, x)).sum()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda layer, x: layer(x).squeeze(1), ""),
        (lambda layer, x: layer(x[:0]), "no example reached it"),
        (lambda layer, x: layer(x) + torch.inf * x[:, :1].abs(), "not finite"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*not finite")
def test_a_layer_that_cannot_be_measured_is_told_and_the_others_go_on(spoil, told):
    model = fresh(lambda: Broken(spoil))
    recording = watch(model, INPUTS)
    recording.close()
    assert recording.layer_names == ("one", "two")
    assert np.isfinite(recording.layers["mean"][0])
    assert np.isfinite(recording.layers["mean"][1]) == (not told)
    assert any(note.layer == "two" and told in note.text for note in recording.notes)


def test_of_many_layers_the_first_hundred_are_recorded_and_it_is_told_how_to_name_others():
    model = nn.Sequential(*[part for _ in range(120) for part in (nn.Linear(4, 4), nn.Tanh())])
    recording = watch(model, torch.randn(8, 4))
    recording.close()
    assert len(recording.widths) == 100
    told = next(note.text for note in recording.notes if "120 layers were found" in note.text)
    name = told.split('layers=["')[1].split('"')[0]
    other = watch(model, torch.randn(8, 4), layers=[name])
    other.close()
    assert other.layer_names == ("Linear 200",)


# G. Probes are whole


class Graph(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 8, bias=False)

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        return torch.relu(torch.mm(adjacency, self.fc(x)))


@pytest.mark.parametrize("sparse", [False, True])
def test_a_graph_is_passed_as_it_is(sparse):
    x = torch.randn(120, 6, generator=torch.Generator().manual_seed(6))
    adjacency = (torch.rand(120, 120, generator=torch.Generator().manual_seed(7)) < 0.1).float()
    model = fresh(Graph)
    recording = watch(model, (x, adjacency.to_sparse() if sparse else adjacency))
    recording.close()
    expected = adjacency @ model.fc(x).detach()
    assert recording.layers["std"][0] == pytest.approx(expected.std(correction=0).item(), rel=1e-4)
    assert recording.widths == (8,)


def test_a_packed_sequence_and_nested_inputs_are_passed_as_they_are():
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.fc = nn.GRU(6, 5), nn.Linear(5, 4)

        def forward(self, packed: nn.utils.rnn.PackedSequence) -> Tensor:
            return torch.relu(self.fc(self.rnn(packed)[1][0]))

    packed = nn.utils.rnn.pack_sequence([torch.randn(length, 6) for length in (70, 60, 3)])
    recording = watch(fresh(Recurrent), packed)
    recording.close()
    assert recording.layer_names == ("fc",)

    class Nested(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(6, 4)

        def forward(self, batch: dict[str, list[Tensor]], *, scale: Tensor) -> Tensor:
            return torch.relu(scale * self.fc(batch["parts"][0]))

    recording = watch(fresh(Nested), {"batch": {"parts": [INPUTS]}, "scale": torch.ones(4)})
    recording.close()
    assert recording.histograms["count"].sum() == 160


# H. An explicit request


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention, self.rnn, self.out = (
            nn.MultiheadAttention(6, 2, batch_first=True),
            nn.LSTM(6, 5),
            nn.Linear(5, 2),
        )
        self.blocks = nn.ModuleList([nn.Linear(2, 2)])

    def forward(self, x: Tensor) -> Tensor:
        x, _ = self.attention(x, x, x, need_weights=False)
        return self.blocks[0](self.out(self.rnn(x)[0]))


def test_modules_asked_for_are_recorded_whatever_they_give_out():
    asked = ["attention", "attention.out_proj", "rnn", "out"]
    model = fresh(Attention)
    recording = watch(model, torch.randn(4, 3, 6), layers=asked)
    recording.close()
    assert set(recording.layer_names) == set(asked)
    assert dict(zip(recording.layer_names, recording.widths, strict=True)) == {
        "attention": 6,
        "attention.out_proj": 6,
        "rnn": 5,
        "out": 2,
    }


def test_a_request_that_cannot_be_met_is_told_with_what_to_write_instead():
    recording = watch(fresh(Attention), torch.randn(4, 3, 6), layers=["blocks", "out"])
    recording.close()
    assert recording.layer_names == ("out",)
    told = [note.text for note in recording.notes if "blocks" in note.text]
    assert len(told) == 1
    assert "not called as a module" in told[0]
    assert "layers=['blocks.0']" in told[0]


# K. Counting updates


def test_steps_that_a_scaler_skips_and_closures_are_counted_once():
    model = fresh(lambda: around(torch.relu))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    with watch(model, INPUTS, every=1) as recording:
        for number in range(4):
            loss = model(INPUTS).square().mean() * (torch.inf if number == 1 else 1.0)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            recording.step(loss=1.0)
            scaler.step(optimizer)
            scaler.update()
    assert recording.steps.tolist() == [0, 1, 2, 3]

    model = fresh(lambda: around(torch.tanh))
    lbfgs = torch.optim.LBFGS(model.parameters(), max_iter=5)

    def closure() -> Tensor:
        lbfgs.zero_grad()
        loss = model(INPUTS).square().mean()
        loss.backward()
        return loss

    with watch(model, every=1) as recording:
        for _ in range(3):
            lbfgs.step(closure)
    assert recording.steps.tolist() == [0, 1, 2]
    assert recording.updates == 3


def test_of_several_optimizers_the_first_counts_and_that_is_told():
    model = fresh(lambda: around(torch.relu))
    first, second = torch.optim.SGD(model[0].parameters(), lr=0.01), torch.optim.Adam(model[2].parameters())
    with watch(model, INPUTS, every=1) as recording:
        for _ in range(3):
            model(INPUTS).sum().backward()
            first.step()
            second.step()
    assert recording.steps.tolist() == [0, 1, 2, 3]
    assert any("an update is a step of SGD" in note.text for note in recording.notes)
    assert any("3 steps of Adam" in note.text for note in recording.notes)


def test_accumulated_gradients_count_once_with_and_without_a_probe():
    for probe in (None, INPUTS):
        model = fresh(lambda: around(torch.relu))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        with watch(model, probe, every=1) as recording:
            for number in range(8):
                loss = model(INPUTS).square().mean() / 4
                recording.step(loss=loss)
                loss.backward()
                if number % 4 == 3:
                    optimizer.step()
                    optimizer.zero_grad()
        assert recording.steps.tolist() == [0, 1, 2][: 2 if probe is None else 3]


# L. Sampling


def test_a_sample_is_not_in_step_with_a_striped_map():
    class Striped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(self.conv(x))

    for period in (2, 4, 8):
        images = torch.zeros(8, 1, 64, 64)
        images[..., ::period] = 1.0
        model = fresh(Striped)
        nn.init.constant_(model.conv.weight, 1.0)
        nn.init.zeros_(model.conv.bias)
        recording = watch(model, images)
        recording.close()
        assert recording.layers["mean"][0] == pytest.approx(1 / period, rel=1e-6)
        high = recording.histograms.query("low >= 1")["count"].sum() / recording.histograms["count"].sum()
        assert high == pytest.approx(1 / period, abs=0.03)
        assert any("4,096 of 32,768 values" in note.text for note in recording.notes)


# M. Someone else's machinery


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.out = nn.Linear(6, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.relu(self.fc(x)))


@pytest.mark.parametrize("how", ["outside", "inside", "method"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_network_is_watched_and_nothing_of_bnviz_is_compiled(how):
    torch._dynamo.reset()
    graphs: list[object] = []

    def backend(graph, examples):
        graphs.append(graph)
        return graph.forward

    expected = train(fresh(Plain), 7)
    model = fresh(Plain)
    if how == "method":
        model.compile(backend=backend, fullgraph=True)
        recording, call = watch(model, every=3), model
    elif how == "inside":
        recording, call = watch(model, every=3), torch.compile(model, backend=backend, fullgraph=True)
    else:
        call = torch.compile(model, backend=backend, fullgraph=True)
        recording = watch(call, every=3)
    with recording:
        assert train(model, 7, call=call) == expected
    assert recording.steps.tolist() == [0, 3, 6]
    assert recording.layer_names == ("fc",)
    assert len(graphs) == 1
    assert torch._dynamo.eval_frame._stance.stance == "default"


@pytest.mark.parametrize("make", [torch.jit.script, lambda model: torch.jit.trace(model, INPUTS)])
@pytest.mark.parametrize("probe", [None, INPUTS])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning:torch")
def test_a_scripted_network_is_watched(make, probe):
    model = make(fresh(Plain))
    with watch(model, probe, every=2) as recording:
        train(model, 5)
    assert recording.layer_names == ("fc",)
    assert recording.steps.tolist()[:3] == [0, 2, 4]


# N. Several nonlinearities behind one affine map


class Gates(nn.Module):
    def __init__(self, order: int) -> None:
        super().__init__()
        self.gates, self.order = nn.Linear(6, 24), order

    def forward(self, x: Tensor) -> Tensor:
        z, r, n = self.gates(x).chunk(3, 1)
        if self.order:
            return torch.tanh(n) * torch.sigmoid(z) + torch.sigmoid(r)
        return torch.sigmoid(z) * torch.tanh(n) + torch.sigmoid(r)


@pytest.mark.parametrize("order", [0, 1])
def test_every_gate_is_recorded_and_none_goes_by_the_name_of_all(order):
    model = fresh(lambda: Gates(order))
    recording = watch(model, INPUTS)
    recording.close()
    found = {layer.name: layer.activation for layer in recording.watched.layers}
    assert found == {"gates[0:8]": "sigmoid", "gates[8:16]": "sigmoid", "gates[16:24]": "tanh"}
    given = model.gates(INPUTS).detach()
    for name, mean in zip(recording.layer_names, recording.layers["mean"], strict=True):
        first, last = (int(part) for part in name.removeprefix("gates[").removesuffix("]").split(":"))
        assert mean == pytest.approx(given[:, first:last].mean().item(), abs=1e-5)


def test_both_functions_of_the_same_values_are_named():
    same = torch.eye(8)
    recording = watch(fresh(lambda: around(lambda x: torch.relu(x) @ same + torch.tanh(x) @ same)), INPUTS)
    recording.close()
    assert [(layer.name, layer.activation) for layer in recording.watched.layers] == [
        ("Linear 0", "relu, tanh")
    ]


# What is told


def test_a_model_whose_parts_are_called_says_what_to_watch_instead():
    model = nn.ModuleDict({"generator": nn.Sequential(nn.Linear(6, 8), nn.ReLU()), "critic": nn.Linear(8, 1)})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    recording = watch(model)
    model["critic"](model["generator"](INPUTS)).sum().backward()
    with pytest.warns(UserWarning, match=r"watch\(model.generator\), watch\(model.critic\)"):
        optimizer.step()
    recording.close()
    assert "nothing is recorded of ModuleDict" in str(recording)
    with pytest.raises(WatchError, match="nothing was recorded yet"):
        recording.recording  # noqa: B018


def test_notes_and_mode_survive_the_file(tmp_path):
    model = fresh(lambda: around(torch.relu))
    with watch(model, every=2) as recording:
        train(model, 5)
    recording.save(tmp_path / "mine.bnviz")
    again = Recording.load(tmp_path / "mine.bnviz")
    assert again == recording.recording
    assert (again.notes, again.mode) == (recording.notes, "training")
    assert any("16 values of each of 8 units" in note.text for note in again.notes)
    assert "Linear 0: measured in training mode" in str(again)
    assert again.watched.layers[0].floor > 0


def test_one_file_holds_the_series_of_each_mode(tmp_path):
    model = fresh(lambda: nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)))
    with watch(model, every=1, name="net") as recording:
        for _ in range(3):
            train(model, 1)
            model.eval()
            with torch.no_grad():
                model(INPUTS)
            model.train()
    recording.save(tmp_path / "both.bnviz")
    again = Recording.load(tmp_path / "both.bnviz")
    assert again == recording.recording
    assert [item.mode for item in again.series] == ["training", "evaluation"]
    assert again.evaluation == recording.evaluation == again.in_mode("evaluation")
    assert again.in_mode("training").other_modes == ()
    assert set(again.layers["mode"]) == set(again.units["mode"]) == {"training"}
    assert set(again.evaluation.layers["mode"]) == {"evaluation"}
    assert "net: 3 records in evaluation mode" in str(again)
    assert again != again.in_mode("training")
    with pytest.raises(ValueError, match="recorded is training, evaluation"):
        again.in_mode("neither")
    assert again.upto(1).evaluation.last_step == 1
    assert Recording.load(BytesIO(again.to_bytes())).to_bytes() == again.to_bytes()


@pytest.mark.parametrize(
    ("others", "message"),
    [
        (lambda both: (both.in_mode("training"),), "two series of one mode"),
        (lambda both: (both.evaluation, both.evaluation), "two series of one mode"),
        (
            lambda both: (replace(both.evaluation, subject=replace(both.evaluation.watched, name="other")),),
            "another network",
        ),
        (lambda both: (replace(both.evaluation, other_modes=(both.in_mode("training"),)),), "parts"),
    ],
)
def test_a_file_with_series_that_do_not_belong_together_is_refused(others, message):
    model = fresh(lambda: around(torch.relu))
    with watch(model, every=1) as recording:
        train(model, 2)
        model.eval()(INPUTS)
    both = recording.recording
    with pytest.raises(ValueError, match=message):
        Recording.load(BytesIO(replace(both, other_modes=others(both)).to_bytes()))


def test_records_that_wait_are_measured_to_the_same_numbers_whenever_that_is(monkeypatch):
    recordings = []
    for seconds in (0.0, 1e9):
        monkeypatch.setattr("bnviz.engine.watch.series.LATEST_SECONDS", seconds)
        model = fresh(lambda: nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)))
        with watch(model, every=2) as recording:
            train(model, 31)
            recording.step(loss=0.25)
        recordings.append(recording.recording)
    assert recordings[0] == recordings[1]
    assert recordings[0].revision > 10
    assert not np.array_equal(recordings[0].unit_values[3], recordings[0].unit_values[9])


def test_drift_without_a_change_is_about_the_floor():
    torch.manual_seed(0)
    model, data = around(torch.relu), torch.randn(4000, 6)
    with watch(model, every=1) as recording:
        for number in range(20):
            model(data[200 * number : 200 * number + 200])
            recording.step()
    drift = recording.layers["drift"][1:]
    assert (recording.layers["drift_floor"] == recording.watched.layers[0].floor).all()
    assert drift.mean() == pytest.approx(recording.watched.layers[0].floor, rel=0.35)


def hand_normalized(x: Tensor) -> Tensor:
    mean = x.mean(0, keepdim=True)
    return (x - mean) / torch.sqrt(((x - mean) ** 2).mean(0, keepdim=True) + 1e-5)


@pytest.mark.parametrize("size", [24, 60, 256])
@pytest.mark.parametrize(
    "normalizer",
    [nn.Identity, lambda: nn.BatchNorm1d(100), lambda: Function(hand_normalized), lambda: nn.LayerNorm(100)],
    ids=["none", "batch", "batch by hand", "layer"],
)
def test_the_floor_is_what_two_mini_batches_of_one_step_differ_by(normalizer, size):
    chance = np.random.default_rng(3)
    floors, apart = [], []
    for _ in range(6):
        model = fresh(lambda: nn.Sequential(nn.Linear(20, 100), normalizer(), nn.Tanh(), nn.Linear(100, 2)))
        one, other = (torch.tensor(chance.gamma(2.0, size=(size, 20)), dtype=torch.float32) for _ in range(2))
        with watch(model, every=1) as recording:
            model(one)
        floors.append(recording.watched.layers[0].floor)
        received = [np.sort(model[:2](batch).detach().numpy(), axis=0) for batch in (one, other)]
        apart.append(np.abs(received[0] - received[1]).mean())  # of equal sizes, the 1-Wasserstein distance
    assert np.mean(floors) == pytest.approx(np.mean(apart), rel=0.1)


def test_the_floor_is_drawn_into_the_chart_of_drift_and_told_in_words():
    model = fresh(lambda: around(torch.relu))
    with watch(model, every=1) as recording:
        train(model, 5)
    floor = recording.watched.layers[0].floor
    figure = figures.drift([recording.recording])
    dotted = [trace for trace in figure.data if trace.line.dash == "dot"]
    assert [trace.y[0] for trace in dotted] == [pytest.approx(floor)]
    assert "Dotted: what two mini-batches of one step differ by" in figure.layout.meta["subtitle"]
    assert "chance between mini-batches alone" in figure.layout.meta["alt"]
    assert figure.layout.yaxis.range[1] > floor
    with watch(fresh(lambda: around(torch.relu)), INPUTS, every=1) as probed:
        train(probed.model, 2)
    assert probed.watched.layers[0].floor is None
    assert not [trace for trace in figures.drift([probed.recording]).data if trace.line.dash == "dot"]


def test_a_model_that_fails_in_its_own_pass_is_let_go_of():
    model = fresh(lambda: around(torch.relu))
    with watch(model) as recording:
        with pytest.raises(RuntimeError, match="shapes"):
            model(INPUTS[:, :5])
        model(INPUTS)
    assert recording.steps.tolist() == [0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(INPUTS)
    assert not any(item._forward_hooks or item._forward_pre_hooks for item in model.modules())


# Nets that went wrong once, each compared with what its nonlinearity receives


class Pieces(nn.Module):
    """Modules, and a function of them and the inputs."""

    def __init__(self, function: object, **modules: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(self, *inputs)


def received_by(function: str, model: nn.Module, *inputs: Tensor) -> list[Tensor]:
    """What a function of torch is given while the model runs, written by hand."""
    given: list[Tensor] = []

    class Listener(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            if func.__name__ == function:
                given.append(args[0].detach().clone())
            return func(*args, **(kwargs or {}))

    with Listener():
        model(*inputs)
    return given


WORDS = torch.arange(20)
UNUSUAL = {
    "scaled": (lambda: Pieces(lambda m, x: F.relu(2.0 * m.a(x)), a=nn.Linear(6, 8)), (INPUTS,), "relu"),
    "temperature": (
        lambda: Pieces(lambda m, x: torch.sigmoid(m.a(x) / 3 - 1), a=nn.Linear(6, 8)),
        (INPUTS,),
        "sigmoid",
    ),
    "half the logarithm": (
        lambda: Pieces(lambda m, x: torch.exp(0.5 * m.a(x)), a=nn.Linear(6, 8)),
        (INPUTS,),
        "exp",
    ),
    "of a table": (
        lambda: Pieces(lambda m, x: x @ torch.relu(m.a(m.table)).T, a=nn.Linear(2, 5)),
        (INPUTS[:, :5],),
        "relu",
    ),
    "of a bag of words": (
        lambda: Pieces(
            lambda m, x, starts: torch.relu(m.a(m.bag(x, starts))),
            a=nn.Linear(6, 5),
            bag=nn.EmbeddingBag(20, 6),
        ),
        (WORDS, torch.tensor([0, 4, 9])),
        "relu",
    ),
    "after a Fourier transform": (
        lambda: Pieces(
            lambda m, x: torch.relu(torch.fft.irfft(2 * torch.fft.rfft(m.a(x), dim=0), n=len(x), dim=0)),
            a=nn.Linear(6, 8),
        ),
        (INPUTS,),
        "relu",
    ),
    "bilinear": (
        lambda: Pieces(lambda m, x: torch.relu(m.a(x, x)), a=nn.Bilinear(6, 6, 5)),
        (INPUTS,),
        "relu",
    ),
}


@pytest.mark.parametrize("case", UNUSUAL)
def test_a_nonlinearity_of_an_unusual_map_is_recorded_as_it_receives_it(case):
    build, inputs, activation = UNUSUAL[case]
    model = fresh(build)
    if case == "of a table":
        model.register_buffer("table", torch.randn(9, 2, generator=torch.Generator().manual_seed(8)))
    (given,) = received_by(activation, model, *inputs)
    with watch(model) as recording:
        model(*inputs)
    assert recording.layer_names == ("a",)
    assert recording.watched.layers[0].activation == activation
    row = recording.layers.iloc[0]
    assert row["mean"] == pytest.approx(given.mean().item(), abs=1e-5)
    assert row["std"] == pytest.approx(given.std(correction=0).item(), rel=1e-5)
    assert row["q85"] == pytest.approx(np.quantile(given.numpy(), 0.85), rel=1e-4)
    assert recording.widths == (given.shape[1],)


def test_a_parametrized_module_and_a_traced_normalizer_go_by_their_own_names():
    weighed = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(6, 8)), nn.ReLU())
    recording = watch(weighed, INPUTS)
    recording.close()
    assert recording.layer_names == ("Linear 0",)


@pytest.mark.filterwarnings("ignore")
def test_a_traced_network_is_no_normalizer():
    model = torch.jit.trace(nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU()), INPUTS)
    with watch(model) as recording:
        model(INPUTS)
    assert recording.watched.layers[0].normalizer == "batch_norm"


@pytest.mark.filterwarnings("ignore:.*not finite")
def test_one_number_that_is_not_finite_ends_nothing():
    model = fresh(lambda: around(torch.relu))
    spoiled = INPUTS.clone()
    spoiled[3, 2] = torch.inf
    with watch(model, every=1) as recording:
        for inputs in (spoiled, INPUTS):
            model(inputs)
            recording.step()
    assert recording.diverged_at is None
    assert np.isfinite(recording.layers["mean"]).tolist() == [False, True]


def test_several_passes_for_an_update_are_told():
    model = fresh(lambda: around(torch.relu))
    with watch(model, every=1) as recording:
        for _ in range(2):
            model(INPUTS)
            model(-INPUTS)
            recording.step()
    assert any("2 passes came before the first update" in note.text for note in recording.notes)


# What is remembered between records


class Choosing(nn.Module):
    """Takes one of two ways of equal shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.out = nn.Linear(6, 8), nn.Linear(6, 8), nn.Linear(8, 2)
        self.turn = False

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh((self.second if self.turn else self.first)(x)))


def test_a_pass_like_those_before_is_measured_to_the_same_numbers(monkeypatch):
    build = NORMALIZED[0]
    planned, held = fresh(build), []
    ended = PlannedObservation.end
    monkeypatch.setattr(PlannedObservation, "end", lambda self: (ended(self), held.append(self.held)))
    with watch(planned, every=1) as recording:
        expected = train(planned, 6)
    assert held == [True] * 4
    monkeypatch.setattr(Plans, "get", lambda self, key: None)
    model = fresh(build)
    with watch(model, every=1) as other:
        assert train(model, 6) == expected
    assert recording == other
    assert len(held) == 4


def test_a_pass_that_goes_another_way_is_not_taken_for_the_remembered_one():
    model = fresh(Choosing)
    with watch(model, every=1) as recording:
        for step in range(8):
            model.turn = step >= 4
            model(INPUTS)
            model(INPUTS)
            recording.step()
    assert recording.steps.tolist() == list(range(8))
    assert recording.layer_names == ("first",)
    expected = torch.where(torch.arange(8) < 4, model.first(INPUTS).mean().item(), torch.nan)
    np.testing.assert_allclose(recording.layers["mean"], expected, rtol=1e-5)
    assert any("first seen at step 4" in note.text for note in recording.notes if note.layer == "second")


def test_a_batch_of_another_size_is_recorded_at_its_own_step():
    model = fresh(lambda: around(torch.tanh))
    with watch(model, every=1) as recording:
        for step in range(6):
            model(INPUTS[: 17 if step == 4 else 40])
            recording.step()
    assert recording.steps.tolist() == list(range(6))
    expected = [model[0](INPUTS[: 17 if step == 4 else 40]).mean().item() for step in range(6)]
    np.testing.assert_allclose(recording.layers["mean"], expected, rtol=1e-5)


def test_a_number_that_decides_what_is_done_is_looked_at_again():
    model = fresh(lambda: Pieces(lambda m, x: torch.sigmoid(m.scale * m.a(x)), a=nn.Linear(6, 8)))
    model.register_buffer("scale", torch.tensor(2.0))
    with watch(model, every=1) as recording:
        for step in range(6):
            model.scale.fill_(2.0 if step < 4 else 3.0)
            model(INPUTS)
            model(INPUTS)
            recording.step()
    expected = [(2.0 if step < 4 else 3.0) * model.a(INPUTS).mean().item() for step in range(6)]
    np.testing.assert_allclose(recording.layers["mean"], expected, rtol=1e-5)


MEMORY = """
import sys, torch
from torch import nn
from bnviz import watch

def peak(action):
    open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
    before = status("VmRSS")
    action()
    return status("VmHWM") - before

def status(name):
    return 1024 * next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))

torch.set_num_threads(1)
parts = nn.Linear(64, 1000), nn.BatchNorm1d(1000), nn.ReLU(), nn.Linear(1000, 4), nn.Tanh()
model, inputs = nn.Sequential(*parts), torch.randn(1024, 64)
for _ in range(3):
    model(inputs)
plain = peak(lambda: model(inputs))
with watch(model, every=1) as recording:
    for _ in range(6):
        watched = peak(lambda: model(inputs))
        recording.step()
        print(watched - plain)
assert recording.steps.tolist() == [0, 1, 2, 3, 4, 5]
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read from Linux")
def test_a_record_needs_a_layers_values_twice_at_most_of_all_memory():
    eager = {
        "MALLOC_MMAP_THRESHOLD_": "65536",
        "MALLOC_TRIM_THRESHOLD_": "65536",
    }  # what is freed is given back
    ran = subprocess.run(
        [sys.executable, "-c", MEMORY],
        env={**os.environ, **eager},
        capture_output=True,
        text=True,
        check=True,
    )
    largest = 1024 * 1000 * 4
    extra = [int(line) / largest for line in ran.stdout.split()]
    assert max(extra[1:]) < 2, extra  # the first imports what it needs


@pytest.mark.parametrize(
    ("rows", "units", "scale"), [(60, 100, 2), (7, 3, 30), (1, 5, 1), (40, 20, 1e4), (9, 4, 0)]
)
def test_a_sample_is_measured_as_the_layers_of_a_bnviz_network_are(rows, units, scale):
    values = (scale * np.random.default_rng(0).normal(size=(rows, units))).astype(np.float32)
    values[0, 0], values[-1, -1] = 0.25, -8.0  # on an edge of the histogram
    expected = Distribution.of(values)
    mean, std, shares = expected.summary()
    saturating = [name for name, kind in NONLINEARITIES.items() if kind.saturates]
    for name in ("", *saturating):
        measured = Measured.of(Sample(values.copy(), np.arange(units), rows, units, None), name)
        np.testing.assert_equal(measured.saturated, expected.saturated(name))
    np.testing.assert_allclose([measured.summary.mean, measured.summary.std], [mean, std], rtol=1e-9)
    np.testing.assert_array_equal(measured.summary.shares, shares)
    np.testing.assert_array_equal(measured.histogram, expected.histogram())
    np.testing.assert_array_equal(
        Summary.of(Sample(values.copy(), np.arange(units), rows, units, None)).shares, shares
    )
    assert measured.dead == expected.dead("relu")


def test_a_watchers_text_tells_each_mode_apart_and_by_its_name():
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, every=1, name="net") as recording:
        for train in (True, False, True):
            model.train(train)
            model(INPUTS).sum().backward()
            if train:
                optimizer.step()
    training, evaluation = str(recording).split("\nnet: ")
    assert training.startswith("net: 2 records in training mode of 1 layer")
    assert f"Linear 0: measured in training mode: {len(INPUTS)} values of each of 5 units" in training
    assert evaluation.startswith("1 record in evaluation mode of 1 layer")
    assert "in training mode:" not in evaluation
