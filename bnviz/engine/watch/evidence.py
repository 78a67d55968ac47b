"""Which nonlinearity a function is, found by evaluating it on a grid of numbers.

The same GELU is one call of torch, five calls in a course's notebook, or a custom autograd function: its values
are the same, and so is its name here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

GRID = torch.linspace(-10.0, 10.0, 161, dtype=torch.float64)
"""Where functions are compared. It holds 0, so that a kink there is seen."""
_GRID, SPAN = GRID.numpy(), 20.0
TOLERANCE = 3e-4
"""Constants in handwritten formulas have four digits or more; different nonlinearities are further apart."""
UNNAMED = "pointwise function"
SCALED = " (scaled)"
QUICK_GELU_SLOPE = 1.702

KNOWN: Mapping[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "silu": F.silu,
    "mish": F.mish,
    "selu": F.selu,
    "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid,
    "relu6": F.relu6,
    "softsign": F.softsign,
    "tanhshrink": F.tanhshrink,
    "logsigmoid": F.logsigmoid,
    "squared relu": lambda x: F.relu(x).square(),
    "square": torch.square,
    "abs": torch.abs,
    "exp": torch.exp,
    "sin": torch.sin,
    "cos": torch.cos,
    "erf": torch.erf,
    "arctan": torch.atan,
    "hardshrink": F.hardshrink,
}


def is_linear(values: Tensor) -> bool:
    """Whether a function's values on GRID are those of a·x + b: scaling and shifting is no nonlinearity."""
    if not values.is_floating_point() or values.shape != GRID.shape:
        return False
    found = values.numpy()
    line = found[0] + (found[-1] - found[0]) / SPAN * (_GRID - _GRID[0])
    return bool(np.abs(found - line).max() <= 1e-6 * np.abs(found).max())


def is_linear_in(values: Tensor, before: Tensor) -> bool:
    """Whether a function's values on GRID are those of another, scaled and shifted."""
    if not (values.is_floating_point() and before.is_floating_point()) or values.shape != before.shape:
        return False
    now, then = values.double(), before.double()
    low, high = then.argmin(), then.argmax()
    if not (torch.isfinite(now).all() and torch.isfinite(then).all()) or then[low] == then[high]:
        return False
    slope = (now[high] - now[low]) / (then[high] - then[low])
    line = now[low] + slope * (then - then[low])
    return bool(slope != 0 and (now - line).abs().max() <= 1e-6 * max(1.0, float(now.abs().max())))


def name_of(values: Tensor) -> str:
    """The name of the nonlinearity that has these values on GRID; UNNAMED where none fits.

    One that fits but for a constant factor is followed by SCALED.
    """
    return _name_of(values.double().numpy().tobytes())


def is_inexact(name: str) -> bool:
    """Whether a name says that no known nonlinearity fits exactly."""
    return name == UNNAMED or name.endswith(SCALED)


@lru_cache(maxsize=256)
def _name_of(content: bytes) -> str:
    values = torch.from_numpy(np.frombuffer(content).copy())
    if _close(values, F.gelu(GRID, approximate="tanh")):
        return "gelu"
    for name, known in _known_values().items():
        if _close(values, known):
            return name
    named = _with_a_parameter(values)
    if named is not None:
        return named
    for name, known in _known_values().items():
        factor = values[-1] / known[-1] if known[-1] else values[0] / known[0]
        if torch.isfinite(factor) and factor > 0 and _close(values / factor, known):
            return name + SCALED
    return UNNAMED


@lru_cache(maxsize=1)
def _known_values() -> Mapping[str, Tensor]:
    return {name: function(GRID) for name, function in KNOWN.items()}


def _with_a_parameter(values: Tensor) -> str | None:
    """Functions with a number of their own, which is read off the values and then held against all of them."""
    one = values[(GRID - 1.0).abs().argmin()]
    low, high = values.min(), values.max()
    slope, alpha = values[0] / GRID[0], values[0] / torch.expm1(GRID[0])
    beta = torch.logit(one.clamp(1e-6, 1 - 1e-6))  # x·σ(βx) at 1
    candidates = {
        "leaky_relu": torch.where(GRID > 0, GRID, slope * GRID),
        "elu": torch.where(GRID > 0, GRID, alpha * torch.expm1(GRID)),
        "celu": _celu(values),
        "softplus": _softplus(values),
        "quick_gelu" if abs(float(beta) - QUICK_GELU_SLOPE) < 0.01 else "swish": GRID
        * torch.sigmoid(beta * GRID),
        "hardtanh": GRID.clamp(float(low), float(high)),
        "softshrink": F.softshrink(GRID, float((GRID[-1] - values[-1]).clamp(min=0.0))),
        "threshold": torch.where(values == values[0], values[0], GRID),
    }
    return next((name for name, known in candidates.items() if _close(values, known)), None)


def _celu(values: Tensor) -> Tensor:
    """CELU(x) = α(exp(x/α) − 1) below 0, which ends at −α for every α that this grid can tell."""
    alpha = float((-values[0]).clamp(1e-3, 1e3))
    return torch.where(GRID > 0, GRID, alpha * torch.expm1(GRID / alpha))


def _softplus(values: Tensor) -> Tensor:
    """log(1 + exp(βx)) / β, which is log 2 / β at 0."""
    middle = float(values[len(GRID) // 2])
    return (
        F.softplus(GRID, 0.6931471805599453 / middle) if middle > 1e-3 else torch.full_like(GRID, torch.nan)
    )


def _close(values: Tensor, known: Tensor) -> bool:
    return torch.allclose(values, known, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
