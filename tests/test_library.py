"""The library of kept runs: what is kept stays, whatever happens to the process or the disk."""

from __future__ import annotations

import errno
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bnviz.experiment import Experiment, Intervention
from bnviz.figures.thumbnail import thumbnail
from bnviz.recording import Recording
from bnviz.recording.library import Credentials, Entry, Library, LibraryError, most_bytes
from bnviz.ui.parts.library import describe
from tests import recordings

ME, YOU, TEACHER = Credentials("a" * 32), Credentials("b" * 32), Credentials("c" * 32, manages=True)
PAIR = recordings.pair(hidden=(4, 4))
SIZE = sum(len(item.to_bytes()) for item in PAIR)


def pair(seed: int) -> list[Recording]:
    return recordings.pair(hidden=(4, 4), seed=seed)


def keep(
    library: Library, recordings: Sequence[Recording], who: Credentials, source: str, **words: str
) -> Entry:
    """Keep a run as a page does."""
    return library.keep(recordings, who, describe(recordings, source, **words))


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "runs", 10**8)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith("library.sqlite")}


def named(library: Library) -> set[str]:
    return {arm.file for entry in library.entries() for arm in entry.arms}


def test_a_kept_run_is_listed_in_words_and_its_recordings_come_back_equal(library, tmp_path):
    entry = keep(library, PAIR, ME, "Playground", verdict="B learns, A does not.")
    assert library.entries() == (entry,)
    assert (
        entry.title
        == "no normalization · batch norm: Digits, 8×8 pixels, 2 × 4 units, Sigmoid, learning rate 0.5"
    )
    assert entry.settings == (
        "Digits, 8×8 pixels, mini-batch 60, 2 × 4 units, Sigmoid, learning rate 0.5, steps 1,000"
    )
    assert (entry.source, entry.verdict) == ("Playground", "B learns, A does not.")
    assert [arm.label for arm in entry.arms] == ["no normalization", "batch norm"]
    assert [library.recording(entry.id, place) for place in (0, 1)] == PAIR
    assert entry.bytes == library.bytes == SIZE
    assert library.content(entry.id, 1) == PAIR[1].to_bytes()
    assert files(tmp_path / "runs") == named(library)
    assert entry.kept_at.utcoffset().total_seconds() == 0


def test_settings_tell_what_is_not_at_its_default_and_what_was_changed_on_the_way(library):
    base = Experiment(steps=50, hidden=(6, 3), momentum=0.9, dataset="moons")
    changed = Recording(
        base,
        (Intervention(3, "momentum", 0.5),),
        recordings.recording(base, records=3).snapshots,
    )
    entry = keep(library, [changed], ME, "a file")
    assert entry.title.startswith("batch norm: ")
    for words in ("Two moons, 2-D", "6-3 units", "momentum 0.9", "changed while training"):
        assert words in entry.settings


def test_the_same_run_kept_twice_is_there_once(library):
    assert keep(library, PAIR, ME, "Playground") == keep(library, PAIR, YOU, "Playground")
    assert len(library.entries()) == 1


def test_nothing_measured_is_nothing_to_keep(library):
    with pytest.raises(LibraryError, match="press Play first"):
        keep(library, [Recording(Experiment())], ME, "Playground")
    assert library.entries() == ()


def test_it_survives_a_restart(library, tmp_path):
    entry = keep(library, PAIR, ME, "Playground")
    assert Library(tmp_path / "runs", 10**8).entries() == (entry,)


def test_text_filters_by_every_word_and_knows_no_special_signs(library):
    mine = keep(library, PAIR, ME, "Playground")
    lab = keep(library, pair(1), ME, "Lab 3: Less care", title="Less care about the first weights")
    assert library.entries("BATCH sigmoid") == (lab, mine)
    assert library.entries("care weights") == (lab,)
    for text in ("%", "'; DROP TABLE runs", "_", "care playground"):
        assert library.entries(text) == ()


def test_who_kept_a_run_and_who_sits_at_the_server_may_change_it_and_nobody_else(library, tmp_path):
    entry = keep(library, PAIR, ME, "Playground")
    for change in (
        lambda: library.pin(entry.id, True, YOU),
        lambda: library.delete(entry.id, YOU),
        lambda: library.delete(entry.id, Credentials("")),
    ):
        with pytest.raises(LibraryError, match="Only who kept this run"):
            change()
    assert library.entries() == (entry,)
    library.pin(entry.id, True, ME)
    assert library.entry(entry.id).pinned
    library.delete(entry.id, TEACHER)
    assert library.entries() == ()
    assert files(tmp_path / "runs") == set()
    with pytest.raises(LibraryError, match="not kept here"):
        library.pin(entry.id, True, TEACHER)


def test_beyond_its_size_the_oldest_that_are_not_pinned_go_first(tmp_path):
    library = Library(tmp_path, int(3.5 * SIZE))
    first, _, third = (keep(library, pair(seed), ME, "Playground") for seed in (1, 2, 3))
    library.pin(first.id, True, ME)
    fourth = keep(library, pair(4), ME, "Playground")
    assert [entry.id for entry in library.entries()] == [first.id, fourth.id, third.id]
    assert files(tmp_path) == named(library)
    for entry in (third, fourth):
        library.pin(entry.id, True, ME)
    with pytest.raises(LibraryError, match="Unpin or delete some first"):
        keep(library, pair(5), ME, "Playground")
    assert len(library.entries()) == 3
    assert files(tmp_path) == named(library)


def test_titles_tell_runs_apart_and_are_changed_by_who_kept_them(library):
    first, second, third = (keep(library, pair(seed), ME, "Playground") for seed in (1, 2, 3))
    other = keep(library, recordings.pair(hidden=(4, 4), learning_rate=0.1), ME, "Playground")
    assert second.title == f"{first.title} (2)"
    assert third.title == f"{first.title} (3)"
    assert other.title == first.title.replace("learning rate 0.5", "learning rate 0.1")
    library.rename(first.id, "  For   lecture 3 ", ME)
    assert library.entry(first.id).title == "For lecture 3"
    assert library.entries("lecture") == (library.entry(first.id),)
    with pytest.raises(LibraryError, match="needs a title"):
        library.rename(first.id, "   ", ME)
    with pytest.raises(LibraryError, match="Only who kept this run"):
        library.rename(first.id, "Mine", YOU)
    library.rename(first.id, "Ours", TEACHER)
    assert [entry.title for entry in library.entries()][-1] == "Ours"


def test_a_run_larger_than_the_library_drives_nothing_out(tmp_path):
    library = Library(tmp_path, int(1.5 * SIZE))
    entry = keep(library, PAIR, ME, "Playground")
    with pytest.raises(LibraryError, match="There is no room"):
        keep(library, [*pair(1), *pair(2)], ME, "Playground")
    assert library.entries() == (entry,)


@pytest.mark.parametrize("calls", [0, 1])
def test_a_disk_that_is_full_gives_one_sentence_and_loses_nothing(tmp_path, monkeypatch, calls):
    """Full at the first or the second file; the library's limit has just made another run go."""
    library = Library(tmp_path, int(1.5 * SIZE))
    entry = keep(library, PAIR, ME, "Playground")
    sync, left = os.fsync, [calls]

    def full(file: int) -> None:
        if left[0] == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        left[0] -= 1
        sync(file)

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(LibraryError, match=r"^The disk is full: nothing was kept, and nothing was lost\.$"):
        keep(library, pair(1), ME, "Playground")
    monkeypatch.undo()
    assert library.entries() == (entry,)
    assert [library.recording(entry.id, place) for place in (0, 1)] == PAIR
    assert files(tmp_path) == named(library)


def test_a_table_that_is_full_gives_the_same_sentence(tmp_path):
    library = Library(tmp_path, 10**8)
    entry = keep(library, PAIR, ME, "Playground")
    connect = library._connect

    def small() -> sqlite3.Connection:
        database = connect()
        database.execute("PRAGMA max_page_count = 1")  # that is: none more than there are
        return database

    library._connect = small
    with pytest.raises(LibraryError, match="The disk is full"):
        keep(library, pair(1), ME, "Playground")
    library._connect = connect
    assert entry in library.entries()
    assert files(tmp_path) == named(library)


def test_a_file_that_was_damaged_is_told_of_and_the_rest_goes_on(library, tmp_path):
    entry = keep(library, PAIR, ME, "Playground")
    path = tmp_path / "runs" / entry.arms[0].file
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(LibraryError, match="no normalization is damaged or gone"):
        library.recording(entry.id, 0)
    assert library.recording(entry.id, 1) == PAIR[1]
    for place in (2, -1):
        with pytest.raises(LibraryError, match="no such arm"):
            library.recording(entry.id, place)


def test_a_library_of_a_newer_version_or_of_another_kind_is_left_alone(tmp_path):
    Library(tmp_path, 10**8)
    with sqlite3.connect(tmp_path / "library.sqlite") as database:
        database.execute("PRAGMA user_version = 9")
    database.close()
    with pytest.raises(LibraryError, match="newer bnviz"):
        Library(tmp_path, 10**8)
    other = tmp_path / "other"
    other.mkdir()
    (other / "library.sqlite").write_bytes(b"no database at all, but a text" * 50)
    with pytest.raises(LibraryError, match="cannot be used right now"):
        Library(other, 10**8)
    with pytest.raises(LibraryError, match="cannot be used right now"):
        Library(other / "library.sqlite", 10**8)


def test_many_at_once_lose_nothing(tmp_path):
    libraries = [Library(tmp_path, 10**8) for _ in range(3)]
    runs = [pair(seed) for seed in range(12)]

    def keep_one(index: int) -> None:
        keep(libraries[index % 3], runs[index], ME, "Playground")

    threads = [threading.Thread(target=keep_one, args=(index,)) for index in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(libraries[0].entries()) == 12
    assert files(tmp_path) == named(libraries[0])


NURSERY = """
import os, signal, sys
from pathlib import Path
from bnviz.recording.library import Credentials, Library
from tests import recordings
from tests.test_library import keep, one

def count(frame, event, argument):
    if frame.f_code.co_name == "write_whole" or "recording/library/store" in frame.f_code.co_filename:
        if event == "line":
            global lines
            lines += 1
            if lines == last:
                os.kill(os.getpid(), signal.SIGKILL)
        return count

for request in sys.stdin:
    folder, most, last = request.split()
    child = os.fork()
    if not child:
        last, lines = int(last), 0
        library = Library(Path(folder), int(most))
        sys.settrace(count)
        kept = [keep(library, [one(seed)], Credentials("x"), "Playground").id for seed in (8, 9)]
        os.write(1, f"{lines}\\n".encode())
        os._exit(0)
    os.waitpid(child, 0)
    print("gone", flush=True)
"""


def one(seed: int) -> Recording:
    return recordings.recording(Experiment(hidden=(1,), steps=10, seed=seed), records=3)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_process_killed_at_any_line_while_it_keeps_runs_loses_none_and_leaves_none_by_halves(tmp_path):
    """Two runs are kept, one after the other, and for each the oldest must go."""
    library = Library(tmp_path / "before", 10**8)
    for seed in (1, 2, 3):
        keep(library, [one(seed)], ME, "Playground")
    most = library.bytes + 200
    with sqlite3.connect(tmp_path / "before" / "library.sqlite") as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    nursery = subprocess.Popen(
        [sys.executable, "-c", NURSERY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )

    def killed_at(line: int) -> Path:
        folder = tmp_path / str(line)
        shutil.copytree(tmp_path / "before", folder)
        nursery.stdin.write(f"{folder} {most} {line}\n")
        nursery.stdin.flush()
        return folder

    with nursery:
        whole = killed_at(0)
        lines = int(nursery.stdout.readline())
        assert nursery.stdout.readline() == "gone\n"
        assert [one_kept(entry) for entry in Library(whole, most).entries()] == [9, 8, 3]
        seen, left_behind = set(), 0
        for line in random.Random(0).sample(range(1, lines + 1), 25):
            folder = killed_at(line)
            assert nursery.stdout.readline() == "gone\n"
            found = files(folder)
            library = Library(folder, most)
            left_behind += found != files(folder)
            assert files(folder) == named(library)
            seeds = tuple(one_kept(entry) for entry in library.entries())
            seen.add(seeds)
            for entry, seed in zip(library.entries(), seeds, strict=True):
                assert library.recording(entry.id, 0) == one(seed)
        nursery.stdin.close()
    assert seen == {(3, 2, 1), (8, 3, 2), (9, 8, 3)}
    assert left_behind > 0  # files that were written and not yet named, or named no more


def one_kept(entry: Entry) -> int:
    """The seed that a run of `one` was kept with."""
    found = re.search(r"seed (\d)", entry.settings)
    assert found
    return int(found[1])


def test_the_size_is_read_from_the_environment():
    assert most_bytes({}) == 2 * 10**9
    assert most_bytes({"BNVIZ_LIBRARY_MB": "5"}) == 5 * 10**6
    for text in ("0", "-1", "many", "1e3", "9" * 20, ""):
        with pytest.raises(ValueError, match="BNVIZ_LIBRARY_MB = "):
            most_bytes({"BNVIZ_LIBRARY_MB": text})


@pytest.mark.parametrize(
    "shown",
    [
        PAIR,
        [recordings.recording(diverged_at=300), *PAIR, *pair(1), *pair(2)],
        [Recording(Experiment()), recordings.recording(Experiment(steps=7, hidden=(3,)), records=1)],
        [Recording(Experiment())],
    ],
    ids=["two arms", "more than are drawn", "one record", "nothing"],
)
def test_a_thumbnail_is_a_small_svg_within_its_frame(shown):
    root = ElementTree.fromstring(thumbnail(shown))
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    measured = [item for item in shown[:5] if item.snapshots]
    assert len(lines) == len(measured)
    for line in lines:
        points = [tuple(map(float, pair.split(","))) for pair in line.get("points").split()]
        assert all(0 <= x <= 240 for x, _ in points)
        assert len(points) <= 60
    assert len(thumbnail(shown)) < 20_000
