"""MNIST's four files (LeCun, Cortes & Burges): found on this machine or downloaded once, and always verified.

A file is accepted only if the SHA-256 of its uncompressed content is the published one. A download enters the cache
only after that.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import struct
import uuid
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

import numpy as np

SHA256: Mapping[str, str] = MappingProxyType(
    {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    }
)
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
TIMEOUT = (5.0, 30.0)  # seconds to connect, seconds between two pieces of the answer
LARGEST = 16 + 60_000 * 28 * 28  # bytes of train-images, header and all
GZIP_MAGIC = b"\x1f\x8b"
IDX_UNSIGNED_BYTE = 0x08


class DatasetError(ValueError):
    """A dataset that cannot be loaded; the message is one sentence that a page can show."""


def read(name: str) -> np.ndarray:
    """The array in one of the four files, uint8, read-only: images (N, 28, 28) or labels (N,).

    Searched for in `folders()`, otherwise downloaded. Raises DatasetError.
    """
    for folder in folders():
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return parse_idx(_read_verified(path, name))
    return parse_idx(_download(name))


def folders() -> tuple[Path, ...]:
    """The folders to search, in this order; the last is the cache, which keeps downloads."""
    import pooch

    data, home = os.environ.get("BNVIZ_DATA"), os.environ.get("BNVIZ_HOME")
    cache = Path(home).expanduser() if home else Path(pooch.os_cache("bnviz"))
    return tuple(place / "mnist" for place in (*([Path(data).expanduser()] if data else []), cache))


def parse_idx(content: bytes) -> np.ndarray:
    """The array in an IDX file of unsigned bytes, read-only. Raises ValueError if it is none.

    The header, big-endian: two zero bytes, the type, the number of dimensions, then each as 4 bytes.
    """
    if len(content) < 4 or content[:3] != bytes([0, 0, IDX_UNSIGNED_BYTE]):
        raise ValueError("this is no IDX file of unsigned bytes")
    header = 4 + 4 * content[3]
    if len(content) < header:
        raise ValueError("this IDX file ends within its header")
    shape = struct.unpack(f">{content[3]}I", content[4:header])
    values = np.frombuffer(content, np.uint8, offset=header)
    if values.size != np.prod(shape, dtype=np.int64):
        raise ValueError(f"this IDX file announces the shape {shape} and holds {values.size} values")
    return values.reshape(shape)


def _read_verified(path: Path, name: str) -> bytes:
    try:
        content = _verified(path.read_bytes(), name)
    except OSError as error:
        raise DatasetError(f"MNIST's file {path} cannot be read ({error.strerror})") from None
    if content is None:
        raise DatasetError(
            f"{path} is damaged or another file, as its SHA-256 is not that of MNIST's {name}; "
            "replace it, or delete it to have it downloaded"
        )
    return content


def _verified(stored: bytes, name: str) -> bytes | None:
    """The content of a file as stored, gzipped or not; None unless it is exactly MNIST's file `name`."""
    content = stored
    if stored.startswith(GZIP_MAGIC):
        try:
            with gzip.open(io.BytesIO(stored)) as stream:
                content = stream.read(LARGEST + 1)  # bounded, because a small file can unpack to any size
        except (OSError, EOFError, zlib.error):
            return None
    return content if hashlib.sha256(content).hexdigest() == SHA256[name] else None


def _download(name: str) -> bytes:
    """Fetch a file from the first mirror that has it whole, keep it in the cache, return its content."""
    import pooch

    fetch = pooch.HTTPDownloader(timeout=TIMEOUT, chunk_size=2**16)
    failures = []
    for mirror in MIRRORS:
        received = io.BytesIO()
        try:
            fetch(f"{mirror}{name}.gz", received, None)
        except OSError:  # what requests raises for no answer, a refusal or a broken connection
            failures.append(f"{urlsplit(mirror).netloc} did not deliver it")
            continue
        content = _verified(received.getvalue(), name)
        if content is not None:
            _keep(received.getvalue(), name)
            return content
        failures.append(f"{urlsplit(mirror).netloc} sent a damaged or another file")
    raise DatasetError(
        f"MNIST's file {name}.gz is not on this machine and cannot be downloaded ({'; '.join(failures)}): "
        "choose digits, which comes with bnviz, or put the four files "
        f"{', '.join(f'{each}.gz' for each in SHA256)} into the folder {folders()[0]}"
    )


def _keep(received: bytes, name: str) -> None:
    """Put a verified file into the cache in one move, so that other processes see all of it or nothing."""
    folder = folders()[-1]
    # A server may have unpacked the file on its way here.
    path = folder / (f"{name}.gz" if received.startswith(GZIP_MAGIC) else name)
    partial = folder / f".{name}.{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(received)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise DatasetError(
            f"MNIST was downloaded but cannot be kept in {folder} ({error.strerror}): "
            "set BNVIZ_HOME to a folder that can be written"
        ) from None
