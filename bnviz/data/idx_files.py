"""Four files in MNIST's format (LeCun, Cortes & Burges): found on this machine or downloaded once, always verified.

A file is accepted only if the SHA-256 of its uncompressed content is the published one. A download enters the cache
only after that.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import uuid
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from bnviz.data.dataset import DatasetError
from bnviz.data.paths import dataset_folders

TIMEOUT = (5.0, 30.0)  # seconds to connect, seconds between two pieces of the answer
LARGEST = 16 + 60_000 * 28 * 28  # bytes of train-images, header and all
GZIP_MAGIC = b"\x1f\x8b"
IDX_UNSIGNED_BYTE = 0x08


@dataclass(frozen=True)
class IdxFiles:
    """The files of one dataset.

    name: of its folder. title: in sentences. sha256: by file name, of the uncompressed content. mirrors: addresses
    that end in a slash; each file is there with ".gz" behind its name. installed: where the system's package puts
    them.
    """

    name: str
    title: str
    sha256: Mapping[str, str]
    mirrors: tuple[str, ...]
    installed: Path | None = None

    def read(self, name: str) -> np.ndarray:
        """The array in one of the files, uint8, read-only: images (N, 28, 28) or labels (N,).

        Searched for in `dataset_folders` and where it is installed, otherwise downloaded. Raises DatasetError.
        """
        installed = () if self.installed is None else (self.installed,)
        for folder in (*dataset_folders(self.name), *installed):
            for path in (folder / name, folder / f"{name}.gz"):
                if path.is_file():
                    return parse_idx(self._read_verified(path, name))
        return parse_idx(self._download(name))

    def _read_verified(self, path: Path, name: str) -> bytes:
        try:
            content = self._verified(path.read_bytes(), name)
        except OSError as error:
            raise DatasetError(f"{self.title}'s file {path} cannot be read ({error.strerror})") from None
        if content is None:
            raise DatasetError(
                f"{path} is damaged or another file, as its SHA-256 is not that of {self.title}'s {name}; "
                "replace it, or delete it to have it downloaded"
            )
        return content

    def _verified(self, stored: bytes, name: str) -> bytes | None:
        """The content of a file as stored, gzipped or not; None unless it is exactly the file `name`."""
        content = stored
        if stored.startswith(GZIP_MAGIC):
            try:
                with gzip.open(io.BytesIO(stored)) as stream:
                    content = stream.read(LARGEST + 1)  # bounded, because a small file can unpack to any size
            except (OSError, EOFError, zlib.error):
                return None
        return content if hashlib.sha256(content).hexdigest() == self.sha256[name] else None

    def _download(self, name: str) -> bytes:
        """Fetch a file from the first mirror that has it whole, keep it in the cache, return its content."""
        import pooch

        fetch = pooch.HTTPDownloader(timeout=TIMEOUT, chunk_size=2**16)
        failures = []
        for mirror in self.mirrors:
            received = io.BytesIO()
            try:
                fetch(f"{mirror}{name}.gz", received, None)
            except OSError:  # what requests raises for no answer, a refusal or a broken connection
                failures.append(f"{urlsplit(mirror).netloc} did not deliver it")
                continue
            content = self._verified(received.getvalue(), name)
            if content is not None:
                self._keep(received.getvalue(), name)
                return content
            failures.append(f"{urlsplit(mirror).netloc} sent a damaged or another file")
        raise DatasetError(
            f"{self.title}'s file {name}.gz is not on this machine and cannot be downloaded ({'; '.join(failures)}): "
            "choose digits, which comes with bnviz, or put the four files "
            f"{', '.join(f'{each}.gz' for each in self.sha256)} into the folder {dataset_folders(self.name)[0]}"
        )

    def _keep(self, received: bytes, name: str) -> None:
        """Put a verified file into the cache in one move, so that other processes see all of it or nothing."""
        folder = dataset_folders(self.name)[-1]
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
                f"{self.title} was downloaded but cannot be kept in {folder} ({error.strerror}): "
                "set BNVIZ_HOME to a folder that can be written"
            ) from None


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
