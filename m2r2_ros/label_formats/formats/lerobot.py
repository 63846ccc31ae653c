# SPDX-License-Identifier: Apache-2.0
"""LeRobotDataset v3: subtasks, an episode a recording.

Of its two forms, --tier names one: `subtask_index` a frame with meta/subtasks.parquet, which comes
first, and `language_persistent`, whose rows of the style "subtask" are valid until replaced. What
is written is a data set of its own, with labels and no observations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

from m2r2_ros.datasets.atomic import partial_folder
from m2r2_ros.datasets.frame_rate import check_times
from m2r2_ros.datasets.lerobot_arrays import SUBTASKS_FILE, TIMES, read_info, subtask_texts
from m2r2_ros.datasets.parquet import MAX_FILES, column_names, row_groups
from m2r2_ros.errors import M2R2Error, brief
from m2r2_ros.label_formats.frames import MAX_FRAMES, frame_labels, regular_bounds, runs
from m2r2_ros.label_formats.label_format import GAPS, FormatOptions, LabelFormat
from m2r2_ros.label_formats.label_track import LabelTrack
from m2r2_ros.label_formats.lerobot_dataset import INDEX, PERSISTENT, write_tables
from m2r2_ros.label_formats.texts import from_zero
from m2r2_ros.vocabulary import UNLABELLED


class _Frame(NamedTuple):
    """What is read of a frame; `said` is its subtask's index, or its rows of language.

    time_s  as it is stamped, None where no frame is.
    """

    episode: int
    number: int
    said: Any
    time_s: Any


def read(path: Path, options: FormatOptions) -> list[LabelTrack]:
    rate_hz = read_info(path)["fps"]
    files = sorted(path.glob("data/chunk-*/file-*.parquet"))
    if not 0 < len(files) <= MAX_FILES:
        raise M2R2Error(f"has {len(files)} files data/chunk-*/file-*.parquet")
    column = _column(path, files[0], options.tier)
    episodes: dict[int, list[_Frame]] = {}
    for frame in _frames(files, column):
        episodes.setdefault(frame.episode, []).append(frame)
    known = _recordings(path)
    texts = subtask_texts(path) if column == INDEX else {}
    tracks = []
    for episode, frames in sorted(episodes.items()):
        if [frame.number for frame in frames] != list(range(len(frames))):
            raise M2R2Error(f"episode {episode}: its frames are not numbered from 0 on")
        if frames[0].time_s is not None:
            check_times([frame.time_s for frame in frames], rate_hz, f"episode {episode}")
        labels = _indexed(frames, texts) if texts else _persistent(episode, frames, rate_hz)
        spans = runs(labels, regular_bounds(len(labels), rate_hz))
        name, epoch_ns = known.get(episode, (f"episode_{episode:06d}", None))
        tracks.append(LabelTrack(name, spans, epoch_ns))
    return tracks


def write(path: Path, tracks: Sequence[LabelTrack], options: FormatOptions) -> list[str]:
    if not options.rate_hz:
        raise M2R2Error("has a label a frame: --rate says how many frames a second")
    if path.exists() and any(path.iterdir()):
        raise M2R2Error("holds files already: a data set is written into a new folder")
    cut = [from_zero(track) for track in tracks]
    labels = {track.name: frame_labels(track, options.rate_hz) for track, _ in cut}
    for name, given in labels.items():
        if not given:
            raise M2R2Error(f"'{name}' has no frame: an episode needs one")
    column, epochs_ns = _checked(options.tier) or INDEX, [track.epoch_ns or 0 for track in tracks]
    with partial_folder(path) as folder:
        write_tables(folder, labels, epochs_ns, options.rate_hz, column)
    lines = [line for _, lines in cut for line in lines]
    return ["a data set of labels alone, without observations", *lines]


def _checked(column: str) -> str:
    if column not in ("", INDEX, PERSISTENT):
        raise M2R2Error(f"--tier must be {INDEX} or {PERSISTENT}, not {brief(column)}")
    return column


def _column(path: Path, file: Path, wanted: str) -> str:
    there = column_names(file)
    if INDEX in there and (path / SUBTASKS_FILE).exists() and _checked(wanted) != PERSISTENT:
        return INDEX
    if PERSISTENT in there and _checked(wanted) != INDEX:
        return PERSISTENT
    raise M2R2Error(f"has no subtasks: neither {INDEX} with {SUBTASKS_FILE} nor {PERSISTENT}")


def _frames(files: Sequence[Path], column: str) -> Iterator[_Frame]:
    stamps = [TIMES] if TIMES in column_names(files[0]) else []
    for group in row_groups(files, ["episode_index", "frame_index", column, *stamps]):
        rows = zip(*group.values(), *([] if stamps else [repeat(None)]), strict=bool(stamps))
        for episode, number, said, time_s in rows:
            if type(episode) is not int or type(number) is not int or episode < 0:
                raise M2R2Error(f"a frame has the numbers {brief(episode)}, {brief(number)}")
            # The rows of language are the same in all frames of an episode.
            is_said = column == INDEX or number == 0
            yield _Frame(episode, number, said if is_said else None, time_s)


def _indexed(frames: Sequence[_Frame], texts: dict[int, str]) -> list[str]:
    labels = []
    for frame in frames:
        if frame.said is None or frame.said == -1:
            labels.append(UNLABELLED)
        elif frame.said not in texts:
            raise M2R2Error(f"{INDEX} {brief(frame.said)} is not in {SUBTASKS_FILE}")
        else:
            labels.append(texts[frame.said])
    return labels


def _persistent(episode: int, frames: Sequence[_Frame], rate_hz: float) -> list[str]:
    starts: dict[int, str] = {}
    for row in frames[0].said or ():
        if not isinstance(row, dict):
            raise M2R2Error(f"episode {episode}: {PERSISTENT} holds {brief(row)}")
        time_s, content = row.get("timestamp"), row.get("content")
        if row.get("style") != "subtask":
            continue
        if not isinstance(time_s, float) or not 0 <= time_s * rate_hz < MAX_FRAMES:
            raise M2R2Error(f"episode {episode}: a subtask begins at {brief(time_s)} s")
        # The last one of a time counts: one for the whole episode may stand before it.
        starts[round(time_s * rate_hz)] = content if isinstance(content, str) else UNLABELLED
    labels, label = [], UNLABELLED
    for number in range(len(frames)):
        label = starts.get(number, label)
        labels.append(label)
    return labels


def _recordings(path: Path) -> dict[int, tuple[str, int | None]]:
    """Name and epoch of the episodes' recordings, as `write` has kept them."""
    files = sorted(path.glob("meta/episodes/chunk-*/file-*.parquet"))
    columns = ["episode_index", "recording", "epoch_ns"]
    if not files or not set(columns) <= set(column_names(files[0])):
        return {}
    found = {}
    for group in row_groups(files, columns):
        for episode, name, epoch_ns in zip(*group.values(), strict=True):
            found[episode] = str(name), epoch_ns if type(epoch_ns) is int and epoch_ns else None
    return found


FORMAT = LabelFormat("", True, frozenset((GAPS,)), read, write, 0)
