"""An array that takes long to make, kept as one memory-mapped .npy file.

A file's name holds what its content was made from and the SHA-256 of its bytes: a stale or damaged one is made anew.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from bnviz.data.paths import home

FOLDER = "images"


def kept(
    subject: str, state: str, shape: tuple[int, ...], rows: Callable[[], Iterator[np.ndarray]]
) -> np.ndarray:
    """The array of `shape`, uint8, whose rows are `rows()`; read-only, and in memory only as far as it is used.

    subject: what the array is of; only its newest file is kept. state: whatever the rows depend on.
    Where no file can be written, the array is in memory.
    """
    stem, key = _digest(subject), _digest(state)
    try:
        folder = home() / FOLDER
    except OSError:
        return np.stack(list(rows()))
    for path in folder.glob(f"{stem}-{key}-*.npy"):
        found = _verified(path, shape)
        if found is not None:
            return found
    try:
        path = _write(folder, f"{stem}-{key}", shape, rows())
        array = np.load(path, mmap_mode="r")
    except OSError:
        return np.stack(list(rows()))
    for other in folder.glob(f"{stem}-*.npy"):
        if other != path:
            with suppress(OSError):  # another process may have removed it, or still read it on Windows
                other.unlink()
    return np.asarray(array)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _verified(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """The array in a file; None unless its bytes are those that were written."""
    try:
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != path.stem.rpartition("-")[2]:
                return None
        array = np.load(path, mmap_mode="r")
    except (OSError, ValueError):
        return None
    return np.asarray(array) if array.shape == shape and array.dtype == np.uint8 else None


def _write(folder: Path, name: str, shape: tuple[int, ...], rows: Iterator[np.ndarray]) -> Path:
    """Write the rows one by one, and give the file its name once it is whole. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{name}.{uuid.uuid4().hex}"
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    try:
        with partial.open("w+b") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for row in rows:
                file.write(row.tobytes())
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return partial.replace(folder / f"{name}-{digest}.npy")
    finally:
        partial.unlink(missing_ok=True)
