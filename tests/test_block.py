"""Where a layer's normalizer stands, identities around layers, and what else of a layer can be set."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from bnviz import figures
from bnviz.engine.build import build
from bnviz.engine.network import Network, generator
from bnviz.engine.normalizers import NORMALIZER_CLASSES, NoNormalizer, Settings
from bnviz.engine.trainer import Trainer, train
from bnviz.experiment import Experiment, ExperimentError
from bnviz.experiment.knob import NORMALIZERS
from bnviz.experiment.normalization import EPSILON, NO_LAYERS, RUNNING_STATISTICS, SUBTRACTS_BIAS

INPUTS, CLASSES = 12, 4
BASE = Experiment(hidden=(6, 6, 6, 8), seed=5, activation="tanh", init="xavier", init_scale=1.0)
PLACES = [
    *itertools.product(("before", "after"), ("none",)),
    *itertools.product(("before", "after"), ("pre", "post")),
]
CONNECTED = [name for name in NORMALIZERS if name != "instance"]
TORCHS = {
    "batch": nn.BatchNorm1d,
    "layer": nn.LayerNorm,
    "rms": lambda width: nn.RMSNorm(width, eps=1e-5),
    "none": lambda width: nn.Identity(),
}


def network(**changes: object) -> Network:
    return build(BASE.replace(**changes), (INPUTS,), CLASSES)


def examples(count: int = 30, inputs: int = INPUTS) -> Tensor:
    return torch.randn((count, inputs), generator=torch.Generator().manual_seed(1))


def by_torch(net: Network, x: Tensor, kind: str, placement: str, residual: str) -> Tensor:
    """The scores, with torch's modules, layer by layer; residual blocks as in Xiong et al. 2020, Figure 1."""
    norm = TORCHS[kind]
    widths = [INPUTS, *(block.affine.out_features for block in net.hidden)]
    for block, (before, width) in zip(net.hidden, itertools.pairwise(widths), strict=True):
        W, b = block.affine.weight, block.affine.bias

        def affine(u: Tensor, W: Tensor = W, b: Tensor | None = b) -> Tensor:
            return u @ W.T + (0.0 if b is None else b)

        passes_by = before == width and block is not net.hidden[0]
        if residual == "pre" and passes_by:
            x = x + affine(torch.tanh(norm(width)(x)))
        elif residual == "post" and passes_by:
            x = norm(width)(x + torch.tanh(affine(x)))
        elif placement == "before":
            x = torch.tanh(norm(width)(affine(x)))
        else:
            x = norm(width)(torch.tanh(affine(x)))
        last_passed_by = passes_by
    if residual == "pre" and last_passed_by:
        x = norm(width)(x)
    return x @ net.output.weight.T + net.output.bias


@pytest.mark.parametrize("hidden", [(6, 6, 6, 8), (6, 6, 6), (7, 5)], ids=str)
@pytest.mark.parametrize(("placement", "residual"), PLACES)
@pytest.mark.parametrize("kind", TORCHS)
def test_every_place_of_a_normalizer_is_what_torch_s_modules_compute(kind, placement, residual, hidden):
    net = network(normalizer=kind, norm_placement=placement, residual=residual, hidden=hidden)
    with torch.no_grad():
        for block in net.hidden:
            if block.affine.bias is not None:
                block.affine.bias.add_(torch.linspace(-1, 1, len(block.affine.bias)))
    x = examples()
    torch.testing.assert_close(net(x), by_torch(net, x, kind, placement, residual))


@pytest.mark.parametrize("architecture", ["mlp", "conv"])
@pytest.mark.parametrize(("placement", "residual"), PLACES)
@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_wherever_it_stands_a_probe_sees_what_a_step_does_and_leaves_no_trace(
    normalizer, placement, residual, architecture
):
    changes = {"normalizer": normalizer, "norm_placement": placement, "residual": residual}
    try:
        experiment = BASE.replace(architecture=architecture, hidden=(6, 6, 6), **changes)
    except ExperimentError:
        return  # two that do not go together
    net = build(experiment, (1, 3, 4), CLASSES)
    x = examples()
    net(x)
    state = copy.deepcopy(net.state_dict())
    seen: list[Tensor] = []
    before: list[Tensor] = []
    probes = net.probe(x)
    for block in net.hidden:
        block.normalizer.register_forward_pre_hook(lambda module, inputs: before.append(inputs[0]))
        activation = block.activation

        def spied(y: Tensor, activation=activation) -> Tensor:
            seen.append(y)
            return activation(y)

        block.activation = spied
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    net(x)
    torch.testing.assert_close([probe.pre_activations for probe in probes], seen)
    for probe, block, entered in zip(probes, net.hidden, before, strict=True):
        if isinstance(block.normalizer, NoNormalizer):
            assert probe.before is probe.pre_activations
        else:
            torch.testing.assert_close(probe.before, entered)


def test_only_the_layers_that_are_named_are_normalized():
    net = network(normalized_layers="1,3-4")
    kinds = [type(block.normalizer).__name__ for block in net.hidden]
    assert kinds == ["BatchNorm", "NoNormalizer", "BatchNorm", "BatchNorm"]
    assert [block.affine.bias is not None for block in net.hidden] == [False, True, False, False]


@pytest.mark.parametrize("normalizer", CONNECTED)
def test_a_bias_is_where_it_is_asked_for(normalizer):
    kept, none = network(normalizer=normalizer, bias="kept"), network(normalizer=normalizer, bias="none")
    assert all(block.affine.bias is not None for block in kept.hidden)
    assert all(block.affine.bias is None for block in none.hidden)
    assert none.output.bias is not None


@pytest.mark.parametrize("normalizer", CONNECTED)
def test_by_itself_a_bias_stands_where_the_next_step_does_not_subtract_it(normalizer):
    for placement, residual in PLACES:
        if normalizer == "batch-after-activation" and residual != "none":
            continue
        net = network(normalizer=normalizer, norm_placement=placement, residual=residual)
        subtracted = normalizer in SUBTRACTS_BIAS
        before = placement == "before" or normalizer == "batch-after-activation"
        for block, passes_by in zip(net.hidden, (False, True, True, False), strict=True):
            follows = before and not (passes_by and residual != "none")
            assert (block.affine.bias is None) == (subtracted and follows)


def test_what_the_experiment_knows_of_its_normalizers_is_what_they_do():
    shape = (9, 4, 3, 2)
    for name, make in NORMALIZER_CLASSES.items():
        layer = make(4, torch.Generator(), Settings(groups=2))
        if name in NO_LAYERS:
            assert isinstance(layer, NoNormalizer)
            continue
        assert (name in SUBTRACTS_BIAS) == (not layer.keeps_bias)
        averaged = [key for key, _ in layer.named_buffers() if "running" in key]
        assert (name in RUNNING_STATISTICS) == bool(averaged)
        x = torch.randn(shape, generator=torch.Generator().manual_seed(2))
        changed = make(4, torch.Generator(), Settings(groups=2, epsilon=3.0))
        weight = torch.randn(4, 5, generator=torch.Generator().manual_seed(3))
        same = torch.equal(layer.as_in_training(x), changed.as_in_training(x)) and torch.equal(
            layer.weight(weight), changed.weight(weight)
        )
        assert (name in EPSILON) == (not same)


def test_momentum_and_epsilon_are_torch_s():
    net = network(norm_momentum=0.3, norm_epsilon=0.5, hidden=(6,))
    layer = nn.BatchNorm1d(6, eps=0.5, momentum=0.3)
    for seed in range(3):
        x = examples() + seed
        torch.testing.assert_close(net.hidden[0].normalizer(x[:, :6]), layer(x[:, :6]))
    torch.testing.assert_close(net.hidden[0].normalizer.running_var, layer.running_var)


def test_the_weights_are_drawn_as_when_there_were_20_layers_at_most_and_deeper_ones_from_numbers_of_their_own():
    shallow, deep = (network(hidden=f"6x{count}", init="gaussian", init_scale=1.0) for count in (4, 40))

    def drawn(weight: Tensor, index: int) -> Tensor:
        return torch.empty_like(weight).normal_(0.0, 1.0, generator=generator(BASE.seed, "weights", index))

    numbers = [*range(20), *range(21, 41)]
    for block, number in zip(deep.hidden, numbers, strict=True):
        assert torch.equal(block.affine.weight, drawn(block.affine.weight, number))
    for net in (shallow, deep):
        assert torch.equal(net.output.weight, drawn(net.output.weight, 20))


@pytest.mark.parametrize("residual", ["pre", "post"])
@pytest.mark.parametrize("normalizer", ["batch", "layer", "rms", "none"])
def test_a_deep_network_of_residual_blocks_is_recorded(normalizer, residual):
    experiment = Experiment(
        hidden="10x100", steps=3, normalizer=normalizer, residual=residual, init="kaiming", device="cpu"
    )
    recording = train(experiment)
    assert recording.layer_values.shape[1] == 100
    assert recording.unit_values.shape[1] == 1000
    if normalizer != "none":
        assert recording.diverged_at is None


def test_of_many_layers_a_figure_draws_some_evenly_spaced_and_says_so():
    recording = train(Experiment(hidden="6x40", steps=3, residual="pre", device="cpu"))
    figure = figures.gradients([recording])
    drawn = {trace.name.split(", ")[1] for trace in figure.data if "layer" in (trace.name or "")}
    assert len(drawn) == 20
    assert {"layer 1", "layer 40"} <= drawn
    assert "Of 40 layers 20 are drawn" in figure.layout.title.text
    few = figures.gradients([train(Experiment(hidden="6x20", steps=3, device="cpu"))])
    assert "are drawn" not in few.layout.title.text
    assert figures.bands([recording]).data


@pytest.mark.slow
def test_only_an_identity_around_them_lets_fifty_layers_learn():
    base = Experiment(
        hidden="30x50",
        activation="relu",
        init="kaiming",
        init_scale=1.0,
        learning_rate=0.1,
        steps=150,
        device="cpu",
    )
    loss = {}
    for residual in ("none", "pre"):
        trainer = Trainer(base.replace(residual=residual))
        trainer.advance(150)
        loss[residual] = trainer.recorder.evaluate(149)[1].loss
    assert loss["pre"] < 0.5 * loss["none"]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"normalizer": "instance"}, ["normalizer = 'instance'", "architecture = 'conv'"]),
        ({"normalizer": "group", "groups": 4}, ["groups = 4", "hidden = '6-6-6-8'", "one of 1, 2"]),
        ({"normalizer": "group", "groups": 6, "hidden": (6, 6)}, ["groups = 6", "one of 1, 2, 3"]),
        ({"normalizer": "weight-standardized", "groups": 5}, ["groups = 5"]),
        ({"normalizer": "group", "hidden": (6, 1)}, ["groups = 2", "none for layers of one unit"]),
        ({"normalizer": "layer", "hidden": (6, 1)}, ["normalizer = 'layer'", "a width of 2 or more"]),
        ({"normalizer": "weight", "init": "zeros"}, ["normalizer = 'weight'", "init"]),
        ({"normalizer": "weight", "init_scale": 0}, ["normalizer = 'weight'", "init_scale"]),
        ({"normalizer": "weight", "first_layer_scale": 0}, ["normalizer = 'weight'", "first_layer_scale"]),
        ({"normalized_layers": "2,5"}, ["normalized_layers = '2,5'", "1 to 4"]),
        ({"normalized_layers": "0"}, ["normalized_layers = '0'", "all, or layers"]),
        ({"normalized_layers": "3-2"}, ["normalized_layers = '3-2'"]),
        ({"normalizer": "batch-after-activation", "residual": "pre"}, ["residual = 'pre'", "'none'"]),
        ({"hidden": "1000x21"}, ["21,000 units", "20,000"]),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_refused_in_a_sentence(values, told):
    with pytest.raises(ExperimentError) as refusal:
        BASE.replace(**values)
    assert all(words in str(refusal.value) for words in told), str(refusal.value)


@pytest.mark.parametrize(
    ("text", "kept"),
    [("1,3", "1,3"), ("3, 1,1", "1,3"), ("1-4", "1-4"), ("1,2,3", "1-3"), ("1,2", "1,2"), ("all", "all")],
)
def test_layers_are_named_in_one_way(text, kept):
    experiment = BASE.replace(normalized_layers=text)
    assert experiment.normalized_layers == kept
    assert Experiment.from_query(experiment.to_query()) == experiment


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("100x50", "100x50"),
        ("100x3", "100-100-100"),
        ("10-20x2-30", "10-20-20-30"),
        ("64-100x30-10", "64-100x30-10"),
        ("50×25", "50x25"),
    ],
)
def test_many_widths_are_written_short(text, kept):
    experiment = Experiment(hidden=text)
    assert experiment.text(experiment.hidden) == kept
    assert Experiment.from_query(experiment.to_query()) == experiment


# The same network, written differently


def settings_of(draw: st.DrawFn) -> dict[str, object]:
    return {
        "normalizer": draw(st.sampled_from(CONNECTED)),
        "groups": draw(st.sampled_from([1, 2, 3])),
        "ghost_batch": draw(st.sampled_from([2, 10])),
        "renorm_start": draw(st.sampled_from([3, 100])),
        "norm_placement": draw(st.sampled_from(["before", "after"])),
        "normalized_layers": draw(st.sampled_from(["all", "1", "2,3", "1-4"])),
        "norm_momentum": draw(st.sampled_from([0.1, 0.5])),
        "norm_epsilon": draw(st.sampled_from([1e-5, 0.3])),
        "bias": draw(st.sampled_from(["auto", "kept", "none"])),
        "residual": draw(st.sampled_from(["none", "pre", "post"])),
        "hidden": draw(st.sampled_from([(6, 6, 6, 12), (6, 12, 6, 12)])),
    }


@given(st.data())
def test_the_canonical_form_is_the_same_network(data):
    """Built without the canonical form and with it: equal structure, and equal numbers in training and evaluation."""
    values = settings_of(data.draw)
    try:
        experiment = BASE.replace(**values)
    except ExperimentError:
        return
    canonical = experiment.canonical()
    assert canonical.canonical() == canonical
    assert not set(canonical.without_effect) & set(canonical.differences(Experiment())) - {"residual"}
    mine, theirs = (build(item, (INPUTS,), CLASSES) for item in (experiment, canonical))
    assert list(mine.state_dict()) == list(theirs.state_dict())
    assert torch.equal(mine(examples()), theirs(examples()))
    assert torch.equal(mine.eval()(examples()), theirs.eval()(examples()))


@pytest.mark.parametrize("normalizer", CONNECTED)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("groups", 3),
        ("ghost_batch", 5),
        ("renorm_start", 1),
        ("norm_placement", "after"),
        ("normalized_layers", "2"),
        ("norm_momentum", 0.7),
        ("norm_epsilon", 0.4),
        ("bias", "kept"),
        ("bias", "none"),
        ("residual", "pre"),
        ("residual", "post"),
    ],
)
def test_a_setting_is_said_to_have_no_effect_exactly_where_it_has_none(field, value, normalizer):
    """Three steps, then evaluation: the outputs differ, or the setting is said to change nothing."""
    if (normalizer, field) == ("batch-after-activation", "residual"):
        return
    base = Experiment(
        hidden=(12, 12), normalizer=normalizer, steps=3, device="cpu", activation="tanh", init_scale=0.3
    )
    changed = base.replace(**{field: value})
    outputs = []
    for experiment in (base, changed):
        trainer = Trainer(experiment)
        trainer.advance(3)
        trainer.network.eval()
        with torch.no_grad():
            outputs.append(trainer.network(trainer.recorder.probe_inputs))
    if changed.canonical() == base.canonical():
        assert torch.equal(*outputs)
        assert field in changed.without_effect or field == "bias"
    elif (normalizer, field) not in {("batch-stop-mean", "bias"), ("batch-stop-statistics", "bias")} and not (
        field == "bias" and normalizer in SUBTRACTS_BIAS
    ):  # there a bias has an effect on nothing but itself
        assert not torch.equal(*outputs)
