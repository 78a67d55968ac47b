"""Lab figure-1: the paper's own experiment, Figure 1 in Section 4.1."""

from __future__ import annotations

import math

import numpy as np

from bnviz.experiment import Experiment, presets
from bnviz.figures import bands
from bnviz.figures.charts.figure_1 import figure_one
from bnviz.figures.frame.numbers import short
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.predictions import Choice
from bnviz.labs.verdicts import (
    LATE,
    Measure,
    Verdict,
    agreed,
    final_accuracy,
    in_part_of,
    late_accuracy,
    percent,
    quotients,
    reached,
    steps_to,
)
from bnviz.recording import Recording
from bnviz.recording.layer_inputs import unit_quantiles

QUICK = Experiment(dataset="digits", learning_rate=0.5, init_scale=0.1, steps=4000)
FULL = presets["figure-1"]

STEADIER = 1.5
"""How many times as far the plain network's inputs must travel: seeds differ among themselves by clearly less.
Measured on digits, ten seeds: 4.5 to 5.0 times as far; batch norm arrived in a 13th to a 48th of the steps."""
LEARNED = 0.5
"""What the plain network must reach late in training, or there is no training to compare."""
SETTLED = 0.02
"""The share of the training left out: the first steps take any network away from where it was put."""


def arms(setting: Setting) -> tuple[Arm, ...]:
    """The paper's two networks."""
    base = setting.base(QUICK, FULL)
    return (
        Arm("plain", "no normalization", base.replace(normalizer="none")),
        Arm("bn", "batch norm", base.replace(normalizer="batch")),
    )


def travel(recording: Recording) -> float:
    """How far the last hidden layer's input travels: the range of each unit's three percentiles over training.

    Averaged over the percentiles and the units, in units of the nonlinearity's input. NaN before there is any.
    """
    kept = recording.steps >= SETTLED * recording.experiment.steps
    paths = unit_quantiles(recording, len(recording.experiment.hidden))[kept]
    return float(np.ptp(paths, axis=0).mean()) if len(paths) else math.nan


def figures(result: Result, view: View) -> tuple[Drawing, ...]:
    """The paper's figure, and the bands of the whole last layer."""
    plain, normalized = result.shown(view, "plain", "bn")
    last = len(plain.experiment.hidden)
    target = late_accuracy(plain) if result.finished else None
    return (
        Drawing(
            "figure-1",
            figure_one.draw(plain, normalized, view.unit, target=target, **view.looks),
            "The rings mark where each network first reaches the plain network’s final accuracy. Then compare (b) and "
            "(c): which input is more stable?",
        ),
        Drawing(
            "last-layer",
            bands.draw([plain, normalized], layer=last, **view.looks),
            "The inputs of all units of the last hidden layer. Compare how far each band moves and widens.",
        ),
    )


def verdict(result: Result) -> Verdict:
    """Steadier inputs, and an earlier end."""
    travels = {arm: result.each(travel, arm) for arm in ("plain", "bn")}
    targets = result.each(late_accuracy, "plain")
    steps = {arm: tuple(map(steps_to, result.recordings(arm), targets)) for arm in ("plain", "bn")}
    measured = {
        "travel_ratio": Measure(
            "how many times as far the inputs move without batch norm",
            quotients(travels["plain"], travels["bn"]),
        ),
        "travel_plain": Measure("how far the inputs move without batch norm", travels["plain"]),
        "travel_bn": Measure("how far the inputs move with batch norm", travels["bn"]),
        "accuracy_plain": Measure("final accuracy without batch norm", result.each(final_accuracy, "plain")),
        "accuracy_bn": Measure("final accuracy with batch norm", result.each(final_accuracy, "bn")),
        "target": Measure(
            "accuracy of the plain network at the end, median of its last evaluations", targets
        ),
        "steps_bn": Measure("steps with batch norm to that accuracy", steps["bn"]),
        "speed_up": Measure(
            "how many times fewer steps batch norm needs", quotients(steps["plain"], steps["bn"])
        ),
    }
    ratio, speed, target = (measured[key] for key in ("travel_ratio", "speed_up", "target"))
    learned = min(targets) >= LEARNED
    sentence = (
        f"Without batch norm the inputs of the last hidden layer moved {short(ratio.median)} times as far as with "
        f"it{ratio.over_seeds}. The plain network ended at about {percent(target.median)}. "
        + (
            f"Batch norm reached that accuracy {reached(measured['steps_bn'].median)}, {in_part_of(speed.median)}."
            if math.isfinite(measured["steps_bn"].median)
            else "Batch norm never reached that accuracy."
        )
    )
    unlearned = (
        f"The plain network ended at {percent(min(targets))}. Train for more steps, so that it learns."
    )
    return Verdict(
        holds=agreed(
            [
                steadier >= STEADIER and earlier > 1
                for steadier, earlier in zip(ratio.values, speed.values, strict=True)
            ]
        )
        if learned
        else None,
        sentence=sentence if learned else unlearned,
        criterion=f"In every seed: the inputs of the last hidden layer move at least {STEADIER:g} times as far without "
        f"batch norm as with it (the first {percent(SETTLED, 0)} of training is left out), and batch norm needs fewer "
        f"steps to the accuracy at which the plain network ends (median of its last {LATE} evaluations).",
        measured=measured,
        answer=_answer(ratio.median) if learned else None,
    )


def _answer(ratio: float) -> str:
    if ratio >= STEADIER:
        return "plain"
    return "bn" if ratio <= 1 / STEADIER else "alike"


LAB = Lab(
    number=1,
    units=FULL.hidden[-1],
    name="figure-1",
    title="Figure 1: stable inputs?",
    quote="the distributions in the batch-normalized network are much more stable as training progresses, which "
    "aids the training",
    section="4.1",
    question="Watch the inputs of the sigmoids in the last hidden layer during training. In which network do they "
    "move farther?",
    prediction=Choice(
        {
            "plain": "without batch norm",
            "bn": "with batch norm",
            "alike": f"equally far (within a factor of {STEADIER:g})",
        }
    ),
    arms=arms,
    figures=figures,
    verdict=verdict,
    explanation=r"""
Every sigmoid of layer $k$ receives $x = Wu$. The layers below compute $u$. When they learn, the distribution of $x$
changes, although nothing in layer $k$ changed. The paper calls this *internal covariate shift*. Batch normalization
computes

$$
\hat x = \frac{x - \mu_B}{\sqrt{\sigma_B^2 + \varepsilon}}
$$

$$
y = \gamma \hat x + \beta
$$

The mean and the width of $y$ are now parameters of this layer, $\beta$ and $\gamma$. The layers below no longer set
them.

**The network** is the paper’s: 3 × 100 sigmoids, small Gaussian weights and mini-batches of 60 on MNIST with black or
white pixels. The quick setting uses small digits and fewer steps. The paper does not print the learning rate and σ of
the initial weights. It does not say how it chose its typical sigmoid. These are our choices.

**How far inputs move** is our measure. Each unit has three percentiles: 15, 50 and 85. For each of them we take the
distance between its lowest and its highest value during training. The result is the mean over percentiles and units.

**What later papers doubt.** Santurkar et al. (2018) added noise after batch normalization. The distributions became
less stable, and the network still trained fast. You can see stable inputs and fast training together here. This does
not prove that one causes the other.
""",
)
