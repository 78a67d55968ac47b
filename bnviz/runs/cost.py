"""The cost of a run: one beyond the limits is refused, in one sentence, before anything is trained."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from bnviz.data.classes import image_shape, training_count
from bnviz.experiment import Experiment, ExperimentError
from bnviz.experiment.architecture import IN_BLOCKS, branch_widths
from bnviz.experiment.job import Job
from bnviz.experiment.knob import POINT_DATASETS
from bnviz.runs.limits import Limits

POINT_INPUTS, CLASSES = 2, 10
"""Of all datasets: the cost is an estimate."""

STEP_SECONDS, MILLION_SECONDS, RECORD_SECONDS = 1e-4, 9e-5, 2.1e-3
"""What a step takes by itself, what each million multiplications adds, and what a record takes, each on one core."""
BLOCK_MILLION_SECONDS, BLOCK_RECORD_SECONDS, BLOCK_RECORDS = 2.0e-4, 0.05, 64
"""The same of blocks of convolutions, whose many small maps take longer; and how many records they have."""
WHITENING = 2.7
"""How many times as long a step with full whitening takes, in layers as wide as the labs have."""
POOLED = 0.25
"""The share of a convolutional network's multiplications that pooling leaves."""
MOST_RECORDS = 300
"""Of a run that is not watched in slow motion."""
MEASURED_ON = "Times are estimates for a computer with two cores."


class TooCostlyError(ExperimentError):
    """A run beyond the limits of this server; the message is a sentence that names the limit."""


def check(arms: Sequence[Experiment], limits: Limits) -> None:
    """Raise TooCostlyError for a run of these networks that is beyond the limits."""
    if len(arms) > limits.networks:
        raise TooCostlyError(
            f"This run has {len(arms):,} networks; this server allows {limits.networks:,}. "
            "Take fewer networks or seeds."
        )
    for arm in arms:
        for name, value, most in (
            ("steps", arm.steps, limits.steps),
            ("layers", len(arm.hidden), limits.layers),
            ("width", max(arm.hidden), limits.width),
        ):
            if value > most:
                raise TooCostlyError(
                    f"{name} = {value:,} is not allowed on this server; allowed is {most:,}."
                )
        millions = step_millions(arm)
        if millions > limits.step_millions:
            raise TooCostlyError(
                f"One step of this network takes {millions / limits.step_millions:,.1f} times the work that this "
                "server allows. Take a smaller mini-batch, or fewer or narrower layers."
            )
    steps = sum(arm.steps for arm in arms)
    if steps > limits.run_steps:
        raise TooCostlyError(
            f"This run takes {steps:,} steps in all its networks; this server allows {limits.run_steps:,}. "
            "Take fewer steps, networks or seeds."
        )


def step_millions(experiment: Experiment) -> float:
    """About how many million multiplications the forward pass of a mini-batch takes."""
    if experiment.architecture in IN_BLOCKS:
        each = _in_blocks(experiment)
    elif experiment.architecture == "conv":
        # As if no layer were pooled: an estimate from above.
        channels, height, width = image_shape(experiment)
        weights = 9 * sum(a * b for a, b in itertools.pairwise((channels, *experiment.hidden)))
        each = height * width * weights
    else:
        flat = experiment.dataset in POINT_DATASETS
        inputs = POINT_INPUTS if flat else math.prod(image_shape(experiment))
        each = sum(a * b for a, b in itertools.pairwise((inputs, *experiment.hidden, CLASSES)))
    return each * (experiment.batch_size or training_count(experiment)) / 1e6


def _in_blocks(experiment: Experiment) -> int:
    """The multiplications for one image behind a stem of stride 2, as if no block made it smaller."""
    stem, *_ = experiment.hidden
    channels, height, width = image_shape(experiment)
    weights = 9 * channels * stem
    for inputs, features in itertools.pairwise(experiment.hidden):
        if experiment.architecture == "inception":
            widths = branch_widths(features)
            weights += inputs * (widths.single + 2 * widths.reduced + widths.pooled)
            weights += 9 * (widths.reduced * (widths.three + widths.double) + widths.double**2)
        else:
            weights += 9 * features * (inputs + features)
    return weights * (height // 2) * (width // 2)


def seconds(jobs: Sequence[Job], workers: int) -> float:
    """About how long these networks train, recorded as usual, in as many processes with a core each."""
    return sum(map(_job_seconds, jobs)) / min(workers, len(jobs))


def _job_seconds(job: Job) -> float:
    experiment = job.experiment
    work = step_millions(experiment) * (POOLED if experiment.architecture == "conv" else 1.0)
    step = STEP_SECONDS + MILLION_SECONDS * work * (WHITENING if experiment.normalizer == "whiten" else 1.0)
    records = RECORD_SECONDS * min(experiment.steps, MOST_RECORDS)
    if experiment.architecture in IN_BLOCKS:
        step = BLOCK_MILLION_SECONDS * work
        records = BLOCK_RECORD_SECONDS * min(experiment.steps, BLOCK_RECORDS)
    return experiment.steps * step * (2 if job.inspection_steps else 1) + records


def in_words(duration: float) -> str:
    """A duration in seconds, rounded as an estimate is: "5 s", "40 s", "3 min"."""
    if duration < 55:
        return f"{max(5, 5 * round(duration / 5))} s"
    return f"{max(1, round(duration / 60))} min"
