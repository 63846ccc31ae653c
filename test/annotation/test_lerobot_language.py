# SPDX-License-Identifier: Apache-2.0
"""A LeRobotDataset v3 as clips with descriptions, from the committed form of its tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from m2r2_ros.annotation.described_videos import DescribedVideo, read_described_videos
from m2r2_ros.cli.main import main
from m2r2_ros.errors import M2R2Error
from m2r2_ros.label_formats.lerobot_dataset import Observations, video_key, write_tables
from m2r2_ros.label_formats.lerobot_episode import PictureStatistics

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
RATE_HZ = 10
DATA = Path("data/chunk-000/file-000.parquet")
EPISODES = Path("meta/episodes/chunk-000/file-000.parquet")
LABELS = {
    "a": ["Open the drawer"] * 10 + ["unlabelled"] * 5 + ["Push the lid and lift it"] * 5,
    "b": ["unlabelled"] * 4 + ["Open the drawer"] * 6,
}


@pytest.fixture(params=["subtask_index", "language_persistent"])
def column(request) -> str:
    return request.param


def write_set(folder: Path, column: str = "subtask_index", cameras=("top", "wrist")) -> Path:
    """Two episodes of 2 s and 1 s; in the video of "top" the second follows the first."""
    statistics = PictureStatistics()
    statistics.add(np.zeros((16, 16, 3), np.uint8))
    seen = Observations(np.zeros((30, 0)), [], {c: ((16, 16, 3), statistics) for c in cameras})
    write_tables(folder, LABELS, [0, 0], RATE_HZ, column, seen)
    if "top" in cameras:
        key = f"videos/{video_key('top')}"
        change(folder / EPISODES, f"{key}/file_index", [0, 0])
        change(folder / EPISODES, f"{key}/from_timestamp", [0.0, 2.0])
    for video in (("top", 0), ("wrist", 0), ("wrist", 1)):
        file = video_of(folder, *video)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return folder


def write_tasks(folder: Path, of_frames: list[int], column: str = "__index_level_0__") -> Path:
    """The same with tasks and no subtasks; pandas calls rows without a name as here."""
    write_set(folder)
    (folder / "meta/subtasks.parquet").unlink()
    tasks = {"task_index": [1, 0], column: ["fold the towel", "Close the box"]}
    pq.write_table(pa.table(tasks), folder / "meta/tasks.parquet")
    change(folder / DATA, "task_index", of_frames)
    return folder


def change(file: Path, column: str, values: list) -> None:
    table = pq.read_table(file)
    place = table.schema.get_field_index(column)
    pq.write_table(table.set_column(place, column, pa.array(values)), file)


def video_of(folder: Path, camera: str, file: int) -> Path:
    return folder / "videos" / video_key(camera) / f"chunk-000/file-{file:03d}.mp4"


def test_subtasks_are_clips_of_every_camera(tmp_path, column):
    top, wrist, other = (
        video_of(tmp_path, *video) for video in (("top", 0), ("wrist", 0), ("wrist", 1))
    )
    assert list(read_described_videos(write_set(tmp_path, column))) == [
        DescribedVideo(top, "Open the drawer", 0.0, 1.0),
        DescribedVideo(wrist, "Open the drawer", 0.0, 1.0),
        DescribedVideo(top, "Push the lid and lift it", 1.5, 2.0),
        DescribedVideo(wrist, "Push the lid and lift it", 1.5, 2.0),
        DescribedVideo(top, "Open the drawer", 2.4, 3.0),
        DescribedVideo(other, "Open the drawer", 0.4, 1.0),
    ]


@pytest.mark.parametrize("column", ["task", "__index_level_0__"])
def test_without_subtasks_its_tasks_are(tmp_path, column):
    write_tasks(tmp_path, [0] * 12 + [1] * 8 + [1] * 10, column)
    clips = [clip for clip in read_described_videos(tmp_path) if "top" in str(clip.path)]
    assert [(clip.start_s, clip.end_s, clip.description) for clip in clips] == [
        (0.0, 1.2, "Close the box"),
        (1.2, 2.0, "fold the towel"),
        (2.0, 3.0, "fold the towel"),
    ]


def test_the_command_writes_a_list_of_clips(tmp_path, capsys):
    write_tasks(tmp_path / "set", [0] * 20 + [1] * 10)
    assert main(["annotate", str(tmp_path / "set"), "--out", str(tmp_path / "out")]) == 0
    lines = (tmp_path / "out/annotations.jsonl").read_text().splitlines()
    kept = [json.loads(line) for line in lines]
    assert [(clip["action"], clip["object"]) for clip in kept] == [("close", "box")] * 2 + [
        ("fold", "towel")
    ] * 2
    assert (tmp_path / "out" / kept[0]["path"]).resolve() == video_of(tmp_path / "set", "top", 0)


def remove_a_video(folder: Path) -> None:
    video_of(folder, "wrist", 1).unlink()


def drop_the_videos(folder: Path) -> None:
    info = json.loads((folder / "meta/info.json").read_text())
    info["features"] = {k: v for k, v in info["features"].items() if v["dtype"] != "video"}
    (folder / "meta/info.json").write_text(json.dumps(info))


def be_of_an_older_version(folder: Path) -> None:
    info = json.loads((folder / "meta/info.json").read_text())
    (folder / "meta/info.json").write_text(json.dumps(info | {"codebase_version": "v2.1"}))


def lose_the_tasks(folder: Path) -> None:
    (folder / "meta/tasks.parquet").unlink()


def name_a_task_that_is_none(folder: Path) -> None:
    change(folder / DATA, "task_index", [0] * 29 + [7])


def lose_the_frames(folder: Path) -> None:
    (folder / DATA).unlink()


def have_numbers_for_tasks(folder: Path) -> None:
    pq.write_table(pa.table({"task_index": [0], "task": [5]}), folder / "meta/tasks.parquet")


@pytest.mark.parametrize(
    ("harm", "line"),
    [
        (
            remove_a_video,
            r"1 of 3 videos are missing, file-001\.mp4 of observation.images.wrist the first",
        ),
        (drop_the_videos, "has no videos"),
        (be_of_an_older_version, "no LeRobotDataset v3.x, it says 'v2.1'"),
        (lose_the_tasks, "tasks.parquet"),
        (name_a_task_that_is_none, "no task has the index 7 of episode_000001"),
        (lose_the_frames, "has no data/chunk"),
        (have_numbers_for_tasks, "'task' are no texts"),
    ],
)
def test_what_is_missing_is_one_line(tmp_path, harm, line):
    harm(write_tasks(tmp_path, [0] * 30))
    with pytest.raises(M2R2Error, match=line) as error:
        list(read_described_videos(tmp_path))
    assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)
