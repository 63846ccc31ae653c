# SPDX-License-Identifier: Apache-2.0
"""The load of the benchmarks sends every sensor of a layout what the nodes take for it."""

import numpy as np
import pytest

from m2r2_ros.datasets.input_types import check_input, signal_reading
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.messages.definitions import stored_definitions
from m2r2_ros.messages.signals import decode_batch
from m2r2_ros.sensing.layout import SensorLayout

LAYOUT = SensorLayout(
    ("front",),
    True,
    {
        "wrench": {},
        "left_gripper": {},
        "pad": {"width": 16, "preset": "tactile"},
        "joint_effort": {"width": 3, "columns": ["j3", "j1", "j2"]},
        "current": {"width": 2},
    },
)


@pytest.mark.ros
def test_signals_that_a_layout_declares_are_no_cameras():
    pytest.importorskip("rclpy")
    from rclpy.serialization import serialize_message

    from m2r2_ros.benchmarks.load import _parsed, _sample
    from m2r2_ros.benchmarks.programs import _word

    topics = TopicMap({name: f"/load/{name}" for name in LAYOUT.modalities}, reference_camera="")
    definitions = stored_definitions({})
    for sensor in LAYOUT.modalities:
        asked = _parsed(_word(sensor, LAYOUT))
        assert (asked.name, asked.rate_hz) == (sensor, 0.0)
        message = _sample(asked)
        package = type(message).__module__.partition(".")[0]
        type_name = f"{package}/msg/{type(message).__name__}"
        check_input(topics, definitions, LAYOUT, sensor, type_name)
        if sensor in LAYOUT.signals:
            reading = signal_reading(topics, LAYOUT.signals[sensor], definitions)
            stamps, values = decode_batch(type_name, [serialize_message(message)], reading)
            assert values.shape == (1, LAYOUT.signals[sensor].width)
            assert len(stamps) == 1 and np.isfinite(values).all()


@pytest.mark.ros
def test_a_camera_sends_what_it_is_asked_for():
    pytest.importorskip("rclpy")
    from rclpy.serialization import serialize_message

    from m2r2_ros.benchmarks.load import HEIGHT, WIDTH, _parsed, _sample
    from m2r2_ros.messages.images import COMPRESSED_IMAGE, IMAGE, decode_image

    usual = (HEIGHT, WIDTH, 3)
    wanted = {"front": (IMAGE, usual), "front=jpeg": (COMPRESSED_IMAGE, usual)}
    for word, (kind, shape) in (wanted | {"front=64x48@3": (IMAGE, (48, 64, 3))}).items():
        message = bytes(serialize_message(_sample(_parsed(word))))
        assert decode_image(kind, message)[1]().shape == shape
