# SPDX-License-Identifier: Apache-2.0
"""REASSEMBLE files as people write them: the same data, or a line that names what is not read."""

from __future__ import annotations

import random

import h5py
import numpy as np
import pytest
from recordings import recording

from m2r2_ros.cli.convert import convert
from m2r2_ros.datasets.mstcn import frame_labels
from m2r2_ros.datasets.reassemble import epoch_ns, open_recording
from m2r2_ros.datasets.reassemble_format import COMPONENTS
from m2r2_ros.datasets.recording_source import gap_label
from m2r2_ros.datasets.source import open_source, windows
from m2r2_ros.errors import M2R2Error
from m2r2_ros.labels import label_from_text
from m2r2_ros.sensing.layout import SensorLayout

DATA = recording(1.0, cameras=("hama1",))
LAYOUT = SensorLayout(("hama1",), signals=("wrench", "pose"))
UNIX_S = 1_736_522_930.0
UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
NAMES = ["hama1", *DATA.signals]


def change_times(path, names, change):
    with h5py.File(path, "a") as file:
        for name in names:
            times = change(file[f"timestamps/{name}"][()])
            del file[f"timestamps/{name}"]
            file[f"timestamps/{name}"] = times


SHAPES = {
    "column": lambda t: t[:, None],
    "row": lambda t: t[None],
    "three alike": lambda t: np.repeat(t[:, None], 3, axis=1),
    "seven alike": lambda t: np.repeat(t[:, None], 7, axis=1),
    "as they are": lambda t: t,
}


def times_of(name):
    return DATA.videos[name].times_s if name == "hama1" else DATA.signals[name].times_s


def relative_s(stamps):
    return (stamps - epoch_ns(DATA.name)) / 1e9


@pytest.mark.parametrize("seed", range(60))
def test_times_in_any_unit_and_shape(path, seed):
    """Unix times of one clock; what is read is the same, counted from the earliest."""
    choose = random.Random(seed)
    unix, unit = choose.random() < 0.7, choose.choice(list(UNITS))
    shape = SHAPES[choose.choice(list(SHAPES))]
    with_labels = unix and choose.random() < 0.5
    start_s = min(float(times_of(name)[0]) for name in NAMES)

    def moved(times):
        return shape((times + UNIX_S) * UNITS[unit] if unix else times)

    change_times(path, NAMES, moved)
    if with_labels:
        with h5py.File(path, "a") as file:
            for group in file["segments_info"].values():
                for end in ("start", "end"):
                    value = (group[end][()] + UNIX_S) * UNITS[unit]
                    del group[end]
                    group[end] = value
    with open_recording(path) as read:
        origin_s = start_s if unix else 0.0
        for name in NAMES:
            expected = times_of(name) - origin_s
            stamps = read.stamps(name)
            # A float64 of nanoseconds since 1970 steps by 256 of them.
            np.testing.assert_allclose(relative_s(stamps), expected, atol=2e-6)
            if name != "hama1":
                np.testing.assert_array_equal(read.signal(name)[1], DATA.signals[name].values)
        assert len(list(read.frames("hama1"))) == len(times_of("hama1"))
        labels = [(a.start_s, a.end_s) for a in read.actions]
        shift = origin_s if with_labels else 0.0
        wanted = [(a.start_s - shift, a.end_s - shift) for a in DATA.actions]
        np.testing.assert_allclose(labels, wanted, atol=2e-6)
        assert read.complete
        said = [line for line in read.problems if "Unix times" in line]
        assert len(said) == unix and (not unix or f"{UNIX_S + start_s:.3f}" in said[0])


def test_columns_of_times_that_differ_are_named(path):
    change_times(path, ["pose"], lambda t: np.stack([t, t + 1, t], axis=1))
    with open_recording(path) as read:
        assert read.signal("pose") is None
        assert "'pose' is left out: its timestamps have shape" in read.problems[-1]
        assert "of columns that differ" in read.problems[-1]
    with open_source(path) as source:
        masks = [window.mask["pose"] for window in windows(source, LAYOUT)]
        assert not any(masks)
        assert any(
            f"masked in all {len(masks)} windows" in line for line in source.problems
        ) or any("'pose' is left out" in line for line in source.problems)


def test_one_wild_unix_time_does_not_move_the_start(path):
    def moved(times):
        times = times + UNIX_S
        times[5] = 2e8
        return times

    change_times(path, NAMES, moved)
    with open_recording(path) as read:
        found = relative_s(read.stamps("pose"))
    assert 0 <= found[0] < 0.1 and found[-1] < 1.1


@pytest.mark.parametrize("scale", [1e6, 1e9, 1e12, 1e15])
@pytest.mark.parametrize("offset_s", [0, 3e5])
def test_times_in_another_unit_are_named_and_leave_the_others_alone(path, scale, offset_s):
    change_times(path, ["pose"], lambda t: (t + offset_s) * scale)
    with open_recording(path) as read:
        assert len(read.stamps("hama1")) == len(times_of("hama1"))
        np.testing.assert_allclose(
            relative_s(read.stamps("hama1")), times_of("hama1"), rtol=0, atol=1e-6
        )
        assert read.signal("pose") is not None
        assert any(("'pose'" in s and "dropped" in s) or "Unix times" in s for s in read.problems)


def damage(choose, path):
    """One of the things that happen to files. Returns what a line must say."""
    with h5py.File(path, "a") as file:
        kind = choose.choice(
            ["no times", "short times", "long times", "nan", "text", "empty", "width", "label",
             "no label time", "huge label", "components", "wild"]
        )  # fmt: skip
        name = choose.choice(list(DATA.signals))
        place, times = f"robot_state/{name}", f"timestamps/{name}"
        stored, ticks = file[place][()], file[times][()]
        segment = file["segments_info/1"]
        if kind == "no times":
            del file[times]
            return f"'{name}' is left out: it has no timestamps"
        if kind in ("short times", "long times"):
            del file[times]
            file[times] = ticks[:-7] if kind == "short times" else np.append(ticks, ticks[-1] + 1)
            return f"'{name}': {len(stored)} samples, {len(file[times])} timestamps"
        if kind in ("nan", "wild"):
            ticks[choose.sample(range(len(ticks)), 9)] = np.nan if kind == "nan" else 1e300
            del file[times]
            file[times] = ticks
            return f"'{name}': 9 samples without an increasing time dropped"
        if kind in ("text", "empty", "width"):
            del file[place]
            file[place] = {"text": np.bytes_(b"x"), "empty": h5py.Empty("f8"), "width": stored.T}[
                kind
            ]
            return f"signal '{name}' is left out: "
        if kind == "components":
            for component in COMPONENTS[name][:-1]:
                file[f"robot_state/{component}"] = stored[:, 0]
            del file[place]
            return f"no signal: {name}"
        if kind == "label":
            del segment["text"]
        elif kind == "no label time":
            del segment["start"]
        else:
            del segment["end"]
            segment["end"] = choose.choice([1e300, np.inf, np.nan, -5.0])
        return "segment 1 is left out: "


@pytest.mark.parametrize("seed", range(60))
def test_what_is_damaged_is_named_and_the_rest_is_read(path, seed):
    choose = random.Random(seed)
    said = damage(choose, path)
    with open_recording(path) as read:
        left_out = [name for name in DATA.signals if f"'{name}'" in said or name in said]
        for name in DATA.signals:
            found = read.signal(name)
            if name not in left_out:
                np.testing.assert_array_equal(found[1], DATA.signals[name].values)
        assert any(said in line for line in read.problems), (said, read.problems)
        assert all(line.isprintable() for line in read.problems)
        # A gap whose label cannot be read is not idle.
        assert read.complete == (len(read.actions) == len(DATA.actions))
        assert read.complete == ("segment" not in said)


def test_a_lost_label_is_unlabelled_in_the_bag_too(path, tmp_path):
    with h5py.File(path, "a") as file:
        del file["segments_info/1/text"]
    with open_source(convert(path, tmp_path / "bags")) as source:
        assert [action.text for action in source.actions] == ["No action."]
        assert not source.complete
        labels = frame_labels(source.actions, [0.2, 0.7], gap_label(source))
    assert labels == ["No action", "unlabelled"]


@pytest.mark.parametrize("seed", range(30))
def test_a_file_that_is_cut_off_or_another_is_one_line(path, seed):
    choose = random.Random(seed)
    content = path.read_bytes()
    if seed % 2:
        path.write_bytes(content[: choose.randrange(len(content))])
    else:
        head = choose.choice([b"version https://git-lfs", b"\x1f\x8b", b"<html>", b"", bytes(99)])
        path.write_bytes(head)
    with pytest.raises(M2R2Error) as caught:
        open_recording(path).__enter__()
    text = str(caught.value)
    assert text.startswith(str(path)) and text.isprintable()
    assert "copy it again" in text or "not an HDF5 file: it " in text


@pytest.mark.parametrize(
    "text", ["Pick\nUSB.", "Pick\0USB.", "\x1b[31mPick USB.", "Pick USB.\n\0\0"]
)
def test_a_label_of_the_file_is_one_line(path, text):
    with h5py.File(path, "a") as file:
        segment = file["segments_info/1"]
        del segment["text"]
        segment["text"] = np.void(text.encode()) if "\0" in text else np.bytes_(text.encode())
    with open_recording(path) as read:
        labels = [label_from_text(action.text) for action in read.actions]
    assert all(label.isprintable() for label in labels)
