"""What else runs or reads a network while it is watched: torch.func, tracers, threads, a user who interrupts."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn import functional as F
from torch.utils._python_dispatch import _get_current_dispatch_mode

from bnviz import watch

COLUMNS = ("mean", "std", "q05", "q15", "q25", "q50", "q75", "q85", "q95")


def assert_recorded(recording, layer: str, record: int, values: Tensor) -> None:
    """A record's mean, standard deviation and quantiles are those of the values, by NumPy."""
    flat = values.detach().double().numpy().reshape(-1)
    expected = [flat.mean(), flat.std(), *np.quantile(flat, (0.05, 0.15, 0.25, 0.5, 0.75, 0.85, 0.95))]
    number = recording.layer_names.index(layer) + 1
    found = [recording.layer_column(number, column)[record] for column in COLUMNS]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def told(recording, part: str) -> bool:
    return any(part in str(note) for note in recording.notes)


class Net(nn.Module):
    """Uses its weights itself, so that no module's class says what they are."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.out = nn.Linear(6, 8), nn.Linear(8, 3)
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(F.linear(torch.relu(self.first(x)), self.out.weight, self.out.bias))


def net(number: int = 0) -> Net:
    torch.manual_seed(number)
    return Net()


def batches(count: int) -> list[Tensor]:
    return list(torch.randn(count, 16, 6, generator=torch.Generator().manual_seed(2)))


def train(model: nn.Module, inputs: list[Tensor]) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for x in inputs:
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()


# torch.func


def test_networks_whose_weights_torch_func_brings_along_are_recorded():
    models = [net(number) for number in range(3)]
    weights, _ = stack_module_state(models)
    base = net()

    def one(weights: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(base, weights, (x,))

    def loss(weights: dict[str, Tensor], x: Tensor) -> Tensor:
        return one(weights, x.unsqueeze(0)).square().sum()

    own = {name: item.detach() for name, item in models[1].named_parameters()}
    calls = [
        (lambda x: one(own, x), models[1:2]),
        (lambda x: vmap(one, in_dims=(0, None))(weights, x), models),
        (lambda x: vmap(grad(loss), in_dims=(None, 0))(own, x), models[1:2]),
    ]
    for call, trained in calls:
        with watch(base, every=1) as recording:
            for x in batches(4):
                call(x)
                recording.step()
        assert recording.layer_names == ("first", "out")
        for record, x in enumerate(batches(4)):
            hidden = [item.first(x) for item in trained]
            outputs = [
                F.linear(torch.relu(item), m.out.weight, m.out.bias)
                for item, m in zip(hidden, trained, strict=True)
            ]
            assert_recorded(recording, "first", record, torch.stack(hidden))
            assert_recorded(recording, "out", record, torch.stack(outputs))
        assert not told(recording, "added or appended")


# Tracers


def traced_by_jit(model: nn.Module) -> None:
    torch.jit.trace(model, batches(1)[0])


def traced_by_fx(model: nn.Module) -> None:
    torch.fx.symbolic_trace(nn.Sequential(model))


def run_on_fakes(model: nn.Module) -> None:
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        model(mode.from_tensor(batches(1)[0]))


@pytest.mark.parametrize("trace", [traced_by_jit, traced_by_fx, run_on_fakes])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_who_only_writes_down_what_a_network_does_is_not_taken_for_a_pass(trace):
    model = net()
    with watch(model, every=1) as recording:
        trace(model)
        train(model, batches(3))
        trace(model)
    assert recording.steps.tolist() == [0, 1, 2]
    assert_recorded(recording, "first", 0, net().first(batches(1)[0]))


# Threads, and who interrupts


class Interrupted(Net):
    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x)
        if len(x) == 1:
            raise KeyboardInterrupt
        return torch.tanh(hidden)


@pytest.mark.parametrize("step", [0, 3])
def test_after_an_interrupted_pass_the_next_one_is_recorded(step):
    torch.manual_seed(0)
    model = Interrupted()
    recording = watch(model, every=1)
    train(model, batches(step))
    with pytest.raises(KeyboardInterrupt):
        model(torch.ones(1, 6))
    expected = model.first(batches(1)[0])
    train(model, batches(2))
    assert _get_current_dispatch_mode() is None
    recording.close()
    assert recording.steps.tolist() == list(range(step + 2))
    assert_recorded(recording, "first", step, expected)


class Overtaken(nn.Module):
    """While it computes for one thread it begins to for another, and ends for that one later."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 8)
        self.begun, self.over = threading.Event(), threading.Event()
        self.left: list[object] = []

    def forward(self, x: Tensor) -> Tensor:
        if len(x) == 1:
            self.begun.set()
            self.over.wait(10)
            return torch.tanh(self.first(x))
        other = threading.Thread(target=self.beside)
        other.start()
        self.begun.wait(10)
        outputs = torch.tanh(self.first(x))
        self.threads = [other]
        return outputs

    def beside(self) -> None:
        self(torch.ones(1, 6))
        self.left.append(_get_current_dispatch_mode())


def test_a_pass_of_another_thread_is_no_part_of_the_recorded_one():
    model = Overtaken()
    with watch(model, every=1) as recording:
        for x in batches(3):
            model.begun.clear()
            model.over.clear()
            model(x)
            model.over.set()
            model.threads[0].join()
            recording.step()
    assert model.left == [None] * 3
    assert _get_current_dispatch_mode() is None
    for record, x in enumerate(batches(3)):
        assert_recorded(recording, "first", record, model.first(x))


# Tensors that are not plain


def test_the_units_of_quantized_and_of_nested_values_are_known():
    class Quantized(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            self.received = torch.fake_quantize_per_tensor_affine(self[0](x), 0.1, 0, -128, 127)
            return torch.relu(self.received)

    model = Quantized(nn.Linear(6, 8))
    with watch(model) as recording:
        model(batches(1)[0])
    assert recording.widths == (8,)
    assert_recorded(recording, "Linear 0", 0, model.received)

    model = nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.ReLU())
    for layers, name in ((None, "Linear 0"), (["1"], "LayerNorm 1")):
        with watch(model, layers=layers, every=1) as recording:
            for size in (3, 4, 5, 5, 5):
                x = torch.nested.nested_tensor([torch.randn(size, 6), torch.ones(2, 6)], layout=torch.jagged)
                model(x)
                recording.step()
        assert recording.widths == (8,)
        assert_recorded(recording, name, 4, model[:2](x).values())


def test_a_normalizer_behind_a_nonlinearity_begins_a_layer():
    torch.manual_seed(0)
    parts = (
        nn.Linear(6, 8),
        nn.ReLU(),
        nn.BatchNorm1d(8),
        nn.Tanh(),
        nn.Linear(8, 4),
        nn.ReLU(),
        nn.LayerNorm(4),
    )
    model = nn.Sequential(*parts)
    with watch(model) as recording:
        model(batches(1)[0])
    assert recording.layer_names == ("Linear 0", "BatchNorm1d 2", "Linear 4")
    layer = recording.watched.layers[1]
    assert (layer.activation, layer.normalizer, layer.width) == ("tanh", "BatchNorm1d", 8)
    assert_recorded(recording, "BatchNorm1d 2", 0, model[:3](batches(1)[0]))
    received = model[:2](batches(1)[0]).mean().item()
    assert recording.layer_column(2, "before_mean")[0] == pytest.approx(received, rel=1e-5)


# What is told


def test_a_training_of_which_no_update_is_counted_is_told():
    model = net()
    recording = watch(model, every=2)
    for x in batches(5):
        model(x).square().mean().backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.1 * parameter.grad
    with pytest.warns(UserWarning, match="5 passes in training mode came, and no update was counted"):
        recording.close()
    assert recording.steps.tolist() == [0]
    assert told(recording, "call recording.step() after each update")


def test_a_batch_that_leaves_nothing_finite_ends_nothing_if_the_program_goes_on():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU())
    inputs = batches(6)
    inputs[2][0, 0] = inputs[5][0, 0] = torch.nan
    diverged = []
    with watch(model, every=1) as recording:
        for x in inputs:
            model(x)
            diverged.append(recording.recording.diverged_at)
            recording.step()
    assert diverged == [None, None, 2, None, None, 5]
    assert recording.steps.tolist() == [0, 1, 3, 4]
    assert told(recording, "no layer had finite numbers at step 2, but later they had")


@dataclass
class Output:
    hidden: Tensor
    loss: Tensor | None = None


class Wrapped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inside, self.out = net(), nn.Linear(3, 2)

    def forward(self, x: Tensor, *, labels: Tensor | None = None) -> Output:
        return Output(self.out(self.inside(x)))


def test_what_a_module_gives_out_in_a_dataclass_is_found_and_maps_left_out_are_told():
    model = nn.Sequential(Wrapped())
    with watch(model) as recording:
        model(batches(1)[0])
    assert recording.layer_names == ("0.inside.first", "0.inside.out")
    assert told(recording, "no nonlinearity receives what these give out, so they are not recorded: 0.out")
    with watch(model, layers=["0"]) as recording:
        model(batches(1)[0])
    assert_recorded(recording, "Wrapped 0", 0, model(batches(1)[0]).hidden)


def test_passes_that_show_nothing_in_another_mode_are_told():
    class Bare(Net):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) if self.training else self.first(x)

    torch.manual_seed(0)
    model = Bare()
    with watch(model, every=1) as recording:
        train(model, batches(1))
        model.eval()
        model(batches(1)[0])
    assert told(recording, "passes in evaluation mode: nothing is recorded")


@torch.library.custom_op("bnviz_tests::own_map", mutates_args=())
def own_map(x: Tensor, weight: Tensor) -> Tensor:
    """An affine map that no rule knows."""
    return x @ weight.t()


class Experts(nn.Module):
    """Rows of one tensor are given to the experts whose turn they are."""

    def __init__(self) -> None:
        super().__init__()
        self.router, self.experts = nn.Linear(6, 8), nn.Parameter(torch.randn(2, 8, 8))
        self.own = nn.Parameter(torch.randn(5, 8))

    def forward(self, x: Tensor) -> Tensor:
        ends = torch.tensor([4, len(x)], dtype=torch.int32)
        self.hidden = torch._grouped_mm(self.router(x), self.experts.transpose(-2, -1), offs=ends)
        self.last = own_map(F.silu(self.hidden), self.own)
        return torch.tanh(self.last)


def test_maps_that_no_module_calls_are_layers_of_their_own():
    torch.manual_seed(0)
    model = Experts()
    with watch(model) as recording:
        model(batches(1)[0])
    assert recording.layer_names == ("experts", "own")
    assert_recorded(recording, "experts", 0, model.hidden)
    assert_recorded(recording, "own", 0, model.last)
    assert recording.widths == (8, 1)
    assert told(recording, "own: which axis holds its units is not known")


def test_a_nonlinearity_of_which_only_the_linear_part_is_used_is_named():
    model = nn.Sequential(nn.Linear(6, 8), Softcap())
    with watch(model) as recording:
        model(batches(1)[0])
    assert [layer.activation for layer in recording.watched.layers] == ["tanh"]


class Softcap(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x * 0.05 / 50.0) * 50.0
