# SPDX-License-Identifier: Apache-2.0
"""A recording written for Rerun, read back by Rerun's own reader."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shown import LAYOUT, SECOND, results, shown_recording
from source_tree import ROOT

from m2r2_ros.errors import M2R2Error
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.viewing import streams

pytest.importorskip("rerun")

from rerun.chunk import RrdReader

from m2r2_ros.viewing import rerun_viewer
from m2r2_ros.viewing.recording_view import recording_in_rerun
from m2r2_ros.viewing.rerun_recording import rerun_recording
from m2r2_ros.viewing.rerun_screen import PUBLISHED, TRUE
from m2r2_ros.viewing.rerun_viewer import check_display


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """The recording's file."""
    folder = tmp_path_factory.mktemp("rerun")
    with shown_recording(folder) as source:
        file = folder / "shown.rrd"
        recording_in_rerun(source, LAYOUT, results(source.start_ns), Deployment(), file, print)
    return file


@pytest.fixture(scope="module")
def logged(written: Path) -> dict[str, list[tuple[int, object]]]:
    """Entity and component -> stamps [ns] and what was logged at them, in order."""
    found = defaultdict(list)
    for chunk in RrdReader(written).stream().to_chunks():
        batch = chunk.to_record_batch()
        if "stamp" not in batch.schema.names:
            continue
        stamps = batch.column("stamp").cast("int64").to_pylist()
        for name in batch.schema.names:
            if ":" in name:
                rows = zip(stamps, batch.column(name).to_pylist(), strict=True)
                found[f"{chunk.entity_path} {name}"] += [(t, row) for t, row in rows if row]
    return {name: sorted(rows, key=lambda row: row[0]) for name, rows in found.items()}


def start_ns(written: Path) -> int:
    with shown_recording(written.parent) as source:
        return source.start_ns


def test_states_and_curves_are_those_of_the_results(written, logged):
    zero = start_ns(written)

    def states(entity):
        rows = logged[f"{entity} StateChange:state"]
        return [(round((stamp - zero) / SECOND, 2), state[0]) for stamp, state in rows]

    assert states(PUBLISHED) == [
        (0.5, "Pick USB"), (1.0, "Pick USB"), (1.5, ""), (1.5, "Insert USB"), (2.5, ""),
    ]  # fmt: skip
    assert [state for _, state in states(TRUE)] == ["No action", "Insert USB", "No action"]
    confidence = logged[f"{streams.PREDICTION}/confidence Scalars:scalars"]
    assert [row[0] for _, row in confidence] == [pytest.approx(k / 30) for k in range(1, 30)]
    late = logged[f"{streams.LATENCY}/stamp_to_prediction_s Scalars:scalars"]
    assert [row[0] for _, row in late] == [pytest.approx(0.02)] * 29
    (said,) = logged[f"{streams.DIAGNOSTICS} TextLog:text"]
    assert said == (zero + SECOND, ["segmenter: slow"])


def test_all_rows_of_a_signal_are_there_bit_for_bit(written, logged):
    with shown_recording(written.parent) as source:
        batches = source.batches(LAYOUT.only(["wrench"]))
        parts = [batch.signals["wrench"] for batch in batches]
    stamps, values = (np.concatenate(each) for each in zip(*parts, strict=True))
    rows = logged[f"{streams.signal('wrench')} Scalars:scalars"]
    assert [stamp for stamp, _ in rows] == stamps.tolist()
    assert [row for _, row in rows] == values.tolist()


def test_pictures_have_the_segment_on_them(written, logged):
    zero = start_ns(written)
    pictures = logged[f"{streams.camera('hand')} EncodedImage:blob"]
    assert 44 <= len(pictures) <= 46
    for stamp, (blob,) in pictures:
        grey = np.asarray(Image.open(BytesIO(bytes(blob))))
        frame = round((stamp - zero) / SECOND * 30)
        assert abs(int(grey[0, 0, 0]) - 4 * frame % 256) <= 4
    texts = logged[f"{streams.caption('hand')} Points2D:labels"]
    first, last = texts[0], texts[-1]
    assert (first[0] - zero) / SECOND == pytest.approx(0.5, abs=0.1)
    assert (first[1], last[1]) == (["Pick USB 75 %"], ["Insert USB: failure"])


def test_the_views_look_at_what_is_logged(written, logged):
    reader = RrdReader(written)
    (blueprint,) = reader.blueprints()
    origins = set()
    for chunk in reader.stream(store=blueprint).to_chunks():
        batch = chunk.to_record_batch()
        if "ViewBlueprint:space_origin" in batch.schema.names:
            origins |= {row[0] for row in batch.column("ViewBlueprint:space_origin").to_pylist()}
    assert len(origins) == 8
    entities = {name.partition(" ")[0] for name in logged}
    assert {o for o in origins if not any(e.startswith(o) for e in entities)} == set()


def test_views_that_were_rearranged_are_those_of_one_set_of_sensors(written, tmp_path):
    """The viewer keeps them for an application's next recording, which may be another robot's."""
    for name, layout in (("same", LAYOUT), ("other", LAYOUT.only(["hand", "wrench"]))):
        with rerun_recording("x", layout, tmp_path / f"{name}.rrd"):
            pass
    files = written, tmp_path / "same.rrd", tmp_path / "other.rrd"
    first, same, other = (RrdReader(f).recordings()[0].application_id for f in files)
    assert first == same != other


def test_a_disk_that_is_full_is_one_line(tmp_path):
    """In a program of its own, for all of a program's files are bounded; Rerun's writer hangs."""
    code = (
        "import resource, numpy as np, rerun as rr\n"
        "from pathlib import Path\n"
        "from shown import LAYOUT\n"
        "from m2r2_ros.errors import M2R2Error\n"
        "from m2r2_ros.viewing.rerun_recording import rerun_recording\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "try:\n"
        "    with rerun_recording('full', LAYOUT, Path('full.rrd')) as (recording, check):\n"
        "        while True:\n"
        "            recording.log('/a', rr.TextLog('x' * 50_000))\n"
        "            check()\n"
        "except M2R2Error as error:\n"
        "    print(error)\n"
    )
    places = os.pathsep.join([str(ROOT), str(Path(__file__).parent), *sys.path])
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": places},
    )  # fmt: skip
    assert "cannot write full.rrd" in ended.stdout and "too large" in ended.stdout, ended.stderr
    assert not list(tmp_path.iterdir())


def test_without_a_display_a_file_is_named(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(M2R2Error, match=r"--out FILE\.rrd"):
        check_display()


LISTENS = """
import socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[2]))) as server:
    # Whether it listens is asked by connecting; the next one is the recording.
    for _ in range(2):
        server.accept()[0].close()
sys.exit(int({status}))
"""


@pytest.mark.parametrize("status", [0, 1])
@pytest.mark.parametrize("program", ["import sys; sys.exit({status})", LISTENS])
def test_a_viewer_that_ends_is_noticed(monkeypatch, program, status):
    """Closed by its user it ends the show, which is well; else, or too early, it is said."""
    command = sys.executable, "-c", program.format(status=status)
    monkeypatch.setattr(rerun_viewer, "_VIEWER", command)
    is_closed = status == 0 and program == LISTENS
    said = pytest.raises(M2R2Error, match=f"has ended with status {status}: --out FILE")
    with nullcontext() if is_closed else said, rerun_recording("x", LAYOUT, None) as (_, check):
        while True:
            check()
            time.sleep(0.01)
