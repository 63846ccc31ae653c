# SPDX-License-Identifier: Apache-2.0
"""Results that a bag holds, and what of a recording cannot be shown."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from published_messages import STORE, TYPES, header, made, time
from rosbags.rosbag2 import StoragePlugin, Writer
from shown import SECOND, shown_recording

from m2r2_ros.cli import main as command
from m2r2_ros.datasets.recording import Action
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.segment_events import SegmentStatus
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.viewing.recorded_show import RecordedShow, shown_layout, truth_calls
from m2r2_ros.viewing.results import Results

STAMP = 1_700_000_000 * SECOND
SEGMENT, FRAME = "m2r2_msgs/msg/ActionSegment", "m2r2_msgs/msg/FramePrediction"
DIAGNOSTICS = "diagnostic_msgs/msg/DiagnosticArray"


def segment(stamp_ns: int, status: SegmentStatus, start_ns: int) -> bytes:
    fields = (header(stamp_ns), 4, int(status), "pour", "pour", "", 1, 0.5)
    return made(SEGMENT, *fields, time(start_ns), time(stamp_ns), 0.5, 0, 0.0, math.nan)


def prediction(stamp_ns: int) -> bytes:
    return made(FRAME, header(stamp_ns), 3, np.ones(1, np.float32), 0.25, 1, "pour", 0.75)


def status(stamp_ns: int) -> bytes:
    told = [TYPES["diagnostic_msgs/msg/KeyValue"]("stamp_to_window_p50_ms", "40")]
    kind = TYPES["diagnostic_msgs/msg/DiagnosticStatus"]
    return made(DIAGNOSTICS, header(stamp_ns), [kind(0, "arm/segmenter", "active", "", told)])


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """Logged 30 ms after the stamps; one message is damaged, one topic another robot's."""
    folder = tmp_path / "bag"
    late = STAMP + 30_000_000
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:

        def topic(name: str, kind: str, *messages: tuple[int, bytes]) -> None:
            connection = writer.add_connection(name, kind, typestore=STORE)
            for at_ns, data in messages:
                writer.write(connection, at_ns, data)

        started = segment(STAMP, SegmentStatus.STARTED, STAMP - SECOND)
        topic("/arm/action_segment", SEGMENT, (late, started), (late + 1, started[:30]))
        topic("/other/action_segment", SEGMENT, (late, started))
        topic("/ground_truth/action_segment", SEGMENT, (late, started))
        topic("/arm/m2r2/frame_prediction", FRAME, (late, prediction(STAMP)))
        topic("/diagnostics", DIAGNOSTICS, (late, status(STAMP)))
    return folder


def test_what_a_bag_holds_of_one_robot_is_taken(bag):
    results = Results.of_recording(bag)
    (event,) = results.events
    assert (event.stamp_ns, event.label, event.start_ns) == (STAMP, "pour", STAMP - SECOND)
    assert results.predictions == [(STAMP, 1, "pour", 0.75, 0.25)]
    ((stamp_ns, (said,)),) = results.diagnostics
    assert (stamp_ns, said.name, said.message) == (STAMP, "arm/segmenter", "active")
    assert {(name, round(seconds, 6)) for _, name, seconds in results.latencies} == {
        ("stamp_to_segment_s", 0.03),
        ("start_to_segment_s", 1.0),
        ("stamp_to_prediction_s", 0.03),
        ("stamp_to_window_p50_s", 0.04),
    }
    assert len(results.problems) == 2
    assert "/arm/action_segment is shown, not /other/action_segment" in results.problems
    assert any("1 messages cannot be read" in line for line in results.problems)


def test_the_results_of_another_bag_are_shown(bag, tmp_path, capsys):
    pytest.importorskip("rerun")
    from rerun.chunk import RrdReader

    from m2r2_ros.viewing.rerun_screen import PUBLISHED

    with shown_recording(tmp_path) as source:
        name = source.name
    file = tmp_path / "shown.rrd"
    words = ("view", tmp_path / f"{name}.h5", "--results", bag, "--rerun", "--out", file)
    assert command.main([str(word) for word in words]) == 0
    assert "not /other/action_segment" in capsys.readouterr().err
    chunks = RrdReader(file).stream().to_chunks()
    rows = [c.to_record_batch() for c in chunks if c.entity_path == PUBLISHED]
    state = "StateChange:state"
    assert [r[state].to_pylist() for r in rows if state in r.schema.names] == [[["pour"]]]


def test_a_layout_without_anything_to_see_is_refused():
    assert shown_layout(SensorLayout(("hand",), signals=("twist",))).modalities == ("hand", "twist")
    derived = SensorLayout(("hand",), signals=("pose", "twist"), derived={"twist": "pose"})
    assert shown_layout(derived).modalities == ("hand", "pose")
    with pytest.raises(M2R2Error, match="nothing to show"):
        shown_layout(SensorLayout(audio=True, signals=()))


class Screen:
    """Keeps what it is shown."""

    def __init__(self) -> None:
        self.truths: list[tuple[int, str, str]] = []
        self.pictures: list[str] = []
        self.problems: dict[str, str] = {}

    def wants(self, stream: str) -> bool:
        return True

    def at(self, stamp_ns: int) -> None: ...

    def signal(self, *_: object) -> None: ...

    def truth(self, *what) -> None:
        self.truths.append(what)

    def picture(self, camera: str, *_: object) -> None:
        self.pictures.append(camera)


def test_what_is_not_there_is_said_once_and_the_rest_is_shown(tmp_path):
    said, screen = [], Screen()
    layout = SensorLayout(("hand", "elbow"), audio=False, signals=("wrench",))
    with shown_recording(tmp_path) as source:
        show = RecordedShow(source, layout, Results(), screen, said.append)
        for second in range(3):
            start_ns = source.start_ns + second * SECOND
            show.restore(start_ns)
            show.show(start_ns, start_ns + SECOND)
    assert set(screen.pictures) == {"hand"}
    assert len([line for line in said if "elbow" in line]) == 1
    with shown_recording(tmp_path) as source, pytest.raises(M2R2Error, match="none of the"):
        RecordedShow(source, SensorLayout(("elbow",), False, ()), Results(), screen, print)


def test_labels_of_any_text_are_shown_where_they_are(tmp_path):
    with shown_recording(tmp_path) as source:
        source.actions = [Action(0.5, 1.0, "a\x1b\udc80\nb."), Action(1.0, 2.0, "c.", False)]
        source.complete, screen = False, Screen()
        for _, call in truth_calls(source, screen):
            call()
        seconds = [((at - source.start_ns) / SECOND, *rest) for at, *rest in screen.truths]
        source.actions = None
        assert not list(truth_calls(source, screen))
    assert seconds == [
        (0.0, "", ""), (0.5, r"a\x1b\udc80\nb", ""), (1.0, "c", "failure"), (2.0, "", ""),
    ]  # fmt: skip
