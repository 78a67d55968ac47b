"""Lab ensemble: six batch-normalized networks and the mean of what they say."""

from __future__ import annotations

import itertools
import math

import numpy as np

from bnviz.experiment import Experiment, presets
from bnviz.figures.charts.by_setting import Series, by_setting
from bnviz.figures.charts.figure_2 import Network, figure_2
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.palette import MORE, WITH
from bnviz.figures.frame.scale import Scale
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.predictions import Estimate, Slider
from bnviz.labs.verdicts import Measure, Verdict, agreed, percent, quotients

QUICK = Experiment(
    dataset="digits",
    train_examples=200,
    batch_size=20,
    hidden=(50, 50),
    activation="relu",
    init="kaiming",
    init_scale=1.0,
    learning_rate=0.1,
    steps=500,
)
FULL = QUICK.replace(dataset="mnist", train_examples=5000, batch_size=60, hidden=(100,) * 3, steps=2000)
IMAGES = presets["inception"].replace(learning_rate=0.045)
"""The network and the rate of the paper's BN-x30, of which its ensemble is made, at the size of a laptop."""
IMAGE_DROPOUTS = (0.05, 0.1)
"""Of the members on images, in turn: the paper's are from 5 to 10 %."""
IMAGE_LAST_LAYERS = (0, 1, 1, 0)
"""In how many last layers of the members on images each activation is normalized by itself, in turn: in the paper, too,
some of the six networks have it."""
SCALES = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8)
"""Of each member's initial weights, as multiples of the Experiment's."""
SHOWN = {0: MORE[0], SCALES.index(1.0): WITH, len(SCALES) - 1: MORE[1]}
"""The places of the members whose training is shown, and their looks."""
SEEDS_APART = 100
"""From one member's seed to the next one's: more than a lab is ever repeated, so that no network serves twice."""

RESAMPLES = 999
"""How often held-out examples are drawn again for an interval."""
GUESSES = 3
"""How many of the likeliest classes count as the second kind of error: of ten classes; the paper's is 5 of 1,000."""
FEWER = 1.1
"""How many times fewer errors than its members make on average count as an improvement. Among 360 digits, 5 or more
are not a matter of one or two of them; in the paper the ratio is 1.09 for the first guess, 1.19 for five."""


def arms(setting: Setting) -> tuple[Arm, ...]:
    """The members."""
    base = setting.base(QUICK, FULL, IMAGES)
    return tuple(
        Arm(
            f"member-{number}",
            f"member {number}, scale ×{scale:g}",
            base.replace(
                seed=base.seed + SEEDS_APART * (number - 1),
                init_scale=min(scale * base.init_scale, 100.0),
                dropout=IMAGE_DROPOUTS[number % 2] if setting.images else base.dropout,
                per_activation=_last_layers(number) if setting.images else base.per_activation,
            ),
        )
        for number, scale in enumerate(SCALES, start=1)
    )


def _last_layers(number: int) -> int:
    """In how many last layers of this member, counted from 1, each activation is normalized by itself."""
    return IMAGE_LAST_LAYERS[(number - 1) % len(IMAGE_LAST_LAYERS)]


def wrong(probabilities: np.ndarray, labels: np.ndarray, guesses: int = 1) -> np.ndarray:
    """Whether the right class is not among the likeliest by the mean of some networks' probabilities; (examples,).

    probabilities: (networks, examples, classes). labels: (examples,). guesses: how many of the likeliest classes.
    """
    mean = probabilities.mean(axis=0)
    own = np.take_along_axis(mean, labels[:, np.newaxis], axis=1)
    earlier = np.arange(mean.shape[1]) < labels[:, np.newaxis]  # of equal ones the first counts
    missed: np.ndarray = ((mean > own) | (mean == own) & earlier).sum(axis=1) >= guesses
    return missed


def errors(probabilities: np.ndarray, labels: np.ndarray, guesses: int = 1) -> float:
    """The share of examples for which that is so."""
    return float(wrong(probabilities, labels, guesses).mean())


def interval(probabilities: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Between what the ensemble makes how many times fewer errors than the average member, at 95 % confidence.

    By the percentile bootstrap over held-out examples (Efron 1979); NaN where the ensemble makes no error.
    """
    members = np.mean([wrong(member[np.newaxis], labels) for member in probabilities], axis=0)
    together = wrong(probabilities, labels)
    if not together.any():
        return math.nan, math.nan
    # Few kinds of examples differ in these two numbers: a draw of examples is a draw of how many of each kind.
    kinds, counts = np.unique(np.stack([members, together]), axis=1, return_counts=True)
    drawn = np.random.default_rng(0).multinomial(len(labels), counts / len(labels), RESAMPLES)
    with np.errstate(divide="ignore", invalid="ignore"):  # a draw may hold no error
        low, high = np.quantile((drawn @ kinds[0]) / (drawn @ kinds[1]), (0.025, 0.975))
    return float(low), float(high)


def by_size(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The errors of the first 1, 2, … members together, and of any so many of them on average; both (members,)."""
    members = range(len(probabilities))
    first = [errors(probabilities[: size + 1], labels) for size in members]
    average = [
        np.mean(
            [errors(probabilities[list(some)], labels) for some in itertools.combinations(members, size + 1)]
        )
        for size in members
    ]
    return np.array(first), np.array(average)


def measured_errors(result: Result) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each (seeds, members): every member's errors, and `by_size`. NaN where a member is not there yet."""
    shape = (result.setting.seed_count, len(result.arms))
    alone, first, average = (np.full(shape, math.nan) for _ in range(3))
    for seed in range(shape[0]):
        found = [result.inspections(arm.name)[seed] for arm in result.arms]
        if all(found):
            probabilities = np.stack([item["probabilities"] for item in found])
            labels = found[0]["labels"]
            alone[seed] = [errors(member[np.newaxis], labels) for member in probabilities]
            first[seed], average[seed] = by_size(probabilities, labels)
    return alone, first, average


def spread(result: Result) -> tuple[np.ndarray, np.ndarray]:
    """By seed: the interval of `interval`, (seeds, 2); and the errors of GUESSES guesses, of the average member and of
    the ensemble, (seeds, 2). NaN where a member is not there yet."""
    intervals, guessed = (np.full((result.setting.seed_count, 2), math.nan) for _ in range(2))
    for seed in range(len(intervals)):
        found = [result.inspections(arm.name)[seed] for arm in result.arms]
        if all(found):
            probabilities = np.stack([item["probabilities"] for item in found])
            labels = found[0]["labels"]
            intervals[seed] = interval(probabilities, labels)
            members = [errors(member[np.newaxis], labels, GUESSES) for member in probabilities]
            guessed[seed] = np.mean(members), errors(probabilities, labels, GUESSES)
    return intervals, guessed


def figures(result: Result, view: View) -> tuple[Drawing, ...]:
    """Errors of each member and of more and more of them, and how the members learned."""
    alone, first, average = (100 * values for values in measured_errors(result))
    chart = by_setting.draw(
        {
            "each member": [Series("alone", MORE[2], alone, joined=False)],
            "ensembles": [
                Series("in order", WITH, first),
                Series("all choices", MORE[0], average),
            ],
        },
        [str(number) for number in range(1, len(result.arms) + 1)],
        Scale("errors (%)"),
        title="Errors on held-out examples: each network, and the ensemble",
        subtitle="Share of held-out examples that are classified wrongly. Left: each member alone. Right: ensembles of "
        "1 to 6 members, in order and averaged over all choices of members. A dot for each seed.",
        setting_title="left: which member; right: how many members",
        guess=_guessed_errors(alone, view),
        **view.looks,
    )
    curves = figure_2.draw(
        [
            Network(f"scale ×{SCALES[place]:g}", look, item)
            for (place, look), item in zip(
                SHOWN.items(), result.shown(view, *(result.arms[place].name for place in SHOWN)), strict=True
            )
        ],
        title="Accuracy on held-out data",
        subtitle="Share of held-out examples classified correctly, in inference mode.",
        **view.looks,
    )
    return (
        Drawing(
            "errors",
            chart,
            "Compare the single members on the left with the ensembles on the right. How much does each further "
            "member add?",
        ),
        Drawing(
            "accuracy",
            curves,
            "Three of the members, all with batch norm: with the smallest, the usual and the largest initial weights.",
        ),
    )


def _guessed_errors(alone: np.ndarray, view: View) -> float | None:
    """The ensemble's errors, in %, if the prediction were true; None before the members' are known.

    alone: those of each member, in %, (seeds, members).
    """
    if view.guess is None or not alone.size or not np.isfinite(alone).all():
        return None
    return float(np.median(alone.mean(axis=1))) / view.guess


def verdict(result: Result) -> Verdict:
    """The members' average errors over the ensemble's."""
    alone, first, _ = measured_errors(result)
    mean, best, together = alone.mean(axis=1), alone.min(axis=1), first[:, -1]
    ratios = quotients(mean.tolist(), together.tolist())
    measured = {
        "times_fewer": Measure("errors of the average member over those of the ensemble", ratios),
        "errors_ensemble": Measure("errors of the ensemble of six", tuple(together.tolist())),
        "errors_average": Measure("errors of the average member", tuple(mean.tolist())),
        "errors_best": Measure("errors of the best member", tuple(best.tolist())),
    }
    intervals, guessed = spread(result)
    measured |= {
        "low": Measure("times fewer errors, lower end of the 95 % interval", tuple(intervals[:, 0].tolist())),
        "high": Measure(
            "times fewer errors, upper end of the 95 % interval", tuple(intervals[:, 1].tolist())
        ),
        "guesses_average": Measure(
            f"errors of {GUESSES} guesses, average member", tuple(guessed[:, 0].tolist())
        ),
        "guesses_ensemble": Measure(f"errors of {GUESSES} guesses, ensemble", tuple(guessed[:, 1].tolist())),
    }
    for number, values in enumerate(alone.T, start=1):
        measured[f"errors_{number}"] = Measure(f"errors of member {number}", tuple(values.tolist()))
    for number, values in enumerate(first.T, start=1):
        measured[f"errors_first_{number}"] = Measure(
            f"errors of the ensemble of the first {number}", tuple(values.tolist())
        )
    ratio = measured["times_fewer"]
    known = not any(map(math.isnan, ratios))
    sentence = (
        f"The average member classified {percent(measured['errors_average'].median, 2)} of the held-out examples "
        f"wrongly, the best member {percent(measured['errors_best'].median, 2)}, the ensemble "
        f"{percent(measured['errors_ensemble'].median, 2)}. The ensemble made {short(ratio.median)} times fewer errors "
        f"than the average member{ratio.over_seeds}; with other held-out examples of this kind it would be "
        f"{short(measured['low'].median)} to {short(measured['high'].median)} times (95 % bootstrap interval). With "
        f"{GUESSES} guesses the average member made {percent(measured['guesses_average'].median, 2)} errors, the "
        f"ensemble {percent(measured['guesses_ensemble'].median, 2)}."
    )
    return Verdict(
        holds=agreed([times >= FEWER for times in ratios]) if known else None,
        sentence=sentence if known else "No network made an error, so there is nothing to improve.",
        criterion=f"In every seed: the ensemble of six makes at least {FEWER:g} times fewer errors than the average "
        "member. The best member is reported, not judged: only the held-out examples tell which one it is.",
        measured=measured,
        answer=(ratio.median,) if known else None,
    )


LAB = Lab(
    number=7,
    name="ensemble",
    title="An ensemble of six networks",
    quote="Using an ensemble of batch-normalized networks, we improve upon the best published result on ImageNet "
    "classification",
    section="Abstract; 4.2.3 and Figure 4",
    question="Six networks with batch norm start from different weights. Together they decide by the mean of their "
    "class probabilities. How many times fewer errors do they make than the average network?",
    prediction=Estimate((Slider("times fewer errors", 1.0, 5.0, 2.0, factor=1.25, unit=" ×"),)),
    arms=arms,
    figures=figures,
    verdict=verdict,
    inspection="bnviz.engine.inspections.held_out:probabilities",
    images=True,
    explanation=r"""
The ensemble’s probability of class $c$ is the arithmetic mean of its members’ probabilities:

$$
p(c \mid x) = \frac1K \sum_{k=1}^{K} p_k(c \mid x)
$$

Its cross-entropy is never larger than that of the members on average, as $-\log$ is convex:
$-\log \frac1K \sum_k p_k \le \frac1K \sum_k (-\log p_k)$. The gain is larger where members disagree more. Ours start
from different weights and see the examples in a different order.

**In the paper** the six networks differ in the scale of their initial weights, in dropout (5 to 10 %) and in how the
last hidden layers are normalized. The ensemble lowered the error on ImageNet from 21.99 % to 20.1 % for one guess,
and from 5.82 % to 4.9 % for five guesses (144 crops each; the paper’s Figure 4). With *images* our members differ in
the same three things. In three of them the last block normalizes per activation: each position of a feature map has a
mean, a variance, $\gamma$ and $\beta$ of its own, over the mini-batch alone.

**The interval** tells how much the ratio depends on the choice of the held-out examples. Examples are drawn many times
from the held-out ones, with replacement, and the ratio is computed each time. Of 100 such ratios, 95 lie in it.

**What this does not show.** The inequality holds for networks of any kind. A good ensemble says that its members are
good and different. It says little about batch normalization. Batch norm helps so that networks can learn from
different scales of the initial weights: see the accuracy of the members.
""",
)
