"""The data of the page's script, handout.js."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bnviz.export.handouts.animation import Slide
from bnviz.export.handouts.array_pool import ArrayPool
from bnviz.export.handouts.readouts import ShownNetwork
from bnviz.figures.frame.theme import THEMES


def page_data(
    slides: Sequence[Slide],
    pool: ArrayPool,
    steps: Sequence[int],
    last: int,
    networks: Sequence[ShownNetwork],
    stories: Sequence[str] = (),
    prediction: Mapping[str, Any] | None = None,
    pause: int | None = None,
) -> dict[str, Any]:
    """Ready for JSON.

    steps: those of the frames. last: the step at which training was to end. stories: one for each frame, or none.
    prediction: how to score a reader's prediction, as `question.scores` makes it; None where nothing is asked.
    pause: a step at which Play stops.
    """
    return {
        "steps": list(steps),
        "last": last,
        "numbers": [[network.at(step) for network in networks] for step in steps],
        "stories": list(stories),
        "slides": [{"choices": dict(item.choices)} for item in slides],
        "arrays": pool.arrays,
        "marker": {name: THEMES[name].ink for name in ("light", "dark")},
        "prediction": prediction,
        "pause": pause,
    }
