"""Images as they enter the network."""

from __future__ import annotations

from collections.abc import Sequence

from bnviz.figures.frame.arms import ArmStyle
from bnviz.figures.frame.numbers import rounded
from bnviz.figures.frame.plot import Plot, PlotFunction
from bnviz.figures.marks.squares import COLOURS, square_rows, squares, squares_frame
from bnviz.layer.first_layer import FirstLayer

OF_COLOURS = " Of an image in colour: the mean of its three channels."


@PlotFunction
def entering(
    arms: Sequence[ArmStyle], shown: Sequence[FirstLayer], *, theme: str = "light", narrow: bool = False
) -> Plot:
    """The first images of each arm's next mini-batch as the network sees them, all on one scale from black to white.

    Not to be mistaken for the files' images: they are augmented and standardized where the experiment says so.
    """
    colour = shown[0].batch.shape[1] == COLOURS
    frame = squares_frame(
        "Images as they enter",
        "The first images of the mini-batch that the next update would use, as the network sees them."
        + OF_COLOURS * colour,
        len(arms),
        theme,
        narrow,
        ("entering",),
    )
    rows = square_rows(frame, len(arms), narrow)
    pictures = [item.batch.mean(1) for item in shown]
    low, high = min(item.min() for item in pictures), max(item.max() for item in pictures)
    scale = {"zmin": float(low), "zmax": float(high), "colorscale": [[0.0, "#000000"], [1.0, "#FFFFFF"]]}
    for arm, item, own, panels in zip(arms, shown, pictures, rows, strict=True):
        frame.header(panels[0], f"{arm.heading(False)}, step {item.step:,}", arm.colour, yshift=17)
        captions = [f"{number}: {name}" for number, name in enumerate(item.batch_names, start=1)]
        squares(frame, panels, own, captions, f"{arm.label}, image ", scale, first=item is shown[0])
    said = "; ".join(
        f"{arm.label} at step {item.step:,}: {', '.join(item.batch_names)}"
        for arm, item in zip(arms, shown, strict=True)
    )
    return frame.plot(
        f"Images of the next mini-batch, from {rounded(low)}, black, to {rounded(high)}, white. {said}."
    )
