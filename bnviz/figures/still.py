"""The bands of each layer as a still picture, an SVG: where no plotly.js can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import escape

from bnviz.figures.charts.what_each_layer_receives import bands_alt
from bnviz.figures.frame.arms import MAX_ARMS, ArmStyle, arm_styles
from bnviz.figures.frame.layers import axis_end, called, chosen_layers, short_name
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.palette import DASHES
from bnviz.figures.frame.theme import THEMES, TYPEFACE
from bnviz.figures.frame.thinning import thin
from bnviz.figures.marks.layer_bands import LayerBands
from bnviz.recording import Recording
from bnviz.recording.layer_inputs import QuantilePath

WIDTH, HEIGHT = 190, 130
"""Of a panel, in pixels."""

GAP, LEFT, HEAD, FOOT = 14, 44, 40, 22
THEME = THEMES["light"]


@dataclass(frozen=True)
class Still:
    """An SVG with numbers and escaped texts alone, and its words for those who do not see it."""

    svg: str
    alt: str


def still_bands(recordings: Sequence[Recording]) -> Still:
    """A row of panels for each recording, a panel for each layer, of more than five layers for five of them.

    All panels share their axes, as in `figures.bands`. At most MAX_ARMS recordings are drawn.
    """
    shown = list(recordings[:MAX_ARMS])
    arms = arm_styles(shown)
    layers = chosen_layers(shown, None)
    drawn = LayerBands.of(shown, layers, None, "input")
    width = LEFT + len(layers) * (WIDTH + GAP)
    height = len(shown) * (HEAD + HEIGHT) + FOOT
    end = max(1, axis_end(shown))
    parts = [
        f'<rect width="{width}" height="{height}" fill="{THEME.paper}"/>',
        *(
            _row(drawn, arm, a, [called(shown, number) for number in layers], end)
            for a, arm in enumerate(arms)
        ),
        _text(width - GAP, height - 6, f"training step {end:,}", "end"),
        _text(LEFT, height - 6, "0", "middle"),
    ]
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="{escape(TYPEFACE)}" font-size="11">{"".join(parts)}</svg>'
    )
    return Still(svg, bands_alt(drawn, arms))


def _row(drawn: LayerBands, arm: ArmStyle, a: int, names: Sequence[str], end: int) -> str:
    top = a * (HEAD + HEIGHT) + HEAD
    parts = [_text(LEFT, top - 24, arm.label, "start", arm.colour, bold=True)]
    for value in (drawn.low, 0.0, drawn.high):
        parts.append(_text(LEFT - 5, _height(value, drawn, top) + 4, short(value), "end"))
    for i, name in enumerate(names):
        left = LEFT + i * (WIDTH + GAP)
        zero = _height(0.0, drawn, top)
        parts += [
            _text(left, top - 7, short_name(name, 28), "start"),
            f'<rect x="{left}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="{THEME.grid}"/>',
            f'<path d="M{left} {zero:.1f}h{WIDTH}" stroke="{THEME.grid}"/>',
            _bands(drawn.paths[a, i], drawn, arm, left, top, end),
        ]
    return "".join(parts)


def _bands(path: QuantilePath, drawn: LayerBands, arm: ArmStyle, left: float, top: float, end: int) -> str:
    if not path.steps.size:
        return _text(left + 8, top + HEIGHT / 2, "nothing finite was recorded", "start")
    pairs = len(path.values) // 2
    kept = thin(path.values[[0, pairs, -1]])
    x = left + WIDTH * path.steps[kept] / end
    y = [_height(row, drawn, top) for row in path.values[:, kept]]
    opacities = (THEME.light_fill, THEME.strong_fill)[-pairs:]
    parts = [
        f'<polygon points="{_points(np.concatenate([x, x[::-1]]), np.concatenate([y[-1 - n], y[n][::-1]]))}" '
        f'fill="{arm.colour}" fill-opacity="{opacity}"/>'
        for n, opacity in enumerate(opacities)
    ]
    dash = DASHES[arm.dash].thin
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    middle = y[pairs]
    line = f'<polyline points="{_points(x, middle)}" fill="none" stroke="{arm.colour}" stroke-width="2"{dashes}/>'
    dot = f'<circle cx="{x[-1]:.1f}" cy="{middle[-1]:.1f}" r="2" fill="{arm.colour}"/>'
    return "".join([*parts, line, dot])


def _height(value: float | np.ndarray, drawn: LayerBands, top: float) -> np.ndarray:
    """Where a value stands; what is beyond the frame stands at its edge."""
    share = (np.clip(value, drawn.low, drawn.high) - drawn.low) / (drawn.high - drawn.low)
    return np.asarray(top + HEIGHT * (1 - share))


def _points(x: np.ndarray, y: np.ndarray) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))


def _text(
    x: float, y: float | np.ndarray, text: str, anchor: str, colour: str = THEME.quiet, bold: bool = False
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:g}" y="{float(y):.1f}" text-anchor="{anchor}" fill="{colour}"{weight}>{escape(text)}</text>'
