"""The file a Recording is kept in, `.bnviz`: a zip of recording.json and a Parquet table of each kind.

A file may come from a stranger. Before anything is unpacked its declared sizes are held against what
it could honestly need, then it is unpacked no further than that, and every column, type, row and step
is compared with what its network calls for. What does not fit is refused with one sentence, a
ValueError; nothing from the file is ever run, or used as a path.
"""

from __future__ import annotations

import io
import json
import os
import re
import secrets
import stat
import struct
import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from bnviz.experiment import Experiment, Intervention
from bnviz.experiment.intervention import MAX_INTERVENTIONS
from bnviz.recording.recording import Recording
from bnviz.recording.snapshot import TABLES, Provenance
from bnviz.recording.tables import SCHEMAS, RefusedError, snapshots
from bnviz.recording.watched import Watched

FORMAT = 1
SUFFIX = ".bnviz"
MAX_BYTES = 512 * 2**20
"""The largest file that is read. Twenty layers of 1,000 units with 300 records take a quarter of it."""

UPLOAD_BYTES = 64 * 2**20
"""The largest file taken from a visitor. Seven layers of 1,000 units with 300 records fit."""

GROWTH = 8
"""How many times the largest file allowed its tables may take, unpacked. Those of large files take 2 to 3 times."""

ABOUT = "recording.json"
ABOUT_BYTES = 2**20
MEMBERS = (ABOUT, *(f"{name}.parquet" for name in TABLES))
ABOUT_PARTS = ("format", "experiment", "interventions", "diverged_at", "reference_step", "provenance")
WATCHED = "watched"
"""What there is in place of "experiment" of a network that bnviz only watched."""

MAX_WATCHED_STEPS = 10**9
PLAIN_TEXT = re.compile(r"[\w .,:;+()/@®™-]{0,120}")
"""What may stand in a provenance: names and numbers of versions, and nothing that a page could run."""

_DIRECTORY_END = struct.Struct("<4s4H2LH")
_ZIP64_LOCATOR_BYTES = 20
_DIRECTORY_BYTES = 200 * len(MEMBERS)


def recording_bytes(recording: Recording) -> bytes:
    """The content of the file that holds the Recording; equal Recordings made at one time give equal bytes."""
    about = {
        "format": FORMAT,
        **_subject_parts(recording.subject),
        "interventions": [item.model_dump() for item in recording.interventions],
        "diverged_at": recording.diverged_at,
        "reference_step": recording.reference_step,
        "provenance": asdict(recording.provenance),
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_member(ABOUT), json.dumps(about, indent=1))
        for name in TABLES:
            frame = getattr(recording, name)
            table = pa.Table.from_pandas(frame, schema=SCHEMAS[name], preserve_index=False)
            buffer = io.BytesIO()
            # Few measured values repeat: a dictionary of them takes ten times as long and more room.
            pq.write_table(
                table.replace_schema_metadata(),
                buffer,
                compression="zstd",
                use_dictionary=False,
                store_schema=False,
            )
            archive.writestr(_member(f"{name}.parquet", zipfile.ZIP_STORED), buffer.getvalue())
    return content.getvalue()


def write_recording(recording: Recording, path: str | Path) -> None:
    """Write the Recording's file; it is there whole or not at all, even if the machine stops midway."""
    write_whole(Path(path), recording_bytes(recording))


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside its place and move it there once it is safe on the disk. Raises OSError."""
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # elsewhere a folder cannot be opened, nor need be
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read_recording(source: str | Path | BinaryIO, most: int = MAX_BYTES) -> Recording:
    """Read a file written by `write_recording`, from a path or an open file.

    most: bytes; a larger file is refused. Raises ValueError for whatever is no such file, with one sentence.
    """
    name = Path(source).name if isinstance(source, str | Path) else "This file"
    try:
        with ExitStack() as stack:
            opened = isinstance(source, str | Path)
            file = stack.enter_context(Path(source).open("rb")) if opened else source  # type: ignore[arg-type]
            return _read(file, most)  # type: ignore[arg-type]
    except Exception as error:  # whatever a stranger's file makes zip, JSON and Parquet raise
        reason = " ".join(_reason(error).split())[:200]
        raise ValueError(f"{' '.join(name.split())[:80]} is no recording of bnviz: {reason}") from None


def _subject_parts(subject: Experiment | Watched) -> dict[str, Any]:
    """What was recorded, under the name that tells which of the two it is."""
    if isinstance(subject, Watched):
        return {WATCHED: asdict(subject)}
    return {"experiment": subject.model_dump()}


def _member(name: str, compress_type: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    """How a part is filed: without the time of writing, so that equal content gives equal bytes."""
    info = zipfile.ZipInfo(name)
    info.compress_type = compress_type
    info.create_system = 3
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    return info


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, MemoryError):
        return "it does not fit into memory"
    if isinstance(error, RecursionError):
        return "its parts are nested too deeply"
    return str(error) or type(error).__name__


def _read(file: BinaryIO, most: int) -> Recording:
    members = _unpack(file, most)
    about = _about(members[ABOUT])
    subject = _subject(about)
    last = MAX_WATCHED_STEPS if isinstance(subject, Watched) else subject.steps
    interventions = about["interventions"]
    if not isinstance(interventions, list) or len(interventions) > MAX_INTERVENTIONS:
        raise RefusedError(f"interventions are no list of at most {MAX_INTERVENTIONS:,}")
    diverged_at = about["diverged_at"]
    return Recording(
        subject=subject,
        interventions=tuple(Intervention(**item) for item in interventions),
        snapshots=snapshots(subject, last, members, GROWTH * most),
        diverged_at=None if diverged_at is None else _step(last, "diverged_at", diverged_at),
        reference_step=_step(last, "reference_step", about["reference_step"]),
        provenance=_provenance(_mapping(about, "provenance")),
    )


def _unpack(file: BinaryIO, most: int) -> dict[str, bytes]:
    """The content of each member, none read further than it declared, all together within bounds."""
    size = file.seek(0, os.SEEK_END)
    if size > most:
        raise RefusedError(f"it has {size:,} bytes, and {most:,} are allowed")
    _check_directory(file, size)
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
        names = [info.filename for info in infos]
        for name in MEMBERS:
            if name not in names:
                raise RefusedError(f"{name} is missing")
        if len(names) > len(MEMBERS):
            raise RefusedError(f"it holds {len(names)} parts, and {len(MEMBERS)} are allowed")
        if sum(info.file_size for info in infos) > GROWTH * most:
            raise RefusedError(f"unpacked it is larger than the allowed {GROWTH * most:,} bytes")
        return {info.filename: _content(archive, info) for info in infos}


def _check_directory(file: BinaryIO, size: int) -> None:
    """Look at the zip's directory before zipfile does, which would read any number of entries into memory."""
    length = _DIRECTORY_END.size + _ZIP64_LOCATOR_BYTES
    file.seek(max(0, size - length))
    tail = file.read(length)
    if len(tail) < length or not tail[_ZIP64_LOCATOR_BYTES:].startswith(b"PK\x05\x06"):
        raise RefusedError("it is no zip file, or its end is missing")
    directory_bytes = _DIRECTORY_END.unpack(tail[_ZIP64_LOCATOR_BYTES:])[5]
    if tail.startswith(b"PK\x06\x07") or directory_bytes > _DIRECTORY_BYTES:
        raise RefusedError("it holds other parts than a recording has")
    file.seek(0)


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.compress_type not in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
        raise RefusedError(f"{info.filename} is packed in an unknown way")
    if info.filename == ABOUT and info.file_size > ABOUT_BYTES:
        raise RefusedError(f"{ABOUT} has {info.file_size:,} bytes, and {ABOUT_BYTES:,} are allowed")
    with archive.open(info) as member:
        content = member.read(info.file_size + 1)  # zipfile unpacks no more than it is asked for
    if len(content) != info.file_size:
        raise RefusedError(f"{info.filename} is shorter or longer than it says")
    return content


def _about(content: bytes) -> dict[str, Any]:
    about = json.loads(content, parse_constant=_no_number)
    if not isinstance(about, dict):
        raise RefusedError(f"{ABOUT} holds no object")
    if about.get("format") != FORMAT or isinstance(about["format"], bool):
        written = str(about.get("format"))[:20]
        raise RefusedError(f"it has format {written}, this bnviz reads format {FORMAT}")
    parts = [WATCHED if part == "experiment" and WATCHED in about else part for part in ABOUT_PARTS]
    for name in parts:
        if name not in about:
            raise RefusedError(f"{name} is missing in {ABOUT}")
    if len(about) > len(parts):
        raise RefusedError(f"{ABOUT} holds more than {', '.join(parts)}")
    return about


def _subject(about: Mapping[str, Any]) -> Experiment | Watched:
    if WATCHED in about:
        return Watched.of_dict(_mapping(about, WATCHED))
    return Experiment(**_mapping(about, "experiment"))


def _no_number(text: str) -> None:
    raise RefusedError(f"{text} stands in {ABOUT}")


def _mapping(about: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = about[name]
    if not isinstance(value, dict):
        raise RefusedError(f"{name} is no object")
    return value


def _step(last: int, name: str, value: object) -> int:
    if type(value) is not int or not 0 <= value <= last:
        allowed = f"a whole number from 0 to {last:,}"
        raise RefusedError(f"{name} = {str(value)[:40]!r} is not allowed; allowed is {allowed}")
    return value


def _provenance(values: Mapping[str, Any]) -> Provenance:
    known = [item.name for item in fields(Provenance)]
    for name, value in values.items():
        if name not in known:
            raise RefusedError(f"{name[:40]!r} is no part of a provenance; parts are {', '.join(known)}")
        if not isinstance(value, str) or not PLAIN_TEXT.fullmatch(value):
            raise RefusedError(f"the provenance's {name} is no plain text of at most 120 signs")
    return Provenance(**values)
