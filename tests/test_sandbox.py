"""A stranger's file is read in a process of its own."""

from __future__ import annotations

import io
import zipfile

import pytest

from bnviz.recording.sandbox import read_stranger
from tests import recordings


def test_a_recording_comes_back_equal_with_its_provenance():
    recording = recordings.recording(records=10)
    assert read_stranger(recording.to_bytes()) == recording


def test_what_is_no_recording_is_refused_with_the_readers_sentence():
    with pytest.raises(ValueError, match="This file is no recording of bnviz: it is no zip file"):
        read_stranger(b"<script>alert(1)</script>")


def test_a_file_that_is_too_large_is_refused_before_it_is_read():
    with pytest.raises(ValueError, match="it has 300 bytes, and 200 are allowed"):
        read_stranger(bytes(300), most=200)


def test_a_file_that_ends_its_reader_is_refused_and_ends_nothing_else(monkeypatch):
    monkeypatch.setattr("bnviz.recording.sandbox.COMMAND", ("-c", "import os; os.abort()"))
    with pytest.raises(ValueError, match="it cannot be read safely"):
        read_stranger(recordings.recording(records=3).to_bytes())


def test_a_file_that_takes_for_ever_is_refused(monkeypatch):
    monkeypatch.setattr("bnviz.recording.sandbox.COMMAND", ("-c", "import time; time.sleep(600)"))
    monkeypatch.setattr("bnviz.recording.sandbox.SECONDS", 0.5)
    with pytest.raises(ValueError, match="it takes too long to read"):
        read_stranger(b"x")


def test_a_bomb_is_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("recording.json", bytes(50_000_000))
    with pytest.raises(ValueError, match="is no recording of bnviz"):
        read_stranger(file.getvalue())
