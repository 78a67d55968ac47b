"""What a class answered, as a table to keep: one row for each answer, without names."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from bnviz.classroom.voting import score
from bnviz.labs.base import Lab
from bnviz.labs.predictions import Answer

COLUMNS = ("lab", "question", "round", "phone", "answer", "in words", "right")
"""phone: the voters' numbers, in an order that means nothing and is the same in all rounds. right: yes or no; empty
where nothing is measured or the run does not answer the question."""

_RIGHT = {True: "yes", False: "no", None: ""}


def answers_csv(lab: Lab, votes: Mapping[int, Mapping[bytes, str]], measured: Answer) -> bytes:
    """The answers as CSV in UTF-8, with the mark by which spreadsheets know it.

    votes: by round, what each voter answered. measured: what the run answers, None where that is unknown.
    """
    voters = sorted({voter for given in votes.values() for voter in given})
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(COLUMNS)
    for number, given in sorted(votes.items()):
        for phone, voter in enumerate(voters, start=1):
            if voter not in given:
                continue
            answer = given[voter]
            right = None if measured is None else score(lab.prediction, answer, measured).right
            words = lab.prediction.words(answer)
            table.writerow([lab.title, lab.question, number, phone, answer, words, _RIGHT[right]])
    return text.getvalue().encode("utf-8-sig")
