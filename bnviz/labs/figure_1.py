"""Lab figure-1: the paper's own experiment, Figure 1 in Section 4.1."""

from __future__ import annotations

import math

import numpy as np

from bnviz.experiment import Experiment, presets
from bnviz.figures import bands
from bnviz.figures.charts.figure_1 import figure_one
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.predictions import Choice
from bnviz.labs.verdicts import (
    Measure,
    Verdict,
    agreed,
    counted,
    final_accuracy,
    late_accuracy,
    quotients,
    steps_to,
)
from bnviz.recording import Recording
from bnviz.recording.layer_inputs import unit_quantiles

QUICK = Experiment(dataset="digits", learning_rate=0.5, init_scale=0.1, steps=4000)
FULL = presets["figure-1"]

STEADIER = 1.5
"""How many times less far the inputs must travel: clearly more than what seeds differ by among themselves."""
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
    return (
        Drawing(
            "figure-1",
            figure_one.draw(plain, normalized, view.unit, **view.looks),
            "(a) Accuracy on held-out examples. (b, c) What one sigmoid of the last hidden layer receives. Its unit is "
            "typical: its percentiles stay nearest those of the layer’s median unit. Another can be chosen.",
        ),
        Drawing(
            "last-layer",
            bands.draw([plain, normalized], layer=last, **view.looks),
            "The same for all units of the last hidden layer together. Without normalization the input starts in a "
            "narrow band, then widens and wanders; with it, mean and width are set anew in every mini-batch.",
        ),
    )


def verdict(result: Result) -> Verdict:
    """Steadier inputs, and an earlier end."""
    travels = {arm: result.each(travel, arm) for arm in ("plain", "bn")}
    targets = result.each(late_accuracy, "plain")
    steps = {arm: tuple(map(steps_to, result.recordings(arm), targets)) for arm in ("plain", "bn")}
    measured = {
        "travel_ratio": Measure(
            "how many times farther the inputs travel without batch norm",
            quotients(travels["plain"], travels["bn"]),
        ),
        "travel_plain": Measure("travel without batch norm", travels["plain"]),
        "travel_bn": Measure("travel with batch norm", travels["bn"]),
        "accuracy_plain": Measure("final accuracy without batch norm", result.each(final_accuracy, "plain")),
        "accuracy_bn": Measure("final accuracy with batch norm", result.each(final_accuracy, "bn")),
        "target": Measure("the accuracy that the plain network settles at", targets),
        "steps_bn": Measure("steps with batch norm to that accuracy", steps["bn"]),
        "speed_up": Measure(
            "how many times fewer steps batch norm needs to it", quotients(steps["plain"], steps["bn"])
        ),
    }
    ratio, speed, target = (measured[key] for key in ("travel_ratio", "speed_up", "target"))
    learned = min(targets) >= LEARNED
    sentence = (
        f"Without batch norm the inputs of the last hidden layer travelled {ratio.median:.2g} times as far as with "
        f"it{ratio.over_seeds}. The accuracy at which the plain network settled, "
        f"{target.median:.1%}, batch norm reached after {counted(measured['steps_bn'].median)}, "
        f"{speed.median:.2g} times as early."
    )
    unlearned = f"The plain network settled at {min(targets):.1%}: train for more steps, so that it learns."
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
        criterion=f"In every seed, the percentiles of the last hidden layer’s inputs travel at least {STEADIER:g} "
        f"times as far without batch norm as with it after the first {SETTLED:.0%} of training, and batch norm "
        "reaches sooner the accuracy at which the plain network settles.",
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
    title="Figure 1: do the inputs hold still?",
    quote="the distributions in the batch-normalized network are much more stable as training progresses, which "
    "aids the training",
    section="4.1",
    question="Follow what one sigmoid of the last hidden layer receives while the network learns. In which network "
    "does it travel farther?",
    prediction=Choice(
        {
            "plain": "without batch norm",
            "bn": "with batch norm",
            "alike": f"about as far in both (within a factor of {STEADIER:g})",
        }
    ),
    arms=arms,
    figures=figures,
    verdict=verdict,
    explanation=r"""
Every sigmoid of layer $k$ receives $x = Wu$, and $u$ is what the layers below it make. When they change, the
distribution of $x$ changes with them, although nothing was done to this layer: the paper calls that *internal
covariate shift*. Batch normalization puts

$$\hat x = \frac{x - \mu_B}{\sqrt{\sigma_B^2 + \varepsilon}}, \qquad y = \gamma \hat x + \beta$$

in its way, so that mean and width of $y$ are parameters, $\beta$ and $\gamma$, and no longer an effect of
everything below.

The network is the paper’s: 3 × 100 sigmoids, small Gaussian weights, mini-batches of 60, on MNIST with black or white
pixels. The paper prints neither the learning rate nor σ: 0.1 and 0.1 are our choices, and so is what counts as a
typical unit. *Travel* is a measure of ours: the distance between the lowest and the highest value that each of the
three percentiles takes, averaged over the units of the last hidden layer.

**What later papers doubt.** Santurkar et al. (2018) made the distributions less stable on purpose, by noise after
batch normalization, and the network still trained fast. That inputs hold still and that training is fast are
both seen here; that the one causes the other is not shown by it.
""",
)
