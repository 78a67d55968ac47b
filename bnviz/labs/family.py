"""Lab family: the learning rates at which a network trains with each normalizer, fully connected and convolutional."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bnviz.experiment import Experiment
from bnviz.figures.charts.by_setting import Series, by_setting
from bnviz.figures.charts.figure_2 import Network, figure_2
from bnviz.figures.charts.table import table
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.palette import MORE, WITH, WITHOUT
from bnviz.figures.frame.plot import Plot
from bnviz.figures.frame.scale import Scale
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.lines import line
from bnviz.labs.predictions import Choice
from bnviz.labs.verdicts import (
    Measure,
    Verdict,
    counted,
    final_accuracy,
    guessing,
    percent,
    quotients,
    steps_to,
)

QUICK = Experiment(
    dataset="digits",
    hidden=(100,) * 4,
    activation="relu",
    init="kaiming",
    init_scale=1.0,
    groups=4,
    steps=100,
)
FULL = QUICK.replace(dataset="mnist", steps=120)
CONVOLUTIONAL = FULL.replace(
    architecture="conv", hidden=(4, 8, 16), groups=2, momentum=0.9, learning_rate=0.1, steps=130
)
"""Trained in the full setting alone: a step of it takes five times as long."""


@dataclass(frozen=True)
class Kind:
    """A kind of network. figures: by name the normalizers in a figure's panels, each beside the plain network.

    target: a network is said to learn at a rate if it ends with this held-out accuracy.
    """

    label: str
    target: float
    rates: tuple[float, ...]
    figures: dict[str, tuple[str, ...]]

    @property
    def normalizers(self) -> tuple[str, ...]:
        """None, and all of them."""
        return ("none", *(name for names in self.figures.values() for name in names))


KINDS = {
    "mlp": Kind(
        "fully connected",
        0.8,
        (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0),
        {"accuracy": ("batch", "layer", "group"), "more": ("rms", "weight", "dynamic-tanh")},
    ),
    "conv": Kind(
        "convolutional",
        0.5,
        (0.03, 0.1, 0.3, 1.0),
        {"convolutional": ("batch", "layer"), "convolutional-more": ("group", "instance")},
    ),
}
"""target: networks that learn end above it and those that do not far below, fully connected on digits and on MNIST. The
convolutional ones are half trained after so few steps, the plain network with 0.5 to 0.8 at its best rates."""
NAMES = {
    "none": "none",
    "batch": "batch norm",
    "layer": "layer norm",
    "group": "group norm",
    "rms": "RMS norm",
    "instance": "instance norm",
    "weight": "weight norm",
    "dynamic-tanh": "dynamic tanh",
}
TRAINING = {"none": WITHOUT, "batch": WITH, "layer": MORE[0], "group": MORE[1], "rms": MORE[2]}
"""Those whose training is shown, with their looks."""
JUDGED = ("batch", "layer", "group", "rms")
"""Those after which the scale of the weights has no effect. The length in weight normalization is learned."""

CAPTIONS = {
    "accuracy": "At which rate does each line fall, and how far is that from where the plain network’s falls?",
    "more": "RMS norm does not subtract the mean. Weight norm and dynamic tanh take no statistics of the activations.",
    "convolutional": "The same with layers of feature maps. Here momentum is 0.9, so the rates are smaller.",
    "convolutional-more": "Instance norm exists only here. Its statistics are of one feature map of one example.",
}
SHOWN = 0.25
"""The rate at which training is shown: most learn there."""

MUCH_HIGHER = 5.0
"""The rates are a factor of 2 apart, and the largest differs by one place between seeds: this asks for three places.
Measured on digits, ten seeds: 0.25 to 0.5 with none and with weight norm, always 4 with batch norm, 0.25 to 0.5 with
layer, group and RMS norm. On MNIST, three seeds: 0.25 with none, 4 with batch norm, 0.25 to 0.5 with the others."""


def arms(setting: Setting) -> tuple[Arm, ...]:
    """Every normalizer at every rate: fully connected, and convolutional in the full setting."""
    bases = {"mlp": setting.base(QUICK, FULL)}
    if not setting.quick:
        bases["conv"] = setting.base(CONVOLUTIONAL, CONVOLUTIONAL)
    return tuple(
        Arm(
            name(kind, normalizer, rate),
            f"{KINDS[kind].label}, {NAMES[normalizer]}, rate {rate:g}",
            base.replace(normalizer=normalizer, learning_rate=rate),
        )
        for kind, base in bases.items()
        for normalizer in KINDS[kind].normalizers
        for rate in KINDS[kind].rates
    )


def name(kind: str, normalizer: str, rate: float) -> str:
    """The arm's name."""
    return f"{kind}-{normalizer}-{rate:g}"


def trained(result: Result) -> tuple[str, ...]:
    """The kinds of network in this setting."""
    return ("mlp",) if result.setting.quick else ("mlp", "conv")


def largest(result: Result, kind: str, normalizer: str) -> tuple[float, ...]:
    """The largest rate at which the network ends with the target, one for each seed; NaN where there is none."""
    rates = KINDS[kind].rates
    ends = [result.each(final_accuracy, name(kind, normalizer, rate)) for rate in rates]
    return tuple(
        max(
            (rate for rate, end in zip(rates, seed, strict=True) if end >= KINDS[kind].target),
            default=math.nan,
        )
        for seed in zip(*ends, strict=True)
    )


def fastest(result: Result, kind: str, normalizer: str) -> tuple[float, ...]:
    """The fewest steps to the target at any rate, one for each seed; infinite where it was never reached."""
    steps = [
        [steps_to(item, KINDS[kind].target) for item in result.recordings(name(kind, normalizer, rate))]
        for rate in KINDS[kind].rates
    ]
    return tuple(min(seed) for seed in zip(*steps, strict=True))


def figures(result: Result, view: View) -> tuple[Drawing, ...]:
    """Accuracy by learning rate for each kind of network, the ends of the ranges, and the training at one rate."""
    drawings = [
        Drawing(file, _accuracy(result, view, kind, normalizers), CAPTIONS[file])
        for kind in trained(result)
        for file, normalizers in KINDS[kind].figures.items()
    ]
    recordings = result.shown(view, *(name("mlp", normalizer, SHOWN) for normalizer in TRAINING))
    training = figure_2.draw(
        [
            Network(NAMES[normalizer], TRAINING[normalizer], recording)
            for normalizer, recording in zip(TRAINING, recordings, strict=True)
        ],
        title=f"Training at a learning rate of {SHOWN:g}",
        subtitle="Share of held-out examples classified correctly, in inference mode. Fully connected.",
        target=KINDS["mlp"].target,
        **view.looks,
    )
    ranges = table.draw(
        ["normalizer", "largest rate", "times that of none", "fewest steps"],
        list(_rows(result)),
        title="How large the rate may be, and how fast each is at its best rate",
        subtitle=f"The largest of the rates at which the network ends with {_targets(result)}, and the fewest steps to "
        "that at any rate. Median over the seeds.",
        **view.looks,
    )
    return (
        *drawings,
        Drawing("ranges", ranges, "A wide range is one thing, a fast network another. Who leads in which?"),
        Drawing("training", training, "All at one rate at which most of them learn. Who is first?"),
    )


def _accuracy(result: Result, view: View, kind: str, normalizers: Sequence[str]) -> Plot:
    """A panel for each normalizer: its line, and that of the plain network."""

    def one(normalizer: str, label: str, look: tuple[str, str]) -> Series:
        arms = [name(kind, normalizer, rate) for rate in KINDS[kind].rates]
        return line(result, normalizer, arms, final_accuracy, label, look)

    first = result.shown(view)[0]
    steps = result.shown(view, name(kind, "none", KINDS[kind].rates[0]))[0].experiment.steps
    return by_setting.draw(
        {
            NAMES[normalizer]: [one("none", "none", WITHOUT), one(normalizer, "normalized", WITH)]
            for normalizer in normalizers
        },
        [f"{rate:g}" for rate in KINDS[kind].rates],
        Scale("accuracy", percent=True, reference=(guessing(first), "guessing")),
        title=f"Accuracy by learning rate, {KINDS[kind].label}: {', '.join(NAMES[it] for it in normalizers)}",
        subtitle=f"Held-out accuracy after {steps:,} steps, each beside the same network without normalization. A dot "
        "for each seed; a cross where training diverged.",
        setting_title="learning rate",
        **view.looks,
    )


def _targets(result: Result) -> str:
    """The accuracies that count as learning, in words."""
    kinds = [KINDS[kind] for kind in trained(result)]
    return " or ".join(f"{percent(kind.target, 0)} ({kind.label})" for kind in kinds)


def _rows(result: Result) -> Iterator[Sequence[str]]:
    for kind in trained(result):
        plain = largest(result, kind, "none")
        for normalizer in KINDS[kind].normalizers:
            rates = largest(result, kind, normalizer)
            known = [Measure("", values).median for values in (rates, quotients(rates, plain))]
            told = ["–" if math.isnan(value) else short(value) for value in known]
            steps = Measure("", fastest(result, kind, normalizer)).median
            words = NAMES[normalizer] if kind == "mlp" else f"{NAMES[normalizer]}, convolutional"
            yield (
                words,
                *told,
                ("never" if math.isinf(steps) else f"{steps:,.0f}") if result.finished else "–",
            )


def verdict(result: Result) -> Verdict:
    """Each normalizer after which the scale of the weights has no effect allows a much higher rate than none."""
    rates = {
        (kind, normalizer): largest(result, kind, normalizer)
        for kind in trained(result)
        for normalizer in KINDS[kind].normalizers
    }
    ratios = {normalizer: quotients(rates["mlp", normalizer], rates["mlp", "none"]) for normalizer in JUDGED}
    measured = (
        {
            f"largest_rate_{kind}_{normalizer}".replace("-", "_"): Measure(
                f"largest usable rate, {KINDS[kind].label}, {NAMES[normalizer]}", values
            )
            for (kind, normalizer), values in rates.items()
        }
        | {
            f"times_{normalizer}": Measure(
                f"largest usable rate with {NAMES[normalizer]}, as a multiple of that of none", values
            )
            for normalizer, values in ratios.items()
        }
        | {
            f"fastest_{kind}_{normalizer}".replace("-", "_"): Measure(
                f"fewest steps to {percent(KINDS[kind].target, 0)} at any rate, {KINDS[kind].label}, "
                f"{NAMES[normalizer]}",
                fastest(result, kind, normalizer),
            )
            for kind, normalizer in rates
        }
    )
    target = percent(KINDS["mlp"].target, 0)
    known = not any(math.isnan(ratio) for values in ratios.values() for ratio in values)
    much = {normalizer: [ratio >= MUCH_HIGHER for ratio in values] for normalizer, values in ratios.items()}
    seeds = [all(seed) for seed in zip(*much.values(), strict=True)]
    told = ", ".join(
        f"{NAMES[normalizer]} {short(Measure('', values).median)} times"
        for normalizer, values in ratios.items()
    )
    return Verdict(
        holds=(all(seeds) if len(set(seeds)) == 1 else None) if known else None,
        sentence=f"The plain network learned at rates up to {short(Measure('', rates['mlp', 'none']).median)}. As a "
        f"multiple of that, the largest rate was: {told}. With weight norm the largest rate was "
        f"{_rate(measured['largest_rate_mlp_weight'])}, with dynamic tanh "
        f"{_rate(measured['largest_rate_mlp_dynamic_tanh'])}. At its best rate batch norm reached "
        f"{target} in {counted(measured['fastest_mlp_batch'].median)}, layer norm in "
        f"{counted(measured['fastest_mlp_layer'].median)}, the plain network in "
        f"{counted(measured['fastest_mlp_none'].median)}."
        if known
        else f"In some seed a network did not reach {target} at any rate, so there is nothing to compare. "
        "Train for more steps.",
        criterion=f"In every seed, fully connected: with each of batch, layer, group and RMS norm the largest of the "
        f"rates at which the network ends with {target} held-out accuracy is at least {MUCH_HIGHER:g} "
        "times that without normalization. The other networks are reported, not judged.",
        measured=measured,
        answer=_answer({name for name in JUDGED if measured[f"times_{name}"].median >= MUCH_HIGHER})
        if known
        else None,
    )


def _rate(largest: Measure) -> str:
    return "unknown" if math.isnan(largest.median) else short(largest.median)


def _answer(much: set[str]) -> str:
    if not much:
        return "none"
    return "all" if much == {*JUDGED} else "batch" if much == {"batch"} else "some"


LAB = Lab(
    number=20,
    name="family",
    title="Higher rates, other normalizers?",
    quote="Where the scale of a layer’s weights has no effect on its output, the learning rate can be much higher",
    verbatim=False,
    section="3.3",
    question="After batch, layer, group and RMS norm the scale of the weights has no effect. With which of them may "
    "the learning rate be at least five times that of the plain network?",
    prediction=Choice(
        {
            "all": "with all four",
            "batch": "with batch norm alone",
            "some": "with another choice of them",
            "none": "with none of them",
        }
    ),
    arms=arms,
    figures=figures,
    verdict=verdict,
    explanation=r"""
The paper argues with the scale of the weights (Section 3.3). If all weights of a layer are multiplied by $a$, batch
norm divides by $a$ again:

$$
\mathrm{BN}((aW)u) = \mathrm{BN}(Wu)
$$

So a step that made the weights too large does no harm in the forward pass. The next gradient is $1/a$ as large.

**The same holds for the other three.** Layer, group and RMS norm divide by a deviation too: that of one example. The
argument holds for them unchanged. If it were the whole reason, all four would allow the same.

**What is different.** Batch norm gives *each unit* mean 0 and variance 1 over the mini-batch. So with ReLU
some examples pass every unit, whatever its weights are. Layer norm gives this to *each example* over its units. A unit
may then be negative for all examples: its gradient is 0, and it learns nothing more. After 100 steps at a rate of 2,
54 % of layer norm’s units in the last hidden layer were in this state, and none of batch norm’s (measured on digits,
one seed).

**Instance norm**, in the full size, gives each feature map mean 0 too, but in one example alone. If the mean
of each unit is what matters, it allows the same rates as batch norm. See whether it does.

**Weight norm** (Salimans & Kingma 2016) divides the weights by their length, and learns a length $g$ in its place. $g$
can grow, and nothing behind it divides by it. **Dynamic tanh** (Zhu et al. 2025) takes no statistics at all: it bounds
the values. It was proposed for transformers, with a residual connection around each block.

**The lower end.** At the smallest rates nothing diverges, but the steps are too few. So the left end of a line says
how fast a network learns, the right end which steps are too large for it.

**What this does not show.** This is one depth, one nonlinearity, one optimizer. With residual connections, with
Adam or with warm-up the differences may be others. Layer norm is used there with success.

**What to try next.** Open the Playground’s preset “The family of normalizations”, raise the rate, and look at the dead
units. Then add “Residual: pre-normalization”.
""",
)
