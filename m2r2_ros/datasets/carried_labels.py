# SPDX-License-Identifier: Apache-2.0
"""Labels beside a recording go with it to its bag: into the bag's topics, and as a file."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from m2r2_ros.datasets.annotations import MAX_JSON_BYTES
from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.bag_label_streams import LABEL_TYPES, label_streams
from m2r2_ros.datasets.bag_writer import BagContent, Timed, origin_of_bag
from m2r2_ros.datasets.labels_file import labels_digest, labels_path, read_labels
from m2r2_ros.datasets.recording_labels import RecordingLabels
from m2r2_ros.datasets.stated_vocabulary import stated_vocabulary
from m2r2_ros.errors import M2R2Error
from m2r2_ros.small_files import read_small
from m2r2_ros.vocabulary import Vocabulary


@dataclass(frozen=True)
class CarriedLabels:
    """The labels file of a recording; `stated` is what files say that its labels mean."""

    path: Path
    labels: RecordingLabels
    digest: str
    stated: Vocabulary | None

    @classmethod
    def of(cls, recording: Path) -> CarriedLabels | None:
        """None without a labels file. Raises M2R2Error."""
        path = labels_path(recording)
        if not path.exists():
            return None
        stated = stated_vocabulary(recording)
        return cls(path, read_labels(path), labels_digest(recording), stated and stated.vocabulary)

    def in_bag(self, content: BagContent) -> BagContent:
        """The same content with these labels, those that are confirmed, for any others."""
        others = {topic: kind for topic, kind in content.types.items() if topic not in LABEL_TYPES}
        actions = self.labels.actions(content.start_ns)
        streams = label_streams(actions, content.start_ns, self.labels.is_complete, self.stated)
        kept = [_without(stream, LABEL_TYPES) for stream in content.streams]
        return replace(content, types={**others, **LABEL_TYPES}, streams=[*kept, *streams])

    def copy_to(self, bag: Path) -> str:
        """Put the file beside a bag; returns what there is to say, "" for nothing.

        A file that was edited there since stays. Raises M2R2Error where it belongs to no such bag.
        """
        target, there = labels_path(bag), labels_digest(bag)
        if there == self.digest:
            return ""
        if there and there not in (origin_of_bag(bag) or ""):
            if bag.exists():
                return f"{target} stays as it is: it was changed since it came from {self.path}"
            raise M2R2Error(f"{self.path} and {target} differ: choose another --out")
        with partial_file(target) as temporary:
            temporary.write_bytes(read_small(self.path, MAX_JSON_BYTES))
        return ""


def _without(stream: Iterator[Timed], topics: Collection[str]) -> Iterator[Timed]:
    return (timed for timed in stream if timed[1] not in topics)
