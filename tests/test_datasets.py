"""Datasets: what they hold, that they are always the same, and how they fail.

Most tests of MNIST's files use four small files of the same format whose checksums stand in for the
published ones; those that need the published files skip where these are not at hand.
"""

from __future__ import annotations

import gzip
import json
import os
import struct
import subprocess
import sys
import threading
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from bnviz import train
from bnviz.data import idx_files, published
from bnviz.data.datasets import LOADERS, DatasetError, load, stratified_split
from bnviz.experiment import Experiment
from bnviz.experiment.knob import DATASETS

PUBLISHED = Path(os.environ.get("BNVIZ_DATA", "none")) / "mnist"
needs_published_files = pytest.mark.skipif(
    not all((PUBLISHED / f"{name}.gz").is_file() for name in published.MNIST.sha256),
    reason="MNIST's four gzipped files are not in $BNVIZ_DATA/mnist",
)
PLANAR = ("spirals", "moons", "circles")
TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of the test's own, and nothing kept from other tests."""
    monkeypatch.setenv("BNVIZ_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    load.cache_clear()
    yield tmp_path / "home"
    load.cache_clear()


def idx(values: np.ndarray) -> bytes:
    """Values as an IDX file of unsigned bytes."""
    return (
        struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
        + values.astype(np.uint8).tobytes()
    )


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Four small files in MNIST's format, uncompressed, by name; BNVIZ_DATA is unset."""
    generator = np.random.default_rng(5)
    content = {}
    for part, examples in (("train", 12), ("t10k", 6)):
        content[f"{part}-images-idx3-ubyte"] = idx(generator.integers(0, 256, (examples, 28, 28)))
        content[f"{part}-labels-idx1-ubyte"] = idx(generator.integers(0, 10, examples))
    sums = {name: sha256(each).hexdigest() for name, each in content.items()}
    monkeypatch.setattr(published, "MNIST", replace(published.MNIST, sha256=sums))
    monkeypatch.delenv("BNVIZ_DATA", raising=False)
    return content


class Mirror(ThreadingHTTPServer):
    """A web server on this machine that answers with the bytes it is given, by file name."""

    daemon_threads = True

    def __init__(self, answers: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.answers = answers
        self.requested: list[str] = []
        self.cut_at: int | None = None  # send this many bytes of what was announced
        self.before_end = threading.Event()  # set when all but the end was sent
        self.release = threading.Event()  # the end is sent once this is set
        self.release.set()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away in the middle is part of the tests."""


class Answer(BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        name = self.path.removeprefix("/")
        self.server.requested.append(name)
        if name not in self.server.answers:
            self.send_error(404)
            return
        body = self.server.answers[name]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        half = len(body) // 2
        self.wfile.write(body[:half])
        self.wfile.flush()
        self.server.before_end.set()
        self.server.release.wait(60)
        self.wfile.write(body[half : self.server.cut_at])

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def mirror_of(answers: dict[str, bytes]) -> Iterator[Mirror]:
    """A mirror with these files, at work within the block."""
    server = Mirror(answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.release.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """The one mirror there is, with nothing on it."""
    with mirror_of({}) as server:
        set_mirrors(monkeypatch, server.url)
        yield server


@pytest.fixture
def mirror(small: dict[str, bytes], server: Mirror) -> Mirror:
    """A mirror with the four small files, gzipped."""
    server.answers = {f"{name}.gz": gzip.compress(content) for name, content in small.items()}
    return server


def set_mirrors(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Have MNIST's files at these addresses alone."""
    monkeypatch.setattr(published, "MNIST", replace(published.MNIST, mirrors=addresses))


def unused_address() -> str:
    """A mirror's address at which nothing listens."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        port = server.server_address[1]
    return f"http://127.0.0.1:{port}/"


def put(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def files_below(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def refusal(name: str = "mnist") -> str:
    """The message with which a dataset is refused; it is one sentence."""
    with pytest.raises(DatasetError) as caught:
        load(name)
    message = str(caught.value)
    assert message
    assert "\n" not in message
    assert ". " not in message
    return message


# What the datasets hold


def test_every_name_an_experiment_knows_has_a_loader():
    assert set(LOADERS) == set(DATASETS)


@pytest.mark.parametrize("name", ["digits", "textures", *PLANAR])
def test_a_dataset_is_read_only_and_consistent(name):
    dataset = load(name)
    assert dataset.name == name
    for split in (dataset.train, dataset.test):
        assert split.inputs.shape == (len(split.labels), *dataset.shape)
        assert split.labels.dtype == np.int64
        assert set(np.unique(split.labels)) == set(range(len(dataset.classes)))
        for array in (split.inputs, split.labels):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0


@pytest.mark.parametrize("name", ["digits", "textures", *PLANAR])
def test_a_dataset_is_loaded_once_and_the_same_whatever_the_global_seed(name):
    first = load(name)
    assert load(name) is first
    load.cache_clear()
    np.random.seed(99)
    second = load(name)
    assert second is not first
    for mine, theirs in ((first.train, second.train), (first.test, second.test)):
        assert np.array_equal(mine.inputs, theirs.inputs)
        assert np.array_equal(mine.labels, theirs.labels)


def test_digits_are_those_of_scikit_learn_each_on_one_side_only():
    digits = load("digits")
    assert (len(digits.train.labels), len(digits.test.labels)) == (1437, 360)
    assert (digits.shape, digits.scale, digits.train.inputs.dtype) == ((1, 8, 8), 1 / 16, np.uint8)
    pixels, labels = load_digits(return_X_y=True)
    original = np.column_stack([pixels, labels]).astype(np.int64)
    ours = np.concatenate(
        [np.column_stack([part.inputs.reshape(-1, 64), part.labels]) for part in (digits.train, digits.test)]
    )
    assert np.array_equal(ours[np.lexsort(ours.T)], original[np.lexsort(original.T)])


def test_a_stratified_split_gives_each_class_its_share_in_mixed_order():
    labels = np.repeat([0, 1, 2], [5, 50, 201])
    train, test = stratified_split(labels)
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(256))
    for label, count in enumerate(np.bincount(labels)):
        assert abs((labels[test] == label).sum() - count / 5) < 1
    assert (np.diff(labels[test]) < 0).any()
    assert all(map(np.array_equal, stratified_split(labels), (train, test)))


@pytest.mark.parametrize("name", PLANAR)
def test_planar_data_are_balanced_and_stay_within_the_square_that_is_drawn(name):
    dataset = load(name)
    assert (dataset.shape, dataset.scale, dataset.train.inputs.dtype) == ((2,), 1.0, np.float32)
    assert np.array_equal(np.bincount(dataset.train.labels), [500, 500])
    assert np.array_equal(np.bincount(dataset.test.labels), [250, 250])
    both = np.concatenate([dataset.train.inputs, dataset.test.inputs])
    assert np.abs(both).max() <= 1.5
    assert len(np.unique(both, axis=0)) == 1500


@pytest.mark.parametrize("name", PLANAR)
def test_planar_classes_can_be_told_apart_by_neighbours_but_not_by_a_line(name):
    dataset = load(name)
    train, test = dataset.train, dataset.test
    distances = ((test.inputs[:, None] - train.inputs[None]) ** 2).sum(-1)
    assert (train.labels[distances.argmin(1)] == test.labels).mean() > 0.97

    design = np.column_stack([train.inputs, np.ones(len(train.inputs))])
    line, *_ = np.linalg.lstsq(design, 2.0 * train.labels - 1.0, rcond=None)
    assert (((design @ line) > 0) == train.labels).mean() < 0.9


def test_an_unknown_name_is_refused_with_what_is_allowed():
    message = refusal("imagenet")
    assert "'imagenet'" in message
    assert all(name in message for name in DATASETS)


# The published MNIST


@needs_published_files
def test_mnist_has_the_known_shapes_labels_and_pixels():
    dataset = load("mnist")
    assert dataset.train.inputs.shape == (60_000, 1, 28, 28)
    assert dataset.test.inputs.shape == (10_000, 1, 28, 28)
    assert (dataset.shape, dataset.scale, dataset.train.inputs.dtype) == ((1, 28, 28), 1 / 255, np.uint8)
    assert np.bincount(dataset.train.labels).tolist() == TRAIN_COUNTS
    assert np.bincount(dataset.test.labels).tolist() == TEST_COUNTS
    assert dataset.train.labels[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]
    assert not dataset.train.inputs.flags.writeable
    assert not dataset.train.labels.flags.writeable
    # The published mean and standard deviation of MNIST's training pixels.
    assert dataset.train.inputs.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert dataset.train.inputs.std() / 255 == pytest.approx(0.3081, abs=5e-5)


def test_textures_are_colour_images_whose_class_no_mean_colour_tells():
    dataset = load("textures")
    assert dataset.shape == (3, 32, 32)
    assert np.bincount(dataset.train.labels).tolist() == [400] * 10
    assert np.bincount(dataset.test.labels).tolist() == [100] * 10
    colours = [split.inputs.mean(axis=(2, 3)) / 255 for split in (dataset.train, dataset.test)]
    by_colour = LogisticRegression(max_iter=1000).fit(colours[0], dataset.train.labels)
    assert by_colour.score(colours[1], dataset.test.labels) < 0.2
    # The direction and the size differ: no class is a fixed image.
    same_class = dataset.train.inputs[dataset.train.labels == 0][:50].astype(float).mean(axis=0)
    assert same_class.std() < 30


@needs_published_files
def test_fashion_mnist_has_the_published_shapes_and_a_thousand_examples_of_each_class_held_out():
    if not (PUBLISHED.parent / "fashion-mnist").is_dir():
        pytest.skip("Fashion-MNIST's files are not in $BNVIZ_DATA/fashion-mnist")
    dataset = load("fashion-mnist")
    assert (dataset.train.inputs.shape, dataset.test.inputs.shape) == (
        (60_000, 1, 28, 28),
        (10_000, 1, 28, 28),
    )
    assert np.bincount(dataset.train.labels).tolist() == [6_000] * 10
    assert np.bincount(dataset.test.labels).tolist() == [1_000] * 10
    assert dataset.classes[9] == "ankle boot"
    # The first example that was published is an ankle boot: dark above, bright at the sole.
    assert dataset.train.labels[0] == 9


def test_a_file_of_another_dataset_is_refused_by_its_sum(small, home):
    put(home / "fashion-mnist", small)
    message = refusal("fashion-mnist")
    assert "Fashion-MNIST" in message
    assert "SHA-256" in message


def test_files_that_the_system_has_installed_are_found(small, tmp_path, monkeypatch):
    sums = {name: sha256(content).hexdigest() for name, content in small.items()}
    files = replace(published.FASHION_MNIST, sha256=sums, installed=put(tmp_path / "usr", small), mirrors=())
    monkeypatch.setattr(published, "FASHION_MNIST", files)
    assert load("fashion-mnist").train.inputs.shape == (12, 1, 28, 28)


@needs_published_files
def test_mnist_binary_is_mnist_thresholded_at_one_half():
    grey, binary = load("mnist"), load("mnist-binary")
    assert (binary.scale, binary.train.inputs.dtype) == (1.0, np.uint8)
    for ours, original in ((binary.train, grey.train), (binary.test, grey.test)):
        assert np.array_equal(ours.inputs, original.inputs / np.float32(255) > 0.5)
        assert np.array_equal(ours.labels, original.labels)
        assert not ours.inputs.flags.writeable


@needs_published_files
def test_the_published_files_can_be_downloaded(server, home, monkeypatch):
    monkeypatch.delenv("BNVIZ_DATA")
    server.answers = {
        f"{name}.gz": (PUBLISHED / f"{name}.gz").read_bytes() for name in published.MNIST.sha256
    }
    assert np.bincount(load("mnist").train.labels).tolist() == TRAIN_COUNTS
    assert files_below(home) == sorted(server.answers)


@needs_published_files
@pytest.mark.parametrize(
    "spoil", [lambda file: file[:-1000], lambda file: file[:5000] + bytes([file[5000] ^ 1]) + file[5001:]]
)
def test_a_published_file_that_is_spoilt_is_refused(spoil, home, monkeypatch):
    name = "t10k-images-idx3-ubyte"
    monkeypatch.delenv("BNVIZ_DATA")
    put(home / "mnist", {name: spoil((PUBLISHED / f"{name}.gz").read_bytes())})
    with pytest.raises(DatasetError, match="SHA-256"):
        published.MNIST.read(name)


# Finding and verifying the files


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("place", ["data", "cache"])
def test_files_are_found_gzipped_or_not_in_the_data_folder_and_in_the_cache(
    zipped, place, small, home, tmp_path, monkeypatch
):
    folder = home / "mnist"
    if place == "data":
        monkeypatch.setenv("BNVIZ_DATA", str(tmp_path / "data"))
        folder = tmp_path / "data" / "mnist"
    put(folder, {f"{name}.gz": gzip.compress(each) for name, each in small.items()} if zipped else small)
    dataset = load("mnist")
    assert dataset.train.inputs.shape == (12, 1, 28, 28)
    assert dataset.test.inputs.tobytes() == small["t10k-images-idx3-ubyte"][16:]
    assert dataset.test.labels.tolist() == list(small["t10k-labels-idx1-ubyte"][8:])


def truncated(content: bytes) -> bytes:
    return content[:-100]


def corrupted(content: bytes) -> bytes:
    return content[:60] + bytes([content[60] ^ 1]) + content[61:]


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "spoil", [truncated, corrupted, lambda _: b""], ids=["truncated", "corrupted", "empty"]
)
def test_a_spoilt_file_is_refused_and_named(spoil, zipped, small, home, mirror):
    name = "train-images-idx3-ubyte"
    files = {f"{each}.gz": gzip.compress(small[each]) for each in small} if zipped else dict(small)
    path = f"{name}.gz" if zipped else name
    put(home / "mnist", files | {path: spoil(files[path])})
    before = files_below(home)
    assert str(home / "mnist" / path) in refusal()
    assert files_below(home) == before
    assert not mirror.requested


def test_swapped_files_are_refused_though_each_is_whole(small, home):
    put(
        home / "mnist",
        small
        | {
            "train-labels-idx1-ubyte": small["t10k-labels-idx1-ubyte"],
            "t10k-labels-idx1-ubyte": small["train-labels-idx1-ubyte"],
        },
    )
    assert "train-labels-idx1-ubyte" in refusal()


def test_a_file_that_unpacks_to_gigabytes_is_refused_early(small, home, monkeypatch):
    monkeypatch.setattr(idx_files, "LARGEST", 10_000)
    put(home / "mnist", {"train-images-idx3-ubyte.gz": gzip.compress(bytes(50_000_000), 1)})
    assert "damaged" in refusal()


def test_an_idx_file_is_read_by_its_header():
    values = np.arange(24).reshape(2, 3, 4)
    assert np.array_equal(idx_files.parse_idx(idx(values)), values)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\x08",
        b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0",  # floats
        b"\x01\0\x08\x01\0\0\0\x01\0",
        b"\0\0\x08\x03\0\0\0\x01",
        b"\0\0\x08\x01\0\0\0\x05abcd",
        b"\0\0\x08\x01\0\0\0\x03abcd",
    ],
)
def test_what_is_no_idx_file_of_bytes_is_refused(content):
    with pytest.raises(ValueError, match="IDX"):
        idx_files.parse_idx(content)


# Downloading


def test_files_that_are_missing_are_downloaded_once(small, mirror, home):
    put(home / "mnist", {"t10k-labels-idx1-ubyte": small["t10k-labels-idx1-ubyte"]})
    first = load("mnist")
    assert first.train.inputs.tobytes() == small["train-images-idx3-ubyte"][16:]
    missing = sorted(f"{name}.gz" for name in small if name != "t10k-labels-idx1-ubyte")
    assert sorted(mirror.requested) == missing
    assert files_below(home) == sorted([*missing, "t10k-labels-idx1-ubyte"])
    load.cache_clear()
    assert np.array_equal(load("mnist").train.inputs, first.train.inputs)
    assert len(mirror.requested) == 3


def test_a_download_that_a_server_unpacked_is_kept_under_the_right_name(small, mirror, home):
    mirror.answers = {f"{name}.gz": content for name, content in small.items()}
    load("mnist")
    assert files_below(home) == sorted(small)
    load.cache_clear()
    mirror.answers = {}
    load("mnist")


@pytest.mark.parametrize(
    "fault", ["truncated", "cut off", "corrupted", "swapped", "a web page", "404", "refused"]
)
def test_a_download_that_fails_says_the_ways_out_and_leaves_nothing_in_the_cache(
    fault, mirror, home, monkeypatch
):
    name = "train-images-idx3-ubyte.gz"
    good = mirror.answers[name]
    if fault == "cut off":
        mirror.cut_at = -50
    elif fault == "refused":
        set_mirrors(monkeypatch, unused_address())
    elif fault == "404":
        mirror.answers = {}
    else:
        mirror.answers[name] = {
            "truncated": truncated(good),
            "corrupted": corrupted(good),
            "swapped": mirror.answers["t10k-images-idx3-ubyte.gz"],
            "a web page": b"<html>Sign in to this network</html>",
        }[fault]
    message = refusal()
    assert not home.exists()
    assert name in message
    assert "choose digits" in message
    assert all(each in message for each in published.MNIST.sha256)
    assert str(home / "mnist") in message
    assert "127.0.0.1" in message


def test_the_folder_that_a_failed_download_names_is_one_that_is_looked_into(small, tmp_path, monkeypatch):
    set_mirrors(monkeypatch, unused_address())
    monkeypatch.setenv("BNVIZ_DATA", str(tmp_path / "data"))
    named = refusal().rpartition(" the folder ")[2]
    put(Path(named), small)
    assert load("mnist").train.inputs.shape == (12, 1, 28, 28)


def test_a_mirror_that_fails_is_followed_by_the_next(mirror, home, monkeypatch):
    set_mirrors(monkeypatch, unused_address(), mirror.url)
    assert load("mnist").train.inputs.shape == (12, 1, 28, 28)
    assert files_below(home) == sorted(mirror.answers)


def test_a_failure_is_not_remembered(mirror, home):
    answers, mirror.answers = mirror.answers, {}
    refusal()
    mirror.answers = answers
    assert load("mnist").train.inputs.shape == (12, 1, 28, 28)


def test_a_cache_that_cannot_be_written_is_named(mirror, home):
    home.write_bytes(b"a file where the folder should be")
    message = refusal()
    assert str(home) in message
    assert "BNVIZ_HOME" in message


DOWNLOAD = """
import dataclasses, json, sys
from bnviz.data import published
from bnviz.data.datasets import load
sums, mirrors = json.loads(sys.argv[1])
published.MNIST = dataclasses.replace(published.MNIST, sha256=sums, mirrors=mirrors)
print(load("mnist").train.inputs.sum())
"""


def start_download() -> subprocess.Popen[str]:
    """Another process that loads MNIST from the same mirror into the same cache."""
    arguments = [
        sys.executable,
        "-c",
        DOWNLOAD,
        json.dumps([published.MNIST.sha256, published.MNIST.mirrors]),
    ]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def test_processes_that_download_at_once_do_not_hurt_each_other(small, mirror, home):
    mirror.release.clear()
    processes = [start_download(), start_download()]
    while len(mirror.requested) < 2 and all(process.poll() is None for process in processes):
        time.sleep(0.02)
    mirror.release.set()
    expected = sum(small["train-images-idx3-ubyte"][16:])
    for process in processes:
        printed, _ = process.communicate()
        assert (process.returncode, printed) == (0, f"{expected}\n")
    assert files_below(home) == sorted(mirror.answers)


def test_a_process_killed_while_it_downloads_leaves_nothing_in_the_cache(mirror, home):
    mirror.release.clear()
    process = start_download()
    while not mirror.before_end.wait(0.05) and process.poll() is None:
        pass
    process.kill()
    process.communicate()
    assert mirror.before_end.is_set()
    assert not home.exists()


# A user's own images


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of ten bright and fifteen dark pictures of odd sizes, below BNVIZ_DATA."""
    monkeypatch.setenv("BNVIZ_DATA", str(tmp_path / "data"))
    folder = tmp_path / "data" / "pictures"
    for kind, count, grey in (("dark", 15, 20), ("bright", 10, 200)):
        (folder / kind).mkdir(parents=True)
        for number in range(count):
            color = (grey + number,) * 3
            Image.new("RGB", (30 + number, 50), color).save(folder / kind / f"{number}.png")
    return folder


def test_a_folder_of_images_is_a_dataset(pictures):
    (pictures / "dark" / "notes.txt").write_text("no image")
    (pictures / ".hidden").mkdir()
    dataset = load("folder:pictures")
    assert Experiment(dataset="folder:pictures").dataset == dataset.name
    assert (dataset.classes, dataset.shape, dataset.scale) == (("bright", "dark"), (1, 28, 28), 1 / 255)
    assert np.bincount(dataset.train.labels).tolist() == [8, 12]
    assert np.bincount(dataset.test.labels).tolist() == [2, 3]
    for split in (dataset.train, dataset.test):
        assert split.inputs.dtype == np.uint8
        assert not split.inputs.flags.writeable
        assert np.array_equal(split.inputs.max((1, 2, 3)) < 100, split.labels == 1)
    levels = np.concatenate([dataset.train.inputs, dataset.test.inputs])[:, 0, 0, 0]
    assert sorted(levels) == [*range(20, 35), *range(200, 210)]
    load.cache_clear()
    assert np.array_equal(load("folder:pictures").test.inputs, dataset.test.inputs)


def test_images_keep_their_brightness_whatever_their_format(pictures):
    for path in (pictures / "dark").iterdir():
        path.unlink()
    half = np.full((40, 40), 128 * 257, np.uint16)
    Image.fromarray(half).save(pictures / "dark" / "sixteen-bit.png")
    Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save(pictures / "dark" / "transparent.png")
    Image.new("L", (40, 40), 60).save(pictures / "dark" / "photo.JPG")
    Image.new("P", (40, 40), 0).save(pictures / "dark" / "palette.gif")
    dataset = load("folder:pictures")
    inputs = np.concatenate([dataset.train.inputs, dataset.test.inputs])
    labels = np.concatenate([dataset.train.labels, dataset.test.labels])
    assert sorted(inputs[labels == 1, 0, 14, 14]) == [0, 60, 128, 255]


def test_a_folder_that_is_missing_is_named(pictures):
    assert str(pictures.parent / "other") in refusal("folder:other")


def test_a_folder_needs_the_data_folder(monkeypatch):
    monkeypatch.delenv("BNVIZ_DATA", raising=False)
    assert "BNVIZ_DATA" in refusal("folder:pictures")


def test_a_folder_with_one_class_is_refused(pictures):
    (pictures / "bright").rename(pictures.parent / "elsewhere")
    assert "has 1" in refusal("folder:pictures")


def test_a_class_without_images_is_refused(pictures):
    (pictures / "empty").mkdir()
    assert str(pictures / "empty") in refusal("folder:pictures")


@pytest.mark.parametrize(
    "spoil", [truncated, lambda _: b"no image", lambda _: b""], ids=["cut", "text", "empty"]
)
def test_an_image_that_cannot_be_read_is_named(spoil, pictures):
    path = pictures / "dark" / "3.png"
    generator = np.random.default_rng(0)
    Image.fromarray(generator.integers(0, 256, (40, 40), dtype=np.uint8)).save(path)
    path.write_bytes(spoil(path.read_bytes()))
    assert str(path) in refusal("folder:pictures")


@pytest.mark.parametrize(
    "name", ["..", "../data/pictures", "/etc", "a/b", "", "pictures\n", "pictures/../../x"]
)
def test_a_name_that_leads_out_of_the_data_folder_is_refused(name, pictures):
    assert "is not allowed" in refusal(f"folder:{name}")


def test_a_link_that_leads_out_of_the_data_folder_is_refused(pictures, tmp_path):
    Image.new("L", (30, 30)).save(tmp_path / "private.png")
    link = pictures / "dark" / "link.png"
    try:
        link.symlink_to(tmp_path / "private.png")
    except OSError:
        pytest.skip("this user may not make symbolic links")
    assert str(link) in refusal("folder:pictures")


def test_a_photo_stands_as_viewers_show_it(pictures):
    half = Image.new("L", (60, 40))
    half.paste(255, (0, 0, 30, 40))
    turned = Image.Exif()
    turned[0x0112] = 6  # to be shown a quarter turn clockwise
    for path in (pictures / "dark").iterdir():
        path.unlink()
    for number in range(5):
        half.save(pictures / "dark" / f"{number}.jpg", exif=turned)
    dataset = load("folder:pictures")
    photo = dataset.train.inputs[dataset.train.labels == 1][0, 0]
    assert photo[3].mean() > 200
    assert photo[-4].mean() < 50


@pytest.mark.parametrize("name", ["more.jfif", "more.JPE", "more.tif", "more.tiff"])
def test_a_format_by_another_suffix_is_read_and_an_image_added_later_is_seen(name, pictures):
    before = load("folder:pictures")
    assert load("folder:pictures") is before
    kind = "TIFF" if "tif" in name else "JPEG"
    Image.new("L", (40, 40), 60).save(pictures / "dark" / name, format=kind)
    after = load("folder:pictures")
    assert len(after.train.labels) + len(after.test.labels) == 26


@pytest.mark.parametrize("name", ["photo.heic", "drawing.SVG"])
def test_images_that_cannot_be_read_are_counted_and_named(name, pictures):
    (pictures / "dark" / name).write_bytes(b"something")
    assert f"holds 1 images that cannot be read, such as {name}" in refusal("folder:pictures")


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("normalizer", ["none", "batch", "whiten"])
def test_a_folder_of_four_or_five_images_trains_with_two_held_out(count, normalizer, pictures):
    for kind, kept in (("dark", count), ("bright", 2)):
        for path in sorted((pictures / kind).iterdir())[kept:]:
            path.unlink()
    dataset = load("folder:pictures")
    assert (len(dataset.train.labels), sorted(dataset.test.labels)) == (count, [0, 1])
    recording = train(Experiment(dataset="folder:pictures", hidden=(4,), steps=4, normalizer=normalizer))
    assert recording.last_step == 4
    assert np.isfinite(recording.layers[["mean", "std", "q50", "drift"]]).all(axis=None)


@pytest.mark.parametrize("name", ["my cats", "cats.v1", "a*b"])
def test_a_folder_name_that_is_refused_says_what_a_name_may_hold(name, pictures):
    assert "a <name> has 1 to 60 letters, digits, - and _" in refusal(f"folder:{name}")


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", ["NFC", "NFD"])
def test_a_folder_with_an_umlaut_is_found_however_its_name_is_written(on_disk, asked, pictures):
    composed = "K\u00e4fer"
    pictures.rename(pictures.parent / unicodedata.normalize(on_disk, composed))
    name = f"folder:{unicodedata.normalize(asked, composed)}"
    assert len(load(name).classes) == 2
    assert Experiment(dataset=name).dataset == f"folder:{composed}"
