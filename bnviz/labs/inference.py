"""Lab inference: mini-batch statistics against population statistics, once the network is trained."""

from __future__ import annotations

import math

import numpy as np

from bnviz.experiment import Experiment
from bnviz.figures.charts.by_setting import Series, by_setting
from bnviz.figures.frame.palette import MORE, WITH, WITHOUT
from bnviz.figures.frame.scale import Scale
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.predictions import Estimate, Slider
from bnviz.labs.verdicts import Measure, Verdict, agreed, final_accuracy, percent

QUICK = Experiment(
    dataset="digits", activation="relu", init="kaiming", init_scale=1.0, learning_rate=0.1, steps=800
)
FULL = QUICK.replace(dataset="mnist", steps=2000)
SMALLEST = 2
"""The mini-batch of the networks that show where batch normalization fails."""

ARMS = {
    "bn": ("batch norm, trained in batches of {size}", "batch", False, WITH),
    "bn-2": ("batch norm, trained in batches of 2", "batch", True, MORE[0]),
    "plain-2": ("no normalization, batches of 2", "none", True, WITHOUT),
}
"""Words, the value of the field `normalizer`, whether trained in the smallest mini-batches, and look."""
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
CLASSES = (10, 5, 3, 2, 1)
"""The sizes and numbers of classes of the mini-batches that the inspection evaluates."""

LOST = 0.05
"""Accuracy lost to small or one-sided mini-batches that counts: far more than their chance composition makes."""
ALIKE = 0.01
"""Accuracies within a point of each other count as alike: four of the 360 held-out digits.
Measured on digits, ten seeds: population statistics 97.8 to 99.2 %, at most 0.4 points below the best size and 0.6 from
moving averages; mini-batches of 2 42 to 47 %, of one class 6.5 to 11.7 %."""


def arms(setting: Setting) -> tuple[Arm, ...]:
    """Batch normalization in ordinary mini-batches; and in those of two examples, where a plain network trains too."""
    base = setting.base(QUICK, FULL, in_batches=True)
    return tuple(
        Arm(
            name,
            label.format(size=base.batch_size),
            base.replace(normalizer=normalizer, batch_size=SMALLEST if smallest else base.batch_size),
        )
        for name, (label, normalizer, smallest, _) in ARMS.items()
    )


def found(result: Result, arm: str, what: str) -> list[np.ndarray]:
    """What the inspection measured, one for each seed; nothing before it has."""
    return [np.asarray(item[what], np.float64) for item in result.inspections(arm) if item]


def series(result: Result, arm: str, what: str, settings: int, label: str, look: tuple[str, str]) -> Series:
    """A line with a dot for each seed; a single number is drawn as a level line."""
    values = [np.broadcast_to(item, (settings,)) for item in found(result, arm, what)]
    return Series(label, look, np.array(values).reshape(-1, settings))


def figures(result: Result, view: View) -> tuple[Drawing, ...]:
    """Accuracy by classes and by size, and one example's output."""
    looks = {arm.name: (arm.label, ARMS[arm.name][3]) for arm in result.arms}

    def both(what: str, settings: int) -> list[Series]:
        lines = [series(result, arm, what, settings, short(arm), looks[arm][1]) for arm in ("bn", "bn-2")]
        level = (WITH[0], "dot")
        return [*lines, series(result, "bn", "population", settings, "population", level)]

    def short(arm: str) -> str:
        return f"batches of {next(item for item in result.arms if item.name == arm).experiment.batch_size}"

    by_size = by_setting.draw(
        {"": both("by_size", len(SIZES))},
        [str(size) for size in SIZES],
        Scale("accuracy", percent=True),
        title="Accuracy by the size of the mini-batch",
        subtitle="Random mini-batches of held-out examples, normalized by their own statistics; networks trained in "
        "batches of two sizes. Dotted: by population statistics (Algorithm 2). A dot for each seed.",
        setting_title="examples in the mini-batch",
        **view.looks,
    )
    by_classes = by_setting.draw(
        {"": both("by_classes", len(CLASSES))},
        [str(count) for count in CLASSES],
        Scale("accuracy", percent=True),
        title="Accuracy by the number of classes in the mini-batch",
        subtitle="Mini-batches of 32 held-out examples, normalized by their own statistics; networks trained in "
        "batches of two sizes. Dotted: by population statistics, on all held-out examples. A dot for each seed.",
        setting_title="classes in the mini-batch",
        guess=None if view.guess is None else view.guess / 100,
        **view.looks,
    )
    seed = min(view.seed, result.setting.seed_count - 1)
    one = result.inspections("bn")[seed]
    alone = float(one["alone"]) if one else math.nan
    company = by_setting.draw(
        {
            "": [
                Series(
                    "by its mini-batch",
                    WITH,
                    np.asarray(one["outputs"]) if one else np.empty((0, len(SIZES))),
                )
            ]
        },
        [str(size) for size in SIZES],
        Scale(
            "probability of its own class",
            percent=True,
            reference=None if math.isnan(alone) else (alone, "by population statistics"),
        ),
        title="The same held-out example in different mini-batches",
        subtitle="The probability that the network gives to its class. A dot for each of 40 mini-batches with random "
        "other examples; the line joins the medians.",
        setting_title="examples in the mini-batch",
        **view.looks,
    )
    return (
        Drawing(
            "by-classes",
            by_classes,
            "From left to right the mini-batches contain fewer classes. Where does the accuracy fall?",
        ),
        Drawing(
            "by-size",
            by_size,
            "From which size on are the mini-batch’s statistics as good as those of the population?",
        ),
        Drawing(
            "one-example",
            company,
            "The paper wants the output to depend only on the input. Do the dots of one size lie on one point? A "
            "mini-batch of 1 has variance 0, so every input gets the same answer.",
        ),
    )


def verdict(result: Result) -> Verdict:
    """Population statistics do as well as the best mini-batch; small and one-sided mini-batches do not."""
    by_size, by_classes = found(result, "bn", "by_size"), found(result, "bn", "by_classes")
    population, moving = (
        tuple(float(item) for item in found(result, "bn", what)) for what in ("population", "moving")
    )
    twos = tuple(float(item[SIZES.index(2)]) for item in by_size)
    best = tuple(float(np.nanmax(item)) for item in by_size)
    one_sided = tuple(float(item[-1]) for item in by_classes)
    spread = tuple(float(item[:, SIZES.index(32)].std()) for item in found(result, "bn", "outputs"))
    flips = tuple(float(item[SIZES.index(32)]) for item in found(result, "bn", "flips"))
    failing = result.each(final_accuracy, "bn-2")
    measured = {
        "population": Measure("accuracy by population statistics (Algorithm 2)", population),
        "moving": Measure("accuracy by moving averages", moving),
        "best_batch": Measure("accuracy by mini-batch statistics at the best size", best),
        "batches_of_2": Measure("accuracy by statistics of mini-batches of 2", twos),
        "one_class": Measure("accuracy by statistics of mini-batches of one class", one_sided),
        "flips_32": Measure("share of examples classified differently in two mini-batches of 32", flips),
        "spread_32": Measure(
            "standard deviation of one example’s probability over mini-batches of 32", spread
        ),
        "trained_in_60": Measure(
            "final accuracy of batch norm in its usual mini-batches", result.each(final_accuracy, "bn")
        ),
        "trained_in_2": Measure("final accuracy of batch norm trained in mini-batches of 2", failing),
        "plain_in_2": Measure(
            "final accuracy without normalization, mini-batches of 2", result.each(final_accuracy, "plain-2")
        ),
    }
    known = bool(population) and not any(map(math.isnan, [*one_sided, *twos]))
    told = {name: percent(item.median) for name, item in measured.items()}
    return Verdict(
        holds=agreed(
            [
                fixed >= good - ALIKE
                and abs(fixed - running) <= ALIKE
                and pair <= fixed - LOST
                and single <= fixed - LOST
                for fixed, good, running, pair, single in zip(
                    population, best, moving, twos, one_sided, strict=True
                )
            ]
        )
        if known
        else None,
        sentence=f"With population statistics the network classified {told['population']} of the examples correctly. "
        f"With the statistics of mini-batches of one class it was {told['one_class']}, with those of mini-batches of 2 "
        f"it was {told['batches_of_2']}. "
        f"{told['flips_32']} of the examples got another class in another random mini-batch of 32. Trained with "
        f"mini-batches of 2, batch norm ended at {told['trained_in_2']} and the plain network at {told['plain_in_2']}.",
        criterion=f"In every seed: population statistics (Algorithm 2) are at most {100 * ALIKE:.0f} percentage "
        f"point away from moving averages and at most {100 * ALIKE:.0f} percentage point below the best size of "
        f"mini-batch; mini-batches of 2 and mini-batches of one class are at least {100 * LOST:.0f} percentage "
        "points below.",
        measured=measured,
        answer=(100 * measured["one_class"].median,) if known else None,
    )


LAB = Lab(
    number=12,
    name="inference",
    title="Inference: which statistics?",
    quote="is neither necessary nor desirable during inference; we want the output to depend only on the input, "
    "deterministically",
    section="3.1",
    question="A trained network normalizes by its mini-batch at inference too. We show it 32 held-out examples of the "
    "same digit at once. What percentage does it classify correctly?",
    prediction=Estimate(
        (Slider("accuracy in mini-batches of one class", 1.0, 100.0, 50.0, 1.5, " %", False, bounded=True),)
    ),
    arms=arms,
    figures=figures,
    verdict=verdict,
    explanation=r"""
In training, a network with batch normalization never sees an example alone: the output depends on the mini-batch. At
inference the paper uses the statistics of the population instead (Algorithm 2):

$$
\mathrm{E}[x] = \mathrm{E}_B[\mu_B]
$$

$$
\mathrm{Var}[x] = \tfrac{m}{m-1}\,\mathrm{E}_B[\sigma_B^2]
$$

The means are over training mini-batches of $m$ examples. The layer becomes a fixed linear map. In practice moving
averages from training replace these means. The paper mentions them for tracking the accuracy during training. Here we
compute the means after training, over mini-batches of the training size. “Every number that was measured” compares
both ways.

**Mini-batches of one class.** What the examples of one class have in common tells the class. It is in their mean, and
the mean is subtracted.

**One example** has variance 0. So $\hat x = 0$, and every layer outputs $g(\beta)$, whatever its input.

**Two examples** become $\hat x \approx \pm 1$. Of every input only the order of the two is left. A network can learn
from that. But at inference, population statistics give it inputs that it never saw in training. This is where batch
normalization fails. The paper trains with mini-batches of 32 and 60.
""",
    inspection="bnviz.engine.inspections.inference:in_company",
)
