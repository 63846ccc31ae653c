# SPDX-License-Identifier: Apache-2.0
"""`m2r2 convert --storage lerobot`: recordings as episodes, checked against the recordings."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from recordings import recording

from m2r2_ros.cli.convert import convert
from m2r2_ros.cli.main import main
from m2r2_ros.datasets.array_file import open_arrays
from m2r2_ros.datasets.labels_file import labels_path, write_labels
from m2r2_ros.datasets.mstcn import frame_labels
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.datasets.recording_labels import Label, RecordingLabels
from m2r2_ros.datasets.source import open_source, windows
from m2r2_ros.label_formats.label_format import FormatOptions
from m2r2_ros.label_formats.registry import find_format
from m2r2_ros.label_formats.video_file import VideoFile
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.sensing.layout import SensorLayout

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
RATE_HZ = 10
LAYOUT = SensorLayout(cameras=("hama1",), audio=False, signals=("wrench", "gripper"))


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """`a.h5`, the bag `bags/b` with labels of its own, a layout, and the data set of both."""
    folder = tmp_path_factory.mktemp("lerobot")
    for name, seconds in (("a", 2.0), ("b", 3.0)):
        write_recording(folder / f"{name}.h5", recording(seconds, name, cameras=("hama1",)))
    bag = convert(folder / "b.h5", folder / "bags")
    with open_source(bag) as source:
        start_ns = source.start_ns
    label = Label(start_ns + 10**9, start_ns + 2 * 10**9, "wipe")
    write_labels(labels_path(bag), RecordingLabels(start_ns, (label,)))
    text = "cameras: [hama1]\naudio: false\nsignals: {wrench: {width: 6}, gripper: {width: 1}}\n"
    (folder / "layout.yaml").write_text(text)
    assert to_lerobot(folder, folder / "a.h5", bag) == 0
    return folder


def to_lerobot(place, *recordings, out="set", layout="layout.yaml") -> int:
    arguments = ["convert", *recordings, "--out", place / out, "--storage", "lerobot"]
    return main([*map(str, [*arguments, "--layout", place / layout, "--rate", RATE_HZ])])


def table(place, name) -> dict:
    return pq.read_table(place / "set" / name).to_pydict()


def test_every_frame_is_the_end_of_a_window(place):
    """State and label of each frame, from windows and labels that are read apart."""
    data = table(place, "data/chunk-000/file-000.parquet")
    subtasks = table(place, "meta/subtasks.parquet")
    texts = dict(zip(subtasks["subtask_index"], subtasks["subtask"], strict=True))
    for episode, path in enumerate((place / "a.h5", place / "bags/b")):
        rows = [k for k, number in enumerate(data["episode_index"]) if number == episode]
        with open_source(path) as source:
            seen = [w for w in windows(source, LAYOUT) if len(w.images) + len(w.signals) == 3]
            middles = [(w.start_ns + w.end_ns) // 2 for w in seen]
            times_s = [(t - source.start_ns) / 1e9 for t in middles]
            gap = "No action" if episode == 0 else "unlabelled"
            expected = frame_labels(source.actions, times_s, gap)
        states = [np.concatenate([w.signals[n][-1] for n in LAYOUT.signals]) for w in seen]
        np.testing.assert_array_equal([data["observation.state"][k] for k in rows], states)
        assert [texts[data["subtask_index"][k]] for k in rows] == expected
        assert [data["frame_index"][k] for k in rows] == list(range(len(rows)))


def test_the_videos_are_the_pictures(place):
    with open_source(place / "bags/b") as source:
        pictures = [w.images["hama1"] for w in windows(source, LAYOUT)]
    key = "observation.images.hama1"
    file = place / "set/videos" / key / "chunk-000/file-001.mp4"
    with av.open(str(file)) as container:
        found = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(found) == len(pictures)
    for picture, other in zip(pictures, found, strict=True):
        assert np.abs(picture.astype(int) - other).mean() < 3
    episodes = table(place, "meta/episodes/chunk-000/file-000.parquet")
    assert episodes[f"videos/{key}/file_index"] == [0, 1]
    assert episodes[f"videos/{key}/to_timestamp"][1] == pytest.approx(len(found) / RATE_HZ)
    stats = json.loads((place / "set/meta/stats.json").read_text())[key]
    with open_source(place / "a.h5") as source:
        pictures += [w.images["hama1"] for w in windows(source, LAYOUT)]
    mean = np.mean([p.reshape(-1, 3) / 255 for p in pictures], axis=(0, 1))
    np.testing.assert_allclose(np.ravel(stats["mean"]), mean, atol=1e-9)
    assert stats["count"] == [len(pictures)]


def test_what_the_data_set_says_of_itself(place):
    info = json.loads((place / "set/meta/info.json").read_text())
    assert (info["fps"], info["total_episodes"]) == (RATE_HZ, 2)
    names = info["features"]["observation.state"]["names"]
    assert (names[0], len(names)) == ("wrench.force x", 7)
    assert info["features"]["observation.images.hama1"]["shape"] == [48, 64, 3]
    assert info["total_frames"] == len(table(place, "data/chunk-000/file-000.parquet")["index"])


def test_its_subtasks_come_back_as_labels(place):
    first, second = find_format("lerobot").read(place / "set", FormatOptions())
    assert (first.name, second.name) == ("a", "b")
    assert [span.label for span in second.spans] == ["wipe"]
    with open_source(place / "bags/b") as source:
        (action,) = source.actions
        bounds_s = np.array([second.spans[0].start_ns, second.spans[0].end_ns]) / 1e9
        found = bounds_s + (second.epoch_ns - source.start_ns) / 1e9
    np.testing.assert_allclose(found, [action.start_s, action.end_s], atol=0.06)


def test_a_sensor_that_is_never_there_and_one_that_pauses(place, capsys):
    data = recording(2.0, "c", cameras=("hama1",))
    force = data.signals["measured_force"]
    kept = (force.times_s < 0.7) | (force.times_s > 1.3)
    pausing = replace(force, times_s=force.times_s[kept], values=force.values[kept])
    torque = replace(pausing, values=pausing.values + 1)
    signals = data.signals | {"measured_force": pausing, "measured_torque": torque}
    write_recording(place / "c.h5", replace(data, signals=signals))
    assert to_lerobot(place, place / "c.h5", out="held") == 0
    said = capsys.readouterr().err
    assert "c: 'wrench' is masked in " in said and " frames: its last is held" in said
    (place / "two.yaml").write_text("cameras: [hama1, hand]\nsignals: {wrench: {width: 6}}\n")
    assert to_lerobot(place, place / "c.h5", out="none", layout="two.yaml") == 2
    assert "c: 'hand' is never there: leave it out of --layout" in capsys.readouterr().err
    assert not (place / "none").exists()
    assert to_lerobot(place, place / "c.h5") == 2
    assert "set: holds files already" in capsys.readouterr().err


# ------------------------------------------------------------------------------- the other way

MAPPING = {
    "stamps": "timestamp",
    "recordings": "episode_*",
    "signals": {
        "wrench": "observation.state[0:6]",
        "gripper": {"arrays": "observation.state[6]", "unit": "m"},
    },
    "cameras": {"hama1": "observation.images.hama1"},
    "labels": {"frames": "subtask"},
}


def from_lerobot(place, data, out="from", **changes) -> int:
    (place / "mapping.json").write_text(json.dumps(MAPPING | changes))
    how = ["--mapping", place / "mapping.json", "--layout", place / "layout.yaml"]
    return main([*map(str, ["convert", data, "--out", place / out, *how])])


def test_a_data_set_becomes_bags(place):
    """Each with the state, pictures and labels of its episode, at the stamps of its rate."""
    assert from_lerobot(place, place / "set") == 0
    data = table(place, "data/chunk-000/file-000.parquet")
    tracks = find_format("lerobot").read(place / "set", FormatOptions())
    for episode, track in enumerate(tracks):
        bag = place / "from" / f"set-episode_{episode:06d}"
        robot = Deployment.load(place / "from/robot.yaml")
        with open_source(bag, robot.topics) as source:
            batches = list(source.batches(LAYOUT))
            labels = [(a.text.rstrip("."), a.start_s, a.end_s) for a in source.actions]
            first_ns = source.start_ns
        state = [
            np.concatenate([b.signals[name][1] for b in batches if name in b.signals])
            for name in LAYOUT.signals
        ]
        rows = [k for k, number in enumerate(data["episode_index"]) if number == episode]
        stored = np.array([data["observation.state"][k] for k in rows])
        np.testing.assert_allclose(np.hstack(state), stored, rtol=1e-6)
        pictures = [(stamp, picture()) for b in batches for _, stamp, picture in b.images]
        assert [stamp - first_ns for stamp, _ in pictures] == [
            round(k * 1e9 / RATE_HZ) for k in range(len(rows))
        ]
        file = place / f"set/videos/observation.images.hama1/chunk-000/file-{episode:03d}.mp4"
        with av.open(str(file)) as container:
            decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        np.testing.assert_array_equal([picture for _, picture in pictures], decoded)
        spans = [(s.label, s.start_ns / 1e9, s.end_ns / 1e9) for s in track.spans]
        assert [name for name, *_ in labels] == [name for name, *_ in spans]
        np.testing.assert_allclose([x[1:] for x in labels], [x[1:] for x in spans], atol=1e-6)


def test_episodes_that_share_a_video(place, tmp_path):
    """LeRobot puts many episodes into one file: each begins at its own time in it."""
    shutil.copytree(place / "set", tmp_path / "set")
    folder = tmp_path / "set/videos/observation.images.hama1/chunk-000"
    pictures = []
    for number in range(2):
        with av.open(str(folder / f"file-{number:03d}.mp4")) as container:
            pictures.append([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])
    with VideoFile(folder / "file-000.mp4", RATE_HZ) as video:
        for picture in [*pictures[0], *pictures[1]]:
            video.add(picture)
    file = tmp_path / "set/meta/episodes/chunk-000/file-000.parquet"
    rows = pq.read_table(file).to_pydict()
    rows["videos/observation.images.hama1/file_index"] = [0, 0]
    start_s = len(pictures[0]) / RATE_HZ
    rows["videos/observation.images.hama1/from_timestamp"] = [0.0, start_s]
    pq.write_table(pa.table(rows), file)
    with open_arrays(tmp_path / "set") as arrays:
        found = arrays.read("episode_000001/observation.images.hama1")
    assert len(found) == len(pictures[1])
    assert np.abs(found.astype(int) - pictures[1]).mean() < 3


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda folder: (folder / "meta/info.json").write_text("{}"), "no LeRobotDataset v3.x"),
        (lambda folder: slow(folder / "meta/info.json"), "frame 2 is stamped"),
        (lambda folder: next(folder.rglob("*.mp4")).unlink(), "its video cannot be read"),
        (lambda folder: cut(next(folder.rglob("*.mp4"))), "observation.images.hama1'"),
        (lambda folder: cut(next(folder.glob("data/*/*.parquet"))), "no Parquet"),
        (lambda folder: shutil.rmtree(folder / "meta/episodes"), "names 0 episodes"),
        (lambda folder: change(folder, length=[3, 30]), "its frames are not those"),
        (lambda folder: change(folder, length=[-1, 30]), "'length' is -1"),
    ],
)
def test_data_sets_that_are_damaged_are_one_line(place, tmp_path, capsys, damage, line):
    shutil.copytree(place / "set", tmp_path / "set")
    shutil.copy(place / "layout.yaml", tmp_path)
    damage(tmp_path / "set")
    capsys.readouterr()
    assert from_lerobot(tmp_path, tmp_path / "set") == 2
    said = [x for x in capsys.readouterr().err.splitlines() if x.startswith("m2r2 convert: ")]
    assert len(said) == 1 and line in said[0] and str(tmp_path / "set") in said[0]


def slow(file: Path) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | {"fps": RATE_HZ / 2}))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def change(folder: Path, **columns) -> None:
    file = folder / "meta/episodes/chunk-000/file-000.parquet"
    pq.write_table(pa.table(pq.read_table(file).to_pydict() | columns), file)


def test_features_that_lead_out_of_the_folder_are_none(place, tmp_path):
    shutil.copytree(place / "set", tmp_path / "set")
    info = json.loads((tmp_path / "set/meta/info.json").read_text())
    video = info["features"]["observation.images.hama1"]
    info["features"] = {
        "../../x": video,
        "observation.state": info["features"]["observation.state"],
    }
    (tmp_path / "set/meta/info.json").write_text(json.dumps(info))
    with open_arrays(tmp_path / "set") as arrays:
        names = {name.partition("/")[2] for name in arrays.names()}
    assert names == {"timestamp", "observation.state", "subtask"}
