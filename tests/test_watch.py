"""Watching somebody's own network: what is measured is right, and nothing in the network or its training changes."""

from __future__ import annotations

import importlib.util
import json
import random
import zipfile
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typer.testing import CliRunner

from bnviz import Recording, figures, watch
from bnviz.cli import app
from bnviz.figures import FIGURES
from bnviz.recording.watched import MAX_WATCHED_LAYERS, Watched, WatchedLayer, WatchError

EXAMPLES = Path(__file__).parent.parent / "examples"
INPUTS = torch.randn(40, 6, generator=torch.Generator().manual_seed(1))
IMAGES = torch.randn(20, 1, 6, 6, generator=torch.Generator().manual_seed(2))


class HomeMadeNorm(nn.Module):
    """Keeps its running mean as a plain attribute, as textbooks do, and counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.moving_mean = torch.zeros(8)
        self.in_place = torch.zeros(8)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        mean = x.mean(0)
        self.moving_mean = 0.9 * self.moving_mean + 0.1 * mean.detach()
        self.in_place += 1
        return x - mean


class Everything(nn.Module):
    """Chance of all kinds, running statistics of all kinds, and functions in place of modules."""

    def __init__(self) -> None:
        super().__init__()
        self.chance = torch.Generator().manual_seed(3)
        self.body = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(inplace=True), nn.Dropout(0.5))
        self.twice = nn.Linear(8, 8)
        self.norm = HomeMadeNorm()
        self.frozen = nn.BatchNorm1d(8).eval()
        self.spectral = nn.utils.parametrizations.spectral_norm(nn.Linear(8, 8))
        self.output = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        x = torch.tanh(self.norm(self.twice(x)))
        x = F.dropout(x, 0.2, self.training) * (1 + 0.01 * random.random() + 0.01 * np.random.rand())
        x = F.gelu(self.frozen(self.twice(x))) + 0.1 * torch.rand(len(x), 8, generator=self.chance)
        x = x + self.spectral(x)
        return self.output(x.relu_())


def seeded(build: type[nn.Module] = Everything) -> nn.Module:
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)
    return build()


def updates(model: nn.Module, count: int, optimizer: torch.optim.Optimizer, inputs: Tensor = INPUTS) -> None:
    for _ in range(count):
        chosen = torch.randint(0, len(inputs), (10,))
        loss = F.cross_entropy(model(inputs[chosen]), chosen % 3)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def state(model: nn.Module) -> dict[str, object]:
    """Everything that a pass could change, as bytes or plain values."""
    tensors = {name: item.detach().clone() for name, item in model.state_dict().items()}
    gradients = {name: item.grad for name, item in model.named_parameters()}
    found: dict[str, object] = {name: item.numpy().tobytes() for name, item in tensors.items()}
    found |= {f"{name} gradient": None if g is None else g.numpy().tobytes() for name, g in gradients.items()}
    for name, module in model.named_modules():
        found[f"{name} training"] = module.training
        found[f"{name} hooks"] = [len(module._forward_hooks), len(module._forward_pre_hooks)]
        found[f"{name} attributes"] = sorted(vars(module))
    found["kept"] = model.norm.moving_mean.numpy().tobytes() + model.norm.in_place.numpy().tobytes()
    found["calls"] = model.norm.calls
    found["chance"] = (
        torch.get_rng_state().numpy().tobytes(),
        random.getstate(),
        np.random.get_state()[1].tobytes(),
        model.chance.get_state().numpy().tobytes(),
    )
    found["graphs"] = [item.requires_grad for item in model.parameters()]
    return found


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.SGD])
def test_training_with_and_without_watching_ends_in_the_same_bits(optimizer):
    plain = seeded()
    updates(plain, 12, optimizer(plain.parameters(), lr=0.05))
    expected = state(plain)
    model = seeded()
    with watch(model, INPUTS, every=3) as recording:
        updates(model, 12, optimizer(model.parameters(), lr=0.05))
    assert state(model) == expected
    assert recording.recording.steps.tolist() == [0, 3, 6, 9, 12]


@pytest.mark.parametrize("mode", [True, False])
def test_one_pass_leaves_no_trace_in_train_and_in_eval_mode(mode):
    model = seeded()
    model.train(mode)
    updates(model, 1, torch.optim.SGD(model.parameters(), lr=0.01))
    before = state(model)
    watch(model, INPUTS).close()
    assert state(model) == before


def test_an_exception_in_the_block_goes_out_and_leaves_nothing_attached():
    model = seeded()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    recording = watch(model, INPUTS, every=1)

    def broken() -> None:
        with recording:
            updates(model, 2, optimizer)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        broken()
    before = state(model)
    updates(model, 1, optimizer)
    assert recording.recording.steps.tolist() == [0, 1, 2]
    assert state(model).keys() == before.keys()


def test_a_model_that_fails_in_the_pass_is_left_as_it_was():
    model = seeded()
    before = state(model)
    with pytest.raises(WatchError, match="does not run on the probe"):
        watch(model, INPUTS[:, :5])
    assert state(model) == before


def test_what_is_recorded_agrees_with_numpy_and_autograd():
    torch.manual_seed(0)
    first, norm, last = nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 3)
    model = nn.Sequential(first, norm, nn.Sigmoid(), last)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    with watch(model, INPUTS, every=2) as recording:
        updates(model, 1, optimizer)
        before = first.weight.detach().clone()
        updates(model, 1, optimizer)
        # In training mode, by the probe's own statistics.
        entering = (INPUTS @ first.weight.T + first.bias).detach().numpy().astype(float)
        hat = (entering - entering.mean(0)) / np.sqrt(entering.var(0) + norm.eps)
        received = hat * norm.weight.detach().numpy() + norm.bias.detach().numpy()
        row = recording.layers.set_index("step").loc[2]
        gradient = first.weight.grad.norm().item()
        moved = ((first.weight - before).norm() / first.weight.norm()).item()
    assert recording.revision == 2
    assert row["mean"] == pytest.approx(received.mean(), abs=1e-5)
    assert row["std"] == pytest.approx(received.std(), rel=1e-4)
    for name, share in (("q05", 0.05), ("q50", 0.5), ("q85", 0.85)):
        assert row[name] == pytest.approx(np.quantile(received, share), abs=1e-4)
        assert row[f"before_{name}"] == pytest.approx(np.quantile(entering, share), abs=1e-4)
    assert row["grad_norm"] == pytest.approx(gradient, rel=1e-5)
    assert row["update_ratio"] == pytest.approx(moved, rel=1e-3)
    assert row["saturated"] == pytest.approx((np.abs(received) > 4.357).mean())
    units = recording.units[recording.units["step"] == 2]
    np.testing.assert_allclose(units["gamma"], norm.weight.detach().numpy())
    np.testing.assert_allclose(units["q15"], np.quantile(received, 0.15, axis=0), atol=1e-4)
    assert recording.histograms.query("step == 2")["count"].sum() == received.size


class Functions(nn.Module):
    """Nonlinearities as functions, methods, in place and after pooling; an addition before one of them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.inner = nn.ModuleDict({"a": nn.Conv2d(4, 4, 3, padding=1), "n": nn.GroupNorm(2, 4)})
        self.line = nn.Conv1d(4, 5, 1)
        self.dense = nn.Linear(5, 7)
        self.norm = nn.LayerNorm(7)
        self.output = nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu_(F.max_pool2d(self.stem(x), 2))
        x = (x + self.inner["n"](self.inner["a"](x))).sigmoid()
        x = F.silu(self.line(x.flatten(2))).transpose(1, 2)
        x = torch.tanh(self.norm(self.dense(x)))
        return self.output(x.mean(1))


def test_nonlinearities_are_found_however_they_are_called():
    torch.manual_seed(0)
    model = Functions()
    recording = watch(model, IMAGES)
    recording.close()
    assert recording.watched.layers == (
        WatchedLayer("stem", 4, "relu", ""),
        WatchedLayer("inner.a", 4, "sigmoid", "GroupNorm"),
        WatchedLayer("line", 5, "silu", ""),
        WatchedLayer("dense", 7, "tanh", "LayerNorm"),
    )
    with torch.no_grad():
        pooled = F.max_pool2d(model.stem(IMAGES), 2)
        hidden = pooled.relu()
        added = hidden + model.inner["n"](model.inner["a"](hidden))
    table = recording.layers.set_index("layer")
    assert table.loc[1, "mean"] == pytest.approx(pooled.mean().item(), abs=1e-6)
    assert table.loc[1, "dead"] == pytest.approx((pooled.amax((0, 2, 3)) <= 0).float().mean().item())
    assert table.loc[2, "std"] == pytest.approx(added.std(correction=0).item(), rel=1e-5)


def test_a_module_used_twice_is_two_layers_and_a_parametrized_one_has_no_weights_of_its_own():
    recording = watch(seeded(), INPUTS)
    recording.close()
    assert recording.layer_names == ("body.0", "twice", "twice (2)", "spectral")
    assert [layer.normalizer for layer in recording.watched.layers] == [
        "BatchNorm1d",
        "HomeMadeNorm",
        "BatchNorm1d",
        "",
    ]
    assert np.isnan(recording.layers["weight_norm"].iloc[3])


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float64])
def test_other_precisions_are_measured_in_float32(kind):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2)).to(kind)
    recording = watch(model, INPUTS.to(kind))
    recording.close()
    expected = model[0](INPUTS.to(kind)).double().mean().item()
    assert recording.layers["mean"][0] == pytest.approx(expected, abs=1e-2)
    assert np.isfinite(recording.layers["weight_norm"][0])


def test_a_transformer_is_watched_where_its_nonlinearities_are():
    model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    recording = watch(model, torch.randn(5, 4, 8))
    recording.close()
    assert recording.watched.layers == (WatchedLayer("linear1", 16, "relu", ""),)


def test_layers_asked_for_by_name_are_watched_whatever_follows():
    model = seeded()
    recording = watch(model, INPUTS, layers=["output", "body.1", "twice"])
    recording.close()
    assert recording.layer_names == ("body.1", "twice", "twice (2)", "output")
    assert recording.activation(4) == ""
    assert recording.widths == (8, 8, 8, 3)


def test_of_a_wide_layer_a_thousand_units_are_measured_and_of_a_long_probe_every_example():
    model = nn.Sequential(nn.Linear(3, 1500), nn.BatchNorm1d(1500), nn.ReLU())
    recording = watch(model, torch.randn(500, 3))
    recording.close()
    assert recording.widths == (1000,)
    assert recording.histograms["count"].sum() == 500 * 1000
    assert recording.units["gamma"].notna().all()


def test_updates_are_counted_by_the_first_optimizer_of_the_model_or_by_hand():
    model = seeded()
    mine = torch.optim.SGD(model.parameters(), lr=0.01)
    stranger = torch.optim.SGD([nn.Parameter(torch.zeros(1, requires_grad=True))], lr=0.01)
    with watch(model, INPUTS, every=4) as recording:
        for _ in range(8):
            stranger.step()
            recording.step(loss=1.0)  # of an accumulated gradient
            updates(model, 1, mine)
            recording.step(loss=torch.tensor(2.0, requires_grad=True), accuracy=0.5)
    assert recording.recording.steps.tolist() == [0, 4, 8]
    assert recording.curves[["loss", "accuracy"]].to_numpy().tolist() == [[2.0, 0.5]] * 2
    with watch(model, INPUTS, every=4) as recording:
        for number in range(1, 7):
            recording.step(loss=number)
    assert recording.recording.steps.tolist() == [0, 4, 6]
    assert recording.curves["loss"].tolist() == [4, 6]


def test_of_several_numbers_that_are_told_of_one_update_the_first_counts():
    model = seeded()
    mine = torch.optim.SGD(model.parameters(), lr=0.01)
    with watch(model, every=1) as recording:
        model(INPUTS)
        for _ in range(2):
            updates(model, 1, mine)
            recording.step(loss=1.0)
            recording.step(loss=2.0)
            recording.step(loss=3.0, test_loss=4.0)
        model(INPUTS)
    assert recording.curves["split"].tolist() == ["train", "test"] * 2
    assert recording.curves["loss"].tolist() == [1.0, 4.0] * 2


def test_numbers_of_held_out_examples_are_kept_at_any_step():
    model = seeded()
    with watch(model, INPUTS) as recording:
        for number in range(1, 8):
            recording.step(loss=0.5, **({"test_accuracy": 0.25} if number == 3 else {}))
    assert recording.recording.steps.tolist() == [0, 3, 7]
    assert recording.curves["split"].tolist() == ["train", "test", "train"]


def test_a_network_that_diverges_is_recorded_until_then():
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))
    with watch(model, INPUTS, every=1) as recording:
        recording.step()
        with torch.no_grad():
            model[0].weight.fill_(torch.nan)
        recording.step()
        recording.step()
    assert (recording.last_step, recording.diverged_at) == (1, 2)
    figures.bands([recording.recording])


def test_a_pass_that_fails_later_warns_and_the_training_goes_on():
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with watch(model, INPUTS, every=2) as recording:
        updates(model, 2, optimizer)
        model[0] = nn.Linear(5, 4)
        with pytest.warns(UserWarning, match="bnviz stopped watching at step 4"):
            updates(model, 4, optimizer, INPUTS[:, :5])
    assert recording.recording.steps.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"every": 0}, "every = 0 is not allowed"),
        ({"layers": ["absent"]}, "layers = 'absent' is no module of the model; allowed are"),
        ({"name": "<b>net</b>"}, "name = '<b>net</b>' is not allowed"),
        ({"model": nn.Sequential(nn.Linear(6, 3))}, "no nonlinearity receives"),
        ({"model": nn.Sequential(nn.LazyLinear(3), nn.ReLU())}, "not built yet"),
    ],
)
def test_what_cannot_be_watched_is_refused_in_one_sentence(arguments, message):
    with pytest.raises(WatchError, match=message):
        watch(**({"model": seeded(), "probe": INPUTS} | arguments))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> tuple[Recording, Path]:
    names = nn.ModuleDict({"<b>fc</b>&": nn.Linear(6, 5), "mix": nn.Linear(5, 4), "out": nn.Linear(4, 3)})
    act = nn.Sequential(*[part for layer in names.values() for part in (layer, nn.Tanh())][:-1])
    model = nn.Module()
    model.parts = names
    model.forward = act.forward
    with watch(model, INPUTS, every=5, name="my net") as recording:
        for loss in range(1, 12):
            recording.step(loss=float(loss), accuracy=0.5, test_accuracy=0.4)
    path = tmp_path_factory.mktemp("watched") / "mine.bnviz"
    recording.save(path)
    return recording.recording, path


def test_the_file_reads_back_equal_and_names_the_layers_without_markup(recorded):
    recording, path = recorded
    again = Recording.load(path)
    assert again == recording
    assert again.provenance == recording.provenance
    assert again.watched == recording.watched
    assert again.layer_names == ("parts._b_fc_/b__", "parts.mix")
    assert again.finished
    with pytest.raises(ValueError, match="my net was watched while another program trained it"):
        again.experiment  # noqa: B018


@pytest.mark.parametrize("name", [name for name in FIGURES if name != "boundary"])
@pytest.mark.parametrize("narrow", [False, True])
def test_every_figure_draws_a_watched_network_alone_and_beside_a_trained_one(name, narrow, recorded):
    from tests.recordings import pair

    recording, _ = recorded
    for drawn in ([recording], [recording, pair()[1]]):
        figure = FIGURES[name].function(drawn, narrow=narrow)
        text = figure.to_json()
        assert "my net, training mode" in text
    own = FIGURES[name].function([recording], narrow=narrow).to_json()
    assert name in ("accuracy", "loss", "learning_rate") or "parts.mix" in own or "…" in own


def test_replay_refuses_politely(recorded):
    _, path = recorded
    outcome = CliRunner().invoke(app, ["replay", str(path)])
    assert isinstance(outcome.exception, ValueError)
    assert str(outcome.exception).startswith("my net was watched")


def altered(path: Path, place: Path, **changes: object) -> Path:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    about = json.loads(members["recording.json"])
    about["watched"] |= changes
    members["recording.json"] = json.dumps(about).encode()
    with zipfile.ZipFile(place / "other.bnviz", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return place / "other.bnviz"


LAYER = asdict(WatchedLayer("a", 5, "tanh", ""))


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "<script>alert(1)</script>"},
        {"name": "x" * 81},
        {"name": 3},
        {"more": 1},
        {"layers": []},
        {"layers": "ab"},
        {"layers": [LAYER] * (MAX_WATCHED_LAYERS + 1)},
        {"layers": [LAYER, LAYER]},
        {"layers": [LAYER | {"width": 10**9}, LAYER]},
        {"layers": [LAYER | {"width": True}, LAYER]},
        {"layers": [LAYER | {"name": "<a href='javascript:x'>"}, LAYER]},
        {"layers": [LAYER | {"activation": "\u202egnol"}, LAYER]},
        {"layers": [{"name": "a"}, LAYER]},
    ],
)
def test_a_strangers_description_of_a_network_is_refused(changes, recorded, tmp_path):
    with pytest.raises(ValueError, match="is no recording of bnviz: "):
        Recording.load(altered(recorded[1], tmp_path, **changes))


def test_a_description_survives_its_dictionary():
    watched = Watched("a", (WatchedLayer("b", 3, "relu", "BatchNorm1d"),))
    assert Watched.of_dict(json.loads(json.dumps(asdict(watched)))) == watched


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("watch_mlp", ["watch_mlp"]),
        ("watch_convnet", ["watch_convnet_without", "watch_convnet_with"]),
    ],
)
def test_the_examples_write_recordings_and_a_figure(name, files, tmp_path, capsys):
    threads = torch.get_num_threads()
    try:
        example(name).main(tmp_path / "out", 20)
    finally:
        torch.set_num_threads(threads)
    assert "are in" in capsys.readouterr().out
    for file in files:
        recording = Recording.load(tmp_path / "out" / f"{file}.bnviz")
        assert recording.last_step == 20
        assert recording.watched is not None
        assert recording.curves["loss"].notna().any()
    assert "Plotly" in (tmp_path / "out" / f"{name}.html").read_text(encoding="utf-8")[:20_000_000]
