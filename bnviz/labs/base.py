"""A Lab is one claim of the paper put to the test: predict, train, see, and be told what was measured.

To add a lab, write one file in this folder, `my_claim.py` for the lab `my-claim`, that ends in
`LAB = Lab(...)`; the registry, the page, the command line and the tests find it by themselves. It has:

    QUICK, FULL   the Experiments that the arms are made from: digits within 15,000 steps in all, and MNIST
    IMAGES        where the lab has it: an Inception network on Fashion-MNIST, as near to Section 4.2 as a laptop gets
    arms          Setting -> Arms: what is compared; every arm is trained once for each seed
    figures       Result, View -> Drawings; must also do with recordings that are still empty or short
    verdict       finished Result -> Verdict, by a criterion that stands in the file as a named constant
                  with its reason, and that would come out False if the arms were swapped

A lab that needs more than the Recording names an `inspection`, "bnviz.engine.inspections.<module>:<function>": it is
called in the worker with the Trainer at the end of training, and what it returns, plain numbers and NumPy
arrays by name, is in `result.inspections(arm)`. Labs are read by the web process: no torch here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bnviz.experiment import Experiment, ExperimentError
from bnviz.experiment.job import Job
from bnviz.figures.frame.plot import Plot
from bnviz.labs.formulas import set_apart
from bnviz.labs.predictions import Choice, Estimate, Score
from bnviz.labs.verdicts import Verdict
from bnviz.recording import Recording
from bnviz.recording.outcome import Outcome

if TYPE_CHECKING:
    import plotly.graph_objects as go

FULL_SEEDS = 3


@dataclass(frozen=True)
class Setting:
    """How much to train, and on what.

    quick: digits; images: Fashion-MNIST, whatever `quick` says; otherwise MNIST. seeds, steps: None for the lab's own
    choice. changes: fields changed by the reader.
    """

    quick: bool = False
    seeds: int | None = None
    steps: int | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    images: bool = False

    def __post_init__(self) -> None:
        if self.seeds is not None and not 1 <= self.seeds <= 100:
            raise ValueError(f"seeds = {self.seeds} is not allowed; allowed is a number from 1 to 100")

    @property
    def seed_count(self) -> int:
        """How often every arm is trained."""
        return self.seeds or (1 if self.quick or self.images else FULL_SEEDS)

    def seeds_of(self, arm: Arm) -> int:
        """How often this arm is trained."""
        return min(self.seed_count, arm.seeds or self.seed_count)

    @property
    def examples(self) -> str:
        """What is learned from, for readers."""
        if self.images:
            return "Fashion-MNIST"
        return "small digits" if self.quick else "MNIST"

    def base(
        self,
        quick: Experiment,
        full: Experiment,
        images: Experiment | None = None,
        *,
        in_batches: bool = False,
    ) -> Experiment:
        """The Experiment to make the arms from. Raises ExperimentError, ValueError where a lab has no images.

        in_batches: whether the lab compares mini-batches, so that all training examples together are refused.
        """
        if self.images and images is None:
            raise ValueError("images = True is not allowed: this lab has no such setting")
        chosen = images if self.images and images is not None else quick if self.quick else full
        steps = {} if self.steps is None else {"steps": self.steps}
        made = chosen.replace(**(dict(self.changes) | steps))
        if in_batches and not made.batch_size:
            raise ExperimentError(
                "batch_size = 0, all training examples, is not allowed in this lab; allowed is 2 to 4,096"
            )
        return made


@dataclass(frozen=True)
class Arm:
    """One side of a comparison. name: of its files, lower-case with hyphens; label: for readers.

    seeds: it is trained from so many seeds at most; None for as many as the setting has.
    """

    name: str
    label: str
    experiment: Experiment
    seeds: int | None = None


@dataclass(frozen=True)
class View:
    """How figures are drawn. unit: the unit to show where a lab shows one, None for the lab's choice.

    seed: which of the trained seeds is shown where a figure shows one, counted from 0. guess: what was predicted on
    the lab's slider, drawn where it has a place on a figure's axes; None for no mark.
    """

    theme: str = "light"
    narrow: bool = False
    unit: int | None = None
    seed: int = 0
    guess: float | None = None

    @property
    def looks(self) -> dict[str, Any]:
        """The arguments that every figure takes."""
        return {"theme": self.theme, "narrow": self.narrow}


@dataclass(frozen=True)
class Drawing:
    """A figure with the name of its files and a sentence on what to see in it."""

    name: str
    plot: Plot
    caption: str

    @property
    def figure(self) -> go.Figure:
        """The figure as Python knows it."""
        return self.plot.figure()


@dataclass(frozen=True, eq=False)
class Result:
    """What was trained so far. outcomes: of each arm by its name, one for each seed."""

    setting: Setting
    arms: tuple[Arm, ...]
    outcomes: Mapping[str, tuple[Outcome, ...]]

    @property
    def finished(self) -> bool:
        """Whether every arm of every seed is trained to its end."""
        return all(item.recording.finished for seeds in self.outcomes.values() for item in seeds)

    def recordings(self, arm: str) -> tuple[Recording, ...]:
        """The arm's Recordings, one for each seed."""
        return tuple(item.recording for item in self.outcomes[arm])

    def inspections(self, arm: str) -> tuple[Mapping[str, Any], ...]:
        """What the lab's inspection found in the arm's networks, one for each seed."""
        return tuple(item.inspection for item in self.outcomes[arm])

    def each(self, number: Callable[[Recording], float], arm: str) -> tuple[float, ...]:
        """A number taken from each of the arm's Recordings."""
        return tuple(map(number, self.recordings(arm)))

    def shown(self, view: View, *arms: str) -> list[Recording]:
        """Of each of the arms, all if none is named, the Recording of the seed that is shown."""
        names = arms or tuple(arm.name for arm in self.arms)
        found = [self.recordings(name) for name in names]
        return [recordings[min(view.seed, len(recordings) - 1)] for recordings in found]

    def replace(self, **changes: Any) -> Result:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)


@dataclass(frozen=True, kw_only=True)
class Lab:
    """One claim of the paper and how it is tested; see the module's text.

    inspection_trains: whether its inspection trains every network a second time.
    units: the number of units one of which its figures show, 0 where they show none in particular.
    images: whether it can be run on Fashion-MNIST with an Inception network.
    number: its place in `all_labs`; no page shows it. quote: the paper's words, or, if not verbatim, the claim in ours.
    paper, section: which paper says it, and where. question, prediction: what to commit to before it runs.
    explanation: Markdown with formulas between dollar signs, and what later papers doubt.
    """

    number: int
    name: str
    title: str
    quote: str
    section: str
    question: str
    prediction: Choice | Estimate
    arms: Callable[[Setting], tuple[Arm, ...]]
    figures: Callable[[Result, View], tuple[Drawing, ...]]
    verdict: Callable[[Result], Verdict]
    explanation: str
    paper: str = "Ioffe & Szegedy 2015"
    verbatim: bool = True
    inspection: str | None = None
    inspection_trains: bool = False
    units: int = 0
    images: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "explanation", set_apart(self.explanation))

    @property
    def source(self) -> str:
        """Which paper says it and where: "Ioffe & Szegedy 2015, Section 4.1", or "…, Abstract; 4.2.3"."""
        where = f"Section {self.section}" if self.section[0].isdigit() else self.section
        return f"{self.paper}, {where}"

    def jobs(self, setting: Setting) -> list[Job]:
        """Everything to train: for each arm, one job for each seed."""
        return [
            self._job(arm.experiment.replace(seed=arm.experiment.seed + extra))
            for arm in self.arms(setting)
            for extra in range(setting.seeds_of(arm))
        ]

    def _job(self, experiment: Experiment) -> Job:
        return Job(experiment, self.inspection, experiment.steps if self.inspection_trains else 0)

    def result(self, setting: Setting, outcomes: Sequence[Outcome]) -> Result:
        """The Result of the outcomes of `jobs(setting)`, in their order."""
        arms = self.arms(setting)
        left = iter(outcomes)
        parts = {arm.name: tuple(next(left) for _ in range(setting.seeds_of(arm))) for arm in arms}
        return Result(setting, arms, parts)

    def nothing_yet(self, setting: Setting) -> Result:
        """The Result before anything is trained."""
        return self.result(setting, [Outcome(Recording(job.experiment)) for job in self.jobs(setting)])

    def guess(self, said: str) -> float | None:
        """The number in a prediction, given as text; None for one of options, and for "". Raises PredictionError."""
        if not said or isinstance(self.prediction, Choice):
            return None
        return self.prediction.read(said)[0]

    def score(self, prediction: str | Sequence[float], result: Result) -> Score:
        """Hold a prediction against a finished Result. Raises PredictionError for one that is not allowed."""
        answer = self.verdict(result).answer
        if isinstance(self.prediction, Choice):
            return self.prediction.score(str(prediction), answer)
        return self.prediction.score([float(value) for value in prediction], answer)
