"""Loops and layers that people write, watched: what is recorded is what hooks written by hand see."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from bnviz import watch

COLUMNS = ("mean", "std", "q05", "q15", "q25", "q50", "q75", "q85", "q95")


def numbers(values: Tensor) -> np.ndarray:
    """Mean, standard deviation and quantiles, by NumPy."""
    flat = values.detach().double().numpy().reshape(-1)
    return np.array([flat.mean(), flat.std(), *np.quantile(flat, (0.05, 0.15, 0.25, 0.5, 0.75, 0.85, 0.95))])


def recorded(recording, layer, record):
    """The same numbers of a layer, counted from 1, in one record."""
    return [recording.layer_column(layer, column)[record] for column in COLUMNS]


def network() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3), nn.Tanh())


def batches(count: int, size: int = 16) -> list[Tensor]:
    return list(torch.randn(count, size, 6, generator=torch.Generator().manual_seed(2)))


def step(model: nn.Module, inputs: Tensor, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    model(inputs).float().square().mean().backward()
    optimizer.step()


class Layers(nn.Module):
    """A network that keeps in `seen` what each of its nonlinearities receives."""

    def __init__(self, forward: object, **modules: nn.Module) -> None:
        super().__init__()
        self.seen: list[Tensor] = []
        self.function = forward
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Tensor:
        self.seen = []
        return self.function(self, x)

    def note(self, values: Tensor) -> Tensor:
        self.seen.append(values.detach().clone())
        return values


def shared(model: Layers, x: Tensor) -> Tensor:
    for _ in range(3):
        x = torch.relu(model.note(model.a(x)))
    return model.c(x)


def low_rank(model: Layers, x: Tensor) -> Tensor:
    x = F.silu(model.note(model.a(x) + x @ model.down.weight.t() @ model.up.weight.t()))
    values = model.note(torch.einsum("bi,oi->bo", x, model.c.weight))
    return torch.where(values > 0, values, 0.1 * values)


@pytest.mark.parametrize(
    ("forward", "names"),
    [
        (shared, ("a", "a (2)", "a (3)")),
        (low_rank, ("up", "c")),
        (lambda model, x: model.c(F.gelu(model.note(F.linear(x, model.a.weight * 2)))), ("a",)),
    ],
    ids=["shared", "low rank", "computed weight"],
)
def test_what_each_nonlinearity_receives_is_what_the_network_itself_sees(forward, names):
    torch.manual_seed(0)
    model = Layers(
        forward,
        a=nn.Linear(6, 6),
        down=nn.Linear(6, 2, bias=False),
        up=nn.Linear(2, 6, bias=False),
        c=nn.Linear(6, 3),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    seen = []
    with watch(model, every=1) as recording:
        for inputs in batches(5):
            step(model, inputs, optimizer)
            seen.append(model.seen)
    assert recording.layer_names == names
    for record, layers in enumerate(seen):
        for layer, values in enumerate(layers, start=1):
            np.testing.assert_allclose(
                recorded(recording, layer, record), numbers(values), rtol=1e-4, atol=1e-6
            )


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_checkpointed_part_is_recorded_once_though_it_is_computed_twice(reentrant):
    model = network()
    seen: list[Tensor] = []
    model[3].register_forward_hook(lambda module, inputs, output: seen.append(output.detach().clone()))

    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = model[:3], model[3:]

        def forward(self, x: Tensor) -> Tensor:
            return checkpoint(self.second, self.first(x), use_reentrant=reentrant)

    whole = Checkpointed()
    optimizer = torch.optim.SGD(whole.parameters(), lr=0.05)
    with watch(whole, every=1) as recording:
        for inputs in batches(5):
            step(whole, inputs, optimizer)
    assert recording.layer_names == ("first.0", "second.3")
    assert len(seen) == 10
    for record, values in enumerate(seen[::2]):
        np.testing.assert_allclose(recorded(recording, 2, record), numbers(values), rtol=1e-4, atol=1e-6)


def test_a_users_hook_that_changes_an_output_is_part_of_the_network():
    model, received = network(), []
    model[1].register_forward_hook(lambda module, inputs, output: output * 3 + 1)
    model[2].register_forward_pre_hook(lambda module, inputs: received.append(inputs[0].detach().clone()))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    with watch(model, every=1) as recording:
        for inputs in batches(5):
            step(model, inputs, optimizer)
    for record, values in enumerate(received):
        np.testing.assert_allclose(recorded(recording, 1, record), numbers(values), rtol=1e-4, atol=1e-6)


def test_a_step_that_calls_the_one_of_its_base_class_is_one_update():
    class Mine(torch.optim.SGD):
        def step(self, closure: object = None) -> None:
            super().step(closure)
            self.zero_grad()

    torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)  # has torch put its hooks into SGD.step too
    model = network()
    optimizer = Mine(model.parameters(), lr=0.1)
    with watch(model, every=2) as recording:
        for inputs in batches(7):
            model(inputs).square().mean().backward()
            optimizer.step()
    assert recording.updates == 7
    assert recording.steps.tolist() == [0, 2, 4, 6]


def test_a_step_that_was_broken_off_hides_none_that_come_later():
    class Failing(torch.optim.SGD):
        def step(self, closure: object = None) -> None:
            if next(failures):
                raise RuntimeError("out of memory")
            super().step(closure)

    failures = iter([False, True, False, False])
    model = network()
    optimizer = Failing(model.parameters(), lr=0.1)
    with watch(model, every=1) as recording:
        for inputs in batches(4):
            model(inputs).square().mean().backward()
            try:
                optimizer.step()
            except RuntimeError:
                continue
    assert recording.updates == 3


def test_what_another_optimizer_changes_is_not_told_as_no_change():
    model = network()
    head, rest = (torch.optim.SGD(part.parameters(), lr=0.1) for part in (model[3], model[:2]))
    with watch(model, every=1) as recording:
        for inputs in batches(4):
            model(inputs).square().mean().backward()
            for optimizer in (head, rest):
                optimizer.step()
                optimizer.zero_grad()
    ratios = recording.layers.pivot(index="step", columns="layer", values="update_ratio")
    assert ratios[1].isna().all()
    assert (ratios[2][1:] > 0).all()


def test_the_weights_of_a_complex_map_have_their_whole_length():
    model = Layers(
        lambda model, x: model.c(torch.relu(model.a(x.cfloat()).real)),
        a=nn.Linear(6, 8, dtype=torch.cfloat),
        c=nn.Linear(8, 3),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    with warnings.catch_warnings(), watch(model, every=1) as recording:
        warnings.simplefilter("error")
        for inputs in batches(3):
            step(model, inputs, optimizer)
    expected = np.linalg.norm(model.a.weight.detach().numpy())
    np.testing.assert_allclose(recording.layers["weight_norm"][1:], expected, rtol=1e-6)


def test_copies_of_a_watched_network_are_not_taken_for_it():
    model, received = nn.DataParallel(network()), []
    averaged = torch.optim.swa_utils.AveragedModel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    hook = model.module[2].register_forward_pre_hook(
        lambda module, inputs: received.append(inputs[0].detach().clone())
    )
    with watch(model, every=2) as recording:
        for inputs in batches(7):
            step(model, inputs, optimizer)
            averaged.update_parameters(model)
            averaged(inputs[:5])
            taken = copy.deepcopy(model)
            taken.module[2]._forward_pre_hooks.clear()
            taken(inputs[:5])
    hook.remove()
    assert recording.steps.tolist() == [0, 2, 4, 6]
    for record, values in enumerate(received[::2]):
        np.testing.assert_allclose(recorded(recording, 1, record), numbers(values), rtol=1e-4, atol=1e-6)


def test_a_closure_that_is_evaluated_many_times_is_recorded_at_its_first_evaluation():
    model, received = network(), []
    model[2].register_forward_pre_hook(lambda module, inputs: received.append(inputs[0].detach().clone()))
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=4)
    first = []
    with watch(model, every=1) as recording:
        for inputs in batches(4):
            received.clear()

            def closure(inputs: Tensor = inputs) -> Tensor:
                optimizer.zero_grad()
                loss = model(inputs).square().mean()
                loss.backward()
                return loss

            optimizer.step(closure)
            first.append(received[0])
    assert recording.steps.tolist() == [0, 1, 2, 3]
    for record, values in enumerate(first):
        np.testing.assert_allclose(recorded(recording, 1, record), numbers(values), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_what_autocast_rounds_is_recorded_as_it_was_rounded(kind):
    model, received = network(), []
    model[2].register_forward_pre_hook(lambda module, inputs: received.append(inputs[0].detach().clone()))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, every=1) as recording:
        for inputs in batches(5):
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=kind):
                output = model(inputs)
            output.float().square().mean().backward()
            optimizer.step()
    for record, values in enumerate(received):
        assert values.dtype == kind
        np.testing.assert_allclose(recorded(recording, 1, record), numbers(values), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_compiled_step_of_an_optimizer_is_told_and_breaks_nothing(by_hand):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    compiled = torch.compile(lambda: optimizer.step(), backend="eager")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with watch(model, every=2) as recording:
            for inputs in batches(7):
                optimizer.zero_grad()
                model(inputs).square().mean().backward()
                compiled()
                if by_hand:
                    recording.step()
    warned = any("compiled steps of an optimizer are not counted" in str(item.message) for item in told)
    assert warned != by_hand
    if by_hand:
        assert recording.steps.tolist() == [0, 2, 4, 6]


def test_tensors_of_a_class_of_their_own_are_told():
    class Mine(torch.Tensor):
        pass

    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.warns(UserWarning, match="records nothing"), watch(model, every=1) as recording:
        step(model, batches(1)[0].as_subclass(Mine), optimizer)
    assert any("tensors of class Mine cannot be followed" in note.text for note in recording.notes)


def test_gates_of_one_map_are_told_apart_by_their_order_and_by_what_receives_them():
    def cell(model: Layers, x: Tensor) -> Tensor:
        state = x.new_zeros(len(x), 5)
        enters, forgets, leaves, new = (model.a(x) + model.b(state)).chunk(4, 1)
        state = torch.sigmoid(forgets) * state + torch.sigmoid(enters) * torch.tanh(new)
        return model.c(torch.sigmoid(leaves) * torch.tanh(state))

    model = Layers(cell, a=nn.Linear(6, 20), b=nn.Linear(5, 20), c=nn.Linear(5, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, every=1) as recording:
        step(model, batches(1)[0], optimizer)
    assert sorted(recording.layer_names) == [
        "b, part 1 of 4 (sigmoid)",
        "b, part 2 of 4 (sigmoid)",
        "b, part 3 of 4 (tanh)",
        "b, part 4 of 4 (sigmoid)",
    ]
