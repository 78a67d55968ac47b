"""Lab inference: mini-batch statistics against population statistics, once the network is trained."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from bnviz.experiment import Experiment
from bnviz.figures.charts.ladder import Series, ladder
from bnviz.figures.charts.race import Runner, race
from bnviz.figures.charts.table import table
from bnviz.figures.frame.palette import MORE, WITH, WITHOUT
from bnviz.figures.frame.scale import Scale
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.predictions import Estimate, Slider
from bnviz.labs.verdicts import Measure, Verdict, agreed, final_accuracy

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
"""Accuracies within a point of each other count as alike: four of the 360 held-out digits."""


def arms(setting: Setting) -> tuple[Arm, ...]:
    """Batch normalization in ordinary mini-batches; and in those of two examples, where a plain network trains too."""
    base = setting.base(QUICK, FULL)
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


def series(result: Result, arm: str, what: str, rungs: int, label: str, look: tuple[str, str]) -> Series:
    """A line with a dot for each seed; a single number is drawn as a level line."""
    values = [np.broadcast_to(item, (rungs,)) for item in found(result, arm, what)]
    return Series(label, look, np.array(values).reshape(-1, rungs))


def figures(result: Result, view: View) -> tuple[Drawing, ...]:
    """Accuracy by size and by classes, one example's output, the two ways to inference, and training in twos."""
    looks = {arm.name: (arm.label, ARMS[arm.name][3]) for arm in result.arms}

    def both(what: str, rungs: int) -> list[Series]:
        lines = [series(result, arm, what, rungs, short(arm), looks[arm][1]) for arm in ("bn", "bn-2")]
        level = (WITH[0], "dot")
        return [*lines, series(result, "bn", "population", rungs, "population", level)]

    def short(arm: str) -> str:
        return f"trained in {next(item for item in result.arms if item.name == arm).experiment.batch_size}s"

    by_size = ladder.draw(
        {"": both("by_size", len(SIZES))},
        [str(size) for size in SIZES],
        Scale("accuracy", percent=True),
        title="Accuracy by the statistics of the mini-batch that is asked about",
        subtitle="Held-out examples in random mini-batches. Dotted: the network trained in large ones by population "
        "statistics (Algorithm 2), which need no mini-batch. A dot for each seed.",
        rung_title="examples in the mini-batch",
        **view.looks,
    )
    by_classes = ladder.draw(
        {"": both("by_classes", len(CLASSES))},
        [str(count) for count in CLASSES],
        Scale("accuracy", percent=True),
        title="Accuracy as the mini-batch becomes one-sided",
        subtitle="Mini-batches of 32 held-out examples that show only so many of the classes. Dotted: by population "
        "statistics, on all held-out examples. A dot for each seed.",
        rung_title="classes in the mini-batch",
        **view.looks,
    )
    seed = min(view.seed, result.setting.seed_count - 1)
    one = result.inspections("bn")[seed]
    alone = float(one["alone"]) if one else math.nan
    company = ladder.draw(
        {
            "": [
                Series(
                    "in company",
                    WITH,
                    np.asarray(one["outputs"]) if one else np.empty((0, len(SIZES))),
                )
            ]
        },
        [str(size) for size in SIZES],
        Scale(
            "probability of its own class",
            percent=True,
            reference=None if math.isnan(alone) else (alone, "by population statistics, always"),
        ),
        title="One and the same held-out example, in different company",
        subtitle="The probability that the network gives to its class. A dot for each of 40 mini-batches, whose other "
        "examples are drawn at random; the line joins the medians.",
        rung_title="examples in the mini-batch",
        **view.looks,
    )
    rows = [(arm.label, *(_percent(value) for value in _row(result, arm.name))) for arm in result.arms]
    ways = table.draw(
        ["network", "moving average", "Algorithm 2", "own batch of 256", "own batch of 2"],
        rows,
        title="Two ways to population statistics, and none",
        subtitle="Accuracy on held-out examples, median over the seeds. Without normalization there is one way only.",
        **view.looks,
    )
    curves = race.draw(
        [
            Runner(short(arm.name) + (", plain" if arm.name == "plain-2" else ""), looks[arm.name][1], item)
            for arm, item in zip(result.arms, result.shown(view), strict=True)
        ],
        title="While they train: where batch norm fails",
        subtitle="Held-out accuracy in inference mode, by moving averages. In a mini-batch of two x̂ is nearly "
        "+1 or −1 everywhere, or 0 where both inputs are equal.",
        **view.looks,
    )
    return (
        Drawing("by-size", by_size, "From which size on the mini-batch may stand in for the population."),
        Drawing(
            "by-classes",
            by_classes,
            "A large mini-batch is not enough: it must also look like the training examples.",
        ),
        Drawing(
            "one-example",
            company,
            "The paper wants the output to depend only on the input. By mini-batch statistics it does not. Alone, the "
            "example is normalized to 0 in every layer, and every input gets the same answer.",
        ),
        Drawing(
            "ways", ways, "Whether the moving average is good enough in place of the paper’s second pass."
        ),
        Drawing(
            "training", curves, "Batch norm needs mini-batches from which a mean and a variance can be told."
        ),
    )


def _row(result: Result, arm: str) -> tuple[float, ...]:
    if not found(result, arm, "moving"):
        final = Measure("", result.each(final_accuracy, arm)).median
        return final if result.finished and arm == "plain-2" else math.nan, math.nan, math.nan, math.nan
    large, two = SIZES.index(256), SIZES.index(2)
    picks: list[Callable[[str], list[float]]] = [
        lambda name: [float(item) for item in found(result, name, "moving")],
        lambda name: [float(item) for item in found(result, name, "population")],
        lambda name: [float(item[large]) for item in found(result, name, "by_size")],
        lambda name: [float(item[two]) for item in found(result, name, "by_size")],
    ]
    return tuple(Measure("", tuple(pick(arm))).median for pick in picks)


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.1%}"


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
        "population": Measure("accuracy by Algorithm 2", population),
        "moving": Measure("accuracy by moving averages", moving),
        "best_batch": Measure("accuracy by mini-batch statistics at the best size", best),
        "batches_of_2": Measure("accuracy by statistics of mini-batches of 2", twos),
        "one_class": Measure("accuracy by statistics of mini-batches of one class", one_sided),
        "flips_32": Measure("share of examples named differently in two mini-batches of 32", flips),
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
    told = {name: f"{item.median:.1%}" for name, item in measured.items()}
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
        sentence=f"By population statistics the network named {told['population']} rightly (moving averages: "
        f"{told['moving']}); by mini-batch statistics {told['best_batch']} at the best size, {told['batches_of_2']} in "
        f"mini-batches of 2 and {told['one_class']} in mini-batches of a single class. From one random "
        f"mini-batch of 32 to another, {told['flips_32']} of the examples got another name. Trained in mini-batches of "
        f"2, batch norm ended at {told['trained_in_2']}, the plain network at {told['plain_in_2']}.",
        criterion=f"In every seed, Algorithm 2 is within {ALIKE:.0%} of the moving averages and at most {ALIKE:.0%} "
        f"below the best size of mini-batch, while mini-batches of 2 and those of one class lose at least {LOST:.0%}.",
        measured=measured,
        answer=(100 * measured["one_class"].median,) if known else None,
    )


LAB = Lab(
    number=12,
    name="inference",
    title="Inference: alone, or in company?",
    quote="is neither necessary nor desirable during inference; we want the output to depend only on the input, "
    "deterministically",
    section="3.1",
    question="A trained batch-norm network is asked about 32 held-out examples that all show the same digit, and still "
    "normalizes by its mini-batch. How many percent does it name rightly?",
    prediction=Estimate(
        (Slider("accuracy in mini-batches of one class", 1.0, 100.0, 50.0, 1.5, " %", logarithmic=False),)
    ),
    arms=arms,
    figures=figures,
    verdict=verdict,
    explanation=r"""
In training a batch-normalized network never sees an example alone: its output depends on the mini-batch. For
inference the paper’s Algorithm 2 takes the statistics of the population instead,

$$\operatorname{E}[x] = \operatorname{E}_B[\mu_B], \qquad
\operatorname{Var}[x] = \tfrac{m}{m-1}\,\operatorname{E}_B[\sigma_B^2],$$

over training mini-batches of $m$ examples, and the layer becomes a fixed linear map. Moving averages, gathered during
training, stand in for them nearly everywhere; the paper mentions them for following a model’s accuracy as it trains.
Here the Algorithm’s second pass is made, over mini-batches of the size that the network was trained with.

**One-sided mini-batches.** Among examples of one class what they have in common, which is what tells the class, is
their mean: and the mean is subtracted.

**One example** has variance 0: $\hat x = 0$, and every layer passes on $g(\beta)$, whatever the input.

**Two examples** become $\hat x \approx \pm 1$: of each input only which of the two is larger survives. A network
trained that way learns from what is left, and the statistics of the population then show it inputs that it never saw in
training. That is where batch normalization fails; the paper trains with mini-batches of 32 and 60.
""",
    inspection="bnviz.engine.inspections.inference:in_company",
)
