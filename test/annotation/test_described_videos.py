# SPDX-License-Identifier: Apache-2.0
"""Where videos and their descriptions come from, and what becomes of each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from recordings import recording

from m2r2_ros.annotation.described_videos import DescribedVideo, read_described_videos
from m2r2_ros.annotation.findings import ActionPhrase, Findings
from m2r2_ros.annotation.selection import NoAnswer, sort_videos, summarise, texts_of
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.errors import M2R2Error


def test_csv_and_jsonl_manifests_are_the_same(tmp_path: Path) -> None:
    rows = [
        {"video": "a/b.mp4", "description": 'Push, "gently", the box', "start": 1.5, "end": 2.0},
        {"video": "c.mp4", "description": "Größe ändern"},
    ]
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n", "utf-8")
    (tmp_path / "m.csv").write_text(
        "\ufeffvideo,description,start,end\n"
        'a/b.mp4,"Push, ""gently"", the box",1.5,2.0\nc.mp4,Größe ändern,,\n',
        "utf-8",
    )
    expected = [
        DescribedVideo(tmp_path / "a/b.mp4", 'Push, "gently", the box', 1.5, 2.0),
        DescribedVideo(tmp_path / "c.mp4", "Größe ändern"),
    ]
    for name in ("m.jsonl", "m.csv"):
        assert list(read_described_videos(tmp_path / name)) == expected


def make_rh20t(folder: Path) -> Path:
    """One robot scene with two cameras, its human twin, and a task that nobody described."""
    for scene in (
        "task_0001_user_0001_scene_0001_cfg_0003",
        "task_0001_user_0001_scene_0001_cfg_0003_human",
        "task_0099_user_0001_scene_0002_cfg_0003",
    ):
        for camera in ("cam_1", "cam_2"):
            video = folder / "RH20T_cfg3" / scene / camera / "color.mp4"
            video.parent.mkdir(parents=True)
            video.touch()
    task = {"task_description_english": "Turn on the desk lamp", "task_description_chinese": "-"}
    (folder / "task_description.json").write_text(json.dumps({"task_0001": task}))
    return folder


def test_rh20t_has_a_description_a_task_and_human_twins(tmp_path: Path) -> None:
    clips = list(read_described_videos(make_rh20t(tmp_path)))
    assert list(read_described_videos(tmp_path / "RH20T_cfg3")) == clips
    assert [clip.description for clip in clips] == ["Turn on the desk lamp"] * 4 + [""] * 2
    assert [clip.subject for clip in clips] == ["", "", "Human", "Human", "", ""]
    lamp = Findings("Robot", (ActionPhrase("turn on", "desk lamp"),))
    result = sort_videos(clips, {"Turn on the desk lamp": lamp})
    assert [record["subject"] for record in result.kept] == ["Robot", "Robot", "Human", "Human"]
    assert result.kept[2]["sentence"] == (
        "Human turn on desk lamp, Action is turn on, Object is desk lamp."
    )
    assert {record["reason"] for record in result.rejected} == {"no description"}


def test_reassemble_gives_a_clip_for_each_action(tmp_path: Path) -> None:
    write_recording(tmp_path / "a.h5", recording(2.0, "a", cameras=("hama1",)))
    clips = list(read_described_videos(tmp_path))
    assert [(c.description, c.start_s, c.end_s, c.camera) for c in clips] == [
        ("No action.", 0.0, 1.0, "hama1"),
        ("Insert USB.", 1.0, 1.9, "hama1"),
    ]
    assert list(read_described_videos(tmp_path / "a.h5")) == clips


def test_a_manifest_names_the_camera_of_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("video,description,camera\na.h5,Insert USB,hama1\nb.mp4,Insert USB,\n")
    assert [clip.camera for clip in read_described_videos(path)] == ["hama1", ""]


def test_every_clip_is_in_one_list_with_a_reason() -> None:
    push, pull = ActionPhrase("push", "box"), ActionPhrase("pull", "rope")
    answers = {
        "one": Findings("Robot", (push,)),
        "two": Findings("Robot", (push, pull)),
        "none": Findings("Robot", ()),
        "bare": Findings("Robot", (ActionPhrase("wait", ""),)),
        "lost": NoAnswer("no valid answer"),
    }
    clips = [
        DescribedVideo(Path(f"{i}.mp4"), text, 0.0, 9.0)
        for i, text in enumerate([*answers, "", " one "])
    ]
    assert texts_of(clips) == list(answers)
    result = sort_videos(clips, answers)
    assert [record["path"] for record in result.kept] == ["0.mp4", "6.mp4"]
    assert [record["reason"] for record in result.rejected] == [
        "multiple actions",
        "no action",
        "no object",
        "no valid answer",
        "no description",
    ]
    summary = summarise(result)
    assert (summary["videos"], summary["kept"], summary["unique_tasks"]) == (7, 2, 1)
    assert summary["actions"] == {"push": 2}
    assert summary["hours"] == pytest.approx(18 / 3600)


BAD = {
    "no such file": ("gone.csv", None, "no such file"),
    "other suffix": ("m.txt", "x", "neither a manifest"),
    "no header": ("m.csv", "a,b\n1,2\n", "must name video and description"),
    "no video": ("m.jsonl", '{"description": "x"}\n', "line 1: needs a video"),
    "not json": ("m.jsonl", '{"video": "a", "description": "b"}\n{oops\n', "line 2: not JSON"),
    "deep json": ("m.jsonl", "[" * 100_000, "line 1: not JSON"),
    "a list": ("m.jsonl", "[]\n", "line 1: not an object"),
    "backwards": (
        "m.jsonl",
        '{"video": "a", "description": "b", "start": 3, "end": 2}',
        "it ends before it starts",
    ),
    "no time": (
        "m.jsonl",
        '{"video": "a", "description": "b", "start": "x", "end": 2}',
        "'x' is no time",
    ),
    "not utf-8": ("m.csv", b"\xff\xfe\x00", "cannot be read as text"),
    "recording without camera": (
        "m.jsonl",
        '{"video": "a.h5", "description": "b"}',
        "'a.h5' is a recording: 'camera' must name one of it",
    ),
    "endless": (
        "m.jsonl",
        json.dumps({"video": "a", "description": "b" * 10_001}),
        "more than 10000 characters",
    ),
}


@pytest.mark.parametrize(("name", "content", "message"), BAD.values(), ids=BAD)
def test_bad_manifests_name_the_file(tmp_path: Path, name: str, content, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(M2R2Error, match=message) as error:
        list(read_described_videos(path))
    assert str(path) in str(error.value)


def test_folders_without_data_say_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(M2R2Error, match=r"neither \.h5 recordings nor RH20T's"):
        list(read_described_videos(tmp_path))
    (tmp_path / "task_description.json").write_text("{}")
    with pytest.raises(M2R2Error, match="holds no task"):
        list(read_described_videos(tmp_path))
    (tmp_path / "task_description.json").write_text("[1]")
    with pytest.raises(M2R2Error, match="not RH20T's descriptions"):
        list(read_described_videos(tmp_path))
