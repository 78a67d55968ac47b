"""What a class answered, to keep without names: a table with one row for each answer, and counts to draw."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from bnviz.classroom.room import Poll
from bnviz.classroom.voting import Bar, Truth, measured, score, tally
from bnviz.figures.charts.votes import Votes

COLUMNS = ("part", "about", "question", "round", "phone", "answer", "in words", "right")
"""part: of the lesson, empty for a run shared by hand. about: the lab, or the part's title. phone: the voters' numbers,
in an order that means nothing and is the same in the whole file. right: yes or no; empty where nothing is measured or
the run does not answer the question."""

_RIGHT = {True: "yes", False: "no", None: ""}


@dataclass(frozen=True)
class ShownPoll:
    """A question whose answers everybody may see. part: its number in the lesson, 0 for a run shared by hand."""

    part: int
    poll: Poll


def voters(polls: Sequence[ShownPoll]) -> set[bytes]:
    """The digests of all who answered anything."""
    return {voter for item in polls for given in item.poll.votes.values() for voter in given}


def counts(item: ShownPoll) -> Votes:
    """The answers to a question by option and round; numbers of its first slider as those from one to another."""
    poll, asked = item.poll, item.poll.asked
    rounds = [tally(asked.prediction, poll.answers(number))[0] for number in range(1, poll.row.round + 1)]
    bars = (rounds[0] if rounds else tally(asked.prediction, [])[0]).bars
    (truth, *_) = (*measured(asked.prediction, poll.answer), None)
    right = next((place for place, bar in enumerate(bars) if truth and _holds(bar, truth, bars)), None)
    about = f"Part {item.part}: {asked.title}" if item.part else asked.title
    return Votes(
        about,
        asked.text,
        tuple(bar.words for bar in bars),
        tuple(tuple(bar.count for bar in each.bars) for each in rounds),
        right,
    )


def _holds(bar: Bar, truth: Truth, bars: Sequence[Bar]) -> bool:
    """Whether the bar is that of what turned out right."""
    if bar.low is None or bar.high is None or truth.value is None:
        return bar.words == truth.words
    return bar.low <= truth.value < bar.high or (bar is bars[-1] and truth.value == bar.high)


def answers_csv(polls: Sequence[ShownPoll]) -> bytes:
    """The answers as CSV in UTF-8, with the mark by which spreadsheets know it."""
    phones = sorted(voters(polls))
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(COLUMNS)
    for item in polls:
        asked, found = item.poll.asked, item.poll.answer
        for number, given in sorted(item.poll.votes.items()):
            for phone, voter in enumerate(phones, start=1):
                if voter not in given:
                    continue
                answer = given[voter]
                right = None if found is None else score(asked.prediction, answer, found).right
                words = asked.prediction.words(answer)
                about = asked.title, asked.text
                table.writerow([item.part or "", *about, number, phone, answer, words, _RIGHT[right]])
    return text.getvalue().encode("utf-8-sig")
