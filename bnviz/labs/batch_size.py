"""Lab batch-size: held-out error against the size of the mini-batch, after Figure 1 of Wu & He (2018)."""

from __future__ import annotations

import math

from bnviz.experiment import Experiment
from bnviz.figures.charts.by_setting import by_setting
from bnviz.figures.charts.figure_2 import Network, figure_2
from bnviz.figures.charts.table import table
from bnviz.figures.frame.scale import Scale
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.lines import line
from bnviz.labs.normalizer_lines import LOOKS, NAMES
from bnviz.labs.predictions import Choice
from bnviz.labs.verdicts import Measure, Verdict, agreed, final_accuracy, percent
from bnviz.recording import Recording

SIZES = (2, 4, 8, 16, 32, 64, 256)
SMALL, USUAL = 2, 32
"""The two ends of Wu & He's Figure 1, which are judged; 64 and 256 go beyond it."""
KINDS = tuple(LOOKS)

NETWORK = Experiment(
    dataset="digits",
    hidden=(100, 100),
    activation="relu",
    init="kaiming",
    init_scale=1.0,
    batch_size=SMALL,
    learning_rate=0.2,
    steps=1440,
)
"""steps: of the smallest mini-batches. learning_rate: that of mini-batches of USUAL examples."""
QUICK = NETWORK.replace(groups=4)
FULL = QUICK.replace(dataset="mnist", steps=4800)

RISE = 0.05
"""By how much an error must rise to count. Measured on digits, three seeds, at 32 and at 2: batch norm 0.025 to 0.028
and 0.24 to 0.33, batch renorm 0.025 to 0.031 and 0.11 to 0.12, group norm 0.058 to 0.067 and 0.031 to 0.047. So the
seeds of either differ by 0.01 at 32. On MNIST, three seeds: batch norm 0.060 to 0.072 and 0.38 to 0.42, batch renorm
0.062 to 0.066 and 0.22 to 0.32, group norm 0.073 to 0.102 and 0.072 to 0.094."""
SHARE = 0.5
"""Group norm's error may rise by at most this share of batch norm's."""
LEARNED = 0.5
"""The error above which a network with mini-batches of 32 has not learned, and there is nothing to compare."""
THEIRS = {"batch": ("23.6 %", "34.7 %"), "group": ("24.1 %", "24.1 %")}
"""Wu & He (2018), Table 2: validation error of ResNet-50 on ImageNet, mini-batches of 32 and of 2."""


def arms(setting: Setting) -> tuple[Arm, ...]:
    """Every normalizer in every size of mini-batch, on the same number of examples."""
    base = setting.base(QUICK, FULL)
    return tuple(
        Arm(
            name(kind, size),
            f"{NAMES[kind]}, batches of {size}",
            in_batches_of(size, base).replace(normalizer=kind),
        )
        for kind in KINDS
        for size in SIZES
    )


def in_batches_of(size: int, base: Experiment) -> Experiment:
    """The same on as many examples in mini-batches of `size`, at a learning rate in proportion.

    base: its steps are those of mini-batches of SMALL, its learning rate that of mini-batches of USUAL.
    """
    return base.replace(
        batch_size=size,
        steps=max(1, SMALL * base.steps // size),
        learning_rate=base.learning_rate * size / USUAL,
    )


def name(kind: str, size: int) -> str:
    """The arm's name."""
    return f"{kind}-{size}"


def error(recording: Recording) -> float:
    """The share of held-out examples classified wrongly at the end."""
    return 1.0 - final_accuracy(recording)


def figures(result: Result, view: View) -> tuple[Drawing, ...]:
    """The errors over the sizes, the two ends beside Wu & He's, and the training in the smallest mini-batches."""
    smallest = result.shown(view, *(name(kind, SMALL) for kind in KINDS))
    first = smallest[0].experiment
    examples = first.steps * first.batch_size
    errors = by_setting.draw(
        {
            "": [
                line(result, kind, [name(kind, size) for size in SIZES], error, NAMES[kind], LOOKS[kind])
                for kind in KINDS
            ]
        },
        [str(size) for size in SIZES],
        Scale("held-out error", percent=True),
        title="Held-out error, by the size of the mini-batch",
        subtitle=f"After {examples:,} examples each; the learning rate grows with the size, from "
        f"{first.learning_rate:g} at {SMALL}. Inference mode. A dot for each seed; a cross where training diverged.",
        setting_title="examples in the mini-batch",
        **view.looks,
    )
    rows = []
    for kind in KINDS:
        ends = [Measure("", result.each(error, name(kind, size))).median for size in (USUAL, SMALL)]
        here = ["–" if math.isnan(end) else percent(end) for end in ends]
        rows.append((NAMES[kind], *here, *THEIRS.get(kind, ("–", "–"))))
    comparison = table.draw(
        ["normalizer", "here, 32", "here, 2", "theirs, 32", "theirs, 2"],
        rows,
        title="Held-out error in mini-batches of 32 and of 2: here, and theirs",
        subtitle=f"Here: a small network on {first.dataset}, median over the seeds. Theirs: ResNet-50 on ImageNet, "
        "Table 2 of Wu & He (2018).",
        **view.looks,
    )
    training = figure_2.draw(
        [
            Network(NAMES[kind], LOOKS[kind], recording)
            for kind, recording in zip(KINDS, smallest, strict=True)
        ],
        title=f"Training in mini-batches of {SMALL}",
        subtitle="Share of held-out examples classified correctly, in inference mode.",
        **view.looks,
    )
    return (
        Drawing(
            "errors",
            errors,
            "Go from 32 to the left: whose error rises? On the far right there are few steps, and the learning rate "
            "is large: a network that fails there may fail for another reason.",
        ),
        Drawing(
            "table",
            comparison,
            "Compare the rise from 32 to 2 with theirs, not the numbers: network and data differ.",
        ),
        Drawing(
            "training",
            training,
            "The same networks while they train in the smallest mini-batches. Which line goes up and down most?",
        ),
    )


def verdict(result: Result) -> Verdict:
    """Batch norm's error rises toward mini-batches of 2, and group norm's does not."""
    errors = {(kind, size): result.each(error, name(kind, size)) for kind in KINDS for size in (SMALL, USUAL)}
    rises = {
        kind: tuple(
            small - usual for small, usual in zip(errors[kind, SMALL], errors[kind, USUAL], strict=True)
        )
        for kind in KINDS
    }
    measured = {
        f"error_{kind}_{size}".replace("-", "_"): Measure(
            f"held-out error, {NAMES[kind]}, mini-batches of {size}", values
        )
        for (kind, size), values in errors.items()
    } | {
        f"rise_{kind}".replace("-", "_"): Measure(
            f"rise of the error from {USUAL} to {SMALL}, {NAMES[kind]}", rise
        )
        for kind, rise in rises.items()
    }
    learned = all(max(errors[kind, USUAL]) < LEARNED for kind in ("batch", "group"))
    median = {kind: Measure("", rise).median for kind, rise in rises.items()}
    ends = {key: percent(Measure("", values).median) for key, values in errors.items()}
    told = [f"from {ends[kind, USUAL]} to {ends[kind, SMALL]}" for kind in ("batch", "group")]
    return Verdict(
        holds=agreed(
            [
                batch >= RISE and group <= SHARE * batch and small_group < small_batch
                for batch, group, small_batch, small_group in zip(
                    rises["batch"],
                    rises["group"],
                    errors["batch", SMALL],
                    errors["group", SMALL],
                    strict=True,
                )
            ]
        )
        if learned
        else None,
        sentence=f"From mini-batches of {USUAL} to those of {SMALL}, batch norm’s error went {told[0]}, group norm’s "
        f"{told[1]}. Without normalization "
        f"the error at {SMALL} was {ends['none', SMALL]}, with layer norm {ends['layer', SMALL]}, with batch renorm "
        f"{ends['batch-renorm', SMALL]}."
        if learned
        else f"With mini-batches of {USUAL}, batch norm or group norm did not learn in some seed, so there is nothing "
        "to compare. Train for more steps.",
        criterion=f"In every seed: from mini-batches of {USUAL} to those of {SMALL}, batch norm’s held-out error rises "
        f"by at least {100 * RISE:.0f} points, group norm’s by at most half as much; and at {SMALL} group norm has "
        "the lower error. Other sizes and normalizers are reported, not judged.",
        measured=measured,
        answer=_answer(median) if learned else None,
    )


def _answer(rises: dict[str, float]) -> str:
    most = max(rises, key=lambda kind: -math.inf if math.isnan(rises[kind]) else rises[kind])
    return most if rises[most] >= RISE else "alike"


LAB = Lab(
    number=16,
    name="batch-size",
    title="How small may a mini-batch be?",
    quote="BN’s error increases rapidly when the batch size becomes smaller, caused by inaccurate batch statistics "
    "estimation",
    paper="Wu & He 2018",
    section="Abstract; Figure 1",
    question="We train in mini-batches of 2 instead of 32, on the same number of examples. With which normalizer does "
    "the held-out error rise most?",
    prediction=Choice(
        {
            "none": "no normalization",
            "batch": "batch norm",
            "layer": "layer norm",
            "group": "group norm",
            "batch-renorm": "batch renorm",
            "alike": f"none rises by {100 * RISE:.0f} points or more",
        }
    ),
    arms=arms,
    figures=figures,
    verdict=verdict,
    explanation=r"""
Batch norm takes $\mu_B$ and $\sigma_B^2$ over the mini-batch. With $m$ independent examples, the variance of the
estimated mean is

$$
\mathrm{Var}[\mu_B] = \frac{\sigma^2}{m}
$$

so with few examples the statistics are noisy. Layer norm and group norm take theirs from one example. The size of the
mini-batch does not enter them.

**Same examples, not same steps.** Every network sees the same number of examples, as in Wu & He, who train each for
the same number of epochs. So in mini-batches of 2 it takes 16 times as many steps as in those of 32. The learning
rate is proportional to the size of the mini-batch (the linear scaling rule of Goyal et al. 2017, as in Wu & He). With
size $N$ it is

$$
\text{rate}(N) = \text{rate}(32) \cdot \frac{N}{32}
$$

**Beyond 32.** Wu & He’s figure ends at 32. Beyond it there are few steps here, and the learning rate becomes too
large for some networks. That is the claim of the lab “Much higher learning rates”, seen from the other side.

**Two examples.** In a fully connected layer, $\hat x \approx \pm 1$ for both. In a convolutional layer, the positions
of the feature map count too: Wu & He’s batch norm at 2 still has many values for each mean. So expect batch norm to
lose more here than there.

**Batch renorm** (Ioffe 2017) corrects the mini-batch’s statistics toward the running averages. Here it begins with
plain batch norm for 100 steps. At a size of 32 and more there are so few steps that it is batch norm for all or most
of them.

**What else changes.** Two things change with the size: the statistics, and how often and how far the
weights move. Without normalization only the second changes. So compare each line with “none”.

**What to try next.** Lab “Running averages of tiny batches” asks whether a network trained in mini-batches of 2 does
better by the statistics of its mini-batch or by running averages.
""",
)
