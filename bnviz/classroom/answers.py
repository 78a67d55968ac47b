"""What a class answered, as a table to keep: one row for each answer, without names."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from bnviz.classroom.room import Poll
from bnviz.classroom.voting import score

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


def answers_csv(polls: Sequence[ShownPoll]) -> bytes:
    """The answers as CSV in UTF-8, with the mark by which spreadsheets know it."""
    voters = sorted({voter for item in polls for given in item.poll.votes.values() for voter in given})
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(COLUMNS)
    for item in polls:
        asked, measured = item.poll.asked, item.poll.answer
        for number, given in sorted(item.poll.votes.items()):
            for phone, voter in enumerate(voters, start=1):
                if voter not in given:
                    continue
                answer = given[voter]
                right = None if measured is None else score(asked.prediction, answer, measured).right
                words = asked.prediction.words(answer)
                about = asked.title, asked.text
                table.writerow([item.part or "", *about, number, phone, answer, words, _RIGHT[right]])
    return text.getvalue().encode("utf-8-sig")
