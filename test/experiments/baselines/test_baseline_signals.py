# SPDX-License-Identifier: Apache-2.0
"""Wrench and position rows of recordings: the frames of an encoder's features, never NaN."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from recordings import recording, signal

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.datasets.source import open_source, windows
from m2r2_ros.errors import M2R2Error
from m2r2_ros.experiments.baselines.baseline_signals import (
    POSITION,
    WRENCH,
    read_signals,
    read_wrench,
)


def test_rows_are_the_means_of_the_windows_that_an_encoder_sees(tmp_path):
    write_recording(tmp_path / "a.h5", recording(2.0, "a"))
    signals = read_signals(tmp_path / "a.h5")
    rows, labels = signals.rows, signals.labels
    with open_source(tmp_path / "a.h5") as source:
        seen = list(windows(source, replace(REASSEMBLE_LAYOUT, audio=False)))
    assert len(rows) == len(labels) == len(seen)
    assert np.isfinite(rows).all()
    for row, window in zip(rows, seen, strict=True):
        if window.mask["wrench"] and window.mask["pose"]:
            np.testing.assert_allclose(row[WRENCH], window.signals["wrench"].mean(0), 1e-5, 1e-6)
            pose = window.signals["pose"][:, :3]
            np.testing.assert_allclose(row[POSITION], pose.mean(0), 1e-5, 1e-6)
    assert set(labels) == {"No action", "Insert USB"}
    wrenches = {i: w.signals["wrench"] for i, w in enumerate(seen) if w.mask["wrench"]}
    assert (signals.wrench == np.concatenate(list(wrenches.values()))).all()
    assert signals.frames.tolist() == [i for i, wrench in wrenches.items() for _ in wrench]
    signals.write_wrench(tmp_path / "a.npz")
    wrench, frames = read_wrench(tmp_path / "a.npz")
    assert (wrench == signals.wrench).all() and (frames == signals.frames).all()


def test_the_last_value_is_held_where_a_signal_fails(tmp_path):
    data = recording(4.0, "a")
    force = signal("compensated_base_force", 4.0)
    values = force.values.copy()
    gap = (force.times_s > 1.5) & (force.times_s < 3.0)
    values[gap] = np.nan
    names = ("compensated_base_force", "measured_force")
    broken = {name: replace(force, values=values) for name in names}
    write_recording(tmp_path / "a.h5", replace(data, signals=data.signals | broken))
    signals = read_signals(tmp_path / "a.h5")
    rows = signals.rows
    assert np.isfinite(rows).all()
    middle = rows[20:25, WRENCH]
    assert (middle == middle[0]).all()
    assert np.isfinite(signals.wrench).all()
    assert not {20, 21, 22, 23, 24} & {*signals.frames.tolist()}


def test_a_recording_without_labels_or_wrench_is_one_clear_line(tmp_path):
    data = recording(2.0, "a")
    write_recording(tmp_path / "a.h5", replace(data, actions=[]))
    with pytest.raises(M2R2Error, match=r"a\.h5: has no labels"):
        read_signals(tmp_path / "a.h5")
    kept = {name: track for name, track in data.signals.items() if "force" not in name}
    write_recording(tmp_path / "b.h5", replace(data, signals=kept))
    with pytest.raises(M2R2Error, match=r"b\.h5: has no usable 'wrench'"):
        read_signals(tmp_path / "b.h5")
