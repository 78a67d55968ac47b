"""Lab small-batch-inference: a network trained in tiny mini-batches, in training mode and in inference mode."""

from __future__ import annotations

import math

import numpy as np

from bnviz.figures.charts.by_setting import Series, by_setting
from bnviz.figures.charts.figure_2 import Network, figure_2
from bnviz.figures.frame.palette import MORE, WITH
from bnviz.figures.frame.scale import Scale
from bnviz.labs import inference
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.batch_size import NETWORK, SMALL, USUAL, in_batches_of
from bnviz.labs.predictions import Choice
from bnviz.labs.verdicts import Measure, Verdict, agreed, percent

TRAINED = (2, 4, 8, 16, 32)
QUICK = NETWORK
FULL = QUICK.replace(dataset="mnist", steps=4800)

WEIGHTS = {"fast": 0.1, "slow": 0.01}
"""The weight of the newest mini-batch in the running averages: PyTorch's default, and a tenth of it."""
KINDS = {
    "own": ("its mini-batch", MORE[2]),
    "running": ("running, 0.1", WITH),
    "slow": ("running, 0.01", MORE[0]),
    "population": ("after training", MORE[1]),
}
"""The statistics at inference: words for a line, and its look."""

APART = 0.1
"""By how much the accuracies of the two modes must differ in networks that were trained in mini-batches of 2. Measured
on digits, three seeds: 0.42 to 0.44 by the mini-batch and 0.67 to 0.76 by running averages at 2, 0.79 to 0.82 and 0.95
to 0.96 at 4, 0.89 to 0.91 and 0.96 to 0.97 at 8."""
SHARE = 0.5
"""The two modes may differ at 32 by at most this share of their difference at 2."""
ALIKE = 0.02
"""Accuracies within two points of each other count as alike: seven of the 360 held-out digits."""


def arms(setting: Setting) -> tuple[Arm, ...]:
    """Every size of mini-batch with both weights, all on the same number of examples."""
    base = setting.base(QUICK, FULL)
    return tuple(
        Arm(
            f"{speed}-{size}",
            f"batches of {size}, weight {weight:g}",
            in_batches_of(size, base).replace(norm_momentum=weight),
        )
        for speed, weight in WEIGHTS.items()
        for size in TRAINED
    )


def accuracy(result: Result, kind: str, size: int) -> tuple[float, ...]:
    """Held-out accuracy of the networks trained in mini-batches of `size`, one for each seed, by statistics `kind`."""
    arm = f"{'slow' if kind == 'slow' else 'fast'}-{size}"
    if kind == "own":
        return _of_size(result, arm, "by_size", size)
    what = "population" if kind == "population" else "moving"
    return tuple(float(item[what]) if item else math.nan for item in result.inspections(arm))


def _of_size(result: Result, arm: str, what: str, size: int) -> tuple[float, ...]:
    """What the inspection measured in mini-batches of `size`, one for each seed; NaN before it has."""
    place = inference.SIZES.index(size)
    return tuple(float(item[what][place]) if item else math.nan for item in result.inspections(arm))


def figures(result: Result, view: View) -> tuple[Drawing, ...]:
    """Accuracy by the four kinds of statistics, answers that change, and accuracy while training."""
    first = result.shown(view)[0].experiment

    def over_sizes(kind: str) -> Series:
        label, look = KINDS[kind]
        columns = [accuracy(result, kind, size) for size in TRAINED]
        return Series(label, look, np.array(columns).T)

    modes = by_setting.draw(
        {"": [over_sizes(kind) for kind in KINDS]},
        [str(size) for size in TRAINED],
        Scale("accuracy", percent=True),
        title="Accuracy by four kinds of statistics",
        subtitle="Held-out examples, normalized by the mini-batch as in training, by running averages with two "
        "weights, or by averages taken after training (Algorithm 2). A dot for each seed.",
        setting_title="examples in the mini-batches, in training and here",
        **view.looks,
    )
    changed = [_of_size(result, f"fast-{size}", "flips", size) for size in TRAINED]
    flips = by_setting.draw(
        {
            "": [Series(*KINDS["own"], np.array(changed).T)],
        },
        [str(size) for size in TRAINED],
        Scale("share of examples", percent=True),
        title="Examples whose class depends on the mini-batch",
        subtitle="Share of held-out examples that get another class in another random mini-batch of the same size. A "
        "dot for each seed. By running averages it is always 0.",
        setting_title="examples in the mini-batches, in training and here",
        **view.looks,
    )
    names = (
        (f"fast-{SMALL}", f"{SMALL}, weight 0.1", WITH),
        (f"slow-{SMALL}", f"{SMALL}, weight 0.01", MORE[0]),
        (f"fast-{USUAL}", f"{USUAL}, weight 0.1", (WITH[0], "dot")),
    )
    training = figure_2.draw(
        [
            Network(label, look, recording)
            for (_, label, look), recording in zip(
                names, result.shown(view, *(arm for arm, _, _ in names)), strict=True
            )
        ],
        title="Accuracy in inference mode, while training",
        subtitle=f"Networks trained in mini-batches of {SMALL} and of {USUAL}, by running averages. "
        f"{first.steps * first.batch_size:,} examples each.",
        **view.looks,
    )
    return (
        Drawing(
            "modes",
            modes,
            "At each size: how far are the lines apart? “Its mini-batch” is training mode, the "
            "others are inference mode.",
        ),
        Drawing("changed", flips, "Does an example depend less on the others in larger mini-batches?"),
        Drawing(
            "training",
            training,
            "The two networks of mini-batches of 2 have the same weights at every step. Only their running averages "
            "differ.",
        ),
    )


def verdict(result: Result) -> Verdict:
    """Training mode and inference mode differ after mini-batches of 2, and less after those of 32."""
    found = {(kind, size): accuracy(result, kind, size) for kind in KINDS for size in (SMALL, USUAL)}
    gaps = {
        size: tuple(
            abs(own - running)
            for own, running in zip(found["own", size], found["running", size], strict=True)
        )
        for size in (SMALL, USUAL)
    }
    measured = {
        f"{kind}_{size}": Measure(f"accuracy, mini-batches of {size}, statistics: {KINDS[kind][0]}", values)
        for (kind, size), values in found.items()
    } | {
        f"gap_{size}": Measure(
            f"accuracy by running averages and by the mini-batch, {size}: how far apart", gap
        )
        for size, gap in gaps.items()
    }
    known = bool(gaps[SMALL]) and not any(map(math.isnan, [*gaps[SMALL], *gaps[USUAL]]))
    told = {name: percent(item.median) for name, item in measured.items()}
    return Verdict(
        holds=agreed(
            [
                small >= APART and usual <= SHARE * small
                for small, usual in zip(gaps[SMALL], gaps[USUAL], strict=True)
            ]
        )
        if known
        else None,
        sentence=f"Trained in mini-batches of {SMALL}, the network classified {told['own_2']} correctly by the "
        f"statistics of its mini-batches, {told['running_2']} by running averages with weight 0.1, {told['slow_2']} "
        f"with weight 0.01, and {told['population_2']} by averages taken after training. Trained in mini-batches of "
        f"{USUAL}, it had {told['own_32']} by its mini-batches and {told['running_32']} by running averages."
        if known
        else "Nothing was measured in some network: its training diverged.",
        criterion=f"In every seed: after training in mini-batches of {SMALL}, accuracy by the mini-batch’s own "
        f"statistics and by running averages (weight 0.1) differ by at least {100 * APART:.0f} points, in "
        f"either direction; after mini-batches of {USUAL} they differ by at most half as much.",
        measured=measured,
        answer=_answer({kind: measured[f"{kind}_{SMALL}"].median for kind in ("own", "running")})
        if known
        else None,
    )


def _answer(accuracies: dict[str, float]) -> str:
    difference = accuracies["running"] - accuracies["own"]
    if abs(difference) < ALIKE:
        return "alike"
    return "running" if difference > 0 else "own"


LAB = Lab(
    number=17,
    name="small-batch-inference",
    title="Running averages of tiny batches",
    quote="the dependence of model layer inputs on all the examples in the minibatch, and different activations being "
    "produced between training and inference",
    paper="Ioffe 2017",
    section="Abstract",
    question="We train batch norm in mini-batches of 2. Then we classify held-out examples in pairs, or by running "
    "averages. Which is more accurate?",
    prediction=Choice(
        {
            "own": "in pairs, as in training",
            "running": "by running averages, as at inference",
            "alike": f"alike, within {100 * ALIKE:.0f} points",
        }
    ),
    arms=arms,
    figures=figures,
    verdict=verdict,
    explanation=r"""
The author of batch norm names two reasons why it does worse in small mini-batches: each example depends on the
others, and the network computes something else at inference than in training. He proposes them as a hypothesis.

**Running averages.** In training, each mini-batch moves them a little. With weight $\alpha$ (PyTorch’s `momentum`):

$$
\mu \leftarrow (1 - \alpha)\,\mu + \alpha\,\mu_B
$$

With $\alpha = 0.1$ about the last ten mini-batches count: in mini-batches of 2, twenty examples. With $\alpha = 0.01$
about the last hundred count. But then the averages are slow: after few steps they still hold part of their first
values, 0 and 1. In mini-batches of 32 there are few steps here.

**The same weights.** Running averages do not enter training. So the networks with the two weights $\alpha$ are the
same network, and differ at inference alone.

**Two possible errors.** The averages taken after training (Algorithm 2) are over up to 1,000 mini-batches. If they
do better than the running averages, these were noisy. If they do no better, noise is not the reason.

**In pairs.** In a mini-batch of 2 every $\hat x$ is about $+1$ or $-1$: only which of the two is larger is left. In
another pair the same example may get the other sign. See the second figure.

**Better is not good.** Where running averages do better than pairs, the training may still be poor. Compare both with
the networks that were trained in mini-batches of 32.

**Same examples.** As in the lab “How small may a mini-batch be?”, each network sees the same number of examples, and
the learning rate is proportional to the size of the mini-batch.

**What to try next.** In the Playground, train in mini-batches of 2 and set the running average’s weight to 1: then
inference uses the last pair alone.
""",
    inspection="bnviz.engine.inspections.inference:in_company",
)
