# SPDX-License-Identifier: Apache-2.0
"""HDF5 files that are absent, damaged, or made to harm."""

import h5py
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from recordings import recording

from m2r2_ros.datasets import hdf5
from m2r2_ros.datasets.reassemble import open_recording
from m2r2_ros.datasets.reassemble_format import AUDIO_STREAMS, CAMERAS, SIGNAL_WIDTHS
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.errors import M2R2Error


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile") / "a.h5"
    write_recording(path, recording(0.2))
    return path.read_bytes()


def read_everything(path):
    with open_recording(path) as read:
        for camera in CAMERAS:
            for _, picture in read.frames(camera):
                picture()
        for stream in AUDIO_STREAMS:
            read.audio(stream)
        for signal in SIGNAL_WIDTHS:
            read.signal(signal)
        read.wrench()
        return read.problems


def one_line(path):
    with pytest.raises(M2R2Error) as caught:
        read_everything(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_file(tmp_path):
    assert one_line(tmp_path / "a.h5").endswith("a.h5: no such file")
    assert one_line(tmp_path).endswith(": no such file")


@pytest.mark.parametrize("text", [b"", b"hello", bytes(100_000), b"\x89MCAP0\r\n" * 99])
def test_another_kind_of_file(tmp_path, text):
    (tmp_path / "a.h5").write_bytes(text)
    assert one_line(tmp_path / "a.h5").partition("a.h5: not an HDF5 file")[1]


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.999])
def test_truncated(tmp_path, content, share):
    (tmp_path / "a.h5").write_bytes(content[: int(len(content) * share)])
    assert one_line(tmp_path / "a.h5").endswith("a.h5: truncated or damaged: copy it again")


def test_an_hdf5_file_of_something_else(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["weights"] = np.zeros(3)
    assert "not a REASSEMBLE recording" in one_line(tmp_path / "a.h5")


@settings(max_examples=150, deadline=None, derandomize=True, phases=[Phase.generate])
@given(data=st.data())
def test_damaged_bytes(tmp_path_factory, content, data):
    """Whatever is overwritten: an M2R2Error, or a recording with its problems named."""
    broken = bytearray(content)
    for _ in range(data.draw(st.integers(1, 20))):
        place = data.draw(st.integers(0, len(broken) - 9))
        broken[place : place + 8] = data.draw(st.binary(min_size=8, max_size=8))
    path = tmp_path_factory.getbasetemp() / "damaged.h5"
    path.write_bytes(bytes(broken))
    try:
        problems = read_everything(path)
    except M2R2Error as error:
        assert "\n" not in str(error)
    else:
        assert all("\n" not in problem for problem in problems)


def problems_with(tmp_path, content, change):
    path = tmp_path / "a.h5"
    path.write_bytes(content)
    with h5py.File(path, "r+") as file:
        change(file)
    return " | ".join(read_everything(path))


def test_links_out_of_the_file_are_not_followed(tmp_path, content):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(range(256)) * 8)
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["payload"] = np.void(b"secret")

    def change(file):
        del file["hama1"], file["hama2"], file["robot_state/pose"]
        file["hama1"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "payload")
        file["hama2"] = h5py.SoftLink("/hama2")
        file["robot_state"].create_dataset(
            "pose", (16, 7), "f8", external=[(str(secret), 0, 16 * 56)]
        )

    problems = problems_with(tmp_path, content, change)
    assert "camera 'hama1' is left out: 'hama1' is missing" in problems
    assert "camera 'hama2' is left out: 'hama2' is missing" in problems
    assert "signal 'pose' is left out: 'pose' points to another file" in problems


def test_virtual_datasets_are_not_followed(tmp_path, content):
    def change(file):
        del file["robot_state/pose"]
        layout = h5py.VirtualLayout((4, 7), "f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "x.h5"), "x", (4, 7))
        file["robot_state"].create_virtual_dataset("pose", layout)

    assert "'pose' points to another file" in problems_with(tmp_path, content, change)


def test_claimed_sizes_are_limited(tmp_path, content):
    def change(file):
        for name in ("robot_state/pose", "timestamps/velocity", "hand"):
            del file[name]
        # Nothing is stored, terabytes are claimed.
        options = {"chunks": (1024, 7), "compression": "gzip"}
        file.create_dataset("robot_state/pose", (10**11, 7), "f8", **options)
        file.create_dataset("timestamps/velocity", (10**12,), "f8", chunks=(1024,))
        file.create_dataset("hand", (2**33,), "u1", chunks=(1024,))

    problems = problems_with(tmp_path, content, change)
    assert f"'pose' has 700000000000 values; the limit is {hdf5.MAX_VALUES}" in problems
    assert f"'velocity' has 1000000000000 values; the limit is {hdf5.MAX_VALUES}" in problems
    assert f"'hand' has {2**33} bytes; the limit is {hdf5.MAX_PAYLOAD_BYTES}" in problems


def test_types_that_are_none_of_ours(tmp_path, content):
    def change(file):
        for name in ("robot_state/pose", "robot_state/velocity", "hand", "timestamps/hama1"):
            del file[name]
        file["robot_state/pose"] = np.array([b"a", b"b"])
        file["robot_state"].create_group("velocity")
        file["hand"] = h5py.Empty("f8")
        file["timestamps/hama1"] = np.arange(12.0).reshape(3, 4)

    problems = problems_with(tmp_path, content, change)
    assert "signal 'pose' is left out: 'pose' holds |S1, not numbers" in problems
    assert "signal 'velocity' is left out: 'velocity' is missing" in problems
    assert "camera 'hand' is left out" in problems
    assert "camera 'hama1' is left out: its timestamps have shape (3, 4) of columns" in problems
