"""Folders of images in colour, at other sizes, in ImageNet's layout, and the file in which they are kept."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bnviz import train
from bnviz.data import image_folder
from bnviz.data.dataset import Dataset
from bnviz.data.datasets import DatasetError, load
from bnviz.engine.trainer import Trainer
from bnviz.experiment import Experiment
from bnviz.experiment.progress import on_progress
from bnviz.runs.cost import step_millions

COLOURS = {"red": (220, 30, 10), "green": (30, 200, 40), "blue": (0, 10, 250)}
RGB = 32


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("BNVIZ_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BNVIZ_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(image_folder, "KEPT_FROM", 20)
    load.cache_clear()
    yield tmp_path / "home" / "images"
    load.cache_clear()


def painted(folder: Path, counts: dict[str, int]) -> Path:
    """A class for each colour, whose images differ in size, and in a pixel's worth of colour."""
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            red, green, blue = COLOURS[name]
            Image.new("RGB", (40 + number, 70), (red, green, blue - number)).save(
                folder / name / f"{number}.png"
            )
    return folder


@pytest.fixture
def flags(tmp_path: Path) -> Path:
    return painted(tmp_path / "data" / "flags", {"red": 10, "green": 15})


@pytest.fixture
def imagenet(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "imagenet"
    painted(folder / "train", {"red": 6, "green": 8, "blue": 4})
    painted(folder / "val", {"red": 1, "green": 2, "blue": 3})
    return folder


def pixels(dataset: Dataset) -> list[tuple[int, ...]]:
    """The corner pixel and label of every example, those to learn from first."""
    return [
        (*(int(value) for value in image[:, 0, 0]), int(label))
        for split in (dataset.train, dataset.test)
        for image, label in zip(split.inputs, split.labels, strict=True)
    ]


def refusal(name: str) -> str:
    with pytest.raises(DatasetError) as caught:
        load(f"folder:{name}", RGB)
    message = str(caught.value)
    assert ". " not in message
    return message


@pytest.mark.parametrize("size", [28, 32, 64])
def test_images_are_read_in_colour_at_the_chosen_size(size: int, flags: Path) -> None:
    dataset = load("folder:flags", size)
    assert dataset.shape == (3, size, size)
    for split in (dataset.train, dataset.test):
        assert split.inputs.shape == (len(split.labels), 3, size, size)
        assert not split.inputs.flags.writeable
    labels = {name: label for label, name in enumerate(dataset.classes)}
    expected = [
        (*COLOURS[name][:2], COLOURS[name][2] - number, labels[name])
        for name, count in (("red", 10), ("green", 15))
        for number in range(count)
    ]
    assert sorted(pixels(dataset)) == sorted((r, g, max(b, b % 256), n) for r, g, b, n in expected)


def test_colours_are_those_of_each_channel_scaled_alone_from_the_middle_of_the_image(flags: Path) -> None:
    photo = np.random.default_rng(3).integers(0, 256, (50, 90, 3), np.uint8)
    for kind in ("red", "green"):
        for path in (flags / kind).iterdir():
            Image.fromarray(photo).save(path)
    alone = [
        Image.fromarray(photo[:, 20:70, c]).resize((32, 32), Image.Resampling.BILINEAR) for c in range(3)
    ]
    found = load("folder:flags", RGB).train.inputs[0]
    # Pillow's fit also looks at the pixels just outside of what it cuts.
    assert np.array_equal(found[:, :, 1:-1], np.stack([np.asarray(c) for c in alone])[:, :, 1:-1])


def test_a_colour_folder_is_as_bright_whatever_the_format(flags: Path) -> None:
    for path in (flags / "red").iterdir():
        path.unlink()
    Image.fromarray(np.full((40, 40), 128 * 257, np.uint16)).save(flags / "red" / "sixteen-bit.png")
    Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save(flags / "red" / "transparent.png")
    Image.new("L", (40, 40), 60).save(flags / "red" / "grey.tif")
    Image.new("CMYK", (40, 40), (0, 255, 255, 0)).save(flags / "red" / "print.tif")
    dataset = load("folder:flags", RGB)
    red = [item[:3] for item in pixels(dataset) if dataset.classes[item[3]] == "red"]
    assert sorted(red) == [(60, 60, 60), (128, 128, 128), (255, 0, 0), (255, 255, 255)]


def test_a_chosen_size_is_in_colour_and_without_one_a_folder_is_grey_as_in_every_earlier_link(
    flags: Path,
) -> None:
    experiment = Experiment.from_query("dataset=folder:flags")
    assert load("folder:flags", experiment.image_side) is load("folder:flags")
    assert load("folder:flags").shape == (1, 28, 28)
    assert "image_size" not in experiment.to_query()
    chosen = Experiment.from_query("dataset=folder:flags&image_size=28")
    assert load("folder:flags", chosen.image_side).shape == (3, 28, 28)


def test_a_folder_of_grey_images_has_one_channel_at_any_size(flags: Path) -> None:
    for path in flags.glob("*/*.png"):
        Image.open(path).convert("L").save(path)
    assert load("folder:flags", 32).shape == (1, 32, 32)
    Image.new("RGB", (40, 40), (9, 9, 10)).save(flags / "red" / "one.png")
    assert load("folder:flags", 32).shape == (3, 32, 32)


def test_the_image_size_has_no_effect_on_other_examples_and_counts_in_a_runs_cost() -> None:
    changed = Experiment(image_size="64")
    assert "image_size" in changed.without_effect
    assert step_millions(changed) == step_millions(Experiment())
    mine = Experiment(dataset="folder:flags", hidden=(10,))
    # One layer of 10 units and 10 classes, for each of 60 examples.
    assert step_millions(mine) == pytest.approx(60 * 10 * (784 + 10) / 1e6)
    assert step_millions(mine.replace(image_size="64")) == pytest.approx(60 * 10 * (3 * 64 * 64 + 10) / 1e6)


@pytest.mark.parametrize("architecture", ["mlp", "conv", "inception", "residual"])
def test_every_kind_of_network_trains_on_a_folder_in_colour(architecture: str, flags: Path) -> None:
    experiment = Experiment(
        dataset="folder:flags",
        image_size="32",
        architecture=architecture,
        hidden=(8, 8),
        activation="relu",
        batch_size=10,
        augment="shift-flip",
        input_normalization="per-channel",
        steps=3,
        device="cpu",
    )
    recording = train(experiment)
    assert recording.last_step == 3
    assert np.isfinite(recording.layers[["mean", "std"]]).all(axis=None)


# ImageNet's layout


def test_imagenets_layout_says_what_is_held_out(imagenet: Path) -> None:
    dataset = load("folder:imagenet", RGB)
    assert dataset.classes == ("blue", "green", "red")
    assert np.bincount(dataset.train.labels).tolist() == [4, 8, 6]
    assert np.bincount(dataset.test.labels).tolist() == [3, 2, 1]
    for split in (dataset.train, dataset.test):
        brightest = split.inputs[:, :, 0, 0].argmax(1)
        assert [dataset.classes[label] for label in split.labels] == [
            ("red", "green", "blue")[channel] for channel in brightest
        ]
    assert (np.diff(dataset.train.labels) < 0).any()


def test_classes_called_train_and_val_are_classes_where_they_hold_images(tmp_path: Path) -> None:
    folder = painted(tmp_path / "data" / "vehicles", {"red": 4, "green": 4})
    (folder / "red").rename(folder / "train")
    (folder / "green").rename(folder / "val")
    (folder / "train" / "more").mkdir()
    (folder / "val" / "more").mkdir()
    assert load("folder:vehicles", RGB).classes == ("train", "val")


def test_classes_that_differ_between_train_and_val_are_named(imagenet: Path) -> None:
    (imagenet / "val" / "blue").rename(imagenet / "val" / "violet")
    assert "only one of them has blue, violet" in refusal("imagenet")


@pytest.mark.parametrize("name", ["valid", "Validation", "test"])
def test_what_is_held_out_may_have_another_name(name: str, imagenet: Path) -> None:
    (imagenet / "val").rename(imagenet / name)
    assert np.bincount(load("folder:imagenet", RGB).test.labels).tolist() == [3, 2, 1]


def test_a_third_part_is_not_left_out_without_a_word(imagenet: Path) -> None:
    painted(imagenet / "test", {"red": 1})
    assert "and also test" in refusal("imagenet")


def test_a_class_without_images_in_one_part_is_named(imagenet: Path) -> None:
    (imagenet / "val" / "red" / "0.png").unlink()
    assert f"{imagenet / 'val' / 'red'} needs 1 or more" in refusal("imagenet")


# The file


def reload(name: str = "flags") -> Dataset:
    load.cache_clear()
    return load(f"folder:{name}", RGB)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The images that are decoded from now on."""
    paths: list[Path] = []
    reader = image_folder.ImageReader.__call__

    def watched(self: image_folder.ImageReader, path: Path) -> np.ndarray:
        paths.append(path)
        return reader(self, path)

    monkeypatch.setattr(image_folder.ImageReader, "__call__", watched)
    return paths


def test_images_are_decoded_once_and_then_mapped_from_one_file(
    flags: Path, home: Path, decoded: list[Path]
) -> None:
    first = reload()
    assert len(decoded) == 25
    again = reload()
    assert len(decoded) == 25
    assert pixels(again) == pixels(first)
    (file,) = home.iterdir()
    assert file.suffix == ".npy"
    mapped = again.train.inputs
    while isinstance(mapped, np.ndarray) and not isinstance(mapped, np.memmap):
        mapped = mapped.base
    assert isinstance(mapped, np.memmap)


@pytest.mark.parametrize("change", ["content", "time", "more", "fewer", "renamed", "class"])
def test_a_folder_that_has_changed_is_decoded_anew_and_the_old_file_goes(
    change: str, flags: Path, home: Path, decoded: list[Path]
) -> None:
    reload()
    (old,) = home.iterdir()
    path = flags / "red" / "0.png"
    if change == "content":
        Image.new("RGB", (40, 70), (1, 2, 3)).save(path)
    elif change == "time":
        os.utime(path, ns=(1, 1))
    elif change == "more":
        Image.new("RGB", (40, 70), (1, 2, 3)).save(flags / "red" / "99.png")
    elif change == "fewer":
        path.unlink()
    elif change == "renamed":
        path.rename(flags / "red" / "98.png")
    else:
        (flags / "red").rename(flags / "scarlet")
    decoded.clear()
    reload()
    assert decoded
    (new,) = home.iterdir()
    assert new != old


@pytest.mark.parametrize("spoil", [lambda c: c[:-1] + bytes([c[-1] ^ 1]), lambda c: c[:-500], lambda c: b""])
def test_a_kept_file_that_is_damaged_is_made_anew(
    spoil, flags: Path, home: Path, decoded: list[Path]
) -> None:
    right = pixels(reload())
    (file,) = home.iterdir()
    content = spoil(file.read_bytes())
    file.unlink()  # another process may map the old bytes
    file.write_bytes(content)
    decoded.clear()
    assert pixels(reload()) == right
    assert len(decoded) == 25


def test_another_size_or_colour_is_another_file(flags: Path, home: Path) -> None:
    load("folder:flags", RGB)
    load("folder:flags")
    load("folder:flags", 64)
    assert len(list(home.iterdir())) == 3


def test_a_link_that_leads_nowhere_is_refused_even_if_the_rest_is_kept(flags: Path) -> None:
    reload()
    try:
        (flags / "red" / "gone.png").symlink_to(flags / "red" / "nothing.png")
    except OSError:
        pytest.skip("this user may not make symbolic links")
    load.cache_clear()
    assert "gone.png cannot be read" in refusal("flags")


def test_where_no_file_can_be_kept_the_images_are_in_memory(flags: Path, home: Path) -> None:
    home.parent.write_text("a file where the folder would be")
    assert len(pixels(reload())) == 25


def test_images_are_decoded_by_threads_and_progress_is_reported_to_its_end(
    flags: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_folder.os, "cpu_count", lambda: 4)
    together = threading.Barrier(2)  # passed only if two images are decoded at once
    reader = image_folder.ImageReader.__call__

    def waiting(self: image_folder.ImageReader, path: Path) -> np.ndarray:
        if path.name in ("0.png", "1.png") and path.parent.name == "red":
            together.wait(60)
        return reader(self, path)

    monkeypatch.setattr(image_folder.ImageReader, "__call__", waiting)
    shares: list[float] = []
    with on_progress(shares.append):
        reload()
    assert shares == [number / 25 for number in range(1, 26)]


def test_an_image_that_cannot_be_read_leaves_no_file(flags: Path, home: Path) -> None:
    (flags / "red" / "3.png").write_bytes(b"no image")
    assert str(flags / "red" / "3.png") in refusal("flags")
    assert list(home.iterdir()) == []


def test_fewer_large_images_are_evaluated_together(flags: Path) -> None:
    small = Experiment(
        dataset="folder:flags", image_size="32", architecture="conv", hidden=(4,), device="cpu"
    )
    recorders = [Trainer(small.replace(image_size=size)).recorder for size in ("28-grey", "32", "64")]
    assert [recorder.at_once for recorder in recorders] == [500, 500, 125]


def of_all_kinds(folder: Path) -> None:
    """3,000 photos of two classes, in every format; most of them are further names of 18 files.

    Ten are of 24 million pixels.
    """
    rng = np.random.default_rng(1)
    noise = Image.fromarray(rng.integers(0, 256, (600, 800, 3), np.uint8))
    turned = Image.Exif()
    turned[0x0112] = 6
    kinds = {
        "small.jpg": noise.resize((320, 240)),
        "turned.jpeg": noise,
        "print.jpg": noise.convert("CMYK"),
        "clear.png": noise.convert("RGBA"),
        "palette.gif": noise.quantize(64),
        "deep.png": Image.fromarray(rng.integers(0, 65536, (300, 400)).astype(np.uint16)),
        "grey.webp": noise.convert("L"),
        "scan.tif": noise.convert("1"),
        "plain.bmp": noise.resize((400, 300)),
    }
    for name in ("one", "two"):
        place = folder / name
        place.mkdir(parents=True)
        for kind, image in kinds.items():
            image.save(place / kind, **({"exif": turned} if kind == "turned.jpeg" else {}))
        noise.resize((6000, 4000)).save(place / "huge.jpg")
        for number in range(5):
            (place / f"{number}-huge.jpg").hardlink_to(place / "huge.jpg")
        (place / "huge.jpg").unlink()
        for number in range(1500 - 5 - len(kinds)):
            kind = list(kinds)[number % len(kinds)]
            (place / f"{number:04}-{kind}").hardlink_to(place / kind)


MEASURED = """
import resource
from bnviz import Experiment, train
recording = train(Experiment(
    dataset="folder:photos", image_size="64", architecture="inception", hidden=(8, 16), batch_size=32, steps=20,
    activation="relu", device="cpu",
))
assert recording.finished
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@pytest.mark.slow
def test_three_thousand_photos_of_all_kinds_are_read_and_learned_from_in_less_than_two_gigabytes(
    tmp_path: Path,
) -> None:
    of_all_kinds(tmp_path / "data" / "photos")
    # The test's environment, of which BNVIZ_DATA and BNVIZ_HOME are its own.
    done = subprocess.run([sys.executable, "-c", MEASURED], check=True, capture_output=True, text=True)
    assert float(done.stdout.splitlines()[-1]) < 2000
