# SPDX-License-Identifier: Apache-2.0
"""The data sets that are written, against the form that LeRobot 0.4.4 was seen to read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from m2r2_ros.label_formats.label_format import FormatOptions
from m2r2_ros.label_formats.label_track import NS, LabelSpan, LabelTrack
from m2r2_ros.label_formats.registry import find_format

pytest.importorskip("pyarrow")
SCHEMA = Path(__file__).with_name("lerobot_schema.json")
TRACKS = [
    LabelTrack("a", (LabelSpan(0, NS, "reach"), LabelSpan(NS, 2 * NS, "grasp")), end_ns=3 * NS),
    LabelTrack("b", (LabelSpan(0, 2 * NS, "grasp"),), end_ns=2 * NS),
]


def form_of(folder: Path) -> dict:
    """Entries of the JSON files, and columns with their types of the tables."""
    import pyarrow.parquet as pq

    found: dict = {"info.json": json.loads((folder / "meta/info.json").read_text())}
    found["stats.json"] = sorted(json.loads((folder / "meta/stats.json").read_text()))
    for file in sorted(folder.rglob("*.parquet")):
        schema = pq.read_schema(file)
        names = {name: str(kind) for name, kind in zip(schema.names, schema.types, strict=True)}
        index = json.loads((schema.metadata or {}).get(b"pandas", b"{}")).get("index_columns", [])
        found[str(file.relative_to(folder))] = {"columns": names, "index": index}
    return found


@pytest.mark.parametrize("column", ["subtask_index", "language_persistent"])
def test_the_form_is_as_committed(tmp_path, column):
    lines = find_format("lerobot").write(tmp_path / "set", TRACKS, FormatOptions(10.0, column))
    assert lines == ["a data set of labels alone, without observations"]
    assert form_of(tmp_path / "set") == json.loads(SCHEMA.read_text("utf-8"))[column]


def test_a_label_a_frame_and_an_episode_a_recording(tmp_path):
    import pyarrow.parquet as pq

    find_format("lerobot").write(tmp_path / "set", TRACKS, FormatOptions(10.0))
    data = pq.read_table(tmp_path / "set/data/chunk-000/file-000.parquet").to_pydict()
    names = pq.read_table(tmp_path / "set/meta/subtasks.parquet").to_pydict()
    texts = dict(zip(names["subtask_index"], names["subtask"], strict=True))
    labels = [texts[index] for index in data["subtask_index"]]
    assert labels == ["reach"] * 10 + ["grasp"] * 10 + ["unlabelled"] * 10 + ["grasp"] * 20
    assert data["episode_index"] == [0] * 30 + [1] * 20
    assert data["frame_index"] == [*range(30), *range(20)]
    assert data["index"] == [*range(50)]
    assert data["timestamp"] == pytest.approx([k / 10 for k in [*range(30), *range(20)]])
