"""CIFAR-10 (Krizhevsky 2009): 60,000 colour photographs of 32×32 pixels, from either of its published archives.

An archive is accepted only if its own sum is the published one, and only then is its content read. The binary archive
holds numbers alone. The Python archive holds pickles, which could name any function: here they may name nothing but
NumPy's arrays.
"""

from __future__ import annotations

import codecs
import hashlib
import io
import pickle
import tarfile
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from bnviz.data.dataset import DatasetError
from bnviz.data.idx_files import TIMEOUT
from bnviz.data.paths import dataset_folders
from bnviz.experiment import progress

Array = np.ndarray

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SHAPE = (3, 32, 32)
TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST = "test_batch"
FOLDER = "cifar-10"
ADDRESS = "https://www.cs.toronto.edu/~kriz/"
PIECE = 2**20
"""Bytes that are read at once."""


@dataclass(frozen=True)
class Archive:
    """A published archive. digest: by `algorithm`. read: the images and labels in one of its members."""

    name: str
    algorithm: str
    digest: str
    folder: str
    suffix: str
    read: Callable[[bytes], tuple[Array, Array]]


def read() -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Images (N, 3, 32, 32) uint8 and labels (N,) int64, to learn from and held out. Raises DatasetError.

    Searched for in $BNVIZ_DATA/cifar-10 and in the cache, otherwise downloaded.
    """
    for folder in dataset_folders(FOLDER):
        for archive in ARCHIVES:
            path = folder / archive.name
            if path.is_file():
                _check(path, archive)
                return _content(path, archive)
    archive = ARCHIVES[0]
    return _content(_download(archive), archive)


def _check(path: Path, archive: Archive) -> None:
    """Raise DatasetError unless the file is exactly the published archive."""
    digest = hashlib.new(archive.algorithm, usedforsecurity=False)
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                digest.update(piece)
    except OSError as error:
        raise DatasetError(f"CIFAR-10's archive {path} cannot be read ({error.strerror})") from None
    if digest.hexdigest() != archive.digest:
        kind = archive.algorithm.upper().replace("SHA", "SHA-")
        raise DatasetError(
            f"{path} is damaged or another file, as its {kind} is not that of CIFAR-10's archive; replace it, or "
            "delete it to have it downloaded"
        )


def _content(path: Path, archive: Archive) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    found: dict[str, tuple[Array, Array]] = {}
    try:
        with tarfile.open(path) as tar:
            for name in (*TRAIN, TEST):
                member = tar.extractfile(f"{archive.folder}/{name}{archive.suffix}")
                assert member is not None
                found[name] = archive.read(member.read())
    except (KeyError, AssertionError, tarfile.TarError, ValueError) as error:
        raise DatasetError(f"{path} does not hold what CIFAR-10's archive does ({error})") from None
    images, labels = (np.concatenate(parts) for parts in zip(*(found[name] for name in TRAIN), strict=True))
    return (images, labels), found[TEST]


def read_binary(content: bytes) -> tuple[Array, Array]:
    """Records of a label and 3,072 pixels, red, green and blue, each row by row. Raises ValueError."""
    record = 1 + int(np.prod(SHAPE))
    if not content or len(content) % record:
        raise ValueError(f"{len(content):,} bytes are no records of {record:,}")
    table = np.frombuffer(content, np.uint8).reshape(-1, record)
    return table[:, 1:].reshape(-1, *SHAPE).copy(), table[:, 0].astype(np.int64)


def read_pickle(content: bytes) -> tuple[Array, Array]:
    """A dictionary with b"data", (N, 3072) uint8, and b"labels". Raises ValueError for anything else."""
    try:
        held = _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
        pixels, labels = np.asarray(held[b"data"], np.uint8), np.asarray(held[b"labels"], np.int64)
        return pixels.reshape(-1, *SHAPE), labels
    except (pickle.UnpicklingError, EOFError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"this is no pickle of pixels and labels: {error}") from None


class _ArraysOnly(pickle.Unpickler):
    """Reads a pickle that names nothing but NumPy's arrays."""

    def find_class(self, module: str, name: str) -> Any:
        """The function of that name. Raises UnpicklingError for others than an array needs."""
        if (module, name) in ALLOWED:
            return ALLOWED[module, name]
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")


ALLOWED: Mapping[tuple[str, str], Any] = {
    ("_codecs", "encode"): codecs.encode,  # how pickles of Python 3 write bytes for Python 2
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}
ARCHIVES = (
    Archive(
        "cifar-10-binary.tar.gz",
        "md5",
        "c32a1d4ab5d03f1284b67883e8d87530",
        "cifar-10-batches-bin",
        ".bin",
        read_binary,
    ),
    Archive(
        "cifar-10-python.tar.gz",
        "sha256",
        "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        "cifar-10-batches-py",
        "",
        read_pickle,
    ),
)
"""Of the first, which is preferred, only an MD5 is published."""


def _download(archive: Archive) -> Path:
    """Fetch the archive, with progress; it enters the cache only if its sum is right."""
    folder = dataset_folders(FOLDER)[-1]
    path, partial = folder / archive.name, folder / f".{archive.name}.{uuid.uuid4().hex}"
    ways_out = (
        f"choose textures, which come with bnviz, or put {archive.name} or {ARCHIVES[1].name} from "
        f"{ADDRESS}cifar.html into the folder {dataset_folders(FOLDER)[0]}"
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial.touch()
    except OSError as error:
        raise DatasetError(
            f"CIFAR-10 cannot be kept in {folder} ({error.strerror}): set BNVIZ_HOME to a folder that can be written"
        ) from None
    try:
        _fetch(ADDRESS + archive.name, partial)
        _check(partial, archive)
        partial.replace(path)
    except (OSError, HTTPException):  # no answer, a refusal or a broken connection
        raise DatasetError(f"CIFAR-10 is not on this machine and cannot be downloaded: {ways_out}") from None
    except DatasetError:
        raise DatasetError(
            f"{ADDRESS} sent a damaged or another file in place of CIFAR-10: {ways_out}"
        ) from None
    finally:
        partial.unlink(missing_ok=True)
    return path


def _fetch(address: str, path: Path) -> None:
    """Write what is at the address into a file, and report how much is there. Raises OSError, HTTPException."""
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT[1]) as answer, path.open("wb") as file:
            whole = int(answer.headers.get("Content-Length", 0))
            with tqdm(total=whole or None, unit="B", unit_scale=True, desc="CIFAR-10", disable=None) as bar:
                received = 0
                while piece := answer.read(PIECE):
                    file.write(piece)
                    bar.update(len(piece))
                    received += len(piece)
                    progress.report(min(1.0, received / max(whole, received)))
    except urllib.error.HTTPError as error:
        error.close()
        raise
