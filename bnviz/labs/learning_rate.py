"""Lab learning-rate: how large may the learning rate be, with batch normalization and without?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from bnviz.experiment import Experiment
from bnviz.experiment.knob import ACTIVATIONS
from bnviz.figures import loss
from bnviz.figures.charts.by_setting import by_setting
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.scale import Scale
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.lines import KINDS, LABELS, line
from bnviz.labs.predictions import Estimate, Slider
from bnviz.labs.verdicts import (
    Measure,
    Verdict,
    agreed,
    final_accuracy,
    guessing,
    percent,
    quotients,
    reached,
    steps_to,
)

QUICK = Experiment(
    dataset="digits", hidden=(40,) * 5, activation="relu", init="kaiming", init_scale=1.0, steps=400
)
FULL = QUICK.replace(dataset="mnist", hidden=(100,) * 5, steps=2000)
"""Of QUICK, ten seeds at 400 steps: 0.3 or less without batch norm, 3 with it. At 200 steps some networks with batch
norm did not reach TARGET at 3 yet, so that training was too short and not the rate too high."""
RATES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)

TARGET = 0.9
"""A network is said to learn at a rate if it ends with this held-out accuracy: networks that learn end well above it
on digits and on MNIST, networks that diverge end well below."""
MUCH_HIGHER = 5.0
"""The rates are about a factor of 3 apart, so this asks for two of them; one could be due to where they lie."""


def arms(setting: Setting) -> tuple[Arm, ...]:
    """Every rate, without batch norm and with it."""
    base = setting.base(QUICK, FULL)
    return tuple(
        Arm(
            name(kind, rate),
            f"{LABELS[kind]}, rate {rate:g}",
            base.replace(normalizer=kind, learning_rate=rate),
        )
        for kind in KINDS
        for rate in RATES
    )


def name(kind: str, rate: float) -> str:
    """The arm's name."""
    return f"{'bn' if kind == 'batch' else 'plain'}-{rate:g}"


def largest_rate(accuracies: Sequence[float]) -> float:
    """The largest of RATES at which the final accuracy is TARGET or more; NaN if there is none."""
    usable = [rate for rate, accuracy in zip(RATES, accuracies, strict=True) if accuracy >= TARGET]
    return max(usable, default=math.nan)


def figures(result: Result, view: View) -> tuple[Drawing, ...]:
    """Final accuracy and steps to the target over the rates, and the losses at one rate that parts the two."""
    settings = [f"{rate:g}" for rate in RATES]
    names = {kind: [name(kind, rate) for rate in RATES] for kind in KINDS}
    first = result.shown(view)[0]
    network = f"{len(first.experiment.hidden)} hidden layers, {ACTIVATIONS[first.experiment.activation]}"
    ends = by_setting.draw(
        {"": [line(result, kind, names[kind], final_accuracy) for kind in KINDS]},
        settings,
        Scale("accuracy", percent=True, reference=(guessing(first), "guessing")),
        title="Accuracy at the end, by learning rate",
        subtitle=f"Held-out accuracy after {first.experiment.steps:,} steps; {network}. A dot for each seed; "
        "a cross where training diverged.",
        setting_title="learning rate",
        guess_at=_guessed_place(result, view) if result.finished else None,
        **view.looks,
    )
    speed = by_setting.draw(
        {"": [line(result, kind, names[kind], partial(steps_to, target=TARGET)) for kind in KINDS]},
        settings,
        Scale("steps (log)", logarithmic=True, beyond="never"),
        title=f"Steps to {percent(TARGET, 0)} held-out accuracy, by learning rate",
        subtitle="A dot for each seed; a triangle at the upper edge where it was never reached.",
        setting_title="learning rate",
        **view.looks,
    )
    parting = [name(kind, 1.0) for kind in KINDS]
    return (
        Drawing(
            "accuracy",
            ends,
            "Look for the rate at which each line falls: there the learning rate is too large.",
        ),
        Drawing(
            "steps",
            speed,
            f"Lower is faster. A triangle at the top: the network never reached {percent(TARGET, 0)}.",
        ),
        Drawing(
            "loss",
            loss.draw(result.shown(view, *parting), **view.looks),
            "The two networks at a learning rate of 1. They start from the same weights and see the same mini-batches.",
        ),
    )


def _guessed_place(result: Result, view: View) -> float | None:
    """Where on the axis of the rates the largest usable one would be with batch norm, if the prediction were true.

    Between two rates it is placed as on a logarithmic axis. None where the plain network learned at no rate.
    """
    if view.guess is None:
        return None
    accuracies = [final_accuracy(result.shown(view, name("none", rate))[0]) for rate in RATES]
    place = np.interp(
        math.log(largest_rate(accuracies) * view.guess), np.log(RATES), range(len(RATES)), right=math.nan
    )
    return float(place) if math.isfinite(place) else None


def verdict(result: Result) -> Verdict:
    """The ratio of the largest usable rates."""
    ends = {
        kind: np.array([result.each(final_accuracy, name(kind, rate)) for rate in RATES]).T for kind in KINDS
    }
    largest = {kind: tuple(largest_rate(seed.tolist()) for seed in ends[kind]) for kind in KINDS}
    ratios = quotients(largest["batch"], largest["none"])
    fastest = {
        kind: tuple(
            min(seed)
            for seed in zip(
                *([steps_to(item, TARGET) for item in result.recordings(name(kind, rate))] for rate in RATES),
                strict=True,
            )
        )
        for kind in KINDS
    }
    measured = {
        "rate_ratio": Measure("largest usable rate with batch norm, as a multiple of that without", ratios),
        "largest_rate_plain": Measure("largest usable rate without batch norm", largest["none"]),
        "largest_rate_bn": Measure("largest usable rate with batch norm", largest["batch"]),
        "fastest_plain": Measure(
            f"fewest steps to {percent(TARGET, 0)} at any rate without batch norm", fastest["none"]
        ),
        "fastest_bn": Measure(
            f"fewest steps to {percent(TARGET, 0)} at any rate with batch norm", fastest["batch"]
        ),
    }
    ratio = measured["rate_ratio"]
    known = not any(map(math.isnan, ratios))
    sentence = (
        f"With batch norm the network learned at rates up to {measured['largest_rate_bn'].median:g}, without it up to "
        f"{measured['largest_rate_plain'].median:g}. That is {short(ratio.median)} times higher{ratio.over_seeds}. "
        f"Each at its best rate, batch norm reached {percent(TARGET, 0)} "
        f"{reached(measured['fastest_bn'].median)}, the plain network "
        f"{reached(measured['fastest_plain'].median)}."
        if known
        else f"In some seed a network did not reach {percent(TARGET, 0)} at any rate, so there is nothing to compare. "
        "Train for more steps."
    )
    return Verdict(
        holds=agreed([ratio >= MUCH_HIGHER for ratio in ratios]) if known else None,
        sentence=sentence,
        criterion=f"In every seed: the largest of the {len(RATES)} rates at which the network ends with "
        f"{percent(TARGET, 0)} held-out accuracy is at least {MUCH_HIGHER:g} times as large with batch norm as "
        "without.",
        measured=measured,
        answer=(ratio.median,) if known else None,
    )


LAB = Lab(
    number=2,
    name="learning-rate",
    title="Much higher learning rates",
    quote="allows us to use much higher learning rates",
    section="3.3 (quoted from the abstract)",
    question="We raise the learning rate until the network no longer learns. How many times higher can it be with "
    "batch norm?",
    prediction=Estimate((Slider("times higher with batch norm", 1.0, 1000.0, 3.0, factor=3.5, unit=" ×"),)),
    arms=arms,
    figures=figures,
    verdict=verdict,
    explanation=r"""
A large step makes large weights. Without normalization, large weights make large activations, larger gradients and an
even larger next step. With batch normalization the scale of the weights cancels (Section 3.3):

$$
\mathrm{BN}((aW)u) = \mathrm{BN}(Wu)
$$

$$
\frac{\partial\,\mathrm{BN}((aW)u)}{\partial (aW)} = \frac1a \cdot \frac{\partial\,\mathrm{BN}(Wu)}{\partial W}
$$

Larger weights get smaller gradients. So a step that made the weights too large is followed by smaller steps.

**Which networks show it.** The scale must be able to grow. Here we use five layers of ReLU and Kaiming’s initial
weights, which suit the plain network. The paper’s three layers of sigmoids show less, as a sigmoid’s output is
bounded: the plain network still learned at a rate of 2, to 96 % (measured on MNIST, one seed, 5,000 steps).

**There is a limit** with batch normalization too. See how both networks end at the largest rate of the first figure.

**What later papers doubt.** Bjorck et al. (2018) name the larger rate as the main benefit. At a rate that is small
enough for both, networks with and without batch normalization train alike. Compare the dots at the small rates.
""",
)
