# SPDX-License-Identifier: Apache-2.0
"""A bag that grows is whole at any moment, for readers that share no code with its writer."""

import errno
import random
import shutil
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from bag_files import TYPE, text_message
from rosbags.rosbag2 import Reader

from m2r2_ros.datasets import bag_recording
from m2r2_ros.datasets.bag_description import RecordedTopic
from m2r2_ros.datasets.bag_metadata import METADATA_FILE
from m2r2_ros.datasets.bag_qos import OfferedQos
from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.datasets.bag_recording import BagRecording
from m2r2_ros.errors import M2R2Error

NOW = 1_700_000_000 * 10**9
HASH = "RIHS01_df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18"
TOPICS = [
    RecordedTopic("/a", TYPE, OfferedQos(10), "string data", HASH),
    RecordedTopic("/b", TYPE, OfferedQos(5, True, False), "string data", HASH),
    RecordedTopic("/kept", TYPE, OfferedQos(1, False, True), "string data", HASH),
]


def random_rows(seed, count=300):
    """(topic, time, message), in order of time."""
    chance = random.Random(seed)
    times = sorted(NOW + chance.randrange(10**9) for _ in range(count))
    return [
        (chance.choice(TOPICS), t, text_message("x" * chance.choice([0, 1, 30, 3000])))
        for t in times
    ]


def record(folder, rows, chance, close=True):
    """Write rows in chunks that end by chance."""
    bag = BagRecording(folder)
    for row in rows:
        assert bag.add(*row)
        if chance.random() < 0.1:
            bag._hand_over()
    if close:
        bag.close()
    return bag


@pytest.mark.parametrize("seed", range(8))
def test_two_readers_read_what_was_written(tmp_path, seed):
    rows = random_rows(seed)
    record(tmp_path / "bag", rows, random.Random(seed))
    with open_bag(tmp_path / "bag") as bag:
        assert bag.problems == []
        ours = [(m.topic, m.data) for m in bag.messages()]
        times = [m.log_ns for m in bag.messages()]
        assert bag.problems == []
        assert bag.topics["/b"].qos == TOPICS[1].qos and bag.topics["/kept"].qos == TOPICS[2].qos
    assert ours == [(topic.name, data) for topic, _, data in rows]
    assert all(a < b for a, b in pairwise(times))
    with Reader(tmp_path / "bag") as reader:
        theirs = [(c.topic, bytes(data)) for c, _, data in reader.messages()]
        assert reader.message_count == len(rows)
        assert {c.topic: c.digest for c in reader.connections} == {t.name: HASH for t in TOPICS}
    assert theirs == ours


@pytest.mark.parametrize("seed", range(8))
def test_what_it_will_take_is_known_before_it_is_closed(tmp_path, seed):
    """To the byte of its file, and at most of the folder."""
    chance = random.Random(seed)
    bag = record(tmp_path / "bag", [], chance)
    assert bag._writer.final_size == bag._writer.size
    bag = BagRecording(tmp_path / "other")
    for row in random_rows(seed, chance.randint(1, 100)):
        promised = bag.size_with(row[0], row[2])
        bag.add(*row)
        if chance.random() < 0.1:
            bag._hand_over()
    final = bag._writer.final_size
    bag.close()
    assert bag._writer.size == final
    taken = sum(path.stat().st_size for path in (tmp_path / "other").iterdir())
    assert taken <= promised < taken + 4000


@pytest.mark.parametrize("seed", range(8))
def test_cut_anywhere_it_gives_all_before_the_cut(tmp_path, seed):
    rows, chance = random_rows(seed), random.Random(seed)
    record(tmp_path / "bag", rows, chance)
    whole = (tmp_path / "bag" / "bag_0.mcap").read_bytes()
    sizes = []
    for cut in sorted(chance.sample(range(100, len(whole)), 12)):
        (tmp_path / "cut.mcap").write_bytes(whole[:cut])
        with open_bag(tmp_path / "cut.mcap") as bag:
            read = [(m.topic, m.data) for m in bag.messages()]
        assert read == [(topic.name, data) for topic, _, data in rows[: len(read)]]
        sizes.append(len(read))
    assert sizes == sorted(sizes) and sizes[-1] > sizes[0]


def test_it_is_a_bag_before_anything_has_come(tmp_path):
    bag = BagRecording(tmp_path / "bag")
    stated = yaml.safe_load((tmp_path / "bag" / METADATA_FILE).read_text())
    information = stated["rosbag2_bagfile_information"]
    assert information["relative_file_paths"] == ["bag_0.mcap"]
    bag.close()
    with Reader(tmp_path / "bag") as reader:
        assert reader.message_count == 0
    with pytest.raises(M2R2Error, match="File exists"):
        BagRecording(tmp_path / "bag")


def test_what_came_is_handed_over_in_time(tmp_path):
    """Without a further message, and with metadata.yaml that states what is there."""
    bag = BagRecording(tmp_path / "bag")
    copy = tmp_path / "copy" / "bag"

    def stated():
        shutil.copytree(tmp_path / "bag", copy, dirs_exist_ok=True)
        with open_bag(copy) as opened:
            return opened.message_count

    def add_until(done, log_ns=NOW):
        while not done():
            bag.add(TOPICS[0], log_ns, text_message("x"))
            bag.pace()
            time.sleep(0.01)

    add_until(lambda: bag._writer.counts.total() > 3)
    assert stated() > 3
    content = METADATA_FILE
    add_until(lambda: "message_count: 0" not in (tmp_path / "bag" / content).read_text())
    bag.close()
    with open_bag(tmp_path / "bag") as opened:
        assert opened.problems == []


FULL = """
import resource, sys
from pathlib import Path
sys.path[:0] = {path!r}
from test_bag_recording import fill
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
fill(Path(sys.argv[1]))
"""


def fill(folder: Path) -> None:
    """Write until there is no room, and print what could be taken."""
    bag, taken = BagRecording(folder), 0
    while not bag.problem:
        taken += bag.add(TOPICS[0], NOW + taken, text_message("x" * 1000))
        bag.pace()
        if taken % 40 == 0:
            bag._hand_over()
            time.sleep(0.002)
    try:
        bag.close()
    except M2R2Error as error:
        print(error)


@pytest.mark.parametrize("limit", [300_000, 1_234_567])
def test_a_full_disk_keeps_what_there_is(tmp_path, limit):
    program = FULL.format(path=[str(Path(__file__).parent), *sys.path], limit=limit)
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "bag"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "what there is can be read" in done.stdout
    with open_bag(tmp_path / "bag") as bag:
        count = sum(1 for _ in bag.messages())
    size = (tmp_path / "bag" / "bag_0.mcap").stat().st_size
    assert size <= limit and count * 1000 > limit // 2


def test_a_slow_disk_is_no_reason_to_wait(tmp_path, monkeypatch):
    monkeypatch.setattr("m2r2_ros.datasets.bag_recording._MOST_WAITING_BYTES", 10_000)
    bag = BagRecording(tmp_path / "bag")
    bag._waiting_bytes += 20_000
    assert not bag.add(TOPICS[0], NOW, text_message("x"))
    bag._waiting_bytes -= 20_000
    assert bag.add(TOPICS[0], NOW, text_message("x"))
    assert bag.dropped == {"/a": 1}
    bag.close()


def test_a_bag_that_cannot_begin_leaves_no_folder(tmp_path, monkeypatch):
    def full(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(bag_recording, "McapWriter", full)
    with pytest.raises(M2R2Error, match="No space left"):
        BagRecording(tmp_path / "bag")
    assert not (tmp_path / "bag").exists()
    # Nor does it remove what is somebody's.
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag" / "mine").touch()
    with pytest.raises(M2R2Error):
        BagRecording(tmp_path / "bag")
    assert (tmp_path / "bag" / "mine").exists()
