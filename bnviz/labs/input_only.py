"""Lab input-only: is it enough to normalize what enters the network, as was done before the paper?"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from bnviz.experiment import Experiment
from bnviz.figures.charts.ladder import Series, ladder
from bnviz.figures.charts.race import Runner, race
from bnviz.figures.frame.palette import MORE, WITH, WITHOUT
from bnviz.figures.frame.scale import Scale
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.predictions import Choice
from bnviz.labs.verdicts import Measure, Verdict, agreed, counted, final_accuracy, quotients, steps_to
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
"""How many times fewer steps count as sooner: more than seeds and the coarse evaluation differ by."""


def arms(setting: Setting) -> tuple[Arm, ...]:
    """Nothing normalized, the input alone, every layer's input."""
    base = setting.base(QUICK, FULL)
    return tuple(Arm(name, label, base.replace(normalizer=name)) for name, label in ARMS.items())


def width(recording: Recording, layer: int, step: int) -> float:
    """How much what a unit of the layer receives differs from example to example, mean over units.

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
    """The race, and how wide the signal is that arrives at each layer, at the start and at the end."""
    shown = result.shown(view)
    curves = race.draw(
        [Runner(ARMS[arm.name], LOOKS[arm.name], item) for arm, item in zip(result.arms, shown, strict=True)],
        title="Accuracy on held-out data",
        subtitle="Share of held-out examples named rightly, in inference mode. Dotted: the accuracy that counts.",
        target=TARGET,
        **view.looks,
    )
    layers = range(1, len(shown[0].experiment.hidden) + 1)
    last = shown[0].experiment.steps
    widths = ladder.draw(
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
        title="How wide the signal is that each layer’s sigmoids receive",
        subtitle="Half the distance between the 15th and the 85th percentile of a unit’s input over the probe batch, "
        "averaged over the layer’s units. A dot for each seed.",
        rung_title="layer, 1 at the input",
        **view.looks,
    )
    return (
        Drawing(
            "accuracy", curves, "How much of the way the old remedy goes, and what the other layers add."
        ),
        Drawing(
            "widths",
            widths,
            "Before training, normalizing the input widens the first layer’s signal. One layer further on little "
            "of it is left.",
        ),
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
            ("steps", f"steps to {TARGET:.0%}", steps[name]),
            ("accuracy", "final accuracy", result.each(final_accuracy, name)),
        )
    }
    measured |= {
        "gain_input": Measure("how many times fewer steps by normalizing the input", gain_input),
        "gain_layers": Measure("how many times fewer again by normalizing every layer", gain_layers),
    }
    counts = {name: counted(measured[f"steps_{name.replace('-', '_')}"].median) for name in ARMS}
    gain = measured["gain_layers"]
    known = not any(map(math.isnan, gain_layers))
    return Verdict(
        holds=agreed([times >= SOONER for times in gain_layers]) if known else None,
        sentence=f"To {TARGET:.0%} on held-out data: {counts['none']} without normalization, {counts['input-only']} "
        f"with the input normalized, {counts['batch']} with every layer normalized"
        + (f", {gain.median:.2g} times fewer than with the input alone{gain.over_seeds}." if known else "."),
        criterion=f"In every seed, normalizing every layer reaches {TARGET:.0%} held-out accuracy in at least "
        f"{SOONER:g} times fewer steps than normalizing the network’s input alone.",
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
    title="Is it enough to normalize the input?",
    quote="it would be advantageous to achieve the same whitening of the inputs of each layer",
    section="2",
    question=f"Normalize only what enters the network, or the inputs of every layer. How much sooner is the network at "
    f"{TARGET:.0%}?",
    prediction=Choice(
        {
            "all": "normalizing the input does it all, the layers add nothing",
            "part": "the input helps, every layer helps much more",
            "nothing": "the input alone does nothing",
        }
    ),
    arms=arms,
    figures=figures,
    verdict=verdict,
    explanation=r"""
That a network trains faster on inputs of mean 0 and variance 1 was known long before (the paper cites LeCun et al.,
1998). Here each pixel is normalized by the mini-batch’s statistics, without $\gamma$ and $\beta$; a pixel that never
varies stays 0. Whitening, of which the paper speaks here, would also decorrelate them; it then does without, and so
does this lab.

For layer $k$ the layers below are what the data are for the first. Its input is $u_k = g(W_{k-1}u_{k-1} + b_{k-1})$,
and nobody chose the mean and the variance of that:

$$x_k = W_k u_k, \qquad \operatorname{E}[x_k] = W_k \operatorname{E}[u_k], \qquad
\operatorname{Cov}[x_k] = W_k \operatorname{Cov}[u_k]\, W_k^{\mathsf T}$$

A sigmoid’s slope is at most ¼, so each layer of them passes on a narrower signal than it received: see the widths
before training. Batch normalization sets the width anew in every layer.

**What does not show it.** With tanh, whose slope at 0 is 1, three layers hardly narrow the signal, and all three
networks learn within tens of steps: the order is the same, the difference small.
""",
)
