# SPDX-License-Identifier: Apache-2.0
"""Recordings with the defects of the real data set: made as listed, read with a mask."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recordings import recording
from tiny_models import write_models

from m2r2_ros.cli import main as command
from m2r2_ros.datasets.reassemble import open_recording
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.datasets.recording import Action, RecordingData
from m2r2_ros.datasets.source import open_source, windows
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.window import SensorWindow
from m2r2_ros.simulation.defects import DEFECTS, damage, defect_of

LAYOUT = SensorLayout(cameras=("hama1", "hand"))
LAST_S, LAST_END_S, DURATION_S = 3.0, 4.5, 5.0
ACTIONS = [
    Action(0.0, 1.0, "No action."),
    Action(1.0, LAST_S, "Pick USB."),
    Action(LAST_S, LAST_END_S, "Insert USB."),
    Action(LAST_END_S, DURATION_S, "No action."),
]


def sound_recording() -> RecordingData:
    return replace(recording(DURATION_S, cameras=("hama1", "hand")), actions=list(ACTIONS))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models, and a recording `<defect>.h5` of every kind."""
    folder = tmp_path_factory.mktemp("defects")
    write_models(folder / "models", LAYOUT)
    for defect in DEFECTS:
        data = sound_recording()
        damage(data, defect)
        write_recording(folder / f"{defect}.h5", data)
    return folder


def seen(place: Path, defect: str) -> list[tuple[float, SensorWindow]]:
    """The windows of a recording, with the time in the middle of each."""
    with open_source(place / f"{defect}.h5") as source:
        origin_ns = source.start_ns
        return [((w.start_ns + w.end_ns - 2 * origin_ns) / 2e9, w) for w in windows(source, LAYOUT)]


def masked(place: Path, defect: str) -> dict[str, tuple[float, float]]:
    """Modality -> first and last time at which a window in [0.5, 4.8) lacks it."""
    found: dict[str, tuple[float, float]] = {}
    for time_s, window in seen(place, defect):
        for modality in LAYOUT.modalities:
            if 0.5 <= time_s < 4.8 and not window.mask[modality]:
                found[modality] = (found.get(modality, (time_s,))[0], time_s)
    return found


def test_seeds_take_the_defects_in_turn():
    assert [defect_of(seed) for seed in range(60, 60 + len(DEFECTS))] == list(DEFECTS)
    assert len(DEFECTS) == 6


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_never_reaches_a_window_as_something_that_is_no_measurement(place, defect):
    found = seen(place, defect)
    assert len(found) > 40
    for _, window in found:
        for name, values in window.signals.items():
            assert window.mask[name] and np.isfinite(values).all()
            assert np.abs(values).max() < 1e4
        assert window.images.keys() == {c for c in LAYOUT.cameras if window.mask[c]}


def test_what_is_missing_is_masked_for_as_long_as_it_is_missing(place):
    def about(start_s: float, end_s: float):
        return pytest.approx((start_s, end_s), abs=0.3)

    assert masked(place, "hand camera late") == {"hand": about(0.5, DURATION_S / 2)}
    assert masked(place, "no hand camera") == {"hand": about(0.5, 4.8)}
    assert masked(place, 'no leading "No action."') == {}
    wrench = masked(place, "force and torque invalid in the last action")
    assert wrench == {"wrench": about(LAST_S, 4.8)}
    # Fingers that report zero cannot be told from closed ones.
    assert masked(place, "gripper broken in the last action") == {}
    # A signal is held for a moment before it counts as gone.
    pose = masked(place, "pose missing in the last action")
    assert pose == {"pose": about(LAST_S + 0.25, 4.8), "twist": about(LAST_S + 0.25, 4.8)}


def test_the_last_action_is_the_one_that_suffers(place):
    middle_s = (LAST_S + LAST_END_S) / 2
    with open_recording(place / "gripper broken in the last action.h5") as file:
        stamps, values = file.signal("gripper_positions")
        broken = (stamps - file.epoch_ns) / 1e9 >= middle_s
        assert (values[broken] == 0).all() and (values[~broken] != 0).any()
    with open_recording(place / "force and torque invalid in the last action.h5") as file:
        stamps, values = file.signal("measured_force")
        invalid = (stamps - file.epoch_ns) / 1e9 >= LAST_S
        assert np.isnan(values[invalid]).all() and np.isfinite(values[~invalid]).all()


def test_labels_lose_the_leading_no_action_and_nothing_else(place):
    for defect in DEFECTS:
        with open_recording(place / f"{defect}.h5") as file:
            expected = ACTIONS[1:] if defect.startswith("no leading") else ACTIONS
            assert [a.text for a in file.actions] == [a.text for a in expected]


@pytest.mark.parametrize("defect", DEFECTS)
def test_segments_of_a_defective_recording_are_complete_and_finite(place, defect, tmp_path):
    target = tmp_path / "segments.json"
    path = place / f"{defect}.h5"
    arguments = ["segment", path, "--models", place / "models", "--json", target]
    assert command.main(list(map(str, arguments))) == 0
    segments = json.loads(target.read_text())
    assert segments[-1]["end"] == pytest.approx(DURATION_S, abs=0.2)
    assert all(math.isfinite(s["confidence"]) and s["end"] > s["start"] for s in segments)


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_recording_without_pictures_can_be_damaged_too(defect):
    data = sound_recording()
    data.videos.clear()
    damage(data, defect)
    assert not data.videos
