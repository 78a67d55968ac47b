"""The Outcome of a Job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bnviz.recording.recording import Recording


@dataclass(frozen=True, eq=False)
class Outcome:
    """The Recording of a Job, and the results of its inspection by name; {} if it had none."""

    recording: Recording
    inspection: Mapping[str, Any] = field(default_factory=dict)
