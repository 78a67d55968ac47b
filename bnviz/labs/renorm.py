"""Lab renorm: mini-batches whose examples are of few classes, or of one, after Ioffe (2017)."""

from __future__ import annotations

import math

import numpy as np

from bnviz.experiment import Experiment
from bnviz.figures.charts.by_setting import Series, by_setting
from bnviz.figures.charts.figure_2 import Network, figure_2
from bnviz.figures.frame.palette import MORE, WITH
from bnviz.figures.frame.scale import Scale
from bnviz.labs import inference
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.lines import line
from bnviz.labs.normalizer_lines import LOOKS, NAMES
from bnviz.labs.predictions import Estimate, Slider
from bnviz.labs.verdicts import Measure, Verdict, agreed, final_accuracy, guessing, percent

SHUFFLED = 0
CLASSES = (SHUFFLED, 5, 2, 1)
"""Classes in a mini-batch; 0 is the usual order, in which it has about all ten."""
KINDS = tuple(LOOKS)

QUICK = Experiment(
    dataset="digits",
    hidden=(100, 100),
    activation="relu",
    init="kaiming",
    init_scale=1.0,
    batch_size=30,
    learning_rate=0.1,
    groups=4,
    norm_momentum=0.01,
    renorm_start=50,
    steps=400,
)
"""norm_momentum: as Ioffe (2017) has it; the running averages are then over mini-batches of all classes."""
FULL = QUICK.replace(dataset="mnist", steps=1500)

LOST = 0.5
"""By how much batch norm's accuracy must fall from the usual order to mini-batches of one class. Measured on digits,
ten seeds: batch norm 0.98 to 0.99 and 0.04 to 0.11, batch renorm 0.97 to 0.99 and 0.53 to 0.72, layer norm 0.97 to 0.99
and 0.89 to 0.97. On MNIST, three seeds: batch norm 0.96 and 0.13 to 0.17, batch renorm 0.96 to 0.97 and 0.41 to 0.46,
layer norm 0.96 and 0.93 to 0.94."""
BETTER = 0.2
"""By how much batch renorm must then be better: the seeds of either differ by as much in mini-batches of one class."""
STATISTICS = {
    "own": ("its mini-batch", MORE[2]),
    "moving": ("running averages", WITH),
    "population": ("after training", MORE[1]),
}
"""The statistics at inference: words for a line, and its look."""


def arms(setting: Setting) -> tuple[Arm, ...]:
    """Every normalizer, in mini-batches of so many classes."""
    base = setting.base(QUICK, FULL)
    return tuple(
        Arm(name(kind, classes), f"{NAMES[kind]}, {words(classes)}", changed)
        for kind in KINDS
        for classes in CLASSES
        for changed in [base.replace(normalizer=kind, batch_classes=classes)]
    )


def name(kind: str, classes: int) -> str:
    """The arm's name."""
    return f"{kind}-{classes or 'shuffled'}"


def words(classes: int) -> str:
    """The composition of a mini-batch in a few words."""
    return {SHUFFLED: "shuffled", 1: "1 class"}.get(classes, f"{classes} classes")


def by_statistics(result: Result, which: str, classes: int) -> tuple[float, ...]:
    """Held-out accuracy of batch norm trained on so many classes, one for each seed; NaN before it is measured."""
    found = result.inspections(name("batch", classes))
    if which != "own":
        return tuple(float(item[which]) if item else math.nan for item in found)
    place = inference.CLASSES.index(classes or max(inference.CLASSES))
    return tuple(float(item["by_classes"][place]) if item else math.nan for item in found)


def figures(result: Result, view: View) -> tuple[Drawing, ...]:
    """Accuracy by the classes in a mini-batch, batch norm by three kinds of statistics, and training on one class."""
    first = result.shown(view)[0]
    settings = ["any", *(str(classes) for classes in CLASSES[1:])]
    chance = (guessing(first), "guessing")
    accuracy = by_setting.draw(
        {
            "": [
                line(
                    result,
                    kind,
                    [name(kind, classes) for classes in CLASSES],
                    final_accuracy,
                    NAMES[kind],
                    LOOKS[kind],
                )
                for kind in KINDS
            ]
        },
        settings,
        Scale("accuracy", percent=True, reference=chance),
        title="Accuracy, by the classes in a mini-batch",
        subtitle=f"Held-out examples of all classes, in inference mode, after {first.experiment.steps:,} mini-batches "
        f"of {first.experiment.batch_size}. “any” is the usual shuffled order. A dot for each seed.",
        setting_title="classes in each mini-batch, in training",
        guess=None if view.guess is None else view.guess / 100,
        **view.looks,
    )
    modes = by_setting.draw(
        {
            "": [
                Series(*STATISTICS[which], np.array([by_statistics(result, which, it) for it in CLASSES]).T)
                for which in STATISTICS
            ]
        },
        settings,
        Scale("accuracy", percent=True, reference=chance),
        title="Batch norm, by three kinds of statistics",
        subtitle="Held-out examples, normalized by the statistics of mini-batches of 32 of as many classes as in "
        "training, by running averages, or by averages taken after training (Algorithm 2).",
        setting_title="classes in each mini-batch, in training",
        **view.looks,
    )
    training = figure_2.draw(
        [
            Network(NAMES[kind], LOOKS[kind], recording)
            for kind, recording in zip(
                KINDS, result.shown(view, *(name(kind, 1) for kind in KINDS)), strict=True
            )
        ],
        title="Training in mini-batches of one class",
        subtitle="Share of held-out examples of all classes that are classified correctly, in inference mode.",
        **view.looks,
    )
    return (
        Drawing(
            "accuracy",
            accuracy,
            "From left to right the mini-batches have fewer classes. Whose accuracy falls, and where does it begin?",
        ),
        Drawing(
            "statistics",
            modes,
            "Is inference the only problem? If it were, the network would do well by the statistics of mini-batches "
            "like those in training.",
        ),
        Drawing(
            "training",
            training,
            "Each mini-batch pulls the network toward one class. Which lines rise nevertheless?",
        ),
    )


def verdict(result: Result) -> Verdict:
    """In mini-batches of one class batch norm fails, and batch renorm is substantially better."""
    ends = {
        (kind, classes): result.each(final_accuracy, name(kind, classes))
        for kind in KINDS
        for classes in CLASSES
    }
    measured = {
        name(kind, classes).replace("-", "_"): Measure(
            f"held-out accuracy, {NAMES[kind]}, {words(classes)}", values
        )
        for (kind, classes), values in ends.items()
    } | {
        f"{which}_{classes or 'shuffled'}": Measure(
            f"accuracy of batch norm trained on {words(classes)}, statistics: {STATISTICS[which][0]}", values
        )
        for which in STATISTICS
        for classes in CLASSES
        if not any(map(math.isnan, values := by_statistics(result, which, classes)))
    }
    told = {key: percent(Measure("", values).median) for key, values in ends.items()}
    learned = min(ends["batch", SHUFFLED]) > LOST
    return Verdict(
        holds=agreed(
            [
                usual - batch >= LOST and renorm - batch >= BETTER
                for usual, batch, renorm in zip(
                    ends["batch", SHUFFLED], ends["batch", 1], ends["batch-renorm", 1], strict=True
                )
            ]
        )
        if learned
        else None,
        sentence=f"Trained in mini-batches of one class, batch norm classified {told['batch', 1]} of the held-out "
        f"examples correctly, batch renorm {told['batch-renorm', 1]}, layer norm {told['layer', 1]}, and the network "
        f"without normalization {told['none', 1]}. In the usual order these were {told['batch', SHUFFLED]}, "
        f"{told['batch-renorm', SHUFFLED]}, {told['layer', SHUFFLED]} and {told['none', SHUFFLED]}. In mini-batches of "
        f"two classes batch norm had {told['batch', 2]}, batch renorm {told['batch-renorm', 2]}."
        if learned
        else "In the usual order batch norm did not learn in some seed, so there is no accuracy to lose. Train for "
        "more steps.",
        criterion=f"In every seed: from the usual order to mini-batches of one class, batch norm loses at least "
        f"{100 * LOST:.0f} points of accuracy; and in mini-batches of one class batch renorm is at least "
        f"{100 * BETTER:.0f} points better than batch norm. Other numbers of classes and other normalizers are "
        "reported, not judged.",
        measured=measured,
        answer=tuple(100 * Measure("", ends[kind, 1]).median for kind in ("batch", "batch-renorm"))
        if learned
        else None,
    )


LAB = Lab(
    number=19,
    name="renorm",
    title="Mini-batches of one class",
    quote="Models trained with Batch Renormalization perform substantially better than batchnorm when training with "
    "small or non-i.i.d. minibatches",
    paper="Ioffe 2017",
    section="Abstract",
    question="In training all examples of a mini-batch are of one class, another one each time. What percentage of the "
    "held-out examples, of all classes, is classified correctly?",
    prediction=Estimate(
        (
            Slider("with batch norm", 1.0, 100.0, 50.0, 1.5, " %", False, bounded=True),
            Slider("with batch renorm", 1.0, 100.0, 50.0, 1.5, " %", False, bounded=True),
        )
    ),
    arms=arms,
    figures=figures,
    verdict=verdict,
    explanation=r"""
Stochastic gradient descent assumes that the examples of a mini-batch are drawn independently. They are not if data
comes sorted, or from one camera or one user. Here we sort on purpose: the examples of a mini-batch are of few classes.
Ioffe’s own experiment (Section 4.3) has 16 classes with two images each in every mini-batch. We also use one class.

**Batch norm.** What the examples of one class have in common is their mean, and the mean is subtracted:

$$
\hat x = \frac{x - \mu_B}{\sigma_B}
$$

What is left says how an example differs from others of its class, and little about the class.

**Batch renorm** uses the running averages $\mu$ and $\sigma$ to add back what was subtracted:

$$
\hat x = \frac{x - \mu_B}{\sigma_B}\, r + d, \qquad r = \frac{\sigma_B}{\sigma}, \qquad d = \frac{\mu_B - \mu}{\sigma}
$$

Within the limits of $r$ and $d$ this is $(x - \mu)/\sigma$, which is what inference computes: it contains the class.

**What batch renorm does not repair.** $r$ and $d$ are constants to the gradient. So the gradient is $r$ times that of
batch norm, and it sums to zero over the mini-batch:

$$
\sum_{i=1}^{m} \frac{\partial \ell}{\partial x_i} = 0
$$

A step cannot move the mean of a class in a hidden layer. With several classes in a mini-batch it can move them apart.
Compare one class with two in the first figure.

**Layer norm and group norm** take their statistics from one example. Their lines show, like the line without
normalization, what the order alone costs: each step pulls all of the network toward one class.

**Another lab.** The lab “Inference: which statistics?” trains in the usual order and sorts only at inference. There a
good network gets the wrong statistics. Here the network was trained with them. See in the second figure whether it does
better with the statistics that it was trained with.

**What to try next.** In the Playground set “Classes in a mini-batch” to 1 or 2, and compare ghost batches, instance
normalization or weight normalization. Which of them take statistics over the mini-batch?
""",
    inspection="bnviz.engine.inspections.inference:in_company",
)
