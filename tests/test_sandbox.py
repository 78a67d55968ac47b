"""A stranger's file is read in a process of its own."""

from __future__ import annotations

import io
import zipfile

import psutil
import pytest

from bnviz.recording.sandbox import KeptSandbox, read_stranger
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


@pytest.fixture
def kept():
    sandbox = KeptSandbox(most=1_000_000)
    yield sandbox
    sandbox.close()


def process_of(sandbox: KeptSandbox) -> int:
    assert sandbox._process is not None
    return sandbox._process.pid


def test_one_process_reads_many_files_and_survives_what_it_refuses(kept):
    first, second = recordings.recording(records=3), recordings.recording(records=5)
    assert kept.read(first.to_bytes()) == first
    process = process_of(kept)
    with pytest.raises(ValueError, match="This file is no recording of bnviz: it is no zip file"):
        kept.read(b"<script>alert(1)</script>")
    with pytest.raises(ValueError, match="it has 1,000,001 bytes, and 1,000,000 are allowed"):
        kept.read(bytes(1_000_001))
    assert kept.read(second.to_bytes()) == second
    assert process_of(kept) == process


def test_a_file_that_ends_a_kept_process_is_refused_and_the_next_is_read(kept, monkeypatch):
    recording = recordings.recording(records=3)
    with monkeypatch.context() as patch:
        patch.setattr("bnviz.recording.sandbox.COMMAND", ("-c", "import os; os.abort()"))
        with pytest.raises(ValueError, match="it cannot be read safely"):
            kept.read(recording.to_bytes())
    assert kept.read(recording.to_bytes()) == recording


def test_a_file_that_takes_a_kept_process_for_ever_is_refused(kept, monkeypatch):
    monkeypatch.setattr("bnviz.recording.sandbox.COMMAND", ("-c", "import time; time.sleep(600)"))
    monkeypatch.setattr("bnviz.recording.sandbox.SECONDS", 0.5)
    with pytest.raises(ValueError, match="it cannot be read safely"):
        kept.read(b"x")


def test_closing_ends_the_process(kept):
    kept.read(recordings.recording(records=3).to_bytes())
    process = psutil.Process(process_of(kept))
    kept.close()
    assert not process.is_running()
