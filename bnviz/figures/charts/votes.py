"""What a class answered to one question: how many chose each option, before and after discussing."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from bnviz.figures.frame.axes import rounded_up
from bnviz.figures.frame.frame import Frame
from bnviz.figures.frame.palette import BLUE, mixed
from bnviz.figures.frame.plot import Plot, PlotFunction
from bnviz.figures.frame.tabled import tabled

ROUNDS = ("before discussing", "after discussing")
WIDE, NARROW = 96, 40
"""Characters of the labels that stand side by side."""
LEAST = 7
"""Characters that a label needs."""
MOST_LINES = 4
"""Of a label; what is longer is cut there, and stands in full in the figure's table."""


@dataclass(frozen=True)
class Votes:
    """A question to a class. rounds: the answers to each option, round by round. right: the right option, from 0.

    title: where the question stands. options: what could be answered, or the numbers from one to another.
    """

    title: str
    question: str
    options: tuple[str, ...]
    rounds: tuple[tuple[int, ...], ...]
    right: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the rounds."""
        return ROUNDS[: len(self.rounds)] if len(self.rounds) > 1 else ("answers",)


@PlotFunction
def votes(item: Votes, *, theme: str = "light", narrow: bool = False) -> Plot:
    """Answers to one question of a class, a bar for each option and round; the right option has a tick.

    From the votes that the class gave, one of a phone in each round. Not to be mistaken for what the same people
    thought before and after: who answers in one round may not answer in the other.
    """
    frame = Frame(
        item.title,
        item.question,
        theme=theme,
        narrow=narrow,
        height=330,
        view=("votes", item.title, item.question),
        wide=110,
        legend=item.names if len(item.rounds) > 1 else (),
    )
    labels = [f"✓ {words}" if place == item.right else words for place, words in enumerate(item.options)]
    wrapped = _wrapped(labels, narrow)
    lines = max(text.count("<br>") for text in wrapped)
    frame.height += 15 * lines
    frame.layout["height"] = frame.height
    frame.deepen(lines)
    most = max((count for counts in item.rounds for count in counts), default=0)
    places = list(range(len(labels)))
    x_axis = {
        "range": [-0.5, len(labels) - 0.5],
        "tickmode": "array",
        "tickvals": places,
        "ticktext": wrapped,
        "tickangle": 0,
        "showgrid": False,
    }
    y_axis = {"range": [0, rounded_up(1.05 * most) or 1.0], "title": {"text": "answers"}, "tickformat": ",d"}
    panel = frame.panels(1, 1, x_axis, y_axis)[0][0]
    frame.meta |= {"x": "answer", "names": {"x": labels}}
    look = frame.theme
    for number, (name, counts) in enumerate(zip(item.names, item.rounds, strict=True)):
        last = number == len(item.rounds) - 1
        frame.curves.append(
            {
                "type": "bar",
                "name": name,
                "x": places,
                "y": list(counts),
                "xaxis": panel.x,
                "yaxis": panel.y,
                "text": [str(count) if count else "" for count in counts],
                "textposition": "outside",
                "cliponaxis": False,
                "textfont": {"size": frame.size - 1, "color": look.ink},
                "marker": {
                    "color": [
                        BLUE if place == item.right else mixed(look.ink, look.paper, 0.4) for place in places
                    ],
                    "opacity": 1.0 if last else 0.55,
                    "pattern": {"shape": "" if last else "/", "size": 6, "solidity": 0.35},
                },
                "hovertemplate": "%{y}",
                **tabled(panel=item.question, name=name),
            }
        )
    frame.layout |= {"barmode": "group", "bargap": 0.25, "bargroupgap": 0.08}
    if not item.rounds:
        frame.place_for_words(panel, "Nobody was asked yet.")
    return frame.plot(_alt(item))


def _wrapped(labels: Sequence[str], narrow: bool) -> list[str]:
    """The labels over as many lines as they need to stand side by side, at most MOST_LINES."""
    across = NARROW if narrow else WIDE
    every = max(1, -(-LEAST * len(labels) // across))  # of so many labels one is written
    width = across * every // len(labels)
    return [
        "<br>".join(textwrap.wrap(text, width, max_lines=MOST_LINES, placeholder=" …"))
        if place % every == 0
        else ""
        for place, text in enumerate(labels)
    ]


def _alt(item: Votes) -> str:
    """How many chose each option in each round, and which option is right."""
    rounds = [
        f"{name}: " + ", ".join(f"{words} {count}" for words, count in zip(item.options, counts, strict=True))
        for name, counts in zip(item.names, item.rounds, strict=True)
    ]
    right = "" if item.right is None else f" Right: {item.options[item.right]}."
    return f"What a class answered to “{item.question}” {'; '.join(rounds)}.{right}"
