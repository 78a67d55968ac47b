"""CIFAR-10 from small archives in its two formats: read, refused, downloaded."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bnviz.data import cifar
from bnviz.data.datasets import DatasetError, load
from tests.test_datasets import Mirror, mirror_of

RNG = np.random.default_rng(2)
PIXELS = {name: RNG.integers(0, 256, (4, 3072), np.uint8) for name in (*cifar.TRAIN, cifar.TEST)}
LABELS = {name: RNG.integers(0, 10, 4) for name in PIXELS}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("BNVIZ_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("BNVIZ_DATA", raising=False)
    load.cache_clear()
    yield tmp_path / "home" / "cifar-10"
    load.cache_clear()


def packed(files: dict[str, bytes]) -> bytes:
    """The same bytes whenever it is called: gzip would write the time."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(whole.getvalue(), mtime=0)


def binary() -> bytes:
    return packed(
        {
            f"cifar-10-batches-bin/{name}.bin": np.column_stack([LABELS[name], PIXELS[name]])
            .astype(np.uint8)
            .tobytes()
            for name in PIXELS
        }
    )


def pickled() -> bytes:
    """As the published one: protocol 2, keys of bytes, labels in a list."""
    return packed(
        {
            f"cifar-10-batches-py/{name}": pickle.dumps(
                {b"batch_label": name.encode(), b"labels": LABELS[name].tolist(), b"data": PIXELS[name]},
                protocol=2,
            )
            for name in PIXELS
        }
    )


def published(monkeypatch: pytest.MonkeyPatch, *contents: bytes) -> None:
    """Have these be the contents of the archives."""
    archives = [
        replace(archive, digest=hashlib.new(archive.algorithm, content).hexdigest())
        for archive, content in zip(cifar.ARCHIVES, contents, strict=True)
    ]
    monkeypatch.setattr(cifar, "ARCHIVES", tuple(archives))


def put(folder: Path, name: str, content: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def refusal() -> str:
    with pytest.raises(DatasetError) as caught:
        load("cifar-10")
    return str(caught.value)


@pytest.mark.parametrize("kind", ["binary", "python"])
def test_both_archives_hold_the_same_photographs(kind, home, monkeypatch):
    published(monkeypatch, binary(), pickled())
    put(home, f"cifar-10-{kind}.tar.gz", binary() if kind == "binary" else pickled())
    dataset = load("cifar-10")
    assert dataset.shape == (3, 32, 32)
    expected = np.concatenate([PIXELS[name] for name in cifar.TRAIN]).reshape(20, 3, 32, 32)
    assert np.array_equal(dataset.train.inputs, expected)
    assert dataset.train.labels.tolist() == np.concatenate([LABELS[name] for name in cifar.TRAIN]).tolist()
    assert np.array_equal(dataset.test.inputs.reshape(4, -1), PIXELS[cifar.TEST])
    assert dataset.classes[3] == "cat"


@pytest.mark.parametrize(
    "spoil", [lambda c: c[:-100], lambda c: c[:50] + b"x" + c[51:], lambda c: b"", lambda c: pickled()]
)
def test_an_archive_that_was_altered_cut_or_renamed_is_refused_before_it_is_read(spoil, home, monkeypatch):
    published(monkeypatch, binary(), pickled())
    put(home, "cifar-10-binary.tar.gz", spoil(binary()))
    monkeypatch.setattr(tarfile, "open", lambda *_: pytest.fail("it was opened"))
    assert "its MD5 is not that of CIFAR-10's archive" in refusal()


class Harmful:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was run",))


def test_a_pickle_that_names_anything_but_arrays_is_refused_even_if_its_sum_is_right(home, monkeypatch):
    harmful = packed({f"cifar-10-batches-py/{name}": pickle.dumps(Harmful(), protocol=2) for name in PIXELS})
    published(monkeypatch, binary(), harmful)
    put(home, "cifar-10-python.tar.gz", harmful)
    assert "is not allowed" in refusal()


def test_an_archive_without_its_members_is_refused(home, monkeypatch):
    empty = packed({"cifar-10-batches-bin/readme.html": b"hello"})
    published(monkeypatch, empty, pickled())
    put(home, "cifar-10-binary.tar.gz", empty)
    assert "does not hold what CIFAR-10's archive does" in refusal()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    with mirror_of({"cifar-10-binary.tar.gz": binary()}) as server:
        monkeypatch.setattr(cifar, "ADDRESS", server.url)
        yield server


def test_it_is_downloaded_once_with_progress(server, home, monkeypatch):
    from bnviz.experiment.progress import on_progress

    published(monkeypatch, binary(), pickled())
    shares: list[float] = []
    with on_progress(shares.append):
        load("cifar-10")
    assert shares[-1] == 1.0
    load.cache_clear()
    load("cifar-10")
    assert server.requested == ["cifar-10-binary.tar.gz"]
    assert [path.name for path in home.iterdir()] == ["cifar-10-binary.tar.gz"]


@pytest.mark.parametrize("fault", ["404", "altered"])
def test_a_download_that_fails_says_the_ways_out_and_leaves_nothing(fault, server, home, monkeypatch):
    published(monkeypatch, binary(), pickled())
    server.answers = {} if fault == "404" else {"cifar-10-binary.tar.gz": b"<html>Sign in</html>"}
    message = refusal()
    assert "choose textures" in message
    assert str(home) in message
    assert list(home.iterdir()) == []
