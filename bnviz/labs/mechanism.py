"""Lab mechanism: is internal covariate shift the reason? Ioffe & Szegedy's account and Santurkar et al.'s, measured."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from bnviz.experiment import Experiment
from bnviz.figures import drift
from bnviz.figures.charts.figure_2 import Network, figure_2
from bnviz.figures.charts.over_steps import Curve, over_steps
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.palette import MORE, WITH, WITHOUT
from bnviz.figures.frame.scale import Scale
from bnviz.figures.frame.theme import shades, theme_named
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.predictions import Choice
from bnviz.labs.verdicts import (
    Measure,
    Verdict,
    agreed,
    final_accuracy,
    percent,
    quotients,
    reached,
    steps_to,
)
from bnviz.recording import Recording
from bnviz.recording.snapshot import LAYER_COLUMNS

QUICK = Experiment(
    dataset="digits",
    hidden=(40,) * 5,
    activation="tanh",
    init="xavier",
    init_scale=1.0,
    learning_rate=0.02,
    steps=600,
)
FULL = QUICK.replace(dataset="mnist", hidden=(100,) * 5, steps=1500)

ARMS = {
    "plain": ("no normalization", "none", WITHOUT),
    "bn": ("batch norm", "batch", WITH),
    "noisy-bn": ("noisy batch norm", "noisy-batch", MORE[0]),
    "noise": ("noise alone", "noise", MORE[1]),
}
"""Words, the value of the field `normalizer`, and look."""

TARGET = 0.9
"""An accuracy that all of these networks pass on their way, at speeds that differ."""
FASTER = 1.5
"""How many times fewer steps count as faster: seeds and the coarse evaluation differ by less."""
LESS = 0.8
"""The share of the plain network's drift or shift that counts as less of it; the reciprocal as more."""
KEPT, LOST = 1 / 3, 2 / 3
"""How much of batch norm's advantage, on a logarithmic scale of steps, noise may take if it leaves the advantage, and
must take if it undoes it."""


LINKS = ("faster", "drift_ratio", "distance_ratio", "turn_ratio")
"""What the paper's account needs to be known of a run, by the names under which it is measured."""


def arms(setting: Setting) -> tuple[Arm, ...]:
    """Neither, batch normalization, noise behind it, and the noise alone."""
    base = setting.base(QUICK, FULL)
    return tuple(
        Arm(name, label, base.replace(normalizer=normalizer)) for name, (label, normalizer, _) in ARMS.items()
    )


def drifted(recording: Recording) -> float:
    """How far the layers' inputs are from where they began at the end of training, mean over layers; NaN without."""
    if not recording.snapshots:
        return math.nan
    return float(recording.snapshots[-1].layers[:, LAYER_COLUMNS.index("drift")].mean())


def shift(result: Result, arm: str, what: str) -> tuple[float, ...]:
    """Definition 2.1 in each seed: the median over all layers that have one below, and over the steps."""
    found = [np.asarray(item[what])[:, 1:] for item in result.inspections(arm) if item]
    return tuple(float(np.nanmedian(item)) if np.isfinite(item).any() else math.nan for item in found)


def layers_over_steps(result: Result, arm: str, what: str, view: View) -> list[Curve]:
    """Definition 2.1 over the steps, a line for each layer from the second on, in the seed that is shown."""
    found = result.inspections(arm)[min(view.seed, result.setting.seed_count - 1)]
    hidden = len(result.arms[0].experiment.hidden)
    values = np.asarray(found[what]) if found else np.empty((0, hidden + 1))
    steps = np.asarray(found["steps"]) if found else np.empty(0, np.int64)
    _, _, (colour, dash) = ARMS[arm]
    tones = shades(colour, hidden, theme_named(view.theme))
    labels = [*(f"layer {layer}" for layer in range(2, hidden + 1)), "output"]
    return [
        Curve(label, (tone, dash), steps, values[:, place])
        for place, (label, tone) in enumerate(zip(labels, tones, strict=True), start=1)
    ]


def figures(result: Result, view: View) -> tuple[Drawing, ...]:
    """Who trains fast, whose inputs drift, and whose gradients the layers below turn."""
    shown = result.shown(view)
    whole = shown[0].experiment.steps
    curves = figure_2.draw(
        [Network(label, look, item) for (label, _, look), item in zip(ARMS.values(), shown, strict=True)],
        title="Accuracy on held-out data",
        subtitle="Share of held-out examples classified correctly, in inference mode, without noise. Dotted: "
        f"{percent(TARGET, 0)}.",
        target=TARGET,
        **view.looks,
    )
    panels = {
        what: {label: layers_over_steps(result, arm, what, view) for arm, (label, *_) in ARMS.items()}
        for what in ("distance", "cosine")
    }
    told = (
        "Definition 2.1 of Santurkar et al.: the gradient G of a layer, and G′ after a step of the layers below it, on "
        "the same mini-batch."
    )
    lengths = over_steps.draw(
        panels["distance"],
        Scale("‖G − G′‖ (log)", logarithmic=True),
        whole,
        title="How much the layers below change a layer’s gradient",
        subtitle=f"{told} 0 in layer 1.",
        **view.looks,
    )
    lowest = min(
        (
            float(line.drawn[1].min())
            for lines in panels["cosine"].values()
            for line in lines
            if line.drawn[1].size
        ),
        default=0.0,
    )
    angles = over_steps.draw(
        panels["cosine"],
        Scale("cosine of G and G′"),
        whole,
        title="How much the layers below turn a layer’s gradient",
        subtitle=f"{told} 1: the same direction.",
        limits=(math.floor(lowest * 10 - 0.5) / 10, 1.02),
        **view.looks,
    )
    return (
        Drawing(
            "accuracy",
            curves,
            "Noise moves the input of every unit in every training step. If stable inputs were the reason, noisy "
            "batch norm should train like the network without batch norm.",
        ),
        Drawing(
            "drift",
            drift.draw(shown, **view.looks),
            "Ioffe and Szegedy’s account: how far the inputs of each layer are from where they began. The noise "
            f"of the step is included. {_drifts(result)}",
        ),
        Drawing(
            "distance",
            lengths,
            "Santurkar et al.’s measure of internal covariate shift. Higher: the layers below change the gradient "
            "more.",
        ),
        Drawing("cosine", angles, "The direction only. Lower: the layers below turn the gradient more."),
    )


def _drifts(result: Result) -> str:
    """The drift of each network at the end, in words."""
    ends = {label: Measure("", result.each(drifted, arm)).median for arm, (label, *_) in ARMS.items()}
    if not result.finished or not all(map(math.isfinite, ends.values())):
        return "Which network drifts most?"
    told = ", ".join(f"{label} {short(value)}" for label, value in ends.items())
    return f"At the end, mean over layers: {told}."


def verdict(result: Result) -> Verdict:
    """The paper's explanation, step by step: faster, less drift, less shift, and lost when distributions move."""
    steps = {arm: result.each(partial(steps_to, target=TARGET), arm) for arm in ARMS}
    drifts = {arm: result.each(drifted, arm) for arm in ARMS}
    lengths = {arm: shift(result, arm, "distance") for arm in ARMS}
    cosines = {arm: shift(result, arm, "cosine") for arm in ARMS}
    turns = {arm: tuple(1 - value for value in values) for arm, values in cosines.items()}
    measured = {
        f"{what}_{arm.replace('-', '_')}": Measure(f"{words}, {ARMS[arm][0]}", values[arm])
        for what, words, values in (
            ("steps", f"steps to {percent(TARGET, 0)}", steps),
            ("drift", "drift at the end, mean over layers", drifts),
            ("distance", "‖G − G'‖, median over layers and steps", lengths),
            ("cosine", "cosine of G and G', median over layers and steps", cosines),
            ("accuracy", "final accuracy", {arm: result.each(final_accuracy, arm) for arm in ARMS}),
        )
        for arm in ARMS
    }
    ratios = {
        "faster": Measure("times fewer steps with batch norm", quotients(steps["plain"], steps["bn"])),
        "drift_ratio": Measure(
            "drift with batch norm over that without", quotients(drifts["bn"], drifts["plain"])
        ),
        "distance_ratio": Measure(
            "‖G − G'‖ with batch norm over that without", quotients(lengths["bn"], lengths["plain"])
        ),
        "turn_ratio": Measure(
            "1 − cosine with batch norm over that without", quotients(turns["bn"], turns["plain"])
        ),
        "undone": Measure(
            "share of batch norm’s advantage in steps that the noise undoes (logarithmic)",
            tuple(map(undone, steps["plain"], steps["bn"], steps["noisy-bn"])),
        ),
        "noise_slower": Measure(
            "times as many steps with the noise alone as without it",
            quotients(steps["noise"], steps["plain"]),
        ),
    }
    measured |= ratios
    known = not any(math.isnan(value) for name in LINKS for value in ratios[name].values)
    less = {name: ratios[name].median for name in LINKS[1:]}
    return Verdict(
        holds=agreed(
            [
                faster >= FASTER and all(ratio <= LESS for ratio in shifts) and lost >= LOST
                for faster, *shifts, lost in zip(
                    *(ratios[name].values for name in (*LINKS, "undone")), strict=True
                )
            ]
        )
        if known
        else None,
        sentence=f"Accuracy of {percent(TARGET, 0)}: batch norm {reached(measured['steps_bn'].median)}, noisy batch "
        f"norm {reached(measured['steps_noisy_bn'].median)}, the plain network "
        f"{reached(measured['steps_plain'].median)}, noise alone {reached(measured['steps_noise'].median)}. "
        "With batch norm the drift of the inputs was "
        f"{_told(less['drift_ratio'])} ({short(less['drift_ratio'])} times that of the plain network). The shift of "
        f"Definition 2.1 was {_told(less['distance_ratio'])} in length ({short(less['distance_ratio'])} times) and "
        f"{_told(less['turn_ratio'])} in direction ({short(less['turn_ratio'])} times, as 1 − cosine)."
        if known
        else f"No network reached {percent(TARGET, 0)}, or one diverged, so there is nothing to compare. Train for "
        "more steps.",
        criterion=f"The paper’s explanation, step by step, in every seed: batch norm needs at least {FASTER:g} times "
        f"fewer steps to {percent(TARGET, 0)}; its drift, and its shift by Definition 2.1 in length and in direction, "
        f"are at most {LESS:g} times those of the plain network; and noise that moves the distributions undoes at "
        f"least {percent(LOST, 0)} of the advantage.",
        measured=measured,
        answer=_answer(ratios["undone"].median),
        judged="the paper’s explanation",
    )


def undone(plain: float, normalized: float, noisy: float) -> float:
    """0 where noise leaves batch norm's advantage in steps whole, 1 where it undoes it; NaN where there is none."""
    if not normalized < plain:
        return math.nan
    if math.isinf(plain):
        return float(math.isinf(noisy))
    return math.log(noisy / normalized) / math.log(plain / normalized)


def _told(ratio: float) -> str:
    if ratio <= LESS:
        return "smaller"
    return "larger" if ratio >= 1 / LESS else "about the same"


def _answer(lost: float) -> str | None:
    if math.isnan(lost):
        return None
    if lost <= KEPT:
        return "like-bn"
    return "like-plain" if lost >= LOST else "between"


LAB = Lab(
    number=14,
    name="mechanism",
    title="Is covariate shift the reason?",
    quote="takes a step towards reducing internal covariate shift, and in doing so dramatically accelerates the "
    "training of deep neural nets",
    section="1",
    question="After batch norm we add noise: it shifts and scales the input of every unit differently in every step. "
    "How fast does this network train?",
    prediction=Choice(
        {
            "like-bn": "about as fast as batch norm without noise",
            "between": "between the two",
            "like-plain": "as slow as without batch norm, or slower",
        }
    ),
    arms=arms,
    figures=figures,
    verdict=verdict,
    explanation=r"""
Why batch normalization helps is disputed. Two explanations, and what this run can say about each:

**Ioffe and Szegedy (2015).** *Internal covariate shift* is the change in the distribution of a layer’s inputs that
comes from the layers below. The layer has to follow this change. Batch normalization fixes the mean and variance of
each input, so there is less to follow, and training is faster. Their evidence is Figure 1: see the lab *figure-1*.
They do not measure whether less shift is what makes training fast.

**Santurkar et al. (2018)** define the shift by what matters to a gradient step. With the same mini-batch,

$$
G = \nabla_{W_i} L(W_1^t, \dots, W_k^t)
$$

$$
\begin{matrix}
G' = \nabla_{W_i} L(W_1^{t+1}, \dots, W_{i-1}^{t+1}, \\
W_i^t, \dots, W_k^t)
\end{matrix}
$$

the shift of layer $i$ is $\lVert G - G' \rVert_2$ (Definition 2.1). In their networks it was similar or *larger* with
batch normalization. They also added noise after batch normalization. For each unit and step its mean comes from −½ to
½ and its scale from 1 to 1¼. In their networks the distributions were then less stable than without batch
normalization, and training was nearly as fast. Their explanation: the loss becomes smoother, so a gradient is
reliable over a longer step.

**In favour of the first.** ‖G − G′‖ grows with the gradient, which batch normalization can make larger; the cosine
does not. The noise has a fixed size, and γ can grow to outweigh it. Our network is small. Theirs were VGG on CIFAR-10
and a deep linear network.

**In favour of the second.** Drift is measured from the beginning. A network that learns fast also moves fast, and
with batch normalization the drift comes from γ and β, which the layer itself learns.

**The control** is the same noise without batch normalization. It stopped training in their setting. The first figure
says whether it does here. G and G′ use the same noise, so that only the parameters of the layers below differ.
""",
    inspection="bnviz.engine.inspections.shift:over_training",
    inspection_trains=True,
)
