"""Lab initialization: how careful must the initial weights be, with batch normalization and without?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bnviz.experiment import Experiment
from bnviz.figures import bands
from bnviz.figures.charts.by_setting import by_setting
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.scale import Scale
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.lines import KINDS, LABELS, line
from bnviz.labs.predictions import Choice
from bnviz.labs.verdicts import Measure, Verdict, agreed, final_accuracy, guessing, percent
from bnviz.recording.snapshot import LAYER_COLUMNS

QUICK = Experiment(dataset="digits", hidden=(40,) * 3, activation="tanh", learning_rate=0.1, steps=600)
FULL = QUICK.replace(dataset="mnist", hidden=(100,) * 3, steps=2000)
SCALES = (0.001, 0.01, 0.1, 1.0, 10.0)
SCHEMES = ("xavier", "kaiming", "orthogonal")

USABLE = 0.8
"""A network is said to learn from a scale if it ends with this held-out accuracy; networks that fail end near
guessing."""
WIDER = 1.0
"""By how many powers of ten the range of usable scales must be wider: the distance of two scales."""


def arms(setting: Setting) -> tuple[Arm, ...]:
    """Every scale and every named scheme, without batch norm and with it."""
    base = setting.base(QUICK, FULL)
    starts = [("gaussian", scale) for scale in SCALES] + [(scheme, 1.0) for scheme in SCHEMES]
    return tuple(
        Arm(
            name(kind, init, scale),
            f"{LABELS[kind]}, {init if init in SCHEMES else f'σ = {scale:g}'}",
            base.replace(normalizer=kind, init=init, init_scale=scale),
        )
        for kind in KINDS
        for init, scale in starts
    )


def name(kind: str, init: str, scale: float = 1.0) -> str:
    """The arm's name."""
    start = f"sigma-{scale:g}" if init == "gaussian" else init
    return f"{'bn' if kind == 'batch' else 'plain'}-{start}"


def decades(accuracies: Sequence[float]) -> float:
    """How many powers of ten the scales span whose final accuracy is USABLE, from smallest to largest; NaN for none."""
    usable = [scale for scale, accuracy in zip(SCALES, accuracies, strict=True) if accuracy >= USABLE]
    return math.log10(max(usable) / min(usable)) if usable else math.nan


def figures(result: Result, view: View) -> tuple[Drawing, ...]:
    """Final accuracy over all starts, and what the layers receive from too small and too large a start."""
    starts = [("gaussian", scale) for scale in SCALES] + [(scheme, 1.0) for scheme in SCHEMES]
    first = result.shown(view)[0]
    chart = by_setting.draw(
        {
            "": [
                line(result, kind, [name(kind, *start) for start in starts], final_accuracy) for kind in KINDS
            ]
        },
        [f"{scale:g}" for scale in SCALES] + [scheme.capitalize() for scheme in SCHEMES],
        Scale("accuracy", percent=True, reference=(guessing(first), "guessing")),
        title="Accuracy at the end, by initial weights",
        subtitle=f"Held-out accuracy after {first.experiment.steps:,} steps. Gaussian weights of standard deviation σ, "
        "then the named schemes, which choose it by the layer’s size. A dot for each seed; a cross where it diverged.",
        setting_title="σ of the initial weights, or scheme",
        **view.looks,
    )
    small, large = ([name(kind, "gaussian", scale) for kind in KINDS] for scale in (SCALES[0], SCALES[-1]))
    return (
        Drawing(
            "accuracy",
            chart,
            "From which scales does each network learn? The wider the range, the less care is needed.",
        ),
        Drawing(
            "bands-small",
            bands.draw(result.shown(view, *small), **view.looks),
            f"Start at σ = {SCALES[0]:g}: {_widths(result, view, SCALES[0])}. Small weights make each layer’s output "
            "smaller than its input. Batch norm rescales the input of every nonlinearity.",
        ),
        Drawing(
            "bands-large",
            bands.draw(result.shown(view, *large), **view.looks),
            f"Start at σ = {SCALES[-1]:g}: {_widths(result, view, SCALES[-1])}. Large inputs lie in the saturated "
            "zones, where the slope is almost zero.",
        ),
    )


def _widths(result: Result, view: View, scale: float) -> str:
    """How wide the last layer's inputs are before the first step, in words; compared, once it is measured."""
    column = LAYER_COLUMNS.index("std")
    shown = result.shown(view, *(name(kind, "gaussian", scale) for kind in KINDS))
    if not all(item.snapshots for item in shown):
        return "compare the last layer of both networks"
    plain, normalized = (short(float(item.snapshots[0].layers[-1, column])) for item in shown)
    return (
        f"before the first step the inputs of the last layer have a standard deviation of {plain} without batch norm "
        f"and of {normalized} with it"
    )


def verdict(result: Result) -> Verdict:
    """How much wider the range of usable scales is."""
    ends = {
        kind: np.array([result.each(final_accuracy, name(kind, "gaussian", scale)) for scale in SCALES])
        for kind in KINDS
    }
    widths = {kind: tuple(decades(seed.tolist()) for seed in ends[kind].T) for kind in KINDS}
    counts = {kind: tuple((ends[kind] >= USABLE).sum(axis=0).astype(float).tolist()) for kind in KINDS}
    # A network that learns from no scale has a range of no width.
    gains = tuple((np.nan_to_num(widths["batch"]) - np.nan_to_num(widths["none"])).tolist())
    worst = {kind: tuple(ends[kind].min(axis=0).tolist()) for kind in KINDS}
    measured = {
        "wider_decades": Measure("powers of ten by which the usable range is wider with batch norm", gains),
        "usable_plain": Measure(f"usable scales of {len(SCALES)} without batch norm", counts["none"]),
        "usable_bn": Measure(f"usable scales of {len(SCALES)} with batch norm", counts["batch"]),
        "worst_plain": Measure("worst accuracy without batch norm", worst["none"]),
        "worst_bn": Measure("worst accuracy with batch norm", worst["batch"]),
    }
    none_learned = not any(counts["none"]) and not any(counts["batch"])
    gain = measured["wider_decades"]
    plain, normalized = measured["usable_plain"].median, measured["usable_bn"].median
    return Verdict(
        holds=None if none_learned else agreed([gain >= WIDER for gain in gains]),
        sentence=f"No network reached {percent(USABLE, 0)} from any scale. Train for more steps."
        if none_learned
        else f"With batch norm the network learned from {normalized:.0f} of {len(SCALES)} scales, without it from "
        f"{plain:.0f}. The range of these scales was {short(gain.median)} powers of ten wider{gain.over_seeds}. "
        f"From its worst scale the network ended at {percent(measured['worst_bn'].median)} with batch norm and at "
        f"{percent(measured['worst_plain'].median)} without it.",
        criterion=f"In every seed: the range of σ from which the network ends with {percent(USABLE, 0)} held-out "
        f"accuracy is at least {10**WIDER:.0f} times wider with batch norm than without.",
        measured=measured,
        answer=None if none_learned else _answer(plain, normalized),
    )


def _answer(plain: float, normalized: float) -> str:
    if normalized <= plain:
        return "fewer"
    if normalized == len(SCALES):
        return "all"
    return "more"


LAB = Lab(
    number=3,
    name="initialization",
    title="Which initial weights train?",
    quote="allows us to use much higher learning rates and be less careful about initialization",
    section="3.3 (quoted from the abstract)",
    question=f"We draw the initial weights with σ = {', '.join(f'{scale:g}' for scale in SCALES[:-1])} and "
    f"{SCALES[-1]:g}. "
    f"Does the network learn from more of these {len(SCALES)} scales with batch norm?",
    prediction=Choice(
        {
            "fewer": "no: from as many or fewer",
            "more": f"yes: from more, but not from all {len(SCALES)}",
            "all": f"yes: from all {len(SCALES)}",
        }
    ),
    arms=arms,
    figures=figures,
    verdict=verdict,
    explanation=r"""
Let a layer have $n$ inputs and weights of standard deviation $\sigma$. It multiplies the size of the signal by about
$\sigma\sqrt n$. If this factor is below 1, the signal vanishes with depth. If it is above 1, the inputs move into the
saturated zones. Either way almost no gradient comes back. Xavier’s and Kaiming’s schemes choose $\sigma$ so that the
factor is near 1. Batch normalization does not need this:

$$
\mathrm{BN}((aW)u) = \mathrm{BN}(Wu)
$$

The scale of the weights cancels in what the next layer receives, at every step.

**It does not cancel in learning.** The gradient with respect to $aW$ is $1/a$ of the gradient with respect to $W$,
and the weights are $a$ times as large. With the same learning rate, a step changes the weights by a share that is
$1/a^2$ as large. So a network with very large initial weights learns slowly. Look at the accuracy at σ = 10. “Less
careful” means that some care is still needed.
""",
)
