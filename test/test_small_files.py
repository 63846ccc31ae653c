# SPDX-License-Identifier: Apache-2.0
"""What is no file in place of a small file is refused at once; nothing waits for a pipe."""

import os
import socket

import pytest

from m2r2_ros.annotation.described_videos import read_described_videos
from m2r2_ros.datasets.bag_metadata import METADATA_FILE, read_metadata
from m2r2_ros.datasets.clips import read_clips
from m2r2_ros.datasets.mapping_file import load_mapping
from m2r2_ros.datasets.mstcn import read_lines
from m2r2_ros.datasets.parameter_file import ParameterFile
from m2r2_ros.datasets.vocabulary_file import read_vocabulary
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.digest_list import DIGESTS_FILE, check_digest
from m2r2_ros.sensing.layout_file import load_layout
from m2r2_ros.simulation.recipe import load_recipe
from m2r2_ros.small_files import MAX_BYTES, read_small, read_small_text
from m2r2_ros.training.settings_file import read_values

READERS = {
    "bytes": read_small,
    "layout": load_layout,
    "parameters": ParameterFile.read,
    "settings": read_values,
    "vocabulary": read_vocabulary,
    "lines": read_lines,
    "clips": lambda path: list(read_clips(path)),
    "videos": lambda path: list(read_described_videos(path)),
    "recipe": load_recipe,
}


def a_socket(path):
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(path))


PLACES = {
    "pipe": os.mkfifo,
    "folder": os.mkdir,
    "socket": a_socket,
    "device": lambda path: os.symlink("/dev/zero", path),
    "link to a pipe": lambda path: (os.mkfifo(f"{path}.fifo"), os.symlink(f"{path}.fifo", path)),
    "nothing": lambda path: None,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_file_is_one_line(tmp_path, monkeypatch, place, reader):
    # A socket's name may have 107 characters.
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.jsonl"
    PLACES[place]("x.jsonl")
    with pytest.raises(M2R2Error, match=r"x\.jsonl"):
        READERS[reader](path)


@pytest.mark.parametrize("place", ["pipe", "folder", "socket", "device", "link to a pipe"])
def test_a_bags_metadata_and_a_list_of_digests_are_files(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    PLACES[place](METADATA_FILE)
    (problem,) = read_metadata(tmp_path).problems
    assert "cannot be read" in problem
    PLACES[place](DIGESTS_FILE)
    with pytest.raises(M2R2Error, match="is no file, so it vouches for nothing"):
        check_digest(tmp_path / "encoder.onnx", "0" * 64)


def test_a_file_is_read_whole_up_to_the_bound(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"\xef\xbb\xbf" + b"a" * (MAX_BYTES - 3))
    assert read_small_text(path) == "a" * (MAX_BYTES - 3)
    path.write_bytes(b"a" * (MAX_BYTES + 1))
    with pytest.raises(M2R2Error, match=f"more than {MAX_BYTES} bytes"):
        read_small(path)
    path.write_bytes(b"\xff")
    with pytest.raises(M2R2Error, match="cannot read"):
        read_small_text(path)


@pytest.mark.parametrize("read", [load_layout, load_mapping, read_values, load_recipe])
def test_an_entry_that_is_there_twice_is_refused(tmp_path, read):
    """YAML would keep the last, and nobody would notice."""
    (tmp_path / "a.yaml").write_text("signals:\n  pad: {width: 8}\n  pad: {width: 7}\n")
    with pytest.raises(M2R2Error, match=r"a\.yaml.*'pad' is there twice"):
        read(tmp_path / "a.yaml")
