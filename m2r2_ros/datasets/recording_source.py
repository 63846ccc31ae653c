# SPDX-License-Identifier: Apache-2.0
"""What every recording gives, whatever file it is in; `source` opens the files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from m2r2_ros.datasets.input_types import check_entries, check_input
from m2r2_ros.datasets.recording import Action
from m2r2_ros.datasets.sensor_input import RobotFileError
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.labels import label_from_text, vocabulary_of_labels
from m2r2_ros.messages.cdr import NANOSECONDS
from m2r2_ros.messages.definition import Definitions, no_definitions
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.limits import SensingLimits
from m2r2_ros.vocabulary import UNLABELLED, Vocabulary

# Length of a block of data; what is in memory at once.
BLOCK_NS = 50_000_000

REASSEMBLE_SUFFIXES = (".h5", ".hdf5")
BAG_SUFFIXES = (".mcap", ".db3")


@dataclass
class SensorBatch:
    """What a recording holds of one short stretch of time.

    images    (camera, stamp_ns, picture): `picture()` decodes uint8 (H, W, 3) RGB.
    signals   name -> stamps int64 (n,), values float64 (n, D); n may be 0.
    audio     (stamp_ns of the first sample, float32 (n, channels), rate_hz).
    """

    images: list[tuple[str, int, Callable[[], np.ndarray]]] = field(default_factory=list)
    signals: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    audio: list[tuple[int, np.ndarray, int]] = field(default_factory=list)

    def cut(self, start_ns: int, end_ns: int) -> SensorBatch:
        """What of it is stamped in [start_ns, end_ns), in order, and sound that reaches into it."""
        images = [frame for frame in self.images if start_ns <= frame[1] < end_ns]
        signals = {}
        for name, (stamps, values) in self.signals.items():
            inside = (stamps >= start_ns) & (stamps < end_ns)
            signals[name] = stamps[inside], values[inside]
        audio = [
            (stamp_ns, samples, rate_hz)
            for stamp_ns, samples, rate_hz in self.audio
            if stamp_ns < end_ns and stamp_ns + len(samples) * NANOSECONDS // rate_hz > start_ns
        ]
        return SensorBatch(sorted(images, key=lambda frame: frame[1]), signals, audio)


class RecordingSource(Protocol):
    """A recording, whatever file it is in.

    start_ns  stamp of the first frame of the reference camera, the zero of segments files; without
              that camera, a stamp near the recording's start.
    end_ns    stamp of the last data.
    actions   ground truth, seconds from `start_ns`; None when the recording has none.
    complete  whether nothing is done where no action is; else that is unlabelled.
    vocabulary  what the labels mean, None where neither a file nor the labels themselves say it.
    labels_epoch_ns  the stamp that the labels beside the recording count from, None without any.
    problems  what is missing or odd, a line each; reading may add to it.
    """

    name: str
    start_ns: int
    end_ns: int
    actions: list[Action] | None
    complete: bool
    vocabulary: Vocabulary | None
    labels_epoch_ns: int | None
    problems: list[str]

    def batches(
        self,
        layout: SensorLayout,
        limits: SensingLimits = SensingLimits(),  # noqa: B008 (frozen)
    ) -> Iterator[SensorBatch]:
        """Yield blocks of `BLOCK_NS`, in order of time, of the streams that the layout names.

        `limits` are those of the windows that are made of them.

        Raises M2R2Error when none of them is there.
        """
        ...

    def between(self, layout: SensorLayout, start_ns: int, end_ns: int) -> SensorBatch:
        """What is stamped in [start_ns, end_ns), and the sound that reaches into it.

        It is found without reading what comes before. Raises M2R2Error as `batches` does.
        """
        ...


def vocabulary_of(source: RecordingSource) -> Vocabulary:
    """Its vocabulary, else its labels in order, none of them idle. Raises M2R2Error."""
    labels = (label_from_text(action.text) for action in source.actions or ())
    return source.vocabulary or vocabulary_of_labels(labels)


def gap_label(source: RecordingSource) -> str:
    """What is done where no action is: nothing, if the labels are complete and one says so."""
    if not source.complete or source.vocabulary is None or not source.vocabulary.idle:
        return UNLABELLED
    return source.vocabulary.idle[0]


def segments_epoch_ns(source: RecordingSource) -> int:
    """The stamp that a segments file counts from: that of the labels beside the recording, if any.

    Else that of its first frame.
    """
    return source.start_ns if source.labels_epoch_ns is None else source.labels_epoch_ns


def present_topics(
    name: str,
    there: dict[str, str],
    topics: TopicMap,
    layout: SensorLayout,
    problems: list[str],
    definitions: Definitions = no_definitions,
) -> dict[str, str]:
    """Modality -> topic for those of the layout's modalities whose topic is `there`.

    The others are added to `problems`, as are those whose type cannot carry their modality: they
    are masked. Raises M2R2Error when none is left, or the robot file cannot be right.
    """
    check_entries(topics, layout, definitions)
    wanted = topics.served(layout.sensed)
    missing = {modality: topic for modality, topic in wanted.items() if topic not in there}
    lines = [
        f"no topic {topic} for '{modality}'{nearest_name(topic, there)}"
        for modality, topic in missing.items()
    ]
    lines += topics.absent(layout.sensed) + topics.unread(layout.derived)
    if len(missing) == len(wanted):
        default = "; no --config says otherwise than config/reassemble.yaml"
        raise M2R2Error(
            f"{name}: none of the configured topics is in the recording; {lines[0]}"
            f"{default if topics == TopicMap() else ''}"
        )
    chosen = {name: topic for name, topic in wanted.items() if topic in there}
    unfit = _unfit(chosen, there, topics, layout, definitions)
    if len(unfit) == len(chosen):
        raise M2R2Error(f"{name}: none of the configured topics can be read; {unfit.popitem()[1]}")
    lines += unfit.values()
    problems += [line for line in lines if line not in problems]
    return {modality: topic for modality, topic in chosen.items() if modality not in unfit}


def _unfit(
    chosen: dict[str, str],
    there: dict[str, str],
    topics: TopicMap,
    layout: SensorLayout,
    definitions: Definitions,
) -> dict[str, str]:
    """Why a topic's type cannot carry its modality, by the modality, as the nodes say it."""
    found = {}
    for modality, topic in chosen.items():
        try:
            check_input(topics, definitions, layout, modality, there[topic])
        except RobotFileError as error:
            raise RobotFileError(f"'{modality}': {topic}: {error}") from error
        except M2R2Error as error:
            found[modality] = f"'{modality}' is masked: {topic}: {error}"
    return found
