# SPDX-License-Identifier: Apache-2.0
"""A damaged cache costs the time to make its part anew, and a line that names it."""

from __future__ import annotations

import json
import os
import random
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tiny_sentences import write_sentence_encoder

torch = pytest.importorskip("torch")

from m2r2_ros.errors import M2R2Error  # noqa: E402
from m2r2_ros.experiments.stored_scores import read_stored  # noqa: E402
from m2r2_ros.sensing.layout import SensorLayout  # noqa: E402
from m2r2_ros.training import cache  # noqa: E402
from m2r2_ros.training.cached_arrays import is_intact  # noqa: E402
from m2r2_ros.training.roboact import embeddings  # noqa: E402
from m2r2_ros.training.stored_sentences import StoredSentences  # noqa: E402

LAYOUT = SensorLayout(cameras=("left",), signals=("wrench",))
ROWS = 6


def write_prepared(place: Path) -> None:
    """A cached recording of LAYOUT."""
    values = np.random.default_rng(1)
    place.mkdir(parents=True)
    sizes = {"image_left": (4, 5), "audio": (7, 3), "wrench": (9, 6)}
    for name, size in sizes.items():
        kind = np.float32 if name == "wrench" else np.float16
        np.save(place / f"{name}.npy", values.standard_normal((ROWS, *size)).astype(kind))
    for name, size in {"audio_valid": (7,), "wrench_valid": (9,), "mask": (3,)}.items():
        np.save(place / f"{name}.npy", np.ones((ROWS, *size), bool))
    (place / cache.LABELS_FILE).write_text(json.dumps(["Pick USB"] * ROWS))


def write_embeddings(place: Path) -> None:
    place.mkdir(parents=True)
    np.save(place / "times_s.npy", np.arange(ROWS) / 10)
    np.save(place / "rows.npy", np.ones((ROWS, 8), np.float16))


def damages(seed: int):
    """Ways to spoil a file: `spoil(path)`, with a name for each."""
    chance = random.Random(seed)
    yield "empty", lambda path: path.write_bytes(b"")
    yield "text", lambda path: path.write_text("hello")
    yield "gone", Path.unlink
    yield "folder", lambda path: (path.unlink(), path.mkdir())
    yield "pipe", lambda path: (path.unlink(), os.mkfifo(path))
    yield "dangling", lambda path: (path.unlink(), path.symlink_to("nothing"))
    yield "pickle", lambda path: np.save(path, np.array([{}]), allow_pickle=True)
    yield "zip", lambda path: np.savez(path.open("wb"), a=np.ones(3))
    yield "longer", lambda path: path.write_bytes(path.read_bytes() + b"\0")
    yield "deep", lambda path: path.write_bytes(b"\x93NUMPY\1\0\x88\x13" + b"(" * 5000)
    for _ in range(8):
        share = chance.random()
        yield f"cut at {share:.2f}", partial(_cut, share=share)
    for _ in range(12):
        # Within what says how large the array is and of which kind.
        at, bit = chance.randrange(10, 60), chance.randrange(7)
        yield f"bit {bit} of {at}", partial(_flip, at=at, bit=bit)


def _cut(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])


def _flip(path: Path, at: int, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(bytes(data))


def same(one: Path, other: Path) -> bool:
    """Whether two folders hold the same arrays, as far as they can be read."""
    files = sorted(path.name for path in one.glob("*.npy"))
    return all(
        np.array_equal(np.load(one / file), np.load(other / file))
        and np.load(one / file).dtype == np.load(other / file).dtype
        for file in files
    )


KINDS = {
    "prepared": (write_prepared, partial(cache._load_whole, layout=LAYOUT)),
    "embeddings": (write_embeddings, embeddings.VideoEmbeddings.load),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_array_counts_as_missing(kind, tmp_path, caplog):
    write, load = KINDS[kind]
    whole = tmp_path / "whole"
    write(whole)
    assert is_intact(whole, load)
    tried = 0
    for seed, file in enumerate(sorted(path.name for path in whole.glob("*.npy"))):
        for name, spoil in damages(seed):
            place = tmp_path / "spoilt"
            shutil.copytree(whole, place)
            spoil(place / file)
            caplog.clear()
            if is_intact(place, load):
                # numpy writes spaces into a header, and reads any.
                assert same(place, whole), f"{file}: {name}"
            else:
                assert "it is made anew" in caplog.text
            shutil.rmtree(place)
            tried += 1
    assert tried >= 50


BAD_LABELS = ["", "hello", "[]", "{}", "3", "null", "[3]", '["Pick USB"]', "[" * 5000, "\xff"]


@pytest.mark.parametrize("text", BAD_LABELS)
def test_damaged_labels_count_as_missing(text, tmp_path):
    write_prepared(tmp_path / "place")
    (tmp_path / "place" / cache.LABELS_FILE).write_text(text, "latin-1")
    with pytest.raises(M2R2Error, match="damaged"):
        cache.PreparedRecording.load(tmp_path / "place")


def test_a_damaged_video_alone_is_embedded_again(tmp_path, monkeypatch):
    class Encoder:
        def fingerprint(self):
            return "0" * 16

    made = []

    def embed(task):
        shutil.rmtree(task.place, ignore_errors=True)
        write_embeddings(task.place)
        made.append(task.video[0].name)

    monkeypatch.setattr(embeddings, "_embed", embed)
    monkeypatch.setattr("m2r2_ros.training.roboact.frame_graph.write_frame_graph", lambda *_: None)
    videos = [(tmp_path / name, "") for name in ("a.mp4", "b.mp4")]
    for path, _ in videos:
        path.touch()
    first = embeddings.embed_videos(videos, Encoder(), 10.0, tmp_path / "cache")
    (rows,) = tmp_path.glob("cache/*/b*/rows.npy")
    _cut(rows, 0.5)
    again = embeddings.embed_videos(videos, Encoder(), 10.0, tmp_path / "cache")
    assert made == ["a.mp4", "b.mp4", "b.mp4"]
    for video in videos:
        np.testing.assert_array_equal(first[video].times_s, again[video].times_s)
        assert again[video].rows.shape == (ROWS, 8)


def test_damaged_sentences_are_embedded_again(tmp_path, caplog):
    pytest.importorskip("transformers")
    encoder, folder = write_sentence_encoder(tmp_path / "encoder"), tmp_path / "stored"
    texts = ["pick usb", "insert usb, then pick usb"]
    stored = StoredSentences(encoder, folder)
    stored.store(texts)
    wanted = stored(texts)
    (file,) = folder.glob("*.safetensors")
    whole = file.read_bytes()
    chance, noticed = random.Random(5), 0
    for number in range(50):
        data = bytearray(whole)
        if number % 2:
            del data[chance.randrange(len(data)) :]
        else:
            # Of the header, which names the sentences.
            data[chance.randrange(8 + data[0] + 256 * data[1])] ^= 1 << chance.randrange(8)
        file.write_bytes(bytes(data))
        caplog.clear()
        found = StoredSentences(encoder, folder)
        noticed += "it is made anew" in caplog.text
        if not found._known.keys() - set(texts):
            torch.testing.assert_close(found(texts), wanted)
    assert noticed >= 25
    file.unlink()
    file.mkdir()
    torch.testing.assert_close(StoredSentences(encoder, folder)(texts), wanted)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '"x"', "[" * 5000, "\ufeff{}"])
def test_damaged_scores_count_as_missing(text, tmp_path, caplog):
    path = tmp_path / "test.json"
    assert read_stored(path) is None and not caplog.text
    path.write_text('{"acc": 3.5}')
    assert read_stored(path) == {"acc": 3.5}
    path.write_text(text)
    assert read_stored(path) is None
    assert "test.json: damaged" in caplog.text
