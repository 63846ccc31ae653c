# SPDX-License-Identifier: Apache-2.0
"""MS-TCN folders of other people: read as they are meant, or one short line with the remedy."""

from __future__ import annotations

import random
import warnings
from pathlib import Path

import numpy as np
import pytest

from m2r2_ros.datasets.mstcn import FeatureFolder, Split, read_lines
from m2r2_ros.errors import M2R2Error

LABELS = ["background", "pour the milk", "stir", "Öl zugeben"]
FRAMES, DIMENSION = 40, 6
NAMES = ("rgb-01-1", "P03_cam01")


class Variant:
    """A folder as somebody's tool wrote it, drawn by a seed."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.choose = folder, random.Random(seed)
        numbers = np.random.default_rng(seed)
        self.features = {name: numbers.normal(size=(FRAMES, DIMENSION)) for name in NAMES}
        self.truth = {
            name: [LABELS[i] for i in sorted(self.choose.choices(range(4), k=FRAMES))]
            for name in NAMES
        }

    def write(self) -> FeatureFolder:
        choose = self.choose
        for place in ("features", "groundTruth", "splits"):
            (self.folder / place).mkdir()
        gap = choose.choice([" ", "\t", "  ", " \t"])
        order = choose.sample(range(4), 4)
        self._text("mapping.txt", [f"{i}{gap}{LABELS[i]}" for i in order])
        for name in NAMES:
            tail = choose.choice(["", " ", "\t"])
            self._text(f"groundTruth/{name}.txt", [label + tail for label in self.truth[name]])
            self._features(name)
        ending = choose.choice([".txt", ""])
        for part, name in zip(("train", "test"), NAMES, strict=True):
            self._text(f"splits/{part}.split1.bundle", [name + ending])
        return FeatureFolder(self.folder)

    def _text(self, name: str, lines: list[str]) -> None:
        choose = self.choose
        end = choose.choice(["\n", "\r\n", "\r"])
        text = end.join(lines) + end * choose.randrange(4)
        encoding = choose.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16"])
        (self.folder / name).write_bytes(text.encode(encoding))

    def _features(self, name: str) -> None:
        choose = self.choose
        columns = self.features[name].T.astype(choose.choice(["f4", "f8", ">f4", "f2"]))
        self.features[name] = columns.T.astype(np.float32)
        columns = choose.choice([np.asfortranarray, np.ascontiguousarray])(columns)
        version = choose.choice([(1, 0), (2, 0), (3, 0)])
        with (self.folder / "features" / f"{name}.npy").open("wb") as file:
            np.lib.format.write_array(file, columns, version)


@pytest.mark.parametrize("seed", range(80))
def test_a_folder_of_another_tool(tmp_path, seed):
    variant = Variant(tmp_path, seed)
    with warnings.catch_warnings():
        # numpy warns about version 3 of its own format.
        warnings.simplefilter("ignore")
        folder = variant.write()
    assert folder.labels == LABELS
    assert folder.split(1) == Split((NAMES[0],), (NAMES[1],))
    for name in NAMES:
        read = folder.read(name)
        np.testing.assert_array_equal(read.features, variant.features[name])
        assert read.labels == variant.truth[name]
        assert read.features.dtype == np.float32 and read.features.flags.writeable
        assert read.features.flags.c_contiguous and read.features.dtype.isnative


def test_torch_has_nothing_to_say_about_features(tmp_path):
    torch = pytest.importorskip("torch")
    variant = Variant(tmp_path, 0)
    folder = variant.write()
    for shape in ((DIMENSION, FRAMES), (1, FRAMES), (DIMENSION, 1)):
        stored = np.asfortranarray(np.ones(shape, np.float32))
        np.save(tmp_path / "features" / "x.npy", stored)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            torch.from_numpy(folder.features("x"))


LONG = "x" * 100_000
TROUBLE = {
    "T x D": (
        lambda v: np.save(v.folder / "features" / f"{NAMES[0]}.npy", v.features[NAMES[0]]),
        "holds a row a frame (T x D), this layout has a column a frame (D x T): transpose it, "
        "np.save(file, np.load(file).T)",
    ),
    "three axes": (
        lambda v: np.save(v.folder / "features" / f"{NAMES[0]}.npy", np.ones((1, 6, 40))),
        "holds float64 (1, 6, 40), expected",
    ),
    "pointer": (
        lambda v: (v.folder / "features" / f"{NAMES[0]}.npy").write_bytes(
            b"version https://git-lfs.github.com/spec/v1\n"
        ),
        "`git lfs pull`",
    ),
    "one frame less": (
        lambda v: np.save(v.folder / "features" / f"{NAMES[0]}.npy", np.ones((6, 39))),
        "40 labels, but",
    ),
    "long mapping": (lambda v: put(v, "mapping.txt", LONG), "is not '<id> <label>'"),
    "long id": (lambda v: put(v, "mapping.txt", "9" * 5000 + " a"), "is not '<id> <label>'"),
    "long label": (lambda v: put(v, f"groundTruth/{NAMES[0]}.txt", LONG), "is not in mapping.txt"),
    "long name": (lambda v: put(v, "splits/train.split1.bundle", LONG), "is not the name of a"),
    "escape": (lambda v: put(v, "mapping.txt", "\x1b[31mred"), "is not '<id> <label>'"),
    "commas": (lambda v: put(v, "mapping.txt", "0,background"), "is not '<id> <label>'"),
    "latin": (
        lambda v: (v.folder / "mapping.txt").write_bytes("0 Öl".encode("latin-1")),
        "cannot be read as text",
    ),
    "twice": (
        lambda v: put(v, "splits/train.split1.bundle", f"{NAMES[0]}.txt\n{NAMES[0]}.txt"),
        f"names '{NAMES[0]}' 2 times: leave it in once",
    ),
}  # fmt: skip


def put(variant, name, text):
    (variant.folder / name).write_text(text, "utf-8")


@pytest.mark.parametrize(("harm", "expected"), TROUBLE.values(), ids=TROUBLE)
@pytest.mark.parametrize("seed", range(5))
def test_what_is_wrong_is_one_short_line(tmp_path, harm, expected, seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        variant = Variant(tmp_path, seed)
        folder = variant.write()
    harm(variant)
    with pytest.raises(M2R2Error) as caught:
        folder.split(1)
        folder.read(NAMES[0])
    text = str(caught.value)
    assert expected in text and text.isprintable() and len(text) < 6000


def test_a_recording_in_train_and_in_test_is_said():
    assert Split(("a", "b"), ("c",)).problems == []
    (line,) = Split(("a", "b"), ("b",)).problems
    assert line.startswith("'b' is in train and in test: ")
    (line,) = Split(("a", "b", "c"), ("c", "b")).problems
    assert line.startswith("'b' and 1 more is in train and in test: ")


def test_a_line_ends_where_an_editor_ends_it(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("a\x0bb\r\nc\u2028d\re\n\n".encode())
    assert read_lines(path) == ["a\x0bb", "c\u2028d", "e"]
