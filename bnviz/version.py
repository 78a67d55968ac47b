"""The version of bnviz, and a digest of its files, which tells two programs of one version apart."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

__version__ = "0.1.0"

PACKAGE = Path(__file__).parent
ADDED = frozenset({"__pycache__", "served"})
"""Folders that are in one place and not in another: what Python compiled, and what an installation puts beside it."""


@cache
def digest(pattern: str = "*", package: Path = PACKAGE) -> str:
    """A digest of the names and contents of the package's files that fit the pattern."""
    found = hashlib.sha256()
    for path in sorted(package.rglob(pattern)):
        place = path.relative_to(package)
        if path.is_file() and not ADDED & set(place.parts):
            found.update(place.as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()
