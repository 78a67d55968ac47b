"""What readers of a lab are told: the field's words, short enough for a phone, and no result but the run's own.

The networks behind these texts are invented by the tests of the verdicts, so that other numbers can be fed to them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bnviz.classroom.lesson_plans import all_plans
from bnviz.labs import all_labs, find
from bnviz.labs.base import Lab, Result, Setting, View
from bnviz.labs.glossary import GLOSSARY
from bnviz.labs.predictions import Choice
from bnviz.labs.verdicts import in_part_of, percent, reached
from bnviz.recording.outcome import Outcome
from bnviz.ui.pages.landscape import WHAT_TO_LOOK_FOR
from tests import test_family_labs as family
from tests import test_lab_inspections as inspected
from tests import test_labs as trained
from tests import test_statistics_labs as counted

LABS = list(all_labs())
RARE_WORDS = (
    "rightly",
    "companion",
    "careless",
    "hold still",
    "wander",
    "anew",
    "times as early",
    "how many percent",
    "commit to",
    "in circulation",
    "may it be",
)
"""Words of ours for which the field has its own, or over which a reader in a second language stumbles."""
RESULT = re.compile(r"\d+(\.\d+)? %|0\.\d+ nats|within \d+ steps")
MEASURED = re.compile(r"\(measured\son\s(MNIST|digits),\s(one\sseed|\d+\sseeds)[^)]*\)")


def as_claimed(lab: Lab) -> Result:
    """A finished run in which the claim is plainly true."""
    setting = Setting(quick=True)
    if lab.name in trained.AS_CLAIMED:
        return trained.as_claimed(lab, setting)
    if lab.name in counted.CLAIMED:
        return counted.as_claimed(lab, setting)
    if lab.name == "small-batch-inference":
        return family.made(lab, lambda it: "good", 1, family.modes(0.4, 0.95, 0.95))
    if lab.name == "before-after":
        return family.made(lab, family.better("before"))
    return inspected.made(lab.name, (True,))


def upset(lab: Lab) -> Result:
    """The same with arms exchanged, or the claim turned round."""
    if lab.name in trained.AS_CLAIMED:
        return trained.swapped(as_claimed(lab))
    if lab.name in counted.CLAIMED:
        return counted.upset(lab, as_claimed(lab))
    if lab.name == "small-batch-inference":
        return family.made(lab, lambda it: "good", 1, family.modes(0.95, 0.95, 0.95))
    if lab.name == "before-after":
        return family.made(lab, family.better("after"))
    return inspected.made(lab.name, (False,))


def captions(lab: Lab, result: Result) -> dict[str, str]:
    return {item.name: item.caption for item in lab.figures(result, View())}


def texts(lab: Lab, result: Result) -> dict[str, str]:
    """Every text that a reader of the lab meets, by where it stands."""
    verdict = lab.verdict(result)
    options = lab.prediction.options.values() if isinstance(lab.prediction, Choice) else ()
    return {
        "title": lab.title,
        "question": lab.question,
        "explanation": lab.explanation,
        "verdict": verdict.said,
        "criterion": verdict.criterion,
        **{f"option {place}": words for place, words in enumerate(options)},
        **{f"caption {name}": text for name, text in captions(lab, result).items()},
    }


@pytest.mark.parametrize("name", LABS)
def test_texts_use_the_words_of_the_field(name: str) -> None:
    for where, text in texts(find(name), as_claimed(find(name))).items():
        for word in RARE_WORDS:
            assert word not in text.lower(), (where, word)


def test_lessons_use_the_words_of_the_field() -> None:
    for lesson in all_plans()[0]:
        for part in lesson.parts:
            for word in RARE_WORDS:
                assert word not in f"{part.title} {part.text}".lower(), (part.title, word)


@pytest.mark.parametrize("name", LABS)
def test_titles_questions_and_options_fit_a_phone(name: str) -> None:
    lab = find(name)
    assert len(lab.title) <= 34
    assert len(lab.question) <= 190
    if isinstance(lab.prediction, Choice):
        assert max(map(len, lab.prediction.options.values())) <= 48


@pytest.mark.parametrize("name", LABS)
def test_an_explanation_states_no_result_without_saying_where_it_was_measured(name: str) -> None:
    """The run beside it may come out differently."""
    prose = re.sub(r"\$\$.*?\$\$", "", find(name).explanation, flags=re.DOTALL)
    for paragraph in prose.split("\n\n"):
        if RESULT.search(paragraph) and "In the paper" not in paragraph:
            assert MEASURED.search(paragraph), paragraph


def with_other_numbers(result: Result) -> Result:
    """Everything measured on layers and by inspections is changed, by another factor in each arm."""

    def other(value: Any, place: int) -> Any:
        values = np.asarray(value)
        if values.dtype.kind != "f":
            return value
        return values * 1.7**place + 0.013 * (place + 1)

    def changed(outcome: Outcome, place: int) -> Outcome:
        snapshots = tuple(
            replace(item, layers=other(item.layers, place), units=other(item.units, place))
            for item in outcome.recording.snapshots
        )
        found: Mapping[str, Any] = {
            key: value if key in ("widths", "batches", "steps", "alone_steps") else other(value, place)
            for key, value in outcome.inspection.items()
        }
        # A loss that is only shifted has moved no farther.
        if "alone_loss" in found:
            found = dict(found) | {"alone_loss": np.linspace(2.0, 1.5, len(found["alone_loss"]))}
        return Outcome(replace(outcome.recording, snapshots=snapshots), found)

    outcomes = {
        arm.name: tuple(changed(item, place) for item in result.outcomes[arm.name])
        for place, arm in enumerate(result.arms)
    }
    return result.replace(outcomes=outcomes)


@pytest.mark.parametrize("name", LABS)
def test_a_caption_states_only_numbers_that_follow_from_the_run(name: str) -> None:
    lab = find(name)
    result = as_claimed(lab)
    before, now, other = (
        captions(lab, each) for each in (lab.nothing_yet(result.setting), result, with_other_numbers(result))
    )
    for figure, text in now.items():
        if text != before[figure]:
            assert text != other[figure], figure


@pytest.mark.parametrize("name", LABS)
def test_a_verdict_says_something_else_where_the_claim_is_turned_round(name: str) -> None:
    lab = find(name)
    right, wrong = lab.verdict(as_claimed(lab)), lab.verdict(upset(lab))
    assert right.word.startswith("This run supports the ")
    assert wrong.word.startswith("This run does not support the ")
    assert right.sentence != wrong.sentence
    assert right.criterion == wrong.criterion


def test_captions_say_what_was_measured() -> None:
    lab = find("mechanism")
    assert "no normalization 4, batch norm 1, noisy batch norm 5" in captions(lab, as_claimed(lab))["drift"]
    assert "no normalization 1, batch norm 4" in captions(lab, upset(lab))["drift"]
    lab = find("placement")
    assert "0.0 % with γ, β before, and 7.0 % with γ, β after" in captions(lab, as_claimed(lab))["possible"]
    assert "7.0 % with γ, β before, and 0.0 % with γ, β after" in captions(lab, upset(lab))["possible"]


def test_the_glossary_has_its_terms_in_the_order_of_the_alphabet_with_a_sentence_each() -> None:
    terms = [entry.term for entry in GLOSSARY]
    assert len(set(terms)) == len(terms) >= 20
    assert terms == sorted(terms, key=str.casefold)
    for entry in GLOSSARY:
        assert entry.meaning.endswith(".")
        assert ". " not in entry.meaning
        assert len(entry.meaning) < 160


@pytest.mark.parametrize(
    ("times_fewer", "words"),
    [
        (19.2, "in about a nineteenth of the steps"),
        (8.0, "in about an eighth of the steps"),
        (54.0, "in about 1/54 of the steps"),
        (2.05, "in about half the steps"),
        (1.4, "in 71 % of the steps"),
        (1.0, "in as many steps"),
        (0.5, "in 2 times as many steps"),
        (np.inf, "where the other network never arrived"),
    ],
)
def test_fewer_steps_are_told_as_a_part_of_the_steps(times_fewer: float, words: str) -> None:
    assert in_part_of(times_fewer) == words


def test_shares_are_never_rounded_to_nothing() -> None:
    assert [percent(share) for share in (0.969, 0.0, 0.0001)] == ["96.9 %", "0.0 %", "less than 0.1 %"]
    assert [reached(steps) for steps in (1200.0, np.inf)] == ["after 1,200 steps", "never"]


def test_a_lab_that_a_text_names_exists() -> None:
    plans, _ = all_plans()
    texts = [text for plan in plans for part in plan.parts for text in (part.text, part.notes)]
    texts += [WHAT_TO_LOOK_FOR[section] for section in WHAT_TO_LOOK_FOR]
    texts += [lab.explanation for lab in all_labs().values()]
    named = [name for text in texts for name in re.findall(r"\b[Ll]abs?\s(?:“|\*\*)([^”*]+)", text)]
    assert len(named) > 5
    assert set(named) <= {name for lab in all_labs().values() for name in (lab.name, lab.title)}
