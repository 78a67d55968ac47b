"""Lab depth: what batch norm does to signal and gradient in a deep network before training, and which depths train."""

from __future__ import annotations

import math

import numpy as np

from bnviz.experiment import Experiment
from bnviz.experiment.depths import KINDS
from bnviz.figures.charts.by_setting import by_setting
from bnviz.figures.charts.signal_in_depth import LABELS, LOOKS, Network, signal_in_depth
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.scale import Scale
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.lines import line
from bnviz.labs.predictions import Choice
from bnviz.labs.verdicts import Measure, Verdict, agreed, final_accuracy, guessing, percent
from bnviz.recording.signal import NEAR, SINGULAR, Signal, expected_growth

QUICK = Experiment(
    dataset="digits",
    hidden=(32,) * 5,
    activation="relu",
    init="kaiming",
    init_scale=1.0,
    learning_rate=0.2,
    steps=80,
)
FULL = QUICK.replace(dataset="mnist", steps=200)
COMPARED = ("none", "batch", "layer", "residual")
TRAINED = (5, 20, 50)
"""Depths of the networks that are trained: on digits batch norm ends between the last two, the plain one before."""
LEARNS = 0.5
"""A network that ends with this held-out accuracy has begun to learn. The others end near guessing."""

DEEP = 100
STARTS = {
    **{kind: {**KINDS[kind], "hidden": (100,) * DEEP, "batch_size": 128} for kind in COMPARED},
    "linear": {
        "normalizer": "batch",
        "activation": "identity",
        "hidden": (200,) * DEEP,
        "batch_size": 8,
    },
}
"""The networks that are measured before training. Theory is of wide ones; 20,000 units are the most there may be."""
JUDGED = ("batch", "linear")

MOST = 0.9
"""The share of singular values within NEAR that counts as "close to 1"."""
LEVEL = 1.05
"""The factor a layer up to which a squared gradient counts as preserved: over 100 layers it makes 130."""


def arms(setting: Setting) -> tuple[Arm, ...]:
    """Networks of 100 layers for their start alone, and every kind at every depth to train."""
    base = setting.base(QUICK, FULL)
    deep = [
        Arm(start_name(kind), f"{DEEP} layers, {words(kind)}", base.replace(**changes, steps=1))
        for kind, changes in STARTS.items()
    ]
    trained = [
        Arm(
            name(kind, depth),
            f"{LABELS[kind]}, {depth} layers",
            base.replace(**KINDS[kind], hidden=(base.hidden[0],) * depth),
        )
        for kind in COMPARED
        for depth in TRAINED
    ]
    return (*deep, *trained)


def start_name(kind: str) -> str:
    """The name of the arm that is measured before training."""
    return f"start-{kind}"


def name(kind: str, depth: int) -> str:
    """The name of an arm that is trained."""
    return f"{kind}-{depth}"


def words(kind: str) -> str:
    """What readers are told of one of STARTS."""
    return "batch norm, linear" if kind == "linear" else LABELS[kind]


def signals(result: Result, kind: str) -> tuple[Signal, ...]:
    """The Signal of one of STARTS in each seed; one of nothing before it is measured."""
    found = result.inspections(start_name(kind))
    return tuple(Signal.of(item) if item else Signal.nothing() for item in found)


def lengthened(signal: Signal) -> float:
    """How many times the first layer's gradient is as long as the last one's; NaN before it is measured."""
    ends = signal.gradient
    return float(ends[0] / ends[-1]) if ends.size and ends[-1] > 0 else math.nan


def deepest(result: Result, kind: str) -> tuple[float, ...]:
    """The deepest of the trained networks that has begun to learn, in each seed; 0 where none has."""
    ends = [result.each(final_accuracy, name(kind, depth)) for depth in TRAINED]
    return tuple(
        float(max((depth for depth, end in zip(TRAINED, seed, strict=True) if end >= LEARNS), default=0))
        for seed in zip(*ends, strict=True)
    )


def figures(result: Result, view: View) -> tuple[Drawing, ...]:
    """Signal and gradient by layer, the same of a linear network, and accuracy by depth."""
    seed = min(view.seed, result.setting.seed_count - 1)
    first = result.shown(view, name("none", TRAINED[0]))[0]

    def network(kind: str) -> Network:
        experiment = result.shown(view, start_name(kind))[0].experiment
        look = LOOKS["batch" if kind == "linear" else kind]
        return Network(words(kind), look, signals(result, kind)[seed], expected_growth(experiment))

    passing = signal_in_depth.draw(
        [network(kind) for kind in COMPARED],
        depth=DEEP,
        setting=f"{DEEP} layers of {STARTS['batch']['hidden'][0]} units, ReLU, mini-batch of 128.",
        **view.looks,
    )
    linear = signal_in_depth.draw(
        [network("linear")],
        depth=DEEP,
        setting=f"{DEEP} layers of {STARTS['linear']['hidden'][0]} units, no nonlinearity, mini-batch of 8.",
        **view.looks,
    )
    depths = by_setting.draw(
        {
            "": [
                line(
                    result,
                    kind,
                    [name(kind, depth) for depth in TRAINED],
                    final_accuracy,
                    LABELS[kind],
                    LOOKS[kind],
                )
                for kind in COMPARED
            ]
        },
        [str(depth) for depth in TRAINED],
        Scale("accuracy", percent=True, reference=(guessing(first), "guessing")),
        title="Accuracy by depth",
        subtitle=f"Held-out accuracy after {first.experiment.steps:,} steps, layers of {first.experiment.hidden[0]} "
        "units. A dot for each seed; a cross where training diverged.",
        setting_title="hidden layers",
        **view.looks,
    )
    return (
        Drawing(
            "signal",
            passing,
            "Top left: a line that rises to the left is a gradient that grows on its way to the first layers.",
        ),
        Drawing(
            "linear",
            linear,
            "Without a nonlinearity, and with 8 examples: does the gradient grow here too? Does the effective rank "
            "stay high?",
        ),
        Drawing(
            "depths",
            depths,
            "Which depths begin to learn? All networks have the same steps and learning rate.",
        ),
    )


def preserved(signal: Signal) -> bool:
    """Whether singular values are close to 1 and the gradient keeps its length."""
    return signal.near_one >= MOST and 1 / LEVEL <= signal.growth <= LEVEL


def verdict(result: Result) -> Verdict:
    """The conjecture of Section 3.3, at initialization, in a ReLU and in a linear network of 100 layers."""
    found = {kind: signals(result, kind) for kind in STARTS}
    theory = {kind: expected_growth(result.recordings(start_name(kind))[0].experiment) for kind in JUDGED}
    measured = {}
    for kind, seeds in found.items():
        measured[f"growth_{kind}"] = Measure(
            f"growth of the squared gradient a layer toward the input, {words(kind)}",
            tuple(item.growth for item in seeds),
        )
        measured[f"near_{kind}"] = Measure(
            f"share of the singular values from {NEAR[0]:g} to {NEAR[1]:g}, median of the layers, {words(kind)}",
            tuple(item.near_one for item in seeds),
        )
        measured[f"rms_{kind}"] = Measure(
            f"singular values, root mean square, median of the layers, {words(kind)}", tuple(map(_rms, seeds))
        )
        measured[f"rank_{kind}"] = Measure(
            f"effective rank in the last layer, {words(kind)}",
            tuple(float(item.rank[-1]) if item.rank.size else math.nan for item in seeds),
        )
    for kind, expected in theory.items():
        measured[f"deviation_{kind}"] = Measure(
            f"growth over that of theory, minus 1, {words(kind)}",
            tuple(item.growth / expected - 1 for item in found[kind]),
        )
    for kind in COMPARED:
        measured[f"deepest_{kind}"] = Measure(
            f"deepest network with {percent(LEARNS, 0)} accuracy, {LABELS[kind]}", deepest(result, kind)
        )
    measured["lengthened"] = Measure(
        "gradient of the first layer over that of the last, batch norm",
        tuple(map(lengthened, found["batch"])),
    )
    usable = all(math.isfinite(item.growth) for kind in JUDGED for item in found[kind])
    growth, near = (
        {kind: measured[f"{what}_{kind}"].median for kind in STARTS} for what in ("growth", "near")
    )
    told = "; ".join(f"{LABELS[kind]} {_layers(measured[f'deepest_{kind}'].median)}" for kind in COMPARED)
    return Verdict(
        holds=agreed(
            [all(map(preserved, pair)) for pair in zip(*(found[kind] for kind in JUDGED), strict=True)]
        )
        if usable
        else None,
        sentence=f"With batch norm and ReLU the squared gradient grew {short(growth['batch'])} times a layer toward "
        f"the input (theory: {short(theory['batch'])}), in the linear network {short(growth['linear'])} times (theory: "
        f"{short(theory['linear'])}). Of the singular values {percent(near['batch'], 0)} and "
        f"{percent(near['linear'], 0)} were from {NEAR[0]:g} to {NEAR[1]:g}. The deepest networks that began to learn: "
        f"{told}."
        if usable
        else "In some seed no gradient passed through a network with batch norm, so there is no growth to measure.",
        criterion=f"In every seed, before training, in {DEEP} layers with batch norm, with ReLU and linear: at least "
        f"{percent(MOST, 0)} of a layer’s singular values are from {NEAR[0]:g} to {NEAR[1]:g}, and the squared "
        f"gradient changes by at most a factor of {LEVEL:g} a layer. Which depths train is reported, not judged.",
        measured=measured,
        answer=_answer(measured["lengthened"].median) if usable else None,
        judged="the conjecture at initialization",
    )


def _rms(signal: Signal) -> float:
    return float(np.median(signal.singular[:, SINGULAR.index("rms")])) if signal.near.size else math.nan


def _layers(depth: float) -> str:
    return f"{depth:.0f} layers" if depth else "none"


def _answer(times: float) -> str:
    if times < 0.1:
        return "shorter"
    return "alike" if times <= 10 else "longer" if times <= 10_000 else "much"


LAB = Lab(
    number=22,
    name="depth",
    title="A hundred layers before training",
    quote="Batch Normalization may lead the layer Jacobians to have singular values close to 1",
    section="3.3",
    question=f"{DEEP} layers with batch norm and ReLU, not trained yet. How long is the loss’s gradient at the first "
    "layer, compared with that at the last?",
    prediction=Choice(
        {
            "shorter": "less than a tenth as long",
            "alike": "about as long, within 10 times",
            "longer": "10 to 10,000 times as long",
            "much": "more than 10,000 times as long",
        }
    ),
    arms=arms,
    figures=figures,
    verdict=verdict,
    explanation=r"""
The paper conjectures that batch norm brings the singular values of each layer’s Jacobian $J$ close to 1. Then a
gradient keeps its length on its way back through the layers (Section 3.3). The argument: if $\hat x$ and
$\hat z = J \hat x$ both have unit covariance, then $J J^\top = I$. The paper says itself that layers are not linear,
nor values independent.

**Yang et al. 2019** compute what happens in wide networks at initialization. The squared gradient grows, from each
layer to the one before it, by

$$
\frac{\pi}{\pi - 1} \approx 1.467 \quad \text{(ReLU)}, \qquad
\frac{B - 2}{B - 3} \quad \text{(linear, mini-batches of } B \text{)}
$$

With ReLU the reason can be seen in one line. Half of the units are off, which halves the squared gradient; but batch
norm divides by the standard deviation of what ReLU lets through, which is small. Of a standard Gaussian input ReLU’s
output has the variance $\frac12 - \frac{1}{2\pi}$:

$$
\frac{1/2}{1/2 - 1/(2\pi)} = \frac{\pi}{\pi - 1}
$$

The scale of the initial weights cancels, so no other scale helps. A residual connection does: most of the gradient
passes by.

**What batch norm does achieve.** Without it the outputs of a deep network become alike for all inputs: their cosine
goes to 1 and the effective rank to 1 (Daneshmand et al. 2020). With batch norm the effective rank stays well above 1,
so that the inputs stay apart. The effective rank of the outputs $Z$, with $M = Z^\top Z$, is

$$
r = \frac{(\operatorname{tr} M)^2}{\lVert M \rVert_F^2}
$$

**What it may be mistaken for.** All of this is before training. Yang et al. find that a first step of training changes
it a great deal. And it does not say that batch norm does harm: see in the last figure which depths learn with it.

**What to try next.** The page *Depth* has the same measurements for other widths, mini-batches and nonlinearities.
With tanh, what grows, and by how much?
""",
    inspection="bnviz.engine.inspections.depth:at_start",
)
