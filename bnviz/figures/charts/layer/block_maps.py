"""Feature maps within a block, before and after the normalization of each convolution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bnviz.figures.charts.layer.first_filters import largest, signed
from bnviz.figures.frame.arms import ArmStyle
from bnviz.figures.frame.numbers import rounded
from bnviz.figures.frame.plot import Plot, PlotFunction
from bnviz.figures.marks.squares import square_rows, squares, squares_frame
from bnviz.layer.block_maps import BlockMaps, ConvolutionMaps


@PlotFunction
def maps_in_block(
    arms: Sequence[ArmStyle], shown: Sequence[BlockMaps], *, theme: str = "light", narrow: bool = False
) -> Plot:
    """What each arm's convolutions in a block give for one held-out example, and what their normalizers make of it.

    All x of all arms are on one scale, all y on another; both are symmetric about 0.

    Not to be mistaken for what training computes: with batch normalization y is by the running statistics, which the
    hover text and the table give as μ and σ = √(variance + ε).
    """
    normalized = [any(item.normalized for item in look.convolutions) for look in shown]
    groups = len(arms) + sum(normalized)
    example = shown[0]
    frame = squares_frame(
        f"Inside block {example.block}: feature maps of held-out example {example.example}, {example.name}",
        "x: what a convolution gives. y: what its normalization makes of it, in inference mode. Point at an x for the "
        "running mean μ and deviation σ of its map.",
        groups,
        theme,
        narrow,
        ("block-maps", example.block, example.example),
    )
    rows = iter(square_rows(frame, groups, narrow))
    before = max(largest(item.before) for look in shown for item in look.convolutions)
    after = max(largest(item.after) for look in shown for item in look.convolutions)
    parts = []
    first_x, first_y = True, True
    for arm, look, has_y in zip(arms, shown, normalized, strict=True):
        row = next(rows)
        head = f"{arm.heading(False)}, step {look.step:,}: x" + ("" if has_y else ", not normalized")
        frame.header(row[0], head, arm.colour, yshift=17)
        x = np.concatenate([item.before for item in look.convolutions])
        scale = signed(frame, before, "x", 1.0)
        squares(frame, row, x, _captions(look), f"{arm.label}, x, ", scale, first_x, _notes(look))
        first_x = False
        if has_y:
            row = next(rows)
            frame.header(row[0], f"<b>{arm.letter}</b>, y", arm.colour, yshift=17)
            y = np.concatenate([item.after for item in look.convolutions])
            scale = signed(frame, after, "y", 0.48)
            squares(frame, row, y, _captions(look), f"{arm.label}, y, ", scale, first_y)
            first_y = False
        parts.append(f"{arm.label} at step {look.step:,}: {'; '.join(map(_said, look.convolutions))}")
    return frame.plot(
        f"Feature maps of the convolutions in block {example.block} for one held-out example of class {example.name}. "
        f"{'. '.join(parts)}."
    )


def _captions(look: BlockMaps) -> list[str]:
    """Of each map: its convolution and number."""
    return [f"{item.name}, {index + 1}" for item in look.convolutions for index in range(len(item.before))]


def _notes(look: BlockMaps) -> list[str]:
    """Of each map: the running mean and deviation, where they are known."""
    notes: list[str] = []
    for item in look.convolutions:
        if item.statistics is None:
            notes += [""] * len(item.before)
        else:
            pairs = zip(item.statistics.mean, item.statistics.deviation, strict=True)
            notes += [f"μ {rounded(mean)}, σ {rounded(deviation)}" for mean, deviation in pairs]
    return notes


def _said(item: ConvolutionMaps) -> str:
    """A convolution's maps in words."""
    words = f"{item.name}, {len(item.before)} of {item.features} maps, x with standard deviation {_std(item.before)}"
    return f"{words}, y with {_std(item.after)}" if item.normalized else words


def _std(values: np.ndarray) -> str:
    finite = values[np.isfinite(values)]
    return rounded(float(finite.std())) if finite.size else "unknown"
