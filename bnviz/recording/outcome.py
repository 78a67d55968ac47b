"""An Outcome: what a Job brought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bnviz.recording.recording import Recording

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a Job brought: the Recording, and by name what the inspection found; nothing if it asked for none."""

    recording: Recording
    inspection: Mapping[str, Any] = field(default_factory=dict)
