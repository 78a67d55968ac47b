"""The file format of a Recording, `.bnviz`: a zip of recording.json and five Parquet tables, or six.

Where a watched network's passes were recorded in several modes, each other mode is a file of this kind in the file.

A file may come from a stranger. Its declared sizes are checked before anything is unpacked, and no member is
unpacked beyond its declared size. Then every column, type, row and step is compared with what the network calls
for. A file that does not fit is refused with a ValueError of one sentence. Nothing from the file is ever run, or
used as a path.
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
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

from bnviz.experiment import Experiment, Intervention
from bnviz.experiment.intervention import MAX_INTERVENTIONS
from bnviz.recording.parquet import RefusedError, parquet_bytes, read_snapshots
from bnviz.recording.snapshot import LATER_TABLES, TABLES, Provenance, Snapshot
from bnviz.recording.subject import Subject
from bnviz.recording.tables import all_tables
from bnviz.recording.watched import MODES, Watched

FORMAT = 1
SUFFIX = ".bnviz"
MAX_BYTES = 512 * 2**20
"""The largest file that is read. Twenty layers of 1,000 units with 300 records take a quarter of it."""

UPLOAD_BYTES = 64 * 2**20
"""The largest file taken from a person over the network. Seven layers of 1,000 units with 300 records fit."""

GROWTH = 8
"""The tables may take so many times the bytes of the largest allowed file. Those of large files take 2 to 3 times."""

ABOUT = "recording.json"
ABOUT_BYTES = 2**20
MEMBERS = (ABOUT, *(f"{name}.parquet" for name in TABLES))
LATER = tuple(f"{name}.parquet" for name in LATER_TABLES)
OTHERS = tuple(f"mode-{number}{SUFFIX}" for number in range(2, len(MODES)))
"""What the files of other modes are called. `MODES` begins with the one that is not known."""
SUBJECTS: Mapping[str, Callable[[dict[str, Any]], Subject]] = MappingProxyType(
    {Experiment.part: lambda values: Experiment(**values), Watched.part: Watched.of_dict}
)
"""How each kind of Subject is built from its part of recording.json. A file has one of them."""

OTHER_PARTS = ("interventions", "diverged_at", "reference_step", "provenance")
MAX_UNPLANNED_STEPS = 10**9
"""The largest step of a network whose number of steps nobody planned."""

PLAIN_TEXT = re.compile(r"[\w .,:;+()/@®™-]{0,120}")
"""What a provenance may hold: names and numbers of versions, and nothing that a page could run."""

_DIRECTORY_END = struct.Struct("<4s4H2LH")
_ZIP64_LOCATOR_BYTES = 20
_DIRECTORY_BYTES = 200 * (len(MEMBERS) + len(LATER) + len(OTHERS))


@dataclass(frozen=True)
class Parts:
    """What a file holds; the fields are those of Recording. others: the series of other modes."""

    subject: Subject
    interventions: tuple[Intervention, ...]
    snapshots: tuple[Snapshot, ...]
    diverged_at: int | None
    reference_step: int
    provenance: Provenance
    others: tuple[Parts, ...] = ()


def file_bytes(parts: Parts) -> bytes:
    """The content of the file that holds the parts; equal parts give equal bytes."""
    about = {
        "format": FORMAT,
        parts.subject.part: parts.subject.to_dict(),
        "interventions": [item.model_dump() for item in parts.interventions],
        "diverged_at": parts.diverged_at,
        "reference_step": parts.reference_step,
        "provenance": asdict(parts.provenance),
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_member(ABOUT), json.dumps(about, indent=1))
        for name, frame in all_tables(parts.snapshots, parts.subject.widths).items():
            archive.writestr(_member(f"{name}.parquet", zipfile.ZIP_STORED), parquet_bytes(name, frame))
        for name, other in zip(OTHERS, parts.others, strict=False):
            archive.writestr(_member(name, zipfile.ZIP_STORED), file_bytes(other))
    return content.getvalue()


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


def read_parts(source: str | Path | BinaryIO, most: int = MAX_BYTES) -> Parts:
    """Read a file that holds what `file_bytes` returned, from a path or an open file.

    most: bytes; a larger file is refused. Raises ValueError, with one sentence, for any other file.
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


def _member(name: str, compress_type: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    """A member's header: without the time of writing, so that equal content gives equal bytes."""
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


def _read(file: BinaryIO, most: int, others: Sequence[str] = OTHERS) -> Parts:
    members = _unpack(file, most, others)
    about = _about(members[ABOUT])
    subject = next(build(_mapping(about, part)) for part, build in SUBJECTS.items() if part in about)
    planned = subject.planned_steps
    # A program that was watched tells neither how long it trains nor how many examples it evaluated.
    last, fewest_examples = (MAX_UNPLANNED_STEPS, 0) if planned is None else (planned, 1)
    interventions = about["interventions"]
    if not isinstance(interventions, list) or len(interventions) > MAX_INTERVENTIONS:
        raise RefusedError(f"interventions are no list of at most {MAX_INTERVENTIONS:,}")
    diverged_at = about["diverged_at"]
    tables = {
        name: members[member] for name in (*TABLES, *LATER_TABLES) if (member := f"{name}.parquet") in members
    }
    left = GROWTH * most - sum(map(len, members.values()))
    return Parts(
        subject=subject,
        interventions=tuple(Intervention(**item) for item in interventions),
        snapshots=read_snapshots(tables, subject.widths, last, fewest_examples, GROWTH * most),
        diverged_at=None if diverged_at is None else _step(last, "diverged_at", diverged_at),
        reference_step=_step(last, "reference_step", about["reference_step"]),
        provenance=_provenance(_mapping(about, "provenance")),
        others=_others(subject, [members[name] for name in others if name in members], left // GROWTH),
    )


def _others(subject: Subject, contents: Sequence[bytes], most: int) -> tuple[Parts, ...]:
    """The series of other modes of a network that was watched, each mode once."""
    found: list[Parts] = []
    modes = {subject.mode if isinstance(subject, Watched) else ""}
    for content in contents:
        parts = _read(io.BytesIO(content), max(len(content), most // max(1, len(contents))), others=())
        other = parts.subject
        if not isinstance(subject, Watched) or not isinstance(other, Watched) or other.name != subject.name:
            raise RefusedError("it holds the series of another network")
        if not other.mode or other.mode in modes:
            raise RefusedError("it holds two series of one mode")
        modes.add(other.mode)
        found.append(parts)
    return tuple(found)


def _unpack(file: BinaryIO, most: int, others: Sequence[str]) -> dict[str, bytes]:
    """The content of each member by its name; none is unpacked beyond its declared size."""
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
        if len(set(names) & {*MEMBERS, *LATER, *others}) < len(names):
            allowed = len(MEMBERS) + len(LATER)
            raise RefusedError(f"it holds {len(names)} parts, and {allowed} are allowed")
        if sum(info.file_size for info in infos) > GROWTH * most:
            raise RefusedError(f"unpacked it is larger than the allowed {GROWTH * most:,} bytes")
        return {info.filename: _content(archive, info) for info in infos}


def _check_directory(file: BinaryIO, size: int) -> None:
    """Check the size of the zip's directory first: zipfile would read any number of entries into memory."""
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
    subject = next((part for part in SUBJECTS if part in about), Experiment.part)
    parts = ["format", subject, *OTHER_PARTS]
    for name in parts:
        if name not in about:
            raise RefusedError(f"{name} is missing in {ABOUT}")
    if len(about) > len(parts):
        raise RefusedError(f"{ABOUT} holds more than {', '.join(parts)}")
    return about


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
