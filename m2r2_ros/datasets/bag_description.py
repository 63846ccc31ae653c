# SPDX-License-Identifier: Apache-2.0
"""metadata.yaml of a bag with one file, as rosbag2 writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from m2r2_ros.datasets.bag_metadata import NEWEST_VERSION
from m2r2_ros.datasets.bag_qos import OfferedQos, qos_profiles
from m2r2_ros.datasets.bag_storage import CDR


@dataclass(frozen=True)
class RecordedTopic:
    """`definition`: of its type and of those within, as .msg files; `type_hash`: as ROS has it."""

    name: str
    type_name: str
    qos: OfferedQos
    definition: str = ""
    type_hash: str = ""

    @property
    def qos_text(self) -> str:
        """As a channel of an MCAP file has it."""
        return _text(qos_profiles(self.qos))


def bag_description(
    file: str,
    counts: Mapping[RecordedTopic, int],
    span_ns: tuple[int, int],
    custom: Mapping[str, str] | None = None,
) -> str:
    """The text: messages of each topic, and the log times of the first and the last."""
    start_ns, end_ns = span_ns
    span = {
        "duration": {"nanoseconds": end_ns - start_ns},
        "starting_time": {"nanoseconds_since_epoch": start_ns},
        "message_count": sum(counts.values()),
    }
    content = {
        "version": NEWEST_VERSION,
        "storage_identifier": "mcap",
        "relative_file_paths": [file],
        **span,
        "topics_with_message_count": [
            {"topic_metadata": _topic_metadata(topic), "message_count": count}
            for topic, count in counts.items()
        ],
        "compression_format": "",
        "compression_mode": "",
        "files": [{"path": file, **span}],
        "custom_data": dict(custom) if custom else None,
        "ros_distro": "m2r2_ros",
    }
    return _text({"rosbag2_bagfile_information": content})


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):
    """Writes twice what is there twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(content: Any) -> str:
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False)


def _topic_metadata(topic: RecordedTopic) -> dict[str, Any]:
    return {
        "name": topic.name,
        "type": topic.type_name,
        "serialization_format": CDR,
        "offered_qos_profiles": qos_profiles(topic.qos),
        "type_description_hash": topic.type_hash,
    }
