"""A lesson tried before the class, as a run sheet: minutes, what each part says, how often which answer is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from bnviz.classroom import computed
from bnviz.classroom.lesson_part import Part
from bnviz.classroom.lesson_plans import LessonPlan
from bnviz.experiment.comparison import Comparison
from bnviz.experiment.job import Job
from bnviz.figures.measured import filled
from bnviz.labs import all_labs
from bnviz.labs.base import Lab, Setting
from bnviz.labs.predictions import Choice
from bnviz.recording import Recording
from bnviz.recording.outcome import Outcome
from bnviz.runs import cost
from bnviz.runs.limits import Limits

Train = Callable[[Sequence[Job]], Sequence[Outcome]]

WORDS_A_MINUTE = 120
"""Of a text that a second-language reader reads with care."""
QUESTION_MINUTES = 4.0
"""For a question: a vote, a discussion of two minutes, a vote."""
LOOK_MINUTES = 1.0
"""For a picture that has come to its end."""


def rehearse(plan: LessonPlan, seeds: int, train: Train, workers: int = 2) -> Iterator[str]:
    """The lines of the run sheet.

    seeds: with how many seeds the networks of a part, or of its lab in the quick setting, are trained, from that of the
    part on. train: trains jobs and returns their outcomes, in the same order. workers: how many processes will train in
    class, for the estimates of time.
    """
    minutes = [part.minutes or estimated_minutes(part, workers) for part in plan.parts]
    yield f"{plan.title}: {len(plan.parts)} parts, about {round(sum(minutes))} min"
    for number, (part, duration) in enumerate(zip(plan.parts, minutes, strict=True), 1):
        place = part.place if part.place != "class" else "text alone"
        how = "as planned" if part.minutes else "estimated"
        yield f"\n{number}. {part.title} ({place}, {duration:.2g} min {how})"
        lab = lab_of(part)
        if lab is not None:
            yield from _lab(lab, seeds, train)
            yield from _played_back(lab, part.lab_setting, workers)
        elif part.place == "playground" and (part.measured or (part.ask and part.ask.named)):
            yield from _networks(part, seeds, train)
        if part.ask and part.ask.answer is not None:
            yield f"   The answer: {part.ask.options[part.ask.answer - 1]}"


def estimated_minutes(part: Part, workers: int) -> float:
    """About how long a class takes for a part: to read, to answer and discuss, to train, to look."""
    lab = lab_of(part)
    questions = (lab is not None) + (part.ask is not None)
    jobs: list[Job] = []
    if lab is not None and not computed.find(lab, part.lab_setting):
        jobs = lab.jobs(part.lab_setting)
    elif part.place == "playground":
        jobs = [Job(arm) for arm in part.comparison.arms]
    training = cost.seconds(jobs, workers) / 60 if jobs else 0.0
    looks = LOOK_MINUTES if part.place != "class" else 0.0
    return len(part.text.split()) / WORDS_A_MINUTE + questions * QUESTION_MINUTES + training + looks


def lab_of(part: Part) -> Lab | None:
    """The lab that a part opens, by its name or by its link."""
    return all_labs().get(part.settings.get("lab", "")) if part.place == "labs" else None


def compute(plan: LessonPlan, train: Train, workers: int = 2) -> Iterator[str]:
    """Train what the labs of the lesson will show in class and keep it, to be played back. Yields lines about it."""
    for number, part in enumerate(plan.parts, 1):
        lab = lab_of(part)
        if lab is None:
            continue
        setting = part.lab_setting
        if computed.find(lab, setting):
            yield f"{number}. {lab.title}: computed already."
            continue
        jobs = lab.jobs(setting)
        duration = cost.in_words(cost.seconds(jobs, workers))
        yield f"{number}. {lab.title} on {setting.examples}: {len(jobs)} networks, about {duration} …"
        outcomes = train(jobs)
        try:
            computed.keep(lab, setting, outcomes)
        except computed.NotKeptError as error:
            yield f"   {error}."
        else:
            yield f"   kept. {lab.verdict(lab.result(setting, outcomes)).said}"


def _lab(lab: Lab, seeds: int, train: Train) -> Iterator[str]:
    """Which verdicts the quick lab gives, and what it answers to its question, seed by seed."""
    settings = [Setting(quick=True, changes={"seed": seed}) for seed in range(seeds)]
    jobs = [lab.jobs(setting) for setting in settings]
    outcomes = iter(train([job for each in jobs for job in each]))
    verdicts = [
        lab.verdict(lab.result(setting, [next(outcomes) for _ in each]))
        for setting, each in zip(settings, jobs, strict=True)
    ]
    for word, times in Counter(item.word for item in verdicts).most_common():
        example = next(item for item in verdicts if item.word == word)
        yield f"   {times} of {seeds} seeds: {word}. For example: {example.sentence}"
    answers = [item.answer for item in verdicts]
    if isinstance(lab.prediction, Choice):
        for key, times in Counter(item if isinstance(item, str) else None for item in answers).most_common():
            words = lab.prediction.options[key] if key else "the question has no answer"
            yield f"   {times} of {seeds} seeds answer: {words}"
        return
    for place, slider in enumerate(lab.prediction.sliders):
        found = sorted(item[place] for item in answers if isinstance(item, tuple))
        if found:
            yield (
                f"   {slider.label}: {slider.shown(found[0])} to {slider.shown(found[-1])}"
                f" ({len(found)} of {seeds} seeds)"
            )


def _played_back(lab: Lab, setting: Setting, workers: int) -> Iterator[str]:
    """Whether what the class will see is computed already, and whether the server trains it."""
    jobs = lab.jobs(setting)
    if found := computed.find(lab, setting):
        date = found[0].recording.provenance.date[:10]
        said = lab.verdict(lab.result(setting, found)).said
        yield f"   In class: {setting.examples}, computed on {date}, is played back. {said}"
        return
    yield (
        f"   In class: {setting.examples}, {len(jobs)} networks are trained,"
        f" about {cost.in_words(cost.seconds(jobs, workers))}. Nothing is computed beforehand."
    )
    try:
        cost.check([job.experiment for job in jobs], Limits.from_environment())
    except cost.TooCostlyError as error:
        yield f"   The server will refuse it: {error}"


def _networks(part: Part, seeds: int, train: Train) -> Iterator[str]:
    comparison = part.comparison
    first = comparison.base.seed
    tried = [first] if comparison.vary == "seed" else list(range(first, first + seeds))
    groups = [
        Comparison(comparison.base.replace(seed=seed), comparison.vary, comparison.values).arms
        for seed in tried
    ]
    outcomes = iter(train([Job(arm) for arms in groups for arm in arms]))
    answers: Counter[int | None] = Counter()
    for seed, arms in zip(tried, groups, strict=True):
        recordings: list[Recording] = [next(outcomes).recording for _ in arms]
        if part.measured:
            said = filled(part.measured, recordings, part.until) or "a number of the sentence is not measured"
            yield f"   seed {seed}: {said}"
        if part.ask and part.ask.named:
            answers[part.ask.right(recordings, part.until)] += 1
    for option, times in answers.most_common():
        words = part.ask.options[option - 1] if part.ask and option else "not measured"
        yield f"   {times} of {len(tried)}: {words}"
