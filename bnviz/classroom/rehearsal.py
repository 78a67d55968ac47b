"""A lesson tried before the class: what each part will say, and which answer is right, on trained networks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from bnviz.classroom.lesson_part import Part
from bnviz.classroom.lesson_plans import LessonPlan
from bnviz.experiment.comparison import Comparison
from bnviz.experiment.job import Job
from bnviz.figures.measured import filled
from bnviz.labs import find
from bnviz.labs.base import Setting
from bnviz.recording import Recording
from bnviz.recording.outcome import Outcome

Train = Callable[[Sequence[Job]], Sequence[Outcome]]


def rehearse(plan: LessonPlan, seeds: int, train: Train) -> Iterator[str]:
    """Lines about each part of a lesson.

    seeds: with how many seeds, from that of the part on, networks of the Playground are trained; a lab is run once, in
    its quick setting. train: trains jobs and returns their outcomes, in the same order.
    """
    yield f"{plan.title}: {len(plan.parts)} parts"
    for number, part in enumerate(plan.parts, 1):
        yield f"\n{number}. {part.title} ({part.place if part.place != 'class' else 'text alone'})"
        if part.lab is not None:
            yield from _lab(part.lab, train)
        elif part.place == "playground" and (part.measured or (part.ask and part.ask.named)):
            yield from _networks(part, seeds, train)
        if part.ask and part.ask.answer is not None:
            yield f"   The answer: {part.ask.options[part.ask.answer - 1]}"


def _lab(name: str, train: Train) -> Iterator[str]:
    lab, setting = find(name), Setting(quick=True)
    result = lab.result(setting, train(lab.jobs(setting)))
    yield f"   {lab.verdict(result).said}"


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
