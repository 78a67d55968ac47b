"""Recordings that a person opened from files. They stay in this person's session and are stored nowhere else."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import streamlit as st

from bnviz.recording import Recording
from bnviz.recording.sandbox import read_stranger

MOST_FILES = 10
"""Files open in a session; beyond it the one opened first is closed."""

_FILES = "opened.files"


class Upload(Protocol):
    """An uploaded file, as Streamlit gives it."""

    name: str

    def getvalue(self) -> bytes:
        """Its content."""


@dataclass(frozen=True, eq=False)
class OpenedFile:
    """A file's Recording. name: the file's, which anybody may have written."""

    id: str
    name: str
    recording: Recording

    @property
    def series(self) -> tuple[Recording, ...]:
        """Each mode's series by itself, that of training first."""
        return self.recording.series


def opened_files() -> dict[str, OpenedFile]:
    """This person's files by their ids."""
    files: dict[str, OpenedFile] = st.session_state.setdefault(_FILES, {})
    return files


def take_in(uploads: Sequence[Upload]) -> tuple[list[OpenedFile], list[str]]:
    """Open files. Returns the files opened, and a sentence for each that was refused."""
    files, refused, taken = opened_files(), [], []
    for upload in uploads[:MOST_FILES]:
        name = " ".join(upload.name.split())[:60]
        try:
            recording = read_stranger(upload.getvalue())
            if not recording.snapshots:
                raise ValueError("This file holds nothing that was measured")
        except ValueError as error:
            refused.append(str(error).replace("This file", name, 1))
            continue
        file = OpenedFile(f"file{secrets.token_hex(6)}", name, recording)
        files[file.id] = file
        taken.append(file)
        while len(files) > MOST_FILES:
            del files[next(iter(files))]
    return taken, refused
