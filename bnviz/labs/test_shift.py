"""Lab test-shift: held-out images that were changed, by the population's statistics and by those of the images."""

from __future__ import annotations

import math

import numpy as np

from bnviz.experiment import Experiment
from bnviz.figures.charts.by_setting import Series, by_setting
from bnviz.figures.frame.palette import MORE, WITH, WITHOUT
from bnviz.figures.frame.scale import Scale
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.predictions import Choice
from bnviz.labs.verdicts import Measure, Verdict, agreed, guessing, percent

QUICK = Experiment(
    dataset="digits",
    hidden=(100, 100),
    activation="relu",
    init="kaiming",
    init_scale=1.0,
    learning_rate=0.1,
    steps=400,
)
FULL = QUICK.replace(dataset="mnist", steps=1500)
CHANGES = ("contrast", "brightness", "noise", "blur", "inversion")
"""As in bnviz.engine.inspections.changed_images, in its order."""
SEVERITIES = 3
SIZES = (2, 8, 32, 128)
"""Of mini-batches, as there."""
LARGE, SMALL, OF_ONE_CLASS = SIZES.index(128), SIZES.index(2), SIZES.index(32)
LOOKS = dict(zip(CHANGES, (WITHOUT, WITH, *MORE), strict=True))

LINEAR = ("contrast", "brightness")
"""The changes that are judged: but for pixels at the ends of the scale, they are a factor and a number added."""
REGAINED = 0.5
"""The share of the lost accuracy that must come back for a change to count as undone. Measured at the last severity, by
mini-batches of 128, digits, three seeds: contrast 0.96 of it, brightness 0.93 to 0.97, noise 0.05 to 0.14, inversion
below 0. On MNIST, one seed: 0.95, 0.99, 0.33 and 0.00."""
LEAST_LOST = 0.1
"""A change that costs less accuracy than this has nothing to undo."""
ONE_CLASS = 0.4
"""By how much mini-batches of one class must be worse than mixed ones of the same size."""


def arms(setting: Setting) -> tuple[Arm, ...]:
    """With batch norm, and without: what the change costs a network that has no statistics."""
    base = setting.base(QUICK, FULL)
    return (
        Arm("bn", "batch norm", base.replace(normalizer="batch")),
        Arm("plain", "no normalization", base.replace(normalizer="none")),
    )


def found(result: Result, arm: str, what: str, shape: tuple[int, ...] = ()) -> np.ndarray:
    """What the inspection measured in every seed, (seeds, *shape); NaN before it has."""
    return np.array(
        [item[what] if what in item else np.full(shape, math.nan) for item in result.inspections(arm)], float
    )


def fixed(result: Result, arm: str = "bn") -> np.ndarray:
    """Accuracy by the population's statistics, (seeds, changes, severities)."""
    return found(result, arm, "fixed", (len(CHANGES), SEVERITIES))


def own(result: Result) -> np.ndarray:
    """By those of each mini-batch, (seeds, changes, severities, sizes)."""
    return found(result, "bn", "own", (len(CHANGES), SEVERITIES, len(SIZES)))


def one_class(result: Result) -> np.ndarray:
    """The same of mini-batches of 32 of one class, (seeds, changes, severities)."""
    return found(result, "bn", "one_class", (len(CHANGES), SEVERITIES))


def regained(result: Result) -> np.ndarray:
    """The share of the lost accuracy that re-estimated statistics bring back, (seeds, changes), at the last severity.

    Below 0 where they make it worse; NaN where little was lost.
    """
    clean, worst = found(result, "bn", "clean")[:, None], fixed(result)[:, :, -1]
    lost = clean - worst
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (own(result)[:, :, -1, LARGE] - worst) / lost
    return np.where(lost >= LEAST_LOST, share, math.nan)


def figures(result: Result, view: View) -> tuple[Drawing, ...]:
    """Accuracy by change, by severity, by the size of the mini-batch, and in mini-batches of one class."""
    chance = (guessing(result.shown(view)[0]), "guessing")
    kinds = {
        "fixed": ("fixed", WITHOUT, fixed(result)),
        "own": ("re-estimated", WITH, own(result)[..., LARGE]),
        "plain": ("no normalization", MORE[0], fixed(result, "plain")),
    }
    changes = by_setting.draw(
        {"": [Series(label, look, values[:, :, -1], joined=False) for label, look, values in kinds.values()]},
        list(CHANGES),
        Scale("accuracy", percent=True, reference=chance),
        title="Accuracy on changed images",
        subtitle="Held-out images, each change at its last severity. Fixed: the population’s statistics, from training "
        "images. Re-estimated: those of 128 changed images. A sign for each seed.",
        setting_title="change of the held-out images",
        **view.looks,
    )
    clean = {
        "fixed": found(result, "bn", "clean")[:, None],
        "own": found(result, "bn", "clean_own", (len(SIZES),))[:, LARGE : LARGE + 1],
    }
    severity = by_setting.draw(
        {
            change: [
                Series(label, look, np.concatenate([clean[kind], values[:, CHANGES.index(change)]], axis=1))
                for kind, (label, look, values) in kinds.items()
                if kind in clean
            ]
            for change in ("contrast", "noise", "inversion")
        },
        ["none", *map(str, range(1, SEVERITIES + 1))],
        Scale("accuracy", percent=True, reference=chance),
        title="Accuracy by severity, for three changes",
        subtitle="The same network and the same images, changed a little or much. A dot for each seed.",
        setting_title="severity of the change",
        **view.looks,
    )
    size = by_setting.draw(
        {
            "": [
                Series(change, LOOKS[change], own(result)[:, place, -1])
                for place, change in enumerate(CHANGES)
            ]
        },
        list(map(str, SIZES)),
        Scale("accuracy", percent=True, reference=chance),
        title="Accuracy by re-estimated statistics, by mini-batch",
        subtitle="How many changed images the statistics are estimated from, at the last severity. A dot for each "
        "seed.",
        setting_title="images in the mini-batch",
        **view.looks,
    )
    mixed = by_setting.draw(
        {
            "": [
                Series("any classes", WITH, own(result)[:, :, -1, OF_ONE_CLASS], joined=False),
                Series("one class", WITHOUT, one_class(result)[:, :, -1], joined=False),
            ]
        },
        list(CHANGES),
        Scale("accuracy", percent=True, reference=chance),
        title="Re-estimated on mini-batches of one class",
        subtitle="Mini-batches of 32 changed images, at the last severity: of any classes, or all of one class. A sign "
        "for each seed.",
        setting_title="change of the held-out images",
        **view.looks,
    )
    return (
        Drawing("changes", changes, "For which changes is the re-estimated accuracy near 100 %?"),
        Drawing("severity", severity, "Where do the two lines part, and where do both fall?"),
        Drawing("size", size, "From how many images on are the statistics good enough?"),
        Drawing(
            "one-class",
            mixed,
            "Statistics of images of one class take away what tells the class. How much is left?",
        ),
    )


def verdict(result: Result) -> Verdict:
    """Re-estimated statistics undo changes that are nearly linear in the pixels, and fail on one class."""
    before, after = fixed(result)[:, :, -1], own(result)[:, :, -1]
    shares, single = regained(result), one_class(result)[:, :, -1]
    measured = {
        "clean": Measure(
            "accuracy on unchanged images, fixed statistics", tuple(found(result, "bn", "clean"))
        )
    }
    for place, change in enumerate(CHANGES):
        measured |= {
            f"fixed_{change}": Measure(f"accuracy, {change}, fixed statistics", tuple(before[:, place])),
            f"own_{change}": Measure(
                f"accuracy, {change}, re-estimated on 128 images", tuple(after[:, place, LARGE])
            ),
            f"pair_{change}": Measure(
                f"accuracy, {change}, re-estimated on 2 images", tuple(after[:, place, SMALL])
            ),
            f"one_class_{change}": Measure(
                f"accuracy, {change}, re-estimated on 32 images of one class", tuple(single[:, place])
            ),
            f"regained_{change}": Measure(
                f"share of the lost accuracy that comes back, {change}", tuple(shares[:, place])
            ),
            f"plain_{change}": Measure(
                f"accuracy, {change}, no normalization", tuple(fixed(result, "plain")[:, place, -1])
            ),
        }
    measured = {name: Measure(item.words, tuple(map(float, item.values))) for name, item in measured.items()}
    judged = [CHANGES.index(change) for change in LINEAR]
    penalty = after[:, judged, OF_ONE_CLASS] - single[:, judged]
    known = not (np.isnan(shares[:, judged]).any() or np.isnan(penalty).any())
    seeds = ((shares[:, judged] >= REGAINED) & (penalty >= ONE_CLASS)).all(axis=1).tolist()
    told = {name: percent(item.median) for name, item in measured.items()}
    return Verdict(
        holds=agreed(seeds) if known else None,
        sentence=f"The network classified {told['clean']} of the unchanged images correctly. By fixed statistics, and "
        "then by statistics of 128 changed images: "
        + ", ".join(f"{change} {told[f'fixed_{change}']} and {told[f'own_{change}']}" for change in CHANGES)
        + f". With lower contrast, mini-batches of one class gave {told['one_class_contrast']}, and of two images "
        f"{told['pair_contrast']}."
        if known
        else "Some change cost hardly any accuracy, or was not measured, so there is nothing to bring back.",
        criterion="In every seed, at the last severity of contrast and of brightness: statistics of 128 changed images "
        f"bring back at least {percent(REGAINED, 0)} of the accuracy that fixed statistics lose, and mini-batches of "
        f"32 of one class are at least {100 * ONE_CLASS:.0f} percentage points worse than mixed ones. Noise, blur and "
        "inversion are reported, not judged.",
        measured=measured,
        answer=_answer(measured) if known else None,
    )


def _answer(measured: dict[str, Measure]) -> str | None:
    """Which of contrast and inversion are undone; None where one of them cost nothing."""
    shares = [measured[f"regained_{change}"].median for change in ("contrast", "inversion")]
    if any(map(math.isnan, shares)):
        return None
    contrast, inversion = (share >= REGAINED for share in shares)
    if contrast and inversion:
        return "both"
    return "contrast" if contrast else "inversion" if inversion else "neither"


LAB = Lab(
    number=24,
    name="test-shift",
    title="Statistics of changed test images",
    quote="Statistics re-estimated on the test images themselves improve the accuracy on corrupted images",
    verbatim=False,
    paper="Schneider et al. 2020",
    section="Abstract",
    question="A trained network meets images of lower contrast, or inverted ones. We compute μ and σ² again from these "
    "images. For which does the lost accuracy come back?",
    prediction=Choice(
        {
            "both": "for both",
            "contrast": "for lower contrast alone",
            "inversion": "for inverted images alone",
            "neither": "for neither",
        }
    ),
    arms=arms,
    figures=figures,
    verdict=verdict,
    explanation=r"""
*Covariate shift* is a change of the inputs’ distribution between training and test. The paper takes the word over for
what happens inside a network while it trains. This lab looks at the first meaning: the images change, the classes stay.

**Two kinds of statistics.** At inference a layer normalizes with fixed numbers, the population’s $\mu$ and $\sigma^2$
from training images. Schneider et al. compute them again from the test images, without their labels. Weights, $\gamma$
and $\beta$ stay as they are.

**Why contrast can be undone.** Lower contrast multiplies pixels by $c$ and adds a number. If that number is the same
for all images, $b$, the first layer receives

$$
W(cu + b) = c\,Wu + W b
$$

and normalization with the changed images’ own statistics takes away the factor and the number (but for $\varepsilon$):

$$
\mathrm{BN}(c\,Wu + Wb) = \mathrm{BN}(Wu)
$$

Here every image moves toward its own mean, and bright pixels end at white, so this is nearly so.

**Why inversion cannot.** Inverted pixels are $1 - u$: now $c = -1$. The mean and the deviation are right again, but
every $\hat x$ has the other sign:

$$
\hat x \to -\hat x
$$

No mean and no variance tell that. The network has never seen such inputs.

**Noise** adds variance of its own. Dividing by the larger deviation makes the signal smaller.

**What can go wrong.** Few images give poor estimates. And images of one class have a mean of their own, which tells the
class: subtracting it takes the answer away. Test images often arrive sorted in this way.

**What it may be mistaken for.** That a network with batch norm and fixed statistics does badly on changed images is not
a property of batch norm alone: see the network without normalization. It has no statistics to compute again.

**Changes.** After Hendrycks & Dietterich 2019: contrast toward each image’s mean (factors 0.5, 0.3, 0.15), brightness
(+0.2, +0.4, +0.6), Gaussian noise (deviations 0.2, 0.4, 0.6), Gaussian blur (4, 7 and 10 hundredths of the height),
inversion by 0.7, 0.85 and 1.
""",
    inspection="bnviz.engine.inspections.changed_images:on_changed_images",
)
