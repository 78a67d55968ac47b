"""Lab map: which pairs of a learning rate and a scale of the initial weights train a network?"""

from __future__ import annotations

import numpy as np

from bnviz.experiment import Experiment
from bnviz.figures.charts.where_training_works import USABLE, MapData, accuracy_map
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.lines import KINDS, LABELS
from bnviz.labs.predictions import Choice
from bnviz.labs.verdicts import Measure, Verdict, agreed, final_accuracy, percent, quotients

QUICK = Experiment(
    dataset="digits", hidden=(32,) * 3, activation="sigmoid", init="gaussian", batch_size=60, steps=150
)
FULL = QUICK.replace(dataset="mnist", hidden=(100,) * 3, steps=500)
QUICK_RATES = (0.1, 0.4, 1.5, 6.0)
QUICK_SCALES = (0.01, 0.1, 1.0)
FULL_RATES = (0.01, 0.05, 0.2, 1.0, 4.0, 20.0)
FULL_SCALES = (0.003, 0.03, 0.1, 0.3, 1.0, 10.0)

MORE = 2.0
"""How many times as many settings must train: a region of twice the area is seen at a glance."""


def grid(setting: Setting) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Learning rates and scales."""
    return (QUICK_RATES, QUICK_SCALES) if setting.quick else (FULL_RATES, FULL_SCALES)


def arms(setting: Setting) -> tuple[Arm, ...]:
    """Every place of the grid, without batch norm and with it."""
    base = setting.base(QUICK, FULL)
    rates, scales = grid(setting)
    return tuple(
        Arm(
            name(kind, rate, scale),
            f"{LABELS[kind]}, rate {rate:g}, σ = {scale:g}",
            base.replace(normalizer=kind, learning_rate=rate, init_scale=scale),
        )
        for kind in KINDS
        for scale in scales
        for rate in rates
    )


def name(kind: str, rate: float, scale: float) -> str:
    """The arm's name."""
    return f"{'bn' if kind == 'batch' else 'plain'}-rate-{rate:g}-sigma-{scale:g}"


def ends(result: Result) -> np.ndarray:
    """Accuracy at the end, (2, scales, rates, seeds); NaN where nothing is recorded yet."""
    rates, scales = grid(result.setting)
    return np.array(
        [
            [[result.each(final_accuracy, name(kind, rate, scale)) for rate in rates] for scale in scales]
            for kind in KINDS
        ]
    )


def figures(result: Result, view: View) -> tuple[Drawing, ...]:
    """The two maps."""
    rates, scales = grid(result.setting)
    accuracy = ends(result)
    gone = np.array(
        [
            [
                [
                    sum(item.diverged_at is not None for item in result.recordings(name(kind, rate, scale)))
                    for rate in rates
                ]
                for scale in scales
            ]
            for kind in KINDS
        ],
        np.float64,
    )
    first = result.recordings(result.arms[0].name)[0]
    data = MapData(
        rates,
        scales,
        accuracy.mean(axis=3),
        accuracy.min(axis=3),
        accuracy.max(axis=3),
        gone,
        first.experiment.steps,
        result.setting.seed_count,
    )
    return (
        Drawing(
            "map",
            accuracy_map.draw(data, **view.looks),
            "Compare the outlined regions: in them the network trains. The page Map has more cells.",
        ),
    )


def verdict(result: Result) -> Verdict:
    """How many times as many settings train."""
    works = np.nan_to_num(ends(result)) >= USABLE
    counts = works.sum(axis=(1, 2)).astype(float)  # (2, seeds)
    plain, normalized = (tuple(row.tolist()) for row in counts)
    lost = tuple((works[0] & ~works[1]).sum(axis=(0, 1)).astype(float).tolist())
    settings = works[0, :, :, 0].size
    measured = {
        "usable_plain": Measure(f"settings of {settings} that train without batch norm", plain),
        "usable_bn": Measure(f"settings of {settings} that train with batch norm", normalized),
        "times_more": Measure("times as many with batch norm", quotients(normalized, plain)),
        "plain_alone": Measure("settings that train only without batch norm", lost),
    }
    nothing = not counts.any()
    more = [bool(after >= MORE * max(before, 1.0)) for before, after in counts.T]
    alone = measured["plain_alone"].median
    return Verdict(
        holds=None if nothing else agreed(more),
        sentence=f"No network reached {percent(USABLE, 0)}. Train for more steps."
        if nothing
        else f"With batch norm {measured['usable_bn'].median:.0f} of {settings} settings reached {percent(USABLE, 0)}"
        f"{measured['usable_bn'].over_seeds}, without it {measured['usable_plain'].median:.0f}"
        f"{measured['usable_plain'].over_seeds}. "
        f"{f'{alone:.0f}' if alone else 'None'} trained only without batch norm.",
        criterion=f"In every seed: at least {MORE:.0f} times as many settings reach {percent(USABLE, 0)} held-out "
        "accuracy with batch norm as without.",
        measured=measured,
        answer=None if nothing else _answer(*counts.mean(axis=1).tolist()),
    )


def _answer(plain: float, normalized: float) -> str:
    if normalized <= plain:
        return "fewer"
    return "many" if normalized >= MORE * plain else "some"


LAB = Lab(
    number=15,
    name="map",
    title="Which settings train?",
    quote="allows us to use much higher learning rates and be less careful about initialization",
    section="Abstract",
    question="We train with every pair of a learning rate and a σ of the initial weights. How many of these settings "
    "train with batch norm?",
    prediction=Choice(
        {
            "fewer": "no more than without it",
            "some": "more, but not twice as many",
            "many": "at least twice as many",
        }
    ),
    arms=arms,
    figures=figures,
    verdict=verdict,
    explanation=r"""
The learning rate and the scale of the initial weights work together. Without normalization each layer multiplies its
signal by about $\sigma\sqrt n$, and its gradient in the backward pass too. Only near $\sigma\sqrt n = 1$ does a
signal arrive, and only some rates fit it. Batch normalization removes the scale from the forward pass,
$\mathrm{BN}(aWu) = \mathrm{BN}(Wu)$. The scale now acts like a learning rate. The gradient with respect to $aW$ is
$1/a$ as large, and $aW$ is $a$ times as large. So

$$
\text{step relative to the weight} \;\propto\; \frac{\eta}{a^2}.
$$

From this we expect a region that is wide and tilted: larger initial weights need a higher learning rate. See whether
the map shows it. The region is not unlimited: the output layer is not normalized, and too high a rate can break it.

**The grid matters.** The verdict depends on where the grid begins and ends. A grid around the best setting of the
plain network would show less.
""",
)
