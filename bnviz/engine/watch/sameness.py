"""Whether two readings of an object are the same: numbers by their bits, objects by identity."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import torch
from torch import Tensor

PLAIN = (
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    type,
    torch.dtype,
    torch.device,
    torch.Size,
    torch.layout,
)
"""Values that cannot change."""


def equal(now: Any, before: Any) -> bool:
    """Whether two readings are the same: numbers by their bits, objects by identity."""
    if now is before:
        return True
    if isinstance(now, Tensor) and isinstance(before, Tensor):
        if now.shape != before.shape or now.dtype != before.dtype:
            return False
        unequal = now != before
        return not bool((unequal & ~(now.isnan() & before.isnan())).any())
    if isinstance(now, np.ndarray) and isinstance(before, np.ndarray):
        return now.shape == before.shape and now.dtype == before.dtype and now.tobytes() == before.tobytes()
    if isinstance(now, list | tuple) and isinstance(before, list | tuple):
        return len(now) == len(before) and all(map(_same_entry, now, before))
    if isinstance(now, dict) and isinstance(before, dict):
        return list(now) == list(before) and all(_same_entry(now[key], before[key]) for key in now)
    return type(now) is type(before) and isinstance(now, (*PLAIN, set)) and bool(now == before)


def _same_entry(now: Any, before: Any) -> bool:
    """Whether a place in a container holds the same: a tensor or a container that was exchanged is another."""
    if now is before:
        return True
    if isinstance(now, Tensor | list | deque | set):
        return False
    return equal(now, before)
