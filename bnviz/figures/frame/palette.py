"""The arms' colours, dashes and names, and the themes: everything figures have in common in looks.

Colours are Okabe & Ito's, which survive colour blindness; each arm also has a dash of its own, which
survives greyscale print. Texts keep a contrast of at least 4.5 to 1 (WCAG 2.1, AA) in every theme.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from textwrap import shorten
from types import MappingProxyType
from typing import Any

from bnviz.experiment import Experiment
from bnviz.recording import Recording

VERMILLION = "#D55E00"
BLUE = "#0072B2"
WITHOUT = (VERMILLION, "dash")
WITH = (BLUE, "solid")
MORE = (("#009E73", "dashdot"), ("#CC79A7", "dot"), ("#E69F00", "longdash"))
CLASS_COLOURS = ("#CC79A7", "#009E73")
MAX_ARMS = 2 + len(MORE)

TYPEFACE = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True)
class Theme:
    """How a figure looks on one kind of background. Sizes in pixels."""

    paper: str  # the background the figure is laid on; the figure itself is transparent
    ink: str
    quiet: str
    grid: str
    zone: str
    light_fill: float
    strong_fill: float
    size: int = 13
    line: float = 2.0
    shades: tuple[float, float] = (-0.42, 0.42)  # first and last layer: toward the paper, toward the ink
    lifted: float = 0.0  # how much ink a median line needs to stand out from its band


THEMES: Mapping[str, Theme] = MappingProxyType(
    {
        "light": Theme("#FFFFFF", "#1F2430", "#5A6372", "#E6E9EE", "rgba(90,99,114,0.11)", 0.20, 0.38),
        "dark": Theme(
            "#0E1117",
            "#F1F3F7",
            "#A6AFBD",
            "#262C38",
            "rgba(166,175,189,0.13)",
            0.30,
            0.50,
            shades=(-0.15, 0.65),
            lifted=0.5,
        ),
        "print": Theme("#FFFFFF", "#000000", "#444444", "#DDDDDD", "rgba(0,0,0,0.09)", 0.20, 0.38, line=1.6),
        "projector": Theme(
            "#FFFFFF", "#000000", "#3D4450", "#D5D9E0", "rgba(60,68,80,0.15)", 0.24, 0.45, size=19, line=3.6
        ),
        "projector-dark": Theme(
            "#0E1117",
            "#FFFFFF",
            "#C3CAD6",
            "#2C3340",
            "rgba(195,202,214,0.16)",
            0.34,
            0.56,
            size=19,
            line=3.6,
            shades=(-0.15, 0.65),
            lifted=0.5,
        ),
    }
)


def theme_named(name: str) -> Theme:
    """The theme `name`. Raises ValueError."""
    if name not in THEMES:
        raise ValueError(f"theme = {name!r} is not allowed; allowed is one of {', '.join(THEMES)}")
    return THEMES[name]


def template(theme: Theme) -> dict[str, Any]:
    """A Plotly template: what every axis and text of a figure shares unless the figure says otherwise."""
    axis = {
        "automargin": False,
        "gridcolor": theme.grid,
        "gridwidth": 1,
        "linecolor": theme.grid,
        "showline": False,
        "tickcolor": theme.grid,
        "ticklabelstandoff": 4,
        "tickfont": {"size": theme.size - 2, "color": theme.quiet},
        "ticks": "",
        "title": {"font": {"size": theme.size - 1, "color": theme.quiet}, "standoff": 8},
        "zeroline": False,
    }
    return {
        "layout": {
            "font": {"family": TYPEFACE, "size": theme.size, "color": theme.ink},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "hoverlabel": {
                "bgcolor": theme.paper,
                "bordercolor": theme.grid,
                "font": {"color": theme.ink, "size": theme.size - 1},
            },
            "xaxis": axis,
            "yaxis": axis,
        }
    }


@dataclass(frozen=True)
class ArmStyle:
    """How one arm is drawn and named on every page."""

    letter: str
    name: str
    colour: str
    dash: str

    @property
    def label(self) -> str:
        """The arm's letter and name, such as "A · no normalization"."""
        return f"{self.letter} · {self.name}" if self.name else self.letter


def arm_styles(recordings: Sequence[Recording]) -> tuple[ArmStyle, ...]:
    """A style for each arm, named after what differs between the experiments; a watched network, by its name.

    Where exactly one of two arms has a normalizer, that arm is blue and solid, the other vermillion and
    dashed, whatever their order; so is a single arm, by its normalizer. Raises ValueError unless there
    are 1 to MAX_ARMS recordings.
    """
    if not 1 <= len(recordings) <= MAX_ARMS:
        raise ValueError(f"{len(recordings)} recordings are not allowed; allowed are 1 to {MAX_ARMS}")
    normalized = [item.normalized for item in recordings]
    looks = [WITHOUT, WITH, *MORE]
    if normalized in ([True], [True, False]):
        looks = [WITH, WITHOUT]
    trained = iter(arm_names([item.experiment for item in recordings if item.watched is None]))
    names = [
        next(trained) if item.watched is None else f"{shorten(item.watched.name, 40)}, watched"
        for item in recordings
    ]
    return tuple(
        ArmStyle(letter, name, *look) for letter, name, look in zip("ABCDE", names, looks, strict=False)
    )


def arm_names(experiments: Sequence[Experiment]) -> tuple[str, ...]:
    """What sets each experiment apart from the others, in a few words; "" where nothing does."""
    if len(experiments) < 2:
        return tuple(_words("normalizer", only.normalizer) for only in experiments)
    first = experiments[0]
    changed = {name for other in experiments[1:] for name in first.differences(other)}
    # The seed says least: it names an arm only where nothing else does.
    told = [name for name in Experiment.knobs() if name in changed and name not in ("seed", "device")]
    told = told or [name for name in ("seed", "device") if name in changed]
    shown = _telling(experiments, told)
    return tuple(
        ", ".join(_words(name, getattr(experiment, name)) for name in shown)
        + (" …" if len(told) > len(shown) else "")
        for experiment in experiments
    )


def _telling(experiments: Sequence[Experiment], names: Sequence[str]) -> tuple[str, ...]:
    """Of the fields `names` the two that tell the experiments apart best, or three where two leave some alike."""

    def kinds(chosen: Sequence[str]) -> int:
        return len({tuple(getattr(item, name) for name in chosen) for item in experiments})

    best = tuple(names[:2])
    for count in (2, 3):
        best = max(combinations(names, count), key=kinds, default=best)
        if kinds(best) == kinds(names):
            break
    return best


_SHORT = {"none": "no normalization", "batch": "batch norm"}


def _words(name: str, value: Any) -> str:
    """A field and its value as words that name an arm."""
    knob = Experiment.knobs()[name]
    if name == "normalizer":
        return _SHORT.get(value) or knob.choices.get(value, value).lower()
    if name == "hidden":
        same = len(set(value)) == 1
        return f"{len(value)} × {value[0]} units" if same else "-".join(map(str, value)) + " units"
    if knob.choices:
        return knob.choices.get(value, value)
    return f"{knob.label.lower()} {value:,g}"


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of "#RRGGBB", each 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def faded(colour: str, alpha: float) -> str:
    """The colour with an opacity."""
    red, green, blue = rgb(colour)
    return f"rgba({red},{green},{blue},{alpha:g})"


def mixed(colour: str, other: str, share: float) -> str:
    """`colour` with a share (0 to 1) of `other` in it."""
    parts = [round(a + (b - a) * share) for a, b in zip(rgb(colour), rgb(other), strict=True)]
    return "#{:02X}{:02X}{:02X}".format(*parts)


def contrast(colour: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.1)."""

    def luminance(text: str) -> float:
        parts = [part / 255 for part in rgb(text)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(colour), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def readable(colour: str, theme: Theme) -> str:
    """The colour, mixed with the theme's ink as little as a text of that colour needs (contrast 4.5)."""
    shares = (share / 20 for share in range(20))
    mixtures = (mixed(colour, theme.ink, share) for share in shares)
    return next((mixture for mixture in mixtures if contrast(mixture, theme.paper) >= 4.5), theme.ink)


def shades(colour: str, count: int, theme: Theme) -> list[str]:
    """`count` steps of one colour, from near the paper to near the ink: one for each layer."""
    if count == 1:
        return [colour]
    low, high = theme.shades
    steps = [low + (high - low) * index / (count - 1) for index in range(count)]
    return [mixed(colour, theme.paper if step < 0 else theme.ink, abs(step)) for step in steps]
