"""Lab mechanism: is it really internal covariate shift? Ioffe & Szegedy's account and Santurkar et al.'s, measured."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from bnviz.experiment import Experiment
from bnviz.figures import drift
from bnviz.figures.charts.race import Runner, race
from bnviz.figures.charts.traces import Trace, traces
from bnviz.figures.frame.palette import MORE, WITH, WITHOUT
from bnviz.figures.frame.scale import Scale
from bnviz.figures.frame.theme import shades, theme_named
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.predictions import Choice
from bnviz.labs.verdicts import Measure, Verdict, agreed, counted, final_accuracy, quotients, steps_to
from bnviz.recording import Recording
from bnviz.recording.snapshot import LAYER_COLUMNS

QUICK = Experiment(
    dataset="digits",
    hidden=(40,) * 5,
    activation="tanh",
    init="xavier",
    init_scale=1.0,
    learning_rate=0.02,
    steps=400,
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
"""How many times fewer steps count as faster: more than seeds and the coarse evaluation differ by."""
LESS = 0.8
"""The share of the plain network's drift or shift that counts as less of it; the reciprocal as more."""
KEPT, LOST = 1 / 3, 2 / 3
"""How much of batch norm's advantage, on a logarithmic scale of steps, noise may take away to be said to leave it,
and must take to be said to undo it."""


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


def layers_over_steps(result: Result, arm: str, what: str, view: View) -> list[Trace]:
    """Definition 2.1 over the steps, a line for each layer from the second on, in the seed that is shown."""
    found = result.inspections(arm)[min(view.seed, result.setting.seed_count - 1)]
    hidden = len(result.arms[0].experiment.hidden)
    values = np.asarray(found[what]) if found else np.empty((0, hidden + 1))
    steps = np.asarray(found["steps"]) if found else np.empty(0, np.int64)
    _, _, (colour, dash) = ARMS[arm]
    tones = shades(colour, hidden, theme_named(view.theme))
    labels = [*(f"layer {layer}" for layer in range(2, hidden + 1)), "output"]
    return [
        Trace(label, (tone, dash), steps, values[:, place])
        for place, (label, tone) in enumerate(zip(labels, tones, strict=True), start=1)
    ]


def figures(result: Result, view: View) -> tuple[Drawing, ...]:
    """Who trains fast, whose inputs drift, and whose gradients the layers below turn."""
    shown = result.shown(view)
    whole = shown[0].experiment.steps
    curves = race.draw(
        [Runner(label, look, item) for (label, _, look), item in zip(ARMS.values(), shown, strict=True)],
        title="Accuracy on held-out data",
        subtitle="Share of held-out examples named rightly, in inference mode, without noise. Dotted: what counts.",
        target=TARGET,
        **view.looks,
    )
    panels = {
        what: {label: layers_over_steps(result, arm, what, view) for arm, (label, *_) in ARMS.items()}
        for what in ("distance", "cosine")
    }
    told = (
        "Definition 2.1 of Santurkar et al.: same mini-batch, layers below already updated, this one and those above "
        "not yet."
    )
    lengths = traces.draw(
        panels["distance"],
        Scale("‖G − G′‖ (log)", logarithmic=True),
        whole,
        title="How much a layer’s gradient changes because the layers below moved",
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
    angles = traces.draw(
        panels["cosine"],
        Scale("cosine of G and G′"),
        whole,
        title="How far the gradient turns because the layers below moved",
        subtitle=f"{told} 1: the same direction.",
        limits=(math.floor(lowest * 10 - 0.5) / 10, 1.02),
        **view.looks,
    )
    return (
        Drawing(
            "accuracy",
            curves,
            "Noisy batch norm moves every distribution in every step. If batch norm helped by holding them still, it "
            "should train like a network without it.",
        ),
        Drawing(
            "drift",
            drift.draw(shown, **view.looks),
            "Ioffe and Szegedy’s account is about this: how far the inputs of each layer are from where they began.",
        ),
        Drawing(
            "distance",
            lengths,
            "Santurkar et al.’s measure of the same idea. Higher: each layer is aimed at a target that moves more.",
        ),
        Drawing("cosine", angles, "The direction alone. Lower: more shift."),
    )


def verdict(result: Result) -> Verdict:
    """The paper's account, link by link: faster, less drift, less shift, and lost when distributions move."""
    steps = {arm: result.each(partial(steps_to, target=TARGET), arm) for arm in ARMS}
    drifts = {arm: result.each(drifted, arm) for arm in ARMS}
    lengths = {arm: shift(result, arm, "distance") for arm in ARMS}
    cosines = {arm: shift(result, arm, "cosine") for arm in ARMS}
    turns = {arm: tuple(1 - value for value in values) for arm, values in cosines.items()}
    measured = {
        f"{what}_{arm.replace('-', '_')}": Measure(f"{words}, {ARMS[arm][0]}", values[arm])
        for what, words, values in (
            ("steps", f"steps to {TARGET:.0%}", steps),
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
            "share of batch norm’s advantage that the noise behind it undoes, by the logarithm of steps",
            tuple(map(undone, steps["plain"], steps["bn"], steps["noisy-bn"])),
        ),
        "noise_slower": Measure(
            "times as many steps by the noise without batch norm", quotients(steps["noise"], steps["plain"])
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
        sentence=f"To {TARGET:.0%}, batch norm took {counted(measured['steps_bn'].median)}, the plain network "
        f"{counted(measured['steps_plain'].median)}, noisy batch norm "
        f"{counted(measured['steps_noisy_bn'].median)}, noise alone {counted(measured['steps_noise'].median)}. "
        f"With batch norm the inputs’ drift was {_told(less['drift_ratio'])} ({less['drift_ratio']:.2g} times the "
        f"plain network’s), Definition 2.1’s shift {_told(less['distance_ratio'])} by length "
        f"({less['distance_ratio']:.2g} times) and {_told(less['turn_ratio'])} by direction (1 − cosine: "
        f"{less['turn_ratio']:.2g} times)."
        if known
        else f"Neither network reached {TARGET:.0%}, or one diverged: nothing to compare. Train for more steps.",
        criterion="The paper’s account, link by link, in every seed: batch norm reaches "
        f"{TARGET:.0%} in at least {FASTER:g} times fewer steps; drift, and Definition 2.1's shift by length and by "
        f"direction, are at most {LESS:g} times the plain network’s; and noise that moves the distributions undoes at "
        f"least {LOST:.0%} of the advantage.",
        measured=measured,
        answer=_answer(ratios["undone"].median),
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
    title="Is it really internal covariate shift?",
    quote="takes a step towards reducing internal covariate shift, and in doing so dramatically accelerates the "
    "training of deep neural nets",
    section="1",
    question="Behind batch norm, noise moves the mean and the width of every unit’s input anew in every step. How does "
    "the network train then?",
    prediction=Choice(
        {
            "like-bn": "about as fast as batch norm without the noise",
            "between": "somewhere between",
            "like-plain": "like the network without batch norm, or worse",
        }
    ),
    arms=arms,
    figures=figures,
    verdict=verdict,
    explanation=r"""
The reason why batch normalization helps is contested. Two accounts, and what each can say about this run:

**Ioffe and Szegedy (2015).** *Internal covariate shift* is the change in the distribution of a layer’s inputs that
comes from the layers below. A layer has to follow it. Batch normalization fixes each input’s mean and variance, there
is less to follow, so training is faster. Evidence: their Figure 1, and the lab *figure-1*. The definition is about
distributions; the paper does not measure whether less of it is what makes training fast.

**Santurkar et al. (2018)** give the idea a number for what matters to a gradient step. With the same mini-batch,

$$G = \nabla_{W_i} L(W_1^t, \dots, W_k^t), \qquad
G' = \nabla_{W_i} L(W_1^{t+1}, \dots, W_{i-1}^{t+1}, W_i^t, \dots, W_k^t)$$

the shift of layer $i$ is $\lVert G - G' \rVert_2$ (Definition 2.1). They found it similar or *larger* with batch
normalization. And they put noise behind it, with a mean drawn from ±½ and a width from 1 to 1¼ for each unit and step:
less stable than no batch normalization at all, and trained nearly as well. Their own account: the loss becomes
smoother, so that a gradient can be trusted over a longer step.

**In fairness to the first account.** ‖G − G′‖ grows with the gradient itself, which batch normalization can make
larger; the cosine does not. The noise is of a fixed size, which γ may grow to outweigh. Ours is a small network, theirs
were VGG on CIFAR-10 and a deep linear one.

**In fairness to the second.** Drift is measured from the beginning: a network that learns fast also moves fast, and the
drift of batch normalization is that of γ and β, which it chose.

The control, the same noise without batch normalization, stopped training in their setting. Whether it does here, the
first figure says. G and G′ are taken with equal draws of the noise, so that only the parameters below differ.
""",
    inspection="bnviz.engine.inspections.shift:over_training",
    inspection_trains=True,
)
