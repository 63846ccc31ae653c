# SPDX-License-Identifier: Apache-2.0
"""Every parameter of every node, in one place because one YAML serves them all.

Defaults come from the core (`SensingLimits`, `TopicMap`, `TrackerConfig`) wherever it has one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path

from m2r2_ros.datasets.sensor_input import entry_of
from m2r2_ros.datasets.sensor_input import names as signal_names
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.hub.fetch import Say
from m2r2_ros.hub.models_folder import models_folder
from m2r2_ros.inference.tracker_config import TrackerConfig
from m2r2_ros.nodes.setting import Setting
from m2r2_ros.sensing.layout import AUDIO
from m2r2_ros.sensing.limits import SensingLimits
from m2r2_ros.shipped import shipped

SYNCHRONIZER_NODE, EXTRACTOR_NODE = "synchronizer", "feature_extractor"
SEGMENTER_NODE = "segmenter"
NODES = (SYNCHRONIZER_NODE, EXTRACTOR_NODE, SEGMENTER_NODE, "microphone", "replayer")
NODES += ("await_server", "result_recorder", "event_recorder")

# What a window shows of the other cameras.
CAMERA_SYNC = HELD, _ = ("held", "approximate")

AUTOSTART = Setting(
    "autostart", True, "Configure and activate without waiting for a lifecycle manager."
)
MODELS = Setting(
    "models",
    "",
    "Folder with encoder.onnx and head.onnx, or org/name@revision of the Hugging Face hub; the "
    "shipped models when empty.",
)

_TOPICS = TopicMap()
_SHIPPED = Path("models") / "taskboard_compact"

# Every field of SensingLimits: offline commands read the same names from the same YAML.
_SENSING = {
    "max_wait_s": "A stream this far behind the others is not waited for [s of stream time].",
    "reorder_s": "Messages of different topics may overtake each other by this much [s].",
    "jump_s": "A step in the stamps larger than this is another clock, or a jump in time [s].",
    "max_camera_age_s": "Oldest frame that still shows the present [s].",
    "max_signal_age_s": "Longest hold or hole of a signal that is still a measurement [s].",
    "max_audio_gap_s": "Longest hole in the audio that passes for jitter of its stamps [s].",
    "max_audio_chunk_s": "Longest message of audio, for which windows wait; longer ones are "
    "refused [s].",
    "audio_jitter_s": "Audio stamps may be off by this much before the clock follows them [s].",
    "audio_drift_s": "Time constant with which the audio clock follows its stamps [s].",
    "buffer_s": "Samples kept for a window [s]; what is older is dropped and counted.",
    "buffer_mb": "All that waits for a window, in the middleware's queues and here [MB]. Beyond it "
    "the camera that takes the most loses its oldest frame, which is counted.",
    "max_signal_rate_hz": "Highest rate of a signal, for the size of its buffer [Hz].",
    "max_camera_rate_hz": "Highest rate of a camera, for the size of its buffer [Hz].",
    "max_audio_rate_hz": "Highest rate of the microphone [Hz].",
    "min_audio_rate_hz": "Lowest rate of the microphone [Hz].",
    "max_force_n": "A force beyond this is a fault [N].",
    "max_torque_nm": "A torque beyond this is a fault [N m].",
    "max_distance_m": "A position beyond this is a fault [m].",
    "max_speed_m_s": "A speed beyond this is a fault [m/s].",
    "max_turn_rad_s": "A rate of turn beyond this is a fault [rad/s].",
    "max_gripper_m": "A gripper's width beyond this is a fault [m].",
    "max_audio": "An audio sample beyond this is a fault; full scale is 1.",
}

SENSING = tuple(
    Setting(
        entry.name,
        float(entry.default),
        _SENSING.get(entry.name, ""),
        *entry.metadata["range"],
    )
    for entry in fields(SensingLimits)
)
# The node of the encoder takes it, too.
BUFFER_MB = next(setting for setting in SENSING if setting.name == "buffer_mb")

GRIPPER_JOINTS = Setting(
    "gripper_joints",
    _TOPICS.gripper_joints,
    "Joints whose positions add up to the gripper's width; all when empty.",
)

SYNCHRONIZER = (
    MODELS,
    Setting(
        "reference_camera",
        "",
        "The camera whose frames end the windows; empty: the encoder's first.",
    ),
    Setting(
        "camera_sync",
        HELD,
        "What a window shows of the other cameras. 'held': the newest frame not after the "
        "reference frame, as the models have been trained. 'approximate': the frame nearest to "
        "it, before or after, paired by message_filters.",
    ),
    Setting(
        "camera_slop_s",
        0.02,
        "With camera_sync 'approximate', frames further apart than this are no pair [s].",
        1e-6,
        1.0,
    ),
    GRIPPER_JOINTS,
    Setting(
        "silence_warning_s",
        5.0,
        "Seconds without data on a topic after which a warning names it and the likely cause.",
        0.1,
        3600.0,
        live=True,
    ),
    *SENSING,
)

FEATURE_EXTRACTOR = (
    MODELS,
    Setting("require_gpu", False, "Refuse to start when the encoder would run on the CPU instead."),
    Setting(
        "tensorrt_cache",
        "",
        "Folder for TensorRT engines; with it the encoder runs on TensorRT, which builds its "
        "engine at the first start for minutes. CUDA when empty.",
    ),
    Setting(
        "tensorrt_half", False, "Let TensorRT compute in float16: faster, features differ by 1e-2."
    ),
    Setting(
        "cuda_graphs",
        False,
        "Replay windows as CUDA graphs, which saves starting each kernel. Where a part of the "
        "encoder needs the CPU, or a capture fails, it runs without, with a warning.",
    ),
    # 0.8 s at 10 Hz: a longer hole would be a jump in time to the segmenter.
    Setting(
        "max_backlog",
        8,
        "Windows that may wait for the encoder, in half of buffer_mb at most. When more do, the "
        "newest wins and the others are skipped and counted.",
        1,
        1000,
        live=True,
    ),
    BUFFER_MB,
)

ACTIONS = Setting(
    "actions",
    (),
    "Actions to recognise by their texts, without a trained head: a verb and its object "
    "('Tighten cap') or a sentence. For a RoboAct encoder only; none: the models' head.",
)

SEGMENTER = (MODELS, ACTIONS)

RECORD_TO = Setting("record_to", "recordings", "Folder for bags: below it results/ and events/.")

RESULT_RECORDER = (RECORD_TO,)

EVENT_RECORDER = (
    RECORD_TO,
    MODELS,
    ACTIONS,
    GRIPPER_JOINTS,
    Setting("around_s", 5.0, "Kept before an event's segment and after its end [s].", 0.0, 120.0),
    Setting(
        "ring_mb",
        256.0,
        "Newest messages of all sensors that are held for an event [MB]; as much may wait for the "
        "disk in addition. What it no longer has is missing in a take, which is said.",
        1.0,
        16_000.0,
    ),
    Setting(
        "events_mb",
        10_000.0,
        "All takes in the folder together [MB]; beyond that, events are counted only.",
        1.0,
        1e7,
    ),
    Setting(
        "unsure_below", 0.5, "A segment of less confidence is unsure, which is an event.", 0.0, 1.0
    ),
)

MICROPHONE = (
    Setting("topics.audio", _TOPICS.topics[AUDIO], "Where the AudioChunk messages go."),
    Setting("frame_id", "microphone", "The microphone's frame."),
    Setting("file", "", "An audio file to play at real rate instead of a sound card."),
    Setting("device", "", "Name or number of the input device; the default one when empty."),
    Setting("sample_rate", 48_000, "Samples a second of the sound card.", 8_000, 192_000),
    Setting("channels", 1, "Channels of the sound card.", 1, 64),
    Setting(
        "chunk_s",
        0.02,
        "Length of one message, for which windows wait [s].",
        0.001,
        SensingLimits.max_audio_chunk_s,
    ),
)

AWAIT_SERVER = (
    Setting(
        "max_age_s",
        5.0,
        "Longest silence of the segmenter, above its heartbeat_s; then goals are stale [s].",
        0.1,
        7200.0,
    ),
)

REPLAYER = (
    Setting("bag", "", "The bag to play: a rosbag2 folder, or an .mcap or .db3 file."),
    Setting("rate", 1.0, "Speed: 2.0 plays twice as fast.", 0.01, 100.0),
    Setting("clock", False, "Publish the recording's time on /clock, at most 100 times a second."),
    Setting("loop", False, "Begin again at the end."),
    Setting(
        "await_nodes",
        (),
        "Lifecycle nodes that must be active before the start; whoever subscribes when empty.",
    ),
    Setting(
        "wait_s",
        5.0,
        "Longest wait for subscribers before the start, and for their acknowledgement at the "
        "end [s].",
        0.0,
        3600.0,
    ),
)


def topic_settings(topics: Mapping[str, str]) -> tuple[Setting, ...]:
    """`topics.<modality>` for each entry of a TopicMap."""
    return tuple(
        Setting(f"topics.{modality}", topic, f"Topic of the modality '{modality}'.")
        for modality, topic in topics.items()
    )


# `signals.<sensor>.<key>`: the key's default and what it says of the sensor.
_SIGNALS: Mapping[str, tuple[str | tuple[str, ...] | tuple[float, ...], str]] = {
    "topic": ("", "Its topic, unless topics.<sensor> names it."),
    "type": ("", "Its message type; what is found on the topic when empty."),
    "fields": (
        (),
        "Where in a message its columns are, in their order: wrench.force, position[a_joint], "
        "data[0:16], rpy(pose[3:6]). Numbers of a gripper are added up.",
    ),
    "scale": ((1.0,), "By what its numbers are multiplied, one for all or one each."),
    "offset": ((0.0,), "What is then added, one for all columns or one each."),
    "unit": ("", "The unit of the values that result."),
    "frame": ("", "The frame_id that is expected; on /tf the fixed frame."),
    "child_frame": ("", "On /tf the frame that moves."),
    "info": ("", "Of a microphone that publishes bytes: the topic of their AudioInfo."),
}


def signal_settings(given: Iterable[str]) -> tuple[Setting, ...]:
    """Those of the `given` names that are `signals.<sensor>.<key>`. Raises M2R2Error."""
    return tuple(Setting(name, *_SIGNALS[entry_of(name)[1]]) for name in signal_names(given))


def tracker_settings(defaults: TrackerConfig) -> tuple[Setting, ...]:
    """The segment tracker's parameters; `defaults` are those of the head in use."""
    return tuple(
        Setting(
            entry.name,
            float(getattr(defaults, entry.name)),
            entry.metadata["description"],
            *entry.metadata["range"],
            live=True,
        )
        for entry in fields(defaults)
    )


ALL_NAMES = {
    setting.name
    for group in (
        (AUTOSTART,),
        SYNCHRONIZER,
        FEATURE_EXTRACTOR,
        SEGMENTER,
        MICROPHONE,
        AWAIT_SERVER,
        RESULT_RECORDER,
        EVENT_RECORDER,
        REPLAYER,
        tracker_settings(TrackerConfig()),
    )
    for setting in group
}


def given_models(value: str, say: Say) -> Path:
    """The parameter `models` as a folder: the one given, of a name, or the one that ships."""
    return models_folder(value, say) if value else shipped(_SHIPPED)
