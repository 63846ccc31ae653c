# SPDX-License-Identifier: Apache-2.0
"""metadata.yaml of a bag folder, versions 1 to 9: what the recorder says is in the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import yaml

from m2r2_ros.datasets.damage import reindex
from m2r2_ros.errors import printable
from m2r2_ros.small_files import open_file

METADATA_FILE = "metadata.yaml"
# A thousand topics with all their publishers' quality of service take two megabytes.
MAX_METADATA_BYTES = 2**25
NEWEST_VERSION = 9


@dataclass(frozen=True)
class BagMetadata:
    """What metadata.yaml states.

    files       names of the storage files, in its order.
    counts      messages of each topic.
    encodings   serialisation of each topic.
    qos         offered quality of service of each topic, as written.
    codec       of messages that are compressed one by one; "" where they are not.
    problems    what cannot be read of it, a line each.
    """

    files: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    encodings: Mapping[str, str] = field(default_factory=dict)
    qos: Mapping[str, Any] = field(default_factory=dict)
    codec: str = ""
    problems: tuple[str, ...] = ()


def read_metadata(folder: Path) -> BagMetadata:
    """Read a folder's metadata.yaml; one that is absent or damaged states nothing and says so."""
    path = folder / METADATA_FILE
    try:
        with open_file(path) as file:
            packed = file.read(MAX_METADATA_BYTES + 1)
        if len(packed) > MAX_METADATA_BYTES:
            raise ValueError(f"larger than {MAX_METADATA_BYTES} bytes")
        content = yaml.safe_load(packed.decode("utf-8-sig"))
        return _from_content(content["rosbag2_bagfile_information"])
    except FileNotFoundError:
        reason = "is missing"
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        reason = f"cannot be read ({' '.join(str(error).split()):.200})"
    except (KeyError, TypeError, AttributeError):
        reason = "is not that of a bag"
    problem = f"{METADATA_FILE} {reason}, the storage files are read as they are; {reindex(folder)}"
    return BagMetadata(problems=(problem,))


def _from_content(content: Mapping[str, Any]) -> BagMetadata:
    files = tuple(PurePath(str(name)).name for name in content["relative_file_paths"])
    counts: dict[str, int] = {}
    encodings: dict[str, str] = {}
    qos: dict[str, Any] = {}
    for entry in content["topics_with_message_count"]:
        topic = entry["topic_metadata"]
        name = str(topic["name"])
        counts[name] = counts.get(name, 0) + int(entry["message_count"])
        encodings[name] = str(topic.get("serialization_format") or "")
        qos.setdefault(name, topic.get("offered_qos_profiles"))
    by_message = str(content.get("compression_mode") or "").lower() == "message"
    codec = str(content.get("compression_format") or "zstd") if by_message else ""
    return BagMetadata(files, counts, encodings, qos, codec, tuple(_oddities(content)))


def _oddities(content: Mapping[str, Any]) -> list[str]:
    version = content.get("version")
    if isinstance(version, int) and version <= NEWEST_VERSION:
        return []
    said = f"version {printable(version)}" if version is not None else "no version"
    return [f"{METADATA_FILE} has {said}, it is read as version {NEWEST_VERSION}"]
