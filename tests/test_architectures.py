"""Inception and residual networks: against the same networks written with torch's own layers, and how they are kept."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bnviz import Experiment
from bnviz.engine.build import build
from bnviz.engine.network import Network
from bnviz.engine.replay import replay
from bnviz.engine.trainer import Trainer, one_thread, train
from bnviz.experiment import ExperimentError
from bnviz.experiment.architecture import convolution_widths
from bnviz.experiment.knob import NORMALIZERS

IMAGES = Experiment(
    architecture="inception",
    hidden=(4, 8, 9),
    activation="relu",
    init="kaiming",
    init_scale=1.0,
    learning_rate=0.05,
    batch_size=16,
    steps=6,
    dataset="digits",
    device="cpu",
)
PAPERS = IMAGES.replace(hidden=(16, 48, 64, 64))
RESIDUAL = IMAGES.replace(architecture="residual", hidden=(4, 4, 6))
KINDS = {
    "inception": IMAGES,
    "post-activation": RESIDUAL,
    "pre-activation": RESIDUAL.replace(residual="pre"),
}


@pytest.fixture(autouse=True)
def as_workers_do() -> Iterator[None]:
    with one_thread():
        yield


def conv_norm_relu(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


class TorchInception(nn.Module):
    """A block as the papers draw it, of torch's layers alone; `inner` are the 1×1 before the larger filters."""

    def __init__(self, inputs: int, one: int, inner: int, rest: int) -> None:
        super().__init__()
        self.a = conv_norm_relu(inputs, one, 1)
        self.b = nn.Sequential(conv_norm_relu(inputs, inner, 1), conv_norm_relu(inner, rest, 3))
        self.c = nn.Sequential(
            conv_norm_relu(inputs, inner, 1), conv_norm_relu(inner, rest, 3), conv_norm_relu(rest, rest, 3)
        )
        self.d = conv_norm_relu(inputs, rest, 1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        return torch.cat([self.a(x), self.b(x), self.c(x), self.d(pooled)], 1)


class TorchPost(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.two = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.by = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if stride > 1 else nn.Identity()
        self.norm_one, self.norm_two = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.norm_one(self.one(x)))
        return F.relu(self.norm_two(self.two(inner)) + self.by(x))


class TorchPre(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.two = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.by = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if stride > 1 else nn.Identity()
        self.norm_one, self.norm_two = nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.two(F.relu(self.norm_two(self.one(F.relu(self.norm_one(x))))))
        return inner + self.by(x)


def in_torch(kind: str) -> nn.Sequential:
    ending = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    stem = conv_norm_relu(1, 4, 3, 2)
    if kind == "inception":
        # 8 features: 2 a branch, 1 before the larger filters; 9: the first branch has one more
        blocks = [TorchInception(4, 2, 1, 2), TorchInception(8, 3, 1, 2)]
        return nn.Sequential(stem, *blocks, *ending, nn.Linear(9, 10))
    if kind == "post-activation":
        return nn.Sequential(stem, TorchPost(4, 4, 1), TorchPost(4, 6, 2), *ending, nn.Linear(6, 10))
    blocks = [TorchPre(4, 4, 1), TorchPre(4, 6, 2), nn.BatchNorm2d(6), nn.ReLU()]
    return nn.Sequential(stem, *blocks, *ending, nn.Linear(6, 10))


def with_the_same_weights(network: Network, reference: nn.Module) -> None:
    """Convolutions in the order in which each network runs them are the same ones."""
    mine = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    theirs = [module for module in reference.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    for one, other in zip(mine, theirs, strict=True):
        assert one.weight.shape == other.weight.shape
        with torch.no_grad():
            other.weight.copy_(one.weight)
            if other.bias is not None:
                other.bias.copy_(one.bias)


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_computes_what_the_same_network_of_torchs_layers_does(kind: str) -> None:
    network = build(KINDS[kind], (1, 8, 8), 10).double()
    reference = in_torch(kind).double()
    with_the_same_weights(network, reference)
    for step in range(3):
        x = torch.randn(7, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(step))
        labels = torch.arange(7)
        ours, expected = network(x), reference(x.view(7, 1, 8, 8))
        torch.testing.assert_close(ours, expected)
        mine = torch.autograd.grad(F.cross_entropy(ours, labels), list(network.parameters()))
        theirs = torch.autograd.grad(F.cross_entropy(expected, labels), list(reference.parameters()))
        # The order of declaration differs: compare each network's lengths of gradients, sorted.
        lengths = [torch.stack([g.norm() for g in each]).sort().values for each in (mine, theirs)]
        torch.testing.assert_close(*lengths)
    network.eval()
    reference.eval()
    torch.testing.assert_close(network(x), reference(x.view(7, 1, 8, 8)))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_finite_differences(kind: str) -> None:
    network = build(KINDS[kind].replace(activation="tanh"), (1, 8, 8), 10).double()
    x = torch.randn(5, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(5)
    for weight in [layer.weights[-1] for layer in network.layers]:
        (gradient,) = torch.autograd.grad(F.cross_entropy(network(x), labels), [weight])
        with torch.no_grad():
            losses = []
            for shift in (1e-6, -2e-6):
                weight[0, 0, 0, 0] += shift
                losses.append(F.cross_entropy(network(x), labels))
        torch.testing.assert_close(gradient[0, 0, 0, 0], (losses[0] - losses[1]) / 2e-6, rtol=1e-5, atol=1e-8)


def test_the_inception_network_of_the_images_has_nineteen_thousand_parameters() -> None:
    plain, normalized = (
        sum(
            parameter.numel()
            for parameter in build(PAPERS.replace(normalizer=name), (1, 28, 28), 10).parameters()
        )
        for name in ("none", "batch")
    )
    convolutions = 9 * 16
    for inputs, features in ((16, 48), (48, 64), (64, 64)):
        quarter, inner = features // 4, features // 8
        convolutions += 2 * inputs * quarter + 2 * inputs * inner + 9 * (2 * inner * quarter + quarter**2)
    widths = [width for layer in (1, 2, 3, 4) for width in convolution_widths(PAPERS, layer)]
    assert plain == convolutions + sum(widths) + 64 * 10 + 10
    assert normalized == convolutions + 2 * sum(widths) + 64 * 10 + 10
    assert 18_500 < plain < normalized < 19_500


def test_a_blocks_probe_is_the_branches_beside_each_other() -> None:
    network = build(IMAGES, (1, 8, 8), 10)
    x = torch.randn(6, 64, generator=torch.Generator().manual_seed(2))
    seen: list[list[Tensor]] = []
    for branch in network.blocks[1].branches:
        seen.append([])
        last = branch.convolutions[-1]
        last.normalizer.register_forward_hook(
            lambda _module, args, output, kept=seen[-1]: kept.extend((args[0], output))
        )
    output = network.blocks[1](network.blocks[0](network.shaped(x)))
    probe = network.probe(x)[1]
    before, pre_activations = (torch.cat(parts, 1) for parts in zip(*seen, strict=True))
    torch.testing.assert_close(probe.before, before)
    torch.testing.assert_close(probe.pre_activations, pre_activations)
    torch.testing.assert_close(output, probe.pre_activations.relu())


def test_in_inference_mode_an_inception_block_folds_batch_normalization_into_its_convolutions() -> None:
    network = build(IMAGES.replace(bias="kept"), (1, 8, 8), 10)
    x = torch.randn(6, 64, generator=torch.Generator().manual_seed(2))
    for _ in range(3):
        network(x)  # running statistics that are not 0 and 1
    for parameter in network.parameters():
        parameter.data.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(4)))
    block, u = network.blocks[1].eval(), network.blocks[0].eval()(network.shaped(x))
    called: list[str] = []
    for branch in block.branches:
        for layer in branch.convolutions:
            layer.normalizer.register_forward_hook(lambda *_: called.append("normalizer"))
    one = block(u)
    assert not called
    outputs = []
    for branch in block.branches:
        z = u
        for layer in branch.convolutions:
            z = layer(z)
        outputs.append(z)
    assert len(called) == 7
    torch.testing.assert_close(one, torch.cat(outputs, 1), rtol=1e-5, atol=1e-6)


def allowed(kind: str, normalizer: str) -> Experiment | None:
    try:
        return KINDS[kind].replace(normalizer=normalizer, groups=1)
    except ExperimentError:
        return None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_every_normalizer_trains_and_is_recorded(kind: str, normalizer: str) -> None:
    experiment = allowed(kind, normalizer)
    if experiment is None:
        assert (kind, normalizer) in {
            ("post-activation", "batch-after-activation"),
            ("pre-activation", "batch-after-activation"),
        }
        return
    recording = train(experiment)
    last = recording.snapshots[-1]
    assert last.step == 6
    assert np.isfinite(last.layers[:, :9]).all()
    assert len(last.units) == sum(experiment.hidden)
    assert np.isfinite([point.loss for point in last.curves]).all()
    if normalizer in ("batch", "noisy-batch"):
        assert replay(recording).agrees


def test_a_layers_numbers_are_those_of_all_its_weights() -> None:
    trainer = Trainer(IMAGES)
    snapshot = trainer.advance(0)[0]
    weights = [parameter for parameter in trainer.network.blocks[2].parameters() if parameter.dim() == 4]
    assert len(weights) == 7
    length = torch.cat([weight.flatten() for weight in weights]).norm()
    row = trainer.recorder.step_sizes(None)[2]
    np.testing.assert_allclose(row[1], length.item(), rtol=1e-6)
    assert snapshot.layers.shape[0] == 3


def test_layers_are_called_by_what_they_are() -> None:
    assert IMAGES.layer_names == ("stem", "block 1", "block 2")
    assert Experiment().layer_names == ("layer 1", "layer 2", "layer 3")


def test_what_does_not_go_together_is_refused_in_a_sentence() -> None:
    for changes, words in (
        ({"hidden": (16, 3)}, "block of fewer than 4"),
        ({"dataset": "moons"}, "needs images"),
        ({"hidden": (8,) * 9}, "too large"),
        ({"architecture": "residual", "normalizer": "batch-after-activation"}, "does not go together"),
        ({"normalizer": "group", "groups": 3}, "groups = 3 does not divide"),
    ):
        with pytest.raises(ExperimentError, match=words):
            IMAGES.replace(**changes)


def test_settings_without_effect_make_the_same_network() -> None:
    assert RESIDUAL.replace(residual="post").canonical() == RESIDUAL.canonical()
    assert RESIDUAL.replace(norm_placement="after").canonical() == RESIDUAL.canonical()
    assert IMAGES.replace(residual="pre").canonical() == IMAGES.canonical()
    assert RESIDUAL.replace(residual="pre").canonical() != RESIDUAL.canonical()


@pytest.mark.parametrize("kind", KINDS)
def test_the_channels_are_last_in_memory_all_the_way_there_and_back(kind: str) -> None:
    network = build(KINDS[kind], (1, 8, 8), 10)
    shapes: list[tuple[str, Tensor]] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        shapes.append(("value", output))
        output.register_hook(lambda gradient: shapes.append(("gradient", gradient)))

    for block in network.blocks:
        block.register_forward_hook(keep)
    x = torch.randn(5, 64, generator=torch.Generator().manual_seed(1))
    torch.autograd.backward(network(x).square().sum())
    assert [name for name, _ in shapes].count("gradient") == len(network.blocks)
    for name, tensor in shapes:
        assert tensor.stride(1) == 1, name
