"""Lab length-direction: γ and β learn alone over random weights, and a problem in which the length is learned apart."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from bnviz.experiment import Experiment
from bnviz.figures.charts.figure_2 import Network, figure_2
from bnviz.figures.charts.over_steps import Curve, over_steps
from bnviz.figures.charts.table import table
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.palette import MORE, WITH, WITHOUT
from bnviz.figures.frame.plot import Plot
from bnviz.figures.frame.scale import Scale
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.predictions import Estimate, Slider
from bnviz.labs.verdicts import Measure, Verdict, agreed, final_accuracy, percent

QUICK = Experiment(
    dataset="digits",
    hidden=(200,) * 3,
    activation="relu",
    init="kaiming",
    init_scale=1.0,
    bias="kept",
    learning_rate=0.1,
    steps=400,
)
FULL = QUICK.replace(dataset="mnist", hidden=(400,) * 3, learning_rate=0.3, steps=800)
"""641,210 parameters, of which 2,400 are γ and β. Weight, γ and β as in Frankle et al.: drawn by Kaiming, 1 and 0."""
KINDS = {
    "normalizer": ("γ and β", WITH),
    "two-weights": ("two weights a unit", WITHOUT),
    "output": ("output layer", MORE[0]),
    "all": ("all", MORE[1]),
}
"""What learns, as values of the field `trainable`: words for a line, and its look."""

LEARNED = 0.5
"""Held-out accuracy from which γ and β alone are said to have learned: five times guessing."""
BETTER = 0.05
"""By how much that must be above as many weights, two of each unit. Measured on digits, three seeds: 0.73 to 0.81, and
0.50 to 0.59. On MNIST, one seed: 0.78 and 0.65."""
ROUNDING = 1e-10
"""Of the distance, as a share of its start: float64 leaves less."""
SMALLEST = 1e-14
"""Differences of losses below this are rounding, and are not drawn."""
FAR = 1e-6
"""A loss this near to the least one is said to be learned."""


def arms(setting: Setting) -> tuple[Arm, ...]:
    """The same network, of which more or less learns."""
    base = setting.base(QUICK, FULL)
    return tuple(
        Arm(kind, f"{label} learn" if kind != "output" else f"{label} learns", base.replace(trainable=kind))
        for kind, (label, _) in KINDS.items()
    )


def found(result: Result, what: str, kind: str = "normalizer") -> list[np.ndarray]:
    """What the inspection measured in every seed in which it did."""
    return [np.asarray(item[what], float) for item in result.inspections(kind) if what in item]


def steps_to_least(losses: np.ndarray) -> float:
    """The first step after which a loss is within FAR of the least; infinite if there is none."""
    reached = np.flatnonzero(losses <= FAR)
    return float(reached[0]) if reached.size else math.inf


def figures(result: Result, view: View) -> tuple[Drawing, ...]:
    """Training of the four networks, what learns, and the small problem: direction, and loss."""
    recordings = result.shown(view, *KINDS)
    training = figure_2.draw(
        [
            Network(label, look, recording)
            for (label, look), recording in zip(KINDS.values(), recordings, strict=True)
        ],
        title="Accuracy of networks of which only a part learns",
        subtitle="Share of held-out examples classified correctly, in inference mode. All others of the parameters "
        "stay as they were drawn.",
        **view.looks,
    )
    counts = table.draw(
        ["what learns", "parameters", "share", "accuracy"],
        list(_rows(result)),
        title="How many parameters learn",
        subtitle="Of the same network. Accuracy on all held-out examples at the end, median over the seeds.",
        **view.looks,
    )
    direction = _over_steps(
        result,
        view,
        {"measured": ("distance", WITH), "bound": ("promised", WITHOUT)},
        "distance (share of its start)",
        "A small problem: how far the direction is from the best",
        "Length and direction learned apart, in 20 dimensions. Bound: (1 − μ/L) to the power of twice the step. "
        "A straight line on this axis is an exponential rate.",
    )
    loss = _over_steps(
        result,
        view,
        {"length apart": ("apart", WITH), "plain": ("together", WITHOUT)},
        "loss above the least (nats)",
        "The same problem: the loss",
        "Length and direction apart, beside plain gradient descent at the best of 24 learning rates.",
    )
    return (
        Drawing("training", training, "How far do γ and β come alone, and how far as many weights?"),
        Drawing("counts", counts, "Which part of the network’s numbers is that?"),
        Drawing("direction", direction, "Is the measured line straight, and does it stay below the bound?"),
        Drawing("loss", loss, "Which of the two is faster here? For plain descent the rate was searched."),
    )


def _over_steps(
    result: Result,
    view: View,
    kinds: dict[str, tuple[str, tuple[str, str]]],
    scale: str,
    title: str,
    subtitle: str,
) -> Plot:
    """What the inspection found of the small problem, of the seed that is shown."""
    curves = []
    for label, (what, look) in kinds.items():
        seeds = found(result, what)
        values = seeds[min(view.seed, len(seeds) - 1)] if seeds else np.full(2, math.nan)
        values = np.where(values > SMALLEST, values, math.nan)
        curves.append(Curve(label, look, np.arange(len(values)), values))
    return over_steps.draw(
        {"": curves},
        Scale(scale, logarithmic=True),
        len(curves[0].values) - 1,
        title=title,
        subtitle=subtitle,
        step_title="step of gradient descent",
        **view.looks,
    )


def _rows(result: Result) -> Iterator[Sequence[str]]:
    for kind, (label, _) in KINDS.items():
        learned, parameters = found(result, "learned", kind), found(result, "parameters", kind)
        accuracy = Measure("", result.each(final_accuracy, kind)).median
        known = bool(learned) and bool(np.isfinite(learned[0]))
        yield (
            label,
            f"{int(learned[0]):,} of {int(parameters[0]):,}" if known else "–",
            percent(float(learned[0] / parameters[0]), 2) if known else "–",
            "–" if math.isnan(accuracy) else percent(accuracy),
        )


def verdict(result: Result) -> Verdict:
    """γ and β alone learn, more than as many weights; and the direction is learned at an exponential rate."""
    ends = {kind: result.each(final_accuracy, kind) for kind in KINDS}
    distances, bounds = found(result, "distance"), found(result, "promised")
    pairs = list(zip(distances, bounds, strict=True))
    within = [bool((mine <= bound + ROUNDING).all()) for mine, bound in pairs]
    apart, together = found(result, "apart"), found(result, "together")
    measured = {
        f"accuracy_{kind}".replace("-", "_"): Measure(
            f"final accuracy, what learns: {KINDS[kind][0]}", values
        )
        for kind, values in ends.items()
    } | {
        "beyond_bound": Measure(
            "the largest distance of the direction over its bound, at any step",
            tuple(float(((mine - ROUNDING) / bound).max()) for mine, bound in pairs) or (math.nan,),
        ),
        "rate": Measure(
            "by how much the distance shrinks in a step", tuple(map(_rate, distances)) or (math.nan,)
        ),
        "promised_rate": Measure(
            "by how much the bound shrinks in a step", tuple(float(it[1]) for it in bounds) or (math.nan,)
        ),
        "steps_apart": Measure(
            "steps to the least loss, length and direction apart",
            tuple(map(steps_to_least, apart)) or (math.nan,),
        ),
        "steps_together": Measure(
            "steps to the least loss, plain gradient descent at its best rate",
            tuple(map(steps_to_least, together)) or (math.nan,),
        ),
    }
    known = len(within) == result.setting.seed_count and not any(
        math.isnan(value) for kind in ("normalizer", "two-weights") for value in ends[kind]
    )
    known = known and all(np.isfinite(mine).all() for mine in distances)
    told = {kind: percent(measured[f"accuracy_{kind}".replace("-", "_")].median) for kind in KINDS}
    medians = {name: item.median for name, item in measured.items()}
    return Verdict(
        holds=agreed(
            [
                own >= LEARNED and own >= weights + BETTER and exponential
                for own, weights, exponential in zip(
                    ends["normalizer"], ends["two-weights"], within, strict=True
                )
            ]
        )
        if known
        else None,
        sentence=f"With γ and β alone the network classified {told['normalizer']} of the held-out examples correctly, "
        f"with as many weights {told['two-weights']}, with the output layer alone {told['output']}, with all "
        f"parameters {told['all']}. In the small problem the distance of the direction shrank by a factor of "
        f"{medians['rate']:.3f} in a step; the bound has {medians['promised_rate']:.3f}. Its loss was within a "
        f"millionth of the least after {_steps(medians['steps_apart'])}, by plain gradient descent at its best rate "
        f"after {_steps(medians['steps_together'])}."
        if known
        else "The small problem was not solved, or a network has no accuracy yet, so there is nothing to judge.",
        criterion=f"In every seed: γ and β alone end with at least {percent(LEARNED, 0)} held-out accuracy and at "
        f"least {100 * BETTER:.0f} percentage points above two weights of each unit; and in the small problem the "
        "direction is never farther from the best than the bound says. Which way is faster is reported, not judged.",
        measured=measured,
        answer=(100 * medians["accuracy_normalizer"],) if known else None,
    )


def _rate(distance: np.ndarray) -> float:
    """The factor by which a distance shrinks in a step, from the tenth on while it is more than rounding."""
    places = np.flatnonzero(distance > ROUNDING)
    last = int(places[-1]) if places.size else 0
    if last <= 10:
        return math.nan
    return float((distance[last] / distance[10]) ** (1 / (last - 10)))


def _steps(count: float) -> str:
    return f"{short(count)} steps" if math.isfinite(count) else "more steps than were taken"


LAB = Lab(
    number=25,
    name="length-direction",
    title="Length and direction, apart",
    quote="Batch norm splits learning into the length and the direction of the weights, and the direction converges "
    "exponentially",
    verbatim=False,
    paper="Kohler et al. 2019",
    section="Abstract",
    question="A network’s weights stay as they were drawn. Only γ and β learn: two numbers for each unit. What "
    "percentage of the held-out images does it then classify correctly?",
    prediction=Estimate(
        (Slider("accuracy with γ and β alone", 1.0, 100.0, 30.0, 1.25, " %", False, bounded=True),)
    ),
    arms=arms,
    figures=figures,
    verdict=verdict,
    explanation=r"""
A unit with batch norm computes

$$
\gamma\,\frac{w^\top x - \mu}{\sigma} + \beta
$$

The length of $w$ drops out, as $\sigma$ grows with it. So $w$ gives a *direction*, and $\gamma$ the *length*. Kohler et
al. 2019 see in this the reason why batch norm helps: the two are learned apart.

**Length without direction.** Frankle, Schwab & Morcos 2021 leave all weights as they were drawn, and train $\gamma$
and $\beta$ alone. Every unit keeps its random direction. It can only be stretched, moved, or, with $\gamma$ near 0,
switched off. To compare, we train as many weights: two of each unit, drawn at random, with $\gamma = 1$ and
$\beta = 0$. In both the output layer stays random too. And we train the output layer alone, over random features.

**Direction with the best length.** One linear unit separates two classes. The inputs are Gaussian, with mean $m$ after
each is multiplied by minus its class, and $S$ is their second moment. With the length apart, the distance to the best
direction is measured by

$$
\rho(w) = -\frac{(w^\top m)^2}{w^\top S w}
$$

Theorem 1 of Kohler et al. promises, for gradient descent with their step size, with the least and the largest
eigenvalue $\mu$ and $L$ of $S$ (this $\mu$ is no mean),

$$
\rho(w_t) - \rho(w^*) \le \left(1 - \frac{\mu}{L}\right)^{2t} \left(\rho(w_0) - \rho(w^*)\right)
$$

This falls by the same factor in every step: an *exponential* (also called linear) rate. The second half of this lab
computes both sides. Its averages are exact integrals, so the only error is rounding.

**What it may be mistaken for.** A proof that batch norm is faster. Plain gradient descent on the same loss can have
such a rate too. The last figure gives it the best of 24 learning rates, which nobody knows beforehand; the steps with
length and direction apart need none, only $L$. And the theory is of one linear unit with Gaussian inputs, not of a
deep network.

**What to try next.** In the Playground, set *Parameters that learn* to “γ and β alone”, and make the network wider.
""",
    inspection="bnviz.engine.inspections.halfspace:counted_and_decoupled",
)
