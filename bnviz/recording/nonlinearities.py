"""What each nonlinearity computes, where its slope almost vanishes, and what its units are called.

A zone is flat where the slope stays below 5 % of its largest value from its edge on outward. Such an input passes
hardly any gradient on. The slopes of GELU and SiLU also cross 0 once, near −0.75 and −1.28, between two larger ones:
that is no zone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from scipy import special

Array = np.ndarray

SLOPE_SHARE = 0.05
LEAKY_SLOPE = 0.01
"""The slope of Leaky ReLU below 0 (Maas et al. 2013), as in torch.nn.LeakyReLU."""
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
"""λ and α of Klambauer et al. 2017, which keep mean 0 and variance 1 from layer to layer."""


@dataclass(frozen=True)
class Nonlinearity:
    """One nonlinearity.

    unit, units: what one unit and several are called, "sigmoid" and "sigmoids". value: its outputs, shaped like the
    inputs. flat: the inputs below the first and above the second lie in a flat zone; infinite where there is none.
    silent: whether the slope in the zone is exactly 0, so that a unit may be dead. reach: how far from 0 an axis must
    go to show its shape. lowest, highest: between which values its outputs lie.
    """

    unit: str
    units: str
    value: Callable[[Array], Array]
    flat: tuple[float, float] = (-math.inf, math.inf)
    silent: bool = False
    reach: float = 4.0
    lowest: float = -math.inf
    highest: float = math.inf

    @property
    def saturates(self) -> bool:
        """Whether it has a flat zone in which the slope is small, but not 0."""
        return not self.silent and any(map(math.isfinite, self.flat))

    @property
    def zones(self) -> list[tuple[float, float]]:
        """The flat zones as intervals of the input."""
        below, above = self.flat
        zones = ((-math.inf, below), (above, math.inf))
        return [zone for zone in zones if any(map(math.isfinite, zone))]


def _both(edge: float) -> tuple[float, float]:
    return -edge, edge


NONLINEARITIES: Mapping[str, Nonlinearity] = MappingProxyType(
    {
        "sigmoid": Nonlinearity(
            "sigmoid",
            "sigmoids",
            lambda x: np.asarray(special.expit(x)),
            # σ′ = s(1 − s) < 0.05 · 1/4 beyond the logit of s = (1 + √0.95)/2
            _both(math.log((1 + math.sqrt(1 - SLOPE_SHARE)) / (1 - math.sqrt(1 - SLOPE_SHARE)))),
            reach=6.0,
            lowest=0.0,
            highest=1.0,
        ),
        "tanh": Nonlinearity(
            "tanh unit",
            "tanh units",
            np.tanh,
            _both(math.atanh(math.sqrt(1 - SLOPE_SHARE))),  # 1 − tanh² < 0.05
            lowest=-1.0,
            highest=1.0,
        ),
        "relu": Nonlinearity(
            "ReLU", "ReLUs", lambda x: np.maximum(x, 0.0), (0.0, math.inf), silent=True, lowest=0.0
        ),
        # Below 0 its slope is 1 %, and stays so: it was made to have no flat zone.
        "leaky-relu": Nonlinearity(
            "Leaky ReLU", "Leaky ReLUs", lambda x: np.where(x > 0, x, LEAKY_SLOPE * x)
        ),
        "elu": Nonlinearity(
            "ELU",
            "ELUs",
            lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0.0))),
            (math.log(SLOPE_SHARE), math.inf),  # the slope is eˣ below 0, and 1 above
            lowest=-1.0,
        ),
        "selu": Nonlinearity(
            "SELU",
            "SELUs",
            lambda x: SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0.0))),
            (math.log(SLOPE_SHARE), math.inf),  # the slope λα·eˣ is largest just below 0
            lowest=-SELU_SCALE * SELU_ALPHA,
        ),
        "gelu": Nonlinearity(
            "GELU",
            "GELUs",
            lambda x: np.asarray(x * special.ndtr(x)),
            (-2.2786, math.inf),  # Φ(x) + x·φ(x), at most 1.1289
            lowest=-0.17,
        ),
        "silu": Nonlinearity(
            "SiLU",
            "SiLUs",
            lambda x: np.asarray(x * special.expit(x)),
            (-3.9299, math.inf),  # s(1 + x(1 − s)), at most 1.0998
            reach=6.0,
            lowest=-0.2785,
        ),
        "softplus": Nonlinearity(
            "softplus unit",
            "softplus units",
            lambda x: np.logaddexp(x, 0.0),
            (-math.log(1 / SLOPE_SHARE - 1), math.inf),  # the slope is σ(x), at most 1
            lowest=0.0,
        ),
        "identity": Nonlinearity("linear unit", "linear units", lambda x: x),
    }
)
"""By the name of an Experiment's `activation`; some are also names of functions found in a watched network."""
