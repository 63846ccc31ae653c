# SPDX-License-Identifier: Apache-2.0
"""Lists of clips: what is written is read again, and a bad line is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2r2_ros.datasets.clips import Clip, clip_sentence, read_clips, write_clips
from m2r2_ros.errors import M2R2Error

GOOD = {
    "path": "a.mp4",
    "start_s": 0,
    "end_s": 2.5,
    "camera": "",
    "subject": "Robot",
    "action": "insert",
    "object": "USB",
    "sentence": "Robot insert USB, Action is insert, Object is USB.",
}


def write_lines(folder: Path, *lines: str) -> Path:
    path = folder / "clips.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_sentence_is_the_one_of_algorithm_1():
    sentence = clip_sentence("Robot", "insert", "USB")
    assert sentence == "Robot insert USB, Action is insert, Object is USB."
    assert clip_sentence("Human", "wave", "") == "Human wave, Action is wave."


def test_clips_survive_the_file(tmp_path):
    text = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)

    @given(st.lists(st.tuples(st.floats(0, 1e6), text, text), max_size=5))
    def check(parts):
        clips = [
            Clip(
                tmp_path / "videos" / "a.h5", start, start + 1, "hama1", "Robot", action, name, "s"
            )
            for start, action, name in parts
        ]
        path = tmp_path / "lists" / "clips.jsonl"
        assert write_clips(path, clips) == len(clips)
        read = [(c.path.resolve(), c.start_s, c.action, c.object) for c in read_clips(path)]
        same = read == [(c.path.resolve(), c.start_s, c.action, c.object) for c in clips]
        assert same

    check()


def test_a_list_moves_with_its_videos(tmp_path):
    folder = tmp_path / "here"
    clip = Clip(folder / "videos" / "a.mp4", 0.0, None, "", "Robot", "pick", "USB", "s")
    write_clips(folder / "clips.jsonl", [clip])
    folder.rename(tmp_path / "there")
    (moved,) = read_clips(tmp_path / "there" / "clips.jsonl")
    assert moved.path.resolve() == (tmp_path / "there" / "videos" / "a.mp4").resolve()
    assert moved.end_s is None


def test_further_entries_and_empty_lines_are_ignored(tmp_path):
    path = write_lines(tmp_path, "", json.dumps(GOOD | {"description": "more"}), "")
    (clip,) = read_clips(path)
    assert (clip.path, clip.end_s, clip.object) == (tmp_path / "a.mp4", 2.5, "USB")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"path": None}, "'path'"),
        ({"start_s": "0"}, "'start_s'"),
        ({"start_s": True}, "'start_s'"),
        ({"end_s": float("nan")}, "'end_s'"),
        ({"start_s": 3.0}, "from 3.0 s to 2.5 s"),
        ({"start_s": -1.0}, "from -1.0 s"),
        ({"action": " "}, "without action"),
        ({"object": 3}, "'object'"),
    ],
)
def test_a_bad_line_is_named(tmp_path, change, named):
    path = write_lines(tmp_path, json.dumps(GOOD), json.dumps(GOOD | change))
    with pytest.raises(M2R2Error, match="line 2") as raised:
        list(read_clips(path))
    assert named in str(raised.value)


@pytest.mark.parametrize("name", ["path", "action", "object", "camera", "sentence"])
@pytest.mark.parametrize("text", ["a\ud800b", "\udfff", "\ud83d", "\udc80\ud800"])
def test_halves_of_characters_are_refused(tmp_path, name, text):
    path = write_lines(tmp_path, json.dumps(GOOD), json.dumps(GOOD | {name: text}))
    with pytest.raises(M2R2Error, match=rf"line 2: '{name}' holds what is no character"):
        list(read_clips(path))


def test_names_of_files_may_be_in_any_encoding_without_nul(tmp_path):
    path = write_lines(tmp_path, json.dumps(GOOD | {"path": "a\udcff.mp4"}))
    assert [clip.path.name for clip in read_clips(path)] == ["a\udcff.mp4"]
    with pytest.raises(M2R2Error, match="'path' holds what is no character"):
        list(read_clips(write_lines(tmp_path, json.dumps(GOOD | {"path": "a\0.mp4"}))))


@pytest.mark.parametrize("line", ["{", "[]", "3", "[" * 100_000, "\x00"])
def test_what_is_no_clip_is_refused(tmp_path, line):
    with pytest.raises(M2R2Error, match="line 1"):
        list(read_clips(write_lines(tmp_path, line)))


def test_a_file_that_is_missing_or_no_text_is_named(tmp_path):
    binary = tmp_path / "binary.jsonl"
    binary.write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "none.jsonl", binary):
        with pytest.raises(M2R2Error, match=path.name):
            list(read_clips(path))


def test_a_clip_behind_links_in_a_circle_is_written_as_it_is(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    clip = Clip(tmp_path / "loop" / "a.mp4", 0.0, None, "", "person", "grasp", "cup", "a cup")
    assert write_clips(tmp_path / "clips.jsonl", [clip]) == 1
    assert "loop/a.mp4" in (tmp_path / "clips.jsonl").read_text()
