"""The Playground of recordings: networks for every choice of learning rate, initial weights and nonlinearity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bnviz.experiment import Experiment
from bnviz.experiment.comparison import FAMILY, Comparison

RATES = (0.03, 0.1, 0.3, 1.0, 3.0)
SCALES = (0.01, 0.05, 0.2, 1.0)
NONLINEARITIES = ("sigmoid", "tanh", "relu")
NORMALIZERS = {"pair": ("none", "batch"), "family": FAMILY}
"""Two networks at every place; five at the places of FAMILY_SCALE alone, which cost more."""
FAMILY_SCALE = 0.2
STEPS = 500


@dataclass(frozen=True)
class Twin:
    """A place on the Playground of recordings: what its networks share, and in which normalizers they differ."""

    rate: float = 0.3
    scale: float = 0.05
    nonlinearity: str = "sigmoid"
    normalizers: str = "pair"

    @property
    def comparison(self) -> Comparison:
        """The networks."""
        base = Experiment(
            learning_rate=self.rate, init_scale=self.scale, activation=self.nonlinearity, steps=STEPS
        )
        return Comparison(base, "normalizer", NORMALIZERS[self.normalizers])

    @property
    def file(self) -> str:
        """The name of its page."""
        return f"{self.nonlinearity}-{self.rate:g}-{self.scale:g}-{self.normalizers}.html"

    def choices(self) -> Iterator[tuple[str, list[tuple[str, Twin]]]]:
        """Each control's name, and what each of its values leads to; where there is none of it, the nearest place."""
        yield "Learning rate", [(f"{rate:g}", replace(self, rate=rate)) for rate in RATES]
        yield "Initial weights σ", [(f"{scale:g}", replace(self, scale=scale).possible()) for scale in SCALES]
        yield "Nonlinearity", [(name, replace(self, nonlinearity=name)) for name in NONLINEARITIES]
        words = {"pair": "none and batch", "family": "none, batch, layer, group, RMS"}
        yield "Normalization", [(words[name], self.normalized(name)) for name in NORMALIZERS]

    def possible(self) -> Twin:
        """Itself or, where the family was not trained with these weights, the pair."""
        return (
            self
            if self.normalizers == "pair" or self.scale == FAMILY_SCALE
            else replace(self, normalizers="pair")
        )

    def normalized(self, name: str) -> Twin:
        """With other normalizers, and for the family with the initial weights with which it was trained."""
        return replace(self, normalizers=name, scale=FAMILY_SCALE if name == "family" else self.scale)


def all_twins() -> list[Twin]:
    """Every place, the one that opens first at the front."""
    pairs = [Twin(rate, scale, name) for name in NONLINEARITIES for scale in SCALES for rate in RATES]
    families = [Twin(rate, FAMILY_SCALE, name, "family") for name in NONLINEARITIES for rate in RATES]
    return sorted([*pairs, *families], key=lambda item: item != Twin())
