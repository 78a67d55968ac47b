"""How the learning rate changes while a network trains: what multiplies it, step by step.

Each schedule is torch's own, run after the warm-up and as long as the rest of the training.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bnviz.experiment.experiment import Experiment
from bnviz.experiment.intervention import Intervention

DROP, DROPS = 0.1, 3
"""step: a tenth of the rate after each third, as torch.optim.lr_scheduler.StepLR(gamma=0.1)."""
LAST_SHARE = 0.01
"""exponential: so much of the rate is left at the end. The paper's falls exponentially too, not printed how far."""
RISE, FIRST, LAST = 0.3, 25.0, 1e4
"""one-cycle: torch.optim.lr_scheduler.OneCycleLR's own. The rate rises for the first 0.3 of the steps, from 1/25 of
its highest value, and falls to 1/10,000 of where it began (Smith & Topin 2018). Momentum stays as it is set."""


def rate_factor(experiment: Experiment, step: int) -> float:
    """What multiplies the learning rate in the update that follows `step`, from 0 to 1.

    In the W steps of the warm-up it rises evenly, (step + 1)/(W + 1).
    """
    if step < experiment.warmup:
        return (step + 1) / (experiment.warmup + 1)
    done, whole = step - experiment.warmup, max(1, experiment.steps - experiment.warmup)
    match experiment.schedule:
        case "step":
            return float(DROP ** (done // math.ceil(whole / DROPS)))
        case "cosine":
            return _cosine(1.0, 0.0, done / whole)
        case "exponential":
            return float(LAST_SHARE ** (done / whole))
        case "one-cycle":
            return _one_cycle(done, whole)
        case _:
            return 1.0


def _one_cycle(done: int, whole: int) -> float:
    """OneCycleLR's two halves, each a half cosine; the last step reaches the lowest rate."""
    lowest, top, last = 1 / FIRST, RISE * whole - 1, whole - 1
    if done <= top:
        return _cosine(lowest, 1.0, done / top)
    return _cosine(1.0, lowest / LAST, min(1.0, (done - top) / (last - top)))


def _cosine(start: float, end: float, share: float) -> float:
    """From `start` to `end` along half a cosine."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))


def rate(experiment: Experiment, interventions: Sequence[Intervention], step: int) -> float:
    """The learning rate of the update that follows `step`, after what was changed by then."""
    changes = [item for item in interventions if item.field == "learning_rate" and item.step <= step]
    latest = max(changes, key=lambda item: item.step, default=None)
    return (experiment.learning_rate if latest is None else latest.value) * rate_factor(experiment, step)
