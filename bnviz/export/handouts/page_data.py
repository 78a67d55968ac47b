"""Everything that the page's script is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bnviz.export.handouts.animation import Slide
from bnviz.export.handouts.array_pool import Pool
from bnviz.export.handouts.readouts import Reader
from bnviz.figures.frame.theme import THEMES


def for_script(
    slides: Sequence[Slide],
    pool: Pool,
    steps: Sequence[int],
    last: int,
    readers: Sequence[Reader],
    stories: Sequence[str] = (),
    prediction: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Ready for JSON.

    steps: of the frames; last: where training was to end. stories: for each frame, or none at all.
    prediction: how the script is to score what a reader predicts; None where nothing is asked.
    """
    return {
        "steps": list(steps),
        "last": last,
        "numbers": [[reader.at(step) for reader in readers] for step in steps],
        "stories": list(stories),
        "slides": [{"choices": dict(item.choices)} for item in slides],
        "arrays": pool.arrays,
        "marker": {name: THEMES[name].ink for name in ("light", "dark")},
        "prediction": prediction,
    }
