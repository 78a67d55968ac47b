"""Lab ensemble: six batch-normalized networks and the mean of what they say."""

from __future__ import annotations

import itertools
import math

import numpy as np

from bnviz.experiment import Experiment
from bnviz.figures import accuracy
from bnviz.figures.charts.ladder import Series, ladder
from bnviz.figures.frame.palette import MORE, WITH
from bnviz.figures.frame.scale import Scale
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.predictions import Estimate, Slider
from bnviz.labs.verdicts import Measure, Verdict, agreed, quotients

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
SCALES = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8)
"""Of each member's initial weights, as multiples of the Experiment's."""
SEEDS_APART = 100
"""From one member's seed to the next one's: more than a lab is ever repeated, so that no network serves twice."""

FEWER = 1.1
"""How many times fewer errors than its members make on average count as an improvement. Among 360 digits, 5 or more
are not a matter of one or two of them; in the paper the ratio is 1.09 for the first guess, 1.19 for five."""


def arms(setting: Setting) -> tuple[Arm, ...]:
    """The members."""
    base = setting.base(QUICK, FULL)
    return tuple(
        Arm(
            f"member-{number}",
            f"member {number}, scale ×{scale:g}",
            base.replace(
                seed=base.seed + SEEDS_APART * (number - 1), init_scale=min(scale * base.init_scale, 100.0)
            ),
        )
        for number, scale in enumerate(SCALES, start=1)
    )


def errors(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The share of examples to which the arithmetic mean of some networks' probabilities gives a wrong class.

    probabilities: (networks, examples, classes). labels: (examples,).
    """
    return float((probabilities.mean(axis=0).argmax(axis=1) != labels).mean())


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


def figures(result: Result, view: View) -> tuple[Drawing, ...]:
    """Errors of each member and of more and more of them, and how the members learned."""
    alone, first, average = (100 * values for values in measured_errors(result))
    experiment = result.shown(view)[0].experiment
    chart = ladder.draw(
        {
            "each member": [Series("alone", MORE[2], alone)],
            "as members are added": [
                Series("in order", WITH, first),
                Series("any so many", MORE[0], average),
            ],
        },
        [str(number) for number in range(1, len(result.arms) + 1)],
        Scale("errors (%)"),
        title="Errors on held-out examples: each network, and their mean",
        subtitle="Share of held-out examples to which the wrong class is given. Left: each member by itself. "
        "Right: the mean of the class probabilities of the first so many, and the average over all choices of "
        "so many. A dot for each seed.",
        rung_title="which member; how many members",
        **view.looks,
    )
    some = [result.arms[0].name, result.arms[2].name, result.arms[-1].name]
    return (
        Drawing(
            "errors",
            chart,
            "Members err on different examples, and where they disagree the mean is often right. See how much of the "
            "gain comes with the first few.",
        ),
        Drawing(
            "accuracy",
            accuracy.draw(result.shown(view, *some), **view.looks),
            f"Three of the members on {experiment.dataset}: with the smallest, the usual and the largest "
            "initial weights.",
        ),
    )


def verdict(result: Result) -> Verdict:
    """The members' average errors over the ensemble's."""
    alone, first, _ = measured_errors(result)
    mean, best, together = alone.mean(axis=1), alone.min(axis=1), first[:, -1]
    ratios = quotients(mean.tolist(), together.tolist())
    measured = {
        "times_fewer": Measure("errors of the average member over those of all six together", ratios),
        "errors_ensemble": Measure("errors of all six together", tuple(together.tolist())),
        "errors_average": Measure("errors of the average member", tuple(mean.tolist())),
        "errors_best": Measure("errors of the best member", tuple(best.tolist())),
    }
    for number, values in enumerate(alone.T, start=1):
        measured[f"errors_{number}"] = Measure(f"errors of member {number}", tuple(values.tolist()))
    for number, values in enumerate(first.T, start=1):
        measured[f"errors_first_{number}"] = Measure(
            f"errors of the first {number} together", tuple(values.tolist())
        )
    ratio = measured["times_fewer"]
    known = not any(map(math.isnan, ratios))
    sentence = (
        f"Alone the networks gave the wrong class to {measured['errors_average'].median:.2%} of the held-out "
        f"examples on average, the best of them to {measured['errors_best'].median:.2%}; the mean of their "
        f"probabilities to {measured['errors_ensemble'].median:.2%}: {ratio.median:.3g} times fewer errors"
        f"{ratio.over_seeds}."
    )
    return Verdict(
        holds=agreed(
            [
                times >= FEWER and bool(ours <= theirs)
                for times, ours, theirs in zip(ratios, together, best, strict=True)
            ]
        )
        if known
        else None,
        sentence=sentence if known else "No network made any error, so there is nothing to improve upon.",
        criterion=f"In every seed, the mean of the six networks' class probabilities makes at least {FEWER:g} "
        "times fewer errors than the average member, and no more than the best one.",
        measured=measured,
        answer=(ratio.median,) if known else None,
    )


LAB = Lab(
    number=7,
    name="ensemble",
    title="Six networks say more than one",
    quote="Using an ensemble of batch-normalized networks, we improve upon the best published result on ImageNet "
    "classification",
    section="Abstract; 4.2.3 and Figure 4",
    question="Six batch-normalized networks of different seeds and initial weight scales; the mean of their class "
    "probabilities decides. How many times fewer errors than the average member?",
    prediction=Estimate((Slider("times fewer errors", 1.0, 5.0, 2.0, factor=1.25, unit=" ×"),)),
    arms=arms,
    figures=figures,
    verdict=verdict,
    inspection="bnviz.engine.inspections.held_out:probabilities",
    explanation=r"""
The ensemble’s probability of class $c$ is the arithmetic mean of its members’:

$$p(c \mid x) = \frac1K \sum_{k=1}^{K} p_k(c \mid x)$$

Its cross-entropy is never larger than the members' on average, as $-\log$ is convex:
$-\log \frac1K \sum_k p_k \le \frac1K \sum_k (-\log p_k)$. The gain is the larger the more the members disagree, and
networks from other initial weights that saw their examples in another order do.

**In the paper** six networks, different in the scale of their initial weights, in dropout (5 to 10 %) and in
how the last hidden layers are normalized, lowered the error on ImageNet from 21.99 % to 20.1 % for the first guess
and from 5.82 % to 4.9 % for five guesses (144 crops each; Figure 4).

**What it does not show.** The inequality holds for networks of any kind. That an ensemble is better than its
members says that they are good and differ, and little about batch normalization; what batch norm contributes is
that networks from initial scales as different as these all learn.
""",
)
