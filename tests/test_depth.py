"""Signal and gradient in deep networks before training: against a plain program, theory, and networks made for it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bnviz.engine.inspections import depth
from bnviz.engine.trainer import Trainer
from bnviz.experiment import Experiment, ExperimentError
from bnviz.experiment.depths import KINDS, LADDER, Depths, Passage, Place, started
from bnviz.figures.charts.signal_in_depth import LABELS, LOOKS, Network, signal_in_depth
from bnviz.labs import find
from bnviz.labs.base import Result, Setting, View
from bnviz.labs.depth import DEEP, JUDGED, LEARNS, TRAINED, preserved
from bnviz.recording.outcome import Outcome
from bnviz.recording.signal import Signal, expected_growth
from tests.recordings import recording
from tests.test_labs import invented

SMALL = started("relu", hidden=(9, 9, 9, 9), batch_size=7, steps=5, device="cpu")


def normalized(y: torch.Tensor, kind: str) -> torch.Tensor:
    """By the mean and the biased variance over the axis of the kind; γ = 1 and β = 0 at initialization."""
    if kind == "none":
        return y
    axis = 0 if kind == "batch" else 1
    return (y - y.mean(axis, keepdim=True)) / torch.sqrt(y.var(axis, keepdim=True, unbiased=False) + 1e-5)


def passed(weight: torch.Tensor, u: torch.Tensor, kind: str, residual: bool) -> torch.Tensor:
    """One layer, written out: g(N(Wu)), or u + W g(N(u)) where it is as wide as its input."""
    if residual and weight.shape[0] == weight.shape[1]:
        return u + torch.relu(normalized(u, kind)) @ weight.T
    return torch.relu(normalized(u @ weight.T, kind))


@pytest.mark.parametrize("name", KINDS)
def test_a_signal_is_what_a_plain_program_measures(name: str) -> None:
    """Layers written out; ranks by SVD, cosines pair by pair, Jacobians by finite differences."""
    experiment = SMALL.replace(**KINDS[name])
    kind, residual = experiment.normalizer, experiment.residual == "pre"
    trainer = Trainer(experiment)
    inputs, labels = trainer.upcoming_batch()
    weights = [layer.affine.weight.detach().double() for layer in trainer.network.hidden]
    z = [inputs.double().requires_grad_()]
    for weight in weights:
        z.append(passed(weight, z[-1], kind, residual))
    last = normalized(z[-1], kind) if residual else z[-1]
    loss = F.cross_entropy(last @ trainer.network.output.weight.detach().double().T, labels)
    gradients = torch.autograd.grad(loss, z[1:])
    found = depth.of_experiment(experiment)
    assert np.allclose(found.gradient, [float((item**2).sum() ** 0.5) for item in gradients], rtol=1e-10)
    plain = [item.detach().numpy() for item in z[1:]]
    assert np.allclose(found.activation, [np.sqrt(np.mean(item**2)) for item in plain], rtol=1e-10)
    squares = [np.linalg.svd(item, compute_uv=False) ** 2 for item in plain]
    assert np.allclose(found.rank, [item.sum() ** 2 / (item**2).sum() for item in squares], rtol=1e-10)
    pairs = [
        [
            float(item[a] @ item[b] / np.linalg.norm(item[a]) / np.linalg.norm(item[b]))
            for a in range(7)
            for b in range(a)
        ]
        for item in plain
    ]
    assert np.allclose(found.cosine, [np.mean(item) for item in pairs], rtol=1e-10)
    assert found.jacobian_layers.tolist() == [2, 3, 4]
    for place, layer in enumerate(found.jacobian_layers.tolist()):
        u, columns = z[layer - 1].detach(), []
        for unit in range(9):
            moved = u.clone()
            moved[0, unit] -= 1e-7  # from below, where ReLU's slope at 0 is 0, as autograd has it
            here, there = (passed(weights[layer - 1], it, kind, residual)[0] for it in (u, moved))
            columns.append(((here - there) / 1e-7).numpy())
        values = np.linalg.svd(np.array(columns).T, compute_uv=False)
        quantiles = np.quantile(values, (0.05, 0.5, 0.95))
        assert np.allclose(
            found.singular[place], [*quantiles, values.max(), np.sqrt(np.mean(values**2))], atol=1e-5
        )
        assert found.near[place] == np.mean((values >= 0.5) & (values <= 2))


@pytest.mark.parametrize(
    ("activation", "width", "size", "theory", "within"),
    [("relu", 100, 128, math.pi / (math.pi - 1), 0.01), ("identity", 200, 8, 6 / 5, 0.02)],
)
def test_over_five_seeds_and_a_hundred_layers_gradients_grow_as_theory_has_it(
    activation: str, width: int, size: int, theory: float, within: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a plain program, which knows nothing of bnviz, finds the same from other weights."""
    monkeypatch.setattr(depth, "JACOBIANS", 1)
    base = started(activation, hidden=(width,) * 100, batch_size=size, steps=1, device="cpu")
    assert expected_growth(base) == pytest.approx(theory)
    ours = [depth.of_experiment(base.replace(seed=seed)).growth for seed in range(5)]
    assert np.mean(ours) == pytest.approx(theory, rel=within)
    plain = []
    for seed in range(5):
        rng = torch.Generator().manual_seed(seed)
        z = [torch.randn(size, width, generator=rng, dtype=torch.float64).requires_grad_()]
        for _ in range(100):
            weight = torch.randn(width, width, generator=rng, dtype=torch.float64) / width**0.5
            x_hat = normalized(z[-1] @ weight.T, "batch")
            z.append(torch.relu(x_hat) if activation == "relu" else x_hat)
        top = torch.randn(size, width, generator=rng, dtype=torch.float64)
        gradients = torch.autograd.grad((z[-1] * top).sum(), z[1:])
        squares = [float((item**2).sum()) for item in gradients]
        plain.append((squares[10] / squares[89]) ** (1 / 79))
    assert np.mean(plain) == pytest.approx(theory, rel=within)


def test_theory_is_claimed_only_where_it_was_derived() -> None:
    assert expected_growth(started("identity", batch_size=8)) == pytest.approx(1.2)
    for changes in (
        {"normalizer": "none"},
        {"normalizer": "layer"},
        {"residual": "pre"},
        {"activation": "tanh"},
        {"activation": "identity", "batch_size": 3},
    ):
        assert math.isnan(expected_growth(started("relu").replace(**changes)))


def test_measuring_leaves_the_trainer_as_it_is() -> None:
    looked_into, left_alone = (Trainer(SMALL) for _ in range(2))
    depth.at_start(looked_into)
    for one, other in zip(looked_into.advance(3), left_alone.advance(3), strict=True):
        assert np.array_equal(one.layers, other.layers, equal_nan=True)


@pytest.mark.parametrize("layers", [1, 2, 12])
@pytest.mark.parametrize(("theme", "narrow"), [("light", False), ("projector", True)])
def test_the_figure_shows_every_network_and_says_its_growth(layers: int, theme: str, narrow: bool) -> None:
    networks = []
    for kind, label in LABELS.items():
        experiment = SMALL.replace(**KINDS[kind], hidden=(9,) * layers)
        networks.append(
            Network(label, LOOKS[kind], depth.of_experiment(experiment), expected_growth(experiment))
        )
    figure = signal_in_depth(networks, depth=layers, setting="Small.", theme=theme, narrow=narrow)
    type(figure)(figure.to_plotly_json())  # checks every property, which figures skip
    drawn = [curve for curve in figure.data if curve.name == "batch norm"]
    assert np.allclose(np.asarray(drawn[0].y), networks[1].signal.gradient ** 2)
    assert len({(curve.line.color, curve.line.dash) for curve in figure.data if curve.showlegend}) == 5
    theory = [curve for curve in figure.data if curve.name == "batch norm, theory"]
    if layers > 1:
        (line,) = theory
        assert np.allclose(line.y[:-1] / line.y[1:], math.pi / (math.pi - 1))
        assert f"times {networks[1].signal.growth:.3g} a layer" in figure.layout.meta["alt"]
    else:
        assert not theory
    empty = signal_in_depth([Network("a", LOOKS["none"], Signal.nothing())], depth=layers, setting="Small.")
    assert "nothing yet" in empty.layout.meta["alt"]


def test_the_networks_of_the_page_differ_in_kind_and_depth_alone() -> None:
    base = started("tanh", hidden=(16,) * 30, batch_size=32, seed=3)
    assert base.init == "xavier"
    passage = Passage(base, ("none", "residual"))
    assert [place for tile in passage.tiles() for place in tile] == list(passage.cells)
    assert passage.experiment(passage.cells[1]) == base.replace(normalizer="batch", residual="pre")
    depths = Depths(base.replace(steps=50), ("batch", "layer"), seeds=2)
    assert {place.depth for place in depths.cells} == set(LADDER)
    assert depths.experiment(Place("layer", 10), 1) == base.replace(
        steps=50, normalizer="layer", hidden=(16,) * 10, seed=4
    )
    for make in (lambda: Passage(base, ("none", "weights")), lambda: Passage(base, ())):
        with pytest.raises(ExperimentError, match="one or more of none, batch"):
            make()
    with pytest.raises(ExperimentError, match="allowed is 1 to 500"):
        Depths(base.replace(steps=501), ("batch",))


# Lab depth


def made_signal(growth: float, near: float) -> Signal:
    layers = np.arange(DEEP)
    places = np.array([2, 50, 100])
    return Signal(
        activation=np.ones(DEEP),
        gradient=growth ** ((DEEP - layers) / 2),
        rank=np.full(DEEP, 6.0),
        cosine=np.full(DEEP, 0.3),
        jacobian_layers=places,
        singular=np.full((3, 5), 1.2),
        near=np.full(3, near),
    )


def measured(experiment: Experiment, good: bool) -> Outcome:
    """A network that nobody trained or measured: batch norm keeps the gradient's length, if `good`."""
    kept = good or experiment.normalizer != "batch"
    found = made_signal(1.01, 0.95) if kept else made_signal(1.467, 0.35)
    if experiment.steps == 1:
        return Outcome(recording(experiment, 2), found.arrays())
    return Outcome(invented(experiment, "good" if len(experiment.hidden) < 50 else "failed"), found.arrays())


def result(goods: tuple[bool, ...]) -> Result:
    lab, setting = find("depth"), Setting(quick=True, seeds=len(goods))
    outcomes = [
        measured(job.experiment, goods[place % len(goods)]) for place, job in enumerate(lab.jobs(setting))
    ]
    return lab.result(setting, outcomes)


def test_the_verdict_follows_from_singular_values_and_gradients() -> None:
    lab = find("depth")
    holds = lab.verdict(result((True, True)))
    assert (holds.holds, holds.answer) == (True, "alike")
    fails = lab.verdict(result((False, False)))
    assert (fails.holds, fails.answer) == (False, "much")
    assert "does not support the conjecture" in fails.said
    assert lab.verdict(result((True, False))).holds is None
    assert fails.measured["deviation_batch"].median == pytest.approx(0, abs=1e-3)
    assert fails.measured["deepest_batch"].median == max(it for it in TRAINED if it < 50)
    good = result((True,))
    for spoilt in (made_signal(1.06, 0.95), made_signal(0.94, 0.95), made_signal(1.01, 0.89)):
        for kind in JUDGED:
            (one,) = good.outcomes[f"start-{kind}"]
            other = {f"start-{kind}": (Outcome(one.recording, spoilt.arrays()),)}
            assert lab.verdict(good.replace(outcomes=dict(good.outcomes) | other)).holds is False


def test_real_networks_can_fulfil_the_conjecture_and_the_verdict_says_so() -> None:
    """Orthogonal linear layers have singular values of 1 exactly: put in the place of those with batch norm."""
    base = started("identity", hidden=(12,) * 20, batch_size=16, steps=1, device="cpu")
    orthogonal = depth.of_experiment(base.replace(normalizer="none", init="orthogonal"))
    assert orthogonal.growth == pytest.approx(1.0)
    assert orthogonal.near_one == 1.0
    assert preserved(orthogonal)
    assert not preserved(depth.of_experiment(base.replace(normalizer="batch")))
    good = result((False,))
    exchanged = {
        f"start-{kind}": (Outcome(good.recordings(f"start-{kind}")[0], orthogonal.arrays()),)
        for kind in JUDGED
    }
    verdict = find("depth").verdict(good.replace(outcomes=dict(good.outcomes) | exchanged))
    assert (verdict.holds, verdict.answer) == (True, "alike")


def test_nothing_is_said_of_networks_without_a_gradient() -> None:
    lab = find("depth")
    good = result((True,))
    (one,) = good.outcomes["start-batch"]
    dead = one.inspection | {"gradient": np.zeros(DEEP)}
    lost = good.replace(outcomes=dict(good.outcomes) | {"start-batch": (Outcome(one.recording, dead),)})
    verdict = lab.verdict(lost)
    assert (verdict.holds, verdict.answer) == (None, None)
    assert lab.figures(lost, View())
    assert 0.1 < LEARNS < 1
