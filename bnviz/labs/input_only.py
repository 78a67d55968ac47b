"""Lab input-only: is it enough to normalize what enters the network, as was done before the paper?"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from bnviz.experiment import Experiment
from bnviz.figures.charts.by_setting import Series, by_setting
from bnviz.figures.charts.figure_2 import Network, figure_2
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.palette import MORE, WITH, WITHOUT
from bnviz.figures.frame.scale import Scale
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.predictions import Choice
from bnviz.labs.verdicts import (
    Measure,
    Verdict,
    agreed,
    final_accuracy,
    in_part_of,
    percent,
    quotients,
    reached,
    steps_to,
)
from bnviz.recording import Recording
from bnviz.recording.snapshot import UNIT_COLUMNS

QUICK = Experiment(dataset="digits", init="xavier", init_scale=1.0, learning_rate=0.5, steps=1200)
FULL = QUICK.replace(dataset="mnist", steps=3000)

ARMS = {"none": "no normalization", "input-only": "input only", "batch": "every layer"}
"""Words for each value of the field `normalizer`."""
LOOKS = {"none": WITHOUT, "input-only": MORE[0], "batch": WITH}

TARGET = 0.9
"""An accuracy that all three networks can reach, well below where they end."""
SOONER = 1.5
"""How many times fewer steps count as sooner: seeds and the coarse evaluation differ by less."""


def arms(setting: Setting) -> tuple[Arm, ...]:
    """Nothing normalized, the input alone, every layer's input."""
    base = setting.base(QUICK, FULL)
    return tuple(Arm(name, label, base.replace(normalizer=name)) for name, label in ARMS.items())


def width(recording: Recording, layer: int, step: int) -> float:
    """How much the input of a unit of the layer differs from example to example, mean over units.

    Half the distance between the 15th and the 85th percentile of its inputs, for a normal distribution 1.04 standard
    deviations, at the latest record up to a step.
    """
    if not recording.snapshots:
        return math.nan
    first = sum(recording.experiment.hidden[: layer - 1])
    units = slice(first, first + recording.experiment.hidden[layer - 1])
    columns = recording.at(step).units[units]
    low, high = (columns[:, UNIT_COLUMNS.index(name)] for name in ("q15", "q85"))
    return float((high - low).mean() / 2)


def figures(result: Result, view: View) -> tuple[Drawing, ...]:
    """The accuracy, and how wide the signal is that arrives at each layer, at the start and at the end."""
    shown = result.shown(view)
    curves = figure_2.draw(
        [
            Network(ARMS[arm.name], LOOKS[arm.name], item)
            for arm, item in zip(result.arms, shown, strict=True)
        ],
        title="Accuracy on held-out data",
        subtitle="Share of held-out examples classified correctly, in inference mode. Dotted: "
        f"{percent(TARGET, 0)}.",
        target=TARGET,
        **view.looks,
    )
    layers = range(1, len(shown[0].experiment.hidden) + 1)
    last = shown[0].experiment.steps
    widths = by_setting.draw(
        {
            when: [
                Series(
                    ARMS[arm.name],
                    LOOKS[arm.name],
                    np.array(
                        [
                            [width(item, layer, step) for layer in layers]
                            for item in result.recordings(arm.name)
                        ]
                    ),
                )
                for arm in result.arms
            ]
            for when, step in (("before training", 0), (f"after {last:,} steps", last))
        },
        [str(layer) for layer in layers],
        Scale("width of the input"),
        title="How wide the inputs of each layer’s sigmoids are",
        subtitle="Half the distance between the 15th and the 85th percentile of a unit’s input over the probe batch, "
        "averaged over the layer’s units. A dot for each seed.",
        setting_title="layer, 1 at the input",
        **view.looks,
    )
    return (
        Drawing(
            "accuracy",
            curves,
            "Look where each curve crosses the dotted line. How much does the input alone change, how much the layers?",
        ),
        Drawing(
            "widths",
            widths,
            "Compare layer 1 with the layers above it. " + _wider(result),
        ),
    )


def _wider(result: Result) -> str:
    """How far up the network the normalized input makes a difference before training, in words."""
    last = len(result.arms[0].experiment.hidden)
    times = [
        Measure(
            "",
            quotients(
                *(result.each(partial(width, layer=layer, step=0), arm) for arm in ("input-only", "none"))
            ),
        ).median
        for layer in (1, last)
    ]
    if not all(map(math.isfinite, times)):
        return "How far up does a normalized input make a difference?"
    return (
        f"Before training, normalizing the input makes the inputs of layer 1 {short(times[0])} times as wide, and "
        f"those of layer {last} {short(times[1])} times."
    )


def verdict(result: Result) -> Verdict:
    """Every layer sooner than the input alone."""
    steps = {name: result.each(partial(steps_to, target=TARGET), name) for name in ARMS}
    gain_input, gain_layers = (
        quotients(steps[slow], steps[fast])
        for slow, fast in (("none", "input-only"), ("input-only", "batch"))
    )
    measured = {
        f"{what}_{name.replace('-', '_')}": Measure(f"{words}, {ARMS[name]}", values)
        for name in ARMS
        for what, words, values in (
            ("steps", f"steps to {percent(TARGET, 0)}", steps[name]),
            ("accuracy", "final accuracy", result.each(final_accuracy, name)),
        )
    }
    measured |= {
        "gain_input": Measure("how many times fewer steps by normalizing the input only", gain_input),
        "gain_layers": Measure(
            "how many times fewer steps by every layer than by the input only", gain_layers
        ),
    }
    when = {name: reached(measured[f"steps_{name.replace('-', '_')}"].median) for name in ARMS}
    gain = measured["gain_layers"]
    known = not any(map(math.isnan, gain_layers))
    return Verdict(
        holds=agreed([times >= SOONER for times in gain_layers]) if known else None,
        sentence=f"Accuracy of {percent(TARGET, 0)}: {when['none']} without normalization, "
        f"{when['input-only']} with the input normalized, {when['batch']} with every layer normalized."
        + (
            f" Every layer normalized reaches it {in_part_of(gain.median)} that the input alone needs "
            f"({short(gain.median)} times fewer)."
            if known and math.isfinite(gain.median)
            else ""
        ),
        criterion=f"In every seed: with every layer normalized the network needs at least {SOONER:g} times fewer steps "
        f"to {percent(TARGET, 0)} held-out accuracy than with only its input normalized.",
        measured=measured,
        answer=_answer(measured["gain_input"].median, gain.median),
    )


def _answer(by_input: float, by_layers: float) -> str | None:
    if math.isnan(by_layers):
        return None
    if by_layers < SOONER:
        return "all"
    return "part" if by_input >= SOONER else "nothing"


LAB = Lab(
    number=10,
    name="input-only",
    title="Is the input enough?",
    quote="it would be advantageous to achieve the same whitening of the inputs of each layer",
    section="2",
    question="We normalize only the network’s input, or the inputs of every layer. Which makes training faster (at "
    f"least {SOONER:g} times fewer steps to {percent(TARGET, 0)})?",
    prediction=Choice(
        {
            "all": "the input; the layers add nothing",
            "part": "the input, and the layers even more",
            "nothing": "the layers; the input alone does nothing",
        }
    ),
    arms=arms,
    figures=figures,
    verdict=verdict,
    explanation=r"""
A network trains faster on inputs of mean 0 and variance 1. This was known before the paper, which cites LeCun et al.
(1998). Here each pixel is normalized with the mini-batch’s mean and variance, without $\gamma$ and $\beta$. A pixel
that never varies stays 0. The quoted sentence speaks of whitening, which would also remove correlations. The paper
then does without, and so does this lab.

For layer $k$ the layers below are what the data are for layer 1. Its input is $u_k = g(W_{k-1}u_{k-1} + b_{k-1})$,
and nobody chose the mean and the variance of

$$
x_k = W_k u_k
$$

$$
\mathrm{E}[x_k] = W_k\, \mathrm{E}[u_k]
$$

$$
\mathrm{Cov}[x_k] = W_k\, \mathrm{Cov}[u_k]\, W_k^{\mathsf T}
$$

The slope of a sigmoid is at most ¼, so a layer of sigmoids makes the signal narrower. See the widths before training.
Batch normalization sets the width in every layer.

**It depends on the nonlinearity.** The slope of tanh at 0 is 1. Three layers of tanh hardly narrow the signal: all
three networks reached 90 % within 50 steps, the normalized ones within 12 (measured on digits, 3 seeds).
""",
)
