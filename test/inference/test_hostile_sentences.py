# SPDX-License-Identifier: Apache-2.0
"""A damaged or malicious sentences.npz is one line, and takes no more memory than it may."""

from __future__ import annotations

import io
import os
import random
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.text_features import MAX_TABLE_BYTES, SENTENCES_FILE, text_features

SENTENCES = ["Robot lift cup, Action is lift, Object is cup.", "Robot wait, Action is wait."]
FEATURES = np.random.default_rng(3).standard_normal((2, 6)).astype(np.float32)


def member(shape, dtype, data, version=1):
    """An .npy file with any header before any data."""
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    size = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + size + header + data


def saved(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def table(method=zipfile.ZIP_DEFLATED, **members):
    """A zip file of these members; by default those of a good one."""
    whole = {"sentences": saved(np.array(SENTENCES)), "features": saved(FEATURES)} | members
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in whole.items():
            if data is not None:
                archive.writestr(f"{name}.npy", data)
    return file.getvalue()


GOOD = table()
ROW = FEATURES.tobytes()


def bombs():
    """Small files that stand for large ones."""
    zeros = bytes(MAX_TABLE_BYTES)
    yield "member", lambda: table(features=zeros + zeros)
    yield "member and header", lambda: table(features=member((2**25, 6), "<f4", zeros + zeros))
    yield "both members", lambda: table(sentences=zeros + b"1", features=zeros + b"1")
    yield "bzip2", lambda: table(zipfile.ZIP_BZIP2, features=zeros + zeros)
    yield "lzma", lambda: table(zipfile.ZIP_LZMA, features=zeros + zeros)
    yield "whole file", lambda: bytes(MAX_TABLE_BYTES + 1)
    for rows in (2**31, 2**40, 2**62, 2**63, 10**30):
        yield f"shape {rows}", lambda rows=rows: table(features=member((rows, 6), "<f4", ROW))
    yield "text", lambda: table(sentences=member((2,), f"<U{2**28}", b"x"))
    yield "no width", lambda: table(sentences=member((2**40,), "<U0", b""))
    yield "nothing", lambda: table(features=member((0, 2**62), "<f4", b""))
    yield "product 0", lambda: table(features=member((2**62, 0), "<f4", b""))


def malformed():
    objects = saved(np.array([{"a": 1}, print], dtype=object))
    yield "pickle", table(features=objects)
    yield "pickled sentences", table(sentences=objects)
    yield "numbers as sentences", table(sentences=saved(np.arange(2)))
    yield "bytes as sentences", table(sentences=saved(np.array([b"a", b"b"])))
    yield "no character", table(sentences=member((2,), "<U1", b"\xff" * 8))
    yield "whole numbers", table(features=saved(np.ones((2, 6), int)))
    yield "complex numbers", table(features=saved(FEATURES.astype(complex)))
    yield "structured", table(features=member((2,), [("a", "<f4")], b"\0" * 8))
    yield "subarrays", table(features=member((2,), "(6,)<f4", ROW))
    yield "negative", table(features=member((-2, -6), "<f4", ROW))
    yield "text as shape", table(features=member("('a',)", "<f4", ROW))
    yield "code as shape", table(features=member("__import__('os').getpid()", "<f4", ROW))
    yield "deep header", table(features=member("(" * 5000, "<f4", ROW))
    yield "long header", table(features=member((2, 6), "<f4" + " " * 60_000, ROW))
    yield "version 3", table(features=member((2, 6), "<f4", ROW, version=3))
    yield "version 9", table(features=member((2, 6), "<f4", ROW, version=9))
    yield "too little", table(features=member((2, 6), "<f4", ROW[:-1]))
    yield "too much", table(features=member((2, 6), "<f4", ROW + b"\0"))
    yield "one dimension", table(features=saved(FEATURES[0]))
    yield "scalar", table(sentences=saved(np.array("a")))
    yield "two dimensions", table(sentences=saved(np.array([SENTENCES])))
    yield "another width", table(features=saved(FEATURES[:, :5]))
    yield "another number", table(features=saved(FEATURES[:1]))
    yield "NaN", table(features=saved(FEATURES * np.nan))
    yield "no features", table(features=None)
    yield "no members", table(features=None, sentences=None)
    yield "another byte order", table(features=saved(FEATURES.astype(">f4")))
    yield "no array", table(features=b"hello")
    yield "empty member", table(features=b"")
    yield "nothing", b""
    yield "text", b"hello"
    yield "array alone", saved(FEATURES)
    yield "encrypted", GOOD.replace(b"PK\x01\x02\x14\x03\x14\0\0", b"PK\x01\x02\x14\x03\x14\0\x01")
    yield "other method", GOOD.replace(b"\x08\0", b"\x63\0")


def damaged():
    """One byte exchanged, or the end cut off."""
    chance = random.Random(12)
    for number in range(60):
        data = bytearray(GOOD)
        if number % 3:
            at = chance.randrange(len(data))
            data[at] ^= 1 << chance.randrange(8)
        else:
            del data[chance.randrange(len(data)) :]
        yield f"damage {number}", bytes(data)


def read(folder, content):
    """What is made of the file, and the most memory that it took."""
    (folder / SENTENCES_FILE).write_bytes(content)
    tracemalloc.start()
    try:
        found = text_features(folder, SENTENCES, 6)
    except M2R2Error as error:
        assert str(error).startswith(str(folder))
        found = None
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return found, peak


def test_a_good_table_is_read(tmp_path):
    found, _ = read(tmp_path, GOOD)
    np.testing.assert_array_equal(found, FEATURES)
    found, _ = read(tmp_path, table(features=saved(np.asfortranarray(FEATURES))))
    np.testing.assert_array_equal(found, FEATURES)


@pytest.mark.parametrize(("name", "make"), list(bombs()), ids=lambda value: str(value)[:20])
def test_a_bomb_takes_no_more_than_it_may(tmp_path, name, make):
    content = make()
    found, peak = read(tmp_path, content)
    assert found is None
    # The file itself, and one member as it is unpacked.
    assert peak < 4 * MAX_TABLE_BYTES


@pytest.mark.parametrize(("name", "content"), list(malformed()), ids=lambda value: str(value)[:20])
def test_what_is_no_table_is_one_line(tmp_path, name, content):
    assert content != GOOD
    assert read(tmp_path, content)[0] is None


def test_damage_is_noticed_or_harmless(tmp_path):
    tried = list(damaged())
    refused = 0
    for name, content in tried:
        found, _ = read(tmp_path, content)
        refused += found is None
        if found is not None:
            np.testing.assert_array_equal(found, FEATURES, err_msg=name)
    # A few bytes of a zip file say nothing: times, comments.
    assert refused > len(tried) / 2


@pytest.mark.parametrize(
    "make",
    [os.mkdir, os.mkfifo, lambda path: path.symlink_to("nothing"), lambda p: p.symlink_to(p)],
    ids=["folder", "pipe", "dangling link", "link to itself"],
)
def test_what_is_no_file_is_one_line(tmp_path, make):
    make(tmp_path / SENTENCES_FILE)
    with pytest.raises(M2R2Error, match=r"sentences\.npz: cannot be read: not a file"):
        text_features(tmp_path, SENTENCES, 6)


def test_a_list_of_digests_that_names_the_table_vouches_for_it(tmp_path):
    (tmp_path / "models.sha256").write_text(f"{'0' * 64}  {SENTENCES_FILE}\n")
    (tmp_path / SENTENCES_FILE).write_bytes(GOOD)
    with pytest.raises(M2R2Error, match="damaged or exchanged"):
        text_features(tmp_path, SENTENCES, 6)
    (tmp_path / "models.sha256").write_text(f"{'0' * 64}  another.onnx\n")
    np.testing.assert_array_equal(text_features(tmp_path, SENTENCES, 6), FEATURES)


def test_a_sentence_that_is_not_known_gets_the_nearest_one(tmp_path, monkeypatch, caplog):
    (tmp_path / SENTENCES_FILE).write_bytes(GOOD)
    new = "Robot lift cups, Action is lift, Object is cups."
    with pytest.raises(M2R2Error, match=r"does not know 'Robot lift cups.*mean 'Robot lift cup,"):
        text_features(tmp_path, [*SENTENCES, new], 6)
    # With a text encoder it is computed, and said to be new: nonsense has a feature, too.
    computed = "m2r2_ros.inference.text_features._computed"
    monkeypatch.setattr(computed, lambda folder, texts, *_: [np.ones(6)] * len(texts))
    caplog.clear()
    assert text_features(tmp_path, [*SENTENCES, new], 6).shape == (3, 6)
    assert f"'{new}' is new to {tmp_path} (did you mean 'Robot lift cup" in caplog.text
    caplog.clear()
    text_features(tmp_path, SENTENCES, 6)
    assert not caplog.text
