"""What a class answered, question by question, as one HTML page with a figure for each: no names, no server."""

from __future__ import annotations

from collections.abc import Sequence

from bnviz.export.handouts import page
from bnviz.export.handouts.animation import LOOKS, still
from bnviz.export.handouts.array_pool import ArrayPool
from bnviz.export.handouts.page_data import page_data
from bnviz.export.stamp import Stamp
from bnviz.figures.charts.votes import Votes, votes


def votes_page(title: str, items: Sequence[Votes], voters: int) -> str:
    """The page. title: of the lesson, or of the run. voters: how many phones answered anything."""
    pool = ArrayPool()
    slides = [
        still(
            f"question-{number}",
            "",
            {look: votes.draw(item, theme=look.theme, narrow=look.narrow) for look in LOOKS},
            pool,
        )
        for number, item in enumerate(items, 1)
    ]
    counted = "1 phone" if voters == 1 else f"{voters:,} phones"
    return page.page(
        "votes.html",
        f"{title} · answers",
        page_data(slides, pool, (), 0, ()),
        Stamp((), remark=f"Answers of a class, {counted}"),
        heading=title,
        counted=counted,
        slides=slides,
        items=items,
    )
