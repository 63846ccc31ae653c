# SPDX-License-Identifier: Apache-2.0
"""The chain from windows to segments, as the nodes and `m2r2 segment` drive it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_models import sha256_of, write_encoder, write_head, write_models
from tiny_windows import random_window

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.encoder import Encoder
from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.inference.models import Models
from m2r2_ros.inference.pipeline import MAX_GAP_NS, SegmentationPipeline
from m2r2_ros.inference.segment_events import SegmentStatus
from m2r2_ros.inference.tracker import SegmentTracker, TrackerConfig
from m2r2_ros.sensing.layout import SensorLayout

LAYOUT = SensorLayout(cameras=("hama1",), audio=True, signals=("wrench", "gripper"))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models.load(write_models(tmp_path_factory.mktemp("models"), LAYOUT))


def run(pipeline: SegmentationPipeline, windows) -> tuple[list, list]:
    features, events = [], []
    for window in windows:
        feature, _, new = pipeline.process(window)
        features.append(feature)
        events += new
    return features, events


def test_is_encoder_then_head_then_tracker(models: Models) -> None:
    windows = [random_window(LAYOUT, index) for index in range(100)]
    features, events = run(models.pipeline(), windows)

    expected = [models.encoder(window) for window in windows]
    np.testing.assert_array_equal(features, expected)
    models.head.reset()
    probabilities, boundaries = models.head.run(np.array(expected))
    tracker = models.head.metadata.new_tracker()
    pipeline = models.pipeline()
    tracked = []
    for i, window in enumerate(windows):
        _, prediction, _ = pipeline.process(window)
        assert (prediction.index, prediction.stamp_ns) == (window.index, window.end_ns)
        np.testing.assert_allclose(prediction.probabilities, probabilities[i], atol=1e-5)
        assert prediction.boundary == pytest.approx(boundaries[i], abs=1e-5)
        tracked += tracker.step(prediction)
    assert tracked == events
    assert len({event.label for event in events}) >= 3


@pytest.mark.parametrize(
    ("first_index", "shift_ns"),
    [(0, 0), (60, -20 * LAYOUT.period_ns), (60, MAX_GAP_NS), (0, -60 * LAYOUT.period_ns)],
    ids=["index starts again", "time jumps back", "time jumps forward", "bag loops"],
)
def test_starts_afresh(models: Models, first_index: int, shift_ns: int) -> None:
    before = [random_window(LAYOUT, index) for index in range(60)]
    after = [
        replace(
            window,
            index=first_index + i,
            start_ns=window.start_ns + shift_ns,
            end_ns=window.end_ns + shift_ns,
        )
        for i, window in enumerate(random_window(LAYOUT, index) for index in range(60, 120))
    ]
    _, expected = run(models.pipeline(), after)
    pipeline = models.pipeline()
    _, opened = run(pipeline, before)
    _, events = run(pipeline, after)

    count = 1 + max(event.segment_id for event in opened)
    assert opened[-1].status is not SegmentStatus.ENDED
    assert events[0].status is SegmentStatus.ENDED
    assert events[0].segment_id == count - 1
    assert events[0].stamp_ns == after[0].end_ns
    assert events[0].end_ns == before[-1].end_ns
    assert events[1:] == [replace(e, segment_id=e.segment_id + count) for e in expected]


def test_skipped_windows_are_no_new_sequence(models: Models) -> None:
    windows = [random_window(LAYOUT, index) for index in range(40) if index not in (20, 21, 22)]
    _, events = run(models.pipeline(TrackerConfig(confirm_s=0, unknown_below=0)), windows)
    ends = {event.segment_id: event.end_ns for event in events if event.status == 2}
    starts = {event.segment_id: event.start_ns for event in events if event.status == 0}
    for segment_id, end_ns in ends.items():
        assert starts.get(segment_id + 1, end_ns) == end_ns  # Segments leave no hole.


def test_a_refused_window_loses_no_event(models: Models) -> None:
    """The ENDED of a broken sequence is kept until it can be returned."""
    pipeline = models.pipeline()
    run(pipeline, [random_window(LAYOUT, index) for index in range(30)])
    open_id = pipeline.segmenter.tracker.current.segment_id
    bad = np.full(models.encoder.feature_dimension, np.nan, np.float32)
    with pytest.raises(M2R2Error, match="NaN"):
        pipeline.segmenter.process(0, 10**12, bad)
    feature = models.encoder(random_window(LAYOUT, 0))
    _, events = pipeline.segmenter.process(1, 10**12 + LAYOUT.period_ns, feature)
    assert (events[0].status, events[0].segment_id) == (SegmentStatus.ENDED, open_id)


def test_close_ends_at_the_last_window_and_once(models: Models) -> None:
    pipeline = models.pipeline()
    assert pipeline.close() == []
    windows = [random_window(LAYOUT, index) for index in range(30)]
    run(pipeline, windows)
    (ended,) = pipeline.close()
    assert ended.status is SegmentStatus.ENDED
    assert ended.stamp_ns == ended.end_ns == windows[-1].end_ns
    assert pipeline.close() == []


def test_head_and_encoder_must_belong_together(tmp_path: Path) -> None:
    encoder = Encoder(write_encoder(tmp_path / "encoder.onnx", LAYOUT))
    other = write_encoder(tmp_path / "other.onnx", LAYOUT, seed=1)
    head = StreamingHead(write_head(tmp_path / "head.onnx", sha256_of(other)))
    with pytest.raises(M2R2Error, match="was trained on another encoder"):
        SegmentationPipeline(encoder, head, SegmentTracker(head.vocabulary))


def test_needs_neither_torch_nor_ros_nor_onnx() -> None:
    banned = ("torch", "rclpy", "onnx")
    program = (
        "import sys\n"
        "import m2r2_ros.inference.models\n"
        f"print([name for name in {banned} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr
