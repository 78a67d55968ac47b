"""The numbers that a scenario found, their aims, and the table that shows both."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psutil


@dataclass(frozen=True)
class Finding:
    """A measured number. aim: its upper bound, or with `at_least` its lower; None where there is no aim."""

    words: str
    value: float
    aim: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the aim is met. A number that could not be measured, NaN, meets none."""
        if self.aim is None:
            return True
        if math.isnan(self.value):
            return False
        return bool(self.value >= self.aim if self.at_least else self.value <= self.aim)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        bound = "at least" if self.at_least else "at most"
        value = None if math.isnan(self.value) else float(self.value)
        aim = None if self.aim is None else f"{bound} {self.aim:g}"
        return {"what": self.words, "value": value, "aim": aim, "met": self.met}


@dataclass(frozen=True)
class Chapter:
    """The findings of one scenario. remarks: sentences below them."""

    title: str
    findings: Sequence[Finding]
    remarks: Sequence[str] = ()

    @property
    def met(self) -> bool:
        """Whether every aim was met."""
        return all(item.met for item in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "title": self.title,
            "findings": [item.to_dict() for item in self.findings],
            "remarks": list(self.remarks),
        }


def machine() -> dict[str, Any]:
    """Where and when it was measured. busy: the load average of the last minute."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "busy": psutil.getloadavg()[0],
    }


def table(chapter: Chapter) -> str:
    """The chapter as text, one line a finding."""
    lines = [chapter.title]
    for item in chapter.findings:
        bound = "≥" if item.at_least else "≤"
        aim = "" if item.aim is None else f"{bound} {item.aim:g} {'met' if item.met else 'MISSED'}"
        lines.append(f"  {_number(item.value):>10}  {aim:16}  {item.words}")
    return "\n".join([*lines, *(f"  {remark}" for remark in chapter.remarks)])


def _number(value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
