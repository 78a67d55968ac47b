"""What is installed where trainers work: with another bnviz, torch or folder of images a worker has other numbers.

The workers of a cluster elsewhere are asked before they are used; those of the server are its own program.
"""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import dataclass, fields
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bnviz.data.image_folder import place
from bnviz.version import digest

IMAGES = "folder:"
"""What the names of datasets begin with that may differ from one machine to the next; the others have known sums."""


@dataclass(frozen=True)
class Installed:
    """The versions that numbers depend on. bnviz: a digest of its program, as a version says too little."""

    bnviz: str
    torch: str
    numpy: str
    python: str

    def differences(self, other: Installed) -> str:
        """In words what `other` has in place of these; empty where nothing differs."""
        found = []
        for item in fields(self):
            mine, theirs = getattr(self, item.name), getattr(other, item.name)
            if mine != theirs:
                found.append(
                    "another bnviz" if item.name == "bnviz" else f"{item.name} {theirs} in place of {mine}"
                )
        return ", ".join(found)


@cache
def installed() -> Installed:
    """In this process."""
    python = ".".join(platform.python_version_tuple()[:2])
    return Installed(digest("*.py")[:16], version("torch"), version("numpy"), python)


def in_worker(dask_worker: Any) -> tuple[str, Installed]:
    """In a worker: its name, and what is installed there."""
    return str(dask_worker.name), installed()


def images(dataset: str) -> str:
    """A digest of the names and sizes of a folder's files; empty where there is none. dataset: as "folder:cats"."""
    data = os.environ.get("BNVIZ_DATA", "")
    folder = place(Path(data).expanduser().resolve(), dataset.removeprefix(IMAGES)) if data else None
    if folder is None or not folder.is_dir():
        return ""
    found = hashlib.sha256()
    for path in sorted(item for item in folder.rglob("*") if item.is_file()):
        found.update(f"{path.relative_to(folder).as_posix()} {path.stat().st_size}\n".encode())
    return found.hexdigest()[:16]
