# SPDX-License-Identifier: Apache-2.0
"""A model that models.sha256 does not vouch for is refused, whatever the list looks like."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess

import pytest
from tiny_models import sha256_of, write_models

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.digest_list import DIGESTS_FILE
from m2r2_ros.inference.model_file import read_model
from m2r2_ros.inference.models import Models
from m2r2_ros.inference.onnx_metadata import read_encoder_metadata
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.small_files import MAX_BYTES


@pytest.fixture(params=[".", "pair"], ids=["beside", "above"])
def listed(tmp_path, request):
    """A pair of models and the list, in their folder or in the one above."""
    folder = write_models(tmp_path / "pair", SensorLayout(cameras=("hama1",)))
    base = folder if request.param == "." else tmp_path
    lines = [
        f"{sha256_of(path)}  {path.relative_to(base)}\n" for path in sorted(folder.glob("*.onnx"))
    ]
    (base / "models.sha256").write_text("".join(lines) + "0" * 64 + "  another.onnx\n")
    return folder


def test_what_is_listed_is_loaded(listed):
    assert Models.load(listed).head.labels


@pytest.mark.parametrize("name", ["encoder.onnx", "head.onnx"])
def test_what_has_changed_since_is_refused(listed, name):
    path = listed / name
    # An unknown field of length 0: still a valid graph.
    path.write_bytes(path.read_bytes() + b"\x7a\x00")
    with pytest.raises(M2R2Error, match=f"{name}: is not the file that .*models.sha256 lists"):
        Models.load(listed)


GOOD, EVIL = b"a good model", b"an exchanged model"


def digest(data):
    return hashlib.sha256(data).hexdigest()


# How a line names a file; each is written for the file's true place and digest.
LINES = {
    "sha256sum": lambda sha, name, folder: f"{sha}  {name}",
    "binary": lambda sha, name, folder: f"{sha} *{name}",
    "tag": lambda sha, name, folder: f"SHA256 ({name}) = {sha}",
    "dot": lambda sha, name, folder: f"{sha}  ./{name}",
    "dots": lambda sha, name, folder: f"{sha}  x/../././{name}",
    "absolute": lambda sha, name, folder: f"{sha}  {folder / name}",
    "capitals": lambda sha, name, folder: f"{sha.upper()}  {name}",
    "tag absolute": lambda sha, name, folder: f"SHA256 ({folder / name}) = {sha}",
}
# How the list as a whole is written.
TEXTS = {
    "plain": lambda line: f"{line}\n".encode(),
    "no end": lambda line: line.encode(),
    "Windows": lambda line: f"\r\n{line}\r\n".encode(),
    "BOM": lambda line: f"\ufeff{line}\n".encode(),
    "UTF-16": lambda line: f"\ufeff{line}\r\n".encode("utf-16-le"),
    "UTF-16 BE": lambda line: f"\ufeff{line}\n".encode("utf-16-be"),
    "late": lambda line: b"# comment\n" + (f"{'0' * 64}  a\n" * 9000 + line).encode(),
    "twice": lambda line: f"{line}\n{line}\n".encode(),
}
# Where the file is read from: the folder of the list, below it, or through a link.
WAYS = ("beside", "below", "link", "link of a link", "folder link", "relative")


def place(tmp_path, way, data):
    """The path to read, and the folder that its list is in."""
    folder = tmp_path / "real" / "pair"
    folder.mkdir(parents=True)
    file = folder / "encoder.onnx"
    file.write_bytes(data)
    if way in ("beside", "relative"):
        return (file if way == "beside" else os.path.relpath(file)), folder
    if way == "below":
        return file, folder.parent
    other = tmp_path / "other"
    if way == "folder link":
        other.symlink_to(folder)
        return other / "encoder.onnx", folder.parent
    other.mkdir()
    target = file
    if way == "link of a link":
        target = other / "first.onnx"
        target.symlink_to(file)
    (other / "model.onnx").symlink_to(target)
    return other / "model.onnx", folder


CASES = [(way, line, text) for way in WAYS for line in LINES for text in TEXTS]


def test_every_form_of_a_list_vouches_for_the_file_and_for_no_other(tmp_path):
    """60 of all combinations, by chance."""
    for number, (way, line, text) in enumerate(random.Random(10).sample(CASES, 60)):
        for data in (GOOD, EVIL):
            root = tmp_path / f"{number}{data == GOOD}"
            path, folder = place(root, way, data)
            name = (root / "real" / "pair" / "encoder.onnx").relative_to(folder)
            written = LINES[line](digest(GOOD), name, folder)
            (folder / DIGESTS_FILE).write_bytes(TEXTS[text](written))
            if data == GOOD:
                assert read_model(path).data == GOOD, (way, line, text)
                continue
            with pytest.raises(M2R2Error, match="damaged or exchanged"):
                read_model(path)


def test_the_list_beside_a_link_counts_as_well(tmp_path):
    path, folder = place(tmp_path, "link", EVIL)
    for line, message in (
        (f"{digest(GOOD)}  model.onnx", "damaged or exchanged"),
        (f"{digest(EVIL)}  other.onnx", "does not list it"),
    ):
        (path.parent / DIGESTS_FILE).write_text(line)
        with pytest.raises(M2R2Error, match=message):
            read_model(path)
    # Under its own name, or under that of the file it leads to.
    for name in ("model.onnx", "../real/pair/encoder.onnx"):
        (path.parent / DIGESTS_FILE).write_text(f"{digest(EVIL)}  {name}")
        assert read_model(path).data == EVIL
    # The real file's folder has its word, too.
    (folder / DIGESTS_FILE).write_text(f"{digest(GOOD)}  encoder.onnx")
    with pytest.raises(M2R2Error, match="damaged or exchanged"):
        read_model(path)


SHA = digest(GOOD)
# Lists that vouch for nothing: none may pass for a check.
USELESS = {
    "empty": b"",
    "blank": b"\n \n",
    "other file": f"{SHA}  head.onnx\n".encode(),
    "other folder": f"{SHA}  elsewhere/encoder.onnx\n".encode(),
    "above": f"{SHA}  ../encoder.onnx\n".encode(),
    "no name": f"{SHA}\n".encode(),
    "name first": f"encoder.onnx  {SHA}\n".encode(),
    "short": f"{SHA[:63]}  encoder.onnx\n".encode(),
    "long": f"{SHA}0  encoder.onnx\n".encode(),
    "no hex": f"{'x' * 64}  encoder.onnx\n".encode(),
    "SHA-1": f"{SHA[:40]}  encoder.onnx\n".encode(),
    "SHA-512": f"{SHA}{SHA}  encoder.onnx\n".encode(),
    "tag MD5": f"MD5 (encoder.onnx) = {SHA[:32]}\n".encode(),
    "tag SHA512": f"SHA512 (encoder.onnx) = {SHA}{SHA}\n".encode(),
    "tag cut": f"SHA256 (encoder.onnx = {SHA}\n".encode(),
    "one space": f"{SHA} encoder.onnx\n".encode(),
    "tab": f"{SHA}\tencoder.onnx\n".encode(),
    "three spaces": f"{SHA}   encoder.onnx\n".encode(),
    "a bad line": f"{SHA}  encoder.onnx\nnonsense\n".encode(),
    "NUL": f"{SHA}  encoder.onnx\0\n".encode(),
    "bytes": b"\xff\xfe\x00" * 99,
    "wide without mark": f"{SHA}  encoder.onnx\n".encode("utf-16-le"),
    "wide and cut": f"\ufeff{SHA}  encoder.onnx\n".encode("utf-16-le")[:-1],
    "behind the bound": b"#" * MAX_BYTES + f"\n{SHA}  encoder.onnx\n".encode(),
    "JSON": f'{{"encoder.onnx": "{SHA}"}}'.encode(),
    "HTML": b"<!DOCTYPE html><html>404</html>",
    "LFS pointer": f"version https://git-lfs.github.com/spec/v1\noid sha256:{SHA}\n".encode(),
    "capital name": f"{SHA}  Encoder.onnx\n".encode(),
    "half a name": f"{SHA}  ncoder.onnx\n".encode(),
}


def useless_lists() -> list[tuple[str, bytes]]:
    """Those, and as many true lists with one byte of the only line exchanged."""
    chance = random.Random(4)
    found = list(USELESS.items())
    for number in range(30):
        line = bytearray(f"{SHA}  encoder.onnx".encode())
        at = chance.randrange(len(line))
        line[at] ^= 1 << chance.randrange(5)
        if bytes(line).upper() != f"{SHA}  encoder.onnx".upper().encode():
            found.append((f"byte {number}", bytes(line) + b"\n"))
    return found


@pytest.mark.parametrize(("name", "content"), useless_lists(), ids=lambda v: str(v)[:20])
def test_a_list_that_does_not_vouch_is_an_error(tmp_path, name, content):
    (tmp_path / "encoder.onnx").write_bytes(GOOD)
    (tmp_path / DIGESTS_FILE).write_bytes(content)
    with pytest.raises(M2R2Error, match=r"models\.sha256"):
        read_model(tmp_path / "encoder.onnx")


@pytest.mark.parametrize(
    "make",
    [os.mkdir, os.mkfifo, lambda path: path.symlink_to("nothing"), lambda p: p.symlink_to(p)],
    ids=["folder", "pipe", "dangling link", "link to itself"],
)
def test_what_is_no_file_vouches_for_nothing(tmp_path, make):
    (tmp_path / "encoder.onnx").write_bytes(GOOD)
    make(tmp_path / DIGESTS_FILE)
    with pytest.raises(M2R2Error, match=r"models\.sha256: is no file"):
        read_model(tmp_path / "encoder.onnx")


def test_a_model_that_is_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "encoder.onnx")
    for read in (read_model, read_encoder_metadata):
        with pytest.raises(M2R2Error, match="not an ONNX file"):
            read(tmp_path / "encoder.onnx")


@pytest.mark.parametrize("option", [[], ["--binary"], ["--tag"]], ids=str)
@pytest.mark.parametrize("name", ["encoder.onnx", "a b.onnx", "new\nline.onnx", "back\\.onnx", "é"])
def test_what_sha256sum_writes_is_read(tmp_path, option, name):
    path = tmp_path / name
    path.write_bytes(GOOD)
    run = subprocess.run(
        ["sha256sum", *option, name], cwd=tmp_path, capture_output=True, check=True
    )
    (tmp_path / DIGESTS_FILE).write_bytes(run.stdout)
    assert read_model(path).sha256 == SHA
    path.write_bytes(EVIL)
    with pytest.raises(M2R2Error, match="damaged or exchanged"):
        read_model(path)
